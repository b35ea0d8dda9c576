"""Hidden checks of lesson 00_start_here."""

from grading.checks.combine import both
from grading.checks.run_plausible import ran_a_program
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.checks import start as visible
from labkit.rows import Row, row

STATEMENTS = {  # statement: (is it true, why)
    "a": (False, "the grader never runs your notebook; it reads records and solution cells"),
    "b": (True, "points come from evidence and solution cells"),
    "c": (False, "a deleted check cell is put back before grading"),
    "d": (True, "the visible check knows less than the grader"),
    "e": (False, "prompts, factors and symbols follow from your name, so a neighbour's evidence does not fit"),
    "f": (True, "records are files, and files outlive the kernel"),
}


def read_the_doctor(submission: Submission, points: float) -> Verdict:
    """You read from the doctor's table which facts are missing and which are wrong on your machine."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        rows = visible.doctor_rows(evidence.record("start-doctor"))
        answer = evidence.record("start-not-ok").facts["answer"]
        assert isinstance(answer, dict)
        true = {kind: sorted(name for name, state in rows if state == kind) for kind in ("missing", "wrong")}
        return [
            row("rows in the table", [name for name, _ in rows], list(visible.FACTS), "Run lab.doctor() again."),
            row("states", sorted({state for _, state in rows} - {"ok", "missing", "wrong"}), [], "Run lab.doctor() again."),
            *(
                row(f"facts that are {kind}", _names(answer[kind]), true[kind], "Compare with the column 'state', row by row.")
                for kind in true
            ),
        ]

    return both(visible.read_the_doctor(evidence), hidden, points)


def read_an_exit_code(submission: Submission, points: float) -> Verdict:
    """You read what gdb printed, and that a failing command ends with an exit code that is not 0."""
    record = submission.evidence.record("start-exit-code")

    def hidden() -> list[Row]:
        facts = record.facts  # the visible rows made sure of what is in them
        product = int(str(facts["printed"]).rpartition("= ")[2])
        return [
            row("PRODUCT", facts["product"], product, "What stands after '$1 = ' in the first command's output?"),
            ran_a_program(record),
            row("exit code of the failing command", record.exit_code, 1, "Run the failing command again."),
            row("EXIT_CODE", facts["answer"], record.exit_code, "Which number stands in the last line under the second command?"),
        ]

    return both(visible.read_an_exit_code(submission.evidence), hidden, points)


def what_is_graded(submission: Submission, points: float) -> Verdict:
    """You know what counts: evidence and solution cells, each learner's own."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        answer = evidence.record("start-grading-quiz").facts["answer"]
        chosen = visible.chosen_letters(answer)
        return [
            row(f"statement {letter}", letter in chosen, true, f"Think again about {letter}: {why}.")
            for letter, (true, why) in STATEMENTS.items()
        ]

    return both(visible.what_is_graded(evidence), hidden, points)


def _names(value: object) -> list[str]:
    return sorted({str(name).strip() for name in value}) if isinstance(value, list) else []


CHECKS = [read_the_doctor, read_an_exit_code, what_is_graded]
