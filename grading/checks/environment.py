"""Hidden checks of lesson 01_environment."""

import hashlib
import random

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from grading.cases import Case, judge_function
from grading.checks.combine import both
from grading.checks.run_plausible import ran_a_program
from grading.submission import Submission
from grading.verdict import Verdict, from_rows
from labkit import elf
from labkit.checks import environment as visible
from labkit.rows import Row, row

ASKS = {"python": ">=3.11,<3.15", "torch": "==2.13.0", "cmake": ">=3.26.1"}  # pyproject.toml of vLLM 0.32.0
READS = {  # variable: (who reads it in vLLM 0.32.0, why the other answers are tempting)
    "CMAKE_BUILD_TYPE": ("build", "setup.py:cmake_build_ext.configure passes it on"),
    "MAX_JOBS": ("build", "setup.py:cmake_build_ext.compute_num_jobs starts from it"),
    "VERBOSE": ("build", "vllm/envs.py lists it, and setup.py turns it into CMAKE_VERBOSE_MAKEFILE"),
    "CXXFLAGS": ("cmake", "vLLM does not mention it; CMake seeds CMAKE_CXX_FLAGS from it at the first configure"),
    "CUDA_LAUNCH_BLOCKING": ("cuda", "vLLM does not mention it; the CUDA runtime reads it"),
    "VLLM_ATTENTION_BACKEND": ("nobody", "it is gone from vllm/envs.py; the argument is attention_backend="),
    "VLLM_USE_V1": ("nobody", "it is gone from vllm/envs.py; there is only V1"),
}
TELLING = (  # each of these tells one mistake apart that random cases may miss: a cap at cores, rounding, None, the floor of 1
    (66, 1, 8, 512, 0.5), (None, None, 7, 63.5, 9.4), (1, 8, 4, 2, 9.4), (None, 3, 8, 512, 0.5), (8, None, 2, 512, 4),
)  # fmt: skip
HIDDEN_CASES = 24
JOBS, THREADS = (None, 1, 3, 8, 17, 66), (None, 1, 2, 4, 8)
RAM_GIB, GIB_PER_JOB = (2, 8, 24, 63.5, 512), (0.5, 1.5, 4, 9.4)


def what_vllm_asks(submission: Submission, points: float) -> Verdict:
    """You read from vLLM's own pyproject.toml what it asks for."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        answer = evidence.record("environment-asks").facts["answer"]
        assert isinstance(answer, dict)
        return [
            row(name, answer[name], asked, f"Look for {name} in pyproject.toml again.", ok=_same_requirement(str(answer[name]), asked))
            for name, asked in ASKS.items()
        ]

    return both(visible.what_vllm_asks(evidence), hidden, points)


def honoured_or_folklore(submission: Submission, points: float) -> Verdict:
    """You know who reads each variable: vLLM's build, CMake, CUDA, or nobody any more."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        answer = evidence.record("environment-readers").facts["answer"]
        assert isinstance(answer, dict)
        return [row(name, str(answer[name]).strip().lower(), reader, f"Look again: {why}.") for name, (reader, why) in READS.items()]

    return both(visible.honoured_or_folklore(evidence), hidden, points)


def compile_jobs(submission: Submission, points: float) -> Verdict:
    """Your function sizes a build by jobs, threads, cores and memory. It is called with other numbers, alone in a sandbox."""
    shown = from_rows(visible.compile_jobs(submission.evidence), points)
    if shown.state != "passed":
        return shown
    cell = "answer-environment-compile_jobs"
    return judge_function(submission, "01_environment", cell, "compile_jobs", _cases(submission.learner), points)


def last_flag_wins(submission: Submission, points: float) -> Verdict:
    """Your three libraries show it: of several -O options the last one wins, and it comes from the build type."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record = evidence.record("environment-flags")
        answer = record.facts["answer"]
        assert isinstance(answer, dict)
        found = visible.own_units(evidence, record)
        built = record.exit_code == 0 and record.command[:2] == ["cmake", "--build"]
        code = {kind: elf.code(data, f"{kind}.so") for kind, data in visible.own_libraries(evidence, record).items()}
        return [
            row(
                "the build",
                " ".join(record.command),
                "cmake --build …, exit code 0",
                "Run the cell that builds and the one that records again.",
                ok=built,
            ),
            ran_a_program(record),
            *(
                row(f"{kind}: -O in force", found[kind].optimisation, force, "Delete the build folder and build again.")
                for kind, force in visible.BUILD_TYPES.items()
            ),
            row(
                "code of Debug and of the others",
                "differs" if code["Debug"] not in (code["RelWithDebInfo"], code["Release"]) else "the same",
                "differs",
                "Build all three.",
            ),
            *(
                row(f"IN_FORCE of {kind}", str(answer[kind]).strip(), unit.optimisation, "Which -O comes last in the producer?")
                for kind, unit in found.items()
            ),
        ]

    return both(visible.last_flag_wins(evidence), hidden, points)


def expected_jobs(max_jobs: int | None, nvcc_threads: int | None, cores: int, ram_gib: float, gib_per_job: float) -> int:
    """Return the right number of jobs: vLLM's arithmetic (setup.py:cmake_build_ext.compute_num_jobs), and what fits in memory."""
    jobs = (cores if max_jobs is None else max_jobs) // (nvcc_threads or 1)
    return max(1, min(jobs, int(ram_gib // gib_per_job)))


def _cases(learner: str) -> list[Case]:
    """Cases that follow from the learner's name, so that a second grading asks the same."""
    draw = random.Random(hashlib.sha256(f"compile_jobs:{learner}".encode()).digest())  # noqa: S311 - no secret
    drawn = [
        (draw.choice(JOBS), draw.choice(THREADS), draw.randint(1, 96), draw.choice(RAM_GIB), draw.choice(GIB_PER_JOB))
        for _ in range(HIDDEN_CASES)
    ]
    return [Case(arguments, expected_jobs(*arguments)) for arguments in (*TELLING, *drawn)]


def _same_requirement(given: str, asked: str) -> bool:
    try:
        return len(given) <= 200 and SpecifierSet(given) == SpecifierSet(asked)
    except (InvalidSpecifier, ValueError):
        return False


CHECKS = [what_vllm_asks, honoured_or_folklore, compile_jobs, last_flag_wins]
