"""Which lines of the course say a version of vLLM that is not the pinned one: after a change of labkit/pins.py, all that has to follow."""

import re
from collections.abc import Mapping
from pathlib import Path

from labkit import pins

ROOT = Path(__file__).resolve().parent.parent
PLACES = (  # not what tells of the past: decisions, recordings, measurements, the change log
    "README.md", "pyproject.toml", "requirements/*.in", "docs/*.md", "lessons/*.md", "lessons/quiz.yaml", "labkit/**/*.py", "grading/**/*.py", "tools/*.py",
)  # fmt: skip
SAYS = re.compile(r"(?i)\b(?:vllm(?:-cpu)?(?:==| |-|/)|docs\.vllm\.ai/en/)v?(\d+\.\d+\.\d+)\b")
OTHER = frozenset({"tools/refs.py", "labkit/pins.py"})  # examples and the pin itself


def read_places(root: Path = ROOT) -> dict[str, str]:
    """The text of every file that may say the pinned version, by path."""
    paths = [path for pattern in PLACES for path in sorted(root.glob(pattern))]
    return {name: path.read_text(encoding="utf-8") for path in paths if (name := path.relative_to(root).as_posix()) not in OTHER}


def behind(texts: Mapping[str, str], pin: str = pins.VLLM) -> list[str]:
    """The lines that say another version, each as `file:line: what it says`. One that labkit/pins.py has (the old pin) is known without vLLM's name."""
    known = re.compile("|".join([SAYS.pattern, *(rf"(?<![\w.=]){re.escape(other)}(?![\w.])" for other in pins.VLLM_SDIST_OTHERS)]))
    lines = ((path, number, line) for path, text in texts.items() for number, line in enumerate(text.splitlines(), 1))
    said = ((f"{path}:{number}", match[1] or match[0]) for path, number, line in lines for match in known.finditer(line))
    return [
        f"{where}: says vLLM {version}, and the pin is {pin} (labkit/pins.py)." for where, version in dict.fromkeys(said) if version != pin
    ]
