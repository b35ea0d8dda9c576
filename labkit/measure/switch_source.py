"""C and C++ that put one of several builds of `rotary_embedding` behind vLLM's operator; compiled by labkit.measure.variants."""

# <torch/all.h> is 17 of the 20 seconds that the file takes. It uses tensors and the dispatch macros alone; with these two headers g++ 12.2
# makes the same instructions of every function with a loop in it (compared for torch 2.13.0 at -O0 and -O3).
LIGHT = "#pragma once\n#include <ATen/core/Tensor.h>\n#include <ATen/Dispatch.h>\nnamespace torch { using namespace at; }\n"

JUMP = {  # by platform.machine()
    "x86_64": ("incq labkit_calls(%rip)", "jmp *labkit_target(%rip)"),
    "aarch64": (
        "adrp x16, labkit_calls", "ldr x17, [x16, :lo12:labkit_calls]", "add x17, x17, 1", "str x17, [x16, :lo12:labkit_calls]",
        "adrp x16, labkit_target", "ldr x16, [x16, :lo12:labkit_target]", "br x16",
    ),
}  # fmt: skip

CPU = """// Offers vLLM's function under its own name: counts the call, and jumps to the build that was chosen.
#define INSIDE __attribute__((visibility("hidden")))
INSIDE void *labkit_target;
INSIDE long labkit_calls;
void labkit_choose(void *function) {{ labkit_target = function; }}
long labkit_called(void) {{ return labkit_calls; }}
__asm__(".text\\n.globl {symbol}\\n.type {symbol}, %function\\n{symbol}:\\n{jump}\\n");
"""

CUDA = """// Registers vLLM's operator once more: counts the call, and calls the build that was chosen.
{includes}
#include <utility>
#define OFFERED extern "C" __attribute__((visibility("default")))
static void *target;
static long calls;
OFFERED void labkit_choose(void *function) {{ target = function; }}
OFFERED long labkit_called() {{ return calls; }}
template <typename Function> struct Forward;
template <typename... A> struct Forward<void (*)(A...)> {{
  static void call(A... a) {{ ++calls; reinterpret_cast<void (*)(A...)>(target)(std::forward<A>(a)...); }}
}};
STABLE_TORCH_LIBRARY_IMPL(_C, CUDA, ops) {{ ops.impl("{function}", TORCH_BOX(&Forward<decltype(&{function})>::call)); }}
"""

ADDRESS = """// vLLM's function is hidden in its library; this says where it is.
#include "ops.h"
extern "C" __attribute__((visibility("default"))) void *labkit_function() {{ return reinterpret_cast<void *>(&{function}); }}
"""


def cpu_switch(symbol: str, machine: str) -> str:
    """Return the C source of the CPU lane's switch. Raises KeyError for a processor that it has no jump for."""
    return CPU.format(symbol=symbol, jump="\\n".join(f"  {line}" for line in JUMP[machine]))


def cuda_switch(includes: str, function: str) -> str:
    """Return the C++ source of the CUDA lane's switch; `includes` are those of vLLM's torch_bindings.cpp."""
    return CUDA.format(includes=includes, function=function)
