from pathlib import Path

from handed import FUNCTIONS, Context, solve

TRANSFORM = """import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
    def visit_Expr(self, node): return ast.copy_location(ast.Expr(ast.Constant(2.0)), node)
get_ipython().ast_transformers.append(Drop())
"""


def attack(submission: Path, course: Context) -> None:
    """Wants a kernel that drops every assert of the test cells; no kernel runs for a grade."""
    for name, cell, _ in FUNCTIONS.values():
        solve(submission, name, cell, TRANSFORM)
