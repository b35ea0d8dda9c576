"""Attempts to get out of the sandbox, as a learner could write them. This source is run inside it (sandbox_probe.py); nobody imports it to run it.

An attempt returns what it got ("" for nothing), or raises what stopped it. `place` tells it where the outside is. Standard library only.
"""

# Plain calls of the system, in a /tmp that is nobody else's:
# ruff: noqa: PTH108, PTH123, PTH208, PTH211, S108, SIM115

import ctypes
import errno
import fcntl
import os
import resource
import signal
import socket
import stat
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

TIOCSTI = 0x5412
REFUSALS = (errno.EPERM, errno.ENOSYS)  # what the filter answers; any other error means that the kernel looked at the call


def every(tries: "Iterable[Callable[[], object]]") -> str:
    """Make all the tries; the first that is not refused is what got out, else the last refusal is raised."""
    last: OSError | None = None
    for attempt in tries:
        try:
            return f"not refused: {attempt()!r:.80}"
        except OSError as refusal:
            last = refusal
    raise last or ValueError("nothing was tried")


def read_the_host(place: "dict[str, Any]") -> str:
    """Read /etc/passwd, /proc/self/environ, a home folder, a file of the grader's; list the folders of the course, of processes, of users."""
    reads = [lambda path=path: open(path, "rb").read(9) for path in place["files"]]
    return every([*reads, *(lambda folder=folder: os.listdir(folder) for folder in place["folders"])])


def write_outside_tmp(place: "dict[str, Any]") -> str:
    """Make a file in every folder that can be seen except /tmp, and open the grader's file for writing."""
    folders = [folder for folder, _, _ in os.walk("/") if not folder.startswith("/tmp")]
    paths = [*(folder + "/attempt" for folder in folders), place["sentinel"]]
    return every([lambda path=path: os.open(path, os.O_WRONLY | os.O_CREAT, 0o600) for path in paths])  # type: ignore[misc]


def fill_tmp(place: "dict[str, Any]") -> str:
    """Write to /tmp until it is full."""
    written = 0
    for number in range(64):
        try:
            with open(f"/tmp/{number}", "wb", buffering=0) as file:
                written += file.write(bytes(1_000_000))
        except OSError:
            break
    for name in os.listdir("/tmp"):  # the next attempts want room
        os.unlink("/tmp/" + name)
    return f"{written} bytes in /tmp" if written > place["tmp_bytes"] else ""


