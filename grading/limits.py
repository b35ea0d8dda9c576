"""What a check, and a learner's function inside a check, may use of the grader's machine."""

import dataclasses
import resource
from dataclasses import dataclass

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class CheckLimits:
    """For one check of ours over a stranger's evidence: far above what any needs (milliseconds), far below what hurts."""

    cpu_seconds: int = 10
    wall_seconds: float = 30.0
    memory_bytes: int = 1024 * MIB
    file_bytes: int = 1 * MIB
    reply_bytes: int = 64 * KIB


@dataclass(frozen=True)
class FunctionLimits:
    """For one learner's function, over all its calls. `start_seconds` is ours: how long bwrap and the interpreter may take on a busy machine."""

    start_seconds: float = 30.0
    cpu_seconds: int = 2
    wall_seconds: float = 5.0
    memory_bytes: int = 512 * MIB
    file_bytes: int = 1 * MIB
    reply_bytes: int = 256 * KIB

    def as_dict(self) -> dict[str, float]:
        """Return the limits as the runner inside the sandbox reads them."""
        return dataclasses.asdict(self)


def apply_limits(limits: CheckLimits) -> None:
    """Put the limits on this process and all that it starts; they cannot be raised again."""
    for what, value in (
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (allowed, allowed))
