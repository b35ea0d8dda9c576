"""When two submissions are the same, and when a check is another one: digests of files and of code."""

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from grading.registry import Check
from labkit.evidence import BadEvidence, read_bounded

MAX_FILES = 5_000  # an honest submission has about 120
MAX_BYTES = 16 * 1024 * 1024  # of one file; a larger one is told by its size alone, no check reads it
UNBOUNDED = ""  # the digest of a submission that is too large to be known again


def submission_digest(folder: Path, notebooks: Iterable[str]) -> str:
    """Return the SHA-256 over all that a grade can depend on: notebooks, evidence, time stamp. UNBOUNDED for more than MAX_FILES files."""
    names = [f"{name}.ipynb" for name in notebooks] + ["timestamp.txt"]
    for number, path in enumerate(files_under(folder / "evidence")):
        if number >= MAX_FILES:
            return UNBOUNDED
        names.append(str(path.relative_to(folder)))
    total = hashlib.sha256()
    for name in sorted(names):
        total.update(f"{name!r} {_told(folder, name)}\n".encode("utf-8", "replace"))
    return total.hexdigest()


def files_under(folder: Path) -> Iterator[Path]:
    """Yield what lies under a folder, following no link."""
    if folder.is_symlink() or not folder.is_dir():
        return
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from files_under(path)
        else:
            yield path


def _told(folder: Path, name: str) -> str:
    try:
        return hashlib.sha256(read_bounded(folder, name, MAX_BYTES)).hexdigest()
    except BadEvidence as bad:
        return str(bad)


def check_digests(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return {grade id: digest of the code and data that its check can reach}: its module and all that this imports of ours."""
    return {grade_id: _reached(check.__module__) for grade_id, check in checks.items()}


@cache
def _reached(module: str) -> str:
    total = hashlib.sha256()
    for name in sorted(_closure(module)):
        total.update(f"{name} {_code(name)}\n".encode())
    return total.hexdigest()


def _closure(module: str) -> set[str]:
    found: set[str] = set()
    ahead = [module]
    while ahead:
        name = ahead.pop()
        if name not in found and _path(name) is not None:
            found.add(name)
            ahead += _imports(name)
    return found


@cache
def _code(module: str) -> str:
    """Return the digest of a module's file and of the data files beside it that its text names."""
    path = _path(module)
    assert path is not None
    text = path.read_bytes()
    total = hashlib.sha256(text)
    for beside in sorted(path.parent.rglob("*")):
        if beside.is_file() and beside.suffix not in {".py", ".pyc"} and beside.name.encode() in text:
            total.update(beside.read_bytes())
    return total.hexdigest()


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Return the modules that a module's imports may name, wherever they stand in it; names that are no modules of ours do no harm."""
    path = _path(module)
    assert path is not None
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(found)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


@cache
def _path(module: str) -> Path | None:
    """Return the file of a module of ours; None for the standard library's and for installed packages."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    return path if not _installed(path) else None


def _installed(path: Path) -> bool:
    return any(part in {"site-packages", "dist-packages"} or part.startswith("python3.") for part in path.parts)
