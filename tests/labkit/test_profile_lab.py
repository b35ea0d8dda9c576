"""What lesson 05's notebook does outside of its pictures: it finds a profiler, reads what was recorded, keeps an extract, falls back on the recording."""

import json
import lzma
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from labkit.checks import profile_traces
from labkit.checks.profile_traces import of_gpu, own, recorded, recorded_facts
from labkit.evidence import BadEvidence, Evidence, Missing
from labkit.lab import Lab
from labkit.lane import Lane
from labkit.messages import LearnerMessage
from labkit.profile import Profiling, profiling
from labkit.profile.estimate import Estimate
from labkit.runner import Run
from labkit.trace import extract
from labkit.trace.analysis import steps
from labkit.trace.model import Trace
from tests.labkit.trace_files.exports import RANGES, ROWS, THREAD, export
from tools.recorded_traces import record

ROOT = Path(__file__).parents[2]
FILES = Path(__file__).parent / "trace_files"
LESSON = "05_nsight_systems"
H100 = "NVIDIA H100 80GB HBM3"
SMOL = {
    "model_type": "llama", "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64,
    "intermediate_size": 1536, "vocab_size": 49152, "tie_word_embeddings": True,
}  # fmt: skip
NSYS = """#!{python}
# Stands in for nsys: `profile` writes a report and what the program would have written; `export` gives a real export.
import pathlib, shutil, sys

kind, *words = sys.argv[1:]
output = next(word.partition("=")[2] for word in words if word.startswith("--output="))
if kind == "profile":
    if "fails.py" in words:
        print("the program ended with a traceback")
        sys.exit(1)
    report = pathlib.Path(output + ".nsys-rep")
    if report.exists() and "--force-overwrite=true" not in words:
        sys.exit("Failed to create " + str(report) + ": file exists")
    report.write_text(" ".join(words))
    if words[-1].endswith(".json"):
        shutil.copy("{folder}/facts.json", words[-1])
elif kind == "export":
    assert pathlib.Path(words[-1]).is_file(), words[-1]
    shutil.copy("{folder}/export.sqlite", output)
"""


@pytest.fixture
def lab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lab:
    """A lab of the cpu lane."""
    made = Lab(LESSON, learner="reference", lane="cpu", folder=tmp_path)
    capsys.readouterr()
    return made


@pytest.fixture
def cuda_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lab:
    """A lab of the cuda lane, on a machine where nsys is not installed."""
    monkeypatch.setattr("labkit.lab.detect_lane", lambda asked: Lane("cuda", ("a test",), "float16", H100))
    monkeypatch.setattr("labkit.profile.nsys_tool.PLACES", ())
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    made = Lab(LESSON, learner="reference", lane="auto", folder=tmp_path)
    capsys.readouterr()
    return made


@pytest.fixture
def with_nsys(cuda_lab: Lab, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Profiling:
    """The cuda lane with an nsys on PATH that gives the real export of the run with graphs."""
    folder = tmp_path_factory.mktemp("nsys")
    (folder / "export.sqlite").write_bytes(lzma.decompress((FILES / "graphs.sqlite.xz").read_bytes()))
    noted = json.loads((ROOT / "recordings" / "cuda-reference" / "evidence" / "profile-graphs.json").read_text())["facts"]
    written = {key: value for key, value in noted.items() if key not in ("weight_bytes", "kv_bytes_per_token")}  # by the script
    (folder / "facts.json").write_text(json.dumps(written))
    program = folder / "bin" / "nsys"
    program.parent.mkdir()
    program.write_text(NSYS.format(python=sys.executable, folder=folder))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return Profiling(cuda_lab)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with the model's config.json."""
    folder = tmp_path / "smol"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(SMOL))
    return folder


def hand_over(lab: Lab, recording: str) -> None:
    """Give the lab the evidence of a real run."""
    shutil.copytree(ROOT / "recordings" / f"{recording}-reference" / "evidence", lab.evidence.folder, dirs_exist_ok=True)


