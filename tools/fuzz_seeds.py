"""What the fuzzer starts from: the recorded references, and small files made of their parts."""

import gzip
import json
import shutil
import struct
import zlib
from functools import cache
from pathlib import Path

from grading.likeness.known import unpacked
from labkit import daylog
from labkit.elf.image import FILE_HEADER, SECTION_HEADER, Image
from labkit.trace import extract
from labkit.trace.analysis import steps
from labkit.trace.model import Trace

ROOT = Path(__file__).resolve().parents[1]
EVIDENCE = {lane: ROOT / "recordings" / f"{lane}-reference" / "evidence" for lane in ("cpu", "cuda")}
SMALL_LIBRARIES = (
    ("cpu", "environment-flags.Debug.so"), ("cpu", "environment-flags.Release.so"), ("cuda", "environment-flags.RelWithDebInfo.so"),
    ("cpu", "build-target.spinloop.abi3.so"),
)  # fmt: skip
READ = (
    ".text", ".dynsym", ".dynstr", ".dynamic", ".symtab", ".strtab", ".note.gnu.build-id", ".debug_info", ".debug_abbrev", ".debug_aranges",
    ".debug_line", ".debug_str", ".debug_line_str", ".debug_loclists",
)  # fmt: skip
TRACES = (("cuda", "profile-trace", 2), ("cuda", "profile-graphs", 2), ("cpu", "profile-trace", 1))  # and of how many steps


def hand_in(lane: str, folder: Path) -> Path:
    """Copy a lane's recording, unpacked, and the solved notebooks into a submission's folder."""
    for path in sorted(EVIDENCE[lane].rglob("*")):
        if path.is_file():
            packed = path.suffix == ".xz"
            target = folder / "evidence" / path.relative_to(EVIDENCE[lane])
            target = target.with_suffix("") if packed else target
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(unpacked(path))
    for notebook in sorted((ROOT / "source" / "day2").glob("*.ipynb")):
        shutil.copy(notebook, folder)
    return folder


def records(*patterns: str) -> list[bytes]:
    """Return the recorded records whose names fit one of the patterns."""
    return [path.read_bytes() for folder in EVIDENCE.values() for pattern in patterns for path in sorted(folder.glob(f"{pattern}.json"))]


def small_records() -> list[bytes]:
    """Return the recorded records of at most 20 kB."""
    return [raw for raw in records("*") if len(raw) < 20_000]


def notebooks() -> list[bytes]:
    """Return small notebooks: the first cells with marks of solved ones, without outputs."""
    found = []
    for path in sorted((ROOT / "source" / "day2").glob("*.ipynb")):
        document = json.loads(path.read_bytes())
        marked = [cell for cell in document["cells"] if "nbgrader" in cell["metadata"]][:6]
        found.append(json.dumps({**document, "cells": marked}).encode())
    return found


@cache
def libraries() -> list[bytes]:
    """Return the small recorded libraries, plain and with compressed debug sections."""
    plain = [(EVIDENCE[lane] / "files" / name).read_bytes() for lane, name in SMALL_LIBRARIES]
    return [*map(shrunk, plain), *plain, *map(with_packed_sections, map(shrunk, plain[:2]))]


def with_packed_sections(library: bytes) -> bytes:
    """Compress a library's debug sections as linkers do, and put them at its end."""
    table, count, changed = struct.unpack_from("<Q", library, 40)[0], struct.unpack_from("<H", library, 60)[0], bytearray(library)
    for number, section in enumerate(Image(library)._all[:count]):
        if section.name.startswith(".debug_"):
            content = struct.pack("<IIQQ", 1, 0, section.size, 1) + zlib.compress(library[section.offset : section.offset + section.size])
            at = table + number * SECTION_HEADER.size
            fields = list(SECTION_HEADER.unpack_from(changed, at))
            fields[2], fields[4], fields[5] = fields[2] | 0x800, len(changed), len(content)
            changed[at : at + SECTION_HEADER.size] = SECTION_HEADER.pack(*fields)
            changed += content
    return bytes(changed)


def shrunk(library: bytes) -> bytes:
    """Return a library with nothing but the sections that the course reads, a fifth as large, so that most changes matter."""
    image = Image(library)
    kept = [one for one in image._all if one.name in READ]
    place = {image._all.index(one): number for number, one in enumerate(kept, 1)}
    extras = [(one.kind, one.flags, one.address, place.get(one.link, 0)) for one in kept]
    sections = {one.name: library[one.offset : one.offset + one.size] for one in kept}
    small = bytearray(library_of(sections))
    table = struct.unpack_from("<Q", small, 40)[0]
    for number, (kind, flags, address, link) in enumerate(extras, 1):
        fields = list(SECTION_HEADER.unpack_from(small, table + number * SECTION_HEADER.size))
        fields[1:4], fields[6] = (kind, flags, address), link
        SECTION_HEADER.pack_into(small, table + number * SECTION_HEADER.size, *fields)
    return bytes(small)


