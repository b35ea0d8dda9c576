"""What cuda-gdb and compute-sanitizer say, taken apart. The text may come from anyone: everything is bounded, nothing raises."""

import re
from dataclasses import dataclass

MAX_TEXT = 200_000  # characters that are looked at
MAX_FOUND = 2000
TRIPLE = r"\((\d{1,10}),(\d{1,10}),(\d{1,10})\)"
FOCUS = re.compile(rf"focus (?:set )?to CUDA kernel \d{{1,9}}, grid \d{{1,18}}, block {TRIPLE}, thread {TRIPLE}")
VALUE = re.compile(r"^\$\d{1,9} = (\{\n[^{}]{1,4000}\n\}|.{1,4000})$", re.MULTILINE)  # on lines of its own: `set print pretty on`
VECTOR = re.compile(r"\{\s{0,9}x = (-?\d{1,10}),\s{1,9}y = (-?\d{1,10}),\s{1,9}z = (-?\d{1,10})\s?\}")
ELEMENT = re.compile(r"(-?0x[0-9a-f]{1,16}|-?\d{1,20})(?: <repeats (\d{1,4}) times>)?")
ADDRESS = r"(?:0x[0-9a-f]{1,16} in )?"
FRAME = re.compile(rf"^#\d{{1,5}}\s{{1,4}}{ADDRESS}(\S.{{0,4000}})$", re.MULTILINE)
PLACE = re.compile(r"([^:\n]{1,400}):(\d{1,7})(?: in \S{1,1000} inlined from \S{1,400})?$")
TRIGGERED = re.compile(r"^The exception was triggered at PC 0x[0-9a-f]{1,16} [^\n]{0,2000}\(([^()\n]{1,400}):(\d{1,7})\)$", re.MULTILINE)
KERNEL_ROW = re.compile(rf"^([* ])\s{{1,8}}\d{{1,9}}\s.{{1,200}}?{TRIPLE}\s+{TRIPLE}\s+(\S{{1,200}})", re.MULTILINE)
SANITIZER = re.compile(
    r"^=+ Invalid __(\w{1,12})__ (read|write) of size (\d{1,5}) bytes\n"
    r"=+\s{1,8}at (.{1,2000})\n"
    rf"=+\s{{1,8}}by thread {TRIPLE} in block {TRIPLE}\n",
    re.MULTILINE,
)
IN_FILE = re.compile(r"([^:\n]{1,400}):(\d{1,7})$")
ERRORS = re.compile(r"ERROR SUMMARY: (\d{1,9}) error")
TRACEBACK = "Traceback (most recent call last)"
PYTHON_FRAME = re.compile(r'^(?:\[rank\d{1,4}\]:)?\s{1,12}File "([^"\n]{1,400})", line (\d{1,7}),? in ([\w<>.]{1,120})', re.MULTILINE)
SPY_FRAME = re.compile(r"^\s{1,12}([\w<>.]{1,120}) \(([^()\n]{1,300}):(\d{1,7})\)", re.MULTILINE)

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class KernelFrame:
    """One frame: the function's name without template arguments, file and line ("" and 0 if not said)."""

    function: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Access:
    """One invalid access in compute-sanitizer's report."""

    does: str  # "write 2": what, and how many bytes
    function: str
    file: str
    line: int
    thread: Triple
    block: Triple


def focus(text: str) -> tuple[Triple, Triple] | None:
    """Return (block, thread) of the last focus that cuda-gdb announced."""
    found = FOCUS.findall(text[:MAX_TEXT])
    return (_triple(found[-1][:3]), _triple(found[-1][3:])) if found else None


def value(text: str) -> str:
    """Return what the last `print` showed, "" when it showed nothing."""
    found = VALUE.findall(text[:MAX_TEXT])
    return str(found[-1]) if found else ""


def vector(text: str) -> Triple | None:
    """Return a printed blockIdx, threadIdx, gridDim or blockDim."""
    found = VECTOR.fullmatch(value(text))
    return _triple(found.groups()) if found else None


def integer(text: str) -> int | None:
    """Return a printed whole number, hexadecimal ones included."""
    found = ELEMENT.fullmatch(value(text))
    return int(found[1], 0) if found and not _octal(found[1]) else None


