"""Grade what an acceptance run brought back with the real checks, and tell of the run in Markdown. Needs no GPU, no torch, no vLLM."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grading.catalogue import load_catalogue
from grading.judge import Judge
from grading.likeness.known import unpacked
from grading.submissions import Judged, judge_submission, learner_for
from labkit.checks import batch_sweep
from labkit.checks.profile_traces import own
from labkit.evidence import BadEvidence, Evidence
from labkit.trace.analysis import totals
from labkit.trace.names import short
from tools.gpu_acceptance_notebook import LEARNER, SOLVED

TOP = 5  # kernels
EXCERPT_TURNS = 10  # the last ones of the dialogue inside the kernel: focus, and what the thread works on
EXCERPT_WIDTH = 160


def submission(evidence: Path, into: Path) -> Path:
    """Lay a submission of the reference out in INTO: the evidence, its packed files unpacked, and the solved notebooks. Return its folder."""
    folder = into / "submitted" / LEARNER / "day2"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(evidence, folder / "evidence")
    for packed in (folder / "evidence").rglob("*.xz"):
        packed.with_suffix("").write_bytes(unpacked(packed))
        packed.unlink()
    for notebook in SOLVED.glob("*.ipynb"):
        shutil.copy(notebook, folder)
    return folder


def judged(folder: Path) -> list[Judged]:
    """Return the verdict on every exercise that has a check, as `python -m grading check` gives it."""
    with Judge() as judge:
        return judge_submission(folder, learner_for(folder), load_catalogue(), judge)


def summary_of(out: Path) -> dict[str, Any]:
    """Return what the run says of itself, {} where it says nothing."""
    found: dict[str, Any] = _json(out / "summary.json")
    return found


def result_of(out: Path, name: str) -> Any:
    """Return what a bench printed as JSON, {} where there is none."""
    return _json(out / "results" / f"{name}.json")


def label_of(out: Path) -> dict[str, Any]:
    """Return what a recording made of this run is labelled with: machine, versions, seconds, and each step's state and each bench's result."""
    told = summary_of(out)
    steps = {str(step["name"]): {"state": step.get("state"), "seconds": step.get("seconds")} for step in told.get("steps", [])}
    benches = {path.stem: found for path in sorted((out / "results").glob("*.json")) if (found := _json(path))}
    return {**told, "steps": steps, "benches": benches}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def markdown(out: Path, evidence: Evidence, verdicts: Sequence[Judged]) -> str:
    """Return the block for bench/RESULTS.md and the closing note; a part that was not run says so."""
    told = summary_of(out)
    parts = {
        f"On {told.get('gpu') or 'an unnamed machine'}": _label(told),
        "Score": _score(verdicts),
        "Seconds per notebook": _seconds(told),
        "Batches": _batches(out, evidence),
        f"Top {TOP} kernels of the profiled request": _kernels(evidence),
        "Builds": _builds(out, evidence),
        "Overhead of recording evidence": _overhead(out),
        "Inside the kernel": _excerpt(evidence),
        "Failures": _failures(told),
    }
    return "\n".join(f"### {title}\n\n{text or 'not run'}\n" for title, text in parts.items())


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table, "" without rows."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines) if rows else ""


def _label(told: Mapping[str, Any]) -> str:
    machine = told.get("machine") or {}
    if not machine:
        return ""
    named = {**told.get("versions", {}), **told.get("tools", {})}
    return (
        f"{machine.get('gpu')}, {machine.get('cores')} cores of {machine.get('cpu')}, {machine.get('ram_gib')} GiB; "
        f"{', '.join(f'{name} {version}' for name, version in named.items())}. {told.get('seconds', 0):.0f} s in all."
    )


def _score(verdicts: Sequence[Judged]) -> str:
    lessons = dict.fromkeys(one.notebook for one in verdicts)
    rows = [(lesson, *_points([one for one in verdicts if one.notebook == lesson])) for lesson in lessons]
    return table(("lesson", "points", "of", "not passed"), [*rows, ("together", *_points(verdicts)[:2], "")])


def _points(some: Sequence[Judged]) -> tuple[str, str, str]:
    bad = [one.exercise.grade_id for one in some if one.verdict.state != "passed"]
    return f"{sum(one.verdict.points for one in some):g}", f"{sum(one.exercise.points for one in some):g}", ", ".join(bad)


def _seconds(told: Mapping[str, Any]) -> str:
    steps = [step for step in told.get("steps", []) if step.get("seconds")]
    lessons = [(lesson, seconds, "together") for lesson, seconds in told.get("seconds_per_notebook", {}).items() if seconds]
    rows = [(step["name"], step["seconds"], step["state"] + (", alone" if step.get("alone") else "")) for step in steps]
    return table(("notebook or step", "seconds", ""), [*lessons, *rows])


def _batches(out: Path, evidence: Evidence) -> str:
    found = result_of(out, "batch")
    try:
        sweep = batch_sweep.Sweep.model_validate(evidence.record(batch_sweep.SWEEP).facts)
        rows = [
            (size, f"{sorted(rate for _, rate in sweep.samples[str(size)])[len(sweep.samples[str(size)]) // 2]:,.0f}")
            for size in sweep.sizes()
        ]
    except (BadEvidence, ValueError):
        rows = []
    compared = (
        f"`bench/batch.py`: batch {found['batch']}, {found['output_tokens']} tokens, {found['pairs']} pairs in turns: sweep {found['sweep_tokens_per_s']:,.0f}, "
        f"`vllm bench throughput` {found['vllm_bench_tokens_per_s']:,.0f} output tokens/s, ratio {found['ratio']:.3f} (middle half {found['ratio_low']:.3f} to "
        f"{found['ratio_high']:.3f}); {found['sizes']} sizes with one engine {found['sweep_s']:.1f} s, with an engine per size "
        f"{found['engine_per_size_s']:.1f} s: {found['times_faster']:.1f} times as fast."
        if found
        else "`bench/batch.py`: not run."
    )
    return "\n\n".join(filter(None, (table(("batch", "output tokens/s, median"), rows), compared)))


def _kernels(evidence: Evidence) -> str:
    try:
        _, profiled = own(evidence)
    except BadEvidence:
        return ""
    kernels = totals(work for work in profiled.trace.work if work.kind == "kernel")
    return table(("kernel", "times", "µs together"), [(short(one.name), one.count, f"{one.ns / 1000:,.0f}") for one in kernels[:TOP]])


def _builds(out: Path, evidence: Evidence) -> str:
    records = {
        "overlay of lesson 02, compile": "build-overlay",
        "target of lesson 02": "build-target",
        "sample of the large target": "build-sample",
    }
    rows: list[tuple[object, object]] = []
    for what, name in records.items():
        try:
            rows.append((what, f"{evidence.record(name).seconds:.1f} s"))
        except BadEvidence:
            continue
    overlays = result_of(out, "overlay")
    rows += [
        (f"overlay of {one['function']}, configure to verified", f"{one['wall_s']} s ({one['cpu_s']} of CPU)") for one in overlays or ()
    ]
    if target := result_of(out, "target"):
        rows.append(
            (f"{target['target']}: {target['built']} of {target['units']} units", f"{target['wall_s']} s ({target['cpu_s']} of CPU)")
        )
    if stop := result_of(out, "stop"):
        rows.append(("sdist to a stop in the overlay, together", f"{stop['together_s']} s"))
    return table(("what", "seconds"), rows)


def _overhead(out: Path) -> str:
    found = result_of(out, "overhead")
    return (
        f"`bench/recording.py`: a command of {found['bare_s']:.2f} s, run, logged and recorded, over the bare command: {found['recording_over_bare']:.3f} "
        f"({found['run_adds_ms']:.1f} ms for running it with a log, {found['record_ms']:.1f} ms for the record)."
        if "bare_s" in found
        else ""
    )


def _excerpt(evidence: Evidence) -> str:
    try:
        record = evidence.record("debuggers-kernel")
        turns: Any = record.facts["turns"]
        inside = [turn for turn in turns if turn["typed"] == "continue" and "CUDA kernel" in turn["said"]]
        variables = [turn for turn in turns if turn["typed"] == "info locals"]  # the last time, when each has its value
        shown = inside[:1] + variables[-1:] + turns[-EXCERPT_TURNS:]
        lines = [line for turn in shown for line in (f"(cuda-gdb) {turn['typed']}", *turn["said"].splitlines())]
    except (BadEvidence, LookupError, TypeError, AttributeError):
        return ""
    replayed = "" if record.lane == "cuda" else "Replayed, not run here (lane cpu).\n\n"
    return replayed + "```text\n" + "\n".join(line[:EXCERPT_WIDTH] for line in lines) + "\n```"


def _failures(told: Mapping[str, Any]) -> str:
    rows = [
        (step["name"], failure["cell"], f"{failure['ename']}: {failure['evalue'].splitlines()[0] if failure['evalue'] else ''}")
        for step in told.get("steps", [])
        for failure in step.get("failures", [])
    ]
    unfinished = [(step["name"], "", step["state"]) for step in told.get("steps", []) if step.get("state") not in ("done", None)]
    return table(("step", "cell", "what"), [*rows, *unfinished]) or ("none" if told else "")
