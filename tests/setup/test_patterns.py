"""Patterns that some of the Pythons which the course accepts compile to something else."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GROUP_REPEATED_POSSESSIVELY = re.compile(
    r"(?<!\\)\)[*+?}]\+"
)  # CPython before 3.11.5 (gh-106052); an atomic group, (?>(?:...)*), is right everywhere


def test_no_group_is_repeated_possessively() -> None:
    found = []
    for folder in ("labkit", "grading", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_bytes())):
                text = node.value if isinstance(node, ast.Constant) else None
                text = text.decode("latin-1") if isinstance(text, bytes) else text
                if isinstance(text, str) and GROUP_REPEATED_POSSESSIVELY.search(text):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")

    assert found == []
