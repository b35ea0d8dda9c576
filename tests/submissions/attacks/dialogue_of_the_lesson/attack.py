from pathlib import Path

from handed import Context, facts, notebook


def attack(submission: Path, course: Context) -> None:
    """Wants a dialogue made of the lesson's own text to pass; it has no frames, no locals and no process."""
    text = "\n".join("".join(cell["source"]) for cell in notebook(submission, "03_debuggers")["cells"] if cell["cell_type"] == "markdown")
    commands = (
        "break compute_slot_mapping_kernel_impl",
        "run",
        "backtrace",
        "info locals",
        "info breakpoints",
        "py-bt",
        "print VALUE",
        "continue",
    )
    said = [{"typed": command, "said": text[:7000], "stop": "breakpoint-hit", "frames": []} for command in commands]
    for record_id in ("debuggers-wheel", "debuggers-overlay"):
        facts(submission, record_id, turns=said)
