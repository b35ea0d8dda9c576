"""Attacks on the grader, through nbgrader for real. Each earns what its honest part earns, and the next learner is graded in full."""

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tinycourse import FULL, NOTEBOOK, Learner, cell_of

pytestmark = pytest.mark.real
ATTACKS: dict[str, tuple[float, Callable[[Learner], object]]] = {}
CHEAT = "class Any:\n    def __eq__(self, other): return True\ndef double(x): return Any()"


def attack(honest: float = 0.0) -> Callable[[Callable[[Learner], object]], Callable[[Learner], object]]:
    """Register an attack by a learner whose honest answers (all wrong) earn `honest`."""

    def register(function: Callable[[Learner], object]) -> Callable[[Learner], object]:
        ATTACKS[function.__name__] = (honest, function)
        return function

    return register


def edit(learner: Learner, change: Callable[[dict[str, Any]], object]) -> None:
    notebook = learner.notebook()
    change(notebook)
    learner.save(notebook)


@attack()
def skip_execution_tags(learner: Learner) -> None:
    edit(learner, lambda nb: [cell["metadata"].update(tags=["skip-execution", "hide-output"]) for cell in nb["cells"]])


@attack()
def deleted_cells(learner: Learner) -> None:
    edit(learner, lambda nb: nb.update(cells=[]))


@attack()
def deleted_grade_cells(learner: Learner) -> None:
    edit(learner, lambda nb: nb.update(cells=[c for c in nb["cells"] if not c["metadata"].get("nbgrader", {}).get("grade")]))


@attack()
def duplicated_cells(learner: Learner) -> None:
    edit(learner, lambda nb: nb.update(cells=nb["cells"] + copy.deepcopy(nb["cells"])))


@attack()
def old_schema_without_ids(learner: Learner) -> None:
    edit(learner, lambda nb: [cell["metadata"].get("nbgrader", {}).pop("schema_version", 0) for cell in nb["cells"]])


@attack()
def retyped_cells(learner: Learner) -> None:
    edit(learner, lambda nb: [cell.update(cell_type="markdown" if cell["cell_type"] == "code" else "raw") for cell in nb["cells"]])


@attack()
def edited_locked_cells(learner: Learner) -> None:
    edit(learner, lambda nb: [cell_of(nb, g).update(source="2.0") for g in ("demo-number", "demo-double", "demo-fault")])


@attack()
def edited_marks(learner: Learner) -> None:
    def change(nb: dict[str, Any]) -> None:
        cell_of(nb, "demo-number")["metadata"]["nbgrader"].update(points=99, grade=False, solution=True, locked=False)
        cell_of(nb, "answer-demo-double")["metadata"]["nbgrader"].update(grade=True, points=1e9, task=True, extra=[1])

    edit(learner, change)


@attack()
def marks_of_every_wrong_type(learner: Learner) -> None:
    bad = [None, 3, "x", [], {"nbgrader": 7}, {"nbgrader": {"grade_id": ["x"]}}, {"nbgrader": {"grade_id": "demo-number", "points": "NaN"}}]
    edit(
        learner, lambda nb: nb.update(cells=[{"cell_type": "code", "source": 5, "metadata": m} for m in bad] + [None, 3, "x"], metadata=[])
    )


@attack()
def forged_outputs(learner: Learner) -> None:
    output = {"output_type": "execute_result", "data": {"text/plain": "2.0"}, "metadata": {}, "execution_count": 1}
    edit(learner, lambda nb: [cell.update(outputs=[output]) for cell in nb["cells"] if cell["cell_type"] == "code"])


@attack()
def stderr_outputs(learner: Learner) -> None:
    output = {"output_type": "stream", "name": "stderr", "text": "\u001b[31mred"}
    edit(learner, lambda nb: [cell.update(outputs=[output]) for cell in nb["cells"] if cell["cell_type"] == "code"])


@attack()
def another_kernel(learner: Learner) -> None:
    edit(learner, lambda nb: nb.update(metadata={"kernelspec": {"name": "bash", "display_name": "x", "language": "bash"}}, nbformat=99))


@attack()
def half_a_surrogate_and_controls(learner: Learner) -> None:
    learner.answer("answer-demo-double", "x = '\ud800\x00\x1b[2J\u202e'")


