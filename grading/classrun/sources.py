"""Our modules as files: where they lie, what they import, which data files they name, and digests over all of it.

Parsed trees and digests are remembered for the life of the process: a class run looks at the code once, before it grades.
"""

import ast
import hashlib
import importlib.util
import sysconfig
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_OURS = ("grading", "labkit")


def digest_over(parts: Iterable[str]) -> str:
    """Return one SHA-256 for several texts in their order."""
    total = hashlib.sha256()
    for part in parts:
        total.update(f"{part}\n".encode())
    return total.hexdigest()


def closure(modules: Iterable[str]) -> set[str]:
    """Return these modules and all that they import in turn, with the packages that they are in; of ours only."""
    found: set[str] = set()
    ahead = list(modules)
    while ahead:
        name = ahead.pop()
        if name not in found and source_of(name) is not None:
            found.add(name)
            ahead += [*imports_of(name), *parents(name)]
    return found


def parents(module: str) -> list[str]:
    """Return the packages that a module is in, the outermost first."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the parsed text of a file."""
    return ast.parse(path.read_bytes())


@cache
def code_digest(module: str) -> str:
    """Return the digest of a module's code and of the data files that it names."""
    path = source_of(module)
    assert path is not None
    return digest_over([ast.dump(tree_of(path)), *map(digest_of, claimed(path))])


@cache
def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def claimed(path: Path) -> list[Path]:
    """Return the data files, and code that is read as data, whose names stand in a module's texts."""
    texts = (node.value for node in ast.walk(tree_of(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    said = {part for text in texts for part in text.split("/")}
    return [one for one in _files(_home(path)) if one.name in said and one != path]


@cache
def unclaimed() -> list[Path]:
    """Return our data files that no code names, recordings for example: any check may read them."""
    code = [path for folder in _OURS for path in _files(_ROOT / folder) if path.suffix == ".py"]
    known = {one for path in code for one in claimed(path)}
    return [path for folder in _OURS for path in _files(_ROOT / folder) if path.suffix != ".py" and path not in known]


def _home(path: Path) -> Path:
    """Return the folder in which a module's data may lie: its whole package where it is ours, else its own folder."""
    return next((_ROOT / one for one in _OURS if path.is_relative_to(_ROOT / one)), path.parent)


@cache
def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@cache
def imports_of(module: str) -> tuple[str, ...]:
    """Return the modules that a module's imports may name, wherever they stand in it."""
    path = source_of(module)
    assert path is not None
    return tuple(imported(tree_of(path), package_of(module, path)))


def package_of(module: str, path: Path) -> str:
    """Return the package that a module's relative imports start from."""
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def imported(tree: ast.AST, package: str) -> list[str]:
    """Return what the imports in some code may name; names that are no modules of ours do no harm."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return found


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


@cache
def source_of(module: str) -> Path | None:
    """Return the file of a module of ours; None for the standard library's and for installed packages."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    path = Path(spec.origin)
    return path if module.partition(".")[0] in _OURS or not _installed(path) else None


def _installed(path: Path) -> bool:
    return any(
        path.is_relative_to(folder) for folder in {sysconfig.get_path(one) for one in ("stdlib", "platstdlib", "purelib", "platlib")}
    )
