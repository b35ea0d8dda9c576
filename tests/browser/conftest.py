"""One JupyterLab and one browser for all tests here, on a copy of the notebooks. Without a browser they are skipped, and the reason says what to install."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.desk import SHOTS, Desk
from tools.browsing import NO_BROWSER, ROOT, WINDOW, Server, find_browser, jupyterlab, open_browser

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run these tests last: while playwright's event loop lives in this thread, papermill cannot start one of its own."""
    items.sort(key=lambda item: HERE in item.path.parents)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Let a fixture know how its test went."""
    report = yield
    item.failed = getattr(item, "failed", False) or report.failed
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab on a course folder of its own: the notebooks as a learner gets them, nothing solved, no evidence."""
    course = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "notebooks", course / "notebooks", ignore=shutil.ignore_patterns("evidence", "work", "learner.json", ".*"))
    shutil.copy(ROOT / "nbgrader_config.py", course)
    with jupyterlab(course, tmp_path_factory.mktemp("jupyter")) as running:
        yield running


@pytest.fixture(scope="session")
def page() -> Iterator[Page]:
    """The one page that all tests use."""
    program = find_browser()
    if program is None:
        pytest.skip(NO_BROWSER)
    with open_browser(program) as browser:
        context = browser.new_context(viewport=WINDOW)
        context.tracing.start(screenshots=True)  # without snapshots of the page, which double the time
        yield context.new_page()
        context.close()


@pytest.fixture(scope="session")
def shared(page: Page, server: Server) -> Desk:
    return Desk(page, server)


@pytest.fixture
def desk(shared: Desk, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """The desk, for one test: afterwards the browser must not have complained. Of a test that fails, a trace is kept."""
    shared.test = request.node.name.removeprefix("test_").replace("[", "-").replace("]", "")
    shared.problems.clear()
    tracing = shared.page.context.tracing
    tracing.start_chunk(title=shared.test)
    yield shared
    if request.node.failed:
        shared.shot("failed")
    tracing.stop_chunk(path=SHOTS / f"{shared.test}-trace.zip" if request.node.failed else None)
    assert shared.problems == []
