"""Write a learner's folder under autograded/: whole, or not at all."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from grading.classrun.one import Graded
from grading.guard import TIMESTAMP


def write_autograded(target: Path, graded: Graded, beside: Mapping[str, bytes], mode: int = 0o444) -> None:
    """Put the autograded notebooks, their repairs and what lies beside into `target`, in place of an older folder. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (target.with_name(f".{target.name}-{what}") for what in ("new", "old"))
    for left in (fresh, old):  # of a run that was killed
        shutil.rmtree(left, ignore_errors=True)
    try:
        for name, data in _contents(graded, beside).items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(mode)
        if target.exists():
            target.rename(old)
        fresh.rename(target)
    finally:
        for left in (fresh, old):
            shutil.rmtree(left, ignore_errors=True)


def _contents(graded: Graded, beside: Mapping[str, bytes]) -> dict[str, bytes]:
    files = dict(beside)
    for name, notebook in graded.notebooks.items():
        files[f"{name}.ipynb"] = notebook.text.encode()
        files[f"{name}.repairs.json"] = json.dumps({"notebook": name, "repaired": notebook.repaired}, indent=1).encode()
    if graded.timestamp:
        files[TIMESTAMP] = graded.timestamp.encode()
    return files