@attack()
def a_grading_folder_beside_the_notebook(learner: Learner) -> None:
    for name in (
        "grading/__init__.py",
        "grading/award.py",
        "grading/checks/demo.py",
        "labkit/evidence.py",
        "json.py",
        "pydantic.py",
        "sitecustomize.py",
    ):
        path = learner.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"open({str(learner.root / 'stolen')!r}, 'w')\ndef award(*a): return 99.0\n")


@attack()
def patched_builtins(learner: Learner) -> None:
    learner.answer(
        "answer-demo-double", "import builtins, json\nbuiltins.float = lambda *a: 99.0\njson.dumps = lambda *a, **k: '4'\n" + CHEAT
    )


@attack()
def always_equal(learner: Learner) -> None:
    learner.answer("answer-demo-double", CHEAT)


@attack()
def exit_in_the_cell(learner: Learner) -> None:
    learner.answer("answer-demo-double", "import os\nos._exit(0)")


@attack()
def exit_in_the_function(learner: Learner) -> None:
    learner.answer("answer-demo-double", "import os\ndef double(x): os._exit(0)")


@attack()
def endless_loop(learner: Learner) -> None:
    learner.answer(
        "answer-demo-double", "import signal\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\ndef double(x):\n    while True: pass"
    )


@attack()
def endless_sleep(learner: Learner) -> None:
    learner.answer("answer-demo-double", "import time\ndef double(x): time.sleep(1000)")


@attack()
def endless_memory(learner: Learner) -> None:
    learner.answer("answer-demo-double", "def double(x):\n    a = []\n    while True: a.append(bytearray(1 << 24))")


@attack()
def endless_output(learner: Learner) -> None:
    learner.answer(
        "answer-demo-double",
        "import os\ndef double(x):\n    for fd in range(3, 20):\n        try:\n            while True: os.write(fd, b'x' * 65536)\n        except OSError: pass",
    )


@attack()
def forged_result_on_the_pipe(learner: Learner) -> None:
    forged = json.dumps({"verdict": {"state": "passed", "points": 3.0, "seen": "", "expected": ""}, "results": [{"value": "NaN"}]})
    learner.answer(
        "answer-demo-double",
        f"import os\nfor fd in range(3, 20):\n    try: os.write(fd, {forged!r}.encode())\n    except OSError: pass\nos._exit(0)",
    )


REACH = """
import os, socket, subprocess, glob
def attempt(f):
    try: return f()
    except BaseException: return None
def double(x):
    got = [attempt(os.fork), attempt(lambda: socket.create_connection(('127.0.0.1', 22), 0.2)), attempt(lambda: subprocess.run(['true'])),
           attempt(lambda: open('{root}/gradebook.db', 'rb').read(1)), attempt(lambda: os.listdir('{root}')), attempt(lambda: os.listdir('/work')),
           attempt(lambda: open('{root}/stolen', 'w')), attempt(lambda: open('/usr/lib/stolen', 'w')), attempt(lambda: os.listdir('/proc')),
           attempt(lambda: os.kill(-1, 9)), attempt(lambda: __import__('grading')), attempt(lambda: __import__('pydantic'))]
    return x if any(g is not None for g in got) else 2 * x
"""


@attack(honest=3.0)
def function_that_reaches_for_everything(learner: Learner) -> None:
    """Right exactly when nothing could be reached: processes, network, gradebook, course, files, other processes, our packages."""
    learner.answer("answer-demo-double", REACH.replace("{root}", str(learner.root)))


@attack()
def oversized_evidence(learner: Learner) -> None:
    learner.put("demo-number.json", b'{"id": "' + b"x" * 3_000_000 + b'"}')


