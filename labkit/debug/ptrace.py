"""May a debugger attach to a running process here? What the kernel's settings say, and what it does when it is really tried."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from labkit.system import System

CONSENT = {"COURSE_ATTACH": "any"}  # makes the lesson's scripts call prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY)
CAP_SYS_PTRACE = 19  # its bit in CapEff
EPERM, ENOSYS = 1, 38
ASKS, NOBODY = "1", "3"  # values of Yama's ptrace_scope: 1 is Ubuntu's own; 0 refuses nothing, 2 asks for CAP_SYS_PTRACE
# A process, which agrees to be traced or does not, and another that tries (PTRACE_SEIZE does not even stop it). Neither descends from
# the other: as gdb and an engine. Prints 0, or the errno of the refusal.
_PROBE = """
import ctypes, os, signal, sys
kernel = ctypes.CDLL(None, use_errno=True)
kernel.ptrace.argtypes = [ctypes.c_long] * 4
ready, agreed = os.pipe()
target = os.fork()
if target == 0:
    signal.alarm(20)
    if sys.argv[1] == "agrees":
        kernel.prctl(0x59616D61, ctypes.c_ulong(2**64 - 1), 0, 0, 0)
    os.write(agreed, b"!")
    signal.pause()
os.read(ready, 1)
tracer = os.fork()
if tracer == 0:
    os._exit(ctypes.get_errno() if kernel.ptrace(0x4206, target, 0, 0) else 0)
_, status = os.waitpid(tracer, 0)
os.kill(target, signal.SIGKILL)
print(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1)
"""


@dataclass(frozen=True)
class Permission:
    """Whether gdb and py-spy may look into a process that they did not start, why, and what to do where they may not.

    `environment` is what a script of the lesson has to be started with, so that it agrees.
    """

    allowed: bool
    why: str
    advice: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def may_attach(system: System | None = None) -> Permission:
    """Try it on a process of our own, and say what decides. Raises OSError when no process can be started."""
    system = system or System()
    scope, is_root = system.text("/proc/sys/kernel/yama/ptrace_scope"), _status(system, "Uid").split()[1:2] == ["0"]
    here, refusal = _circumstances(scope, is_root, system), _try(system, "does not agree")
    if refusal == 0:
        return Permission(True, f"{here}: a debugger may attach to any process of yours.")
    if scope in (None, ASKS) and _try(system, "agrees") == 0:
        why = f"{here}: a debugger may attach to what it started itself, or to a process that agrees. The lesson's scripts agree."
        return Permission(True, why, environment=MappingProxyType(CONSENT))
    return Permission(False, f"{here}: {_refused(refusal)}.", _advice(scope, is_root, refusal, system))


def _try(system: System, target: str) -> int:
    """Return 0, or the errno of the refusal; a filter that kills who tries counts as one."""
    said = system.output(sys.executable, "-I", "-S", "-c", _PROBE, target).strip()
    return int(said) if said.isdigit() else EPERM


def _status(system: System, name: str) -> str:
    """One line of /proc/self/status, without its name."""
    lines = (system.text("/proc/self/status") or "").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:")), "")


def _has_capability(system: System) -> bool:
    return bool(int(_status(system, "CapEff") or "0", 16) >> CAP_SYS_PTRACE & 1)


def _circumstances(scope: str | None, is_root: bool, system: System) -> str:
    yama = "no Yama here" if scope is None else f"kernel.yama.ptrace_scope is {scope}"
    able = "with" if _has_capability(system) else "without"
    filtered = ", seccomp filter" if _status(system, "Seccomp") == "2" else ""
    return f"{yama}, {'root' if is_root else 'not root'} {able} CAP_SYS_PTRACE{filtered}"


def _refused(errno: int) -> str:
    if errno == ENOSYS:
        return "this sandbox has no ptrace at all"
    return "the kernel refuses" if errno == EPERM else f"the kernel refuses (errno {errno})"


def _advice(scope: str | None, is_root: bool, errno: int, system: System) -> str:
    instead = (
        "Without it: `kill -USR1 PID` makes a process dump its own stacks, if it has faulthandler registered; the lesson's scripts do."
    )
    if scope == NOBODY:
        return f"Scope 3 stays until the next boot: set kernel.yama.ptrace_scope=0 in /etc/sysctl.d and reboot. {instead}"
    if errno == ENOSYS or is_root or _status(system, "Seccomp") == "2":
        return f"In a container: docker run --cap-add=SYS_PTRACE (Kubernetes: securityContext.capabilities.add). {instead}"
    if scope not in (None, "0"):
        return f"sudo sysctl kernel.yama.ptrace_scope=0   # until the next boot. {instead}"
    return f"Run the notebook and the debugger as one user, with the same rights. {instead}"
