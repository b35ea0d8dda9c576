"""What the pages point to is there: files of this course, pages of the vLLM that it is about. For names in its source: test_references.py."""

import re
import tarfile
from pathlib import Path

import pytest

from labkit import paths, pins
from tests.lessons.conftest import ROOT

LESSONS = sorted((ROOT / "lessons").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "recordings/README.md"]
DOCS = re.compile(r"https?://docs\.vllm\.ai/en/([^/\s)>\"']+)/([^\s)>\"'#`]*)(#[\w-]+)?")
GITHUB = re.compile(r"https?://github\.com/vllm-project/vllm(?:/(blob|tree)/([^/\s)]+)/([^\s)#>\"'`]+))?")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_resolve(page):
    targets = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text())
    assert [t for t in targets if not (page.parent / t).exists()] == []


@pytest.fixture(scope="module")
def vllm():
    """vLLM's source distribution: its names, and the text of a file."""
    tree, archive = paths.cache() / "src" / f"vllm-{pins.VLLM}", paths.cache() / "sdist" / pins.VLLM_SDIST
    if (tree / ".complete").is_file():
        return Tree(tree)
    if archive.is_file():
        return Archive(archive)
    pytest.skip(f"{pins.VLLM_SDIST} is not in the course's cache ({paths.cache()}): `labkit prepare` fetches it")


class Tree:
    """The unpacked distribution."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        return (self.folder / name).exists()

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()


class Archive:
    """The packed one."""

    def __init__(self, path: Path) -> None:
        self.path, self.top = path, f"vllm-{pins.VLLM}/"
        with tarfile.open(path) as packed:
            self.names = {member.name.removeprefix(self.top) for member in packed}

    def has(self, name: str) -> bool:
        return name.rstrip("/") in self.names

    def text(self, name: str) -> str:
        with tarfile.open(self.path) as packed:
            found = packed.extractfile(self.top + name)
            return found.read().decode() if found else ""


def docs_problem(vllm, version: str, path: str, anchor: str) -> str:
    """What is wrong with an address under docs.vllm.ai, "" when nothing is: the page is docs/PATH.md or docs/PATH/README.md."""
    if version != f"v{pins.VLLM}":
        return f"/en/{version}/ is not the version of this course: write /en/v{pins.VLLM}/"
    stem = path.rstrip("/").removesuffix(".html")
    names = [name for name in (f"docs/{stem}.md", f"docs/{stem}/README.md", f"docs/{stem}/index.md") if vllm.has(name)]
    if not names:
        return f"no docs/{stem}.md, and no docs/{stem}/README.md"
    return "" if not anchor or anchor[1:] in anchors(vllm.text(names[0])) else f"{names[0]} has no heading for {anchor}"


def anchors(markdown: str) -> set[str]:
    """The addresses of headings, as MkDocs makes them."""
    return {re.sub(r"[^\w\s-]", "", title).strip().lower().replace(" ", "-") for title in re.findall(r"^#+ +(.+)$", markdown, re.MULTILINE)}


@pytest.mark.parametrize("page", [*PAGES, *LESSONS], ids=lambda p: str(p.relative_to(ROOT)))
def test_links_to_vllm_are_pages_and_files_of_the_pinned_version(page, vllm):
    text = page.read_text()
    problems = [problem for found in DOCS.finditer(text) if (problem := docs_problem(vllm, found[1], found[2], found[3] or ""))]
    for _, version, path in (found for found in GITHUB.findall(text) if found[0]):
        problems += [] if version == f"v{pins.VLLM}" and vllm.has(path) else [f"{path} in {version}: not a file of v{pins.VLLM}"]
    assert problems == []


FEW = {"docs/a/b.md": "# Title\n## A heading: two!\n", "docs/c/README.md": ""}


class Stub:
    """A distribution of two files."""

    def has(self, name: str) -> bool:
        return name in FEW

    def text(self, name: str) -> str:
        return FEW[name]


def test_wrong_addresses_are_found():
    version = f"v{pins.VLLM}"
    good = [(version, "a/b/", "#a-heading-two"), (version, "a/b.html", ""), (version, "c/", "")]
    bad = [("latest", "a/b/", ""), (version, "a/x/", ""), (version, "a/b/", "#nowhere")]
    assert [bool(docs_problem(Stub(), *address)) for address in good + bad] == [False] * 3 + [True] * 3
