"""Checkpoints small enough for a test: two layers of a Llama-like model, written by hand in safetensors' layout."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

WIDTH, FFN, VOCAB, LAYERS = 32, 64, 96, 2


def weights(seed: int) -> dict[str, np.ndarray]:
    """Tensors of one random model."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (rng.standard_normal((rows, columns)) / np.sqrt(columns)).astype("<f4")

    out = {"model.embed_tokens.weight": matrix(VOCAB, WIDTH), "lm_head.weight": matrix(VOCAB, WIDTH)}
    out["model.norm.weight"] = np.ones(WIDTH, "<f4")
    for i in range(LAYERS):
        at = f"model.layers.{i}."
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            out[f"{at}self_attn.{name}.weight"] = matrix(WIDTH, WIDTH)
        out[f"{at}mlp.gate_proj.weight"] = matrix(FFN, WIDTH)
        out[f"{at}mlp.up_proj.weight"] = matrix(FFN, WIDTH)
        out[f"{at}mlp.down_proj.weight"] = matrix(WIDTH, FFN)
        out[f"{at}input_layernorm.weight"] = np.ones(WIDTH, "<f4")
        out[f"{at}post_attention_layernorm.weight"] = np.ones(WIDTH, "<f4")
    return out


def checkpoint(folder: Path, tensors: dict[str, np.ndarray]) -> Path:
    """Write a Hugging Face folder."""
    folder.mkdir(parents=True)
    header: dict[str, object] = {}
    offset = 0
    for name, array in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    body = b"".join(a.tobytes() for a in tensors.values())
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + body)
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": WIDTH, "intermediate_size": FFN,
        "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": VOCAB,
        "rms_norm_eps": 1e-6, "torch_dtype": "float32", "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return folder
