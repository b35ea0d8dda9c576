"""What ninja leaves behind and says: its log as typed edges, its dependency graph, its status lines."""

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import accumulate
from pathlib import Path, PurePosixPath

from labkit.messages import LearnerMessage, explain_os_error
from labkit.system import System

MAX_LOG_BYTES = 64 * 1024 * 1024  # vLLM's whole build leaves less than 1 MB
MAX_MS = 30 * 24 * 3600 * 1000  # a month: an entry that claims more is damage
MTIME_SLACK = 1.0  # seconds: a file system's clock may lag behind time.time()
PRIOR_UNITS = 4  # a forecast counts as much as this many finished units
_OBJECT = re.compile(r"(?:^|/)CMakeFiles/([^/]+)\.dir/(.+)\.(?:o|obj)$")
_STATUS = re.compile(r"^\[(\d{1,9})/(\d{1,9})\] ", re.MULTILINE)
_NODE = re.compile(r'^"(0x[0-9a-f]+)" \[label="(.*?)"(?:, shape=ellipse)?\]$')
_ARROW = re.compile(r'^"(0x[0-9a-f]+)" -> "(0x[0-9a-f]+)"')


@dataclass(frozen=True)
class Edge:
    """One command of a build. Its times are seconds since that ninja run began; a command with several outputs goes by the first."""

    output: str
    start_s: float
    end_s: float

    @property
    def seconds(self) -> float:
        """Wall time of the command."""
        return self.end_s - self.start_s

    @property
    def name(self) -> str:
        """A short name: `fla.cpp (_C)` for an object file, the file's own name for everything else."""
        return short_name(self.output)


@dataclass(frozen=True)
class Progress:
    """What ninja's last status line said: so many of so many edges finished."""

    finished: int
    total: int


def split_object(output: str) -> tuple[str, str] | None:
    """Return (CMake target, source path) of an object file's path, None for other outputs.

    `CMakeFiles/_C.dir/csrc/cpu/utils.cpp.o` gives `("_C", "csrc/cpu/utils.cpp")`.
    """
    found = _OBJECT.search(output)
    return (found[1], found[2]) if found else None


def short_name(output: str) -> str:
    """Return a name of an output that a reader knows again: `utils.cpp (_C)`, `_C.abi3.so`."""
    parts = split_object(output)
    return f"{PurePosixPath(parts[1]).name} ({parts[0]})" if parts else PurePosixPath(output).name


def read_log(build: Path, since: float | None = None) -> list[Edge]:
    """Return the edges of a build folder's `.ninja_log`, by start time. The last entry of an output counts; damaged lines are skipped.

    The log keeps the entries of earlier runs, whose clocks began anew: `since` (Unix time, `time.time()` before the build) drops them.
    Raises LearnerMessage when there is no readable log.
    """
    log = build / ".ninja_log"
    try:
        with log.open(errors="replace") as stream:
            text = stream.read(MAX_LOG_BYTES)
    except FileNotFoundError:
        raise LearnerMessage(
            f"{log} is not there: ninja has built nothing in this folder.", "Run the build, then this cell again."
        ) from None
    except OSError as error:
        raise explain_os_error(error, "reading ninja's log") from None
    return parse_log(text, since)


def parse_log(text: str, since: float | None = None) -> list[Edge]:
    """Return the edges of a `.ninja_log`'s text (versions 5 to 7); see read_log."""
    last: dict[str, tuple[str, Edge]] = {}
    for line in text.split("\n"):
        entry = _entry(line, since)
        if entry is not None:
            last.pop(entry[1].output, None)  # so that the order is that of the last entries
            last[entry[1].output] = entry
    commands = {(identity, e.start_s, e.end_s): e for identity, e in reversed(last.values())}
    return sorted(commands.values(), key=lambda e: (e.start_s, e.end_s, e.output))


def _entry(line: str, since: float | None) -> tuple[str, Edge] | None:
    """Return (hash of the command, edge), None for a line that is no entry or too old."""
    cells = line.rstrip("\r").split("\t")
    if len(cells) != 5 or not all(cell.isascii() and cell.isdigit() and len(cell) < 20 for cell in cells[:3]) or not cells[3]:
        return None
    start, end, mtime = map(int, cells[:3])
    if not start <= end <= MAX_MS or (since is not None and mtime / 1e9 < since - MTIME_SLACK):
        return None
    return cells[4], Edge(cells[3], start / 1000, end / 1000)


