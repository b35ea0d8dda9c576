"""Visible check of lesson 03_debuggers' section on VS Code."""

from labkit.checks.launch_json import BadLaunch, configurations, name_of, problems
from labkit.evidence import Evidence
from labkit.learner import word
from labkit.records import Record
from labkit.rows import Row, VisibleCheck, row

KINDS = (("cppdbg", "attach"), ("cuda-gdb", "launch"), ("debugpy", "launch"))


def vscode(evidence: Evidence) -> list[Row]:
    """A launch.json that today's extensions take, for Python, C++ and CUDA, with a name of your own in it."""
    record = evidence.record("debuggers-vscode-answer")
    text = record.facts.get("answer")
    try:
        found = configurations(text)
    except BadLaunch as bad:
        return [row("launch.json", bad.problem.what, "a list of configurations", bad.problem.next_step, ok=False)]
    told = problems(text)
    kinds = [" ".join(kind) for kind in KINDS if any((one.get("type"), one.get("request")) == kind for one in found)]
    first, mine = name_of(found[0], 1), word(record.token, "configuration")
    return [
        *(_judged(name, [(p.what, p.next_step) for p in told if p.configuration == name]) for name in names(found)),
        row("your word in the first name", first, f"… {mine} …", "lab.word('configuration') is your word.", ok=mine in first.lower()),
        row("what there is", kinds, [" ".join(kind) for kind in KINDS], "Keep all three configurations: mend them."),
    ]


def launch_text(record: Record) -> str:
    """Return the recorded launch.json, "" when it is no text."""
    text = record.facts.get("answer")
    return text if isinstance(text, str) else ""


def names(found: list[dict[str, object]]) -> list[str]:
    """Return the names of configurations, each once, in their order."""
    return list(dict.fromkeys(name_of(one, number) for number, one in enumerate(found, 1)))


def _judged(name: str, wrong: list[tuple[str, str]]) -> Row:
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    what, next_step = wrong[0] if wrong else ("nothing wrong", "")
    return row(name, what + more, "nothing wrong", next_step, ok=not wrong)


CHECKS: dict[str, VisibleCheck] = {check.__name__: check for check in (vscode,)}
