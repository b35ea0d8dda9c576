from pathlib import Path

from handed import Context, change_notebooks


def attack(submission: Path, course: Context) -> None:
    """Wants the notebook to run in a kernel of the learner's choice; no kernel runs for a grade."""
    kernel = {"name": "bash", "display_name": "x", "language": "bash", "argv": ["/bin/sh", "-c", "touch {mark}"]}
    change_notebooks(submission, lambda found: found.update(metadata={"kernelspec": kernel, "language_info": {"name": "bash"}}))
