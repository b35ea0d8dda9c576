"""Evidence that is read once says what evidence says that is read each time, and keeps no more than it may."""

import dataclasses
import json

import pytest

from labkit import evidence as reading
from labkit import settled
from labkit.evidence import BadEvidence, Evidence, Missing
from labkit.settled import KeptFile, SettledEvidence, once


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that were read, in order."""
    names = []
    real = reading.read_bounded

    def noted(folder, name, limit):
        names.append(name)
        return real(folder, name, limit)

    for module in (reading, settled):
        monkeypatch.setattr(module, "read_bounded", noted)
    return names


@pytest.fixture
def written(recorder, tmp_path):
    (tmp_path / "x.so").write_bytes(b"library")
    return recorder.write("lesson-thing", facts={"n": [1, 2]}, files=[tmp_path / "x.so"])


def test_a_record_and_its_file_are_read_once(recorder, written, reads):
    evidence, plain = SettledEvidence(recorder.folder, "ada"), Evidence(recorder.folder, "ada")
    for _ in range(3):
        assert evidence.record("lesson-thing") == written
        assert evidence.file(written.files[0]) == b"library"
    assert reads == ["lesson-thing.json", written.files[0].path]
    assert evidence.digest("lesson-thing") == evidence.digest("lesson-thing") == plain.digest("lesson-thing")


def test_what_does_not_fit_is_read_again_and_says_the_same(recorder, written, reads, monkeypatch):
    monkeypatch.setattr(settled, "MAX_KEPT_RECORDS", 10)
    monkeypatch.setattr(settled, "MAX_KEPT_FILES", 6)
    evidence = SettledEvidence(recorder.folder)
    assert [evidence.record("lesson-thing") for _ in range(2)] == [written, written]
    assert [evidence.file(written.files[0]) for _ in range(2)] == [b"library"] * 2
    assert len(reads) == 4


def test_the_room_is_for_all_records_together(recorder, reads, monkeypatch):
    size = len((recorder.write("lesson-a"), (recorder.folder / "lesson-a.json").read_bytes())[1])
    recorder.write("lesson-b")
    monkeypatch.setattr(settled, "MAX_KEPT_RECORDS", 2 * size - 1)
    monkeypatch.setattr(settled, "MAX_KEPT_FILES", 0)  # so that what is parsed again is read again
    evidence = SettledEvidence(recorder.folder)
    for name in ("lesson-a", "lesson-b", "lesson-a", "lesson-b"):
        evidence.record(name)
    assert reads == ["lesson-a.json", "lesson-b.json", "lesson-b.json"]


@pytest.mark.parametrize("content", [None, b"{", b'{"id": NaN}', b"{}", b'{"a": 1, "a": 2}', b'"\\ud800"', b"[" * 40 + b"]" * 40])
def test_bad_evidence_says_the_same_each_time(recorder, written, content):
    path = recorder.folder / "lesson-thing.json"
    path.unlink() if content is None else path.write_bytes(content)
    evidence, told = SettledEvidence(recorder.folder, "ada"), set()
    for _ in range(2):
        for one in (evidence, Evidence(recorder.folder, "ada")):
            with pytest.raises(Missing if content is None else BadEvidence) as bad:
                one.record("lesson-thing")
            told.add(str(bad.value))
    assert len(told) == 1


def test_somebody_elses_record_stays_bad_though_another_owner_read_it(recorder, written):
    SettledEvidence(recorder.folder, "ada").record("lesson-thing")
    for _ in range(2):
        with pytest.raises(BadEvidence, match="recorded by 'ada'"):
            SettledEvidence(recorder.folder, "bob").record("lesson-thing")


def test_another_hash_for_the_same_path_is_refused_though_the_file_is_kept(recorder, written):
    evidence, produced = SettledEvidence(recorder.folder), written.files[0]
    assert evidence.file(produced)
    for wrong in ({"sha256": "0" * 64}, {"size": 3}):
        with pytest.raises(BadEvidence, match="SHA-256"):
            evidence.file(produced.model_copy(update=wrong))


@pytest.mark.parametrize("escape", ["\\ud800", "\\uDFFF", "\\uD83D"])
def test_half_a_surrogate_pair_is_refused_however_it_is_written(recorder, written, escape):
    path = recorder.folder / "lesson-thing.json"
    path.write_text(json.dumps(json.loads(path.read_text())).replace('"n"', f'"n{escape}"'))
    with pytest.raises(BadEvidence, match="not Unicode"):
        Evidence(recorder.folder).record("lesson-thing")


def test_a_whole_pair_is_read(recorder, written):
    path = recorder.folder / "lesson-thing.json"
    path.write_text(path.read_text().replace('"n"', '"\\ud83d\\ude00"'))
    assert "\N{GRINNING FACE}" in Evidence(recorder.folder).record("lesson-thing").facts


@dataclasses.dataclass
class Reader:
    """A reader that counts its calls."""

    calls: int = 0

    def __call__(self, data, *extra):
        self.calls += 1
        if data == b"bad":
            raise BadEvidence("bad")
        return len(data), *extra


@pytest.fixture
def reader():
    return Reader()


def counted(reader, keeps=lambda _: True):
    return once(keeps=keeps)(lambda data, *extra: reader(data, *extra))


def test_a_kept_file_is_parsed_once_for_the_same_arguments(reader):
    parse, data = counted(reader), KeptFile(b"abc")
    assert [parse(data, "x"), parse(data, "x"), parse(data, "y")] == [(3, "x"), (3, "x"), (3, "y")]
    assert reader.calls == 2


def test_two_readers_and_two_files_are_kept_apart(reader):
    first, second = counted(reader), counted(reader)
    for parse in (first, second):
        for data in (KeptFile(b"abc"), KeptFile(b"abc")):
            assert parse(data) == parse(data) == (3,)
    assert reader.calls == 4


@pytest.mark.parametrize(("data", "keeps"), [(b"abc", True), (KeptFile(b"abc"), False), (KeptFile(b"bad"), True)])
def test_plain_bytes_large_results_and_errors_are_not_kept(reader, data, keeps):
    parse = counted(reader, keeps=lambda _: keeps)
    for _ in range(2):
        if data == b"bad":
            with pytest.raises(BadEvidence):
                parse(data)
        else:
            parse(data)
    assert reader.calls == 2
