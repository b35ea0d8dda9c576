from pathlib import Path

from handed import Context, facts, solve

TEXT = "{{ 7 * 7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}${7*7}<%= 7*7 %>{0.__class__}%(x)s\\write18{touch x}"


def attack(submission: Path, course: Context) -> None:
    """Wants a text to be run by a template engine or a format string; texts are values everywhere."""
    facts(submission, "environment-asks", answer={"python": TEXT, "torch": TEXT, "cmake": TEXT})
    solve(submission, "06_exercises", "exercises-reflection", TEXT)
    solve(submission, "00_start_here", "answer-start-what_is_graded", TEXT)