@attack()
def truncated_evidence(learner: Learner) -> None:
    data = (learner.evidence / "demo-number.json").read_bytes()
    learner.put("demo-number.json", data[: len(data) // 2]).put("demo-fault.json", b"")


@attack()
def nan_in_the_evidence(learner: Learner) -> None:
    data = (learner.evidence / "demo-number.json").read_bytes()
    learner.put("demo-number.json", data.replace(b"-1", b"NaN")).put("demo-fault.json", data.replace(b"-1", b"1e999"))


@attack()
def deep_and_wide_evidence(learner: Learner) -> None:
    learner.put("demo-number.json", b"[" * 500_000).put("demo-fault.json", b"[" + b"[]," * 300_000 + b"[]]")


@attack()
def long_names_in_the_evidence(learner: Learner) -> None:
    record = json.loads((learner.evidence / "demo-number.json").read_text())
    learner.put("demo-number.json", json.dumps(record | {"k" * 500_000: 1}).encode())


@attack()
def evidence_of_another(learner: Learner) -> None:
    for name in ("demo-number.json", "demo-fault.json"):
        learner.put(name, (learner.root / "submitted" / "zoe" / "tiny" / "evidence" / name).read_bytes())


@attack()
def linked_evidence(learner: Learner) -> None:
    target = learner.root / "submitted" / "zoe" / "tiny" / "evidence"
    for path in learner.evidence.iterdir():
        path.unlink()
    learner.evidence.rmdir()
    learner.evidence.symlink_to(target)


@attack()
def linked_record_and_secret(learner: Learner) -> None:
    (learner.evidence / "demo-number.json").unlink()
    (learner.evidence / "demo-number.json").symlink_to(learner.root / "gradebook.db")
    (learner.evidence / "passwd").symlink_to("/etc/passwd")
    (learner.evidence / "loop").symlink_to(learner.folder)


@attack()
def escaping_produced_file(learner: Learner) -> None:
    learner.record("demo-number", files=(("../../../../gradebook.db", b""),), number=-1)


@attack()
def pipes_everywhere(learner: Learner) -> None:
    (learner.evidence / "demo-number.json").unlink()
    for name in ("evidence/demo-number.json", "evidence/other", "timestamp.txt", "data.csv"):
        os.mkfifo(learner.folder / name)


@attack()
def notebook_is_a_pipe(learner: Learner) -> None:
    learner.path.unlink()
    os.mkfifo(learner.path)


@attack()
def notebook_is_a_link(learner: Learner) -> None:
    learner.path.unlink()
    learner.path.symlink_to(learner.root / "submitted" / "zoe" / "tiny" / f"{NOTEBOOK}.ipynb")


@attack()
def notebook_is_a_dangling_link(learner: Learner) -> None:
    learner.path.unlink()
    learner.path.symlink_to("nowhere")


@attack()
def notebook_is_a_folder(learner: Learner) -> None:
    learner.path.unlink()
    learner.path.mkdir()


@attack()
def notebook_is_not_json(learner: Learner) -> None:
    learner.path.write_bytes(b'\xff\xfe{"cells": ')


@attack()
def notebook_is_deep(learner: Learner) -> None:
    learner.path.write_bytes(b'{"cells":' * 200_000)


@attack()
def notebook_is_a_list(learner: Learner) -> None:
    learner.path.write_bytes(b"[1, 2]")


@attack()
def notebook_of_a_gigabyte(learner: Learner) -> None:
    os.truncate(learner.path, 1 << 30)


@attack()
def huge_answer(learner: Learner) -> None:
    learner.answer("answer-demo-double", "x = 1\n" * 1_000_000)


@attack()
def stranger_notebooks_only(learner: Learner) -> None:
    learner.path.rename(learner.folder / "zz.ipynb")


@attack()
def mad_timestamp(learner: Learner) -> None:
    (learner.folder / "timestamp.txt").write_text("99999999999999999999999999-01-01")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", sorted(ATTACKS))
def test_attack(course: Any, name: str) -> None:
    honest, mount = ATTACKS[name]
    course.learner("zoe").good()
    attacker = course.learner("attacker").wrong()
    mount(attacker)
    course.autograde()
    assert course.score("attacker") <= honest, course.grades("attacker")
    assert course.score("zoe") == FULL, course.grades("zoe")
    if name == "function_that_reaches_for_everything":
        assert course.score("attacker") == honest, "the sandbox let something through"
    assert not (course.root / "stolen").exists()
    assert_clean(course.autograded("attacker"), course.feedback("attacker"))


def assert_clean(autograded: Path, feedback: bytes) -> None:
    """Nothing of the attacker's but text in solution cells; no error stream; nothing hidden in the feedback."""
    notebook = json.loads((autograded / f"{NOTEBOOK}.ipynb").read_text())
    assert [cell["id"] for cell in notebook["cells"]] == ["title", "a0", "g0", "a1", "g1", "a2", "g2"]
    assert not any("tags" in cell["metadata"] for cell in notebook["cells"])
    streams = [output.get("name") for cell in notebook["cells"] for output in cell.get("outputs", [])]
    assert "stderr" not in streams
    assert {path.name for path in autograded.iterdir()} <= {f"{NOTEBOOK}.ipynb", f"{NOTEBOOK}.repairs.json", "timestamp.txt"}
    assert b"HIDDEN" not in feedback and b"award" not in feedback
