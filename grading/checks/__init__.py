"""The checks: pure functions over one submission, a module per lesson.

A check is `def jobs(submission: Submission, points: float) -> Verdict` in `grading/checks/environment.py`; its grade id is
`environment-jobs`, and its docstring is the line that the learner reads. A module lists its checks in `CHECKS`; this
package lists its modules in `MODULES`. Nothing else can be named by a grade id.
"""

MODULES: tuple[str, ...] = ()
