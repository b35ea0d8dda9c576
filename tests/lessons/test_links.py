"""What the pages point to is there: files of this course, pages and names of the vLLM that it is about."""

import ast
import re
import tarfile
from functools import cache
from pathlib import Path

import pytest

from labkit import paths, pins
from tests.lessons.conftest import ROOT

LESSONS = sorted((ROOT / "lessons").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "recordings/README.md"]
DOCS = re.compile(r"https?://docs\.vllm\.ai/en/([^/\s)>\"']+)/([^\s)>\"'#`]*)(#[\w-]+)?")
GITHUB = re.compile(r"https?://github\.com/vllm-project/vllm(?:/(blob|tree)/([^/\s)]+)/([^\s)#>\"'`]+))?")
SYMBOL = re.compile(r"`([\w./-]+\.(?:py|cpp|cu|cuh|h|hpp|cmake|txt|toml)):([A-Za-z_][\w.]*)`")
BARE = re.compile(r"`((?:vllm|csrc|cmake|docs|tools|requirements)/[\w./-]+\.(?:py|cpp|cu|cuh|h|hpp|cmake|txt|toml|md))`")
GONE = {"vllm/core/scheduler.py"}  # the older course names it; lesson 06 shows that it is not there


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


def symbol_problem(vllm, path: str, symbol: str) -> str:
    """What is wrong with `path:symbol`, "" when nothing is."""
    if not vllm.has(path):
        return f"{path} is not there"
    text = vllm.text(path)
    if path.endswith(".py"):
        return "" if symbol in names_of(text) else f"{path} defines no {symbol}"
    return "" if re.search(rf"\b{re.escape(symbol)}\b", text) else f"{path} has no {symbol}"


@cache
def names_of(text: str) -> frozenset[str]:
    """All names that a Python file defines, as "Class.method"; names that it assigns, too."""

    def walk(node, prefix):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield prefix + child.name
                yield from walk(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.Assign | ast.AnnAssign):
                targets = child.targets if isinstance(child, ast.Assign) else [child.target]
                yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))
            elif not isinstance(child, ast.expr):
                yield from walk(child, prefix)

    return frozenset(walk(ast.parse(text), ""))


@pytest.mark.parametrize("page", [*PAGES, *LESSONS], ids=lambda p: str(p.relative_to(ROOT)))
def test_links_to_vllm_are_pages_and_files_of_the_pinned_version(page, vllm):
    text = page.read_text()
    problems = [problem for found in DOCS.finditer(text) if (problem := docs_problem(vllm, found[1], found[2], found[3] or ""))]
    for _, version, path in (found for found in GITHUB.findall(text) if found[0]):
        problems += [] if version == f"v{pins.VLLM}" and vllm.has(path) else [f"{path} in {version}: not a file of v{pins.VLLM}"]
    assert problems == []


@pytest.mark.parametrize("page", LESSONS, ids=lambda p: p.stem)
def test_names_in_vllms_source_are_there(page, vllm):
    text = page.read_text()
    problems = [problem for path, symbol in SYMBOL.findall(text) if (problem := symbol_problem(vllm, path, symbol))]
    problems += [f"{path} is not there" for path in BARE.findall(text) if path not in GONE and not vllm.has(path)]
    assert problems == []


FEW = {"docs/a/b.md": "# Title\n## A heading: two!\n", "docs/c/README.md": "", "x.py": "class A:\n    def f(self): ...\nif 1:\n    B = 2\n"}


class Stub:
    """A distribution of three files."""

    def has(self, name: str) -> bool:
        return name in FEW

    def text(self, name: str) -> str:
        return FEW[name]


def test_wrong_addresses_and_names_are_found():
    version = f"v{pins.VLLM}"
    good = [(version, "a/b/", "#a-heading-two"), (version, "a/b.html", ""), (version, "c/", "")]
    bad = [("latest", "a/b/", ""), (version, "a/x/", ""), (version, "a/b/", "#nowhere")]
    assert [bool(docs_problem(Stub(), *address)) for address in good + bad] == [False] * 3 + [True] * 3
    names = [("x.py", "A.f"), ("x.py", "B"), ("x.py", "f"), ("y.py", "A")]
    assert [bool(symbol_problem(Stub(), *name)) for name in names] == [False, False, True, True]
