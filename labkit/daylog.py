"""The day's log: how sure a learner is of each topic, what took longest, how long it took.

It is the learner's alone, in `day2-log.json` beside the notebooks: no evidence, never graded, never handed in.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from labkit import show
from labkit.evidence import BadEvidence, parse_json, read_bounded
from labkit.journal import moments, seconds_per_lesson
from labkit.messages import LearnerMessage, explain_os_error
from labkit.recorder import write_atomically

NAME = "day2-log.json"
TOPICS = {  # topic: what a learner is asked to be sure of
    "environment": "what vLLM asks for, and what is folklore",
    "build": "building vLLM's code with debug symbols",
    "debuggers": "stopping inside a running engine",
    "inference": "the way from a call to ten tokens",
    "profiles": "reading a profile",
    "measuring": "measuring what a choice costs",
}
MOST_HOURS, MOST_TEXT, MAX_BYTES = 200.0, 500, 64 * 1024


@dataclass(frozen=True)
class DayLog:
    """What a learner kept: confidence from 1 to 10 by topic, what took longest and why, and hours (None: not said)."""

    learner: str
    confidence: dict[str, int]
    longest: str = ""
    hours: float | None = None


def read(folder: Path, learner: str) -> DayLog:
    """Return what this learner kept; a file that is not there, damaged or somebody else's counts as an empty one."""
    try:
        said = parse_json(read_bounded(folder, NAME, MAX_BYTES), NAME)
        if isinstance(said, dict) and said.get("learner") == learner:
            return changed(DayLog(learner, {}), said.get("confidence"), said.get("longest"), said.get("hours"))
    except (BadEvidence, LearnerMessage):
        pass
    return DayLog(learner, {})


def changed(log: DayLog, confidence: Any = None, longest: Any = None, hours: Any = None) -> DayLog:
    """Return the log with what was said now; None and `...` leave the old. Raises LearnerMessage for what makes no sense."""
    confidence, longest, hours = (None if value is ... else value for value in (confidence, longest, hours))
    if confidence is not None:
        log = replace(log, confidence=log.confidence | _confidence(confidence))
    if longest is not None:
        log = replace(log, longest=" ".join(str(longest).split())[:MOST_TEXT])
    if hours is not None:
        log = replace(log, hours=_hours(hours))
    return log


def keep(folder: Path, log: DayLog) -> None:
    """Write the log. Raises LearnerMessage when the folder cannot be written."""
    try:
        write_atomically(folder / NAME, json.dumps(asdict(log), indent=1) + "\n")
    except OSError as error:
        raise explain_os_error(error, "keeping your log") from None


def show_summary(log: DayLog, folder: Path) -> None:
    """Show the log as a table, beside what the journal measured."""
    rows = [(topic, what, _sure(log.confidence.get(topic))) for topic, what in TOPICS.items()]
    show.table("Your day (yours alone: not graded, not handed in)", ("topic", "what you are asked to be sure of", "confidence"), rows)
    hours, longest = measured(folder, log.learner)
    said = f"{log.hours:g} hours" if log.hours is not None else "not said"
    show.text(f"Time: {said}. Took longest: {log.longest or 'not said'}. ({noticed(hours, longest)}.) Kept in {NAME}.")


def noticed(hours: float, longest: str) -> str:
    """Say what the journal measured."""
    if hours < 0.05:
        return "lab noticed hardly any time yet"
    return f"lab noticed {hours:.1f} hours, most of them in {longest}"


def measured(folder: Path, learner: str) -> tuple[float, str]:
    """Return hours at work as the journal has them, and the lesson that took most of them ("" when it has none)."""
    spent = seconds_per_lesson(moments(folder, learner))
    return sum(spent.values()) / 3600, max(spent, key=lambda name: spent[name], default="")


def _confidence(said: Any) -> dict[str, int]:
    given = said if isinstance(said, Mapping) else dict.fromkeys(TOPICS, said)
    given = {topic: value for topic, value in given.items() if value is not ...}
    wrong = next((topic for topic in given if topic not in TOPICS), None)
    if wrong is not None:
        raise LearnerMessage(f"There is no topic {wrong!r}.", f"There are: {', '.join(TOPICS)}.")
    for topic, value in given.items():
        if type(value) is not int or not 1 <= value <= 10:
            raise LearnerMessage(f"confidence in {topic!r} is {value!r}.", "Use a whole number from 1 (lost) to 10 (I could teach it).")
    return given


def _hours(said: Any) -> float:
    if type(said) not in (int, float) or not 0 <= said <= MOST_HOURS:
        raise LearnerMessage(f"hours is {said!r}.", "Use a number of hours, such as 6.5.")
    return round(float(said), 2)


def _sure(value: int | None) -> str:
    return f"[{'#' * value}{'-' * (10 - value)}] {value} of 10" if value else "not said"
