"""Shows what a whole nsys export adds up to, in bounded memory: for files that are too large for a notebook's tables."""

from pathlib import Path

from rich.progress import Progress

from labkit import show
from labkit.messages import LearnerMessage
from labkit.profile.units import share_text, size_text, time_text
from labkit.trace import nsys
from labkit.trace.errors import BadTrace
from labkit.trace.names import label
from labkit.trace.sums import Sum


def show_export(export: Path, rows: int) -> None:
    """Print the sums of an export with a progress bar. Raises LearnerMessage for a file that is no export."""
    try:
        with Progress(transient=True) as bar:
            task = bar.add_task("rows", total=None)
            found = nsys.totals(export, lambda done, total: bar.update(task, completed=done, total=total))
    except (BadTrace, OSError) as error:
        raise LearnerMessage(str(error), "nsys export --type sqlite FILE.nsys-rep makes one.") from None
    short = label(one.name for one in found.kernels)
    _show("GPU kernels", tuple(one._replace(name=short[one.name]) for one in found.kernels), rows)
    _show("Copies and memsets", found.copies, rows)
    _show("CUDA graphs without nodes", found.graphs, rows)
    _show("CUDA calls", found.calls, rows)
    _show("NVTX ranges", found.push_pop + found.start_end, rows)


def _show(title: str, found: tuple[Sum, ...], rows: int) -> None:
    if not found:
        show.text(f"{title}: none")
        return
    whole = sum(one.ns for one in found)
    cells = [
        (
            one.name,
            f"{one.times:,}",
            time_text(one.ns),
            time_text(one.ns / one.times),
            share_text(one.ns, whole),
            size_text(one.size) if one.size else "",
        )
        for one in found[:rows]
    ]
    listed = f"{len(found)} names, {sum(one.times for one in found):,} times, {time_text(whole)} together; shares are of these"
    show.table(f"{title}: {listed}", ("name", "times", "total", "mean", "share", "bytes"), cells)
