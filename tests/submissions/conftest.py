"""Puts this folder on the path: the attacks and the tests import `handed` and `hostile_class`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
