"""Visible checks of lesson 06_exercises, part 3: bytes of keys and values per token, and who sees which memory."""

from collections.abc import Mapping
from typing import Any

from labkit.checks.reading import answer_of, is_number, mapping, word_of
from labkit.checks.units import other_unit
from labkit.evidence import Evidence
from labkit.learner import pick
from labkit.rows import Row, VisibleCheck, example_row, row, still_about

MIB, GIB, GB = 2**20, 2**30, 10**9
MODES = ("one", "two")  # the engine in the script's process, and in processes of its own
POOLS, MORE = (160, 176, 192, 208, 224), (64, 80, 96, 112)  # MiB: the first run's pool, and how much larger the second run's is
GROWN = ("weights", "pool", "neither")
EXAMPLES: tuple[tuple[dict[str, Any], int], ...] = (  # configurations as in config.json, shortened, and bytes per value
    ({"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}, 2),  # opt-350m
    ({"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8}, 2),  # Llama 3 8B
    ({"hidden_size": 2304, "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256}, 2),  # Gemma 2 2B
    (
        {"hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "num_key_value_heads": 1, "head_dim": None},
        1,
    ),  # Falcon 7B, fp8
)
EXPECTED = (98_304, 131_072, 106_496, 4_096)
KINDS = ("every head has its own keys and values", "heads share them", "head_dim is given", "one for all, a byte per value")


def record_of(mode: str) -> str:
    """Return the id of a mode's record."""
    return f"exercises-memory-{mode}"


def pools_of(token: str) -> dict[str, int]:
    """Return how many bytes of KV cache each of a learner's runs asks for."""
    first = POOLS[pick(token, "pool", len(POOLS))]
    return {"one": first * MIB, "two": (first + MORE[pick(token, "more pool", len(MORE))]) * MIB}


def kv_bytes(evidence: Evidence) -> list[Row]:
    """Your function's bytes per token in four models, and in the one that you measured."""
    given = evidence.record("exercises-kv_bytes-examples").facts.get("answer")
    seen = list(given) if isinstance(given, list) else []
    seen += [None] * (len(EXAMPLES) - len(seen))
    rows = [
        example_row(
            f"example {number}: {kind}", value, expected, kv_advice(value, expected, config), ok=is_number(value) and value == expected
        )
        for number, (kind, value, expected, (config, _)) in enumerate(zip(KINDS, seen, EXPECTED, EXAMPLES, strict=False), 1)
    ]
    answer = answer_of(evidence, "exercises-kv_bytes-answer")
    return [
        *rows,
        still_about(evidence, "exercises-kv_bytes-answer", record_of("two")),
        *(
            row(name.upper(), answer.get(name), "a positive number of bytes", "Run the cell that computes it again.", ok=_positive(answer.get(name)))
            for name in ("predicted", "measured")
        ),
    ]  # fmt: skip


def kv_advice(seen: Any, expected: int, config: Mapping[str, Any]) -> str:
    """Name the misconception behind a wrong number of bytes per token."""
    if not _positive(seen):
        return "Return a whole number of bytes: what does the formula need, and where does it stand in the configuration?"
    heads, layers, hidden = config["num_attention_heads"], config["num_hidden_layers"], config["hidden_size"]
    shared, plain = config.get("num_key_value_heads") or heads, hidden // heads
    families = (
        (expected / 2, "Keys and values: each token leaves two vectors per head, not one."),
        (expected * heads / shared, "You counted the attention heads. Keys and values are kept for num_key_value_heads only."),
        (expected / layers, "That is one layer. Each layer keeps keys and values of its own."),
        (expected * 16, "That is a block of 16 tokens. How much is it for one token?"),
        (expected * 128, "That is a block of 128 tokens. How much is it for one token?"),
        (expected * 8, "Those are bits. bytes_per_value is in bytes already."),
        (expected * plain / (config.get("head_dim") or plain), "Where head_dim is given, it counts: hidden_size / heads is another number here."),
        (expected / shared, "That is one head. How many heads keep keys and values?"),
    )  # fmt: skip
    found = [advice for wrong, advice in families if wrong != expected and abs(seen - wrong) < 0.5]
    return found[0] if found else "Two vectors (K and V) of head_dim values, for each KV head of each layer, times the bytes of a value."


def memory(evidence: Evidence) -> list[Row]:
    """What is how large, which process holds it, and what generating adds."""
    answer = answer_of(evidence, "exercises-memory-answer")
    runs = [evidence.record(record_of(mode)) for mode in MODES]
    holder, held = answer.get("holder"), runs[1].facts.get("weights")
    weights = other_unit(answer.get("weights_gib"), float(str(held)) / GIB if is_number(held) else None, "GiB")
    asked, wanted = [run.facts.get("pool_asked") for run in runs], list(pools_of(runs[0].token).values())
    return [
        row("exit codes", [run.exit_code for run in runs], [0, 0], "Read the last lines of the runs; their logs are in work/06_exercises/logs."),
        row("pools asked for", asked, wanted, "Run the cell that runs memory_trace.py again: the pools follow from your name."),
        still_about(evidence, "exercises-memory-answer", record_of("two")),
        *(
            row(name.upper(), answer.get(name), f"a number of {unit}", other or "Read it from the tables.", ok=is_number(answer.get(name)) and answer[name] >= 0 and not other)
            for name, unit, other in (("weights_gib", "GiB", weights), ("pool_gib", "GiB", ""), ("own_mib", "MiB", ""))
        ),
        row("HOLDER", holder, "a process of the table", "As the table spells it, in quotes.", ok=isinstance(holder, str) and holder.strip() in _names(runs[1].facts)),
        row("GREW", answer.get("grew"), f"one of {', '.join(GROWN)}", "One of these words, in quotes.", ok=bool(word_of(answer.get("grew"), GROWN))),
    ]  # fmt: skip


def _names(facts: Mapping[str, Any]) -> list[str]:
    """The processes that a record names; what is malformed is left out."""
    found = mapping(mapping(facts.get("stages")).get("generate")).get("processes")
    holder = mapping(facts.get("after")).get("process")
    return [str(holder), *(str(one.get("name")) for one in (found if isinstance(found, list) else []) if isinstance(one, dict))]


def parts(facts: Mapping[str, Any], lane: str) -> dict[str, int]:
    """Return what the whole is made of after generating, in bytes; the parts add up to it.

    On a GPU the whole is what the driver counts more than at the start; on a CPU the resident memory of all processes of the run.
    """
    return _on_cpu(facts) if lane == "cpu" else _on_gpu(facts)


def _on_cpu(facts: Mapping[str, Any]) -> dict[str, int]:
    stages, after = facts["stages"], facts["after"]
    whole = stages["generate"]["whole"]
    script, *children = stages["generate"]["processes"]
    alone = after["process"] == script["name"]  # its children, if any, do not have the model
    others = sum(one["rss"] for one in ([] if alone else [script, *children]) if one["name"] != after["process"])
    added = max(whole - stages["engine"]["whole"], 0)
    known = {"weights": facts["weights"], "KV-cache pool": after["pool"], "added by generating": added}
    rest = max(whole - others - sum(known.values()), 0)
    return {**known, "else in the process with the model": rest, "other processes": others}


def _on_gpu(facts: Mapping[str, Any]) -> dict[str, int]:
    """`allocated` is the first three parts. What torch took from the driver beyond it is the next three: generating gave its memory back to torch."""
    stages, before, after = facts["stages"], facts["before"], facts["after"]
    weights, pool = after["parameters"], after["pool"]
    used, graphs = max(after["peak"] - before["allocated"], 0), after["graphs"]
    known = {
        "weights": weights,
        "KV-cache pool": pool,
        "other tensors": max(after["allocated"] - weights - pool, 0),
        "activations while generating": used,
        "CUDA graphs": graphs,
        "kept free by torch": max(after["reserved"] - after["allocated"] - used - graphs, 0),
    }
    whole = stages["generate"]["whole"] - stages["start"]["whole"]
    return {**known, "outside torch": max(whole - sum(known.values()), 0)}


def growth(facts: Mapping[str, Any], view: str, first: str, last: str) -> int:
    """Return by how many bytes a view ("own" or "whole") grew from one stage to another."""
    return int(facts["stages"][last][view] - facts["stages"][first][view])


def _positive(value: Any) -> bool:
    return is_number(value) and value > 0


CHECKS: dict[str, VisibleCheck] = {"kv_bytes": kv_bytes, "memory": memory}
