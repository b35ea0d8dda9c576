from pathlib import Path

from handed import Context, keep, kept

from labkit.learner import symbol, token_of


def attack(submission: Path, course: Context) -> None:
    """Wants a classmate's library to pass; its name inside follows from the classmate's token."""
    for record_id in ("build-overlay", "build-edit"):
        mine, theirs = symbol(token_of("reference")).encode(), symbol(token_of("classmate")).encode()
        keep(submission, record_id, kept(submission, record_id).replace(mine, theirs))
