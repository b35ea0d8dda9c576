"""What a Ray task does on a node: it grades one submission with the node's own checkout, by a warm worker that lives as long as Ray's process.

The code of the grader does not travel: every node has the same checkout and lock. So its grader can be compared with the driver's before
it grades, the worker starts as everywhere (python -I, from that checkout), and nothing that was sent is imported.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from grading.classrun.answering import asked
from grading.classrun.client import Worker
from grading.classrun.packed import Packed, unpacked
from grading.classrun.same_grader import differences, grader_here, machine_name
from grading.classrun.worker import Question, Setup

Said = tuple[str, bytes | str]  # ("answer", its bytes), ("problem", why this one has none) or ("refused", why this node must not grade)


@dataclass(frozen=True)
class Told:
    """What is the same for every submission of a run: the Setup as JSON, and the grader of the machine that asks (see same_grader)."""

    setup: str
    grader: tuple[tuple[str, str], ...]


def task_of(told: Told) -> Callable[[str, list[Packed]], Said]:
    """Return what Ray shall run. It brings `told` along, so that a Ray process reads that once, and not with every submission."""

    def task(question: str, packed: list[Packed]) -> Said:
        return grade_here(told, question, packed)

    return task


def grade_here(told: Told, question: str, packed: list[Packed]) -> Said:
    """Grade one submission on this node. `question`: a Question as JSON."""
    worker, why = _warm(told)
    if why:
        return "refused", why
    try:
        with unpacked(packed) as folder:
            said = asked(worker, Question.model_validate_json(question).model_copy(update={"folder": str(folder)}))
    except OSError as error:
        return "problem", f"node {machine_name()}: {error.filename or 'a file'}: {error.strerror}"
    return ("problem" if isinstance(said, str) else "answer"), said


@cache
def _warm(told: Told) -> tuple[Worker, str]:
    """Return this process's worker (which starts when it is asked), and why it must not be used, or ""."""
    setup = Setup.model_validate_json(told.setup)
    why = differences(dict(told.grader), grader_here(setup.checks, setup.path))
    where = f"Node {machine_name()} has another grader than this machine. {why}. Expected the same checkout and lock on every node."
    return Worker(setup), where and why and f"{where} Update that node (docs/grading.md, Ray), and run the same command again: it goes on."
