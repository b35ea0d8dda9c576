"""Hidden checks of lesson 05_nsight_systems: answers agree with the trace, and functions with other traces."""

import statistics
from typing import Any

from grading.cases import judge_function
from grading.checks.combine import both
from grading.checks.profile_advice import CLOSE, event_advice, floor_advice, matmul_advice, neighbour, step_advice
from grading.checks.profile_cases import cases
from grading.checks.profile_consistency import consistent, layers_of, replayed
from grading.submission import Submission
from grading.verdict import Verdict, from_rows
from labkit.checks import profile as visible
from labkit.checks.profile_command import capture_command as visible_command
from labkit.checks.profile_traces import Profiled, of_gpu, own, recorded, step_of, with_sizes
from labkit.checks.reading import answer_of
from labkit.learner import token_of
from labkit.rows import Row, row
from labkit.trace.readings import Cost, Step, costs, measure, waits

TRUE_EVENTS = ["a", "b", "d", "f"]


def capture_command(submission: Submission, points: float) -> Verdict:
    """Your nsys command records the profiled steps, kernel by kernel, and nothing else."""
    return from_rows(visible_command(submission.evidence), points)


def own_ranges(submission: Submission, points: float) -> Verdict:
    """Your own request was profiled, each of its steps inside a range of yours, and the trace agrees with itself and with the run."""
    return both(visible.own_ranges(submission.evidence), lambda: consistent(*own(submission.evidence)), points)


