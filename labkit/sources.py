"""vLLM's source tree: the sdist of the pinned version, fetched as a file.

`pip download --no-binary` would run vLLM's build back end (torch, CMake and all) only to learn the package's name.
"""

import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from labkit import pins
from labkit.messages import LearnerMessage, explain_os_error, no_words
from labkit.paths import cache
from labkit.recorder import sha256_of
from labkit.references.find import look_up
from labkit.references.tree import Tree

T = TypeVar("T")


def vllm_source(say: Callable[[str], object] = no_words, version: str = pins.VLLM) -> Path:
    """Return the unpacked sdist of a vLLM, the pinned one unless another is asked for, fetched and checked on first use (45 MB, 140 MB unpacked).

    `say` is told when that begins. Raises LearnerMessage when the package index does not answer or has no such version, the file is not
    the one that labkit/pins.py knows by its hash (any other version: the one that the index lists), or the disk is full.
    """
    tree = cache() / "src" / f"vllm-{version}"
    if not (tree / ".complete").is_file():
        say(f"Fetching vLLM {version}'s source once: 45 MB, and 140 MB unpacked, in {cache()}.")
        archive = _archive(version)
        try:
            _unpack(archive, tree)
        except OSError as error:
            raise explain_os_error(error, "unpacking vLLM's source") from None
    return tree


def newest_version() -> str:
    """Return the newest released version that the package index has a source distribution of. Raises LearnerMessage when it does not answer."""
    from packaging.version import Version

    released = [Version(found.version) for found in _index(_sdists) if found.version and not found.is_yanked]
    return str(max(version for version in released if not version.is_prerelease))


def _archive(version: str) -> Path:
    archive = cache() / "sdist" / f"vllm-{version}.tar.gz"
    known = {pins.VLLM: pins.VLLM_SDIST_SHA256, **pins.VLLM_SDIST_OTHERS}.get(version)
    if not archive.is_file():
        _fetch(archive)
    if known and sha256_of(archive) != known:
        archive.unlink()
        raise LearnerMessage(
            f"{archive.name} is not the pinned file (its SHA-256 differs); it was removed.", "Run this cell again to fetch it anew."
        )
    return archive


def _fetch(archive: Path) -> None:
    draft = archive.with_suffix(f".{os.getpid()}")

    def download(index: Any) -> None:
        found = next(package for package in _sdists(index) if package.filename == archive.name)
        index.download_package(found, path=draft, timeout=60)  # compares with the hash that the index lists

    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        _index(download, archive)
        draft.rename(archive)
    except OSError as error:
        raise explain_os_error(error, "fetching vLLM's source") from None
    finally:
        draft.unlink(missing_ok=True)


def _sdists(index: Any) -> list[Any]:
    return [package for package in index.get_project_page("vllm", timeout=30).packages if package.package_type == "sdist"]


def _index(use: Callable[[Any], T], archive: Path | None = None) -> T:
    """Ask the package index something. What goes wrong with it becomes a message with a way out."""
    import requests
    from pypi_simple import PYPI_SIMPLE_ENDPOINT, PyPISimple
    from pypi_simple.errors import DigestMismatchError, NoDigestsError, NoSuchProjectError

    try:
        with PyPISimple(os.environ.get("PIP_INDEX_URL", PYPI_SIMPLE_ENDPOINT)) as index:
            return use(index)
    except StopIteration:
        raise LearnerMessage(
            f"The package index has no {archive.name if archive else 'vLLM'}.", "`pip index versions vllm` lists what it has."
        ) from None
    except (requests.RequestException, NoSuchProjectError, DigestMismatchError, NoDigestsError) as error:
        raise LearnerMessage(
            f"The package index did not give {archive.name if archive else 'the list of vLLM versions'} ({type(error).__name__}).",
            f"Check the network and run this cell again, or put that file into {archive.parent} by hand."
            if archive
            else "Check the network.",
        ) from None


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
    found = look_up(Tree(tree), f"{path}:{symbol}")
    if found.place is None or found.place.path != path:
        raise LearnerMessage(
            f"{path} of {tree.name} has no {symbol}.",
            f"It has moved to {found.place}." if found.place else "Search for it: `grep -rn` in the source tree.",
        )
    return found.place.line, found.place.of(Tree(tree))
