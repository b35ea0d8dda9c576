from pathlib import Path

from handed import Context, facts, record


def attack(submission: Path, course: Context) -> None:
    """Wants a faster engine by typing: the phases do not fit the run any more, and neither does the answer."""
    was = record(submission, "inference-first")["facts"]
    facts(submission, "inference-first", last_token_ts=was["first_token_ts"] + 1e6, engine_s=1e-9)
