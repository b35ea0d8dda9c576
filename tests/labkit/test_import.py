"""`import labkit` is cheap: a notebook's first cell answers at once."""

import subprocess
import sys


def seconds_to_import() -> float:
    code = "import time; t = time.perf_counter(); import labkit; print(time.perf_counter() - t)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def test_importing_labkit_takes_at_most_a_fifth_of_a_second():
    assert min(seconds_to_import() for _ in range(3)) <= 0.2


def test_a_laboratory_needs_neither_torch_nor_vllm(tmp_path):
    code = "import sys; from labkit import Lab; Lab('00_start_here', learner='ada', lane='cpu').doctor(); print(sorted({'torch', 'vllm'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip().endswith("[]")
