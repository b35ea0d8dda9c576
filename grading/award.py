"""The hidden line of a grade cell: `award("environment-jobs", 2.0)`.

Under stock in-kernel execution (`nbgrader validate source/...`) it gives the verdict that autograding gives, from the
evidence beside the notebook. The check still runs in the judge's process, not in this kernel.
"""

import sys
from pathlib import Path

from grading.judge import Judge
from grading.submission import learner_of
from grading.wording import as_text


def award(grade_id: str, points: float, folder: str | Path = ".", judge: Judge | None = None) -> float:
    """Print the verdict on the submission in `folder` (the notebook's) and return its points, from 0 to `points`.

    Whose it is comes from the evidence. What cannot be judged earns 0 here. The value is the last of its cell: nbgrader
    takes it for the score.
    """
    submission = Path(folder).resolve()
    with judge or Judge() as asked:
        verdict = asked.judge(submission, learner_of(submission) or "nobody", grade_id, points)
    sys.stdout.write(as_text(verdict, points))
    return min(max(float(verdict.points), 0.0), float(points))
