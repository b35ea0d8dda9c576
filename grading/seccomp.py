"""A system-call filter for the sandbox: no new processes or threads, no sockets, no tracing.

Limits alone are not enough: Linux does not count processes against RLIMIT_NPROC for root, and a memory limit is per process.
"""

import platform
import struct
from dataclasses import dataclass

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JGE|K, BPF_RET|K
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050001  # SECCOMP_RET_ALLOW, _KILL_PROCESS, _ERRNO with EPERM
_NUMBER_AT, _ARCH_AT = 0, 4  # offsets in struct seccomp_data
_X32 = 0x40000000  # x86_64 kernels also take calls under the x32 numbering; they would get round the list


@dataclass(frozen=True)
class _Machine:
    """The audit name of an architecture, and the numbers of the calls to refuse on it."""

    audit: int
    refused: tuple[int, ...]


# in both lists: clone, fork, vfork (x86 only), clone3, socket, socketpair, ptrace, process_vm_readv/writev, add_key,
# request_key, keyctl, perf_event_open, bpf, userfaultfd, io_uring_setup, unshare, setns, mount, kcmp, pidfd_getfd
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        (56, 57, 58, 435, 41, 53, 101, 310, 311, 248, 249, 250, 298, 321, 323, 425, 272, 308, 165, 312, 438),
    ),
    "aarch64": _Machine(0xC00000B7, (220, 435, 198, 199, 117, 270, 271, 217, 218, 219, 241, 280, 282, 425, 97, 268, 40, 272, 438)),
}


def program() -> bytes | None:
    """Return the filter as `bwrap --seccomp` reads it, or None on a processor that we have no list for."""
    machine = _MACHINES.get(platform.machine())
    return _assemble(machine) if machine else None


def _assemble(machine: _Machine) -> bytes:
    count = len(machine.refused)
    lines = [(_LOAD, 0, 0, _ARCH_AT), (_EQUAL, 0, count + 4, machine.audit)]
    lines += [(_LOAD, 0, 0, _NUMBER_AT), (_AT_LEAST, count + 2, 0, _X32)]
    lines += [(_EQUAL, count - i, 0, number) for i, number in enumerate(machine.refused)]
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE), (_RETURN, 0, 0, _KILL)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