def keep_instead(lab: Lab, record_id: str, trace: Trace) -> None:
    """Put another trace into a record, as `keep` would have."""
    facts = dict(lab.evidence.record(record_id).facts)
    target = lab.scratch() / "extract.trace.json.gz"
    extract.write(trace, target)
    lab.record(record_id, files=[target], facts=facts)


def finished(model: Path, log: Path) -> Run:
    return Run((sys.executable, "profiled.py", str(model), "float32", "12"), 0, 20.0, "", log)


# Which profiler


def test_on_the_cpu_lane_torch_profiles_and_the_gpu_is_a_recording(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    profiler = Profiling(lab)
    assert (profiler.nsys, profiler.profiler, profiler.step) == (None, "torch", 5)
    profiler.introduce()
    assert capsys.readouterr().out.splitlines() == [
        "Profiler: torch.profiler. There is no GPU here, so the GPU's profile is a recording of an H100.",
        "Your label: raven. Your decode step: number 5.",
    ]


def test_on_the_cuda_lane_without_nsys_it_says_how_to_get_it(cuda_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    profiler = Profiling(cuda_lab)
    assert profiler.profiler == "torch"
    profiler.introduce()
    said = capsys.readouterr().out
    assert "torch.profiler, with GPU work" in said
    assert "apt install nsight-systems-cli" in said


def test_on_the_cuda_lane_nsys_is_found_on_path(with_nsys: Profiling, capsys: pytest.CaptureFixture[str]) -> None:
    assert with_nsys.profiler == "nsys"
    with_nsys.introduce()
    assert capsys.readouterr().out.startswith(f"Profiler: {with_nsys.nsys}")


def test_the_cpu_lane_uses_no_nsys_even_where_there_is_one(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nsys").write_text("#!/bin/sh\n")
    (tmp_path / "nsys").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Profiling(lab).profiler == "torch"


@pytest.mark.parametrize("learner", ["reference", "ada", "bob", "carol", "dan", "eve"])
def test_every_learners_step_is_a_decode_step_that_has_a_next_one(learner: str, tmp_path: Path) -> None:
    profiler = Profiling(Lab(LESSON, learner=learner, lane="cpu", folder=tmp_path))
    assert 3 <= profiler.step <= 9
    assert profiler.step + 1 < len(recorded("eager").steps) == len(recorded("graphs").steps)


# The recording, where there is no GPU


@pytest.mark.parametrize("name", ["asynchrony", "graphs"])
def test_without_nsys_a_capture_is_the_recording_of_it_and_says_so(lab: Lab, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = Profiling(lab).capture(f"profile-{name}", [sys.executable, "profiled.py", "graphs.json"])
    assert found is recorded(name)
    assert capsys.readouterr().out.strip() == f"Recorded on {recorded_facts()['machine']}: {name}."
    assert not lab.evidence.has(f"profile-{name}"), "a recording is no evidence of the learner's"
    assert list(lab.scratch("logs").iterdir()) == []


def test_before_anything_ran_the_gpus_profile_is_the_recording(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    for mode in ("eager", "graphs"):
        assert Profiling(lab).gpu(mode) is recorded(mode)
        assert capsys.readouterr().out.strip() == f"Recorded on {recorded_facts()['machine']}."


def test_a_profile_without_gpu_work_falls_back_on_the_recording(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    hand_over(lab, "cpu")
    assert Profiling(lab).own().trace.work == ()
    assert Profiling(lab).gpu() is recorded("eager")
    assert "Recorded on" in capsys.readouterr().out


def test_ones_own_profile_of_a_gpu_is_taken(cuda_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    hand_over(cuda_lab, "cuda")
    for mode in ("eager", "graphs"):
        found = Profiling(cuda_lab).gpu(mode)
        assert found is not recorded(mode)
        assert len(found.steps) == 12
        assert capsys.readouterr().out.strip() == f"Your own profile ({mode})."


def test_a_profile_with_too_few_steps_falls_back_on_the_recording(cuda_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    hand_over(cuda_lab, "cuda")
    whole = own(cuda_lab.evidence)[1]
    keep_instead(cuda_lab, "profile-trace", extract.cut(whole.trace, whole.steps[:11]))
    capsys.readouterr()
    assert Profiling(cuda_lab).gpu() is recorded("eager")
    assert "Recorded on" in capsys.readouterr().out
    assert Profiling(cuda_lab).gpu("graphs") is not recorded("graphs")


def test_one_that_does_not_say_how_fast_the_memory_is_falls_back_too(cuda_lab: Lab) -> None:
    """torch.profiler does not: of its trace the last question could not be asked."""
    hand_over(cuda_lab, "cuda")
    whole = own(cuda_lab.evidence)[1].trace
    assert whole.device is not None
    slow = Trace("torch.profiler", type(whole.device)(whole.device.name), whole.work, whole.calls, whole.ranges)
    keep_instead(cuda_lab, "profile-trace", slow)
    assert Profiling(cuda_lab).gpu() is recorded("eager")
    assert Profiling(cuda_lab).own().trace.tool == "torch.profiler"


def test_ones_own_profile_is_asked_for_before_it_was_made(lab: Lab) -> None:
    with pytest.raises(LearnerMessage, match="step 2"):
        Profiling(lab).own()


@pytest.mark.parametrize("what", ["own", "gpu"])
def test_a_damaged_extract_is_a_message(cuda_lab: Lab, what: str) -> None:
    hand_over(cuda_lab, "cuda")
    kept = cuda_lab.evidence.folder / cuda_lab.evidence.record("profile-trace").files[0].path
    kept.write_bytes(kept.read_bytes()[:-100])
    with pytest.raises(LearnerMessage, match="SHA-256"):
        getattr(Profiling(cuda_lab), what)()


# Reading what torch.profiler left


def test_without_a_trace_reading_says_what_to_do(lab: Lab) -> None:
    with pytest.raises(LearnerMessage, match=r"There is no rank0\.pt\.trace\.json\.gz\.\n→ Run the cell that profiles first"):
        Profiling(lab).read("profiled")


def test_the_newest_trace_is_read_and_older_ones_go(lab: Lab) -> None:
    import os

    for age, name in ((200, "rank0.1.pt.trace.json.gz"), (100, "rank0.2.pt.trace.json.gz")):
        path = lab.scratch() / name
        path.write_bytes((FILES / "torch_cpu.json.gz").read_bytes() if age == 100 else b"an older one, and damaged")
        os.utime(path, (1e9 - age, 1e9 - age))
    trace = Profiling(lab).read("profiled")
    assert len(steps(trace, "river")) == 2
    assert [path.name for path in lab.scratch().glob("rank*")] == ["rank0.2.pt.trace.json.gz"]


def test_a_damaged_trace_is_a_message_that_names_the_log(lab: Lab) -> None:
    (lab.scratch() / "rank0.1.pt.trace.json.gz").write_bytes(b"{")
    with pytest.raises(LearnerMessage, match=r"Expected .*\n→ .*work/05_nsight_systems/logs"):
        Profiling(lab).read("profiled")


# Keeping


def test_kept_is_an_extract_with_what_the_script_wrote(lab: Lab, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(FILES / "torch_cpu.json.gz", lab.scratch() / "rank0.1.pt.trace.json.gz")
    profiler = Profiling(lab)
    trace = profiler.read("profiled")
    facts: dict[str, Any] = {"label": "river", "mode": "eager", "seconds": [0.1, 0.2], "layers": 30}
    profiler.keep("profile-trace", trace, run=finished(model, lab.scratch() / "log"), facts=facts)
    assert capsys.readouterr().out.strip() == "Recorded: evidence/profile-trace.json"
    noted, found = own(lab.evidence)
    assert noted.facts == facts | {"weight_bytes": 134_515_008 * 4, "kv_bytes_per_token": 2 * 30 * 3 * 64 * 4, "dtype_bytes": 4}
    assert [span.name for span in found.steps] == ["river 0", "river 1"]
    first, last = found.steps[0].start, found.steps[-1].end
    assert found.trace.ops == tuple(op for op in trace.ops if op.start >= first and op.end <= last)


def test_without_ranges_nothing_of_the_trace_is_kept_and_it_says_what_to_do(
    lab: Lab, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(FILES / "torch_cpu.json.gz", lab.scratch() / "rank0.1.pt.trace.json.gz")
    profiler = Profiling(lab)
    profiler.keep(
        "profile-trace",
        profiler.read("profiled"),
        run=finished(model, lab.scratch() / "log"),
        facts={"label": "raven", "token_ids": [7] * 12},
    )
    said = capsys.readouterr().out
    assert "'raven 0'" in said
    assert "gap in profiled.py" in said
    kept = own(lab.evidence)[1].trace
    assert (kept.work, kept.calls, kept.ranges, kept.ops) == ((), (), (), ())
    lab.check("profile-own_ranges")
    said = capsys.readouterr().out
    assert "The gap in marked_step" in said
    assert "Take out the last line" in said, "with it and a range above it, each call makes two steps"


def test_a_run_into_its_time_limit_is_not_kept(lab: Lab, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = finished(model, lab.scratch() / "log")
    late = Run(done.command, -15, 400.0, "", done.log, timed_out=True)
    Profiling(lab).keep("profile-trace", recorded("eager").trace, run=late, facts={"label": "raven"})
    assert "time limit" in capsys.readouterr().out
    assert not lab.evidence.has("profile-trace")


@pytest.mark.parametrize("model_type", ["mamba", None])
def test_a_model_whose_size_is_not_known_is_kept_without_sizes(lab: Lab, model: Path, model_type: str | None) -> None:
    """Then the floor is asked of the recording."""
    (model / "config.json").write_text(json.dumps({"model_type": model_type}))
    profiler = Profiling(lab)
    profiler.keep("profile-trace", recorded("eager").trace, run=finished(model, lab.scratch() / "log"), facts={"label": "raven"})
    noted, found = own(lab.evidence)
    assert noted.facts == {"label": "raven"}
    assert profiler.estimate(found) == profiler.estimate(recorded("eager"))


def test_a_model_given_by_its_hub_name_is_kept_too(lab: Lab) -> None:
    """lab.model() returns the name when vLLM is to fetch the model; there is no folder of that name."""
    done = finished(Path("facebook/opt-125m"), lab.scratch() / "log")
    Profiling(lab).keep("profile-trace", recorded("eager").trace, run=done, facts={"label": "raven"})
    assert len(own(lab.evidence)[1].steps) == 12


# Capturing with nsys


def test_a_capture_profiles_exports_reads_and_keeps(with_nsys: Profiling, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lab = with_nsys.lab
    program = [sys.executable, "profiled.py", model, "float16", 12, 0, "raven", "nsys", "graphs", "a prompt", "graphs.json"]
    found = with_nsys.capture("profile-graphs", program)
    assert [span.name for span in found.steps] == [f"raven {i}" for i in range(12)]
    noted, kept = own(lab.evidence, "profile-graphs")
    assert noted.command[1] == "profile"
    assert noted.command[-3:] == ["graphs", "a prompt", "graphs.json"]
    assert set(profiling.STEADY) < set(noted.command)
    assert (noted.exit_code, noted.facts["weight_bytes"], noted.facts["kv_bytes_per_token"]) == (0, 269_030_016, 23_040)
    assert kept.trace.work == found.trace.work
    assert len(kept.trace.calls) < len(found.trace.calls), "calls that only ask are left out"
    assert [path.name for path in (lab.evidence.folder / "files").iterdir()] == ["profile-graphs.extract.trace.json.gz"]
    assert kept.trace.device == found.trace.device
    capsys.readouterr()
    assert with_nsys.gpu("graphs").steps == kept.steps
    assert capsys.readouterr().out.strip() == "Your own profile (graphs)."
    assert of_gpu(lab.evidence) is recorded("eager"), "the eager one has not run yet"


def test_what_a_capture_returns_is_compared_with_the_floor_not_the_recording(
    with_nsys: Profiling, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = with_nsys.capture("profile-graphs", [sys.executable, "profiled.py", model, "graphs.json"])
    assert found.facts == own(with_nsys.lab.evidence, "profile-graphs")[0].facts
    capsys.readouterr()
    with_nsys.estimate(found).compare({"graphs": found})
    assert "graphs (recorded)" not in capsys.readouterr().out


def test_a_recording_that_stands_in_for_another_model_is_called_one(capsys: pytest.CaptureFixture[str]) -> None:
    other = recorded("graphs")._replace(facts={**recorded("graphs").facts, "weight_bytes": 1})
    Estimate.of(recorded("eager"), 5).compare({"eager": recorded("eager"), "graphs": other})
    said = capsys.readouterr().out
    assert "graphs (recorded)" in said
    assert "eager (recorded)" not in said


def test_a_capture_may_be_run_again(with_nsys: Profiling, model: Path) -> None:
    program = [sys.executable, "profiled.py", model, "graphs.json"]
    assert with_nsys.capture("profile-graphs", program) == with_nsys.capture("profile-graphs", program)


def test_a_program_that_writes_no_facts_leaves_no_evidence(with_nsys: Profiling) -> None:
    found = with_nsys.capture("profile-asynchrony", [sys.executable, "asynchrony.py"])
    assert found.trace.work
    assert found.facts == {}
    assert with_nsys.lab.evidence.ids() == []


def test_a_capture_that_fails_stops_with_what_was_said_last(with_nsys: Profiling) -> None:
    with pytest.raises(LearnerMessage, match=r"exit code 1.*\n.*the program ended with a traceback"):
        with_nsys.capture("profile-asynchrony", [sys.executable, "fails.py"])


def test_reading_before_the_export_says_what_to_do(with_nsys: Profiling) -> None:
    with pytest.raises(LearnerMessage, match=r"There is no profiled\.sqlite"):
        with_nsys.read("profiled")
    (with_nsys.lab.scratch() / "profiled.sqlite").write_bytes(b"no database")
    with pytest.raises(LearnerMessage, match="Expected"):
        with_nsys.read("profiled")


# The estimate, and answers


def test_the_floor_of_the_references_step(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    bound = Profiling(lab).estimate(recorded("eager"))
    assert (bound.weight_bytes, bound.kv_bytes_per_token, bound.tokens) == (269_030_016, 23_040, 27)
    assert (bound.bandwidth, bound.number) == (3_352_320_000_000, 5)
    assert round((bound.weight_bytes + bound.tokens * bound.kv_bytes_per_token) / bound.bandwidth * 1e6, 1) == 80.4
    bound.show_inputs()
    said = capsys.readouterr().out
    for shown in ("269,030,016", "23,040", "3,352,320,000,000", H100, "5 tokens generated"):
        assert shown in said


def test_both_modes_are_compared_with_the_floor(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    modes = {mode: recorded(mode) for mode in ("eager", "graphs")}
    Estimate.of(modes["eager"], 5).compare(modes)
    said = capsys.readouterr().out
    assert "Its floor by memory: 80.4 µs" in said
    eager, graphs = (next(line for line in said.splitlines() if f" {mode} " in line) for mode in modes)
    assert "25.5 ms" in eager
    assert "4.03 ms" in graphs
    assert "318 ×" in eager
    assert "50 ×" in graphs
    assert "host/launch-bound" in eager
    assert "host/launch-bound" in graphs


UNSOLVED: dict[str, Any] = {
    "profile-step-answer": {"step_ms": ..., "costs_most": ..., "matmuls": ...},
    "profile-gpu-answer": {"kernels": 351, "costs_most": "x", "per_layer": 11, "busy_percent": ...},
    "profile-gap-answer": {"gap_us": ..., "where": ..., "cause": ...},
    "profile-graphs-answer": {"launches": {"eager": 351, "graphs": ...}, "gap": "cuda"},
    "profile-floor-answer": {"floor_us": ..., "bound_by": ...},
    "profile-events-answer": ...,
    "profile-launched-examples": [None, None, None],
}


@pytest.mark.parametrize("record_id", UNSOLVED)
def test_an_answer_that_is_not_filled_in_leaves_no_evidence(lab: Lab, record_id: str, capsys: pytest.CaptureFixture[str]) -> None:
    lab.answer(record_id, UNSOLVED[record_id])
    assert not lab.evidence.has(record_id)
    assert record_id in capsys.readouterr().out


@pytest.mark.parametrize("tokens", [0, 11, 101, 12.0, "12", True, None])
def test_a_number_of_tokens_that_the_lesson_cannot_work_with_is_a_message(lab: Lab, tokens: Any) -> None:
    with pytest.raises(LearnerMessage, match="MAX_TOKENS"):
        Profiling(lab, tokens)


# The recording itself

OF = {"eager": "profile-trace", "graphs": "profile-graphs"}


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """What the lesson leaves on a machine with a GPU; of the small program a made-up export."""
    folder = tmp_path / "run"
    shutil.copytree(ROOT / "recordings" / "cuda-reference" / "evidence", folder / "evidence")
    work = folder / "work" / LESSON
    work.mkdir(parents=True)
    ranges = [(1000, 1400, 59, "ask", None, THREAD, 0), (1400, 2200, 59, "wait", None, THREAD, 0), (900, 3000, 59, "all", None, THREAD, 0)]
    export(work / "asynchrony.sqlite", ROWS | {RANGES: ranges})
    return folder


def test_what_is_recorded_is_what_lessons_read(run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "recorded"
    target.mkdir()
    record(run_folder, target)
    kept = {name: run_folder / "evidence" / "files" / f"{of}.extract.trace.json.gz" for name, of in OF.items()}
    assert {name: (target / f"{name}.trace.json.gz").read_bytes() for name in kept} == {
        name: path.read_bytes() for name, path in kept.items()
    }
    facts, shipped = json.loads((target / "facts.json").read_text()), recorded_facts()
    assert {name: sorted(of) for name, of in facts.items() if name != "machine"} == {
        name: sorted(of) for name, of in shipped.items() if name != "machine"
    }
    assert facts["machine"].startswith("an NVIDIA H100")
    monkeypatch.setattr(profile_traces, "FOLDER", target)
    fresh = profile_traces.recorded.__wrapped__
    for name, of in OF.items():
        assert fresh(name).trace == own(Evidence(run_folder / "evidence"), of)[1].trace
    asked = fresh("asynchrony").trace
    assert [span.name for span in asked.ranges] == ["ask", "wait"]
    assert len(asked.work) == 2


@pytest.mark.parametrize("lacks", ["evidence/profile-graphs.json", "evidence/profile-trace.json"])
def test_a_run_that_lacks_a_profile_is_not_recorded(run_folder: Path, tmp_path: Path, lacks: str) -> None:
    (run_folder / lacks).unlink()
    with pytest.raises(Missing):
        record(run_folder, tmp_path)


def test_a_run_without_a_gpu_is_not_recorded(run_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "recordings" / "cpu-reference" / "evidence", run_folder / "evidence", dirs_exist_ok=True)
    with pytest.raises(SystemExit, match="not recorded on a GPU"):
        record(run_folder, tmp_path)


def test_a_run_that_was_edited_is_not_recorded(run_folder: Path, tmp_path: Path) -> None:
    kept = next((run_folder / "evidence" / "files").glob("profile-trace.*"))
    kept.write_bytes(b"")
    with pytest.raises(BadEvidence, match="SHA-256"):
        record(run_folder, tmp_path)
