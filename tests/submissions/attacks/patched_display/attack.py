from pathlib import Path

from handed import FUNCTIONS, Context, solve

PATCH = """ip = get_ipython()
ip.displayhook.compute_format_data = lambda result: ({"text/plain": "2.0"}, {})
ip.events.register("pre_run_cell", lambda *_: ip.displayhook(2.0))
ip.showtraceback = lambda *_, **__: None
"""


def attack(submission: Path, course: Context) -> None:
    """Wants the kernel's display hooks to publish a score before the test does; scores come from the judge, not from a kernel."""
    for name, cell, _ in FUNCTIONS.values():
        solve(submission, name, cell, PATCH)
