"""vLLM's source tree: the sdist of the pinned version, fetched as a file.

`pip download --no-binary` would run vLLM's build back end (torch, CMake and all) only to learn the package's name.
"""

import ast
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from labkit import pins
from labkit.messages import LearnerMessage, explain_os_error, no_words
from labkit.paths import cache
from labkit.recorder import sha256_of


def vllm_source(say: Callable[[str], object] = no_words) -> Path:
    """Return the unpacked sdist of the pinned vLLM, fetched and checked by hash on first use (45 MB, 140 MB unpacked).

    `say` is told when that begins. Raises LearnerMessage when the package index does not answer, the file is not the pinned one,
    or the disk is full.
    """
    tree = cache() / "src" / f"vllm-{pins.VLLM}"
    if not (tree / ".complete").is_file():
        say(f"Fetching vLLM {pins.VLLM}'s source once: 45 MB, and 140 MB unpacked, in {cache()}.")
        archive = _archive()
        try:
            _unpack(archive, tree)
        except OSError as error:
            raise explain_os_error(error, "unpacking vLLM's source") from None
    return tree


def _archive() -> Path:
    archive = cache() / "sdist" / pins.VLLM_SDIST
    if not archive.is_file():
        _fetch(archive)
    if sha256_of(archive) != pins.VLLM_SDIST_SHA256:
        archive.unlink()
        raise LearnerMessage(
            f"{archive.name} is not the pinned file (its SHA-256 differs); it was removed.", "Run this cell again to fetch it anew."
        )
    return archive


def _fetch(archive: Path) -> None:
    import requests
    from pypi_simple import PYPI_SIMPLE_ENDPOINT, PyPISimple
    from pypi_simple.errors import NoSuchProjectError

    draft = archive.with_suffix(f".{os.getpid()}")
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        with PyPISimple(os.environ.get("PIP_INDEX_URL", PYPI_SIMPLE_ENDPOINT)) as index:
            found = next(p for p in index.get_project_page("vllm", timeout=30).packages if p.filename == pins.VLLM_SDIST)
            index.download_package(found, path=draft, timeout=60)
        draft.rename(archive)
    except (requests.RequestException, NoSuchProjectError, StopIteration) as error:
        raise LearnerMessage(
            f"The package index did not give {pins.VLLM_SDIST} ({type(error).__name__}).",
            f"Check the network and run this cell again, or put that file into {archive.parent} by hand.",
        ) from None
    except OSError as error:
        raise explain_os_error(error, "fetching vLLM's source") from None
    finally:
        draft.unlink(missing_ok=True)


def _unpack(archive: Path, tree: Path) -> None:
    draft = tree.parent / f".{tree.name}.{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(tree, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(draft, filter="data")
    (draft / tree.name / ".complete").touch()
    (draft / tree.name).rename(tree)
    draft.rmdir()


def snippet(tree: Path, path: str, symbol: str) -> tuple[int, str]:
    """Return the first line number and the text of a class or function of a Python file, given as "Class.method".

    Raises LearnerMessage when this version of vLLM does not have it there.
    """
    text = (tree / path).read_text()
    node: ast.AST = ast.parse(text)
    for name in symbol.split("."):
        children = (
            child for child in ast.iter_child_nodes(node) if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        )
        found = next((child for child in children if child.name == name), None)
        if found is None:
            raise LearnerMessage(f"{path} of {tree.name} has no {symbol}.", "Search for it: `grep -rn` in the source tree.")
        node = found
    assert isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    return node.lineno, "\n".join(text.splitlines()[node.lineno - 1 : node.end_lineno])
