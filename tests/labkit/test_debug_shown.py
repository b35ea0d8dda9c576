"""What a notebook shows, and a record keeps, of what a debugger says: nothing lost, nothing in the wrong place, no pages of noise."""

import subprocess
import sys
from concurrent.futures import Future

import pytest

from labkit import live
from labkit.checks.cuda_recorded import recording
from labkit.checks.cuda_text import kernels
from labkit.checks.debuggers_cuda import blamed
from labkit.checks.transcripts import MAX_CHARS
from labkit.debug.course_gdb import write_course_gdb
from labkit.debug.cuda_shown import excerpt, wait_for
from labkit.debug.gdb import Gdb
from labkit.debug.gdb_text import shown
from labkit.debug.ptrace import may_attach
from labkit.debug.transcript import Transcript, Turn

# As cuda-gdb 13.0 and gdb 13 do: `attach` is answered at once, what the process says until it stands still comes before the next answer.
FAKE = r"""
import re, sys
late = ""
for line in sys.stdin:
    token, command = re.match(r"(\d+)(.*)", line).groups()
    if "gdb-exit" in command:
        break
    said, late = late, ""
    if "attach 7" in command:
        said, late = '~"Attaching to process 7\\n"\n', '~"Reading symbols from /usr/bin/python3...\\n"\n~"0x00 in accept4 () from libc.so.6\\n"\n*stopped\n'
    if "thread apply" in command:
        said += '~"Thread 1 (LWP 7)\\n"\n'
    sys.stdout.write(f"{said}{token}^done\n(gdb) \n")
    sys.stdout.flush()
"""
WARNING = "warning: Cuda Driver error detected: No CUDA context is current to the calling thread\n"
SIGNATURE = "vllm::reshape_and_cache_flash_kernel<unsigned short, unsigned short, (vllm::Fp8KVCacheDataType)0>"
# As a live cuda-gdb 13.0 shows it; its lines are padded to the width of the longest.
TABLE = f"""\
  Kernel Parent Dev Grid Status                             SMs Mask     GridDim  BlockDim Invocation{" " * 1000}
*      0      -   0  546 Active 0x0fffffffffffffffffffffffffffffffff (16384,1,1) (192,1,1) {SIGNATURE}(,args=[{{name="key",value="0x7ffbd0800480"}},{{name="kv_scale_stride",value="0"}}])"""


def test_what_an_attach_says_late_is_part_of_its_own_answer(tmp_path):
    gdb = Gdb([sys.executable, "-c", FAKE], cwd=tmp_path)
    assert "accept4" in gdb.type("attach 7")
    assert gdb.type("thread apply all backtrace 1") == "Thread 1 (LWP 7)"
    gdb.close()


