"""Part 3 of lesson 06: run a measurement in both modes, and show what is in memory and who sees it."""

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit import plots, show
from labkit.checks.exercises_memory import GB, GIB, MIB, MODES, parts, record_of
from labkit.evidence import BadEvidence
from labkit.lab import Lab
from labkit.live import without_colours
from labkit.messages import LearnerMessage
from labkit.runner import Run, end_group

SAID = re.compile(r"Model loading took|KV cache size|GiB for KV cache|memory for KV Cache|Graph capturing finished")
PREFIX = re.compile(r"^.*?\] ")  # process, level, time and place of a log line
TITLES = {"one": "one process", "two": "several processes"}
STAGES = {"start": "torch imported", "import": "vLLM imported", "engine": "engine started", "generate": "tokens generated"}
WHY = {
    "cpu": "vLLM packs matrices for the CPU and empties torch's own: vllm/model_executor/layers/utils.py:dispatch_cpu_unquantized_gemm",
    "cuda": "all of them are torch tensors",
}
OTHER_SECONDS = 300.0  # for the run in the background, after the one in front has ended

Runs = dict[str, tuple[Run, dict[str, Any]]]


def run_both(lab: Lab, commands: Mapping[str, Sequence[object]], env: Mapping[str, Mapping[str, str]]) -> Runs:
    """Run a command per mode, each of which writes `<mode>.json`, and return run and facts of each. Raises LearnerMessage.

    On a CPU both run at the same time, which changes no byte. On a GPU one waits for the other: the driver's count is of all.
    """
    if lab.lane.name == "cuda":
        return {
            mode: lab.run_for_json(words, produces=f"{mode}.json", env=env[mode], log=f"memory-{mode}") for mode, words in commands.items()
        }
    (first, behind), (second, front) = commands.items()
    show.text(f"In the background: {' '.join(map(str, behind))[:200]}")
    log, began = lab.scratch("logs") / f"memory-{first}.log", time.monotonic()
    (lab.scratch() / f"{first}.json").unlink(missing_ok=True)
    process = _start(behind, log, lab.scratch(), env[first])
    try:
        seen = lab.run_for_json(front, produces=f"{second}.json", env=env[second], log=f"memory-{second}")
        code = process.wait(timeout=OTHER_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        raise LearnerMessage("The run in the background did not end.", f"Its output is in {log.name}; run this cell again.") from None
    finally:
        end_group(process)
    done = Run(tuple(map(str, behind)), code, time.monotonic() - began, log.read_text(errors="replace"), log)
    return {first: (done, _facts(lab, first, done)), second: seen}


def _start(command: Sequence[object], log: Path, folder: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a command whose output goes into a file, in a group of its own, so that all of it can be ended."""
    with log.open("w") as stream:
        return subprocess.Popen(
            [str(word) for word in command], cwd=folder, env={**os.environ, **env}, text=True,
            stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def _facts(lab: Lab, mode: str, run: Run) -> dict[str, Any]:
    target = lab.scratch() / f"{mode}.json"
    if not run.ok or not target.is_file():
        last = "\n".join(run.output.strip().splitlines()[-8:])
        raise LearnerMessage(f"The run in the background: exit code {run.exit_code}. It said last:\n{last}", "Run this cell again.")
    return dict(json.loads(target.read_text()))


def recorded(lab: Lab) -> dict[str, dict[str, Any]]:
    """Return the facts of both runs from the evidence. Raises LearnerMessage."""
    try:
        return {mode: dict(lab.evidence.record(record_of(mode)).facts) for mode in MODES}
    except BadEvidence as bad:
        raise LearnerMessage(str(bad), "Run the cell above that runs memory_trace.py in both modes.") from None


def show_said(runs: Runs) -> None:
    """Show what vLLM itself said about memory, from its log."""
    rows = [
        (TITLES[mode], PREFIX.sub("", without_colours(line)).strip())
        for mode, (run, _) in runs.items()
        for line in run.output.splitlines()
        if SAID.search(line)
    ]
    show.table("What vLLM says itself (its GiB are 2³⁰ bytes)", ("run", "log line"), dict.fromkeys(rows))


def show_stages(runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Show the own and the whole view at each stage of both runs, in MiB."""
    header = ("stage", *(f"{view}, {TITLES[mode]}" for mode in MODES for view in ("own", "whole")))
    rows = [
        (said, *(_mib(runs[mode]["stages"][stage][view]) for mode in MODES for view in ("own", "whole"))) for stage, said in STAGES.items()
    ]
    show.table("Who sees what, in MiB (2²⁰ bytes)", header, rows)


def show_tensors(runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Show weights and pool of both runs in bytes and in both units, and the process that holds them."""
    rows = []
    for mode in MODES:
        facts = runs[mode]
        sizes = {"weights": facts["weights"], "pool asked for": facts["pool_asked"], "pool": facts["after"]["pool"]}
        rows += [
            (TITLES[mode], name, f"{size:,}", f"{size / GB:.4f}", f"{size / GIB:.4f}", facts["before"]["process"])
            for name, size in sizes.items()
        ]
    show.table("What the tensors take", ("run", "what", "bytes", "GB (10⁹)", "GiB (2³⁰)", "held by"), rows)


def show_processes(runs: Mapping[str, Mapping[str, Any]]) -> None:
    """Show the processes of both runs after generating, with their resident memory."""
    rows = [(TITLES[mode], one["name"], _mib(one["rss"])) for mode in MODES for one in runs[mode]["stages"]["generate"]["processes"]]
    show.table("Processes, and their resident memory on the host", ("run", "process", "MiB"), rows)


def plot(runs: Mapping[str, Mapping[str, Any]], lane: str) -> None:
    """Show what the whole is made of after generating, as one stacked bar per mode, with a table."""
    made = {TITLES[mode]: parts(runs[mode], lane) for mode in MODES}
    plots.show_figure(figure_of(made), describe(made))
    names = list(next(iter(made.values())))
    rows = [(name, *(_mib(each[name]) for each in made.values())) for name in names]
    total = ("together", *(_mib(sum(each.values())) for each in made.values()))
    show.table("What the plot shows, in MiB", ("part", *made), [*rows, total])


def show_unseen(runs: Mapping[str, Mapping[str, Any]], lane: str) -> None:
    """Show what the two ways of counting leave out: parameters that torch does not hold, and memory that nobody has touched."""
    facts, pages = runs["one"], runs["one"]["pages"]
    rows = [
        ("weights in torch's parameters", _mib(facts["after"]["parameters"]), _mib(facts["weights"]), WHY[lane]),
        ("torch.empty on the host, in RSS", _mib(pages["empty"]), _mib(pages["asked"]), "the kernel gives a page when it is first written"),
        ("torch.zeros on the host, in RSS", _mib(pages["zeros"]), _mib(pages["asked"]), "zeros are written; vLLM takes its pool so"),
    ]
    show.table("Seen and not seen, in MiB", ("what", "counted", "there", "why"), rows)


def figure_of(made: Mapping[str, Mapping[str, int]]) -> Any:
    """Return the stacked bars, a matplotlib figure."""
    figure = plots.figure(8, 0.75 * len(made) + 1.5)
    axes = figure.subplots()
    for number, name in enumerate(next(iter(made.values()))):
        lefts = [sum(list(each.values())[:number]) / MIB for each in made.values()]
        widths = [each[name] / MIB for each in made.values()]
        style = {"color": plots.CYCLE[number], "hatch": plots.HATCHES[number], "edgecolor": "black", "linewidth": 0.6}
        axes.barh(list(made), widths, left=lefts, height=0.55, label=name, **style)
    axes.set(xlabel="MiB", ylim=(len(made) - 0.5, -0.5))
    axes.grid(axis="x", alpha=0.4)
    figure.legend(loc="outside upper left", ncols=3)
    return figure


def describe(made: Mapping[str, Mapping[str, int]]) -> str:
    """Return the plot in words."""
    bars = [
        f"{title}: {_mib(sum(each.values()))} MiB, of which " + ", ".join(f"{name} {_mib(size)}" for name, size in each.items())
        for title, each in made.items()
    ]
    return f"Stacked bars of memory after generating. {'; '.join(bars)}."


def _mib(size: float) -> str:
    return f"{size / MIB:,.1f}"