def decode_step(submission: Submission, points: float) -> Verdict:
    """You read your own trace: the time of a decode step, what costs most in it, and its matrix multiplications."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, mine = own(evidence)
        answer, decode = answer_of(evidence, "profile-step-answer"), mine.steps[1:]
        times = [(span.end - span.start) / 1e6 for span in decode]
        found = costs(mine.trace, decode)
        matmuls = sum(cost.count for cost in found if cost.role.startswith("GEMM"))
        return [
            *consistent(record, mine),
            _near("STEP_MS", answer["step_ms"], statistics.median(times), step_advice(answer["step_ms"], mine, times)),
            _first("COSTS_MOST", answer["costs_most"], found),
            row("MATMULS", answer["matmuls"], matmuls // len(decode), matmul_advice(answer["matmuls"], matmuls)),
        ]

    return both(visible.decode_step(evidence), hidden, points)


def launched_by(submission: Submission, points: float) -> Verdict:
    """Your function finds the kernels that a range launched. It is called with other traces, alone in a sandbox."""
    shown = from_rows(visible.launched_by(submission.evidence), points)
    if shown.state != "passed":
        return shown
    return judge_function(submission, "05_nsight_systems", "answer-profile-launched_by", "launched_by", cases(submission.learner), points)


def gpu_step(submission: Submission, points: float) -> Verdict:
    """You read a decode step of the GPU's profile: its kernels, the dearest of them, the launches of a layer, and how busy the GPU is."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        found, number, step = _my_step(submission)
        answer, listed = answer_of(evidence, "profile-gpu-answer"), costs(found.trace, [found.steps[number]])
        told = "" if answer["kernels"] == step.kernels else neighbour("kernels", answer["kernels"], found, number, "kernels")
        return [
            *_own_is_consistent(submission),
            row("KERNELS", answer["kernels"], step.kernels, told),
            _first("COSTS_MOST", answer["costs_most"], listed),
            row(
                "PER_LAYER",
                answer["per_layer"],
                sum(cost.count // (layers_of(found.facts) or 1) for cost in listed),
                "Of each kernel: its launches divided by the layers, rounded down; then add up.",
            ),
            _near(
                "BUSY_PERCENT",
                answer["busy_percent"],
                step.busy_percent,
                "The column `of host time` in your step's row, in percent.",
                slack=0.06,
            ),
        ]

    return both(visible.gpu_step(evidence), hidden, points)


def gap(submission: Submission, points: float) -> Verdict:
    """You found the longest gap from your step to the end of the next, where it lies, and what the host did meanwhile."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        found, number, _ = _my_step(submission)
        answer, all_gaps = answer_of(evidence, "profile-gap-answer"), waits(found.trace, found.label, number, number + 1)
        if not all_gaps:
            return [row("gaps", 0, "at least 1", "Profile once more: a GPU is never busy without a break here.")]
        longest = all_gaps[0]
        return [
            _near("GAP_US", answer["gap_us"], longest.gap.ns / 1000, "The first row of the table, in microseconds (1 ms = 1,000 µs)."),
            row("WHERE", answer["where"].strip().lower(), longest.where, "Which steps launched the work before and after the gap?"),
            row("CAUSE", answer["cause"].strip().lower(), longest.cause, "Is the share of CUDA calls in that gap more or less than half?"),
        ]

    return both(visible.gap(evidence), hidden, points)


def graphs(submission: Submission, points: float) -> Verdict:
    """You counted the calls that launch one decode step, with and without CUDA graphs, and saw what the host does in the longest gap."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        answer = answer_of(evidence, "profile-graphs-answer")
        number, rows = step_of(token_of(submission.learner)), []
        for mode in ("eager", "graphs"):
            found = of_gpu(evidence, mode)
            true = measure(found.trace, found.steps[number], decodes=True)
            given = answer["launches"][mode]
            told = (
                "That is the number of kernels. Which column counts the calls?"
                if given == true.kernels
                else f"Your row is number {number}."
            )
            rows.append(row(f"LAUNCHES[{mode!r}]", given, true.calls, told))
        longest = waits(found.trace, found.label, number, number + 1)[:1]  # of the last one, graphs
        cause = longest[0].cause if longest else "no gap"
        return [
            *replayed(found),
            *rows,
            row(
                "GRAPHS_GAP", answer["gap"].strip().lower(), cause, "In the second table's first row: do CUDA calls make up more than half?"
            ),
        ]

    return both(visible.graphs(evidence), hidden, points)


def floor(submission: Submission, points: float) -> Verdict:
    """You computed the least time of a decode step from bytes and bandwidth, and said what bounds the eager step."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        number, found = step_of(token_of(submission.learner)), with_sizes(of_gpu(evidence))
        step = measure(found.trace, found.steps[number], decodes=True)
        answer, facts, device = answer_of(evidence, "profile-floor-answer"), found.facts, found.trace.device
        assert device is not None  # or it would be the recorded one
        cache = (facts["prompt_tokens"] + number) * facts["kv_bytes_per_token"]
        true = (facts["weight_bytes"] + cache) / device.bandwidth * 1e6
        bound = "host" if step.busy_percent < 50 else "memory"  # one sequence: a multiplication and an addition per weight that is read
        return [
            _near("FLOOR_US", answer["floor_us"], true, floor_advice(answer["floor_us"], true)),
            row(
                "BOUND_BY",
                answer["bound_by"].strip().lower(),
                bound,
                f"The GPU is busy for {step.busy_percent:.0f} % of the step. What happens in the rest?",
            ),
        ]

    return both(visible.floor(evidence), hidden, points)


def event_types(submission: Submission, points: float) -> Verdict:
    """You know what Nsight Systems traces: no Python by --trace, and of the C library only calls that may block."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        answer = evidence.record("profile-events-answer").facts["answer"]
        chosen = sorted(visible.letters(answer))
        return [row("the true ones", chosen, TRUE_EVENTS, event_advice(set(chosen)))]

    return both(visible.event_types(evidence), hidden, points)


def _own_is_consistent(submission: Submission) -> list[Row]:
    """Rows about the learner's own profile, where that is the GPU's; the recorded one needs none."""
    if of_gpu(submission.evidence) is recorded("eager"):
        return []
    return consistent(*own(submission.evidence))


def _my_step(submission: Submission) -> tuple[Profiled, int, Step]:
    found, number = of_gpu(submission.evidence), step_of(token_of(submission.learner))
    return found, number, measure(found.trace, found.steps[number], decodes=True)


def _near(name: str, given: Any, true: float, advice: str, slack: float = 0.0) -> Row:
    """A row for a number read from a table: to three digits, or `slack` where that is more."""
    return row(name, f"{float(given):.4g}", f"{true:.4g}", advice, ok=abs(float(given) - true) <= max(CLOSE * true, slack))


def _first(name: str, given: str, found: list[Cost]) -> Row:
    names = {found[0].name, found[0].full} if found else set()
    return row(name, given, found[0].name if found else "", "The first row of the table: it is sorted by time.", ok=given.strip() in names)


CHECKS = [capture_command, own_ranges, decode_step, launched_by, gpu_step, gap, graphs, floor, event_types]
