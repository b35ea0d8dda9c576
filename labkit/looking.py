"""What a laboratory shows and asks: checks, the quiz, the doctor, progress, the day's log. Lab adds what runs and records."""

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from labkit import show
from labkit.doctor import Diagnosis
from labkit.evidence import Evidence
from labkit.journal import Journal
from labkit.lane import Lane
from labkit.messages import LearnerMessage
from labkit.recorder import Recorder


class Looking:
    """The part of Lab that looks and shows; nothing here runs a lesson's commands."""

    folder: Path
    lesson: str
    learner: str
    token: str
    lane: Lane
    evidence: Evidence
    source: Callable[[], Path]
    _recorder: Recorder
    _journal: Journal

    def check(self, grade_id: str) -> None:
        """Show the visible check of an exercise: a table of rows, never a traceback."""
        from labkit.checks import visible_check
        from labkit.rows import evaluate

        rows = evaluate(visible_check(grade_id), self.evidence)
        self._journal.note("check", grade_id)
        show.check(grade_id, rows)
        if os.environ.get("NBGRADER_EXECUTION") == "validate" and not all(row.ok for row in rows):
            raise LearnerMessage(
                f"{grade_id} is not right yet.", "Run its check cell: the table there says what is missing."
            )  # else nbgrader's Validate would say Success

    def quiz(self, question_id: str, answer: Any = ...) -> None:
        """Ask a question of the quiz; an `answer` is taken without the controls: a letter, the beginning of an option, a number, a list."""
        from labkit.quiz.asking import ask

        ask(question_id, answer, evidence=self.evidence, token=self.token, write=self._keep)

    def results_of(self, function: Callable[..., Any], examples: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Call the learner's function with each example, a tuple of arguments. An error is shown in one line and is that example's result."""
        from labkit.trying import results_of

        return results_of(function, examples)

    def _nothing_new(self, record_id: str) -> str:
        """What is said of an answer that still holds `...`."""
        if not self.evidence.has(record_id):
            return f"Nothing to record yet for {record_id}: fill in what is still `...`, then run this cell again."
        at = datetime.fromtimestamp((self.evidence.folder / f"{record_id}.json").stat().st_mtime)
        return f"Nothing new recorded for {record_id}: something is still `...`. What you recorded at {at:%H:%M} still counts."

    def _keep(self, record_id: str, facts: Mapping[str, JsonValue]) -> None:
        self._recorder.write(record_id, facts=facts)
        self._journal.note("record", record_id)

    def doctor(self) -> None:
        """Examine this machine, show the table with its controls, and record it."""
        from labkit.widgets import doctor_controls

        doctor_controls(self._examine(), self._examine)

    def _examine(self) -> list[Diagnosis]:
        from labkit.doctor import examine

        found = examine(self.lane)
        rows: JsonValue = [[d.name, d.finding.state, d.needed] for d in found]
        self._recorder.write("start-doctor", facts={"rows": rows, "reasons": list(self.lane.reasons)})
        return found

    def where(self, *references: str, lines: int = 12) -> None:
        """Show where things of vLLM's source are in the version installed here, with their first lines: `path:symbol`, as lessons cite them.

        A name that the course's table knows is enough: "EngineCore.step". Raises LearnerMessage for what this version does not have.
        """
        from labkit.references.showing import show_places, trees_of

        show_places(references, trees_of(self.lane.name, self.source), lines)

    def progress(self) -> None:
        """Show how far this learner is, from files alone: evidence, journal and returned grades."""
        from labkit.progress import overview
        from labkit.progress_view import show_progress

        show_progress(overview(self.folder, self.learner, self.lane.name), self.lesson)

    def log(self, confidence: Any = None, *, longest: str | None = None, hours: float | None = None) -> None:
        """Keep the day's log and show it; without arguments, a form. It is the learner's alone: never graded, never handed in.

        `confidence` is a number from 1 to 10, or one by topic. Raises LearnerMessage for what makes no sense.
        """
        from labkit import daylog, daylog_form

        kept = daylog.read(self.folder, self.learner)
        said = daylog.changed(kept, confidence, longest, hours)
        if said != kept:
            daylog.keep(self.folder, said)
        if said != daylog.DayLog(self.learner, {}):
            daylog.show_summary(said, self.folder)
        if all(value is None or value is ... for value in (confidence, longest, hours)):
            daylog_form.show_form(self.folder, self.learner)
