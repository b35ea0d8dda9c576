"""Visible checks of lesson 02_source_build: what gdb can show, and overlays."""

import re
from typing import Any

from labkit.checks import build_steps
from labkit.checks.reading import answer_of, mapping, own_library, word_of
from labkit.evidence import Evidence
from labkit.learner import symbol, word
from labkit.overlay_elf import OverlayFacts, has_device_debug, read_overlay, traces_of_optimisation
from labkit.records import Record
from labkit.rows import Row, VisibleCheck, example_row, row, still_about

VARIANTS = ("names", "lines", "names", "exports")  # plain, debug, strip-debug, stripped: as the lesson's third hint says
SHOWS = ("lines", "names", "exports", "nothing")
TOKENS = 10
_PROVIDES = {
    "cpu": re.compile(r"binding file \S+ to (\S+): normal symbol `\S+'$"),
    "cuda": re.compile(r"CUDA: registered at (\S+?):\d+ "),
}
TREE = "/vllm-"  # overlay.cmake maps the learner's tree to this name


def what_gdb_can_show(evidence: Evidence) -> list[Row]:
    """Your function is right about the four libraries of the lesson."""
    answer = evidence.record("build-variants").facts.get("answer")
    given = [*answer] if isinstance(answer, list) else []
    given += [None] * (len(VARIANTS) - len(given))
    names = ("plain", "debug", "strip-debug", "stripped")
    return [
        example_row(name, seen, expected, "Print the sections of this library: which of the three kinds is there?")
        for name, seen, expected in zip(names, given, VARIANTS, strict=False)
    ]


def what_the_wheel_has(evidence: Evidence) -> list[Row]:
    """You say of the library that vLLM loads what a debugger can show of it."""
    wheel, given = evidence.record("build-wheel").facts, answer_of(evidence, "build-wheel-answer")
    known = sorted(mapping(wheel.get("libraries")))
    return [
        row("LOADED", given.get("loaded"), "a file of the table", "Copy its name from the table.", ok=given.get("loaded") in known),
        row("SHOWS", given.get("shows"), "one of " + ", ".join(SHOWS), "Use one of the four words of the exercise before.", ok=bool(word_of(given.get("shows"), SHOWS))),
        row("OPTIMISED", given.get("optimised"), "an -O option, or None", "Copy it from the column -O.", ok=_is_option(given.get("optimised"))),
        still_about(evidence, "build-wheel-answer", "build-wheel"),
    ]  # fmt: skip


def overlay(evidence: Evidence) -> list[Row]:
    """One file of vLLM's, compiled for a debugger: your library says so itself."""
    record = evidence.record("build-overlay")
    data, name = own_library(evidence, record)
    return [
        row(
            "the build",
            " ".join(record.command[:1]),
            "ninja, exit code 0",
            "Run the cell that compiles and records.",
            ok=_was_built(record),
        ),
        *overlay_rows(data, name, record.facts, symbol(record.token), record.lane),
    ]


def overlay_rows(data: bytes, name: str, facts: dict[str, Any], soname: str, lane: str) -> list[Row]:
    """The rows about an overlay's file. Raises BadEvidence when it cannot be read."""
    found = read_overlay(data, name)
    function = str(facts.get("function"))
    mangled = defined_as(found, function)
    traces = traces_of_optimisation(found, data, mangled) if mangled else ("the function is not there",)
    source = f"{TREE}<version>/{facts.get('source')}"
    in_tree = any(file.startswith(TREE) and file.endswith(f"/{facts.get('source')}") for file in found.line_files)
    rows = [
        row("whose", found.soname, soname, "Is LEARNER your name? Plan and build the overlay again."),
        row("build-id", found.build_id[:12] or "none", "a build-id", "Build it with the lesson's commands.", ok=bool(found.build_id)),
        row("function", function if mangled else "not there", function, "Which FUNCTION did you plan?", ok=bool(mangled)),
        row("lines of", source if in_tree else "other files", source, "Was the file of your tree compiled, with -g?", ok=in_tree),
        row(
            "-O in force",
            _briefly(traces) or "-O0",
            "-O0, and no trace of an optimiser",
            "Which build type brings no -O option at all?",
            ok=not traces,
        ),
    ]
    if lane == "cuda":
        file = str(facts.get("source")).rpartition("/")[2]
        debug = any(code.source.endswith(file) and has_device_debug(code) for code in found.device)
        rows.append(
            row("device code", "with debug information" if debug else "optimised", "with debug information", "nvcc needs -G.", ok=debug)
        )
    return rows


def _briefly(traces: tuple[str, ...]) -> str:
    more = f" (and {len(traces) - 1} more signs of an optimiser)" if len(traces) > 1 else ""
    return "".join(traces[:1]) + more


