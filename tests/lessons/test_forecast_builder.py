"""The machine that lesson 02 asks a learner to size a build for: whom it is asked of, and which forecast asked what."""

from types import SimpleNamespace

import pytest

from labkit.build.builds import Builds
from labkit.checks.build_steps import BUILDERS, builder_of, new_builder
from labkit.evidence import Evidence
from labkit.learner import token_of

ANSWER = "build-forecast-answer"
LARGEST = {"cpu": 3805, "cuda": 9362}  # MiB of the largest unit
REFERENCE = token_of("reference")


def answered(handed, jobs, **asked):
    """Hand in a number of jobs for a forecast that says, or does not say, what it asked."""
    handed.change("build-forecast", **asked)
    facts = handed.facts(ANSWER)
    handed.change(ANSWER, answer=facts["answer"] | {"max_jobs": jobs}, about=Evidence(handed.folder / "evidence").digest("build-forecast"))
    return handed.grade("build-forecast").state


@pytest.mark.parametrize("lane", BUILDERS)
def test_no_machine_makes_one_job_the_answer_to_both_questions(lane):
    jobs = [min(cores, gib * 1024 // LARGEST[lane]) for cores, gib in BUILDERS[lane]]
    assert min(jobs) > 1 and len(set(jobs)) == len(jobs)


def test_a_new_forecast_on_cuda_asks_about_30_gib(cuda_handed):
    assert new_builder(REFERENCE, "cuda") == (8, 30)
    assert answered(cuda_handed, 3, builder=[8, 30]) == "passed"
    assert answered(cuda_handed, 1, builder=[8, 30]) == "failed"


@pytest.mark.parametrize("asked", [None, [64, 900], "8 30"], ids=["silent", "made up", "text"])
def test_an_earlier_forecast_asked_about_12_gib(cuda_handed, asked):
    assert answered(cuda_handed, 1, builder=asked) == "passed"


def test_the_lesson_shows_what_its_record_asks():
    facts = {}
    builds = Builds.__new__(Builds)
    builds.lab = SimpleNamespace(token=REFERENCE, lane=SimpleNamespace(name="cuda"), facts=lambda _: facts)
    assert builds.builder() == builder_of(REFERENCE, "cuda", facts) == (8, 12)
    facts["builder"] = [8, 30]
    assert builds.builder() == (8, 30)
