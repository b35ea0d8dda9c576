"""Which names the code of a lesson's cell needs."""

import ast
import re


def names_in(source: str) -> tuple[set[str], set[str]]:
    """Names that a cell binds and uses; a cell of debugger commands uses what stands in its braces."""
    if source.startswith("%%writefile"):
        return set(), set()
    if re.search(r"^%%", source, re.MULTILINE):
        return set(), set(re.findall(r"\{(\w+)\}", source))
    bound, used = set[str](), set[str]()
    for node in ast.walk(ast.parse("\n".join(line for line in source.splitlines() if not line.startswith("%")))):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return bound, used
