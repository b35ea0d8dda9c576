"""Look into a step: controls around the timeline. Without a front end, as in papermill, one step is shown as it is."""

from typing import Any

from labkit import show
from labkit.plots import as_image
from labkit.profile.lanes import lanes, window
from labkit.profile.steps import Steps, spans
from labkit.profile.timeline import describe, figure_of, rows_of
from labkit.profile.units import as_html
from labkit.trace.model import Trace

MS, SHORTEST = 1e6, 1000  # nanoseconds: a millisecond, and the shortest window
PARTS = 100  # steps of a slider: an arrow key moves it by one of these


def explore(trace: Trace, label: Steps) -> None:
    """Show the second step, a decode step, with controls that choose another one and a part of it. All of them work from the keyboard.

    The step is chosen by a slider: JupyterLab takes the keys of a drop-down list for its own commands.
    """
    found = spans(trace, label)
    if not found:
        return
    choices = {span.name: window(trace, span) for span in found}
    first = list(choices)[min(1, len(choices) - 1)]
    plain, markup = _page(trace, *choices[first], first)
    show.widget(Explorer(trace, choices, first, markup).box, plain, markup)


class Explorer:
    """The controls, with the picture below them. `choices` are the windows of the steps by name, `markup` is the picture of `first`."""

    def __init__(self, trace: Trace, choices: dict[str, tuple[int, int]], first: str, markup: str) -> None:
        import ipywidgets

        self.trace, self.choices, self.ready = trace, choices, False
        wide = {"style": {"description_width": "9em"}, "layout": {"width": "32em"}}
        slides: dict[str, Any] = {**wide, "continuous_update": False, "readout_format": ".2f"}
        self.step = ipywidgets.SelectionSlider(options=list(choices), value=first, description="step", continuous_update=False, **wide)
        self.begin = ipywidgets.FloatSlider(description="from (ms)", **slides)
        self.length = ipywidgets.FloatSlider(description="length (ms)", **slides)
        self.whole = ipywidgets.Button(description="Whole step", tooltip="Show the step from its beginning to its end")
        self.picture = ipywidgets.HTML(value=markup)
        self.box = ipywidgets.VBox([ipywidgets.HBox([self.step, self.whole]), self.begin, self.length, self.picture])
        self._reset()
        self.step.observe(self._choose, names="value")
        self.whole.on_click(self._choose)
        for slider in (self.begin, self.length):
            slider.observe(self._draw, names="value")

    def _draw(self, _: object = None) -> None:
        """Show the window that the sliders say; not while they are being set."""
        if self.ready:
            start, end = self.choices[self.step.value]
            since = min(start + round(self.begin.value * MS), end - SHORTEST)
            until = min(end, since + max(SHORTEST, round(self.length.value * MS)))
            whole = (since, until) == (start, end)
            self.picture.value = _page(self.trace, since, until, self.step.value if whole else f"part of {self.step.value}")[1]

    def _choose(self, _: object) -> None:
        self._reset()
        self._draw()

    def _reset(self) -> None:
        """Set the sliders to the whole of the chosen step."""
        self.ready = False
        start, end = self.choices[self.step.value]
        size = (end - start) / MS
        for slider, value in ((self.begin, 0.0), (self.length, size)):
            slider.max, slider.step, slider.value = size, size / PARTS, value
        self.ready = True


def _page(trace: Trace, start: int, end: int, name: str) -> tuple[str, str]:
    """Return a window of the trace as text and as HTML that says the same: the picture, and a table of what it shows."""
    found = lanes(trace, start, end)
    words, rows = describe(found, start, end, name), rows_of(found, start, end, name)
    return f"[plot] {words}\n{show.as_text(*rows)}", as_image(figure_of(found, start, end, name), words) + as_html(*rows)
