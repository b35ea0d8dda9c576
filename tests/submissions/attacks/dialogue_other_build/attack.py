from pathlib import Path

from handed import Context, facts


def attack(submission: Path, course: Context) -> None:
    """Wants a session in other libraries to pass as one in these; build-ids in the process are those of the wheel and of lesson 02."""
    facts(
        submission,
        "debuggers-overlay",
        mapped=[["_C.abi3.so", "e049afc564da8e5f888e467a53d1f557d37ee63a"], ["liboverlay_compute_slot_mapping_kernel_impl.so", "ab" * 20]],
    )
    facts(submission, "debuggers-wheel", mapped=[["_C.abi3.so", "cd" * 20]])
