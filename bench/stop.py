"""From the sdist to a stop in a debug build of one function of vLLM's, in a real inference.

Measures each part: finding the function, configuring vLLM's CMake, compiling the overlay, starting the engine under gdb until it stops,
and asking for the locals. Everything is made new in a temporary folder; the sdist is unpacked and the model converted already.

    python bench/stop.py            # a table
    python bench/stop.py --json     # one JSON object
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labkit.build.overlay import plan
from labkit.debug.debuggers import Debuggers
from labkit.lab import Lab
from labkit.lane import detect_lane

FUNCTION = {"cpu": "compute_slot_mapping_kernel_impl", "cuda": "reshape_and_cache_flash"}
TARGET_S = {"cpu": 90, "cuda": 60}  # DESIGN.md
TEN_TOKENS = """
import os, sys
os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
from vllm import LLM, SamplingParams
backend = {} if sys.argv[2] == "float32" else {"attention_backend": "FLASH_ATTN"}
llm = LLM(model=sys.argv[1], dtype=sys.argv[2], max_model_len=256, enforce_eager=True, **backend)
llm.generate(["The capital of France is"], SamplingParams(temperature=0.0, max_tokens=10, ignore_eos=True))
"""


def measure(folder: Path) -> dict[str, Any]:
    """Return seconds per part, and what the stop showed."""
    lab = Lab("bench", learner="bench", folder=folder)
    lane, model = lab.lane, lab.model()
    debuggers, seconds = Debuggers(lab), dict[str, float]()

    def part(name: str, work: Callable[[], Any]) -> Any:
        began = time.monotonic()
        done = work()
        seconds[name] = round(time.monotonic() - began, 1)
        return done

    overlay = part(
        "find the function",
        lambda: plan(FUNCTION[lane.name], tree=debuggers.tree, folder=folder / "overlays", lane=lane, soname=lab.symbol),
    )
    part("configure", lambda: lab.run(overlay.configure, quiet=True, must_succeed=True))
    part("compile", lambda: lab.run(overlay.compile, quiet=True, must_succeed=True))
    script = lab.write_text("ten_tokens.py", TEN_TOKENS)
    with overlay.active():
        gdb = part("start gdb", lambda: debuggers.gdb([sys.executable, script, model, lane.dtype]))
    gdb.type(f"tbreak {FUNCTION[lane.name]}")
    part("run until it stops", lambda: gdb.type("run"))
    gdb.type("next 6")
    shown = part("read the locals", lambda: gdb.type("info locals"))
    gdb.close()
    return {
        "lane": lane.name, "seconds": seconds, "together_s": round(sum(seconds.values()), 1), "target_s": TARGET_S[lane.name],
        "stopped_in": gdb.transcript.turns[2].stop.frames[0].function if gdb.transcript.turns[2].stop else "",
        "locals": shown.count(" = "), "optimized_out": shown.count("<optimized out>"),
    }  # fmt: skip


def main() -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    detect_lane("auto")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):  # what the lesson's parts tell is no figure
        found = measure(Path(folder))
    if asked.json:
        print(json.dumps(found))
        return
    for name, value in found["seconds"].items():
        print(f"{name:22} {value:6.1f} s")
    print(f"{'together':22} {found['together_s']:6.1f} s   (target {found['target_s']} s)")
    print(f"stopped in {found['stopped_in']}; {found['locals']} locals, {found['optimized_out']} of them optimized out")


if __name__ == "__main__":
    main()
