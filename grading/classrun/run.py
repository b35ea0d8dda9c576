"""A class run: find the submissions, skip what is graded, ask the engine, and let one writer keep what comes back, in sorted order."""

import glob
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
from grading.classrun.files import write_autograded
from grading.classrun.frame import beside_of, config_of, frame_of, judged_ids
from grading.classrun.one import Graded
from grading.classrun.outcome import Asked, Change, ClassStopped, Summary
from grading.classrun.reach import check_digests
from grading.classrun.worker import Question, Setup
from grading.registry import OUR_CHECKS, load_checks
from grading.wording import plain

Progress = Callable[[int, int, str], None]


def grade_class(asked: Asked, progress: Progress) -> Summary:
    """Grade all submissions of an assignment that changed, or whose checks changed, since the last run. Raises ClassStopped."""
    try:
        return _Run(asked, progress).go()
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = getattr(error, "orig", None) or error
        raise ClassStopped(
            f"The gradebook or the ledger cannot be used: {plain(str(cause), 200)}. Expected a writable gradebook that no other program is "
            "writing to. Is the disk full, or the file read-only or damaged? Put a copy back if need be, and run the same command again: it goes on."
        ) from None
    except OSError as error:
        raise ClassStopped(f"{error.filename or 'A file'}: {error.strerror}. Expected room and permission to write under the course folder. "
                           "Mend that and run the same command again: it goes on.") from None  # fmt: skip


