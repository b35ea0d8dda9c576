"""Names in Python files: classes, functions, what they assign, command-line flags, and vLLM's list of environment variables."""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from labkit.references.place import Place
from labkit.references.tree import Tree

ENVS, ENVS_DICT = "vllm/envs.py", "environment_variables"
Function = ast.FunctionDef | ast.AsyncFunctionDef


def symbol(tree: Tree, path: str, name: str) -> Place | None:
    """Return where a Python file defines "Class.method", a function, or what a class or module assigns (`self.x` in a method included)."""
    node = _names(tree.text(path)).get(name)
    return _place(path, node) if node is not None else None


def names(tree: Tree, path: str) -> list[str]:
    """Return every name that `symbol` finds in a Python file; none for another file."""
    return list(_names(tree.text(path))) if path.endswith(".py") else []


def elsewhere(tree: Tree, name: str) -> list[Place]:
    """Return where else in the tree a name of that spelling is defined."""
    first = name.partition(".")[0]
    begins = re.compile(rf"^\s*(?:(?:async )?def|class) {re.escape(first)}\b|^{re.escape(first)}\b *[:=]", re.MULTILINE)
    paths = (path for path in tree.files(".py") if begins.search(tree.text(path)))
    return [place for path in paths if (place := symbol(tree, path, name))]


def flag(tree: Tree, path: str, name: str) -> Place | None:
    """Return where a Python file gives an argument parser the flag `--name`."""
    if f'"{name}"' not in (text := tree.text(path)):
        return None
    calls = (node for node in ast.walk(_parsed(text)) if isinstance(node, ast.Call) and _adds(node, name))
    call = next(calls, None)
    return _place(path, call) if call is not None else None


def flag_elsewhere(tree: Tree, name: str) -> list[Place]:
    """Return where else in the tree an argument parser has the flag."""
    return [place for path in tree.files(".py") if (place := flag(tree, path, name))]


def variable(tree: Tree, name: str) -> Place | None:
    """Return where vLLM reads a variable of the environment: in its list, or in setup.py."""
    if ENVS_DICT in (text := tree.text(ENVS)):
        node = _names(text).get(ENVS_DICT)
        listed = getattr(node, "value", None)
        for key, value in zip(listed.keys, listed.values, strict=True) if isinstance(listed, ast.Dict) else ():
            if isinstance(key, ast.Constant) and key.value == name:
                return Place(ENVS, key.lineno, value.end_lineno or key.lineno, ast.unparse(value))
    return next((_place("setup.py", node) for node in ast.walk(_parsed(tree.text("setup.py"))) if _reads(node, name)), None)


def _reads(node: ast.AST, name: str) -> bool:
    """Whether a node is `os.environ["NAME"]`, `os.environ.get("NAME")` or `os.getenv("NAME")`."""
    wanted = "environ" in (said := ast.unparse(node)[:40]) or "getenv" in said if isinstance(node, ast.Call | ast.Subscript) else False
    return wanted and any(isinstance(child, ast.Constant) and child.value == name for child in ast.iter_child_nodes(node))


def _adds(call: ast.Call, name: str) -> bool:
    adds = isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"
    return adds and any(isinstance(argument, ast.Constant) and argument.value == name for argument in call.args)


@lru_cache(maxsize=256)
def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError:  # a template, or a newer Python's syntax: it defines nothing that we could name
        return ast.Module(body=[], type_ignores=[])


@lru_cache(maxsize=256)
def _names(text: str) -> dict[str, ast.AST]:
    found: dict[str, ast.AST] = {}
    for name, node in _walk(_parsed(text), ""):
        found.setdefault(name, node)
    return found


def _walk(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
    """Every name that a node defines. `self.x = …` in a method is a name of the class; overloads are none of a function's."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if not any("overload" in ast.unparse(decorator) for decorator in child.decorator_list):
                yield prefix + child.name, child
            yield from _walk(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            yield from ((name, child) for target in _targets(child) if (name := _assigned(target, prefix)))
        elif not isinstance(child, ast.expr):
            yield from _walk(child, prefix)


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]


def _assigned(target: ast.expr, prefix: str) -> str:
    if isinstance(target, ast.Name):
        return prefix + target.id
    own = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    owner = prefix.rstrip(".").rpartition(".")[0]  # the class around the method
    return f"{owner}.{target.attr}" if own and owner and isinstance(target, ast.Attribute) else ""


def _place(path: str, node: ast.AST) -> Place:
    line = getattr(node, "lineno", 1)
    return Place(path, line, getattr(node, "end_lineno", None) or line, _signature(node))


def _signature(node: ast.AST) -> str:
    """What a caller depends on: parameters with defaults, a class's bases, a field's type and default, a flag's settings."""
    if isinstance(node, Function):
        return f"({ast.unparse(node.args)})" + (f" -> {ast.unparse(node.returns)}" if node.returns else "")
    if isinstance(node, ast.ClassDef):
        return f"({', '.join(ast.unparse(base) for base in node.bases)})"
    if isinstance(getattr(node, "value", None), ast.Dict | ast.List):
        return ""  # a collection is no signature
    if isinstance(node, ast.AnnAssign):
        return ast.unparse(node.annotation) + (f" = {ast.unparse(node.value)}" if node.value else "")
    if isinstance(node, ast.Call):
        return ", ".join(ast.unparse(keyword) for keyword in node.keywords if keyword.arg != "help")
    return ast.unparse(node.value)[:200] if isinstance(node, ast.Assign) else ""
