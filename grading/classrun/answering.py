"""What both engines share: an answer or the reason why there is none, and a second try when a worker dies."""

from grading.classrun.client import Worker, WorkerDied
from grading.classrun.worker import Question

Answered = tuple[Question, bytes | str]  # the answer, or why there is none
_TRIES = 2


def asked(worker: Worker, question: Question) -> bytes | str:
    """Return the worker's answer, or in words why it gave none."""
    why = ""
    for _ in range(_TRIES):
        try:
            return worker.ask(question)
        except WorkerDied as died:
            why = str(died)
    return f"the worker died {_TRIES} times: {why}"
