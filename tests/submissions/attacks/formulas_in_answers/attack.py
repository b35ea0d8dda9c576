from pathlib import Path

from handed import Context, facts, solve

FORMULAS = ('=HYPERLINK("http://x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1")


def attack(submission: Path, course: Context) -> None:
    """Wants answers that are formulas to reach a spreadsheet; the export holds names and numbers only."""
    facts(submission, "environment-asks", answer=dict(zip(("python", "torch", "cmake"), FORMULAS, strict=False)))
    facts(submission, "start-not-ok", answer={"missing": list(FORMULAS), "wrong": list(FORMULAS)})
    solve(submission, "06_exercises", "exercises-reflection", "\n".join(FORMULAS))
