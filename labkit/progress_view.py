"""The progress of a learner as a widget, as HTML and as text, which say the same. No state is told by colour alone."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from labkit import show
from labkit.progress import LessonStanding, Overview, Standing

Filter = Literal["all", "this lesson", "open ones"]
WORDS = {  # a sign and a word: no state is told by colour
    "not started": "– not started",
    "begun": "✗ begun, not in order yet",
    "checked": "✓ checked",
    "graded": "★ graded",
    "for a person to read": "… for a person to read",
}
BAR = 20  # characters
LESSONS = ("lesson", "begun", "checked", "graded", "points", "questions", "minutes")
EXERCISES = ("state", "lesson", "exercise", "points", "seen, and what to do next")
AIMS = ("lesson", "after it you can")
LEGEND = (
    "begun: something is recorded. checked: all that the check looks at is in order; it counts in full here, but the grader also compares answers. "
    "graded: points are known, also of what a person reads. Minutes: yours (planned), without breaks of ten minutes and more."
)
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; background: #fff }
table { border-collapse: collapse; margin: 1rem 0 } th, td { border: 1px solid #767676 }
@media (prefers-color-scheme: dark) { body { color: #e8e8e8; background: #161616 } th, td { border-color: #999 } }
"""


def show_progress(found: Overview, lesson: str = "") -> None:
    """Show the progress in a notebook, with a filter; `lesson` is the one whose exercises are shown first."""
    import ipywidgets

    here = any(one.name == lesson for one in found.lessons)
    choices: list[Filter] = ["all", "this lesson", "open ones"] if here else ["all", "open ones"]
    first: Filter = "this lesson" if here else "all"
    which = ipywidgets.RadioButtons(options=choices, value=first, description="Exercises:", orientation="horizontal")
    table = ipywidgets.HTML(value=show.as_html(*_exercises(found, first, lesson)))

    def draw(_: object) -> None:
        table.value = show.as_html(*_exercises(found, which.value, lesson))

    which.observe(draw, names="value")
    top = ipywidgets.HTML(value=_summary_html(found))
    show.widget(ipywidgets.VBox([top, which, table]), as_text(found, first, lesson), as_html(found, first, lesson))


def print_progress(found: Overview) -> None:
    """Print the progress to a terminal."""
    show.text("\n".join(_headlines(found)))
    show.table(*_lessons(found))
    show.table(*_aims(found))
    show.table(*_exercises(found, "all"))
    show.text(f"{LEGEND}\n{next_step(found)}")


def as_text(found: Overview, which: Filter = "all", lesson: str = "") -> str:
    """Return the progress as text."""
    tables = (show.as_text(*_lessons(found)), show.as_text(*_aims(found)), show.as_text(*_exercises(found, which, lesson)))
    return "\n\n".join(("\n".join(_headlines(found)), *tables, f"{LEGEND}\n{next_step(found)}"))


def as_html(found: Overview, which: Filter = "all", lesson: str = "") -> str:
    """Return the progress as a piece of HTML; what the filter leaves out can be unfolded."""
    rest = "" if which == "all" else f"<details><summary>All exercises</summary>{show.as_html(*_exercises(found, 'all'))}</details>"
    return f"{_summary_html(found)}{show.as_html(*_exercises(found, which, lesson))}{rest}"


def write_page(found: Overview, target: Path) -> None:
    """Write the progress as a page of its own. Raises OSError."""
    title = f"Progress of {html.escape(found.learner or 'a learner')}"
    target.write_text(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{title}</h1>{as_html(found)}</main></body></html>\n"
    )


def next_step(found: Overview) -> str:
    """Return what to do next: the first exercise with something left to do, and what its check says."""
    first = next((one for one in found.exercises if one.open), None)
    if first is None:
        return "Next: hand in, with `labkit submit`. Nothing is left that a check here can see."
    said = f": {_advice(first)}" if first.state == "begun" else ""
    return f'Next: "{first.title}" in {first.lesson}, {first.state}{said}'


