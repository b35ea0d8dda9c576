"""The one look of all plots: size of text, grid and colours, safe for colour-blind readers, readable on light and dark pages.

Colours are Okabe and Ito's (Color Universal Design, 2008). A plot never tells things apart by colour alone: lines have markers,
bars have hatches, and a table of the data stands beside each plot.
"""

import base64
import html
import io
import sys
from typing import Any, Literal

from labkit import show

BLUE, SKY, GREEN, ORANGE, RED, PINK, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#F0E442"
CYCLE = (BLUE, ORANGE, GREEN, PINK, RED, SKY, YELLOW)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")  # one per line, in the order of CYCLE
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++", "oo")  # one per bar
SMALL = 8.5  # points: what stands inside a plot
DPI = 110
STYLE: dict[str, Any] = {
    "font.size": 9.5, "axes.titlesize": 10, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 9.5,
    "xtick.labelsize": SMALL, "ytick.labelsize": SMALL, "legend.fontsize": SMALL, "legend.frameon": False,
    "axes.grid": False, "grid.alpha": 0.4, "axes.axisbelow": True, "axes.spines.top": False, "axes.spines.right": False,
    "hatch.linewidth": 0.6, "lines.markersize": 6,
}  # fmt: skip
# A page that is dark turns the light picture over; hues stay what they are. JupyterLab says so on its body, a page by the reader's setting.
_TURN = "filter:invert(.92) hue-rotate(180deg)"
_DARK = (
    f'<style>[data-jp-theme-light="false"] img.labkit-plot{{{_TURN}}}'
    f"@media (prefers-color-scheme:dark){{body:not([data-jp-theme-light]) img.labkit-plot{{{_TURN}}}}}</style>"
)


def figure(width: float, height: float, *, layout: Literal["constrained"] | None = "constrained") -> Any:
    """Return an empty matplotlib figure in the course's style; `width` and `height` in inches."""
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(STYLE)  # for good: text takes its size when it is added, not when the figure is made
    return Figure(figsize=(width, height), layout=layout)


def show_figure(figure: Any, alternative: str) -> None:
    """Display a matplotlib figure as PNG with alternative text; outside a notebook print the text."""
    if "ipykernel" not in sys.modules:
        show.text(f"[plot] {alternative}")
        return
    from IPython.display import display

    display({"text/html": as_image(figure, alternative), "text/plain": f"[plot] {alternative}"}, raw=True)


def as_image(figure: Any, alternative: str) -> str:
    """Return a matplotlib figure as an HTML image with alternative text."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    picture = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(alternative, quote=True)}" class="labkit-plot" style="max-width:100%" src="data:image/png;base64,{picture}">{_DARK}'