def library_of(sections: dict[str, bytes]) -> bytes:
    """Return a shared library of nothing but some sections."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in sections) + b".shstrtab\0"
    body, headers, at = b"", SECTION_HEADER.pack(*[0] * 10), FILE_HEADER.size
    for name, content in {**sections, ".shstrtab": names}.items():
        headers += SECTION_HEADER.pack(names.find(name.encode() + b"\0"), 1, 0, 0, at + len(body), len(content), 0, 0, 1, 0)
        body += content
    head = (b"\x7fELF\x02\x01\x01".ljust(16, b"\0"), 3, 62, 1, 0, 0, at + len(body), 0, 64, 0, 0, 64, len(sections) + 2, len(sections) + 1)
    return FILE_HEADER.pack(*head) + body + headers


def fat_binaries() -> list[bytes]:
    """Return contents of .nv_fatbin as nvcc 13.0 lays them out: one of PTX and a packed cubin, one of a readable cubin, one of two containers."""
    cubin = library_of({".text._Z1kPf": b"\0" * 32, ".debug_info": b"\0" * 16, ".nv.info": b""})
    parts = [_entry(1, 0x11, b"// PTX" * 4), _entry(2, 0x8011, b"\x28\xb5\x2f\xfd" * 8), _entry(2, 0x13, cubin)]
    return [_container(parts[0] + parts[1]), _container(parts[2]), _container(parts[0]) + b"\0" * 8 + _container(parts[2] + parts[1])]


def _entry(kind: int, flags: int, body: bytes, name: bytes = b"k.cu\0\0\0\0") -> bytes:
    head = struct.pack("<HHIQIIHHIIIQQQ", kind, 0x101, 64 + len(name), len(body), 0, 0, 8, 1, 90, 64, len(name), flags, 0, 0)
    return head + name + body


def _container(entries: bytes) -> bytes:
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(entries)) + entries


@cache
def traces() -> tuple[Trace, ...]:
    """Return short stretches of recorded traces: a few steps with all that belongs to them."""
    return tuple(_short(lane, record_id, count) for lane, record_id, count in TRACES)


def _short(lane: str, record_id: str, count: int) -> Trace:
    trace = extract.parse((EVIDENCE[lane] / "files" / f"{record_id}.extract.trace.json.gz").read_bytes())
    label = json.loads((EVIDENCE[lane] / f"{record_id}.json").read_bytes())["facts"]["label"]
    return extract.cut(trace, steps(trace, label)[1 : 1 + count])


def packed_traces() -> list[bytes]:
    """Return the short traces as extracts."""
    return [extract.packed(trace) for trace in traces()]


def plain_traces() -> list[bytes]:
    """Return the short traces as an extract's text before it is compressed."""
    return [gzip.decompress(data) for data in packed_traces()]


def texts() -> list[bytes]:
    """Return what the recorded debuggers printed."""
    turns = [turn for raw in records("debuggers-*") for turn in json.loads(raw)["facts"].get("turns", ())]
    return sorted({turn["said"].encode() for turn in turns if isinstance(turn, dict) and 20 < len(turn.get("said", "")) < 4000})


def launches() -> list[bytes]:
    """Return the recorded launch.json."""
    answers = [json.loads(raw)["facts"].get("answer") for raw in records("debuggers-vscode-answer")]
    return [answer.encode() for answer in answers if isinstance(answer, str)] or [json.dumps(answers).encode()]


def answers() -> list[bytes]:
    """Return answers of all kinds to all questions."""
    kinds: list[object] = [["a"], 3, "a, c", ["a", "b", "c", "d"], "12", 2.0]
    return [bytes([number]) + json.dumps(kind).encode() for number in range(20) for kind in kinds]


def logs() -> list[bytes]:
    """Return two logs."""
    whole = {"learner": "ada", "confidence": dict.fromkeys(daylog.TOPICS, 5), "longest": "the build", "hours": 6.5}
    return [json.dumps(whole).encode(), json.dumps({**whole, "confidence": 7, "hours": 3}).encode()]


def replies() -> list[bytes]:
    """Return two replies of the judge."""
    verdict = {"state": "failed", "points": 0, "seen": "x", "expected": "y", "next_step": "", "goal": ""}
    return [json.dumps({"verdict": verdict, "fault": fault}).encode() for fault in ("", "line 1")]


def results() -> list[bytes]:
    """Return what a sandbox writes."""
    results = [{"value": "[1, 2]"}, {"value": '{"a": 1e5}'}, {"error": "ValueError", "message": "no"}]
    return [json.dumps({"results": results}).encode(), json.dumps({"problem": {"error": "SyntaxError", "message": "line 1"}}).encode()]
