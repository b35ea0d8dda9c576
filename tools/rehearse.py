"""Make a course directory with a class in it, to rehearse grading: `python -m tools.rehearse --learners 1000 --to DIR [--seed 0] [--full]`.

Submissions are variations of the reference (`--kinds` lists them). Files that a variation leaves alone are hard links to DIR/base: the class
of a thousand takes the room of the changed files. So never write into a submitted file; replace it. DIR/class.json says who did what. Then:
`cd DIR; nbgrader autograde day2`, or `python -m grading class --course-dir DIR`. All submissions hold the same learner's evidence and are
judged as that learner's (tools/as_reference): the comparison for likeness says of each that its records name "reference". What a whole class
shares counts as not measured; the kind `copied` has other times and is what it finds.
"""

import argparse
import json
import os
import random
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from labkit.messages import LearnerMessage
from labkit.submit import ASSIGNMENT
from tools.rehearse_base import write_base
from tools.rehearse_kinds import Handed
from tools.rehearse_more import BY_NAME, KINDS
from tools.stock import ROOT, finish, start

CHECKS = "tools.as_reference"
DUE = datetime(2026, 12, 1, 18, 0)  # UTC, as nbgrader's gradebook keeps it
MOST = 50_000  # a file of ext4 may have 65,000 links
_CONFIG = '''"""A rehearsal's settings: the repository's own, for this folder, and the reference's evidence under every name."""

from pathlib import Path

c = get_config()  # noqa: F821 - nbgrader provides it
load_subconfig({repository!r})  # noqa: F821 - so is this
c.CourseDirectory.root = str(Path(__file__).resolve().parent)  # a copy of this folder is a course of its own
c.GradeOutOfKernel.checks = {checks!r}
'''


def make_class(to: Path, learners: int, seed: int = 0, kinds: Sequence[str] = (), executed: Path | None = None) -> dict[str, str]:
    """Make the course directory `to` and return {learner: kind}.

    `kinds`: names out of KINDS, in equal shares; none means the table's shares. `executed`: see write_base. Raises LearnerMessage when `to`
    holds something already, or nbgrader fails.
    """
    if to.exists() and any(to.iterdir()):
        raise LearnerMessage(f"{to} is not empty.", "Name a folder that is not there yet: an earlier class is not written over.")
    write_course(to)
    release = to / "release" / ASSIGNMENT
    write_base(to / "base", to / "source" / ASSIGNMENT, release, executed)
    made = who_does_what(learners, seed, kinds)
    for learner, kind in made.items():
        hand_in(to, learner, kind, random.Random(f"{seed}:{learner}"))  # noqa: S311 - a rehearsal, no secret
    (to / "class.json").write_text(json.dumps({"seed": seed, "learners": made}, indent=1) + "\n")
    return made


def write_course(to: Path, source: Path = ROOT / "source" / ASSIGNMENT) -> None:
    """Write source/, the configuration, and by nbgrader release/ and the gradebook, with a date for handing in. Raises LearnerMessage."""
    from nbgrader.api import Gradebook  # seconds to import

    to = to.resolve()
    shutil.copytree(source, to / "source" / ASSIGNMENT)
    write_config(to)
    finish(start("generate_assignment", to, to / "generate_assignment.log"))
    with Gradebook(f"sqlite:///{to / 'gradebook.db'}", "vllm-day2") as book:
        book.update_or_create_assignment(ASSIGNMENT, duedate=DUE)


def write_config(to: Path) -> None:
    """Write nbgrader's configuration for a rehearsal in the folder `to`."""
    values = {"repository": str(ROOT / "nbgrader_config.py"), "checks": CHECKS}
    (to / "nbgrader_config.py").write_text(_CONFIG.format(**values))


def who_does_what(learners: int, seed: int = 0, kinds: Sequence[str] = ()) -> dict[str, str]:
    """Return {learner: kind}, in the shares asked for to the nearest learner, in an order that depends on the seed only."""
    shares = {kind.name: kind.share for kind in KINDS} if not kinds else dict.fromkeys(kinds, 1)
    listed = [name for name, count in _apportioned(shares, learners).items() for _ in range(count)]
    random.Random(seed).shuffle(listed)  # noqa: S311
    return {f"l{number:04}": kind for number, kind in enumerate(listed, 1)}


def _apportioned(shares: Mapping[str, int], learners: int) -> dict[str, int]:
    """Largest remainders."""
    exact = {name: share * learners / sum(shares.values()) for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    first = sorted(exact, key=lambda name: counts[name] - exact[name])  # stable: ties in the table's order
    for name in first[: learners - sum(counts.values())]:
        counts[name] += 1
    return counts


def hand_in(course: Path, learner: str, kind: str, chance: random.Random) -> Path:
    """Make one submission and return its folder."""
    folder = course / "submitted" / learner / ASSIGNMENT
    shutil.copytree(course / "base", folder, copy_function=os.link)
    handed = Handed(folder, course / "release" / ASSIGNMENT, chance)
    on_time = DUE - timedelta(minutes=chance.randrange(1, 3 * 24 * 60))
    handed.write("timestamp.txt", f"{on_time:%Y-%m-%d %H:%M:%S.%f} UTC\n".encode())
    BY_NAME[kind].make(handed)
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tools.rehearse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=30, metavar="N", help=f"at most {MOST:,} (default 30)")
    parser.add_argument("--to", type=Path, metavar="DIR", help="a folder that is not there yet")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another class")
    parser.add_argument("--full", action="store_true", help="everybody has done everything: what costs most to grade")
    parser.add_argument("--kind", action="append", default=[], choices=sorted(BY_NAME), help="only these, in equal shares")
    parser.add_argument(
        "--executed", type=Path, metavar="RUN", help="run notebooks with evidence/, as build/course/run: take their outputs"
    )
    parser.add_argument("--kinds", action="store_true", help="list the variations and end")
    return parser


def main() -> int:
    """Make a class; exit code 2 when that is not possible."""
    parser = _parser()
    asked = parser.parse_args()
    if asked.kinds:
        print("\n".join(f"{kind.share:3} %  {kind.name:17} {kind.make.__doc__}" for kind in KINDS))
        return 0
    if asked.to is None or not 0 < asked.learners <= MOST:
        parser.error(f"--to DIR is needed, and --learners from 1 to {MOST:,}")
    try:
        made = make_class(asked.to, asked.learners, asked.seed, ["full"] if asked.full else asked.kind, asked.executed)
    except LearnerMessage as message:
        print(message, file=sys.stderr)
        return 2
    print(f"{len(made):,} submissions in {asked.to / 'submitted'}; {asked.to / 'class.json'} says who did what.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
