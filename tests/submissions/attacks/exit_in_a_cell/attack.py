from pathlib import Path

from handed import Context, functions


def attack(submission: Path, course: Context) -> None:
    """Wants a process that ends without an answer, once while its cell is read and once in a call, to count as no failure."""
    functions(submission, "return RIGHT", "import os\nos._exit(0)", only="environment-compile_jobs")
    functions(submission, "os._exit(0)", "import os", only="build-what_gdb_can_show")
