"""One submission's checks share what they read: nothing is parsed twice, and no check changes what the next one gets."""

from collections import Counter

import pytest

from grading.registry import load_checks
from grading.submission import Submission
from labkit.elf.image import Image
from labkit.evidence import Evidence
from labkit.trace import extract
from tests.lessons.conftest import POINTS


@pytest.fixture
def counts(monkeypatch):
    """How often each library, record and trace was parsed."""
    seen: Counter[object] = Counter()
    image, checked, parse = Image.__init__, Evidence.checked, extract.parse

    def of_library(self, data, *limits):
        seen["library", bytes(data)] += 1
        image(self, data, *limits)

    def of_record(self, record_id, raw):
        seen["record", record_id] += 1
        return checked(self, record_id, raw)

    def of_trace(data):
        seen["trace", data] += 1
        return parse(data)

    monkeypatch.setattr(Image, "__init__", of_library)
    monkeypatch.setattr(Evidence, "checked", of_record)
    monkeypatch.setattr(extract, "parse", of_trace)
    return seen


@pytest.mark.parametrize("lane", ["handed", "cuda_handed"])
def test_a_whole_submission_is_parsed_once_and_stays_as_it_is(lane, request, counts):
    handed = request.getfixturevalue(lane)
    submission = Submission(handed.folder, handed.learner)
    for check in load_checks().values():
        check(submission, POINTS)
    assert {kind for kind, _ in counts} == {"library", "record", "trace"}
    assert [what for what, count in counts.items() if count > 1] == []
    fresh = Evidence(submission.evidence.folder, handed.learner)
    for record_id in fresh.ids():
        assert submission.evidence.record(record_id) == fresh.record(record_id), "a check changed what it was given"
