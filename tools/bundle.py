"""Pack the learner edition: `python -m tools.bundle` (make bundle) writes build/day2-learner.zip, without solutions and checks.

An allow-list: what is not named here does not travel. Deterministic: the same tree gives the same bytes.
"""

import zipfile
from pathlib import Path

from tools.build import ROOT

ALLOWED = (
    "notebooks/*.ipynb", "labkit/**/*.py", "labkit/**/*.json", "labkit/**/*.gz", "labkit/**/*.md", "labkit/**/*.h", "labkit/**/*.cmake", "labkit/**/*.toml", "labkit/**/*.txt", "requirements/*.txt", "tools/__init__.py", "tools/setup*.py",
    "Makefile", "pyproject.toml", "environment.yml", "LICENSE",
)  # fmt: skip
TARGET = ROOT / "build" / "day2-learner.zip"
README = """# Day 2: inside vLLM (learner edition)

    make lab        set up once (about 3 GB), then open the lessons in JupyterLab; begin with 00_start_here

In a terminal: `.venv/bin/labkit doctor` looks at this machine, `labkit progress` says how far you are, `labkit submit` makes the folder to hand
in, `submitted/<your name>/day2`. The other targets of the Makefile need the whole repository.
"""
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip file can hold


def bundle(target: Path = TARGET) -> list[str]:
    """Write the learner edition and return the names in it, in order."""
    names = sorted({str(path.relative_to(ROOT)) for pattern in ALLOWED for path in ROOT.glob(pattern) if "__pycache__" not in path.parts})
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(_entry("README.md"), README)
        for name in names:
            packed.writestr(_entry(name), (ROOT / name).read_bytes())
    return ["README.md", *names]


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(f"day2/{name}", EPOCH)
    entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
    return entry


if __name__ == "__main__":
    print(f"{len(bundle())} files in {TARGET.relative_to(ROOT)}")
