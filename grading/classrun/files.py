"""Write a learner's folder under autograded/: whole, or not at all."""

import json
import shutil
from collections.abc import Iterable, Mapping
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
        shutil.rmtree(old, ignore_errors=True)
    except OSError:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def is_whole(target: Path, notebooks: Iterable[str], beside: Mapping[str, bytes]) -> bool:
    """Whether a learner's folder has every file that a run writes, whatever is in them."""
    names = [*beside, *(f"{name}.{end}" for name in notebooks for end in ("ipynb", "repairs.json"))]
    return all((target / name).is_file() for name in names)


def _contents(graded: Graded, beside: Mapping[str, bytes]) -> dict[str, bytes]:
    files = dict(beside)
    for name, notebook in graded.notebooks.items():
        files[f"{name}.ipynb"] = notebook.text.encode()
        files[f"{name}.repairs.json"] = json.dumps({"notebook": name, "repaired": notebook.repaired}, indent=1).encode()
    if graded.timestamp:
        files[TIMESTAMP] = graded.timestamp.encode()
    return files