class _Run:
    """One run over one course."""

    def __init__(self, asked: Asked, progress: Progress) -> None:
        self.asked, self.progress, self.summary = asked, progress, Summary()
        self.config = config_of(asked.course)
        self.folders = CourseDirectory(config=self.config)
        self.late = AssignLatePenalties(config=self.config)
        self.late.init_plugin()

    def go(self) -> Summary:
        """Do it."""
        store_path = self.asked.course / f"{self.asked.assignment}.class.db"
        if self.folders.db_url.startswith("sqlite:///") and not Path(self.folders.db_url.removeprefix("sqlite:///")).is_file():
            raise ClassStopped(
                f"{self.asked.course}: there is no gradebook. Run `nbgrader generate_assignment {self.asked.assignment}` there first."
            )
        engine = create_engine(self.folders.db_url)
        try:
            with engine.connect() as gradebook, ledger.opened(store_path) as store:
                return self._with(gradebook, store)
        finally:
            engine.dispose()

    def _with(self, gradebook: Connection, store: sqlite3.Connection) -> Summary:
        try:
            self.plan = book.plan_of(gradebook, self.asked.assignment)
        except book.NoAssignment as none:
            raise ClassStopped(str(none)) from None
        self.frame = frame_of(self.folders, self.config, self.asked.assignment, list(self.plan.notebooks))
        self.beside = beside_of(self.folders, self.asked.assignment)
        self.frame_digest = self.frame.digest()
        setup = self._setup()
        self.checks = check_digests(load_checks(setup.checks))
        self.sums = book.sums(gradebook, self.plan)
        gradebook.rollback()  # the reading above began a transaction
        learners = self._learners()
        questions = self._questions(store, learners, set(judged_ids(self.frame)))
        answers = (
            in_ray(questions, setup, self.asked.address) if self.asked.engine == "ray" else in_processes(questions, setup, self.asked.jobs)
        )
        for done, answer in enumerate(answers, 1):
            self._keep(gradebook, store, answer)
            self.progress(done + self.summary.skipped, len(learners), answer[0].learner)
        found = likeness.alike(store)
        likeness.save_alike(likeness.alike_path(self.asked.course, self.asked.assignment), found)
        self.summary.alike = likeness.summary_lines(found)
        return self.summary

    def _setup(self) -> Setup:
        grader = self.config.GradeOutOfKernel
        checks = self.asked.checks or (grader.checks if "checks" in grader else OUR_CHECKS)
        path = list(self.asked.path) or (list(grader.path) if "path" in grader else [])
        limits = dict(grader.limits) if "limits" in grader else {}
        sys.path[:0] = [folder for folder in path if folder not in sys.path]
        return Setup(
            frame=self.frame, checks=checks, path=path, limits=limits, seconds=self.asked.seconds, memory_mib=self.asked.memory_mib
        )

    def _learners(self) -> list[tuple[str, Path]]:
        """Return (learner, folder) of every submission, sorted by name."""
        pattern = self.folders.format_path(self.folders.submitted_directory, "*", self.asked.assignment)
        found = [Path(one) for one in glob.glob(pattern)]  # noqa: PTH207 - the same folders as nbgrader's
        learners = sorted((one.parent.name, one) for one in found if one.is_dir())
        for name in (name for name, _ in learners if not _is_text(name)):
            self.summary.not_graded[name] = "the folder's name is no text (UTF-8), so that no gradebook can hold it"
        for folder in glob.glob(str(Path(pattern).parent)):  # noqa: PTH207 - glob passes over what it may not read
            if Path(folder).is_dir() and not os.access(folder, os.R_OK | os.X_OK):
                self.summary.not_graded[Path(folder).name] = "its folder may not be read: give the grader's user permission, and run again"
        return [one for one in learners if _is_text(one[0])]

    def _questions(self, store: sqlite3.Connection, learners: list[tuple[str, Path]], grade_ids: set[str]) -> Iterator[Question]:
        for learner, folder in learners:
            known = None if self.asked.force else ledger.entry(store, learner)
            same = (
                known is not None and known.submission != UNBOUNDED and known.submission == submission_digest(folder, self.plan.notebooks)
            )
            if known is None or not same or known.frame != self.frame_digest:
                yield Question(folder=str(folder), learner=learner)
                continue
            kept = {
                one: said
                for one, said in known.verdicts.items()
                if known.checks.get(one) == self.checks.get(one) and said.state != "not judged"
            }
            if set(kept) >= grade_ids and self._in_book(learner, known):
                self.summary.skipped += 1
                continue
            self.summary.partly += 1
            yield Question(folder=str(folder), learner=learner, kept=kept)

    def _in_book(self, learner: str, known: ledger.Entry) -> bool:
        target = Path(self.folders.format_path(self.folders.autograded_directory, learner, self.asked.assignment))
        return self.sums.get(learner) == (known.scores, known.total) and target.is_dir()

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
        with gradebook.begin():
            book.save(gradebook, self.plan, graded, when, self.late)
        self._enter(store, graded)

    def _enter(self, store: sqlite3.Connection, graded: Graded) -> None:
        """Note it in the ledger, after the gradebook has it: a run that is killed in between grades it again, to the same rows."""
        before = ledger.entry(store, graded.learner)
        scores = [score for notebook in graded.notebooks.values() for score in notebook.scores.values() if score is not None]
        repaired = sum(len(notebook.repaired) for notebook in graded.notebooks.values())
        checks = {one: self.checks.get(one, "") for one in graded.verdicts}
        entry = ledger.Entry(graded.digest, self.frame_digest, checks, graded.verdicts, repaired, len(scores), round(sum(scores), 6))
        ledger.enter(store, graded.learner, entry)
        likeness.keep(store, graded.learner, likeness.Traces(tuple(likeness.Trace(*row) for row in graded.traces)))
        store.commit()
        self._tell(graded, before, repaired)

    def _tell(self, graded: Graded, before: ledger.Entry | None, repaired: int) -> None:
        self.summary.graded += 1
        if repaired:
            self.summary.repaired[graded.learner] = repaired
        waiting = [one for one, said in graded.verdicts.items() if said.state == "not judged"]
        if waiting:
            self.summary.waiting[graded.learner] = [f"{one}: {graded.verdicts[one].seen}" for one in waiting]
        for one, said in graded.verdicts.items() if before else ():
            earlier = before.verdicts.get(one) if before else None
            if _points(earlier) != _points(said):
                self.summary.changes.append(Change(graded.learner, one, _points(earlier), _points(said)))


def _is_text(name: str) -> bool:
    """Whether a folder's name is UTF-8; Linux allows any bytes, and Python hands them on as halves of surrogate pairs."""
    return name == name.encode(errors="replace").decode()


def _points(said: Any) -> float | None:
    return None if said is None or said.state == "not judged" else float(said.points)
