"""What is looked at before a class run begins: whether it can run here, and what all its verdicts depend on."""

import fcntl
import hashlib
import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nbgrader.preprocessors import AssignLatePenalties

from grading.classrun.frame import Frame
from grading.classrun.outcome import Asked, ClassStopped
from grading.classrun.plan import Plan
from grading.classrun.reach import engine_digest
from grading.classrun.same_grader import versions_here
from grading.classrun.sources import digest_of, digest_over
from grading.registry import BadRegistry, Check, load_checks


def check_asked(asked: Asked) -> None:
    """Raise ClassStopped for what cannot be done, before anything is written."""
    if not asked.course.is_dir():
        raise ClassStopped(f"{asked.course}: there is no such folder. Expected a course directory with a gradebook.")
    if asked.assignment in ("", ".", "..") or "/" in asked.assignment:
        raise ClassStopped(f"{asked.assignment!r}: that is no name of an assignment. Expected one like day2.")
    if asked.address and asked.engine != "ray":
        raise ClassStopped("--address is for --engine ray. Give both, or neither.")


def check_root(asked: Asked, root: Path) -> None:
    """Raise ClassStopped where the configuration is for another folder, which would be graded in place of this one."""
    if root.resolve() != asked.course.resolve():
        raise ClassStopped(
            f"{asked.course / 'nbgrader_config.py'}: c.CourseDirectory.root is {root}, another folder. Was the course copied? Correct that "
            f"line, or run with --course-dir {root}."
        )


def check_gradebook(asked: Asked, db_url: str) -> None:
    """Raise ClassStopped where there is no gradebook. Connecting would make one: so an empty file is none either."""
    path = Path(db_url.removeprefix("sqlite:///"))
    if db_url.startswith("sqlite:///") and not (path.is_file() and path.stat().st_size):
        raise ClassStopped(f"{asked.course}: there is no gradebook. Run `nbgrader generate_assignment {asked.assignment}` there first.")


@contextmanager
def alone(course: Path) -> Iterator[None]:
    """Hold the course for one run. Raises ClassStopped when another one holds it; a killed run holds nothing."""
    descriptor = os.open(course, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ClassStopped(f"{course}: another class run is at work here. Wait until it is done.") from None
    else:
        yield
    finally:
        os.close(descriptor)


def checks_of(package: str) -> Mapping[str, Check]:
    """Load the checks. Raises ClassStopped when they cannot be loaded."""
    try:
        return load_checks(package)
    except (ImportError, SyntaxError, AttributeError, BadRegistry) as error:
        raise ClassStopped(
            f"The checks of {package!r} cannot be loaded: {error}. Expected a package with modules that list CHECKS."
        ) from None


def frame_digest(frame: Frame, beside: Mapping[str, bytes], plan: Plan, late: AssignLatePenalties) -> str:
    """Return a digest of what every submission's outcome depends on, beside the submission and its checks.

    That is the notebooks, the files beside them, the due date, the late plug-in, our code that writes and the packages that read.
    """
    files = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in beside.items())
    plugin = type(late.plugin_inst)
    written = inspect.getsourcefile(plugin)
    penalties = (plugin.__qualname__, repr(late.plugin_inst.config.get(plugin.__name__)), digest_of(Path(written)) if written else "")
    return digest_over(map(repr, (frame.digest(), files, plan.duedate, penalties, engine_digest(), versions_here())))


def of_database(cause: str) -> str:
    """Return what to do about a gradebook or ledger that cannot be used. `cause`: SQLite's words."""
    if "locked" in cause:
        return f"The gradebook is in use: {cause}. Close the program that writes to it, and run the same command again: it goes on."
    if "no such" in cause:
        return (
            f"The gradebook is none of nbgrader 0.9: {cause}. Is --course-dir the right folder? If it is, put a copy of the gradebook back, "
            "or run `nbgrader generate_assignment` there."
        )
    return (
        f"The gradebook or the ledger cannot be used: {cause}. Expected a writable gradebook. Is the disk full, or the file read-only or "
        "damaged? Put a copy back if need be, and run the same command again: it goes on."
    )
