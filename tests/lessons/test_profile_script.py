"""The script that lesson 05 profiles, with stand-ins for torch and vLLM: what it says when the learner's gap is filled wrongly."""

import subprocess
import sys

import pytest

from labkit.failed import LAST_LINES
from labkit.live import tail
from tests.lessons.conftest import ROOT

FILLED = "    with mark(name):\n        seen = engine.step()\n    return seen\n"
TORCH = """
import contextlib
from types import SimpleNamespace

profiler = SimpleNamespace(record_function=lambda name: contextlib.nullcontext())
"""
VLLM = """
import atexit
from types import SimpleNamespace as Plain

SamplingParams = Plain


class LLM:
    def __init__(self, **_):
        self.left, self.profiles = 0, False
        self.llm_engine = Plain(
            add_request=self.add, has_unfinished_requests=lambda: self.left > 0, step=self.step,
            vllm_config=Plain(model_config=Plain(hf_text_config=Plain(num_hidden_layers=30))),
        )
        atexit.register(lambda: self.profiles and self.stop_profile())

    def add(self, name, prompt, sampling):
        self.left = sampling.max_tokens

    def step(self):
        self.left -= 1
        return [Plain(prompt_token_ids=[1], outputs=[Plain(token_ids=[7], text=" word")])]

    def start_profile(self):
        self.profiles = True

    def stop_profile(self):
        self.profiles = False
        print("a row of the profiler's table\\n" * 20 + "Profiler stopped successfully.", flush=True)
"""


@pytest.fixture
def run(tmp_path):
    """Run the script with what stands in the gap; return the run and where it writes its facts."""
    (tmp_path / "torch.py").write_text(TORCH)
    (tmp_path / "vllm.py").write_text(VLLM)
    lesson = (ROOT / "lessons" / "05_nsight_systems.md").read_text()
    script = lesson.partition("profiled.py\n")[2].partition("\n```\n")[0]
    assert FILLED in script

    def filled(gap):
        (tmp_path / "profiled.py").write_text(script.replace(FILLED, gap).replace("    return engine.step()  # until then", "    # "))
        command = [sys.executable, "profiled.py", "model", "float32", "12", "0", "raven", "torch", "eager", "a prompt", "out.json"]
        done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        return done, tmp_path / "out.json"

    return filled


def test_a_gap_that_is_filled_leaves_facts(run):
    done, facts = run(FILLED)
    assert (done.returncode, facts.is_file()) == (0, True)


def test_a_step_that_gives_nothing_back_is_what_the_run_says_last(run):
    """Not above the table that the profiler prints at its end, where a learner sees the last lines only."""
    done, facts = run(FILLED.replace("    return seen\n", ""))
    assert (done.returncode, facts.is_file()) == (1, False)
    assert tail(done.stdout, LAST_LINES)[-1] == "error: marked_step returned nothing: return what engine.step() returned"
