"""Visible checks of lesson 00_start_here."""

from labkit.evidence import Evidence
from labkit.learner import pick
from labkit.records import Record
from labkit.rows import Row, VisibleCheck, row, still_about

STATEMENTS = set("abcdef")
FACTS = (  # the doctor's rows, in its order
    "Python", "gcc", "CMake", "ninja", "gdb", "vLLM", "RAM", "disk", "py-spy", "attach", "python3 on PATH",
    "Python for gdb", "user namespaces", "perf paranoia", "driver", "GPU", "nvcc", "cuda-gdb", "nsys", "DCGM",
)  # fmt: skip


def read_the_doctor(evidence: Evidence) -> list[Row]:
    """The facts that are not ok on your machine, sorted into missing and wrong."""
    rows = doctor_rows(evidence.record("start-doctor"))
    answer = evidence.record("start-not-ok").facts.get("answer")
    given = {kind: answer[kind] for kind in ("missing", "wrong") if isinstance(answer.get(kind), list)} if isinstance(answer, dict) else {}
    lists = len(given) == 2
    found = [
        still_about(evidence, "start-not-ok", "start-doctor"),
        row("your answer", "two lists" if lists else repr(answer), "two lists", "Write MISSING and WRONG as lists of names."),
    ]
    if lists:
        unknown = sorted(
            {str(name).strip() for names in given.values() if isinstance(names, list) for name in names} - {name for name, _ in rows}
        )
        found.append(row("names", unknown or "all are facts", "all are facts", "Are the names written as in the column 'fact'?"))
    return found


def doctor_rows(record: Record) -> list[tuple[str, str]]:
    """Return (name, state) of every row that the doctor recorded; a malformed row is left out."""
    rows = record.facts.get("rows")
    return [(str(r[0]), str(r[1])) for r in rows if isinstance(r, list) and len(r) == 3] if isinstance(rows, list) else []


def read_an_exit_code(evidence: Evidence) -> list[Row]:
    """What gdb printed, and the exit code of the command that failed."""
    record = evidence.record("start-exit-code")
    a, b = 12 + pick(record.token, "first factor", 28), 41 + pick(record.token, "second factor", 58)
    failing = record.command[:1] == ["gdb"] and record.command[-1:] == ["break-everything"]
    return [
        row(
            "gdb's answer",
            record.facts.get("printed"),
            f"$1 = {a * b}",
            "Run the cell with `print` again; is gdb installed (lab.doctor())?",
        ),
        row(
            "the command that fails",
            " ".join(record.command[-2:]),
            "-ex break-everything",
            "Run the cell with break-everything again.",
            ok=failing,
        ),
        row("exit code of the first command", record.facts.get("first_exit_code"), 0, "Run the cell with `print` again."),
        row("PRODUCT", type(record.facts.get("product")).__name__, "int", "Write the product as a number."),
        row("EXIT_CODE", type(record.facts.get("answer")).__name__, "int", "Write the exit code as a number."),
    ]


def what_is_graded(evidence: Evidence) -> list[Row]:
    """Which statements about grading are true."""
    answer = evidence.record("start-grading-quiz").facts.get("answer")
    letters = bool(chosen_letters(answer)) and chosen_letters(answer) <= STATEMENTS
    return [row("your answer", answer, "letters from a to f", 'Write it as a set: {"a", "c"}.', ok=letters)]


def chosen_letters(answer: object) -> set[str]:
    """Return the letters of an answer, whether given as {"b", "d"}, ["B", "D"] or "bd"."""
    return {str(letter).strip().lower() for letter in answer} if isinstance(answer, list | str) else set()


CHECKS: dict[str, VisibleCheck] = {check.__name__: check for check in (read_the_doctor, read_an_exit_code, what_is_graded)}
