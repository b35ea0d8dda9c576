"""Convert the packaged GGUF file to a folder that vLLM loads: `python -m labkit.convert GGUF_FOLDER GGUF_NAME TARGET`.

A process of its own, because it imports torch and transformers and needs 1.5 GiB for half a minute.
"""

import sys


def convert(source: str, gguf: str, target: str) -> None:
    """Write config, float32 weights and tokenizer of the GGUF file into the folder `target`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=gguf, dtype=torch.float32)
    # The weights are plain float32 now; these three would make save_pretrained write them down as still quantized.
    model.config.quantization_config = None
    del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(source, gguf_file=gguf).save_pretrained(target)


if __name__ == "__main__":
    convert(*sys.argv[1:4])
