"""What lessons share: the learner's name and lane, and the environment that keeps vLLM inside the course folder."""

import json
import os
import sys
from pathlib import Path

from labkit.messages import explain_os_error
from labkit.paths import cache
from labkit.recorder import write_atomically

_FILE = "learner.json"


def remembered(folder: Path) -> dict[str, str]:
    """Return what an earlier lesson remembered in this folder; an unreadable file counts as nothing."""
    try:
        found = json.loads((folder / _FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, str)} if isinstance(found, dict) else {}


def remember(folder: Path, values: dict[str, str]) -> None:
    """Keep the learner's name and lane for the other lessons. Raises LearnerMessage when the folder cannot be written."""
    if remembered(folder) == values:
        return
    try:
        write_atomically(folder / _FILE, json.dumps(values, indent=1) + "\n")
    except OSError as error:
        raise explain_os_error(error, "remembering your name") from None


def settle_environment() -> None:
    """Set, for this process and its children, what keeps their files in the course's cache and their statistics at home.

    Variables that the learner has set are left alone.
    """
    defaults = {
        "VLLM_CACHE_ROOT": str(cache() / "vllm"),
        "VLLM_CONFIG_ROOT": str(cache() / "vllm-config"),
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; vLLM's own default on a CPU is 92 % of the memory
        # A thread that waits for work sleeps instead of spinning. When another program wants the cores, an engine on a CPU was seen
        # to be some 15 times slower without it (bench/RESULTS.md).
        "OMP_WAIT_POLICY": "PASSIVE",
        "TORCHINDUCTOR_CACHE_DIR": str(cache() / "inductor"),
        "MPLCONFIGDIR": str(cache() / "matplotlib"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    beside = str(Path(sys.executable).parent)  # pip's cmake and ninja, also when Jupyter was started by its full path
    if beside not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join(filter(None, (beside, os.environ.get("PATH"))))
