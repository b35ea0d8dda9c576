"""Failures that a learner sees: one sentence on what happened, one on what to do next, never a traceback."""

import errno


class LearnerMessage(Exception):
    """Stop a cell with a message instead of a traceback.

    IPython asks an exception for `_render_traceback_`; outside a notebook it prints like any other error.
    """

    def __init__(self, happened: str, next_step: str) -> None:
        super().__init__(f"{happened}\n→ {next_step}")
        self.happened, self.next_step = happened, next_step

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def no_words(_: str) -> None:
    """Where a caller wants no announcements."""


def explain_os_error(error: OSError, doing: str) -> LearnerMessage:
    """Turn a failed file operation into a message; a full disk and a forbidden folder are named as such."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return LearnerMessage(f"The disk is full while {doing}.", "Free some space (`df -h .` shows how much is left), then try again.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return LearnerMessage(f"No permission while {doing}: {error.filename}.", "Open the course from a folder that you may write to.")
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return LearnerMessage(f"Something else is in the way while {doing}: {error.filename}.", "Move or rename it, then try again.")
    return LearnerMessage(
        f"{doing.capitalize()} failed: {error.strerror or error}.", "Try again; if it fails again, `labkit doctor` may know why."
    )
