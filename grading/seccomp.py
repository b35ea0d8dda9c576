"""A system-call filter for the sandbox: what a plain Python needs is allowed, everything else is refused.

Limits alone are not enough: Linux does not count processes against RLIMIT_NPROC for root, and a memory limit is per process. With one
process and one thread, and no memory outside that process but /tmp, the limits bound everything.
"""

import functools
import platform
import struct
from dataclasses import dataclass

from grading.sandbox_calls import ALLOWED, ALLOWED_WHEN, Argument

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JGE|K, BPF_RET|K
_ALLOW, _KILL = 0x7FFF0000, 0x80000000  # SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS
_REFUSE, _UNKNOWN = 0x00050001, 0x00050026  # SECCOMP_RET_ERRNO with EPERM, and with ENOSYS
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16  # offsets in struct seccomp_data; both processors have the low half of an argument first
_X32 = 0x40000000  # x86_64 kernels also take calls under the x32 numbering; they would get round the list
_NEWER = 424  # from Linux 5.1 on; a C library that meets ENOSYS falls back to an older call

_Line = tuple[int, int, int, int]  # code, lines to skip when true, when false, constant


@dataclass(frozen=True)
class Machine:
    """The audit name of an architecture (linux/audit.h), and its column in the table of calls."""

    audit: int
    column: int


MACHINES = {"x86_64": Machine(0xC000003E, 0), "aarch64": Machine(0xC00000B7, 1)}


def program() -> bytes | None:
    """Return the filter as `bwrap --seccomp` reads it, or None on a processor that we have no list for."""
    machine = MACHINES.get(platform.machine())
    return assemble(machine) if machine else None


@functools.cache
def assemble(machine: Machine) -> bytes:
    """Return the filter for one architecture: another one's calls, and x32's, end the process."""
    lines = [(_LOAD, 0, 0, _ARCH_AT), (_EQUAL, 1, 0, machine.audit), (_RETURN, 0, 0, _KILL)]
    lines += [(_LOAD, 0, 0, _NUMBER_AT), (_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for argument in ALLOWED_WHEN.values():
        lines += _when(argument, machine)
    numbers = sorted(numbers[machine.column] for numbers in ALLOWED.values() if numbers[machine.column] >= 0)
    lines += [(_EQUAL, len(numbers) - i + 2, 0, number) for i, number in enumerate(numbers)]
    lines += [(_AT_LEAST, 1, 0, _NEWER), (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _UNKNOWN), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)


def _when(argument: Argument, machine: Machine) -> list[_Line]:
    values = argument.values
    lines = [(_EQUAL, 0, len(values) + 3, argument.numbers[machine.column])]
    lines += [(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument.position)]
    lines += [(_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [*lines, (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _ALLOW)]
