"""Hidden checks of lesson 06_exercises, part 1: build types of host code, and nvcc's options for device code."""

from grading.checks.combine import both
from grading.checks.speed_plausible import plausible
from grading.submission import Submission
from grading.verdict import Verdict
from labkit import overlay_elf
from labkit.checks import exercises_build_types as visible
from labkit.checks import exercises_device_code as device
from labkit.checks.exercises_build_types import BUILD_TYPES, NEW_TOKENS, SOURCE, Speed, median_of
from labkit.checks.reading import answer_of, word_of
from labkit.evidence import Evidence
from labkit.learner import word
from labkit.records import Record
from labkit.rows import Row, row

LESSON = "exercises"
MANY_FILES = 20  # of torch's headers that the lines of a build name; 118 to 150 with the light headers
CLOSE = 0.03  # of a ratio: a learner may round
CLOSE_PERCENT = 0.1  # of the expected fall: a share of the old time or of the new one; rounding to two digits is within 5 %
CLOSE_TO_NONE = (
    0.01  # percent: what rounding to two decimals leaves, where nothing is to be expected. One decimal would let 0.0 pass for all of them
)
ROUNDED = 0.05  # percent: what rounding to one decimal leaves
SAME = {"-O0", "-O0 -g", "-O3 -lineinfo"}
AGAIN = "Run the lesson's cells again."


def build_types(submission: Submission, points: float) -> Verdict:
    """You measured three builds of one function, and know how little of the difference a token sees."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("exercises-speed"), answer_of(evidence, "exercises-build_types-answer")
        speed = visible.read_speed(record)
        ratio, fall = float(given["ratio"]), float(given["fall"])
        close = abs(fall - speed.expected) <= max(CLOSE_TO_NONE, CLOSE_PERCENT * abs(speed.expected))
        return [
            *_builds(evidence),
            *_run(record, speed),
            *plausible(record, speed),
            row("RATIO", f"{ratio:.3g}", f"{speed.ratio:.3g}", ratio_advice(ratio, speed), ok=_near(ratio, speed.ratio)),
            row("FALL", f"{fall:.3g} %", f"{speed.expected:.3g} %", fall_advice(fall, speed), ok=close),
            row("NOISE", word_of(given["noise"], visible.NOISE), speed.noise, "Do the middle halves of tokens per second overlap? A difference of medians alone is no result."),
        ]  # fmt: skip

    return both(visible.build_types(evidence), hidden, points)


def _builds(evidence: Evidence) -> list[Row]:
    record = evidence.record("exercises-builds")
    kept, rows = visible.libraries(evidence, record), []
    for name, (data, found) in kept.items():
        mangled = visible.defined(found)
        begins = overlay_elf.starts_at(data, mangled, name) if mangled else None
        torch = sum("/torch/" in file for file in found.line_files)
        rows += [
            row(f"{name}: the function begins in", begins[0] if begins else "nowhere", SOURCE[record.lane], AGAIN,
                ok=bool(begins and begins[0].endswith(f"/{SOURCE[record.lane]}"))),
            row(f"{name}: lines of torch's headers", torch >= MANY_FILES, True, AGAIN),
        ]  # fmt: skip
    data, found = kept["Debug"]
    traces = overlay_elf.traces_of_optimisation(found, data, visible.defined(found))
    ids = {found.build_id for _, found in kept.values()}
    return [
        *rows,
        row("Debug: traces of an optimiser", list(traces), [], AGAIN),
        row("different builds", len(ids), len(BUILD_TYPES), AGAIN),
    ]


def _run(record: Record, speed: Speed) -> list[Row]:
    words = [word(record.token, purpose) for purpose in ("build place", "build animal")]
    asked = str(visible.tokens_of(record.token, record.lane)) in record.command and any(
        all(w in part for w in words) for part in record.command
    )
    took = sum(sum(times) for times in speed.engine.values())
    calls = {count for counts in speed.calls.values() for count in counts}
    rows = [
        row("exit code", record.exit_code, 0, AGAIN),
        row("the lesson's script, with your tokens and words", "speed.py" in record.command and asked, True, "Run the lesson's cell."),
        row("seconds of the runs", f"{took:.1f} of {record.seconds:.1f}", "no more than the command took", AGAIN, ok=took < record.seconds),
        row("calls per run", sorted(calls), f"one number, a multiple of {NEW_TOKENS}", "Part 1 needs the course's own model.",
            ok=len(calls) == 1 and min(calls) % NEW_TOKENS == 0),
    ]  # fmt: skip
    if record.lane == "cpu":  # on a GPU the build type changes host code only: the larger measurement does not see it
        rows.append(
            row("Debug against Release", f"{speed.ratio:.3g}", "slower: no vector stays in a register", AGAIN, ok=speed.ratio > 1.5)
        )
    return rows


def ratio_advice(given: float, speed: Speed) -> str:
    """Name the misconception behind a wrong ratio of one call."""
    if _near(given * speed.ratio, 1):
        return "That is upside down: how many times as long as Release does Debug take?"
    if _near(given, speed.first["Debug"] / speed.first["Release"]):
        return "That is the ratio of the very first calls, when caches are cold and pages are mapped. Take the medians of the samples."
    if _near(given, median_of(speed.small, "Debug") / median_of(speed.small, "Release")):
        return "That is with one token, when most of a call is torch's dispatcher. Use your number of tokens."
    if _near(given, speed.throughput("Release").median / speed.throughput("Debug").median):
        return "That is the whole engine. RATIO is about one call of the function."
    return "median of Debug's samples over median of Release's, with your number of tokens."


def fall_advice(given: float, speed: Speed) -> str:
    """Name the misconception behind a wrong expectation of tokens per second."""
    slower = 100 * (1 - 1 / speed.ratio)
    if given >= 50 or _near(given, slower):
        return '"A debug build is ten times slower" holds for a loop, not for the engine: which share of a token\'s time is this function?'
    if abs(given + speed.expected) <= CLOSE_PERCENT * abs(speed.expected):
        return "FALL is by how much tokens per second get less: a positive number when Debug is slower."
    if abs(given - speed.expected) <= ROUNDED:
        return "That is near. Give two digits that are not 0: the number is small, and that is the point."
    calls = median_of(speed.calls, "Debug") / NEW_TOKENS
    if _near(given, speed.expected / calls, CLOSE_PERCENT):
        return "That is the share of one call. How many calls does a token take?"
    if _near(given * 100, speed.expected, CLOSE_PERCENT):
        return "That is a share. How many percent is it?"
    return "100 * more / (step + more): more is the difference of one call (1 token) times the calls per token."


def device_code(submission: Submission, points: float) -> Verdict:
    """You know what -G, -lineinfo and nvcc's -O0 do to a kernel, from the kernel itself."""
    evidence = submission.evidence

    def hidden() -> list[Row]:
        record, given = evidence.record("exercises-device"), answer_of(evidence, "exercises-device_code-answer")
        table = device.table_of(record)
        same, more = set(given["same_code"]), float(given["registers"])
        true = table["-O3 -G"]["registers"] / max(1, table["-O3"]["registers"])
        return [
            *_cubins(record, table),
            row("SAME_CODE", sorted(same - {"-O3"}), sorted(SAME), same_advice(same), ok=same - {"-O3"} == SAME),
            row("LINES", given["lines"], "-O3 -lineinfo", lines_advice(str(given["lines"]))),
            row("ONLY_G", str(given["only_g"]).strip(), ".debug_info", only_advice(str(given["only_g"]).strip())),
            row("REGISTERS", f"{more:.3g}", f"{true:.3g}", "Upside down? With -G over -O3." if _near(more * true, 1) else "Two numbers of the first column.",
                ok=_near(more, true)),
        ]  # fmt: skip

    return both(visible.CHECKS["device_code"](evidence), hidden, points)