def defined_as(found: OverlayFacts, function: str) -> str | None:
    """Return the mangled name under which a library's C++ units define a function, None when they do not."""
    wanted = f"{len(function)}{function}"
    names = [name for unit in found.units for name in unit.functions if wanted in name[: len(wanted) + 40]]
    return next((name for name in (*found.exports, *names) if name.startswith(f"_Z{wanted}") and name in names), None)


def active(evidence: Evidence) -> list[Row]:
    """Ten tokens with and without the overlay, and who provided the function, in the words of those who decide."""
    record, given = evidence.record("build-active"), answer_of(evidence, "build-active-answer")
    without, with_it = run_facts(record, "without"), run_facts(record, "with")
    built = read_overlay(*own_library(evidence, evidence.record("build-overlay")))
    mapped = dict(libraries(with_it)).get(built.name)
    return [
        row("ten tokens", len(tokens(without)), TOKENS, "Run the cell with both runs again."),
        row("the same tokens", "same" if tokens(without) == tokens(with_it) else "different", "same", "Is the source as vLLM ships it?"),
        row("overlay in the process", (mapped or "not mapped")[:12], built.build_id[:12], "Built again since? Run both runs again.", ok=mapped == built.build_id),
        row("overlay in the other run", dict(libraries(without)).get(built.name, "not mapped"), "not mapped", "Run it outside the with block."),
        *(row(which.upper(), given.get(which), "a file name, without folder", "Copy it from the table.", ok=_is_file_name(given.get(which)))
          for which in ("without", "with")),
        still_about(evidence, "build-active-answer", "build-active"),
    ]  # fmt: skip


def provider(run: dict[str, Any], lane: str) -> str | None:
    """Return the name of the file that provided the function: where ld.so bound it (CPU), or whose registration is active (CUDA)."""
    lines = run.get("said")
    found = [match[1] for line in (lines if isinstance(lines, list) else []) if (match := _PROVIDES[lane].match(str(line)))]
    return found[-1] if found else None


def edit(evidence: Evidence) -> list[Row]:
    """vLLM's own function counts its calls under your word, and you saw it in a run."""
    record = evidence.record("build-edit")
    data, name = own_library(evidence, record)
    mine, run = word(record.token, "counter"), run_facts(record, "run")
    numbers = counted(run, mine)
    mapped = dict(libraries(run)).get(name)
    built = read_overlay(data, name)
    return [
        row("your word in the library", mine if mine.encode() in data else "not there", mine, "Did you rebuild after the edit?"),
        row("that build in the process", (mapped or "not mapped")[:12], built.build_id[:12], "Run the cell again.", ok=mapped == built.build_id),
        row("lines", f"{len(numbers)}, {_ends(numbers)}", "1, 2, 3 and so on", "One line per call: your word, a space, a number from 1 up.",
            ok=bool(numbers) and numbers == list(range(1, len(numbers) + 1))),
        row("ten tokens", len(tokens(run)), TOKENS, "Run the cell again."),
        *overlay_rows(data, name, record.facts, symbol(record.token), record.lane),
    ]  # fmt: skip


def run_facts(record: Record, which: str) -> dict[str, Any]:
    """Return what a record says of one run, {} when it says nothing."""
    return mapping(record.facts.get(which))


def tokens(run: dict[str, Any]) -> list[int]:
    """Return a run's token ids, [] when they are no list of numbers."""
    found = run.get("token_ids")
    return found if isinstance(found, list) and all(type(token) is int for token in found) else []


def libraries(run: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (name, build-id) of the libraries that were mapped in a run."""
    found = run.get("mapped")
    pairs = found if isinstance(found, list) else []
    return [(str(pair[0]), str(pair[1])) for pair in pairs if isinstance(pair, list) and len(pair) == 2]


def counted(run: dict[str, Any], mine: str) -> list[int]:
    """Return the numbers behind the learner's word, line by line; [] when a line is something else."""
    lines = run.get("lines")
    parts = [str(line).split() for line in lines] if isinstance(lines, list) else []
    good = all(len(part) == 2 and part[0] == mine and part[1].isascii() and part[1].isdigit() and len(part[1]) < 9 for part in parts)
    return [int(part[1]) for part in parts] if good else []


def _was_built(record: Record) -> bool:
    return record.exit_code == 0 and record.command[:1] == ["ninja"]


def _is_file_name(value: object) -> bool:
    return isinstance(value, str) and "." in value and "/" not in value


def _is_option(value: object) -> bool:
    return isinstance(value, str) and (value == "None" or value.strip().startswith("-O"))


def _ends(numbers: list[int]) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if numbers else "none as asked"


CHECKS: dict[str, VisibleCheck] = {
    **{check.__name__: check for check in (what_gdb_can_show, what_the_wheel_has, overlay, active, edit)},
    **build_steps.CHECKS,
}
