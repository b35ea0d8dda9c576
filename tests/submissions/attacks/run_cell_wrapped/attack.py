from pathlib import Path

from handed import FUNCTIONS, Context, solve

WRAP = """ip = get_ipython()
async def nothing(*_, **__):
    from IPython.core.interactiveshell import ExecutionResult
    return ExecutionResult(None)
ip.run_cell_async = nothing
"""


def attack(submission: Path, course: Context) -> None:
    """Wants the kernel to run no further cell and to show no error; no kernel runs for a grade."""
    for name, cell, _ in FUNCTIONS.values():
        solve(submission, name, cell, WRAP)
