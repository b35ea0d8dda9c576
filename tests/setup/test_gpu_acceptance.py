"""The acceptance run on a CUDA machine: its schedule, what it leaves when it is cut, and what is made of its evidence. No GPU."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grading.likeness.known import unpacked
from labkit.evidence import Evidence
from labkit.lane import Lane
from labkit.messages import LearnerMessage
from tests.cell_names import names_in
from tools import gpu_acceptance_record as recording
from tools.gpu_acceptance import earlier_seconds, look_first
from tools.gpu_acceptance_grade import judged, label_of, markdown, submission
from tools.gpu_acceptance_notebook import LEARNER, SOLVED, prepared, report
from tools.gpu_acceptance_pack import pack
from tools.gpu_acceptance_run import Place, Runner, state_of
from tools.gpu_acceptance_share import PLUGIN
from tools.gpu_acceptance_steps import STEPS, Now, Step, chosen, next_step
from tools.gpu_acceptance_target import build_target
from tools.schedule import AFTER

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "recordings" / "cuda-reference"


# The schedule


def played(
    steps: list[Step], seconds: float, at_once: int = 4, records: Iterable[tuple[float, str]] = ()
) -> list[tuple[str, float, float]]:
    """Play a run in which each step takes what is expected: (name, began, ended), and what never began is missing."""
    waiting, running, done, clock = list(steps), dict[str, tuple[Step, float]](), list[tuple[str, float, float]](), 0.0
    while waiting or running:
        there = {name for when, name in records if when <= clock}
        now = Now(waiting, [step for step, _ in running.values()], seconds - clock, at_once, there.__contains__)
        if step := next_step(now):
            waiting.remove(step)
            running[step.name] = step, clock
            continue
        if not running:
            break
        soonest = min((began + step.expects for step, began in running.values()))
        clock = min([soonest, *(when for when, _ in records if when > clock)])
        for name, (step, began) in list(running.items()):
            if began + step.expects <= clock:
                done.append((name, began, clock))
                del running[name]
    return done


def test_the_table_is_sound() -> None:
    names = [step.name for step in STEPS]

    assert len(set(names)) == len(names)
    assert all(set(step.needs) <= set(names[:number]) for number, step in enumerate(STEPS)), "a step needs one that comes later"
    assert all(bool(step.lesson) != bool(step.command) and step.expects < step.seconds for step in STEPS)
    assert {step.lesson for step in STEPS if step.lesson} == {path.stem for path in SOLVED.glob("*.ipynb")}


def test_a_step_that_measures_has_the_machine_for_itself() -> None:
    done = played(list(STEPS), seconds=5000)
    alone = {step.name for step in STEPS if step.alone}

    assert len(done) == len(STEPS)
    for name, began, ended in done:
        beside = [other for other, start, end in done if other != name and start < ended and end > began]
        assert not (beside and name in alone), f"{name} ran beside {beside}"
    assert any(start < ended and end > began for a, began, ended in done for b, start, end in done if a != b), "nothing ran side by side"


def test_no_more_run_at_once_than_may() -> None:
    done = played(list(STEPS), seconds=5000, at_once=2)

    assert all(sum(start <= began < end for _, start, end in done) <= 2 for _, began, _ in done)


def test_lesson_03_begins_as_soon_as_lesson_02_has_recorded_what_both_need() -> None:
    record = AFTER["03_debuggers"][1]
    early = {name: began for name, began, _ in played(list(STEPS), 5000, records=[(200.0, record)])}
    late = {name: (began, ended) for name, began, ended in played(list(STEPS), 5000)}

    assert early["03a"] == 200.0
    assert late["03a"][0] >= late["02"][1]


def test_a_short_time_leaves_the_last_steps_out_and_begins_none_that_does_not_fit() -> None:
    whole, cut = ({name for name, _, _ in played(list(STEPS), seconds, records=[(200.0, "build-edit")])} for seconds in (5000, 700))

    assert {"source", "model", "00", "01", "02", "03a", "03b", "04"} <= cut < whole
    assert all(ended <= 700 for _, _, ended in played(list(STEPS), 700, records=[(200.0, "build-edit")]))


def test_a_step_comes_with_what_it_needs() -> None:
    assert [step.name for step in chosen(["06-memory"])] == ["source", "model", "06-memory"]
    with pytest.raises(KeyError):
        chosen(["07"])


# Lessons in sections


def test_each_cell_of_a_lesson_that_is_run_by_sections_is_in_one_of_them() -> None:
    for lesson in {step.lesson for step in STEPS if step.sections}:
        run = {cell.id for step in STEPS if step.lesson == lesson for cell in prepared(step).cells if cell.cell_type == "code"}
        there = {cell.id for cell in nbformat.read(SOLVED / f"{lesson}.ipynb", 4).cells if cell.cell_type == "code"}

        assert run == there


@pytest.mark.parametrize("step", [step for step in STEPS if step.sections], ids=lambda step: step.name)
def test_sections_have_every_name_that_they_use(step: Step) -> None:
    whole = {name for cell in prepared(replace(step, sections=())).cells if cell.cell_type == "code" for name in names_in(cell.source)[0]}
    bound = set[str]()
    for cell in prepared(step).cells:
        if cell.cell_type == "code":
            binds, uses = names_in(cell.source)
            assert not (uses & whole) - bound - binds, f"{cell.id}: bound in a section that {step.name} leaves out"
            bound |= binds


def test_hidden_tests_are_not_run_and_visible_checks_are() -> None:
    source = "\n".join(cell.source for cell in prepared(next(step for step in STEPS if step.name == "01")).cells)

    assert "HIDDEN" not in source and "award(" not in source
    assert 'lab.check("environment-compile_jobs")' in source


# What comes back


def executed(path: Path) -> None:
    """Write an executed notebook: a quick cell, a slow one, one with an error, one that was never reached."""
    marks: list[dict[str, Any]] = [
        {"duration": 0.1, "status": "completed"},
        {"duration": 12.34, "status": "completed"},
        {"duration": 0.2, "status": "failed"},
        {},
    ]
    cells = [nbformat.v4.new_code_cell(f"x = 1\nstep({n})", id=f"c{n}", metadata={"papermill": mark}) for n, mark in enumerate(marks)]
    cells[2].outputs = [nbformat.v4.new_output("error", ename="LearnerMessage", evalue=f"gone: {path.parent}/x", traceback=["…"])]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def test_a_report_names_long_cells_and_failures(tmp_path: Path) -> None:
    executed(tmp_path / "03a.ipynb")
    found = report(tmp_path / "03a.ipynb")

    assert (found["cells"], found["done"]) == (4, 3)
    assert found["long"] == [{"cell": "c1", "seconds": 12.3, "ends": "step(1)"}]
    assert found["failures"][0]["cell"] == "c2" and found["failures"][0]["ename"] == "LearnerMessage"
    assert report(tmp_path / "no.ipynb") == {}


def small(tmp_path: Path, *commands: str) -> tuple[Place, list[Step]]:
    """Steps that are Python one-liners."""
    steps = [Step(f"s{n}", 0, 20, command=("-c", code)) for n, code in enumerate(commands)]
    return Place(tmp_path / "work", "cpu", sys.executable), steps


def test_a_second_call_skips_what_is_done_and_repeats_what_failed(tmp_path: Path) -> None:
    place, steps = small(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'a').write('x')", "raise SystemExit(3)")

    for _ in range(2):
        Runner(place, steps, 30, 2, pack=lambda: None, say=lambda _: None).run()

    assert (tmp_path / "ran").read_text() == "x"
    assert [state_of(place.work, step.name)["state"] for step in steps] == ["done", "failed"]
    assert state_of(place.work, "s1")["exit_code"] == 3


def test_the_end_of_the_time_cuts_what_runs_and_packs_what_there_is(tmp_path: Path) -> None:
    place, steps = small(tmp_path, "import time; time.sleep(60)", "print('never')")
    steps[1] = replace(steps[1], needs=("s0",), lesson="05_nsight_systems")
    (place.work / "run" / "evidence").mkdir(parents=True)
    (place.work / "run" / "evidence" / "start-doctor.json").write_text("{}")
    executed(place.work / "notebooks" / "s0.ipynb")
    steps[0] = replace(steps[0], lesson="03_debuggers")
    out = tmp_path / "out"

    class Sleeps(Place):
        def command(self, step: Step) -> list[str]:
            return [self.python, *step.command]

    Runner(Sleeps(place.work, "cpu"), steps, 0.6, 1, pack=lambda: pack(place.work, out, steps, {"lane": "cpu"}), say=lambda _: None).run()

    told = json.loads((out / "summary.json").read_text())
    assert [step["state"] for step in told["steps"]] == ["cut", "left out"]
    assert told["steps"][0]["failures"][0]["cell"] == "c2"
    assert list(told["seconds_per_notebook"]) == ["03_debuggers"], "a lesson that was left out took no time"
    assert (out / "evidence" / "start-doctor.json").read_text() == "{}"
    everything = gzip.decompress((out / "notebooks" / "s0.ipynb.gz").read_bytes()).decode() + (out / "summary.json").read_text()
    assert "<run>/notebooks/x" in everything and str(tmp_path) not in everything


def test_the_seconds_of_a_run_in_two_calls_are_those_of_both(tmp_path: Path) -> None:
    summary, work = tmp_path / "out" / "summary.json", tmp_path / "work"
    assert earlier_seconds(summary, work) == 0.0

    summary.parent.mkdir()
    (work / "state").mkdir(parents=True)
    summary.write_text('{"seconds": 1360.5}')
    assert earlier_seconds(summary, work) == 1360.5
    assert earlier_seconds(summary, tmp_path / "another") == 0.0


def test_engines_share_the_gpu_beside_others_and_not_alone(tmp_path: Path) -> None:
    place = Place(tmp_path, "cuda")
    beside, alone = (place.environment(Step("s", 1, 2, alone=alone), {"PYTHONPATH": "/site"})["PYTHONPATH"] for alone in (False, True))

    assert str(tmp_path / "share") in beside and str(tmp_path / "share") not in alone
    assert beside.endswith(":/site") and beside.startswith(str(ROOT))
    code = "from importlib.metadata import entry_points; print([e.load().__name__ for e in entry_points(group='vllm.general_plugins') if e.name == %r])"
    found = subprocess.run(
        [sys.executable, "-c", code % PLUGIN], env={"PYTHONPATH": beside}, capture_output=True, text=True, check=True
    ).stdout
    assert found.strip() == "['share_the_gpu']"


def test_an_engine_that_asks_for_nothing_gets_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from tools import gpu_acceptance_share as share

    class EngineArgs:
        gpu_memory_utilization = 0.92

        def __init__(self, asked: float = 0.92, pool: int | None = None) -> None:
            self.gpu_memory_utilization, self.kv_cache_memory_bytes = asked, pool

        def create_engine_config(self) -> tuple[float, int | None]:
            return self.gpu_memory_utilization, self.kv_cache_memory_bytes

    monkeypatch.setattr(share.importlib, "import_module", lambda _: SimpleNamespace(EngineArgs=EngineArgs))
    for _ in range(2):
        share.share_the_gpu()

    assert EngineArgs().create_engine_config() == (share.SHARE, share.POOL_BYTES)
    assert EngineArgs(asked=0.3).create_engine_config() == (0.3, None)
    assert EngineArgs(pool=2**28).create_engine_config() == (0.92, 2**28)


def test_a_target_is_built_as_far_as_it_goes_and_counted(tmp_path: Path) -> None:
    objects = [f"CMakeFiles/t.dir/{name}.cpp.o" for name in ("good", "bad", "other")]
    rules = "rule touch\n  command = touch $out\nrule fail\n  command = false\n"
    edges = "".join(f"build {o}: {'fail' if 'bad' in o else 'touch'}\n" for o in objects)
    (tmp_path / "build.ninja").write_text(f"{rules}{edges}build t: phony {' '.join(objects)}\n")

    found = build_target(tmp_path, "t", 60)

    assert (found["units"], found["built"], found["exit_code"]) == (3, 2, 1)


# Grading and recording what came back


@pytest.fixture(scope="module")
def fake_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run would have brought back that did what was recorded."""
    out = tmp_path_factory.mktemp("out")
    shutil.copytree(RECORDED / "evidence", out / "evidence")
    (out / "results").mkdir()
    batch = {
        "batch": 64,
        "pairs": 15,
        "output_tokens": 128,
        "sweep_tokens_per_s": 19650.1,
        "vllm_bench_tokens_per_s": 18920.8,
        "ratio": 1.0357,
    }
    batch |= {"ratio_low": 1.007, "ratio_high": 1.086, "sizes": 8, "sweep_s": 36.3, "engine_per_size_s": 269.8, "times_faster": 7.43}
    (out / "results" / "batch.json").write_text(json.dumps(batch))
    steps = [
        {
            "name": "02",
            "lesson": "02_source_build",
            "state": "cut",
            "seconds": 406.0,
            "failures": [{"cell": "c7", "ename": "E", "evalue": "a|b\nc"}],
        }
    ]
    (out / "summary.json").write_text(json.dumps({"gpu": "H100", "seconds_per_notebook": {"02_source_build": 406.0}, "steps": steps}))
    return out