def slowest(edges: Iterable[Edge], count: int = 10) -> list[Edge]:
    """Return the edges that took longest, longest first."""
    return sorted(edges, key=lambda e: (-e.seconds, e.output))[:count]


def wall_seconds(edges: Sequence[Edge]) -> float:
    """Return the time from the first start to the last end, 0.0 without edges."""
    return max((e.end_s for e in edges), default=0.0) - min((e.start_s for e in edges), default=0.0)


def running(edges: Iterable[Edge]) -> list[tuple[float, int]]:
    """Return (second, jobs running from then on) at each change."""
    changes: Counter[float] = Counter()
    for edge in edges:
        changes.update({edge.start_s: 1})
        changes.subtract({edge.end_s: 1})
    seconds = sorted(changes)
    return list(zip(seconds, accumulate(changes[second] for second in seconds), strict=True))


def dependencies(build: Path, *targets: str) -> dict[str, list[str]]:
    """Return what each output of a build folder needs directly, as `ninja -t graph` tells it; no targets means the default ones.

    Raises LearnerMessage when ninja is missing, does not know a target, or finds no build files.
    """
    command = [System().which("ninja") or "ninja", "-C", str(build), "-t", "graph", *targets]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LearnerMessage(
            f"ninja could not be asked for its graph ({error}).", "Run `labkit doctor`: its row ninja says more."
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise LearnerMessage(f"ninja -t graph: {last}.", "Configure first (cmake -G Ninja ...); `ninja -t targets all` lists the targets.")
    return parse_graph(done.stdout)


def parse_graph(dot: str) -> dict[str, list[str]]:
    """Return {path or rule: what it needs} from `ninja -t graph`'s text.

    A command with several inputs is a node of its own there, named by its address here, because many commands share a rule's name.
    """
    names: dict[str, str] = {}
    arrows: list[tuple[str, str]] = []
    for line in dot.splitlines():
        if node := _NODE.match(line):
            names[node[1]] = node[1] if "shape=ellipse" in line else node[2]
        elif arrow := _ARROW.match(line):
            arrows.append((arrow[1], arrow[2]))
    needs: dict[str, list[str]] = {}
    for source, made in arrows:
        needs.setdefault(names.get(made, made), []).append(names.get(source, source))
    return needs


def critical_path(edges: Iterable[Edge], needs: Mapping[str, Sequence[str]]) -> list[Edge]:
    """Return the longest chain of edges that had to wait for each other, first to last: no number of cores makes a build shorter.

    Its seconds together are the lower bound on the wall time. Raises LearnerMessage when the graph has a cycle.
    """
    timed = {e.output: e for e in edges}
    longest: dict[str, tuple[float, list[Edge]]] = {}
    try:
        order = list(TopologicalSorter({output: needs.get(output, ()) for output in (*needs, *timed)}).static_order())
    except CycleError:
        raise LearnerMessage("The dependency graph has a cycle.", "Configure the build folder anew: ninja refuses cycles, too.") from None
    for output in order:
        before = max((longest[need] for need in needs.get(output, ())), key=lambda chain: chain[0], default=(0.0, []))
        own = timed.get(output)
        longest[output] = (before[0] + own.seconds, [*before[1], own]) if own else before
    return max(longest.values(), key=lambda chain: chain[0], default=(0.0, []))[1]


def progress(text: str) -> Progress | None:
    """Return what the last `[n/N]` status line in ninja's output says, None where there is none."""
    found = [Progress(int(n), int(total)) for n, total in _STATUS.findall(text)]
    return next((p for p in reversed(found) if p.finished <= p.total and p.total), None)


def remaining_seconds(at: Progress, elapsed_s: float, *, jobs: int, expected_s: float | None = None) -> float | None:
    """Return the seconds that a build still needs, None while nothing is known.

    Running edges count half, else the first minutes of a build with many jobs look far too slow. `expected_s` is a forecast of the
    whole wall time: it decides at the start, and each finished edge takes away from its weight.
    """
    if at.finished == 0 or at.finished == at.total:
        return 0.0 if at.finished else None if expected_s is None else max(0.0, expected_s - elapsed_s)
    measured = elapsed_s * at.total / (at.finished + min(jobs, at.total - at.finished) / 2)
    weight = 1.0 if expected_s is None else at.finished / (at.finished + PRIOR_UNITS)
    return max(0.0, measured * weight + (expected_s or 0.0) * (1 - weight) - elapsed_s)