def integers(text: str) -> list[int]:
    """Return a printed array's elements, `<repeats N times>` written out; [] for anything else."""
    shown = value(text)
    if not (shown.startswith("{") and shown.endswith("}")):
        return []
    numbers: list[int] = []
    for part in shown[1:-1].split(", ")[:MAX_FOUND]:
        found = ELEMENT.fullmatch(part)
        if found is None or _octal(found[1]):
            return []
        numbers += [int(found[1], 0)] * min(int(found[2] or 1), MAX_FOUND)
    return numbers[:MAX_FOUND]


def frames(text: str) -> list[KernelFrame]:
    """Return the frames of a backtrace, innermost first."""
    return [_frame(line) for line in FRAME.findall(text[:MAX_TEXT])[:MAX_FOUND]]


def kernels(text: str) -> list[tuple[bool, Triple, Triple, str]]:
    """Return the rows of `info cuda kernels`: (in focus, grid, block, function without template arguments)."""
    return [
        (row[0] == "*", _triple(row[1:4]), _triple(row[4:7]), _plain(row[7])) for row in KERNEL_ROW.findall(text[:MAX_TEXT])[:MAX_FOUND]
    ]


def triggered(text: str) -> tuple[str, int] | None:
    """Return (file, line) of the instruction that raised the exception, as cuda-gdb says it of a core dump ($errorpc)."""
    found = TRIGGERED.search(text[:MAX_TEXT])
    return (found[1], int(found[2])) if found else None


def accesses(text: str) -> list[Access]:
    """Return the invalid accesses of a compute-sanitizer report, in its order."""
    return [_access(match) for match in SANITIZER.findall(text[:MAX_TEXT])[:MAX_FOUND]]


def errors(text: str) -> int | None:
    """Return the number in compute-sanitizer's summary, None without one."""
    found = ERRORS.findall(text[:MAX_TEXT])
    return int(found[-1]) if found else None


def python_frames(text: str) -> list[tuple[str, int, str]]:
    """Return (file, line, function) of the Python frames of a traceback or a faulthandler dump, in the text's order."""
    return [(file, int(line), function) for file, line, function in PYTHON_FRAME.findall(text[:MAX_TEXT])[:MAX_FOUND]]


def first_traceback(text: str) -> list[tuple[str, int, str]]:
    """Return the frames of the first traceback in a program's output, innermost last; [] without one."""
    return python_frames(text[:MAX_TEXT].partition(TRACEBACK)[2].partition(TRACEBACK)[0])


def spied_frames(text: str) -> list[tuple[str, int, str]]:
    """Return (file, line, function) of the frames of a py-spy dump, innermost first."""
    return [(file, int(line), function) for function, file, line in SPY_FRAME.findall(text[:MAX_TEXT])[:MAX_FOUND]]


def _frame(text: str) -> KernelFrame:
    _, at, behind = text.rpartition(" at ")  # a path may hold spaces
    place = PLACE.match(behind) if at else None
    return KernelFrame(_plain(text), place[1], int(place[2])) if place else KernelFrame(_plain(text))


def _access(found: tuple[str, ...]) -> Access:
    _, what, size, where, *numbers = found
    before, within, behind = where.rpartition(" in ")
    place = IN_FILE.match(behind) if within else None
    name = before if place else where
    file, line = (place[1], int(place[2])) if place else ("", 0)
    return Access(f"{what} {int(size)}", _plain(name.removeprefix("void ")), file, line, _triple(numbers[:3]), _triple(numbers[3:]))


def _plain(name: str) -> str:
    """A C++ function's last name: without namespaces, template arguments, parameters and launch."""
    return re.split(r"[<( +]", name.strip(), maxsplit=1)[0].rpartition("::")[2]


def _triple(numbers: "list[str] | tuple[str, ...]") -> Triple:
    x, y, z = (int(number) for number in numbers)
    return x, y, z


def _octal(number: str) -> bool:
    """Python does not take numbers such as 007."""
    digits = number.lstrip("-")
    return len(digits) > 1 and digits.startswith("0") and not digits.startswith("0x")
