"""Visible check of lesson 06_exercises, part 1: what nvcc's options make of device code."""

import json
from functools import cache as once
from pathlib import Path
from typing import Any

from labkit.checks.reading import answer_of, is_number, mapping
from labkit.evidence import BadEvidence, Evidence
from labkit.learner import pick
from labkit.records import Record
from labkit.rows import Row, row, still_about

RECORDED = Path(__file__).parent.parent / "measure" / "recorded" / "device_code.json"
OPTIONS = ("-O3", "-O0", "-O0 -g", "-O3 -lineinfo", "-O3 -G")
LABELS = tuple(f"{name}, {style}" for name in ("float", "Half", "BFloat16") for style in ("neox", "gptj"))


@once
def recorded_options() -> dict[str, Any]:
    """Return what nvcc 13.0 made of vLLM's kernel with each option, as recorded."""
    return mapping(json.loads(RECORDED.read_text())["options"])


def label_of(token: str) -> str:
    """Return which instance of vLLM's kernel this learner looks at."""
    return LABELS[pick(token, "device code", len(LABELS))]


def table_of(record: Record) -> dict[str, dict[str, Any]]:
    """Return a record's row for each option: registers, stack_bytes, code_sha256 and debug_sections. Raises BadEvidence."""
    table = {option: mapping(mapping(record.facts.get("table")).get(option)) for option in OPTIONS}
    for found in table.values():
        sections = found.get("debug_sections")
        counts = all(type(found.get(name)) is int and 0 <= found[name] < 2**20 for name in ("registers", "stack_bytes"))
        if not counts or not isinstance(found.get("code_sha256"), str) or not isinstance(sections, list) or len(sections) > 100:
            raise BadEvidence(
                f"{record.id}.json: its table is not complete. Expected a row for each option. Run the cell with the table again."
            )
    return table


def device_code(evidence: Evidence) -> list[Row]:
    """You read from cubins what each option of nvcc changes, and what it leaves alone."""
    record, answer = evidence.record("exercises-device"), answer_of(evidence, "exercises-device_code-answer")
    table_of(record)
    same, lines, only, more = (answer.get(name) for name in ("same_code", "lines", "only_g", "registers"))
    known = isinstance(same, list) and all(option in OPTIONS for option in same)
    return [
        row("kernel", record.facts.get("kernel"), label_of(record.token), "Is LEARNER your name? Run the cell with the table again."),
        still_about(evidence, "exercises-device_code-answer", "exercises-device"),
        row("SAME_CODE", same, "some of the options", f"A set of words out of {', '.join(OPTIONS)}.", ok=known),
        row("LINES", lines, "one of the options", "Copy it from the table, in quotes.", ok=lines in OPTIONS),
        row("ONLY_G", only, "the name of a section", "Copy it from the table, with its dot.", ok=isinstance(only, str) and only.startswith(".")),
        row("REGISTERS", more, "a positive number", "Registers with -G over registers without.", ok=is_number(more) and float(str(more)) > 0),
    ]  # fmt: skip
