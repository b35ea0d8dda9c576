"""Lesson 06, part 2: marks that are nested and closed pass on both lanes; leaks, trimmed traces and wrong answers are told what they are."""

import pytest

from grading.checks import exercises_markers as hidden
from grading.checks.profile_consistency import ATTENTION_OP, ENGINE_RANGE
from grading.submission import Submission
from labkit.checks.exercises_markers import ANSWER, RECORD, events_in, marks, ranges_of
from labkit.evidence import BadEvidence, Evidence
from labkit.learner import token_of, word
from labkit.measure import markers as measuring
from labkit.recorder import sha256_of
from labkit.records import Machine, ProducedFile, Record
from labkit.trace import extract
from labkit.trace.model import Call, Device, Op, Range, Trace, Work

LEARNER = "reference"
TOKEN = token_of(LEARNER)
LABEL, STORY = word(TOKEN, "marker label"), word(TOKEN, "marked story")
MS, LAYERS, STEPS, THREAD = 1_000_000, 3, 6, 7
SERVED = {"short": 0, "too_long": 200, "long": 300}  # when each begins, in ms
TOLD = {"short": 5, "long": 33}  # prompt tokens: the story once, and eight times
STEP_MS = {"short": 20, "long": 40}  # the prefill; a decode step takes 10


def mark(name, start, end):
    return Range(f"{LABEL} {name}", int(start * MS), int(end * MS), THREAD, 1)


def steps_of(name, start):
    """The prefill and five decode steps: (begin, end) in ms."""
    ends = [start + 1 + STEP_MS[name] + 10 * i for i in range(STEPS)]
    return list(zip([start + 1, *ends], ends, strict=False))


def ranges(leaking=False):
    found = [mark("old", -20, -5), mark("next", -10, -6)]
    for name, start in SERVED.items():
        if name == "too_long":
            found += [mark(name, start, 900 if leaking else start + 2), mark("prepare", start, start + 1)]
            continue
        steps = steps_of(name, start)
        found += [mark(name, start, steps[-1][1]), mark("prepare", start, start + 1)]
        found += [mark("prefill", *steps[0]), mark("decode", steps[1][0], steps[-1][1])]
    return found