def test_gdb_attaches_without_a_word_on_symbols_and_answers_what_is_asked(tmp_path):
    if not may_attach().allowed:
        pytest.skip("nobody may attach here")
    init = tmp_path / "course.gdb"
    write_course_gdb(init, {})
    waiting = subprocess.Popen(["sh", "-c", "echo; read line"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    waiting.stdout.readline()  # it is there by now
    gdb = Gdb(["gdb", "-nx", "--interpreter=mi3", "-ix", str(init)], cwd=tmp_path)
    try:
        said = gdb.type(f"attach {waiting.pid}")
        assert "Reading symbols" not in said
        assert "read" in said.splitlines()[-1]
        assert gdb.type("thread apply all backtrace 1").lstrip().startswith("Thread 1 ")
    finally:
        gdb.close()
        waiting.communicate(b"\n")


def test_no_debugger_lists_the_symbols_that_it_reads(tmp_path):
    """Plain gdb 13 does not do it in MI; cuda-gdb 13.0 does, two lines for each library, in front of its answer."""
    write_course_gdb(tmp_path / "course.gdb", {})
    assert "\nset print symbol-loading off\n" in (tmp_path / "course.gdb").read_text()


def test_both_ends_of_a_long_answer_are_kept():
    threads = "\n".join(
        f'Thread {n} (LWP {6670 + n}) "pt_nccl_watchdg"):\n#0  0x00007f in poll () from libc.so.6\n' for n in range(200, 0, -1)
    )
    kept = Transcript("gdb", "(gdb) ", [Turn("thread apply all backtrace 1", threads)]).facts()["turns"][0]["said"]
    assert "Thread 200 " in kept
    assert "Thread 1 " in kept
    assert "characters left out" in kept
    assert len(kept) <= MAX_CHARS


def test_a_warning_that_repeats_is_shown_once_with_how_often():
    assert shown(f"(gdb) run\n{WARNING * 7}warning: another\n\nBreakpoint 1\n").splitlines() == [
        "(gdb) run", WARNING.rstrip() + "  [7 times]", "warning: another", "", "Breakpoint 1",
    ]  # fmt: skip


def test_other_lines_may_repeat():
    assert shown("(gdb) list\n1\t}\n1\t}\n(More stack frames follow...)\n") == "(gdb) list\n1\t}\n1\t}"


def test_the_table_of_kernels_fits_a_screen_and_is_recorded_as_it_is():
    lines = shown(TABLE).splitlines()
    assert max(map(len, lines)) < 160
    assert lines[1].endswith("(16384,1,1) (192,1,1) vllm::reshape_and_cache_flash_kernel<…>(…)")
    assert shown(TABLE.replace("(,args=", "(key=0x7ffbd0800480, ")) == shown(TABLE), "outside of MI"
    assert Transcript("cuda-gdb", "", [Turn("info cuda kernels", TABLE)]).facts()["turns"][0]["said"] == TABLE
    assert kernels(TABLE) == [(True, (16384, 1, 1), (192, 1, 1), "reshape_and_cache_flash_kernel")]


def test_the_place_of_an_exception_is_not_taken_for_arguments():
    line = f"The exception was triggered at PC 0x7f7a17054380  void {SIGNATURE}(unsigned short const*, int)  (cache_kernels.cu:359)"
    assert shown(line).endswith("(unsigned short const*, int)  (cache_kernels.cu:359)")


def test_of_a_report_the_entries_are_shown():
    entry = "========= Invalid __global__ write of size 2 bytes\n=========     at void {}(const T1 *, int)+0x4b0 in cache_kernels.cu:350\n"
    where = "=========     by thread ({},0,0) in block (1,0,0)\n=========     Access to 0x7f is out of bounds\n"
    report = "".join(entry.format(SIGNATURE) + where.format(n) for n in range(7)) + "frame #0: main\n========= ERROR SUMMARY: 9 errors\n"
    lines = excerpt(report).splitlines()
    assert sum("Invalid" in line for line in lines) == 7
    assert lines[2:4] == [
        "=========     at void vllm::reshape_and_cache_flash_kernel<…>(…)+0x4b0 in cache_kernels.cu:350",
        "=========     by thread (0,0,0) in block (1,0,0)",
    ]
    assert excerpt("========= COMPUTE-SANITIZER\n========= ERROR SUMMARY: 0 errors\n") == ""


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("which", ["plain", "blocking"])
def test_of_a_failed_run_the_end_of_the_first_traceback_is_shown(number, which):
    output = recording(f"illegal-{number}").runs[which]["output"]
    lines = excerpt(output).splitlines()
    assert f"in {blamed(output)}" in "\n".join(lines)
    assert lines[-1].startswith("RuntimeError")
    assert len(lines) < 15


def test_marks_below_a_line_and_the_rank_are_left_out():
    output = '[1] [rank0]: Traceback (most recent call last):\n[rank0]:   File "a.py", line 1, in f\n[rank0]:     g()\n[rank0]:     ^^^\n[rank0]: ValueError: no\n'
    assert excerpt(output).splitlines()[1:] == ['  File "a.py", line 1, in f', "    g()", "ValueError: no"]


@pytest.mark.parametrize(
    "output", ["", "token ids: [1, 2]", "Traceback (most recent call last):", "Traceback (most recent call last):\n  cut"]
)
def test_nothing_is_shown_where_there_is_nothing(output):
    assert excerpt(output) == ""


def test_a_long_wait_shows_signs_of_life(monkeypatch):
    class Display:
        """A notebook's; the work is done when the reader has seen that something happens."""

        def update(self, data, raw):
            if "[2/3] Building" in data["text/plain"] and not work.done():
                work.set_result(None)

    work = Future()
    monkeypatch.setattr(live, "_display_handle", Display)
    monkeypatch.setattr("labkit.debug.cuda_shown.REFRESH_SECONDS", 0.01)
    wait_for([work], "three overlays", lambda: ["compile-oob: [2/3] Building\n"])
    assert work.done()
