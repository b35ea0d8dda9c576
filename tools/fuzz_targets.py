"""What is fuzzed: every reader of bytes that a stranger wrote and that grading meets, and whole checks. One line for each."""

from collections.abc import Callable
from dataclasses import dataclass

from labkit.elf.image import Unreadable
from labkit.evidence import BadEvidence
from labkit.messages import LearnerMessage
from labkit.trace.errors import BadTrace
from tools import fuzz_checks, fuzz_readers, fuzz_seeds
from tools.fuzz_mutate import Mutate, of_answer, of_bytes, of_elf, of_json


@dataclass(frozen=True)
class Target:
    """One reader: its group, inputs to begin with, how they are changed, what may be raised, and how it is called with bytes."""

    name: str
    group: str
    run: Callable[[bytes], str]
    seeds: Callable[[], list[bytes]]
    mutate: Mutate
    allowed: tuple[type[Exception], ...] = (BadEvidence,)


NOTHING: tuple[type[Exception], ...] = ()
TARGETS = {
    target.name: target
    for target in (
        Target("json", "json/records", fuzz_readers.read_json, fuzz_seeds.small_records, of_bytes),
        Target("record", "json/records", fuzz_readers.read_record, fuzz_seeds.small_records, of_json),
        Target("judge-reply", "json/records", fuzz_readers.read_reply, fuzz_seeds.replies, of_json, NOTHING),
        Target("sandbox-answer", "json/records", fuzz_readers.read_answer, fuzz_seeds.results, of_json, NOTHING),
        Target("likeness", "likeness", fuzz_readers.read_likeness, fuzz_seeds.small_records, of_json, NOTHING),
        Target("notebook", "notebooks", fuzz_readers.read_notebook, fuzz_seeds.notebooks, of_json),
        Target(
            "timestamp",
            "notebooks",
            fuzz_readers.read_timestamp,
            lambda: [b"2026-11-23 09:30:00.5 UTC", b"2026-11-23T09:30:00+01:00"],
            of_bytes,
            NOTHING,
        ),
        Target("overlay", "ELF/DWARF", fuzz_readers.read_overlay, fuzz_seeds.libraries, of_elf),
        Target("units", "ELF/DWARF", fuzz_readers.read_units, fuzz_seeds.libraries, of_elf),
        Target("fatbin", "fatbin", fuzz_readers.read_fatbin, fuzz_seeds.fat_binaries, of_bytes, (Unreadable,)),
        Target("trace-packed", "traces", fuzz_readers.read_trace, fuzz_seeds.packed_traces, of_bytes, (BadTrace,)),
        Target("trace", "traces", fuzz_readers.read_plain_trace, fuzz_seeds.plain_traces, of_json, (BadTrace,)),
        Target(
            "dialogue",
            "transcripts",
            fuzz_readers.read_dialogue,
            lambda: fuzz_seeds.records("debuggers-*", "build-failures", "inference-steps"),
            of_json,
        ),
        Target("cuda-text", "transcripts", fuzz_readers.read_text, fuzz_seeds.texts, of_bytes, NOTHING),
        Target("launch-json", "transcripts", fuzz_readers.read_launch, fuzz_seeds.launches, of_bytes, NOTHING),
        Target("quiz", "quiz/answers", fuzz_readers.read_quiz, fuzz_seeds.answers, of_answer, (BadEvidence, LearnerMessage)),
        Target("day-log", "quiz/answers", fuzz_readers.read_log, fuzz_seeds.logs, of_json, NOTHING),
        Target("checks", "whole checks", fuzz_checks.run, fuzz_checks.seeds, fuzz_checks.mutate, NOTHING),
    )
}
