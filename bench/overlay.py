"""Overlays, sdist to proof: `python bench/overlay.py [--json] [--lane auto] [--work DIR] [FUNCTION ...]`. Needs vLLM, a compiler, and a minute each.

For each function: plan, configure, compile, verify, and ten tokens of a real engine with and without it. Each starts from nothing but
the unpacked source tree. The extension target's cost is the sum of its measured units (labkit/build/unit_costs.json).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from labkit.build import whole
from labkit.build.costs import unit_costs
from labkit.build.linker import listening
from labkit.build.overlay import Overlay, plan
from labkit.build.tree import working_tree
from labkit.build.witness import facts
from labkit.checks.build import overlay_rows, provider, tokens
from labkit.lane import Lane, detect_lane
from labkit.model import packaged
from labkit.settings import settle_environment

FUNCTIONS = {
    "cpu": ("compute_slot_mapping_kernel_impl", "cpu_attention_with_kv_cache", "rotary_embedding"),
    "cuda": ("reshape_and_cache_flash", "rotary_embedding", "rms_norm"),
}
TEN_TOKENS = "bench-ten-tokens.py"
SONAME = "bench"


def build(name: str, tree: Path, folder: Path, lane: Lane) -> tuple[Overlay, dict[str, Any]]:
    """Plan, configure, compile and verify an overlay; return it with wall and CPU seconds."""
    began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    overlay = plan(name, tree=tree, folder=folder, lane=lane, soname=SONAME)
    for command in (overlay.configure, overlay.compile):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    data = overlay.library.read_bytes()
    site = {"function": overlay.site.function, "source": overlay.site.source}
    bad = [row.what for row in overlay_rows(data, overlay.library.name, site, SONAME, lane.name) if not row.ok]
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    return overlay, {
        "wall_s": round(time.monotonic() - began, 1),
        "cpu_s": round(cpu, 1),
        "mb": round(len(data) / 1e6, 1),
        "verified": not bad,
    }


def ten_tokens(overlay: Overlay, lane: Lane, work: Path, script: Path, *, active: bool) -> dict[str, Any]:
    """Generate ten tokens in a new process, with the overlay or without, and return what the run says."""
    op = overlay.site.operator
    name = f"{op.namespace}::{op.name}" if op else f"_C::{overlay.site.function}"
    out = work / "run.json"
    command = [sys.executable, str(script), str(packaged()), lane.dtype, name, "The quick brown fox", str(out)]
    environment = overlay.environment() if active else {}
    with listening(overlay.site.symbols, work) as linker:
        subprocess.run(
            command, check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600
        )
    return facts({**json.loads(out.read_text()), "linker": linker.said})


def measure(name: str, lane: Lane, work: Path, script: Path) -> dict[str, Any]:
    """Measure one function's overlay and prove it."""
    tree = working_tree(work)
    overlay, figures = build(name, tree, work / "overlays", lane)
    without, with_it = (ten_tokens(overlay, lane, work, script, active=active) for active in (False, True))
    return {
        "function": name,
        "source": overlay.site.source,
        **figures,
        "provided by": f"{provider(without, lane.name)} -> {provider(with_it, lane.name)}",
        "same tokens": tokens(without) == tokens(with_it),
        "times cheaper than the target": round(target_cost(lane) / figures["cpu_s"]),
    }


def target_cost(lane: Lane) -> float:
    """CPU seconds of the extension target that the functions belong to: measured units, medians for the others, what it needs from outside."""
    costs, target = unit_costs(lane.name), whole.SAMPLE_TARGET[lane.name]
    return sum(cost.cpu_s for cost in costs.units.values()) + sum(extra.cpu_s for extra in costs.extras if target in extra.targets)


def script_of_the_lesson(work: Path) -> Path:
    """Take ten_tokens.py out of lesson 02, so that there is one such script only."""
    text = (Path(__file__).parent.parent / "lessons" / "02_source_build.md").read_text()
    body = text.split("%%writefile work/02_source_build/ten_tokens.py\n")[1].split("\n```")[0]
    path = work / TEN_TOKENS
    path.write_text(body)
    return path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("functions", nargs="*")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--lane", default="auto")
    parser.add_argument("--work", type=Path)
    arguments = parser.parse_args()
    settle_environment()
    lane = detect_lane(arguments.lane)
    with tempfile.TemporaryDirectory(prefix="bench-overlay-") as scratch:
        work = arguments.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        script = script_of_the_lesson(work)
        found = [measure(name, lane, work, script) for name in arguments.functions or FUNCTIONS[lane.name]]
    if arguments.json:
        print(json.dumps(found))
        return
    table = Table(title=f"Overlays on the {lane.name} lane")
    for column in found[0]:
        table.add_column(column)
    for figures in found:
        table.add_row(*(str(value) for value in figures.values()))
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