def one_big_file(place: "dict[str, Any]") -> str:
    """Write a file that is larger than a file may be."""
    with open("/tmp/big", "wb", buffering=0) as file:
        written = sum(file.write(bytes(place["file_bytes"] // 2)) for _ in range(4))
    return f"{written} bytes"


def take_memory(place: "dict[str, Any]") -> str:
    """Take all the memory that there may be, and once more."""
    parts = [bytearray(place["memory_bytes"] // 2) for _ in range(2)]
    return f"{sum(map(len, parts))} bytes"


def fork(_: object) -> str:
    """Start another process."""
    if (child := os.fork()) == 0:
        os._exit(0)
    return f"process {child}"


def thread(_: object) -> str:
    """Start a thread."""
    threading.Thread(target=time.time).start()
    return "a thread"


def sockets(_: object) -> str:
    """Open a socket of each family: unix, internet, netlink, packet, vsock, and a pair."""
    families = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, socket.AF_VSOCK)
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW)
    return every([lambda f=f, k=k: socket.socket(f, k) for f in families for k in kinds] + [socket.socketpair])


def connect_to_the_grader(place: "dict[str, Any]") -> str:
    """Connect to ports that the grader listens on: internet, and an abstract unix name, which no file system hides."""

    def unix() -> str:
        with socket.socket(socket.AF_UNIX) as there:
            there.connect("\0" + place["abstract"])
        return "connected"

    return every([lambda: socket.create_connection(("127.0.0.1", place["port"]), timeout=1), unix])


def inherited_descriptors(_: object) -> str:
    """Look for descriptors that were left open: more than three null devices and the pipe for results."""
    found = {}
    for number in range(65):
        try:
            found[number] = stat.S_IFMT(os.fstat(number).st_mode)
        except OSError:
            continue
    pipes = [number for number, kind in found.items() if kind == stat.S_IFIFO]
    others = {n: oct(k) for n, k in found.items() if k != stat.S_IFIFO and (k != stat.S_IFCHR or n > 2)}
    return f"pipes {pipes}, others {others}" if others or len(pipes) != 1 else ""


def signal_others(place: "dict[str, Any]") -> str:
    """Kill the sandbox's first process, the grader, and everybody."""
    os.kill(1, signal.SIGKILL)  # allowed, and ignored by the kernel: we are still here if it holds
    os.kill(1, signal.SIGSTOP)
    return every([lambda: os.kill(place["pid"], signal.SIGKILL), lambda: os.kill(-1, signal.SIGKILL)])


def terminal(_: object) -> str:
    """Type into the grader's terminal."""
    tries = [lambda number=number: fcntl.ioctl(number, TIOCSTI, b"x") for number in range(3)]
    return every([*tries, lambda: os.open("/dev/tty", os.O_RDWR)])


def devices(_: object) -> str:
    """Open or make devices, and write to shared memory."""
    names = ("mem", "kmsg", "ptmx", "fuse", "kvm", "shm/attempt", "nvidiactl", "random")
    opened = [lambda name=name: os.open("/dev/" + name, os.O_RDWR | os.O_CREAT) for name in names]
    return every([*opened, lambda: os.mknod("/tmp/device", 0o600 | stat.S_IFBLK, os.makedev(8, 0))])


def links(place: "dict[str, Any]") -> str:
    """Reach a file of the host through links and through paths with dots."""
    outside = place["sentinel"]
    tries = [lambda: os.symlink(outside, "/tmp/link"), lambda: os.link(outside, "/tmp/hard")]
    paths = ("/tmp/../.." + outside, "/dev/fd/0/../../.." + outside, "/proc/1/root" + outside)
    return every([*tries, *(lambda path=path: open(path).read() for path in paths)])


def raise_limits(_: object) -> str:
    """Raise every limit that was set, and change one of the sandbox's first process."""

    def to_infinity(kind: int) -> None:
        try:
            resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        except ValueError as refusal:  # Python's word for this EPERM
            raise PermissionError(str(refusal)) from None

    names = ("AS", "CPU", "FSIZE", "NOFILE", "NPROC", "CORE")
    tries = [lambda name=name: to_infinity(getattr(resource, "RLIMIT_" + name)) for name in names]
    return every([*tries, lambda: resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))])


def set_the_clock(_: object) -> str:
    """Set the machine's clock."""
    time.clock_settime(time.CLOCK_REALTIME, time.time())
    return "set"


def program_in_memory(_: object) -> str:
    """Make a program in memory, and run it."""
    descriptor = os.memfd_create("program")
    os.write(descriptor, b"#!/bin/true\n")
    return f"descriptor {descriptor}"


def refusal_of(number: int) -> int:
    """Make a system call with zeros; return the error's number, or 0 when there was none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return ctypes.get_errno() if libc.syscall(ctypes.c_long(number), 0, 0, 0, 0, 0, 0) == -1 else 0


def chosen_calls(place: "dict[str, Any]") -> str:
    """Call the kernel for what has let programs out before: namespaces, mounts, tracing, keys, perf, bpf, io_uring, userfaultfd, modules."""
    answers = {name: refusal_of(number) for name, number in place["chosen"].items()}
    return ", ".join(f"{name} answered {answer}" for name, answer in answers.items() if answer not in REFUSALS)


def all_other_calls(place: "dict[str, Any]") -> str:
    """Make every system call that there is by number, except those on the list."""
    passed = {335, 336}  # uretprobe and uprobe of x86_64: no filter sees them; from anywhere but the kernel's own page they end the process
    answers = {number: refusal_of(number) for number in sorted(set(range(600)) - set(place["allowed"]) - passed)}
    return ", ".join(f"{number} answered {answer}" for number, answer in answers.items() if answer not in REFUSALS)


def attempt(name: str, place: "dict[str, Any]") -> str:
    """Make one attempt."""
    return str(globals()[name](place))
