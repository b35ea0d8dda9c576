"""Every reader of a stranger's bytes withstands the kept inputs, and new ones for a moment: nothing is raised but what it may raise, and soon.

`python -m tools.fuzz` looks for more, for as long as one likes. What it finds goes into corpus/<target>/ once it is mended.
"""

import random
from pathlib import Path

import pytest

from tools.fuzz_run import Runner, Tally, last_input, plain_loop
from tools.fuzz_targets import TARGETS

CORPUS = Path(__file__).with_name("corpus")
MOST_BYTES = 200 * 1024  # of the corpus: it is for regressions, not for search
BURST_SECONDS = 0.6
pytestmark = pytest.mark.filterwarnings("ignore:tzname")  # dateutil's, of time zones that it does not know


@pytest.fixture(scope="module", params=sorted(TARGETS))
def runner(request, tmp_path_factory):
    return Runner(TARGETS[request.param], Tally(request.param, tmp_path_factory.mktemp("found"), seed=7))


def told(tally: Tally) -> str:
    """What the tally kept, for whoever reads a failure."""
    return "\n".join(f"{kind}\n{(tally.folder / f'{name}.txt').read_text()}" for kind, name in tally.crashes.items())


def test_kept_inputs_are_read_or_refused(runner):
    for path in sorted((CORPUS / runner.target.name).glob("*")):
        runner(path.read_bytes())
    assert not runner.tally.crashes, told(runner.tally)


def test_what_it_starts_from_is_changed_for_a_moment_and_read_or_refused(runner):
    seeds = runner.target.seeds()
    plain_loop(runner, seeds, BURST_SECONDS, random.Random(7))
    assert runner.tally.executions
    assert not runner.tally.crashes, told(runner.tally)


def test_an_exception_that_is_not_allowed_is_kept_with_its_input(tmp_path):
    def broken(data: bytes) -> str:
        return str(1 // (data != b"zero"))

    tally = Tally("broken", tmp_path, seed=3)
    runner = Runner(TARGETS["json"].__class__("broken", "none", broken, list, lambda draw, data: data), tally)
    runner(b"one"), runner(b"zero"), runner(b"zero")
    ((kind, name),) = tally.crashes.items()
    assert kind.startswith("ZeroDivisionError")
    assert (tmp_path / name).read_bytes() == b"zero"
    assert "seed 3, execution 2" in (tmp_path / f"{name}.txt").read_text()


def test_a_run_without_end_is_interrupted_and_kept(tmp_path, monkeypatch):
    def endless(data: bytes) -> str:
        while True:
            try:
                pass
            except Exception:
                return ""

    monkeypatch.setattr("tools.fuzz_run.HARD_SECONDS", 0.05)
    tally = Tally("endless", tmp_path, seed=3)
    Runner(TARGETS["json"].__class__("endless", "none", endless, list, lambda draw, data: data), tally)(b"x")
    assert any(kind.startswith("TookTooLong") for kind in tally.crashes)


def test_the_input_of_a_process_that_died_is_known(tmp_path):
    runner = Runner(TARGETS["json"], Tally("json", tmp_path, seed=3))
    runner(b"[1, 2, 3]"), runner(b"[]")
    assert last_input(tmp_path / "json.now") == b"[]"


def test_the_corpus_stays_small_and_names_targets():
    kept = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in kept} <= set(TARGETS)
    assert sum(path.stat().st_size for path in kept) <= MOST_BYTES
