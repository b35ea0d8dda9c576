"""Fuzz what reads a stranger's bytes: `python -m tools.fuzz [TARGET or GROUP ...] --cpu-minutes 10 [--seed N] [--engine plain|atheris]`.

Each target runs in a process of its own for its share of the group's CPU minutes, one after the other. A crash is any exception but the ones
that the target allows; an unbounded run takes more than 2 CPU seconds or 300 MiB. Their inputs are kept in --keep, with the seed.
`--replay TARGET FILE` runs one input; `--list` names the targets.
"""

import argparse
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools import fuzz_atheris

KEEP = Path("build/fuzz")
COLUMNS = ("target", "executions", "cpu_minutes", "in_target", "outcomes", "slowest_s", "slowest_bytes", "peak_mib")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 without findings, 1 with some, 2 for a name that there is not."""
    options = _parser().parse_args(arguments)
    groups = _in_a_child(_listed)
    if options.list:
        print("\n".join(f"{group:<14} {name}" for name, group in groups.items()))
        return 0
    if options.replay:
        print(_in_a_child(_replayed, *options.replay))
        return 0
    chosen = [name for name, group in groups.items() if not options.targets or name in options.targets or group in options.targets]
    unknown = set(options.targets) - set(groups) - set(groups.values())
    if unknown:
        print(f"{', '.join(sorted(unknown))}: no such target or group. --list names them.", file=sys.stderr)
        return 2
    print("".join(f"{column:>15}" for column in COLUMNS))
    found = [_fuzzed(name, 60 * options.cpu_minutes / _sharing(name, chosen, groups), options) for name in chosen]
    return int(any(one.get("problems") for one in found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--cpu-minutes", type=float, default=10.0, help="for each group, shared by its targets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("plain", "atheris"), default="atheris" if fuzz_atheris.available() else "plain")
    parser.add_argument("--keep", type=Path, default=KEEP, help="the folder for inputs that did something wrong")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "FILE"))
    return parser


def _sharing(name: str, chosen: list[str], groups: dict[str, str]) -> int:
    return sum(groups[other] == groups[name] for other in chosen)


def _fuzzed(name: str, seconds: float, options: argparse.Namespace) -> dict[str, Any]:
    """Fuzz one target in a process of its own, print its line, and return its figures."""
    figures = options.keep / f"{name}.{options.seed}.json"
    options.keep.mkdir(parents=True, exist_ok=True)
    figures.unlink(missing_ok=True)
    child = multiprocessing.get_context("spawn").Process(
        target=_loop, args=(name, options.keep, seconds, options.seed, options.engine, figures)
    )
    child.start()
    child.join()
    shutil.rmtree(options.keep / f"{name}.tmp", ignore_errors=True)
    told: dict[str, Any] = json.loads(figures.read_text()) if figures.exists() else {"target": name, "problems": {}}
    if child.exitcode:
        told["problems"][f"the process ended with code {child.exitcode}"] = _in_a_child(_died, options.keep, name)
    (options.keep / f"{name}.now").unlink(missing_ok=True)
    print("".join(f"{told.get(column, '-'):>15}" for column in COLUMNS), flush=True)
    for kind, kept in told["problems"].items():
        print(f"    {kind}: {options.keep / kept}", flush=True)
    return told


def _loop(name: str, keep: Path, seconds: float, seed: int, engine: str, figures: Path) -> None:
    own = keep / f"{name}.tmp"
    own.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(own)  # atheris ends the process without cleaning up
    if engine == "atheris":
        fuzz_atheris.loop(name, keep, seconds, seed, figures)
    from tools.fuzz_run import Runner, Tally, limited, plain_loop, written
    from tools.fuzz_targets import TARGETS

    limited()
    tally = Tally(name, keep, seed)
    plain_loop(Runner(TARGETS[name], tally), TARGETS[name].seeds(), seconds, random.Random(seed))  # noqa: S311 - no secret
    written(tally, figures)


def _died(keep: Path, name: str) -> str:
    from tools.fuzz_run import last_input

    (keep / f"{name}-died").write_bytes(last_input(keep / f"{name}.now"))
    return f"{name}-died"


def _listed() -> dict[str, str]:
    from tools.fuzz_targets import TARGETS

    return {name: target.group for name, target in TARGETS.items()}


def _replayed(name: str, path: str) -> str:
    from tools.fuzz_run import Runner, Tally
    from tools.fuzz_targets import TARGETS

    tally = Tally(name, KEEP / "replayed", 0)
    outcome = Runner(TARGETS[name], tally)(Path(path).read_bytes())
    return f"{outcome}\n{tally.slowest:.2f} CPU seconds, {tally.peak} MiB"


def _in_a_child(work: Any, *arguments: Any) -> Any:
    """Call a function in a process of its own: what it imports would be too late to instrument here."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


if __name__ == "__main__":
    sys.exit(main())
