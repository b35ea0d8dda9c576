"""Draw the rows of a timeline fast: bars for events that are wide enough, and the busy share of each division of time for the others."""

from collections.abc import Sequence
from typing import Any

from labkit.plots import BLUE, GREEN, ORANGE, PINK, RED, SKY
from labkit.profile.lanes import Event, LaneKind

WIDTH, LEFT, RIGHT, ROW = 10.0, 1.25, 0.65, 0.25  # inches: the figure, what lane names and busy shares take, and a row
BINS, WIDE = 640, 3  # how finely time is divided; an event of fewer divisions has no bar of its own
CHARACTER, SHORTEST, LABELS = 0.055, 4, 150  # inches of a label's character; characters below which it says nothing; how many are drawn
FAINT = 0.06  # height of the smallest share that is drawn
STYLES: dict[LaneKind, tuple[str, str]] = {  # Okabe and Ito's colours and hatches: no two differ by colour alone within a lane
    "range": (SKY, ""), "op": (PINK, ""), "call": (ORANGE, ""), "wait": (RED, "///"),
    "kernel": (GREEN, ""), "copy": (BLUE, "\\\\\\"), "set": (PINK, "xxx"),
}  # fmt: skip


class Drawer:
    """Draws rows of events: a bar for each that is wide enough, and the busy share of each division of time for the others."""

    def __init__(self, axes: Any, start: int, end: int, factor: float) -> None:
        self.axes, self.start, self.factor = axes, start, factor
        self.division = max((end - start) / BINS, 1.0)
        self.labels = LABELS

    def row(self, events: Sequence[Event], bottom: float, height: float) -> None:
        """Draw one row."""
        for kind in dict.fromkeys(event.kind for event in events):
            own = [event for event in events if event.kind == kind]
            self._narrow([e for e in own if e.end - e.start < WIDE * self.division], kind, bottom, height)
            self._wide([e for e in own if e.end - e.start >= WIDE * self.division], kind, bottom, height)

    def _wide(self, events: Sequence[Event], kind: LaneKind, bottom: float, height: float) -> None:
        colour, hatch = STYLES[kind]
        bars = [((e.start - self.start) / self.factor, (e.end - e.start) / self.factor) for e in events]
        if bars:
            self.axes.broken_barh(bars, (bottom, height), facecolor=colour, hatch=hatch, edgecolor="black", linewidth=0.5)
        inch = (WIDTH - LEFT - RIGHT) / (self.division * BINS)
        for event, (left, width) in zip(events, bars, strict=True):
            room = int((event.end - event.start) * inch / CHARACTER - 0.7)
            text = event.name if len(event.name) <= room else f"{event.name[: room - 1]}…" if room > SHORTEST else ""
            if text and self.labels:
                self.labels -= 1
                behind = {"facecolor": "white", "edgecolor": "none", "pad": 1} if hatch else None
                middle = (left + width / 2, bottom + height / 2)
                self.axes.text(*middle, text, ha="center", va="center", fontsize=7, bbox=behind, parse_math=False)

    def _narrow(self, events: Sequence[Event], kind: LaneKind, bottom: float, height: float) -> None:
        shares = self._shares(events)
        step = self.division / self.factor
        corners = [
            ((i * step, bottom), (i * step, top), ((i + 1) * step, top), ((i + 1) * step, bottom))
            for i, share in sorted(shares.items())
            for top in [bottom + height * max(FAINT, min(1.0, share))]
        ]
        if corners:
            from matplotlib.collections import PolyCollection

            self.axes.add_collection(PolyCollection(corners, facecolor=STYLES[kind][0], edgecolor=STYLES[kind][0], linewidth=0.4))

    def _shares(self, events: Sequence[Event]) -> dict[int, float]:
        """Return which share of each division of time the events take."""
        shares: dict[int, float] = {}
        for event in events:
            at, end = event.start - self.start, event.end - self.start
            for i in range(int(at / self.division), min(BINS - 1, int(end / self.division)) + 1):
                part = min(end, (i + 1) * self.division) - max(at, i * self.division)
                shares[i] = shares.get(i, 0.0) + max(0.0, part) / self.division
        return shares
