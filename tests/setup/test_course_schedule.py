"""Which solved notebook may start when: by names alone, without running any."""

import os
from functools import partial
from pathlib import Path

import pytest

from tools import schedule
from tools.schedule import cells_done, next_to_start, places, run_all

LESSONS = ["01_environment", "02_source_build", "03_debuggers", "04_first_inference", "05_nsight_systems", "06_exercises"]


def started(waiting: list[str], running: list[str], records: set[str] = frozenset(), at_once: int = 2) -> str | None:  # type: ignore[assignment]
    return next_to_start(waiting, running, records.__contains__, at_once)


def test_the_first_that_waits_starts_first() -> None:
    assert started(LESSONS, []) == "01_environment"


def test_no_more_start_than_may_run_at_once() -> None:
    assert started(LESSONS[2:], LESSONS[:2]) is None


def test_a_lesson_waits_for_the_record_of_the_one_that_it_follows_and_others_go_first() -> None:
    assert started(LESSONS[2:], ["02_source_build"]) == "04_first_inference"


def test_the_record_lets_it_start_before_the_other_one_is_over() -> None:
    assert started(LESSONS[2:], ["02_source_build"], {"build-edit"}) == "03_debuggers"


def test_nobody_waits_for_a_lesson_that_is_over_without_the_record() -> None:
    assert started(["03_debuggers"], []) == "03_debuggers"


def test_one_at_a_time_is_in_order() -> None:
    order, waiting = [], list(LESSONS)
    while waiting:
        order.append(started(waiting, [], at_once=1))
        waiting.remove(order[-1])  # type: ignore[arg-type]

    assert order == LESSONS


def test_the_one_that_measures_waits_until_no_other_one_does() -> None:
    assert started(["03_debuggers", "06_exercises"], ["02_source_build"]) is None
    assert started(["06_exercises"], ["03_debuggers"]) == "06_exercises"


def test_the_cuda_lane_has_one_place_because_it_has_one_gpu() -> None:
    assert places("cuda") == 1
    assert places("cuda", 3) == 3


def test_cores_and_memory_decide_on_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})

    def free(gib: float) -> int:
        monkeypatch.setattr(schedule.psutil, "virtual_memory", lambda: type("Memory", (), {"available": gib * 2**30}))
        return places("cpu")

    assert [free(gib) for gib in (3, 11, 13, 64)] == [1, 1, 2, 4]


def test_results_come_in_the_order_of_the_names(tmp_path: Path) -> None:
    told = list[str]()

    found = run_all(LESSONS, str.upper, recorded=lambda _: False, at_once=2, begins=told.append, ended=told.append, beat=print)

    assert found == [name.upper() for name in LESSONS]
    assert sorted(told) == sorted([*LESSONS, *found])


def test_what_goes_wrong_in_a_process_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        run_all(["01_environment"], _fail, recorded=lambda _: False, at_once=1, begins=print, ended=print, beat=print)


def _fail(_name: str) -> str:
    return str(1 / 0)


def test_two_run_at_the_same_time(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "meeting")  # whoever opens it waits for the other one
    meet = partial(_meet, tmp_path / "meeting")

    assert run_all(LESSONS[:2], meet, recorded=lambda _: False, at_once=2, begins=print, ended=print, beat=print) == LESSONS[:2]


def _meet(place: Path, name: str) -> str:
    os.close(os.open(place, os.O_RDONLY if name == LESSONS[0] else os.O_WRONLY))
    return name


def test_cells_are_counted_in_what_papermill_has_written(tmp_path: Path) -> None:
    notebook = tmp_path / "one.ipynb"
    assert cells_done(notebook) == ""
    notebook.write_text('{"cells": [{"metadata": {"papermill": {"status": "completed"}}}, {"metadata": {}}, ')
    assert cells_done(notebook) == ""
    notebook.write_text('{"cells": [{"metadata": {"papermill": {"status": "completed"}}}, {"metadata": {}}]}')
    assert cells_done(notebook) == "1 of 2"