def test_the_markdown_tells_what_was_run_and_what_was_not(fake_out: Path, tmp_path: Path) -> None:
    folder = submission(fake_out / "evidence", tmp_path)
    (folder / "evidence" / "debuggers-kernel.json").unlink()
    verdicts = judged(folder)
    text = markdown(fake_out, Evidence(folder / "evidence", LEARNER), verdicts)

    assert {one.notebook for one in verdicts if one.verdict.state == "passed"} >= {"00_start_here", "05_nsight_systems"}
    assert "| 05_nsight_systems | 15 | 15 |  |" in text
    assert "ratio 1.036 (middle half 1.007 to 1.086)" in text and "7.4 times as fast" in text
    assert "| vllm::fused_add_rms_norm_kernel | 720 |" in text
    assert "| 02 | c7 | E: a\\|b |" in text and "| 02 |  | cut |" in text
    assert "### Inside the kernel\n\nnot run" in text
    assert all(len(line) < 400 for line in text.splitlines() if line.startswith("|") and "together" not in line)


def test_the_excerpt_of_the_kernel_says_whether_it_was_replayed(tmp_path: Path) -> None:
    text = markdown(tmp_path, Evidence(ROOT / "recordings" / "cpu-reference" / "evidence", LEARNER), [])

    assert "Replayed, not run here" in text and "(cuda-gdb) info locals" in text and "slot_idx" in text


