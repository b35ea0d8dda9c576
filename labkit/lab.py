"""The one object a lesson uses. It runs, records and draws; the commands in the cells stay the real ones."""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from labkit import show
from labkit.answers import answered, as_json, is_nothing, worded
from labkit.evidence import BadEvidence, Evidence
from labkit.failed import failed
from labkit.journal import Journal
from labkit.lane import detect_lane
from labkit.learner import learner_name, pick, symbol, token_of, word
from labkit.looking import Looking
from labkit.messages import LearnerMessage, explain_os_error
from labkit.recorder import Recorder, write_atomically
from labkit.runner import Run, run
from labkit.settings import remember, remembered, settle_environment

__all__ = ["Lab"]
COMMON_LOGINS = {"root", "user", "ubuntu", "jovyan", "admin", "student", "runner", "codespace", "vscode"}


class Lab(Looking):
    """A lesson's laboratory: who learns, on which lane, where evidence and scratch files go.

    `lesson` is the notebook's name, "01_environment". `learner` and `lane` default to what 00_start_here remembered. Raises
    LearnerMessage for a learner's name or a lane that cannot be used.
    """

    def __init__(self, lesson: str, *, learner: str = "", lane: str = "auto", folder: Path | None = None) -> None:
        self.folder = folder or Path.cwd()
        settle_environment()
        known = remembered(self.folder)
        try:
            self.learner = learner_name(learner or known.get("learner", ""))
        except ValueError as error:
            raise LearnerMessage(str(error), 'Write it as LEARNER = "your-name" in the first code cell of 00_start_here.') from None
        self.lesson, self.lane = lesson, detect_lane(lane if lane != "auto" else known.get("lane", "auto"))
        remember(self.folder, {"learner": self.learner, "lane": lane if lane != "auto" else known.get("lane", "auto")})
        self.token = token_of(self.learner)
        self.evidence = Evidence(self.folder / "evidence", self.learner)
        if (other := self._recorded_by()) not in ("", self.learner):
            show.text(
                f"The records here were made as {other!r}, not as {self.learner!r}: they do not count for you until you run the lessons again."
            )
        self._recorder = Recorder(self.evidence.folder, self.learner, self.lane)
        self._journal = Journal(self.folder, self.learner, lesson)
        self._journal.note("open")
        self.scratch()
        if self.learner in COMMON_LOGINS:
            show.text(f"Your name here is {self.learner!r}, which others have too: write your own as LEARNER in 00_start_here.")
        show.text(f"{lesson} · learner {self.learner} · {self.lane}")

    def _recorded_by(self) -> str:
        """The learner of the first readable record, "" when there is none."""
        everyone = Evidence(self.evidence.folder)
        for record_id in everyone.ids():
            with contextlib.suppress(BadEvidence):
                return everyone.record(record_id).learner
        return ""

    # What is this learner's own

    @property
    def symbol(self) -> str:
        """The learner's own C++ function name."""
        return symbol(self.token)

    def word(self, purpose: str) -> str:
        """An English word for this learner and purpose."""
        return word(self.token, purpose)

    def pick(self, purpose: str, options: Sequence[Any]) -> Any:
        """One of the options, by learner and purpose."""
        return options[pick(self.token, purpose, len(options))]

    # Running and recording

    def scratch(self, name: str = "") -> Path:
        """Return this lesson's scratch folder (or one inside it), made if need be: `work/<lesson>/`."""
        folder = self.folder / "work" / self.lesson / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain_os_error(error, "making the scratch folder") from None
        return folder

    def run(
        self, command: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None,
        timeout: float = 600.0, quiet: bool = False, log: str = "", must_succeed: bool = False,
    ) -> Run:  # fmt: skip
        """Run a command (no shell) with its last lines shown live; see labkit.runner.run. The log lands in the scratch folder.

        With `must_succeed`, an exit code other than 0 raises LearnerMessage: for commands that the next cells build on.
        """
        if isinstance(command, str):
            raise LearnerMessage("A command is a list of words here, because no shell takes it apart.", f"Write {command.split()!r}.")
        where = self.scratch("logs") / f"{log or Path(str(command[0])).name}.log"
        done = run(list(command), log=where, cwd=cwd or self.scratch(), env=env, timeout=timeout, quiet=quiet)
        if must_succeed and not done.ok:
            raise failed(done, timeout, self.folder)
        return done

    def run_for_json(
        self, command: Sequence[object], *, produces: str, env: Mapping[str, str] | None = None, timeout: float = 600.0, log: str = ""
    ) -> tuple[Run, dict[str, Any]]:
        """Run a command that writes a JSON file into the scratch folder; return the run and what the file holds.

        An older file of that name is removed first. Raises LearnerMessage when the command does not write it.
        """
        target = self.scratch() / produces
        target.unlink(missing_ok=True)
        done = self.run([str(part) for part in command], env=env, timeout=timeout, log=log or Path(produces).stem)
        if not done.ok or not target.is_file():
            raise failed(done, timeout, self.folder, f" and left no {produces}")
        return done, json.loads(target.read_text())

    def record(
        self, record_id: str, *, run: Run | None = None, files: Iterable[Path] = (), facts: Mapping[str, JsonValue] | None = None
    ) -> None:
        """Write evidence. A run that failed, and facts that still hold `...`, leave none and say so."""
        if run is not None and run.timed_out:
            show.text(f"Not recorded: {record_id}: the command ran into its time limit.")
            return
        if not answered(facts):
            show.text(self._nothing_new(record_id))
            return
        self._recorder.write(record_id, run=run, files=files, facts=as_json(record_id, facts or {}))
        self._journal.note("record", record_id)
        show.text(f"Recorded: evidence/{record_id}.json")

    def facts(self, record_id: str) -> dict[str, Any]:
        """Return the facts of a record, so that a section can go on after a restart without running its tool again.

        Raises LearnerMessage when the record is not there or damaged.
        """
        try:
            return dict(self.evidence.record(record_id).facts)
        except BadEvidence as bad:
            raise LearnerMessage(str(bad), "Run the cell above that runs and records it.") from None

    def predict(self, record_id: str, prediction: Any) -> None:
        """Keep the learner's first answer to a question that the next cells answer. It is never marked wrong."""
        earlier = self._earlier(record_id)
        if earlier is not None:
            show.text(f"Your prediction stands since you first made it: {worded(earlier)}")
            return
        if not answered(prediction):
            show.text("Commit yourself first: put your guess in place of `...` and run this cell. It is never marked.")
            return
        self.record(record_id, facts={"prediction": prediction})

    def compare(self, record_id: str, outcome: Any) -> None:
        """Set what happened beside what the learner predicted; an outcome that still holds `...` is left for later."""
        if not answered(outcome):
            return
        earlier = self._earlier(record_id)
        show.text(f"You predicted {worded(earlier)}; it was {worded(outcome)}." if earlier is not None else f"It was {worded(outcome)}.")

    def _earlier(self, record_id: str) -> Any:
        try:
            return self.evidence.record(record_id).facts.get("prediction")
        except BadEvidence:  # not there, or damaged: then it is made now
            return None

    def answer(self, record_id: str, answer: Any, about: str = "") -> None:
        """Keep the learner's answer as evidence; a new one replaces it. `about` names the record that it was read from."""
        if is_nothing(answer) and not self.evidence.has(record_id):  # later it replaces what an earlier version of a function returned
            show.text(f"Not recorded: {record_id}: the answer is None. Is something not filled in yet, or is a `return` missing?")
            return
        known = about and self.evidence.has(about)
        self.record(record_id, facts={"answer": answer} | ({"about": self.evidence.digest(about)} if known else {}))

    def source(self) -> Path:
        """Return vLLM's source tree in the version of this course, fetched once from the package index."""
        from labkit.sources import vllm_source

        return vllm_source(show.text)

    def model(self, asked: str = "auto") -> Path | str:
        """Return the model to run: see labkit.model.resolve."""
        from labkit.model import resolve

        found = resolve(str(asked or "auto"), show.text)
        show.text(f"model: {found.name}, {found.reason}")
        return found.location

    def write_text(self, name: str, text: str) -> Path:
        """Write a file into the scratch folder and return its path."""
        path = self.scratch() / name
        try:
            write_atomically(path, text)
        except OSError as error:
            raise explain_os_error(error, f"writing {name}") from None
        return path
