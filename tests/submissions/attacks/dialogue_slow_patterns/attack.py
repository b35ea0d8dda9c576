from pathlib import Path

from handed import Context, edit, facts, record

HARD = (
    "a" * 8000,
    'File "' * 1300,
    "$" + "1" * 7990,
    "=" * 8000,
    " = <" * 2000,
    "(((((((" * 1100,
    "#0 " * 2600,
    "\x1b[" * 4000,
    "block (" * 1100,
    "already hit " * 660,
    "a_" * 4000 + "!",
)


def attack(submission: Path, course: Context) -> None:
    """Wants texts on which a careless pattern takes for ever; texts are bounded and patterns linear."""
    for record_id in (
        "debuggers-wheel",
        "debuggers-overlay",
        "debuggers-attach",
        "debuggers-kernel",
        "debuggers-illegal",
        "debuggers-hang",
        "debuggers-oob",
    ):

        def fill(found: dict) -> None:
            was = found["facts"].get("turns", [])
            found["facts"]["turns"] = [{**turn, "said": HARD[i % len(HARD)]} for i, turn in enumerate(was)]
            for name, value in found["facts"].items():
                if isinstance(value, str):
                    found["facts"][name] = HARD[len(name) % len(HARD)]
                if isinstance(value, dict):
                    found["facts"][name] = {
                        key: HARD[len(key) % len(HARD)] * 8 if isinstance(one, str) else one for key, one in value.items()
                    }

        edit(submission, record_id, fill)
    logs = record(submission, "build-failures")["facts"]["logs"]
    facts(submission, "build-failures", logs={name: (HARD[i] * 20)[:150_000] for i, name in enumerate(logs)})
