"""Which model is used, and why; a damaged one is made again."""

import json
from pathlib import Path

import pytest

from labkit import model, pins, sources
from labkit.messages import LearnerMessage
from labkit.runner import Run


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A cache of its own, and a conversion that writes two small files; returns the list of conversions done."""
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(model, "_gguf_folder", lambda: tmp_path)
    done = []

    def convert(command, *, log, timeout, quiet):
        target = Path(command[-1])
        target.mkdir(parents=True)
        (target / "config.json").write_text("{}")
        (target / "model.safetensors").write_text("weights")
        done.append(target)
        return Run(tuple(map(str, command)), 0, 0.1, "", log)

    monkeypatch.setattr(model, "run", convert)
    return done


def test_the_packaged_model_is_converted_once(made):
    first, second = model.resolve("auto"), model.resolve()
    assert first == second
    assert (first.name, len(made)) == (pins.MODEL, 1)
    assert "ships with the course" in first.reason


def test_a_damaged_model_is_made_again(made):
    folder = model.packaged()
    (folder / "model.safetensors").write_text("other")
    assert model.packaged() == folder
    assert (folder / "model.safetensors").read_text() == "weights"
    assert len(made) == 2


def test_a_model_of_another_pin_is_made_again(made):
    folder = model.packaged()
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"gguf": "0" * 64}))
    model.packaged()
    assert len(made) == 2


def test_a_folder_is_taken_as_it_is(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert model.resolve(str(tmp_path)).location == tmp_path


@pytest.mark.parametrize("asked", ["./nothing", "/no/such/folder", "~/models/x"])
def test_a_folder_without_a_model_is_named(asked):
    with pytest.raises(LearnerMessage, match=r"no config\.json"):
        model.resolve(asked)


def test_a_hub_name_comes_from_the_local_cache_then_the_hub_then_falls_back(made, monkeypatch, tmp_path):
    monkeypatch.setattr(model, "_in_hub_cache", lambda name: tmp_path)
    assert model.resolve("org/name").location == tmp_path
    monkeypatch.setattr(model, "_in_hub_cache", lambda name: None)
    monkeypatch.setattr(model, "_on_hub", lambda name: True)
    assert model.resolve("org/name").location == "org/name"
    monkeypatch.setattr(model, "_on_hub", lambda name: False)
    found = model.resolve("org/name")
    assert (found.name, "did not offer org/name" in found.reason) == (pins.MODEL, True)


def test_an_unreachable_hub_answers_within_seconds(monkeypatch):
    pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed here")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert model._on_hub("org/name") is False


def test_a_full_disk_while_converting_is_a_message(made, monkeypatch):
    monkeypatch.setattr(model, "run", lambda command, *, log, timeout, quiet: Run(("x",), 1, 0.1, "No space left on device", log))
    with pytest.raises(LearnerMessage, match="could not be converted"):
        model.packaged()


def test_a_source_archive_with_another_hash_is_removed_and_named(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    archive = tmp_path / "sdist" / pins.VLLM_SDIST
    archive.parent.mkdir()
    archive.write_bytes(b"not it")
    with pytest.raises(LearnerMessage, match="SHA-256"):
        sources.vllm_source()
    assert not archive.exists()


def test_an_index_that_does_not_answer_is_a_message_with_a_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(LearnerMessage, match="by hand"):
        sources.vllm_source()


def test_a_snippet_is_found_by_name_and_a_missing_one_is_a_message(tmp_path):
    (tmp_path / "a.py").write_text("class C:\n    x = 1\n\n    def m(self):\n        return 2\n")
    assert sources.snippet(tmp_path, "a.py", "C.m") == (4, "    def m(self):\n        return 2")
    with pytest.raises(LearnerMessage, match=r"no C\.gone"):
        sources.snippet(tmp_path, "a.py", "C.gone")