def trace_of(device, own):
    """A trace with an engine step in each phase; per step and layer one attention operator, or one call and its kernel."""
    engine, ops, calls, work = [], [], [], []
    for name in STEP_MS:
        for begin, end in steps_of(name, SERVED[name]):
            engine.append(Range(ENGINE_RANGE, int(begin * MS) + 1, int(end * MS) - 1, THREAD, 1))
            for layer in range(LAYERS):
                at = int((begin + 1 + layer) * MS)
                ops.append(Op(ATTENTION_OP, at, at + MS // 2, THREAD, 1))
                calls.append(Call("cudaLaunchKernel", at, at + 1000, THREAD, 1, len(calls) + 1))
                work.append(Work("kernel", "flash::attention", at + 2000, at + MS // 2, 7, 1, len(calls)))
    spans = tuple(sorted([*own, *engine], key=lambda span: (span.start, -span.end)))
    if device:
        return Trace("nsys 2025.1", Device("NVIDIA H100 80GB HBM3"), tuple(work), tuple(calls), spans)
    return Trace("torch.profiler", None, (), (), spans, tuple(ops))


class Handed:
    """A submission in which only part 2 was done."""

    def __init__(self, folder, lane):
        self.folder, self.lane = folder, lane
        (folder / "evidence" / "files").mkdir(parents=True)
        self.own = ranges()
        self.facts = {
            "label": LABEL, "leaked": 1, "left_open": 0, "layers": LAYERS,
            "requests": {
                name: {"prompt_tokens": TOLD[name], "tokens": STEPS, "seconds": (STEP_MS[name] + 51) / 1000} for name in STEP_MS
            } | {"too_long": {"prompt_tokens": 0, "tokens": 0, "seconds": 0.002}},
        }  # fmt: skip
        self.facts["profiler"] = profiler = "nsys" if lane == "cuda" else "torch"
        story = f"The {STORY} house "
        self.command = ["python", "markers.py", "model", "float32", LABEL, profiler, "markers.json", story, 40 * story, 8 * story]
        self.save()

    def save(self, **changed):
        """Write the trace's record, and right answers but for those changed."""
        kept = self.folder / "evidence" / "files" / f"{RECORD}.markers.trace.json.gz"
        trace = trace_of(self.lane == "cuda", self.own)
        extract.write(extract.cut(trace, [span for span in trace.ranges if span.name.startswith(LABEL)]), kept)
        self.write(RECORD, self.facts, [ProducedFile(path=f"files/{kept.name}", sha256=sha256_of(kept), size=kept.stat().st_size)])
        right = {"prefill_percent": 100 * 40 / 91, "decode_events": 5 * LAYERS, "in_the_script": "none"}
        about = Evidence(self.folder / "evidence").digest(RECORD)
        self.write(ANSWER, {"answer": {key: changed.get(key, value) for key, value in right.items()}, "about": about})

    def write(self, name, facts, files=()):
        gpu = "NVIDIA H100 80GB HBM3" if self.lane == "cuda" else None
        record = Record(
            id=name, lane=self.lane, learner=LEARNER, token=TOKEN, versions={}, machine=Machine(cpu="x", cores=2, ram_gib=16, gpu=gpu),
            command=self.command if files else [], exit_code=0 if files else None, seconds=30.0, files=list(files), facts=facts,
        )  # fmt: skip
        (self.folder / "evidence" / f"{name}.json").write_text(record.model_dump_json())

    def grade(self):
        """Judge; bad evidence is a failed verdict, as in the judge."""
        try:
            verdict = hidden.markers(Submission(self.folder, LEARNER), 2.0)
        except BadEvidence as bad:
            return "failed", str(bad)
        return verdict.state, f"{verdict.seen} | {verdict.next_step}"

    def rejected(self, words):
        """Save, judge, and see that these words are in what the learner is told."""
        state, told = self.grade()
        assert state == "failed"
        assert words in told


@pytest.fixture(params=["cpu", "cuda"])
def handed(tmp_path, request):
    """A right submission of each lane."""
    return Handed(tmp_path / "day2", request.param)


def test_marks_that_fit_pass(handed):
    assert handed.grade() == ("passed", handed.grade()[1])


def test_a_range_that_is_never_closed_swallows_the_next_request(handed):
    handed.own = ranges(leaking=True)
    handed.save()
    handed.rejected("still open when the next request comes")


def without(*names):
    return [span for span in ranges() if span.name.removeprefix(f"{LABEL} ") not in names]


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (without("short", "too_long", "long"), "one range around all phases"),
        (without("prepare"), "a range around each phase"),
        (without("prefill"), "a range around each phase"),
        (without("decode"), "a range around each phase"),
        (without("old", "next"), "leave that part as it is"),
        ([*ranges(), mark("short", 500, 510)], "one range around all phases"),
        ([span._replace(end=span.end + 30 * MS) if span.name == f"{LABEL} prefill" and span.start < 100 * MS else span for span in ranges()], "lie in each other"),
    ],
)  # fmt: skip
def test_marks_that_are_missing_or_lie_wrong_are_told(handed, own, words):
    handed.own = own
    handed.save()
    handed.rejected(words)


def test_a_prefill_with_two_steps_is_told(handed):
    second = steps_of("long", SERVED["long"])[1][1]
    moved = {f"{LABEL} prefill": {"end": second * MS}, f"{LABEL} decode": {"start": second * MS}}
    handed.own = [span._replace(**moved.get(span.name, {})) if span.start >= 300 * MS else span for span in ranges()]
    handed.save()
    handed.rejected("prefill is the first step only")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"prefill_percent": 40 / 91}, "looks like a fraction"),
        ({"prefill_percent": 100 * 20 / 71}, "in the request `short`"),
        ({"prefill_percent": 100 - 100 * 40 / 91}, "share of the rest"),
        ({"prefill_percent": 12}, "third column"),
        ({"prefill_percent": "44"}, "In percent"),
        ({"prefill_percent": 10**400}, "In percent"),
        ({"decode_events": 6 * LAYERS}, "without its prefill"),
        ({"decode_events": LAYERS}, "That is"),
        ({"decode_events": 1.5}, "From the table"),
        ({"decode_events": True}, "From the table"),
        ({"in_the_script": "all"}, "Who launches the kernels"),
        ({"in_the_script": "prefill"}, "Who launches the kernels"),
        ({"in_the_script": ["none"]}, "One of these words"),
    ],
)
def test_a_wrong_answer_is_told_what_it_is(handed, changed, words):
    handed.save(**changed)
    handed.rejected(words)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"label": "kiosk"}, "label"),
        ({"leaked": 0}, "the old way leaks"),
        ({"left_open": 2}, "each range that is opened is closed once"),
        ({"requests": []}, "clock"),
        ({"layers": 4}, "attention in"),
        ({"layers": None}, "attention in"),
    ],
)
def test_facts_that_were_edited_fail(handed, facts, words):
    handed.facts |= facts
    handed.save()
    handed.rejected(words)


def test_a_trace_of_another_run_does_not_fit_the_scripts_clock(handed):
    handed.facts["requests"]["long"]["seconds"] = 3.0
    handed.save()
    handed.rejected("long: the script's clock")


def test_other_prompts_do_not_fit(handed):
    handed.command[-1] = "The other house"
    handed.save()
    handed.rejected("prompts with your word")


def test_what_the_notebook_shows(handed, capsys):
    mine = marks(Submission(handed.folder, LEARNER).evidence)
    measuring.show_ranges(mine)
    shown = capsys.readouterr().out
    assert "└ decode" in shown
    assert measuring.place_of_next(mine) == "inside"
    assert events_in(mine.trace, mine.phase("long", "decode")) == 5 * LAYERS
    with pytest.raises(KeyError, match="too_long: decode"):
        mine.phase("too_long", "decode")


def test_a_trace_without_marks_shows_nothing_and_says_so(handed, capsys):
    handed.own = [mark("old", -20, -5), mark("next", -4, -3)]
    handed.save()
    mine = marks(Submission(handed.folder, LEARNER).evidence)
    measuring.plot(mine, "long")
    assert "no range 'long' yet" in capsys.readouterr().out
    assert measuring.place_of_next(mine) == "beside"
    assert measuring.place_of_next(mine._replace(ranges=[])) == "missing"
    assert ranges_of(mine.trace, "other") == []
