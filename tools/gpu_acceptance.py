"""The whole course on a machine with a CUDA GPU, and what is made of it afterwards: `python -m tools.gpu_acceptance run|grade|record`.

`run` does every step on this machine (tools/gpu_acceptance.sh is the short way to it). `grade` and `record` read what it left in OUT, on any
machine: the score and a block of Markdown; and the evidence for recordings/cuda-reference, as far as its checks pass.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from labkit.doctor import examine
from labkit.lane import Lane, detect_lane
from labkit.messages import LearnerMessage
from labkit.settings import settle_environment
from tools.gpu_acceptance_notebook import execute
from tools.gpu_acceptance_pack import about, pack
from tools.gpu_acceptance_run import ROOT, Place, Runner
from tools.gpu_acceptance_steps import STEPS, chosen, places
from tools.gpu_acceptance_target import build_target


def main() -> int:
    """Do what was asked for and return the exit code: 0 done, 1 something is missing or worse, 2 it cannot be done here."""
    asked = _arguments()
    try:
        settle_environment()
        return int(asked.do(asked))
    except LearnerMessage as message:
        print(message)
        return 2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="gpu_acceptance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="do the steps; call it again with the same --work to go on")
    run.set_defaults(do=_run)
    run.add_argument("--out", type=Path, required=True, help="where results are packed, every 20 seconds")
    run.add_argument("--work", type=Path, help="where everything is made; default: OUT-work")
    run.add_argument("--seconds", type=float, default=1200.0, help="the time for everything (default: 1200)")
    run.add_argument("--lane", choices=("cuda", "cpu"), default="cuda")
    run.add_argument("--only", nargs="+", default=[], choices=[step.name for step in STEPS], help="these steps, and what they need")
    run.add_argument("--at-once", type=int, default=places(), metavar="N", help="steps side by side, as far as they do not measure")
    run.add_argument("--anyway", action="store_true", help="begin although the doctor says that lessons will stumble")
    run.add_argument("--steps", action="store_true", help="print the table of steps and do nothing")
    for name, do, what in (
        ("grade", _grade, "print the scores and a block of Markdown"),
        ("record", _record, "take evidence into recordings/"),
    ):
        command = commands.add_parser(name, help=what)
        command.set_defaults(do=do)
        command.add_argument("out", type=Path, metavar="OUT")
        if name == "record":
            command.add_argument("--to", type=Path, default=ROOT / "recordings" / "cuda-reference")
    _inner_commands(commands)
    return parser.parse_args()


def _inner_commands(commands: Any) -> None:
    inner = commands.add_parser("notebook", help="run the notebook of one step (what `run` calls)")
    inner.set_defaults(do=_notebook)
    inner.add_argument("step", choices=[step.name for step in STEPS if step.lesson])
    inner.add_argument("--work", type=Path, required=True)
    inner.add_argument("--lane", required=True)
    target = commands.add_parser("target", help="build a CMake target in the time that is left (what `run` calls)")
    target.set_defaults(do=_target)
    target.add_argument("target")


def _run(asked: argparse.Namespace) -> int:
    steps = chosen(asked.only)
    if asked.steps:
        print("\n".join(map(str, steps)))
        return 0
    lane, began = detect_lane(asked.lane), time.monotonic()
    print(lane)
    look_first(lane, anyway=asked.anyway)
    out, work = asked.out.resolve(), (asked.work or asked.out.with_name(f"{asked.out.name}-work")).resolve()
    place, facts = Place(work, lane.name), about(lane) | {"date": time.strftime("%Y-%m-%d")}
    before = earlier_seconds(out / "summary.json", work)
    try:
        place.prepare()
    except subprocess.CalledProcessError:
        raise LearnerMessage("This Python has no ipykernel.", "Run `make setup LANE=cuda`, or give another one: --python PY.") from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends us finds what was done in OUT
    runner = Runner(
        place, steps, asked.seconds, asked.at_once, say=lambda line: print(line, flush=True),
        pack=lambda: pack(work, out, steps, facts | {"seconds": round(before + time.monotonic() - began, 1)}),
    )  # fmt: skip
    try:
        runner.run()
    except KeyboardInterrupt:
        print("ended from outside; what was done is in OUT")
    return _concluded(out / "summary.json")


def look_first(lane: Lane, *, anyway: bool) -> None:
    """Print what this machine lacks. Raises LearnerMessage then, without `anyway`: found out by a lesson, it costs GPU time."""
    lacking = [f"{one.name}: {one.finding.seen}. {one.finding.fix}" for one in examine(lane) if one.blocks]
    if shutil.which("labkit") is None:
        lacking.append("labkit: not on PATH. Add the folder bin/ of the environment that `make setup` made, or of your Python.")
    if not lacking:
        return
    print(*lacking, sep="\n")
    if not anyway:
        raise LearnerMessage("Lessons will stumble over these.", "Mend them, or add --anyway.")


def earlier_seconds(summary: Path, work: Path) -> float:
    """Return what earlier calls with the same folders took together, 0.0 when this is the first."""
    try:
        return float(json.loads(summary.read_text())["seconds"]) if (work / "state").is_dir() else 0.0
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def _concluded(summary: Path) -> int:
    """Say which steps to look at, and return the exit code."""
    told = json.loads(summary.read_text())["steps"]
    bad = [step["name"] for step in told if step["state"] != "done" or step.get("failures")]
    print(f"{len(told) - len(bad)} of {len(told)} steps went well{'; look at ' + ', '.join(bad) if bad else ''}: {summary}")
    return int(bool(bad))


def _notebook(asked: argparse.Namespace) -> int:
    execute(next(step for step in STEPS if step.name == asked.step), asked.work, asked.lane)
    return 0


def _target(asked: argparse.Namespace) -> int:
    build = Path(os.environ["GPU_ACCEPTANCE_WORK"]) / "run" / "work" / "build-release"
    print(json.dumps(build_target(build, asked.target, float(os.environ["SECONDS_LEFT"]))))
    return 0


def _grade(asked: argparse.Namespace) -> int:
    from labkit.evidence import Evidence
    from tools.gpu_acceptance_grade import judged, markdown, submission
    from tools.gpu_acceptance_notebook import LEARNER

    with tempfile.TemporaryDirectory() as scratch:
        folder = submission(asked.out / "evidence", Path(scratch))
        verdicts = judged(folder)
        for one in verdicts:
            if one.verdict.state != "passed":
                print(f"{one.exercise.grade_id}: {one.verdict.state}: {one.verdict.seen} Expected: {one.verdict.expected}")
        print(markdown(asked.out, Evidence(folder / "evidence", LEARNER), verdicts))
    return int(any(one.verdict.state != "passed" for one in verdicts))


def _record(asked: argparse.Namespace) -> int:
    from tools.gpu_acceptance_grade import label_of
    from tools.gpu_acceptance_record import NotTaken, record

    with tempfile.TemporaryDirectory() as scratch:
        try:
            taken = record(asked.out, asked.to, label_of(asked.out), Path(scratch))
        except NotTaken as problem:
            print(f"{problem} Nothing was changed.")
            return 1
    print(
        f"{taken.before:g} points before, {taken.after:g} now. Taken: {', '.join(taken.records) or 'nothing'}.\nLeft alone: {', '.join(taken.left) or 'nothing'}."
    )
    if "exercises-speed" in taken.records:
        print(
            f"For what other lanes are shown: python -m labkit.measure.device_code times {asked.to / 'evidence' / 'exercises-speed.json'}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
