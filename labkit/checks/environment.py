"""Visible checks of lesson 01_environment."""

import re

from labkit.elf import Unit, units
from labkit.evidence import BadEvidence, Evidence
from labkit.learner import symbol
from labkit.records import Record
from labkit.rows import Row, VisibleCheck, example_row, row

READERS = ("build", "cmake", "cuda", "nobody")
VARIABLES = ("CMAKE_BUILD_TYPE", "CUDA_LAUNCH_BLOCKING", "CXXFLAGS", "MAX_JOBS", "VERBOSE", "VLLM_ATTENTION_BACKEND", "VLLM_USE_V1")
BUILD_TYPES = {"Debug": "-O0", "RelWithDebInfo": "-O2", "Release": "-O3"}  # with CXXFLAGS="-g -O0" in front
EXAMPLES = (4, 16, 1, 2)  # what the lesson's four cases give, worked out in its first hint


def what_vllm_asks(evidence: Evidence) -> list[Row]:
    """The versions of Python, torch and cmake that vLLM's pyproject.toml asks for."""
    answer = evidence.record("environment-asks").facts.get("answer")
    given = answer if isinstance(answer, dict) else {}
    return [
        row(
            name,
            given.get(name),
            "an operator and a version, as text",
            "Copy it from pyproject.toml in quotes: from the operator on, without the package's name.",
            ok=_requirement(given.get(name)),
        )
        for name in ("python", "torch", "cmake")
    ]


def honoured_or_folklore(evidence: Evidence) -> list[Row]:
    """Who reads each environment variable."""
    answer = evidence.record("environment-readers").facts.get("answer")
    given = answer if isinstance(answer, dict) else {}
    unknown = sorted({str(reader).strip().lower() for reader in given.values()} - set(READERS))
    return [
        row("variables", sorted(given), list(VARIABLES), "Keep all seven names as keys."),
        row("readers", unknown or "all known", "all known", f"Use only {', '.join(READERS)}."),
    ]


def compile_jobs(evidence: Evidence) -> list[Row]:
    """Your function gives the right number of jobs in the four cases."""
    answer = evidence.record("environment-jobs-examples").facts.get("answer")
    given = list(answer) if isinstance(answer, list) else []
    given += [None] * (len(EXAMPLES) - len(given))
    return [
        example_row(
            f"case {number}",
            seen,
            expected,
            "Work the case out by hand, then compare step by step.",
            ok=seen == expected and type(seen) is int,
        )
        for number, (seen, expected) in enumerate(zip(given, EXAMPLES, strict=False), 1)
    ]


def last_flag_wins(evidence: Evidence) -> list[Row]:
    """Three libraries of yours, each with the optimisation that its build type brings, as the compiler noted it."""
    record = evidence.record("environment-flags")
    answer = record.facts.get("answer")
    found = own_units(evidence, record)
    rows = []
    for build_type, unit in found.items():
        rows.append(row(f"{build_type}: function", " ".join(unit.functions), symbol(record.token), "Build your own probe.cpp again."))
        rows.append(
            row(f"{build_type}: compiler", unit.producer[:40], "GNU C++", "Build it with g++.", ok=unit.producer.startswith("GNU C++"))
        )
    return [*rows, row("IN_FORCE", answer, "an -O option for each build type", "Fill in all three.", ok=_options(answer))]


def own_units(evidence: Evidence, record: Record) -> dict[str, Unit]:
    """Return {build type: its one compile unit} of the recorded libraries. Raises BadEvidence."""
    found = {}
    for build_type, data in own_libraries(evidence, record).items():
        own = [unit for unit in units(data, f"{build_type}.so") if unit.name.endswith("probe.cpp")]
        if len(own) != 1:
            raise BadEvidence(f"{build_type}.so: it has no debug information of probe.cpp. Expected some. Was it built with -g?")
        found[build_type] = own[0]
    return found


def own_libraries(evidence: Evidence, record: Record) -> dict[str, bytes]:
    """Return {build type: bytes} of the recorded libraries, one of each build type. Raises BadEvidence."""
    listed = {produced.path.removesuffix(".so").rpartition(".")[2]: produced for produced in record.files}
    if len(record.files) != len(BUILD_TYPES) or set(listed) != set(BUILD_TYPES):
        raise BadEvidence(
            f"{record.id}.json: libraries {sorted(listed)}. Expected {sorted(BUILD_TYPES)}. Run the cell that records them again."
        )
    return {build_type: evidence.file(listed[build_type]) for build_type in BUILD_TYPES}


def _requirement(value: object) -> bool:
    return isinstance(value, str) and re.match(r"\s*[<>=!~]=?", value) is not None and any(character.isdigit() for character in value)


def _options(answer: object) -> bool:
    return (
        isinstance(answer, dict)
        and set(answer) == set(BUILD_TYPES)
        and all(str(option).strip().startswith("-O") for option in answer.values())
    )


CHECKS: dict[str, VisibleCheck] = {check.__name__: check for check in (what_vllm_asks, honoured_or_folklore, compile_jobs, last_flag_wins)}
