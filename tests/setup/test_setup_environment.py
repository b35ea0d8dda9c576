"""environment.yml brings what the set-up asks for, and says nothing that the lock says differently."""

import re

import pytest
import yaml

from tools import lock, setup, setup_machine

TEXT = (lock.ROOT / "environment.yml").read_text()
PACKAGES = dict((*entry.split("="), "")[:2] for entry in yaml.safe_load(TEXT)["dependencies"])


def test_its_python_is_one_the_locks_are_made_for():
    assert PACKAGES["python"] in lock.PYTHONS
    assert setup.wrong_python(tuple(int(part) for part in PACKAGES["python"].split("."))) == ""


def test_it_brings_every_tool_the_setup_asks_for():
    conda = {"g++": "gxx"}
    assert {conda.get(need.name, need.name) for need in setup_machine.TOOLS} <= set(PACKAGES)


def test_nothing_is_pinned_in_two_places():
    twice = set(PACKAGES) & set(lock.pins(lock.ROOT / "requirements" / "cuda.txt"))
    assert twice == set()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"(?:requirements|docs)/[\w./-]+", TEXT))))
def test_the_files_it_refers_to_exist(name):
    assert (lock.ROOT / name).is_file()


def test_it_refers_to_the_cuda_lock_and_the_model():
    assert "requirements/cuda.txt" in TEXT
    assert "requirements/model.txt" in TEXT
