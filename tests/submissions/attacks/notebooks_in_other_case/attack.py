from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants NAMES IN CAPITALS to be found as the notebooks, and to overwrite them on a file system that does not tell; they are strangers."""
    for path in sorted(submission.glob("*.ipynb")):
        path.rename(path.with_name(path.name.upper()))
