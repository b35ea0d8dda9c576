"""Controls under the doctor's table. The table itself is plain HTML and stays readable without them, after a restart and in papermill."""

import time
from collections.abc import Callable, Sequence

from labkit import show
from labkit.doctor import Diagnosis


def doctor_controls(found: Sequence[Diagnosis], look_again: Callable[[], Sequence[Diagnosis]]) -> None:
    """Show the table, a check box that leaves only the rows that need attention, and a button that looks again."""
    import ipywidgets

    state = {"found": found}
    only = ipywidgets.Checkbox(description="only rows that are not ok", indent=False)
    again = ipywidgets.Button(description="Look again", tooltip="Examine this machine again and record what is found")
    table = ipywidgets.HTML(value=show.doctor_html(found))
    looked = ipywidgets.Label(value="")

    def draw() -> None:
        rows = [d for d in state["found"] if d.finding.state != "ok" or not only.value]
        table.value = show.doctor_html(rows)

    def examine(_: object) -> None:
        state["found"] = look_again()
        looked.value = f"looked at {time.strftime('%H:%M:%S')}"
        draw()

    only.observe(lambda _: draw(), names="value")
    again.on_click(examine)
    show.widget(ipywidgets.VBox([ipywidgets.HBox([only, again, looked]), table]), show.doctor_text(found), show.doctor_html(found))
