"""What a Ray task does on a node: it grades one submission with the node's own checkout, by a warm worker that lives as long as Ray's process.

The code of the grader does not travel: every node has the same checkout and lock. So its grader can be compared with the driver's before
it grades, the worker starts as everywhere (python -I, from that checkout), and nothing that was sent is imported.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from grading.classrun.answering import asked
from grading.classrun.client import Worker
from grading.classrun.packed import Packed, unpacked
from grading.classrun.same_grader import differences, grader_here
from grading.classrun.worker import Question, Setup

Plain = tuple[str, str, int, bytes]  # a Packed as Python's own types: a node that has no grader can read it, and say that it has none
Said = tuple[str, bytes | str]  # ("answer", its bytes), ("problem", why this one has none) or ("refused", why this node must not grade)

_REFUSAL = (
    "Node {node} has another grader than this machine ({why}). Expected the same checkout and the same lock on every node. "
    "Bring that node up to date, and run the same command again: it goes on."
)


@dataclass(frozen=True)
class Told:
    """What is the same for every submission of a run: the Setup as JSON, and the grader of the machine that asks (see same_grader)."""

    setup: str
    grader: tuple[tuple[str, str], ...]


def task_of(told: Told) -> Callable[[str, list[Plain]], Said]:
    """Return what Ray shall run. It brings `told` along, so that a Ray process reads that once, and not with every submission."""

    def task(question: str, packed: list[Plain]) -> Said:
        return grade_here(told, question, packed)

    return task


def grade_here(told: Told, question: str, packed: list[Plain]) -> Said:
    """Grade one submission on this node. `question`: a Question as JSON. Whatever is raised is a fault of the node, not of the submission."""
    worker, why = _warm(told)
    if why:
        return "refused", why
    try:
        with unpacked(Packed(*entry) for entry in packed) as folder:
            said = asked(worker, Question.model_validate_json(question).model_copy(update={"folder": str(folder)}))
    except Exception as fault:  # a full disk, for example: this submission waits, the others go on
        return "problem", f"node {_name()}: {type(fault).__name__}: {fault}"
    return ("problem" if isinstance(said, str) else "answer"), said


@cache
def _warm(told: Told) -> tuple[Worker, str]:
    """Return this process's worker (which starts when it is asked), and why it must not be used, or ""."""
    setup = Setup.model_validate_json(told.setup)
    why = differences(dict(told.grader), grader_here(setup.checks, setup.path))
    return Worker(setup), _REFUSAL.format(node=_name(), why=why) if why else ""


def _name() -> str:
    import ray  # it is there: this runs in a task

    return f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
