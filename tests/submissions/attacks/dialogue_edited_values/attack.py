from pathlib import Path

from handed import Context, edit, record


def attack(submission: Path, course: Context) -> None:
    """Wants values that suit the answers in what gdb said; they do not follow from the learner's stop, nor from layers and steps."""
    for record_id, was, now in (
        ("debuggers-overlay", "$2 = 142", "$2 = 77"),
        ("debuggers-wheel", "already hit 300 times", "already hit 299 times"),
    ):
        assert was in str(record(submission, record_id))
        edit(
            submission,
            record_id,
            lambda found, was=was, now=now: [turn.update(said=turn["said"].replace(was, now)) for turn in found["facts"]["turns"]],
        )
