"""Grade the reference's hand-graded cells the way a person does in formgrader, so that the course run has a whole score."""

from pathlib import Path

from grading.catalogue import load_catalogue


def grade_by_hand(gradebook: Path, assignment: str, learner: str) -> list[str]:
    """Give full marks for every hand-graded cell of one learner's submission and return the grade ids.

    The reference hands in the model answers of lessons/, and those have full marks by definition. What is written is what
    formgrader writes (nbgrader's GradeHandler.put): manual_score, and no need for a grade any more.
    """
    from nbgrader.api import Gradebook

    graded = []
    with Gradebook(f"sqlite:///{gradebook}") as book:
        for notebook, exercise in load_catalogue().exercises():
            if not exercise.manual:
                continue
            grade = book.find_grade(exercise.grade_id, notebook, assignment, learner)
            grade.manual_score, grade.needs_manual_grade = exercise.points, False
            graded.append(exercise.grade_id)
        book.db.commit()
    return graded
