"""bench/batch.py compares like with like: its command line asks for the engine that the lesson's sweep.py starts."""

import re

from bench import batch
from labkit.lane import Lane


def test_the_official_command_gets_the_pool_of_the_lessons_sweep() -> None:
    lane, plan = Lane("cuda", (), "float16"), batch.LANES["cuda"]
    line = batch.official("model", lane, batch.settings_of(lane, plan), plan["compared"])
    pool = re.search(r"kv_cache_memory_bytes=2\*\*(\d+)", batch.solved_sweep(batch.LESSON))

    assert pool and int(line[line.index("--kv-cache-memory-bytes") + 1]) == 2 ** int(pool[1])
