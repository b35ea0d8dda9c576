"""What is kept with a trace: the same answer, that nobody can spoil, and no more than the trace is large."""

from labkit.trace.analysis import ops_in, within
from labkit.trace.kept import EACH, MOST_ANSWERS
from labkit.trace.model import Op, Range, Trace

OPS = tuple(Op("aten::add", 2 * number, 2 * number + 1, 1, 1) for number in range(5000))
WHOLE = Range("whole", 0, 20_000, 1, 1)


def test_an_answer_that_a_learner_changes_is_the_learners_own() -> None:
    trace = Trace("torch", None, (), (), (WHOLE,), OPS)
    first = ops_in(trace, WHOLE)
    first.clear()
    assert ops_in(trace, WHOLE) == within(trace.ops, WHOLE) == list(OPS)
    ops_in(trace, WHOLE).clear()
    assert ops_in(trace, WHOLE) == list(OPS)


def test_ranges_that_all_hold_everything_are_not_all_kept() -> None:
    trace = Trace("torch", None, (), (), (), OPS)
    for number in range(100):
        assert ops_in(trace, WHOLE._replace(name=f"step {number}")) == list(OPS)
    kept = sum(len(found) for found in trace.answers.values())
    assert len(OPS) <= kept <= EACH * (len(OPS) + MOST_ANSWERS)
    for number in range(2 * MOST_ANSWERS):
        ops_in(trace, WHOLE._replace(name=f"empty {number}", end=0))
    assert len(trace.answers) <= MOST_ANSWERS
