"""Failures that lesson 03 plants into vLLM's KV-cache kernel: which ones there are, and which one a learner gets."""

from dataclasses import dataclass

from labkit.learner import pick

SOURCE = "csrc/cache_kernels.cu"
KERNEL = "reshape_and_cache_flash_kernel"
KINDS = ("oob", "illegal", "hang")
ROWS = (1, 2, 3, 4, 5, 6)  # of a cache block: the token in this row goes wrong
FACTORS = (5, 7, 11, 13)
ONE_THREAD = "block_offset == {row} && threadIdx.x == slot_idx * {factor} % blockDim.x"
ONE_WARP = "block_offset == {row} && threadIdx.x / 32 == slot_idx * {factor} % (blockDim.x / 32)"
WARP_SIZE = 32

# Where a statement can go in vLLM 0.32.0: the line of SOURCE after which it stands, and what that line says.
AFTER = {
    344: "  const int64_t block_offset = slot_idx % block_size;",
    345: "  const int n_elems = num_heads * head_size;",
    349: "  const scalar_t* __restrict__ value_src = value + token_idx * value_stride;",
    355: "      value_cache + block_idx * block_stride + block_offset * page_stride;",
    358: "  const bool is_contiguous_heads = (head_stride == head_size);",
}


@dataclass(frozen=True)
class Variant:
    """One statement that can be planted, the line after which it goes, and what a debugger will say of it ("read 8", "wait", ...)."""

    after: int
    does: str
    statement: str


VARIANTS: dict[str, tuple[Variant, ...]] = {
    # Silent: the row beside the right one is overwritten. Only at an end of the cache does that leave its memory.
    "oob": (
        Variant(355, "write 2", "  if (threadIdx.x < {factor}) key_dst[page_stride + threadIdx.x] = cache_t{{}};"),
        Variant(358, "write 2", "  if (threadIdx.x < {factor}) *(value_dst - 1 - threadIdx.x) = cache_t{{}};"),
        Variant(349, "write 2", "  if (threadIdx.x < {factor}) key_cache[(block_idx + 1) * block_stride + threadIdx.x] = cache_t{{}};"),
    ),
    # One thread goes terabytes too far. Downwards: upwards ends outside of what an address can be, which is another error.
    "illegal": (
        Variant(344, "read 8", f"  if ({ONE_THREAD} && slot_mapping[token_idx - (slot_idx << 36)] == slot_idx) return;"),
        Variant(349, "write 2", f"  if ({ONE_THREAD}) *(key_cache - (slot_idx << 36)) = cache_t{{{{}}}};"),
        Variant(358, "read 1", f"  if ({ONE_THREAD}) *reinterpret_cast<char*>(value_dst) = *(reinterpret_cast<const char*>(value_src) - (slot_idx << 38));"),
    ),
    # One warp waits for what never comes. `volatile` makes the compiler keep the loop.
    "hang": (
        Variant(345, "wait", f"  while ({ONE_WARP} && static_cast<const volatile int64_t*>(slot_mapping)[token_idx] == slot_idx);"),
        Variant(349, "wait", f"  for (int i = 0; {ONE_WARP} && i < n_elems; i += kv_scale_stride) reinterpret_cast<const volatile char*>(key_src)[i];"),
        Variant(358, "wait", f"  while ({ONE_WARP} && *reinterpret_cast<const volatile int64_t*>(slot_mapping + token_idx) >= block_offset);"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Plant:
    """A failure for one learner: its kind, which variant, and its two numbers."""

    kind: str
    number: int
    row: int
    factor: int

    @property
    def variant(self) -> Variant:
        """The statement before the numbers are in."""
        return VARIANTS[self.kind][self.number]

    @property
    def line(self) -> int:
        """The line of SOURCE that the planted statement stands on."""
        return self.variant.after + 1

    @property
    def statement(self) -> str:
        """The planted statement."""
        return self.variant.statement.format(row=self.row, factor=self.factor)

    def thread(self, slot: int, threads: int) -> int:
        """Return the thread of its block that goes wrong on a slot (kind "illegal"), or the first one that waits (kind "hang")."""
        return slot * self.factor % threads if self.kind == "illegal" else slot * self.factor % (threads // WARP_SIZE) * WARP_SIZE


def plant_of(token: str, kind: str) -> Plant:
    """Return the failure that belongs to a learner."""
    row, factor = (options[pick(token, f"{kind} {name}", len(options))] for name, options in (("row", ROWS), ("factor", FACTORS)))
    return Plant(kind, pick(token, kind, len(VARIANTS[kind])), row, factor)
