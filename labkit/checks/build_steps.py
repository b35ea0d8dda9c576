"""Visible checks of the second half of lesson 02_source_build: one target, the whole build, and how builds fail."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from labkit.checks.reading import answer_of, is_number, mapping, own_library, word_of
from labkit.evidence import Evidence
from labkit.learner import pick, word
from labkit.overlay_elf import read_overlay
from labkit.rows import Row, VisibleCheck, row, still_about

STAGES = ("pip", "setup.py", "CMake", "ninja", "the compiler")
QUESTIONS = ("flags", "jobs", "rebuild", "sources")
MODULE = {"cpu": "spinloop", "cuda": "cumem_allocator"}
SOURCE = {"cpu": "spinloop.cpp", "cuda": "cumem_allocator.cpp"}
CAUSES = ("bad_build_type", "no_network", "no_ninja", "out_of_memory", "wrong_torch")
BUILDERS: Mapping[str, tuple[tuple[int, int], ...]] = {  # cores and GiB of the machine in the forecast's exercise: memory decides
    "cpu": ((8, 12), (16, 20), (32, 40), (64, 72)),
    "cuda": ((8, 30), (16, 20), (32, 40), (64, 72)),  # 12 GiB hold one unit of 9 GiB: then both answers are about one job
}
EARLIER = BUILDERS["cpu"]  # of forecasts that do not say what they asked, on both lanes
SAMPLES: Mapping[str, tuple[str, ...]] = {  # units of 5 to 40 s; each learner builds two of them
    "cpu": ("csrc/cpu/activation.cpp", "csrc/cpu/layernorm.cpp", "csrc/cpu/mla_decode.cpp", "csrc/cpu/pos_encoding.cpp", "csrc/cpu/spec_decode_utils.cpp"),
    "cuda": ("csrc/activation_kernels.cu", "csrc/cache_kernels.cu", "csrc/layernorm_quant_kernels.cu", "csrc/pos_encoding_kernels.cu", "csrc/sampler.cu"),
}  # fmt: skip
NEAR = 0.02  # share of a number: answers may be rounded


def who_does_what(evidence: Evidence) -> list[Row]:
    """Each question has one of the five stages as its answer."""
    given = answer_of(evidence, "build-stages")
    return [
        row(
            question,
            given.get(question),
            "one of " + ", ".join(STAGES),
            "Use the words of the table's first column.",
            ok=bool(word_of(given.get(question), STAGES)),
        )
        for question in QUESTIONS
    ]


def target(evidence: Evidence) -> list[Row]:
    """One target of vLLM's own CMake, built in Debug, installed into your editable tree, and loaded from there."""
    record = evidence.record("build-target")
    facts, module = record.facts, MODULE[record.lane]
    data, name = own_library(evidence, record)
    found = read_overlay(data, name)
    mine, preset = word(record.token, "preset"), _preset(facts)
    cached = mapping(preset.get("cacheVariables"))
    return [
        row("preset", preset.get("name"), mine, "Is LEARNER your name? Write the presets again."),
        row("its build type", cached.get("CMAKE_BUILD_TYPE"), "what a debugger needs", "Which type does none of the optimising? vLLM minds its spelling.",
            ok=cached.get("CMAKE_BUILD_TYPE") == "Debug"),
        row("it installs into", cached.get("CMAKE_INSTALL_PREFIX"), "the tree", "Where does an editable install look for its libraries? CMake knows ${sourceDir}.",
            ok=cached.get("CMAKE_INSTALL_PREFIX") == "${sourceDir}"),
        row("the build", " ".join(record.command[:2]), "cmake --build, exit code 0", "Run the cell that builds.",
            ok=record.exit_code == 0 and record.command[:2] == ["cmake", "--build"]),
        row("library", name, f"{module}.abi3.so", f"Build the target {module}."),
        row("loaded from", facts.get("loaded_from"), f"<tree>/vllm/{module}.abi3.so", "Did you run cmake --install, and does the editable install come first?"),
        row("build-id of what is loaded", str(facts.get("loaded_build_id"))[:12], found.build_id[:12], "Run the install and the last cell again; if rows above are not ok, mend them first.",
            ok=bool(found.build_id) and facts.get("loaded_build_id") == found.build_id),
        row("differs from the wheel's", "yes" if facts.get("wheel_build_id") != found.build_id else "no", "yes", "That is the wheel's library: build and install yours.",
            ok=facts.get("wheel_build_id") != found.build_id),
    ]  # fmt: skip


