"""When a check is another one: a digest of the code and data that it can reach.

In the check's own module that is what its names lead to, so that an edit of one check is no edit of its neighbours; of what this imports it
is the whole module, and all that it imports in turn, because a module may look up its own names in ways that no reader of its text sees.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from grading.registry import Check


def check_digests(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return {grade id: digest of the code and data of ours that its check can reach}. Layout and comments are no part of it."""
    return {grade_id: _digest(check) for grade_id, check in checks.items()}


def _digest(check: Check) -> str:
    total = hashlib.sha256()
    ahead: Callable[..., Any] | None = check
    while ahead is not None:  # a wrapped check is its wrapper and itself
        for part in _parts(ahead.__module__, ahead.__name__):
            total.update(f"{part}\n".encode())
        ahead = getattr(ahead, "__wrapped__", None)
    return total.hexdigest()


def _parts(module: str, function: str) -> list[str]:
    """Return texts that are others when what a function can reach is another."""
    path = _path(module)
    if path is None:
        return [module]
    tree = ast.parse(path.read_bytes())
    bound = _bound(tree)
    if function not in bound:
        return [_reached(module)]
    reached = _statements(tree, bound, function)
    dumped = [ast.dump(node) for node in reached]
    imported = sorted({name for node in reached for name in _imported(node, _package(module, path))})
    return [*dumped, *(_reached(name) for name in imported if _path(name) is not None), *_data(path, "".join(dumped))]


def _statements(tree: ast.Module, bound: Mapping[str, list[ast.stmt]], name: str) -> list[ast.stmt]:
    """Return the statements of a module that a name leads to, and those that bind no name and so may do anything, in their order."""
    found = [node for node in tree.body if not list(_names(node)) and not _is_text(node)]
    ahead = [name, *(used for node in found for used in _used(node))]
    seen: set[str] = set()
    while ahead:
        name = ahead.pop()
        if name in seen:
            continue
        seen.add(name)
        fresh = [node for node in bound.get(name, ()) if node not in found]
        found += fresh
        ahead += [used for node in fresh for used in _used(node)]
    return [node for node in tree.body if node in found]


def _bound(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    """Return {name: the statements at the top of a module that bind it}."""
    bound: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        for name in _names(node):
            bound.setdefault(name, []).append(node)
    return bound


def _names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        yield from (one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))


def _used(node: ast.stmt) -> list[str]:
    return [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


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
    """Return the digest of a module's code and of the data files beside it that its text names."""
    path = _path(module)
    assert path is not None
    dumped = ast.dump(ast.parse(path.read_bytes()))
    return hashlib.sha256("".join([dumped, *_data(path, dumped)]).encode()).hexdigest()


def _data(path: Path, code: str) -> list[str]:
    """Return the digests of the data files beside a module that its code names."""
    beside = (one for one in sorted(path.parent.rglob("*")) if one.is_file() and one.suffix not in {".py", ".pyc"})
    return [hashlib.sha256(one.read_bytes()).hexdigest() for one in beside if one.name in code]


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Return the modules that a module's imports may name, wherever they stand in it."""
    path = _path(module)
    assert path is not None
    return tuple(_imported(ast.parse(path.read_bytes()), _package(module, path)))


def _package(module: str, path: Path) -> str:
    return module if path.name == "__init__.py" else module.rpartition(".")[0]


def _imported(tree: ast.AST, package: str) -> list[str]:
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