def _headlines(found: Overview) -> list[str]:
    """Points as bars in text: recorded and in order, then graded, then why grades are not shown."""
    exercises = found.exercises
    total = sum(one.points for one in exercises)
    good = sum(one.so_far for one in exercises)
    graded = [one for one in exercises if one.earned is not None]
    lines = [f"Progress: {_bar(good, total)} up to {good:g} of {total:g} points"]
    if graded:
        earned, of = sum(one.earned or 0 for one in graded), sum(one.points for one in graded)
        lines.append(f"Graded:   {_bar(earned, of)} {earned:g} of {of:g} points, in {len(graded)} of {len(exercises)} exercises")
    return [*lines, *([found.note] if found.note else [])]


def _bar(value: float, total: float) -> str:
    filled = max(int(BAR * value / total), value > 0) if total else 0  # a first point shows
    return f"[{'#' * filled}{'-' * (BAR - filled)}]"


def _summary_html(found: Overview) -> str:
    lines = "".join(f"<p>{_line_html(line)}</p>" for line in _headlines(found))
    aims = f"<details><summary>What each lesson is for</summary>{show.as_html(*_aims(found))}</details>"
    return f"{lines}<p><b>{html.escape(next_step(found))}</b></p>{show.as_html(*_lessons(found))}{aims}<p>{html.escape(LEGEND)}</p>"


def _line_html(line: str) -> str:
    """A headline with its bar in a fixed pitch, hidden from a screen reader, which has the words."""
    before, bracket, after = line.partition("[#" if "[#" in line else "[-")
    if not bracket:
        return html.escape(line)
    bar, _, words = (bracket + after).partition("]")
    return f'{html.escape(before)}<code aria-hidden="true">{bar}]</code>{html.escape(words)}'


def _lessons(found: Overview) -> tuple[str, Sequence[str], list[tuple[str, ...]]]:
    return "Lessons", LESSONS, [_lesson(one) for one in found.lessons]


def _aims(found: Overview) -> tuple[str, Sequence[str], list[tuple[str, ...]]]:
    return "What each lesson is for", AIMS, [(one.name, one.objective) for one in found.lessons]


def _lesson(one: LessonStanding) -> tuple[str, ...]:
    states, count = [exercise.state for exercise in one.exercises], len(one.exercises)
    graded = states.count("graded")
    checked = graded + states.count("checked")
    points = sum(exercise.points for exercise in one.exercises)
    answered, asked = one.questions
    return (
        one.name, f"{checked + states.count('begun')} of {count}", f"{checked} of {count}", f"{graded} of {count}",
        f"{sum(exercise.so_far for exercise in one.exercises):g} of {points:g}", f"{answered} of {asked}" if asked else "–",
        f"{one.spent:.0f} ({one.planned:.0f})",
    )  # fmt: skip


def _exercises(found: Overview, which: Filter, lesson: str = "") -> tuple[str, Sequence[str], list[tuple[str, ...]]]:
    shown = [one for one in found.exercises if which == "all" or (one.open if which == "open ones" else one.lesson == lesson)]
    of = {"all": "of the course", "this lesson": f"of {lesson}", "open ones": "with something left to do"}[which]
    return f"{len(shown)} exercises {of}", EXERCISES, [_exercise(one) for one in shown]


def _exercise(one: Standing) -> tuple[str, ...]:
    points = f"{one.points:g}" if one.earned is None else f"{one.earned:g} of {one.points:g}"
    return WORDS[one.state], one.lesson, one.title, points, _advice(one)


def _advice(one: Standing) -> str:
    """What the check's first row that is not right says; nothing before there is a record."""
    if one.earned is not None and one.earned < one.points:
        return "The page that came back with the grade says why."
    if one.state != "begun" or one.wrong is None:
        return ""
    return f"{one.wrong.what}: {one.wrong.seen}. Expected: {one.wrong.expected}. {one.wrong.next_step}".strip()
