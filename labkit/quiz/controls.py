"""The form of a question: every control is a native one that the Tab key reaches, so the keyboard works and a screen reader names it.

Each radio button is a group of its own: JupyterLab 4 takes the arrow keys for itself, so in a common group, as in a list, nobody could get
from one option to the next without a mouse. Tab and Space do it here.
"""

from collections.abc import Callable, Sequence
from typing import Any

from labkit.messages import LearnerMessage
from labkit.quiz import card
from labkit.quiz.asking import Sitting
from labkit.quiz.bank import Chosen

# ipywidgets gives each option one line of fixed height; a sentence needs more
STYLE = """<style>
.labkit-quiz .widget-radio-box label, .labkit-quiz .widget-checkbox, .labkit-quiz .widget-checkbox label {
  height: auto; width: auto; white-space: normal; line-height: 1.4; padding: 2px 0; align-items: flex-start }
.labkit-quiz .widget-radio-box { max-width: 60em; margin: 0 }
.labkit-quiz .widget-html-content { line-height: 1.4; max-width: 60em; white-space: normal }
.labkit-quiz .widget-label { width: auto }
</style>"""
WIDE = {"description_width": "initial"}
Reader = Callable[[], Any]  # what stands in the control now


def form(sitting: Sitting) -> Any:
    """Return the question as a widget. "Record my answer" keeps what is chosen then; nothing is kept before."""
    import ipywidgets

    earlier, _ = sitting.earlier()
    control, read = CONTROLS[sitting.question.kind](sitting, earlier)
    heard = ipywidgets.HTML(value=_said(sitting.so_far()))
    button = ipywidgets.Button(description="Record my answer", tooltip="Keep this answer as evidence and say what there is to say of it")
    button.layout = ipywidgets.Layout(width="auto", align_self="flex-start")

    def record(_: object) -> None:
        try:
            heard.value = _said(sitting.take(read()), spoken=True)
        except LearnerMessage as message:
            heard.value = _said(f"{message.happened} {message.next_step}", spoken=True)

    button.on_click(record)
    how = " Choose a line, then move it." if sitting.question.kind == "order" else ""
    top = ipywidgets.HTML(value=f"{STYLE}{card.heading(sitting.question)}<p>{card.inline(card.task(sitting.question))}{how}</p>")
    box = ipywidgets.VBox([top, control, button, heard])
    box.add_class("labkit-quiz")
    return box


def _said(words: str, *, spoken: bool = False) -> str:
    """Feedback as HTML. A screen reader speaks an alert when it is put in, so only new feedback is one."""
    role = ' role="alert"' if spoken else ""
    return f"<div{role}>{card.inline(words)}</div>" if words else ""


def _label(sitting: Sitting, place: int) -> str:
    """An option as a control shows it: its letter, and its text without marks."""
    return f"{card.LETTERS[place]}) {sitting.question.options[sitting.shown[place]].replace('`', '')}"


class _OneOf:
    """Radio buttons of which one is chosen at most; `place` is its index, None at first."""

    def __init__(self, labels: Sequence[str], place: int | None) -> None:
        import ipywidgets

        self._quiet = False
        self.buttons = [ipywidgets.RadioButtons(options=[label], value=None, layout={"width": "auto"}) for label in labels]
        self.box = ipywidgets.VBox(self.buttons)
        self.relabel(labels, place)
        for at, button in enumerate(self.buttons):
            button.observe(lambda change, at=at: self._clicked(at, change["new"]), names="value")

    @property
    def place(self) -> int | None:
        """Which one is chosen."""
        return next((at for at, button in enumerate(self.buttons) if button.value is not None), None)

    def relabel(self, labels: Sequence[str], place: int | None) -> None:
        """Show other labels, and choose another one."""
        self._quiet = True
        for at, (button, label) in enumerate(zip(self.buttons, labels, strict=True)):
            button.options = [label]  # ipywidgets chooses the first of new options by itself
            button.value = label if at == place else None
        self._quiet = False

    def _clicked(self, at: int, value: str | None) -> None:
        if value is not None and not self._quiet:
            for button in self.buttons[:at] + self.buttons[at + 1 :]:
                button.value = None


def _choice(sitting: Sitting, earlier: Chosen | None) -> tuple[Any, Reader]:
    labels = [_label(sitting, place) for place in range(len(sitting.shown))]
    radios = _OneOf(labels, sitting.shown.index(earlier[0]) if isinstance(earlier, list) else None)
    return radios.box, lambda: [] if radios.place is None else [card.LETTERS[radios.place]]


def _answers(sitting: Sitting, earlier: Chosen | None) -> tuple[Any, Reader]:
    import ipywidgets

    chosen = earlier if isinstance(earlier, list) else []
    boxes = {
        key: ipywidgets.Checkbox(
            value=key in chosen, description=_label(sitting, place), indent=False, style=WIDE, layout={"width": "auto"}
        )
        for place, key in enumerate(sitting.shown)
    }
    return ipywidgets.VBox(list(boxes.values())), lambda: [_letter(sitting, key) for key, box in boxes.items() if box.value]


def _number(sitting: Sitting, earlier: Chosen | None) -> tuple[Any, Reader]:
    import ipywidgets

    label = f"Your answer ({sitting.question.unit}):"
    field = ipywidgets.Text(value="" if earlier is None else str(earlier), description=label, placeholder="a whole number", style=WIDE)
    field.layout.width = "28em"
    return field, lambda: field.value


def _order(sitting: Sitting, earlier: Chosen | None) -> tuple[Any, Reader]:
    """Lines, of which one is chosen, and two buttons that move it."""
    import ipywidgets

    order = list(earlier) if isinstance(earlier, list) else list(sitting.shown)
    labels = {key: _label(sitting, place) for place, key in enumerate(sitting.shown)}
    lines = _OneOf([labels[key] for key in order], 0)
    buttons = [ipywidgets.Button(description=f"Move {way}", tooltip=f"Move the chosen line {way}") for way in ("up", "down")]
    told = ipywidgets.HTML()

    def move(by: int) -> None:
        place = lines.place or 0
        if 0 <= place + by < len(order):
            order[place], order[place + by] = order[place + by], order[place]
            lines.relabel([labels[key] for key in order], place + by)
            told.value = _said(f"{labels[order[place + by]][0]} is line {place + by + 1} of {len(order)} now", spoken=True)

    buttons[0].on_click(lambda _: move(-1))
    buttons[1].on_click(lambda _: move(1))
    return ipywidgets.VBox([lines.box, ipywidgets.HBox([*buttons, told])]), lambda: [_letter(sitting, key) for key in order]


def _letter(sitting: Sitting, key: str) -> str:
    return card.LETTERS[sitting.shown.index(key)]


CONTROLS: dict[str, Callable[[Sitting, Chosen | None], tuple[Any, Reader]]] = {
    "choice": _choice, "answers": _answers, "number": _number, "order": _order,
}  # fmt: skip
