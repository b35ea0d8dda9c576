"""Evidence survives a round trip, carries no secrets, and hostile evidence is refused in bounded time."""

import contextlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit import evidence as reading
from labkit.evidence import BadEvidence, Evidence, Missing
from labkit.messages import LearnerMessage
from labkit.paths import course_root
from labkit.redact import redact


def test_what_is_written_is_read(recorder):
    written = recorder.write("lesson-thing", facts={"n": 3, "names": ["a"]})
    assert Evidence(recorder.folder).record("lesson-thing") == written
    assert (written.learner, written.facts["n"], written.lane) == ("ada", 3, "cpu")


def test_a_produced_file_is_kept_and_its_hash_checked(recorder, tmp_path):
    (tmp_path / "x.so").write_bytes(b"library")
    record = recorder.write("lesson-thing", files=[tmp_path / "x.so"])
    found = Evidence(recorder.folder)
    assert found.file(record.files[0]) == b"library"
    (recorder.folder / record.files[0].path).write_bytes(b"another")
    with pytest.raises(BadEvidence, match="SHA-256"):
        found.file(record.files[0])


def test_a_file_too_large_to_hand_in_is_refused_before_it_is_copied(recorder, tmp_path):
    with (tmp_path / "big.so").open("wb") as stream:
        stream.truncate(6 * 1024 * 1024)
    with pytest.raises(LearnerMessage, match="6,291,456 bytes"):
        recorder.write("lesson-thing", files=[tmp_path / "big.so"])


def test_a_killed_write_leaves_the_old_record(recorder, monkeypatch):
    recorder.write("lesson-thing", facts={"n": 1})

    def killed(self, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        recorder.write("lesson-thing", facts={"n": 2})
    assert Evidence(recorder.folder).record("lesson-thing").facts["n"] == 1
    assert [path.name for path in recorder.folder.iterdir()] == ["lesson-thing.json"]


def test_no_permission_is_a_message(recorder, monkeypatch):
    def refused(*args, **kwargs):
        raise PermissionError(13, "Permission denied", "evidence")

    monkeypatch.setattr(Path, "write_text", refused)
    with pytest.raises(LearnerMessage, match="No permission while writing evidence"):
        recorder.write("lesson-thing")


@pytest.mark.parametrize(
    "secret", ["hf_abcdefghijklmnop", "ghp_abcdefghijklmnopqrstuvwx", "sk-abcdefghijklmnop1234", "AKIAABCDEFGHIJKLMNOP"]
)
def test_credentials_are_removed(secret):
    assert secret not in redact(f"pushed with {secret} today")


def test_values_of_secret_variables_are_removed(monkeypatch):
    monkeypatch.setenv("MY_SERVICE_TOKEN", "plain-looking-value")
    assert redact("curl -H plain-looking-value") == "curl -H <removed>"


def test_home_and_course_folders_are_shortened(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert redact(f"{course_root()}/x and /home/ada/y") == "<course>/x and ~/y"
    assert redact("/home/adam/z") == "/home/adam/z"


def test_a_record_never_holds_the_environment(recorder, monkeypatch):
    monkeypatch.setenv("CANARY_VARIABLE", "canary-value-in-the-environment")
    recorder.write("lesson-thing", facts={"n": 1})
    assert "canary" not in (recorder.folder / "lesson-thing.json").read_text().lower()


@pytest.mark.parametrize("name", ["../outside.json", "/etc/passwd", "a/../../b", ""])
def test_paths_that_escape_are_refused(tmp_path, name):
    with pytest.raises(BadEvidence):
        reading.read_bounded(tmp_path, name, 100)


def test_links_pipes_folders_and_large_files_are_refused(tmp_path):
    (tmp_path / "real").write_text("x" * 200)
    (tmp_path / "link.json").symlink_to(tmp_path / "real")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "folder.json")
    os.mkfifo(tmp_path / "pipe.json")
    for name in ("link.json", "folder.json", "pipe.json", "linked/x", "real"):
        with pytest.raises(BadEvidence):
            reading.read_bounded(tmp_path, name, 100)


def test_a_missing_record_is_told_from_a_bad_one(tmp_path):
    with pytest.raises(Missing):
        Evidence(tmp_path).record("lesson-thing")
    with pytest.raises(Missing):
        Evidence(tmp_path / "no-folder").record("lesson-thing")


@pytest.mark.parametrize("text", ['{"n": NaN}', '{"n": 1e999}', '{"n": Infinity}', '{"a": 1, "a": 2}', "[" * 100_000, "{", "\ud800"])
def test_json_that_is_not_what_we_write_is_refused(text):
    with pytest.raises(BadEvidence):
        reading.parse_json(text.encode(errors="surrogatepass"), "x.json")


def test_unknown_keys_and_another_id_are_refused(recorder):
    recorder.write("lesson-thing", facts={"n": 1})
    path = recorder.folder / "lesson-thing.json"
    value = json.loads(path.read_text())
    path.write_text(json.dumps(value | {"bonus": 5}))
    with pytest.raises(BadEvidence, match="bonus"):
        Evidence(recorder.folder).record("lesson-thing")
    path.write_text(json.dumps(value | {"id": "other"}))
    with pytest.raises(BadEvidence, match="'other'"):
        Evidence(recorder.folder).record("lesson-thing")


@settings(deadline=None)  # a busy machine is no finding
@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_crash_the_reader(data):
    with contextlib.suppress(BadEvidence):
        reading.parse_json(data, "x.json")


def test_half_a_surrogate_pair_is_refused(recorder):
    recorder.write("lesson-thing", facts={"n": "x"})
    path = recorder.folder / "lesson-thing.json"
    path.write_text(path.read_text().replace('"x"', '"\\ud800"'))
    with pytest.raises(BadEvidence, match="not Unicode"):
        Evidence(recorder.folder).record("lesson-thing")
