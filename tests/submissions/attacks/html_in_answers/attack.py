from pathlib import Path

from handed import Context, facts, solve

SCRIPT = (
    "<script>alert('xss-in-answer')</script><img src=x onerror=alert(1)><svg onload=alert(1)><iframe srcdoc='<script>alert(1)</script>'>"
)


def attack(submission: Path, course: Context) -> None:
    """Wants text of the submission to run in the instructor's browser: in a written answer, a code cell, a record, a file's name."""
    solve(
        submission,
        "06_exercises",
        "exercises-reflection",
        SCRIPT + f"\n[click](javascript:alert(1))\n\n{SCRIPT}\n$\\href{{javascript:alert(1)}}{{x}}$",
    )
    solve(submission, "01_environment", "answer-environment-compile_jobs", f'x = """{SCRIPT}</textarea></pre></script>"""')
    facts(submission, "environment-asks", answer=dict.fromkeys(("python", "torch", "cmake"), SCRIPT))
    facts(submission, "environment-readers", answer={SCRIPT: SCRIPT})
