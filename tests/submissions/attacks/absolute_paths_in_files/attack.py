from pathlib import Path

from handed import Context, edit


def attack(submission: Path, course: Context) -> None:
    """Wants a record to keep /etc/passwd, or a name that no file can have; paths are relative and plain."""
    for record_id, path in (
        ("build-overlay", "/etc/passwd"),
        ("build-edit", "files/\0x"),
        ("build-target", "files/./../../build-target.json"),
    ):
        edit(submission, record_id, lambda found, path=path: found["files"][0].update(path=path))
