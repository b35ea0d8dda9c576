"""Edits of a submission's files, so that what belongs together still fits: hashes of produced files, and of the run that an answer is about."""

import base64
import gzip
import hashlib
import json
import random
from collections.abc import Mapping
from typing import Any

from grading.submission import marks_of, source_of
from tools.fuzz_mutate import of_bytes, of_elf
from tools.fuzz_seeds import EVIDENCE
from tools.fuzz_values import apply_edit

Files = dict[str, bytes | None]
ESCAPES = {0xE000 + number: mark for number, mark in enumerate("[]{}")}
RETURNING = """
for _name in [name for name, value in list(globals().items()) if callable(value) and not name.startswith("_")]:
    globals()[_name] = lambda *a, **k: {}
"""


def edited(originals: Mapping[str, bytes], edits: list[dict[str, Any]]) -> Files:
    """Return the files that the edits change, and those that have to change with them; None for one that is removed."""
    files: Files = {}
    if any(edit.get("op") == "lane" for edit in edits):
        files = {name: _other_lane(data) for name, data in originals.items() if name.endswith(".json")}
    for edit in edits:
        name = str(edit.get("file"))
        if name in originals and "op" in edit:
            before = files[name] if name in files else originals[name]
            files[name] = None if before is None else _one(name, before, edit)
    return {**files, **_agreeing(originals, files)}


def _other_lane(record: bytes) -> bytes:
    one, other = (f'"lane": "{lane}"'.encode() for lane in EVIDENCE)
    return record.replace(one, other) if one in record else record.replace(other, one)


def _one(name: str, before: bytes, edit: dict[str, Any]) -> bytes | None:
    if edit["op"] == "remove":
        return None
    if edit["op"] == "other lane's":
        other = [folder.parent / name for folder in EVIDENCE.values() if (folder.parent / name).is_file()]
        return next((path.read_bytes() for path in other if path.read_bytes() != before), before)
    if edit["op"] == "patch":
        return before[: edit["at"]] + base64.b64decode(edit["value"]) + before[edit["at"] + edit.get("instead_of", 0) :]
    if edit["op"] == "bytes":
        return (of_elf if edit.get("elf") else of_bytes)(random.Random(edit["seed"]), before)  # noqa: S311 - no secret
    if edit["op"] == "returns":
        return _returning(before, str(edit["value"]))
    if "at" not in edit:
        return before
    return _dumped(name, apply_edit(document(name, before), edit))


def _returning(notebook: bytes, expression: str) -> bytes:
    """Let all functions of a solved notebook return one value, whatever they are given."""
    content = json.loads(notebook)
    cells = content.get("cells") if isinstance(content, dict) else None
    for cell in cells if isinstance(cells, list) else []:
        marks = marks_of(cell) if isinstance(cell, dict) else {}
        source = source_of(cell) if marks.get("solution") is True and cell.get("cell_type") == "code" else None
        if source is not None:
            cell["source"] = source + RETURNING.format(expression)
    return json.dumps(content).encode()


def document(name: str, data: bytes) -> Any:
    """Return what a JSON file holds, compressed or not. Raises ValueError."""
    return json.loads(gzip.decompress(data) if name.endswith(".gz") else data)


def _dumped(name: str, content: Any) -> bytes:
    """Return a document's bytes; a trace's extract has its brackets escaped, as labkit.trace.extract writes it."""
    if not name.endswith(".gz"):
        return json.dumps(content).encode()
    text = json.dumps(_map_texts(content)).replace("\\ue000", "\\u005b").replace("\\ue001", "\\u005d")
    return gzip.compress(text.replace("\\ue002", "\\u007b").replace("\\ue003", "\\u007d").encode(), 1)


def _map_texts(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate({ord(mark): code for code, mark in ESCAPES.items()})
    if isinstance(value, list):
        return value if value and type(value[0]) is int else [_map_texts(one) for one in value]
    return {key: _map_texts(one) for key, one in value.items()} if isinstance(value, dict) else value


def _agreeing(originals: Mapping[str, bytes], files: Files) -> dict[str, bytes]:
    """Return the records that have to change with other files: hashes of what they produced, and of the run that they are about."""
    found: dict[str, bytes] = {}
    digests: dict[str, str] = {}
    for name in sorted((name for name in originals if name.endswith(".json")), key=lambda name: name.endswith("-answer.json")):
        before = originals[name]
        now = files.get(name, before)
        if now is not None and (fitted := _fitted(now, files, digests)) != now:
            found[name] = now = fitted
        if now is not None and now != before:
            digests[hashlib.sha256(before).hexdigest()] = hashlib.sha256(now).hexdigest()
    return found


def _fitted(raw: bytes, files: Files, digests: dict[str, str]) -> bytes:
    text = raw.decode(errors="replace")
    for old, new in digests.items():
        text = text.replace(old, new)
    for name, data in files.items():
        short = name.removeprefix("evidence/")
        if data is not None and f'"{short}"' in text and "/" in short:
            text = _rehashed(text, short, data)
    return text.encode(errors="replace") if text != raw.decode(errors="replace") else raw


def _rehashed(text: str, path: str, data: bytes) -> str:
    try:
        record = json.loads(text)
        for one in record["files"]:
            if one["path"] == path:
                one.update(sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        return json.dumps(record)
    except (ValueError, KeyError, TypeError, AttributeError):
        return text
