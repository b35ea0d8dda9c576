"""The parts of bench/grading.py, in the order in which they run, and what they found."""

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.grading_measure import Cost
from bench.grading_others import NotRun, otter, otter_passed, stock_as_it_comes, stock_best, with_plugins
from bench.grading_ours import ours, part_of, plan, sizes
from tools.grades import Score, scores
from tools.rehearse import make_class
from tools.rehearse_more import BY_NAME
from tools.stock import ROOT

EXECUTED = ROOT / "build" / "course" / "run"
said = Console(stderr=True)


class Bench:
    """One run: the class, the rows of the table, and what was found out on the way."""

    def __init__(self, folder: Path, asked: argparse.Namespace) -> None:
        self.folder, self.asked = folder, asked
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []
        executed = EXECUTED if (EXECUTED / "evidence").is_dir() else None
        self.kinds = make_class(folder / "class", max(asked.sizes), executed=executed)
        self.course, self.learners = folder / "class", list(self.kinds)
        self.scores: dict[str, list[Score]] = {}  # ours
        self.figure: dict[str, float] = {}
        self.different: set[str] = set()

    def row(self, grader: str, students: int, cost: Cost, **more: Any) -> dict[str, Any]:
        """Note a measurement."""
        row = {"grader": grader, "students": students, "seconds": cost.seconds, "per_minute": 60 * students / cost.seconds}
        row |= {"cpu_s": cost.cpu / students, "peak_mb": cost.peak_mb, "processes": cost.processes} | more
        self.rows.append(row)
        said.print(f"{grader}, {students} students: {cost.seconds:.1f} s")
        return row

    def attempt(self, part: Callable[[], None]) -> None:
        """Run one part; the others go on when it cannot be measured."""
        try:
            part()
        except (NotRun, OSError) as problem:
            self.notes.append(f"{part.__name__}: not measured: {str(problem).splitlines()[0]}")
            said.print(problem, markup=False)

    def ours_all(self) -> None:
        """Our class command, at all sizes."""
        python, ray = sys.executable, ["ray"] if importlib.util.find_spec("ray") else []
        plans = [(2, "", size) for size in self.asked.sizes] + [(1, "", size) for size in self.asked.sizes[:2]]
        for jobs, engine, size in plans + [(2, name, size) for name in ray for size in self.asked.sizes[:2]]:
            course = part_of(self.course, self.folder / f"ours-{jobs}-{engine}-{size}", self.learners[:size])
            before = (course / "gradebook.db").stat().st_size
            cost = ours(python, course, jobs, engine)
            self.row(f"ours, {engine or 'processes'}, {jobs} at once", size, cost, jobs=jobs, engine=engine, own_cpu=cost.own_cpu / size)
            if (jobs, engine, size) == (2, "", self.asked.sizes[:2][-1]):
                self.scores = scores(course / "gradebook.db", "day2")
                left = sizes(course, before, size)
                self.figure |= {"autograded": left.autograded, "gradebook": left.gradebook}

    def ours_full(self) -> None:
        """Our class command where everybody has done everything."""
        size = self.asked.sizes[:2][-1]
        make_class(self.folder / "full", size, kinds=["full"], executed=EXECUTED if (EXECUTED / "evidence").is_dir() else None)
        cost = ours(sys.executable, self.folder / "full", 2)
        self.row("ours, everybody full, 2 at once", size, cost, jobs=2, engine="full", own_cpu=cost.own_cpu / size)

    def stock_twice(self) -> None:
        """Stock nbgrader's best case with two students and with more, so that its start can be taken off."""
        sound = [learner for learner in self.learners if BY_NAME[self.kinds[learner]].stock][: self.asked.students]
        few = stock_best(sys.executable, self.course, self.folder / "stock-2", sound[:2])
        self.row("nbgrader stock, best case", 2, few)
        many = stock_best(sys.executable, self.course, self.folder / "stock", sound)
        each = (many.seconds - few.seconds) / (len(sound) - 2)
        self.row("nbgrader stock, best case", len(sound), many, each_further_s=each)
        self.figure["stock_s"] = each
        self.same("nbgrader stock", scores(self.folder / "stock/gradebook.db", "day2"))

    def as_it_comes(self) -> None:
        """Stock nbgrader as it comes."""
        self.row("nbgrader stock, as it comes, 2 lessons of 7", 1, stock_as_it_comes(sys.executable, self.course, self.folder / "comes"))

    def plugins(self) -> None:
        """nbgrader with the plug-ins, one learner of each kind that our class command has graded."""
        graded = self.learners[: self.asked.sizes[:2][-1]]
        chosen = sorted({self.kinds[learner]: learner for learner in graded}.values())
        course = part_of(self.course, self.folder / "plugins", chosen)
        self.row("nbgrader with our plug-ins", len(chosen), with_plugins(sys.executable, course))
        self.same("nbgrader with our plug-ins", scores(course / "gradebook.db", "day2"))

    def otter_once(self) -> None:
        """otter, one student who has done everything."""
        learner = next(learner for learner in self.learners if self.kinds[learner] in ("full", "own_words"))
        costs = otter(self.asked.otter_python, self.course, self.folder / "otter", learner)
        total = Cost(
            sum(c.seconds for c in costs),
            sum(c.cpu for c in costs),
            0.0,
            max(c.peak_mb for c in costs),
            max(c.processes for c in costs),
            0,
            "",
        )
        self.row(f"otter run, {len(costs)} empty notebooks of one student", 1, total)
        passed = otter_passed(self.folder / "otter", learner)
        wrong = [
            s.grade_id for s in self.scores.get(learner, ()) if passed.get(s.grade_id, False) != (s.points == s.maximum) and not s.manual
        ]
        self.different |= {f"otter: {grade_id}" for grade_id in wrong}
        self.notes.append(f"otter: {len(passed)} tests, other than ours: {', '.join(wrong) or 'none'}")

    def same(self, whose: str, theirs: dict[str, list[Score]]) -> None:
        """Note whether scores are ours, exercise by exercise."""
        common = [learner for learner in theirs if learner in self.scores]
        others = [learner for learner in common if theirs[learner] != self.scores[learner]]
        self.different |= {f"{whose}: {learner}" for learner in others}
        self.notes.append(
            f"{whose}: {len(common)} of {len(theirs)} students compared with ours; other scores: {', '.join(others) or 'none'}"
        )

    def run(self) -> None:
        """Measure everything that can be measured here."""
        for part in (self.ours_all, self.ours_full, self.stock_twice, self.as_it_comes, self.plugins):
            self.attempt(part)
        if self.asked.otter_python:
            self.attempt(self.otter_once)
        self.conclude()

    def conclude(self) -> None:
        """Compute the ratios and the capacity plan from the rows; what was not measured has none."""
        mine = {(row["jobs"], row["engine"], row["students"]): row for row in self.rows if "jobs" in row}
        two, full = ([mine[key] for key in sorted(mine) if key[:2] == (2, engine)] for engine in ("", "full"))
        if two and "stock_s" in self.figure:
            for row in [two[-1], *full]:
                row["times_stock"] = row["per_minute"] * self.figure["stock_s"] / 60
        one = mine.get((1, "", self.asked.sizes[:2][-1]))
        if two and full and one and "autograded" in self.figure:
            both = mine[2, "", one["students"]]["peak_mb"]
            worker = max(both - one["peak_mb"], both / 10)
            base = [path.stat().st_size for path in (self.course / "base").rglob("*") if path.is_file()]
            self.figure |= {
                "cpu_s": full[0]["cpu_s"], "writer_ms": 1000 * two[-1]["own_cpu"], "worker_mb": worker, "base_mb": max(both - 2 * worker, 0),
                "submitted": sum(base),
            }  # fmt: skip
            self.notes.append(plan(self.figure))
