"""What a lesson imports: lane, doctor, command runner, evidence, visible checks, plots.

`from labkit import Lab` is all that a notebook needs. Names load on first use (PEP 562), so that `import labkit` stays
under 0.2 s and never touches torch.
"""

from importlib import import_module
from typing import Any

_HOME = {"Lab": "labkit.lab", "detect_lane": "labkit.lane", "examine": "labkit.doctor"}

__all__ = ["Lab", "detect_lane", "examine"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'labkit' has no attribute {name!r}")
