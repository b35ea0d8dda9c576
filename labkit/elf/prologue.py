"""What machine code says of its own optimisation, on x86-64.

Without optimisation gcc and clang give every function a frame (push %rbp; mov %rsp,%rbp) and store its arguments there before
anything else. With optimisation small functions have no frame, and arguments stay in registers. aarch64 looks otherwise; ask nothing of it.
"""

import re
from collections.abc import Iterable

FRAME_WITHIN = 24  # bytes: an endbr64 and a realigned stack (locals of 32 bytes, as with AVX) come before the frame
FRAME = b"\x55\x48\x89\xe5"
SPILLING = re.compile(
    rb"""(?:\xf3\x0f\x1e\xfa)?                                # endbr64
    (?:\x4c\x8d\x54\x24\x08\x48\x83\xe4.\x41\xff\x72\xf8)?    # lea 8(%rsp),%r10; and $-32,%rsp; push -8(%r10)
    \x55\x48\x89\xe5                                          # push %rbp; mov %rsp,%rbp
    (?:[\x50-\x57]|\x41[\x50-\x57])*                          # push registers that the caller owns
    (?:\x48\x83\xe4.)?                                        # and $-32,%rsp
    (?:\x48\x83\xec.|\x48\x83\xc4.|\x48\x81\xec....)?         # sub $size,%rsp
    (?:
      \x48?\x89(?:\x7d|\xbd|\x7c\x24|\xbc\x24)                # mov %rdi or %edi to offset(%rbp) or offset(%rsp)
    | (?:\x89[\xc8-\xff]|\x44\x89[\xc0-\xcf]){1,6}            # char, bool, short: mov %edi,%eax and so on, then
      (?:\x66?[\x40\x44]?[\x88\x89][\x45\x4d\x55\x75\x7d])    # mov %al or %ax to offset(%rbp)
    | [\xf2\xf3]\x0f\x11 | \x0f\x29 | \xc5[\xf8-\xff][\x11\x29\x7f]   # movsd, movss, movaps and their AVX forms
    )""",
    re.VERBOSE | re.DOTALL,
)


def stores_arguments(code: bytes) -> bool:
    """Say whether a function with arguments starts as unoptimised x86-64 code does: a frame, then arguments stored in it."""
    return SPILLING.match(code) is not None


def framed_share(starts: Iterable[bytes]) -> float:
    """Return the share of functions, given by their first bytes, that start with a frame; 0 for none at all."""
    framed = [FRAME in start[:FRAME_WITHIN] for start in starts]
    return sum(framed) / len(framed) if framed else 0.0