def test_recording_the_same_again_changes_no_evidence(fake_out: Path, tmp_path: Path) -> None:
    there = tmp_path / "recordings" / "cuda-reference"
    shutil.copytree(RECORDED, there)

    taken = recording.record(fake_out, there, {"gpu": "H100"}, tmp_path / "scratch")

    assert taken.before == taken.after > 0
    assert contents(there / "evidence") == contents(RECORDED / "evidence")
    assert json.loads((there / "machine.json").read_text())["gpu"] == "H100"


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, unpacked."""
    return {str(path.relative_to(folder)).removesuffix(".xz"): unpacked(path) for path in folder.rglob("*") if path.is_file()}


def test_a_spoilt_record_is_not_taken_and_a_new_lesson_is(fake_out: Path, tmp_path: Path) -> None:
    there, out = tmp_path / "recordings" / "cuda-reference", tmp_path / "out"
    shutil.copytree(RECORDED, there)
    shutil.copytree(fake_out, out)
    for path in (there / "evidence").rglob("inference-*"):
        path.unlink()
    spoilt = json.loads((out / "evidence" / "profile-gpu-answer.json").read_text())
    (out / "evidence" / "profile-gpu-answer.json").write_text(json.dumps(spoilt | {"facts": {}}))

    taken = recording.record(out, there, {}, tmp_path / "scratch")

    assert taken.after > taken.before
    assert "inference-first" in taken.records and "profile-gpu-answer" in taken.left
    assert contents(there / "evidence")["profile-gpu-answer.json"] == contents(RECORDED / "evidence")["profile-gpu-answer.json"]


def test_recordings_that_would_be_too_large_are_left_as_they_are(fake_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = tmp_path / "recordings" / "cuda-reference"
    shutil.copytree(RECORDED, there)
    monkeypatch.setattr(recording, "MOST_BYTES", 1000)

    with pytest.raises(recording.NotTaken, match="bytes"):
        recording.record(fake_out, there, {}, tmp_path / "scratch")

    assert contents(there) == contents(RECORDED)


def test_a_recording_is_labelled_with_the_steps_and_the_benches_of_its_run(fake_out: Path) -> None:
    label = label_of(fake_out)
    assert label["steps"]["02"] == {"state": "cut", "seconds": 406.0}
    assert label["benches"]["batch"]["ratio"] == 1.0357


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
def test_a_recording_is_small(lane: str) -> None:
    assert recording.size_of(ROOT / "recordings" / f"{lane}-reference") <= recording.MOST_BYTES


def test_evidence_of_another_lane_is_not_taken(tmp_path: Path) -> None:
    there, out = tmp_path / "cuda-reference", tmp_path / "out"
    shutil.copytree(RECORDED, there)
    shutil.copytree(ROOT / "recordings" / "cpu-reference" / "evidence", out / "evidence")

    with pytest.raises(recording.NotTaken, match="lane cuda"):
        recording.record(out, there, {}, tmp_path / "scratch")

    assert contents(there) == contents(RECORDED)


def test_choosing_prefers_all_then_lessons_and_gives_back_what_no_point_needs() -> None:
    old = {name: Path("old") for name in ("a-x.json", "b-x.json")}
    new = {name: Path("new") for name in ("a-x.json", "a-y.json", "b-x.json", "c-x.json", "c-noise.json", "files/c-x.lib.so")}

    def grade(files: recording.Files) -> dict[str, recording.Graded]:
        earned = {"a-1": "a-x.json" in files, "b-1": files.get("b-x.json") == Path("old"), "c-1": "c-x.json" in files, "c-2": False}
        return {exercise: recording.Graded(float(points), frozenset({f"{exercise[0]}-x"})) for exercise, points in earned.items()}

    taken = recording.choose(old, new, grade)

    assert taken == {"a-x", "a-y", "c-x"}, "b would be worse; c has a failed exercise, so its noise stays out"
    assert recording.merged(old, new, taken)["files/c-x.lib.so"] == Path("new")


def test_grading_here_and_by_the_judge_are_the_same(fake_out: Path, tmp_path: Path) -> None:
    here = recording.grade_here(recording.files_of(fake_out / "evidence"), tmp_path)
    there = {one.exercise.grade_id: one for one in judged(submission(fake_out / "evidence", tmp_path))}

    assert {exercise: graded.points for exercise, graded in here.items()} == {
        exercise: one.verdict.points for exercise, one in there.items()
    }
    assert "profile-trace" in here["profile-own_ranges"].asked


def test_a_machine_that_lacks_something_is_told_of_it_before_a_step_begins(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.gpu_acceptance", "run", "--lane", "cpu", "--only", "00", "--out", str(tmp_path / "out")]
    tools = tmp_path / "bin"  # no compiler, no debugger
    tools.mkdir()
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PATH": str(tools)}, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "gdb: " in done.stdout and "--anyway" in done.stdout
    assert not (tmp_path / "out").exists()


def test_a_python_without_the_courses_own_command_is_told_of_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tools.gpu_acceptance.examine", lambda lane: [])
    monkeypatch.setattr("tools.gpu_acceptance.shutil.which", lambda name: None)
    lane = Lane("cuda", (), "float16")
    with pytest.raises(LearnerMessage, match="stumble"):
        look_first(lane, anyway=False)
    look_first(lane, anyway=True)
    assert capsys.readouterr().out.count("labkit: not on PATH") == 2


@pytest.mark.real
def test_the_run_itself_does_a_cheap_lesson_on_the_cpu_lane(tmp_path: Path) -> None:
    command = [
        "bash",
        "tools/gpu_acceptance.sh",
        "--python",
        sys.executable,
        "--lane",
        "cpu",
        "--only",
        "00",
        "--seconds",
        "120",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert told["steps"][0] | {"seconds": 0} == {**told["steps"][0], "seconds": 0} and told["steps"][0]["state"] == "done"
    assert (tmp_path / "out" / "evidence" / "start-exit-code.json").is_file()
    assert "without encryption" not in (tmp_path / "out" / "logs" / "00.log.txt").read_text(), "each kernel warns a newcomer of it"
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert again.returncode == 0 and "begins" not in again.stdout
