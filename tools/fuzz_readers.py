"""Each reader of a stranger's bytes, called with bytes: it returns what it found in a few words, or raises what it may."""

import gzip
import json
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from grading.guard import timestamp_in
from grading.judge import Judge, _Died
from grading.likeness.traces import fingerprints
from grading.rebuild import rebuild
from grading.report.machine_time import seconds_by_prefix
from grading.report.told import repairs_in, told_in
from grading.sandbox import _READY, _understood
from grading.submission import Submission, learner_of, solution_cells
from labkit import daylog, elf, overlay_elf
from labkit.callpath import follow, map_of
from labkit.checks import build_steps, cuda_text, debuggers_python, launch_json, transcripts
from labkit.checks.exercises_quiz import knowledge_check
from labkit.elf.fatbin import device_code
from labkit.elf.image import Image
from labkit.evidence import BadEvidence, Evidence, parse_json
from labkit.quiz.bank import feedback, questions, read_chosen
from labkit.quiz.given import understand
from labkit.records import Record
from labkit.trace import extract
from labkit.trace.analysis import steps
from labkit.trace.readings import costs, measured
from tools import fuzz_seeds


@cache
def _folder() -> Path:
    """A folder for the one file that a reader opens; it goes when the process ends."""
    holder = tempfile.TemporaryDirectory(prefix="fuzz-")
    _KEPT.append(holder)
    return Path(holder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def _file(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)  # a file that is cut and written again waits for the disk
    path.write_bytes(data)
    return _folder()


def read_json(data: bytes) -> str:
    """Parse JSON as every record and notebook is."""
    return type(parse_json(data, "x.json")).__name__


def read_record(data: bytes) -> str:
    """Read a record, as checks do and as the report on machine time does."""
    folder = _file("x.json", data)
    seconds_by_prefix(folder, "reference")
    learner_of(folder.parent / "nowhere")
    record = Evidence(folder).record("x")
    return f"record with {sorted(record.facts)}"


def read_reply(data: bytes) -> str:
    """Understand a reply of the judge's server, whose checks read a stranger's files."""
    try:
        return Judge._understood(data, "x-y").state
    except _Died as died:
        return str(died).rpartition(" (")[2]  # the name of what was wrong with it


def read_answer(data: bytes) -> str:
    """Understand what a sandbox wrote, which may be the learner's function itself."""
    outcome = _understood(_READY + data, "", 0, "", 3)
    return f"{outcome.state} {outcome.detail}"


def read_likeness(data: bytes) -> str:
    """Take the traces of what a submission measured."""
    rows = fingerprints(_file("evidence/x.json", data), "reference").rows
    "".join(part for row in rows for part in row).encode()
    return f"{sorted({row.kind for row in rows})}"


def read_timestamp(data: bytes) -> str:
    """Read the time of a submission."""
    raw, when = timestamp_in(_file("timestamp.txt", data))
    return f"{bool(raw)} {when is not None}"


def read_notebook(data: bytes) -> str:
    """Rebuild a notebook, take its solutions, and read it as one that was autograded."""
    folder, name = _file("00_start_here.ipynb", data), "00_start_here"
    try:
        rebuilt, repairs = rebuild(fuzz_seeds.ROOT / "notebooks", folder, name)
    except BadEvidence as bad:
        raise AssertionError("nothing that a learner wrote stops the rebuilding") from bad
    json.dumps(rebuilt).encode()
    json.dumps(repairs).encode()
    for told in told_in(folder, name).values():
        "".join(vars(told).values()).encode()
    _file("x.repairs.json", data)
    "".join(repairs_in(folder, "x")).encode()
    cells = solution_cells(folder, name)
    for cell in cells[:3]:
        Submission(folder, "x").solution(name, cell["id"]).encode()
    return f"{len(cells)} cells, {sorted({repair.rpartition(':')[2] for repair in repairs})}"


def read_overlay(data: bytes) -> str:
    """Read a library as lessons 02, 03 and 06 do: an overlay, with its SONAME, needs, debug information and machine code."""
    facts = overlay_elf.read_overlay(data, "x.so")
    for mangled in (*facts.exports[:2], *(name for unit in facts.units[:1] for name in unit.functions[:2])):
        overlay_elf.traces_of_optimisation(facts, data, mangled)
        overlay_elf.starts_at(data, mangled, "x.so")
    named = overlay_elf.named(data, ("x", "slot"), "x.so")
    [overlay_elf.has_device_debug(code) for code in facts.device]
    parts = (facts.machine[:9], bool(facts.soname), len(facts.needed) > 0, len(facts.units), facts.has_location_lists, bool(named))
    return f"library {parts} {[unit.traces for unit in facts.units][:2]}"


def read_units(data: bytes) -> str:
    """Read a library as lesson 01 does."""
    found = elf.units(data, "x.so")
    return f"{len(found)} units {[unit.optimisation for unit in found][:2]} {bool(elf.code(data, 'x.so'))}"


def read_fatbin(data: bytes) -> str:
    """Read GPU code."""
    codes = device_code(Image(fuzz_seeds.library_of({".nv_fatbin": data}), overlay_elf.MAX_UNPACKED))
    return f"{[(code.kind, code.debug, code.compressed, len(code.sections) > 0) for code in codes][:3]}"


def read_trace(data: bytes) -> str:
    """Read a trace's extract and compute what the lessons ask of it."""
    trace = extract.parse(data)
    spans = [span for name in {span.name.rpartition(" ")[0] for span in trace.ranges[:3]} for span in steps(trace, name)][:20]
    found, most = measured(trace, spans), costs(trace, spans)
    return f"trace {trace.device is not None} {len(found) > 0} {len(most) > 0} {bool(trace.ops)} {bool(trace.calls)}"


def read_plain_trace(data: bytes) -> str:
    """Read an extract's text, compressed first."""
    return read_trace(gzip.compress(data, 1))


def read_dialogue(data: bytes) -> str:
    """Read the facts of a debugger's record: dialogue, stacks, logs of builds."""
    record = Record.model_validate_json(fuzz_seeds.records("debuggers-wheel")[0])
    facts = parse_json(data, "x.json")
    record = record.model_copy(update={"facts": facts["facts"] if isinstance(facts, dict) and isinstance(facts.get("facts"), dict) else {}})
    said = transcripts.turns(record)
    for turn in said:
        transcripts.locals_shown(turn), transcripts.hits_shown(turn), transcripts.values_seen(turn), transcripts.python_frames(turn)
        read_text(f"{turn.said}".encode(errors="replace"))
    commands = sorted({turn.command for turn in said if turn.command in transcripts.RUNS})
    dumps = debuggers_python.dumps_of(record)
    build_steps.logs_of(record.facts), build_steps.edges_of(record.facts)
    frames = record.facts.get("frames")
    listed = [frame for frame in frames if isinstance(frame, list)] if isinstance(frames, list) else []
    lost = follow(map_of("cpu"), listed)
    return f"{commands} {len(transcripts.values_printed(said)) > 0} {len(dumps)} {sum(line is None for _, line in lost)}"


def read_text(data: bytes) -> str:
    """Read a text as cuda-gdb, compute-sanitizer, py-spy or Python would have printed it."""
    text = data.decode(errors="replace")
    found = [reader(text) for reader in TEXT_READERS]
    return str([bool(one) for one in found])


TEXT_READERS: tuple[Callable[[str], object], ...] = (
    cuda_text.focus, cuda_text.vector, cuda_text.integer, cuda_text.integers, cuda_text.frames, cuda_text.kernels, cuda_text.triggered,
    cuda_text.accesses, cuda_text.errors, cuda_text.first_traceback, cuda_text.spied_frames, transcripts.full,
)  # fmt: skip


def read_launch(data: bytes) -> str:
    """Read a launch.json."""
    return "; ".join(problem.what for problem in launch_json.problems(data.decode(errors="replace"))[:2])


def read_quiz(data: bytes) -> str:
    """Read an answer to the quiz; the first byte says to which question."""
    question = list(questions().values())[data[0] % len(questions()) if data else 0]
    given = parse_json(data[1:], "x.json")
    chosen = read_chosen(question, given)
    said = feedback(question, chosen).right if chosen is not None else None
    knowledge_check(Evidence(_file(f"{question.record_id}.json", data[1:])))
    return f"{question.kind} {said} {understand(question, list(question.options), given)!r:.20}"


def read_log(data: bytes) -> str:
    """Read the day's log."""
    log = daylog.read(_file(daylog.NAME, data), "ada")
    return f"{len(log.confidence)} {bool(log.longest)} {log.hours is None}"
