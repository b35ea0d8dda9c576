"""The day's log as a form, for those who would rather not write a call. What it keeps is the same."""

import html
from pathlib import Path

import ipywidgets

from labkit import daylog, show
from labkit.messages import LearnerMessage
from labkit.progress import course

WIDE = {"description_width": "11em"}
NOT_SAID = 0


def show_form(folder: Path, learner: str) -> None:
    """Show the form, filled in with what was kept, or else with what the journal noticed."""
    log = daylog.read(folder, learner)
    hours, longest = daylog.measured(folder, learner)
    sure = {topic: _number(topic, log.confidence.get(topic)) for topic in daylog.TOPICS}
    lessons = ["", *(lesson["name"] for lesson in course()["lessons"])]
    took = ipywidgets.Combobox(value=log.longest or longest, options=lessons, description="took longest", style=WIDE)
    spent = ipywidgets.BoundedFloatText(
        value=round(hours, 1) if log.hours is None else log.hours, min=0, max=daylog.MOST_HOURS, step=0.5, description="hours", style=WIDE
    )
    button = ipywidgets.Button(description="Keep my log", tooltip=f"Write it into {daylog.NAME}")
    said = ipywidgets.HTML(value="1: lost, 10: I could teach it, 0: not said.")

    def keep(_: object) -> None:
        confidence = {topic: box.value for topic, box in sure.items() if box.value}
        try:
            daylog.keep(folder, daylog.changed(log, confidence, took.value, spent.value))
            said.value = f"✓ Kept in {daylog.NAME}. Run the cell again to see it as a table."
        except LearnerMessage as message:
            said.value = f"✗ {html.escape(str(message))}"

    button.on_click(keep)
    plain = _as_call(hours, longest)
    show.widget(ipywidgets.VBox([*sure.values(), took, spent, ipywidgets.HBox([button, said])]), plain, f"<p>{html.escape(plain)}</p>")


def _number(topic: str, value: int | None) -> ipywidgets.BoundedIntText:
    """A number to type, for JupyterLab takes the arrow keys away from lists and sliders in an output."""
    return ipywidgets.BoundedIntText(
        value=value or NOT_SAID, min=NOT_SAID, max=10, description=topic, tooltip=daylog.TOPICS[topic], style=WIDE
    )


def _as_call(hours: float, longest: str) -> str:
    """What the form asks, for where there is no form."""
    topics = ", ".join(f"{topic} ({what})" for topic, what in daylog.TOPICS.items())
    call = 'lab.log(confidence={"build": 7, "debuggers": 6}, longest="02_source_build", hours=6.5)'
    return f"Write your log as a call: {call}. Topics: {topics}. {daylog.noticed(hours, longest)}."