def forecast(evidence: Evidence) -> list[Row]:
    """You read a forecast: jobs that fit into memory, and hours without parallel jobs."""
    evidence.record("build-forecast")
    given = answer_of(evidence, "build-forecast-answer")
    return [
        row(
            "MAX_JOBS",
            given.get("max_jobs"),
            "a whole number",
            "How many jobs fit into that machine? Round down.",
            ok=type(given.get("max_jobs")) is int and is_number(given["max_jobs"]) and given["max_jobs"] >= 1,
        ),
        row(
            "HOURS_ONE_JOB",
            given.get("hours_one_job"),
            "a number",
            "Hours of the whole build with one job, from the forecast.",
            ok=is_number(given.get("hours_one_job")) and given["hours_one_job"] > 0,
        ),
        still_about(evidence, "build-forecast-answer", "build-forecast"),
    ]


def new_builder(token: str, lane: str) -> tuple[int, int]:
    """Return cores and GiB of free memory of the machine that a forecast of today asks about."""
    return BUILDERS[lane][pick(token, "builder", len(BUILDERS[lane]))]


def builder_of(token: str, lane: str, facts: Mapping[str, Any]) -> tuple[int, int]:
    """Return cores and GiB of free memory of the machine that the forecast with these facts asked about."""
    now = new_builder(token, lane)
    return now if facts.get("builder") == list(now) else EARLIER[pick(token, "builder", len(EARLIER))]


def timeline(evidence: Evidence) -> list[Row]:
    """You compared a forecast with what ninja wrote down."""
    record, given = evidence.record("build-sample"), answer_of(evidence, "build-sample-answer")
    edges = edges_of(record.facts)
    mine = sorted(source.rpartition("/")[2] for source in sample_of(record.token, record.lane))
    return [
        row("the build", " ".join(record.command[:1]), "ninja, exit code 0", "Run the cell that builds the sample.",
            ok=record.exit_code == 0 and record.command[:1] == ["ninja"]),
        row("your files in ninja's log", sorted(name for name, _, _ in edges), mine, "Run the cell that builds the sample."),
        row("SLOWEST", given.get("slowest"), "a file of the table", "Copy its name, without the target.", ok=given.get("slowest") in [name for name, _, _ in edges]),
        row("RATIO", given.get("ratio"), "a number", "Measured divided by forecast.", ok=is_number(given.get("ratio"))),
        still_about(evidence, "build-sample-answer", "build-sample"),
    ]  # fmt: skip


def sample_of(token: str, lane: str) -> list[str]:
    """Return the two sources that this learner compiles as a sample of the large target."""
    choice = list(SAMPLES[lane])
    return [choice.pop(pick(token, f"sample {number}", len(choice))) for number in (1, 2)]


def edges_of(facts: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Return (source file's name, start, end) of a recorded build's commands, in seconds; what is malformed is left out."""
    found = facts.get("edges")
    triples = [edge for edge in found if isinstance(edge, list) and len(edge) == 3] if isinstance(found, list) else []
    return [(name, float(a), float(b)) for name, a, b in triples if isinstance(name, str) and is_number(a) and is_number(b) and a <= b]


def failures(evidence: Evidence) -> list[Row]:
    """Each of the five failed builds has one cause."""
    record, given = evidence.record("build-failures"), answer_of(evidence, "build-failures-answer")
    logs = logs_of(record.facts)
    return [
        row("failed builds", len(logs), len(CAUSES), "Run the cell that breaks builds again."),
        *(
            row(
                letter,
                given.get(letter),
                "one of the five causes",
                "Which line names the cause, not its consequence?",
                ok=bool(word_of(given.get(letter), CAUSES)),
            )
            for letter in sorted(logs)
        ),
        still_about(evidence, "build-failures-answer", "build-failures"),
    ]


def logs_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return the recorded logs by letter; what is malformed is left out."""
    found = facts.get("logs")
    return {str(letter): log for letter, log in found.items() if isinstance(log, str)} if isinstance(found, dict) else {}


def letters(token: str, causes: Sequence[str] = CAUSES) -> dict[str, str]:
    """Return which letter stands for which failed build: an order of the learner's own."""
    rest, order = list(causes), []
    while rest:
        order.append(rest.pop(pick(token, f"failure {len(rest)}", len(rest))))
    return dict(zip("ABCDE", order, strict=True))


def _preset(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The first configure preset of the recorded CMakeUserPresets.json, {} when there is none."""
    text = facts.get("presets")
    try:
        found = json.loads(text)["configurePresets"][0] if isinstance(text, str) else {}
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return {}
    return mapping(found)


CHECKS: dict[str, VisibleCheck] = {check.__name__: check for check in (who_does_what, target, forecast, timeline, failures)}
