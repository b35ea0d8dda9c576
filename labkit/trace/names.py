"""Readable names of kernels, and what kernels and torch operators are for: a demangled C++ name can be thousands of characters long, and most of it says nothing."""

import re
from collections.abc import Iterable
from functools import lru_cache

READ = 16_384  # characters of a name that are looked at: what it is stands at its front
LONGEST = 60  # characters of a short name
UNNAMED = re.compile(r"(<unnamed>|\(anonymous namespace\)|\{anonymous\}|_GLOBAL__N_\w{1,80})::")
HEAD = re.compile(r"[^<(]*")
WRAPPER = re.compile(r"(cutlass::(device_kernel|Kernel2?)|flash::enable_\w+)$")  # a kernel that only calls its template argument
ENABLED = re.compile(r"^(typename )?std::enable_if.{1,2000}?::type ")  # a return type with brackets of its own
DROPPED = re.compile(r"^(at::native::|at_cuda_detail::)")
TEMPLATE = re.compile(
    r"^(_?\w*elementwise\w*|reduce)_kernel\w*$|^elementwise_kernel_with_index$"
)  # torch's loops: the argument says what they do
FUNCTOR = re.compile(r"\b(?!(?:Binary|AUnary|BUnary)Functor)(\w*Functor\w*|\w+_functor|\w+Ops)\b")
LAMBDA = re.compile(r"::(?=\[lambda|\{lambda|'lambda)")
AFFIXES = re.compile(r"^(_cuda_|launch_)|(_internal|_impl|_nocast|_cuda|_out|_kernel)+$")
CLOSES = {")": "(", ">": "<", "]": "["}

ROLES = tuple(
    (role, re.compile(pattern, re.IGNORECASE))
    for role, pattern in (
        ("fused by torch.compile", r"^triton_(poi|red|per|tem|mm|for)_"),
        ("communication", r"nccl|all_?reduce|all_?gather|reduce_?scatter"),
        ("KV cache write", r"reshape_and_cache|concat_and_cache|kv_cache_update"),
        ("attention", r"flash::|flashattn|flash_attn|attention|fmha|paged|merge_attn"),
        ("mixture of experts", r"topkgating|moe|expert"),
        ("sum of a split GEMM", r"splitkreduce"),
        ("GEMM (cuBLAS)", r"^nvjet|cublas|^(sm\d+_xmma|ampere|volta|turing|maxwell|hopper)_\w*(gemm|gemv)"),
        ("GEMM", r"gemm|gemv|(?<!aten::)matmul|[_:](add|b|baddb)?mm(_|$)|wgmma"),  # aten::matmul and aten::linear only call one
        ("normalisation", r"layer_?norm|rms_?norm|group_?norm|batch_?norm"),
        ("rotary embedding", r"rotary|rope_kernel|_rope"),
        ("activation", r"act_and_mul|silu|gelu|relu|sigmoid|tanh|launch_clamp"),  # torch's relu is a clamp at 0
        ("batch preparation", r"^_(apply_write|compute_slot|gather_block|prepare_|post_update|combine_sampled|get_num_sampled)"),
        ("sampling", r"gumbel|top_?k|top_?p|softmax|sampl|penalt|min_p_|temperature|arg_?max|multinomial|_ranks_|bad_words|bincount"),
        ("sampling", r"grammar|^_bias_kernel|bitonicsort|logit|logprob"),
        ("copy/fill", r"fillfunctor|direct_copy|catarray|memcpy|memset|^fill|^aten::(copy_|fill_|zero_|clone|cat)$"),
        (
            "views and storage",
            r"^aten::(\w*view|reshape|slice|as_strided|narrow|chunk|split\w*|empty\w*|new_empty|to|_to_copy|item|_local_scalar_dense)$",
        ),
        ("indexing", r"index|gather|scatter"),
        ("elementwise", r"elementwise|^aten::(add|sub|mul|div|pow|rsqrt|neg|exp)_?$"),
    )
)


@lru_cache(maxsize=2048)  # a trace has thousands of kernels and dozens of names
def short(name: str) -> str:
    """Return a kernel's name without return type, arguments and template arguments that say nothing. Different kernels can get the same one."""
    text = ENABLED.sub("", UNNAMED.sub("", _printable(name[:READ])).strip())
    if text.startswith("_Z") or not text:
        return _cut(text or "?")
    for _ in range(4):  # wrappers in wrappers
        head, inner = _split(text)
        if not (inner and WRAPPER.search(head)):
            break
        text = inner
    own = DROPPED.sub("", head)
    if TEMPLATE.match(own):
        does = _does(text[len(head) :])
        return _cut(f"{AFFIXES.sub('', own.replace('_kernel_with_index', ''))} {does}".strip())
    return _cut(_ends(own))


@lru_cache(maxsize=2048)
def role(name: str) -> str:
    """Return what a kernel or an operator is for, judged by its name: attention, GEMM, sampling, ..., "other" where the name does not tell."""
    text = name[:READ]
    return next((found for found, pattern in ROLES if pattern.search(text)), "other")


def label(names: Iterable[str]) -> dict[str, str]:
    """Return a short name for each name, all different: the second of the same short name ends with " #2", in the order given."""
    labels: dict[str, str] = {}
    used: set[str] = set()
    counts: dict[str, int] = {}
    for name in dict.fromkeys(names):
        base = chosen = short(name)
        while chosen in used:
            counts[base] = counts.get(base, 1) + 1
            chosen = f"{base} #{counts[base]}"
        used.add(chosen)
        labels[name] = chosen
    return labels


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _split(text: str) -> tuple[str, str]:
    """Return a function's qualified name, without its return type, and what stands in its template brackets."""
    match = HEAD.match(text)
    assert match is not None  # it matches nothing, too
    before = match[0].rstrip()
    head = before.rsplit(" ", 1)[-1] if not before.endswith("operator") else before
    inner = text[match.end() + 1 :] if text[match.end() : match.end() + 1] == "<" else ""
    return head or _cut(text), inner.removeprefix("typename ").strip()


def _ends(qualified: str) -> str:
    """Keep the first and the last part of a qualified name: cub::…::DeviceScanKernel."""
    parts = qualified.split("::")
    return qualified if len(parts) <= 2 else f"{parts[0]}::…::{parts[-1]}"


def _does(arguments: str) -> str:
    """Return what one of torch's loops applies: its functor's name, or the function that its lambda stands in; "" if it does not say."""
    functor, place = FUNCTOR.search(arguments), LAMBDA.search(arguments)
    if functor is not None and (place is None or functor.start() < place.start()):
        return functor[1]
    return AFFIXES.sub("", _function_before(arguments, place.start())) if place is not None else ""


def _function_before(text: str, end: int) -> str:
    """Return the unqualified name of the function whose name, template arguments and parameters end at `end`."""
    while end and text[end - 1] in CLOSES:
        end = _opening(text, end - 1)
        if text[:end].rstrip().endswith("operator"):
            end = len(text[:end].rstrip().removesuffix("operator").rstrip(":"))
    found = re.search(r"\w*$", text[max(0, end - LONGEST) : end])
    return found[0] if found else ""


def _opening(text: str, at: int) -> int:
    """Return the place of the bracket that the one at `at` closes, 0 where there is none."""
    opening, closing, depth = CLOSES[text[at]], text[at], 0
    for place in range(at, -1, -1):
        depth += (text[place] == closing) - (text[place] == opening)
        if not depth:
            return place
    return 0
