"""The checks: pure functions over one submission, a module per lesson.

A check is `def jobs(submission: Submission, points: float) -> Verdict` in `grading/checks/environment.py`; its grade id is
`environment-jobs`, and its docstring is the line that the learner reads. A module lists its checks in `CHECKS`; nothing
else can be named by a grade id, and a module without the list is a helper.
"""