def _cubins(record: Record, table: dict[str, dict[str, object]]) -> list[Row]:
    """Rows that the table is what nvcc makes: as recorded where nothing was compiled, consistent where it was."""
    label = device.label_of(record.token)
    if record.lane == "cpu":
        kept = {
            option: {"debug_sections": one["debug_sections"], **one["kernels"][label]} for option, one in device.recorded_options().items()
        }
        changed = [option for option in table if table[option] != kept.get(option)]
        return [row("rows that differ from the recording", changed, [], AGAIN)]
    code = {option: one["code_sha256"] for option, one in table.items()}
    return [
        row("machine code with -G", code["-O3 -G"] != code["-O3"], True, AGAIN),
        row("machine code with the others", len({code[option] for option in ("-O3", *SAME)}), 1, AGAIN),
        row("sections with -G", ".debug_info" in str(table["-O3 -G"]["debug_sections"]), True, AGAIN),
    ]


def same_advice(given: set[str]) -> str:
    """Name the misconception behind a wrong set of options."""
    if "-O3 -G" in given:
        return "-G turns the device's optimiser off, whatever -O says."
    if not {"-O0", "-O0 -g"} <= given:
        return "nvcc hands -O0 to the compiler of the host. Device code is optimised unless -G (or -Xptxas -O0) says otherwise: look at the column."
    return "-lineinfo adds a table of lines beside the machine code. It changes no instruction, so it slows nothing."


def lines_advice(given: str) -> str:
    """Name the misconception behind a wrong option for a profiler."""
    if "-G" in given:
        return "-G writes lines, too, but the kernel that you then profile is another one: look at registers and machine code."
    return "Which options write .debug_line? -g alone is for the host."


def only_advice(given: str) -> str:
    """Name the misconception behind a wrong section."""
    known = {
        ".debug_line": "-lineinfo writes that one, too: it holds lines only.",
        ".debug_frame": "That one is there without any option.",
        ".symtab": "A symbol table is there always, and no program runs slower for it.",
    }
    return known.get(given, "Which section did a CPU library need in lesson 02 for types and variables?")


def _near(given: float, true: float, tolerance: float = CLOSE) -> bool:
    return abs(given - true) <= tolerance * abs(true)


CHECKS = [build_types, device_code]
