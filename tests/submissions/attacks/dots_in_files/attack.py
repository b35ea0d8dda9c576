from pathlib import Path

from handed import Context, edit


def attack(submission: Path, course: Context) -> None:
    """Wants a record to keep a file of the neighbour's by a path with .. in it; paths stay inside the evidence folder."""

    def point(found: dict) -> None:
        for kept_file in found["files"]:
            kept_file["path"] = f"../../../{course.neighbour.parent.name}/{course.neighbour.name}/evidence/{kept_file['path']}"

    for record_id in ("build-overlay", "environment-flags"):
        edit(submission, record_id, point)
