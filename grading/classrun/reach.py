"""When a check is another one: a digest of the code and data that it can reach.

In the check's own module that is what its names lead to, so that an edit of one check is no edit of its neighbours; where a module looks up or
registers names in ways that its text does not show, and in everything that is imported, it is the whole module and all that it imports.
A data file of ours belongs to the modules whose code has its name, and to every check where no code has it.
"""

import ast
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from grading.classrun.sources import (
    claimed,
    closure,
    code_digest,
    digest_of,
    digest_over,
    imported,
    package_of,
    parents,
    source_of,
    tree_of,
    unclaimed,
)
from grading.registry import Check

_DYNAMIC = {"globals", "vars", "eval", "exec", "__subclasses__", "__import__", "import_module", "modules"}
# what writes the notebooks, scores and comments, whatever the checks say
ENGINE = tuple(f"grading.{one}" for one in ("rebuild", "submission", "verdict", "wording", "guard", *(
    f"classrun.{part}" for part in ("one", "page", "files", "frame", "book"))))  # fmt: skip


def check_digests(checks: Mapping[str, Check]) -> dict[str, str]:
    """Return {grade id: digest of the code and data of ours that its check can reach}. Layout and comments are no part of it."""
    return {grade_id: _digest(check) for grade_id, check in checks.items()}


def engine_digest() -> str:
    """Return the digest of the code that turns verdicts into files and rows."""
    return digest_over(code_digest(name) for name in ENGINE)


def files_of(check: Check) -> set[Path]:
    """Return all files whose bytes are in a check's digest, whole or in part."""
    modules = {name for one in _wrapped(check) for name in _modules(one.__module__, one.__name__)}
    paths = {path for name in modules if (path := source_of(name)) is not None}
    return paths | {data for path in paths for data in claimed(path)} | set(unclaimed())


def _digest(check: Check) -> str:
    return digest_over([*(part for one in _wrapped(check) for part in _parts(one.__module__, one.__name__)), *map(digest_of, unclaimed())])


def _wrapped(check: Check) -> list[Callable[..., Any]]:
    """Return a check and what it wraps."""
    found: list[Callable[..., Any]] = [check]
    while inner := getattr(found[-1], "__wrapped__", None):
        found.append(inner)
    return found


def _parts(module: str, function: str) -> list[str]:
    """Return texts that are others when what a function can reach is another."""
    path = source_of(module)
    reached = [] if path is None else _slice(path, function)
    dumped = [ast.dump(node) for node in reached]
    data = [digest_of(one) for one in claimed(path) if one.name in "".join(dumped)] if path is not None and reached else []
    return [
        *dumped,
        *data,
        *(f"{name} {code_digest(name)}" for name in sorted(_modules(module, function)) if name != module or not reached),
    ]


def _modules(module: str, function: str) -> set[str]:
    """Return the modules of ours that a function can reach, its own included."""
    path = source_of(module)
    reached = [] if path is None else _slice(path, function)
    if path is None or not reached:
        return closure([module])
    wanted = [name for node in reached for name in imported(node, package_of(module, path))]
    return {module} | closure([*wanted, *parents(module)])


@cache
def _slice(path: Path, function: str) -> list[ast.stmt]:
    """Return the statements that a function's name leads to, in their order; [] where a module's text does not show them all."""
    tree = tree_of(path)
    bound = _bound(tree)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    star = any(alias.name == "*" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names)
    shown = function in bound and not star and not names & _DYNAMIC and not _registers(tree, bound)
    return _statements(tree, bound, function) if shown else []


def _registers(tree: ast.Module, bound: Mapping[str, list[ast.stmt]]) -> bool:
    """Whether the module decorates something with a function of its own, which may note it anywhere."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            used = {one.id for decorator in node.decorator_list for one in ast.walk(decorator) if isinstance(one, ast.Name)}
            if any(not isinstance(made, ast.Import | ast.ImportFrom) for name in used for made in bound.get(name, ())):
                return True
    return False


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
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (one.id for target in targets for one in _flat(target) if isinstance(one, ast.Name) and one.id != "_")


def _flat(target: ast.expr) -> Iterator[ast.expr]:
    """Yield what is bound by `a`, or by `a, b`; nothing is by `a[0]` or `a.b`, which change what is there."""
    if isinstance(target, ast.Tuple | ast.List):
        yield from (inner for one in target.elts for inner in _flat(one))
    else:
        yield target


def _used(node: ast.stmt) -> list[str]:
    return [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
