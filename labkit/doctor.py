"""The doctor: one row per fact about this machine, its state, and the command that mends it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from labkit.facts import Finding, Look, debugging
from labkit.facts import hardware as hw
from labkit.facts import software as sw
from labkit.lane import Lane
from labkit.system import System

Need = Literal["both", "cuda", "extra"]


@dataclass(frozen=True)
class Question:
    """One row of the doctor: its name, which lane needs it ("extra": none does, it only helps), and who looks."""

    name: str
    need: Need
    look: Look


QUESTIONS = (
    Question("Python", "both", sw.python),
    Question("gcc", "both", sw.gcc),
    Question("CMake", "both", sw.cmake),
    Question("ninja", "both", sw.ninja),
    Question("gdb", "both", sw.gdb),
    Question("vLLM", "both", sw.vllm),
    Question("RAM", "both", hw.ram),
    Question("disk", "both", hw.disk),
    Question("py-spy", "both", debugging.py_spy),
    Question("attach", "extra", debugging.attach),
    Question("python3 on PATH", "extra", debugging.python_program),
    Question("Python for gdb", "extra", debugging.python_for_gdb),
    Question("user namespaces", "extra", hw.user_namespaces),
    Question("perf paranoia", "extra", hw.perf_paranoia),
    Question("driver", "cuda", hw.driver),
    Question("GPU", "cuda", hw.gpu),
    Question("nvcc", "cuda", sw.nvcc),
    Question("cuda-gdb", "cuda", sw.cuda_gdb),
    Question("nsys", "cuda", sw.nsys),
    Question("DCGM", "cuda", hw.dcgm),
)


@dataclass(frozen=True)
class Diagnosis:
    """One finding with its place in the course: `needed` says whether this lane cannot do without it."""

    name: str
    finding: Finding
    needed: bool

    @property
    def blocks(self) -> bool:
        """Whether a lesson of this lane will stumble over it."""
        return self.needed and self.finding.state != "ok"


def examine(lane: Lane, system: System | None = None) -> list[Diagnosis]:
    """Look at every fact, in the order of QUESTIONS. A probe that fails is a finding too, never an exception."""
    system = system or System()
    return [Diagnosis(q.name, _ask(q.look, system), q.need in ("both", lane.name)) for q in QUESTIONS]


def _ask(look: Callable[[System], Finding], system: System) -> Finding:
    try:
        return look(system)
    except Exception as error:
        return Finding(
            "wrong", f"could not look: {type(error).__name__}: {error}"[:200], "an answer", "Report this row to the course's issue tracker."
        )
