"""bench/batch.py compares like with like: its command line asks for the engine that the lesson's sweep.py starts."""

import re

from bench import batch
from labkit.lane import Lane


def test_the_official_command_gets_the_pool_of_the_lessons_sweep() -> None:
    lane, plan = Lane("cuda", (), "float16"), batch.LANES["cuda"]
    line = batch.official("model", lane, batch.settings_of(lane, plan), plan["compared"])
    pool = re.search(r"kv_cache_memory_bytes=2\*\*(\d+)", batch.solved_sweep(batch.LESSON))

    assert pool and int(line[line.index("--kv-cache-memory-bytes") + 1]) == 2 ** int(pool[1])


def test_a_medians_interval_narrows_with_the_pairs_and_keeps_within_what_was_measured() -> None:
    spread = [1 + (i % 11 - 5) / 100 for i in range(121)]
    low, high = batch.interval_of_median(spread)

    assert batch.interval_of_median([0.9, 1.0, 1.2]) == (0.9, 1.2)
    assert 0.985 <= low < 1 < high <= 1.015, "121 pairs that differ by 5 % tell 3 % apart"
