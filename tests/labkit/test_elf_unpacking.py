"""Sections are unpacked as far as they are read, and damage is seen or not whatever was read before."""

import random
import struct
import zlib

import pytest

from labkit.elf.unpacking import FIRST, Content, Stream, Unreadable

DATA = random.Random(1).randbytes(300_000) + bytes(2_000_000)
HEADER = struct.pack("<IIQQ", 1, 0, len(DATA), 1)
PACKED = HEADER + zlib.compress(DATA)
DAMAGED = bytearray(PACKED)
DAMAGED[200_000] ^= 1
BROKEN = {"damaged": bytes(DAMAGED), "cut off": PACKED[:250_000], "longer than it is": HEADER + zlib.compress(DATA[:310_000])}


def content(packed: bytes) -> Content:
    return Content(".debug_str", packed, len(DATA))


def seen(kept: Content, end: int) -> bytes | str:
    try:
        return kept.upto(end)[:end]
    except Unreadable as error:
        return str(error)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_read_is_the_section(seed):
    kept, draw = content(PACKED), random.Random(seed)
    for _ in range(20):
        end = draw.randrange(len(DATA) + 100)
        assert kept.upto(end)[:end] == DATA[:end]
    assert kept.whole() == DATA


def test_only_what_is_read_is_unpacked():
    kept = content(PACKED)
    stream = Stream(kept, bytes)
    stream.seek(100)
    assert stream.read(20) == DATA[100:120]
    assert len(kept.upto(0)) == FIRST


@pytest.mark.parametrize("packed", BROKEN.values(), ids=BROKEN)
def test_damage_is_seen_where_it_is_whatever_was_read_before(packed):
    ends = [10, FIRST, 150_000, 199_999, 200_001, 262_000, 300_000, 1_000_000, len(DATA)]
    alone = {end: seen(content(packed), end) for end in ends}
    assert alone[10] == DATA[:10]
    assert isinstance(alone[len(DATA)], str)
    for seed in range(20):
        kept, order = content(packed), random.Random(seed).choices(ends, k=30)
        assert [seen(kept, end) for end in order] == [alone[end] for end in order]


def test_reading_on_and_on_takes_few_steps():
    kept = content(PACKED)
    assert len({len(kept.upto(end)) for end in range(0, len(DATA), 1000)}) < 30


def test_what_a_stream_checks_does_not_depend_on_what_was_read_before():
    def looked_at(first: int) -> list[int]:
        kept, sizes = content(PACKED), []
        if first:
            kept.upto(first)
        stream = Stream(kept, lambda known: sizes.append(len(known)))
        for at in (10, 100_000, 250_000):
            stream.seek(at)
        return sizes

    assert looked_at(0) == looked_at(600_000) == looked_at(len(DATA))


def test_a_place_at_the_very_beginning_is_one_too():
    assert content(PACKED).upto(1)[:1] == DATA[:1]
    assert Stream(content(PACKED), bytes).read(1) == DATA[:1]
