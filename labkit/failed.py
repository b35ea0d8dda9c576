"""What a learner reads when a command that later cells build on has failed."""

from pathlib import Path

from labkit.live import ending, tail
from labkit.messages import LearnerMessage
from labkit.runner import Run

LAST_LINES = 8
NOT_FOUND = 127  # a shell's exit code for a program that is not there


def failed(done: Run, timeout: float, folder: Path, consequence: str = "") -> LearnerMessage:
    """Return the message on a run that failed: how it ended, its last lines, and the cause where the log shows a known one.

    `timeout` is its limit in seconds; `folder` is the learner's, which the log's path is shown relative to.
    """
    from labkit.build.failures import explain

    how = ending(done.exit_code, timeout if done.timed_out else None)
    last = "".join(f"    {line}\n" for line in tail(done.output, LAST_LINES))
    known = explain(done.output)
    missing = "Is a program missing? `labkit doctor` looks." if done.exit_code == NOT_FOUND else "Read from the first line that says error."
    advice = f"{known[0].line[:200]}\n  {known[0].cause} {known[0].fix}" if known else missing
    return LearnerMessage(
        f"`{' '.join(done.command[:2])} …`: {how}{consequence}. It said last:\n{last}",
        f"{advice} What an earlier run recorded still stands. Everything it said is in {done.log.relative_to(folder)}.",
    )
