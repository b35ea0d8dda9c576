"""A class run: find the submissions, skip what is graded, ask the engine, and let one writer keep what comes back, in sorted order."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties
from nbgrader.utils import parse_utc
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError

from grading import likeness
from grading.classrun import book, ledger
from grading.classrun.client import problem_of
from grading.classrun.digests import UNBOUNDED, submission_digest
from grading.classrun.engines import Answered, in_processes, in_ray
from grading.classrun.files import is_whole, write_autograded
from grading.classrun.frame import beside_of, config_of, frame_of, judged_ids
from grading.classrun.learners import learners_of, untimed, without_folder
from grading.classrun.one import Graded
from grading.classrun.outcome import Asked, Change, ClassStopped, Summary
from grading.classrun.plan import NoAssignment, Plan, assignments, handed_in, plan_of, rows_digest, waiting
from grading.classrun.reach import check_digests
from grading.classrun.start import alone, check_asked, check_gradebook, check_root, checks_of, frame_digest, of_database
from grading.classrun.worker import Question, Setup
from grading.registry import OUR_CHECKS
from grading.verdict import Verdict
from grading.wording import plain

Progress = Callable[[int, int, str], None]


def grade_class(asked: Asked, progress: Progress, summary: Summary) -> None:
    """Grade all submissions of an assignment that changed, or whose checks changed, since the last run, and note it in `summary`.

    Raises ClassStopped; what was noted until then stays true.
    """
    try:
        _Run(asked, progress, summary).go()
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise ClassStopped(of_database(plain(str(getattr(error, "orig", None) or error), 200))) from None
    except OSError as error:
        raise ClassStopped(f"{error.filename or 'A file'}: {error.strerror}. Expected room and permission to write under the course folder. "
                           "Mend that and run the same command again: it goes on.") from None  # fmt: skip


class _Run:
    """One run over one course."""

    def __init__(self, asked: Asked, progress: Progress, summary: Summary) -> None:
        self.asked, self.progress, self.summary = asked, progress, summary
        check_asked(asked)
        self.config = config_of(asked.course)
        check_root(asked, Path(self.config.CourseDirectory.root))
        self.folders = CourseDirectory(config=self.config)
        check_gradebook(asked, self.folders.db_url)
        self.late = AssignLatePenalties(config=self.config)
        self.late.init_plugin()
        self.looked_at: set[str] = set()  # whose submission is the one that was graded before

    def go(self) -> None:
        """Do it, alone."""
        engine = create_engine(self.folders.db_url)
        with alone(self.asked.course):
            try:
                with engine.connect() as gradebook:
                    self._look(gradebook)
                    with ledger.opened(self.asked.course / f"{self.asked.assignment}.class.db") as store:
                        self._with(gradebook, store)
            finally:
                engine.dispose()

    def _look(self, gradebook: Connection) -> None:
        """Read what every submission needs, before anything is written."""
        self.plan = self._plan(gradebook)
        self.learners, self.summary.not_graded = learners_of(self.folders, self.asked.assignment, self.known)
        self.frame = frame_of(self.folders, self.config, self.asked.assignment, list(self.plan.notebooks))
        self.beside = beside_of(self.folders, self.asked.assignment)
        self.setup = self._setup()
        self.checks = check_digests(checks_of(self.setup.checks))
        self.frame_digest = frame_digest(self.frame, self.beside, self.plan, self.late)

    def _plan(self, gradebook: Connection) -> Plan:
        try:
            self.known = assignments(gradebook)
            return plan_of(gradebook, self.asked.assignment)
        except NoAssignment as none:
            raise ClassStopped(f"{none} It has: {', '.join(self.known) or 'none'}.") from None

    def _with(self, gradebook: Connection, store: sqlite3.Connection) -> None:
        learners, setup = self.learners, self.setup
        ledger.forget_others(store, {who for who, _ in learners})
        questions = self._questions(gradebook, store, set(judged_ids(self.frame)))
        jobs = min(self.asked.jobs, max(1, len(learners)))
        answers = in_ray(questions, setup, self.asked.address) if self.asked.engine == "ray" else in_processes(questions, setup, jobs)
        for done, answer in enumerate(answers, 1):
            self._keep(gradebook, store, answer)
            self.progress(done + self.summary.skipped, len(learners), answer[0].learner)
        self._look_back(gradebook, store)

    def _look_back(self, gradebook: Connection, store: sqlite3.Connection) -> None:
        """Note what only shows over the whole class, skipped or not."""
        found = likeness.alike_with_ours(store)
        likeness.save_alike(likeness.alike_path(self.asked.course, self.asked.assignment), found)
        self.summary.alike = likeness.summary_lines(found)
        self.summary.by_hand = waiting(gradebook, self.plan)
        self.summary.untimed = untimed(self.learners) if self.plan.duedate else []
        left = without_folder(handed_in(gradebook, self.plan), self.folders, self.asked.assignment)
        self.summary.gone = [learner for learner in left if learner not in self.summary.not_graded]
        self.summary.complete = True

    def _setup(self) -> Setup:
        grader = self.config.GradeOutOfKernel
        checks = self.asked.checks or (grader.checks if "checks" in grader else OUR_CHECKS)
        path = list(self.asked.path) or (list(grader.path) if "path" in grader else [])
        limits = dict(grader.limits) if "limits" in grader else {}
        sys.path[:0] = [folder for folder in path if folder not in sys.path]
        return Setup(
            frame=self.frame, checks=checks, path=path, limits=limits, seconds=self.asked.seconds, memory_mib=self.asked.memory_mib
        )

    def _questions(self, gradebook: Connection, store: sqlite3.Connection, grade_ids: set[str]) -> Iterator[Question]:
        for learner, folder in self.learners:
            known = None if self.asked.force else ledger.entry(store, learner)
            if known is None or known.submission == UNBOUNDED or known.submission != submission_digest(folder, self.plan.notebooks):
                yield Question(folder=str(folder), learner=learner)
                continue
            kept = self._kept(known)
            if set(kept) >= grade_ids and self._is_written(gradebook, learner, known):
                self.summary.skipped += 1
                if known.repaired:
                    self.summary.repaired[learner] = known.repaired
                continue
            self.looked_at.add(learner)
            self.summary.partly += bool(kept)
            yield Question(folder=str(folder), learner=learner, kept=kept)

    def _kept(self, known: ledger.Entry) -> dict[str, Verdict]:
        """Return the verdicts of an earlier run that still hold."""
        if known.frame != self.frame_digest:
            return {}
        return {
            one: said
            for one, said in known.verdicts.items()
            if known.checks.get(one) == self.checks.get(one) and said.state != "not judged"
        }

    def _is_written(self, gradebook: Connection, learner: str, known: ledger.Entry) -> bool:
        target = Path(self.folders.format_path(self.folders.autograded_directory, learner, self.asked.assignment))
        rows = rows_digest(gradebook, self.plan, learner)
        gradebook.rollback()  # the reading began a transaction
        return rows == known.rows and is_whole(target, list(self.plan.notebooks), self.beside)

    def _keep(self, gradebook: Connection, store: sqlite3.Connection, answer: Answered) -> None:
        question, said = answer
        why = said if isinstance(said, str) else problem_of(said)
        if why or isinstance(said, str):
            self.summary.not_graded[question.learner] = why
            return
        graded = Graded.model_validate_json(said)
        target = Path(self.folders.format_path(self.folders.autograded_directory, graded.learner, self.asked.assignment))
        write_autograded(target, graded, self.beside)
        when = parse_utc(graded.timestamp.strip()) if graded.timestamp else None
        gradebook.rollback()  # a reading may have begun a transaction
        with gradebook.begin():
            book.save(gradebook, self.plan, graded, when, self.late, looked_at=graded.learner in self.looked_at)
        self._enter(store, graded, rows_digest(gradebook, self.plan, graded.learner))

    def _enter(self, store: sqlite3.Connection, graded: Graded, rows: str) -> None:
        """Note it in the ledger, after the gradebook has it: a run that is killed in between grades it again, to the same rows."""
        before = ledger.entry(store, graded.learner)
        repaired = sum(len(notebook.repaired) for notebook in graded.notebooks.values())
        checks = {one: self.checks.get(one, "") for one in graded.verdicts}
        ledger.enter(store, graded.learner, ledger.Entry(graded.digest, self.frame_digest, checks, graded.verdicts, repaired, rows))
        likeness.keep(store, graded.learner, likeness.Traces(tuple(likeness.Trace(*row) for row in graded.traces)))
        store.commit()
        self._tell(graded, before, repaired)

    def _tell(self, graded: Graded, before: ledger.Entry | None, repaired: int) -> None:
        self.summary.graded += 1
        if graded.digest == UNBOUNDED:
            self.summary.too_large.append(graded.learner)
        if repaired:
            self.summary.repaired[graded.learner] = repaired
        for grade_id, fault in graded.faults.items():
            self.summary.faults.setdefault(grade_id, fault)
        unjudged = [one for one, said in graded.verdicts.items() if said.state == "not judged"]
        if unjudged:
            self.summary.waiting[graded.learner] = [f"{one}: {graded.verdicts[one].seen}" for one in unjudged]
        for one, said in graded.verdicts.items() if before else ():
            earlier = before.verdicts.get(one) if before else None
            if _points(earlier) != _points(said):
                self.summary.changes.append(Change(graded.learner, one, _points(earlier), _points(said)))


def _points(said: Verdict | None) -> float | None:
    return None if said is None or said.state == "not judged" else float(said.points)
