"""The system calls that a plain Python needs to start, compute, import the standard library, read files and use its /tmp. All others are refused.

Found by tracing CPython 3.11 to 3.14 and reading glibc and musl (docs/decisions/0007-sandbox.md). The numbers are those of the kernel's
asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64); a test compares them with the headers where these are installed.
"""

from dataclasses import dataclass

_NONE = -1  # this architecture has no such call

# name: (number on x86_64, number on aarch64)
ALLOWED = {
    # Files that are open. Each is on a read-only mount, in the bounded /tmp, or the pipe for results.
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67), "pwrite64": (18, 68), "close": (3, 57),
    "lseek": (8, 62), "fstat": (5, 80), "dup": (32, 23), "dup2": (33, _NONE), "dup3": (292, 24), "fcntl": (72, 25),
    "getdents64": (217, 61), "fsync": (74, 82), "fdatasync": (75, 83), "ftruncate": (77, 46),
    # Files by name.
    "open": (2, _NONE), "openat": (257, 56), "stat": (4, _NONE), "lstat": (6, _NONE), "newfstatat": (262, 79), "statx": (332, 291),
    "access": (21, _NONE), "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, _NONE), "readlinkat": (267, 78),
    "getcwd": (79, 17), "chdir": (80, 49), "umask": (95, 166), "statfs": (137, 43),
    "listxattr": (194, 11), "llistxattr": (195, 12),
    # Names and modes in /tmp.
    "mkdir": (83, _NONE), "mkdirat": (258, 34), "rmdir": (84, _NONE), "unlink": (87, _NONE), "unlinkat": (263, 35), "rename": (82, _NONE),
    "renameat": (264, 38), "renameat2": (316, 276), "chmod": (90, _NONE), "fchmod": (91, 52), "fchmodat": (268, 53), "utimensat": (280, 88),
    # Memory, which RLIMIT_AS bounds.
    "brk": (12, 214), "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216), "mprotect": (10, 226), "madvise": (28, 233),
    # What libc sets up for the one thread, and its locks.
    "arch_prctl": (158, _NONE), "set_tid_address": (218, 96), "set_robust_list": (273, 99), "rseq": (334, 293), "futex": (202, 98),
    "sched_getaffinity": (204, 123), "sched_yield": (24, 124), "getrandom": (318, 278),
    # Signals; a kill reaches only what is in the sandbox's own process namespace.
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "restart_syscall": (219, 128),
    # Time and rest. A sleep ends with the wall clock at the latest.
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    "gettimeofday": (96, 169), "time": (201, _NONE), "times": (100, 153), "getrusage": (98, 165),
    # Who and where we are.
    "getpid": (39, 172), "getppid": (110, 173), "gettid": (186, 178), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176),
    "getegid": (108, 177), "uname": (63, 160), "sysinfo": (99, 179),
    # bwrap itself: it starts the interpreter after the filter is on, and its first process waits for the end.
    "execve": (59, 221), "exit": (60, 93), "exit_group": (231, 94), "wait4": (61, 260),
}  # fmt: skip


@dataclass(frozen=True)
class Argument:
    """A call that is allowed when the low 32 bits of one argument (all that the kernel reads of it) have one of these values."""

    numbers: tuple[int, int]
    position: int
    values: tuple[int, ...]


ALLOWED_WHEN = {
    # Is it a terminal (TCGETS, TCGETS2, TIOCGWINSZ), and close it in a new program or not (FIOCLEX, FIONCLEX). Not TIOCSTI.
    "ioctl": Argument((16, 29), 1, (0x5401, 0x802C542A, 0x5413, 0x5451, 0x5450)),
    # The limits of this process only; they can no longer be raised.
    "prlimit64": Argument((302, 261), 0, (0,)),
}

# What has let programs out before, or widens what they reach: for the probes, which look whether each is refused.
DANGEROUS = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268), "clone": (56, 220), "clone3": (435, 435), "vfork": (58, _NONE),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "perf_event_open": (298, 241), "bpf": (321, 280),
    "io_uring_setup": (425, 425), "userfaultfd": (323, 282), "memfd_create": (319, 279), "fsopen": (430, 430), "open_tree": (428, 428),
    "open_by_handle_at": (304, 265), "setuid": (105, 146), "capset": (126, 91), "init_module": (175, 105), "finit_module": (313, 273),
    "kexec_load": (246, 104), "clock_settime": (227, 112), "pidfd_getfd": (438, 438), "kcmp": (312, 272), "personality": (135, 92),
    "prctl": (157, 167), "seccomp": (317, 277), "vmsplice": (278, 75), "socket": (41, 198), "execveat": (322, 281),
}  # fmt: skip
