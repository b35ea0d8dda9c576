"""Coverage-guided fuzzing with atheris (libFuzzer for Python), where it is installed: `pip install atheris`, Python 3.11 to 3.13.

Findings are kept by tools.fuzz_run as without it; libFuzzer only chooses which inputs to go on from. It ends the process.
"""

import importlib
import importlib.util
import os
import random
from pathlib import Path
from typing import Any

PATIENCE = 3.0  # instrumented code is slower
OWN_SHARE = 0.6  # of inputs that the target's own mutator makes; the rest are libFuzzer's
EVERY = 2000  # executions between two notes of the figures
OPTIONS = (f"-max_len={1 << 18}", "-rss_limit_mb=0", "-timeout=3600", "-verbosity=0")


def available() -> bool:
    """Say whether atheris can be imported."""
    return importlib.util.find_spec("atheris") is not None


def loop(name: str, folder: Path, seconds: float, seed: int, figures: Path) -> None:
    """Fuzz a target until its CPU time is spent; does not return."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["labkit", "grading", "elftools"]):
        from tools.fuzz_targets import TARGETS
    from tools.fuzz_run import Runner, Tally, cpu, limited, written

    limited()
    target, tally = TARGETS[name], Tally(name, folder, seed)
    runner, began = Runner(target, tally, PATIENCE), cpu()

    def one(data: bytes) -> None:
        runner(data)
        if tally.executions % EVERY == 0 or cpu() - began > seconds:
            written(tally, figures)
        if cpu() - began > seconds:
            os._exit(0)

    def mutate(data: bytes, most: int, number: int) -> bytes:
        draw = random.Random(number)  # noqa: S311 - no secret
        return (target.mutate(draw, data) if name == "checks" or draw.random() < OWN_SHARE else atheris.Mutate(data, most))[:most]

    corpus = _corpus(folder / f"{name}.corpus", target.seeds())
    atheris.Setup(["fuzz", str(corpus), f"-seed={seed or 1}", f"-artifact_prefix={folder}/", *OPTIONS], one, custom_mutator=mutate)
    atheris.Fuzz()


def _corpus(folder: Path, seeds: list[bytes]) -> Path:
    """Return the folder that libFuzzer adds inputs to which reached new code; another run goes on from them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds):
        Path(folder, f"seed-{number}").write_bytes(data)
    return folder
