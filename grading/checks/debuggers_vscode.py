"""Hidden check of lesson 03_debuggers' section on VS Code."""

import re
from typing import Any

from grading.checks.combine import both
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.checks import debuggers_vscode as visible
from labkit.checks.launch_json import INTERPRETER, configurations, name_of, reaches_engine, shown
from labkit.rows import Row, row

LESSON = "debuggers"
PYTHON = re.compile(r"(?:^|/)python[\d.]*$")


def vscode(submission: Submission, points: float) -> Verdict:
    """You know what each debugger of VS Code needs to stop inside vLLM."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        found = configurations(visible.launch_text(evidence.record("debuggers-vscode-answer")))
        return [line for number, one in enumerate(found, 1) for line in _rows(name_of(one, number), one)]

    return both(visible.vscode(evidence), hidden, points)


def _rows(name: str, one: dict[str, Any]) -> list[Row]:
    if one["type"] == "debugpy":
        steps = row(f"{name}: justMyCode", shown(one.get("justMyCode", True)), "false", "Is vLLM your code? It is in site-packages.")
    else:
        program = str(one.get("program", INTERPRETER))  # cuda-gdb finds the program of a process that it attaches to
        asked = "gdb reads a program, and a script is none: which program runs the script?"
        steps = row(f"{name}: program", program, "a Python interpreter", asked, ok=program == INTERPRETER or bool(PYTHON.search(program)))
    return [
        steps,
        row(f"{name}: reaches the engine", reaches_engine(one), True, "In which process does the engine run, and who is debugged?"),
    ]


CHECKS = [vscode]
