"""Rows on whether what lesson 06's markers.py wrote down can be of the run that was traced."""

from grading.checks.run_plausible import AGAIN, PACKAGED_LAYERS, STEP_SECONDS, is_packaged, ran_in_time, tokens_of_text
from labkit.checks.exercises_markers import Marks, requests_of
from labkit.rows import Row, row

PROFILERS = {"torch": "torch", "nsys": "nsys"}  # the script's word: how the trace names what recorded it
STORIES = 8  # times the story of `short` is the prompt of `long`
SEAM = 2  # tokens that a beginning, or two stories that touch, may share or lack
NAMED = 4  # words behind markers.py on its command line, to the profiler's


def plausible(mine: Marks) -> list[Row]:
    """Rows that fail for a script's notes that do not belong to the command and the trace. Assumes a clock per request."""
    record, script = mine.record, "markers.py"
    at = record.command.index(script) + NAMED if script in record.command else len(record.command)
    asked, noted = (record.command[at] if at < len(record.command) else ""), mine.facts.get("profiler")
    recorder = mine.trace.tool.lower()
    layers = mine.facts.get("layers")
    return [
        row("profiler", noted, f"{asked or 'one'}, as in the command", AGAIN, ok=noted == asked and asked in PROFILERS),
        row("profiler of the trace", mine.trace.tool, str(noted), AGAIN, ok=recorder.startswith(PROFILERS.get(str(noted), "?"))),
        row("layers", layers, PACKAGED_LAYERS, AGAIN, ok=not is_packaged(record) or layers == PACKAGED_LAYERS),
        *_prompts(mine),
        *_steps(mine),
        ran_in_time(record, sum(span.end - span.start for span in mine.requests.values()) / 1e9),
    ]  # fmt: skip


def _prompts(mine: Marks) -> list[Row]:
    """Tokens by the prompts in the command; the long one has eight times those of the short one."""
    noted = {name: facts.get("prompt_tokens") for name, facts in requests_of(mine.facts).items()}
    short, _, long = [*[""] * 3, *mine.record.command][-3:]
    rows = [row("too_long: prompt tokens", noted["too_long"], 0, f"vLLM refused it. {AGAIN}")]
    for name, prompt in (("short", short), ("long", long)):
        rows.append(tokens_of_text(f"{name}: prompt tokens", noted[name], prompt))
    one, all_ = noted["short"], noted["long"]
    fits = type(one) is int and type(all_) is int and STORIES * (one - SEAM) <= all_ <= STORIES * one
    return [*rows, row("prompt tokens of long", all_, f"{STORIES} times those of short ({one}), less a few", AGAIN, ok=fits)]


def _steps(mine: Marks) -> list[Row]:
    """No step of the engine is shorter than its layers need."""
    rows = []
    for name in ("short", "long"):
        took = min((one.end - one.start for one in mine.inside(mine.requests[name]) if one.name in ("prefill", "decode")), default=0) / 1e9
        least = f"at least {STEP_SECONDS * 1e6:.0f} µs"
        rows.append(row(f"{name}: shortest phase with a step", f"{took * 1e6:.3g} µs", least, AGAIN, ok=took >= STEP_SECONDS))
    return rows
