"""One model in two formats: the demo's base as safetensors and as GGUF, plain and quantized."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import ml_arrays as ml
import numpy as np
import pytest
from gguf import quants

import mpk_tui.demo
from mpk_tui.lineage.compare import compare

BASE = Path(mpk_tui.demo.__file__).parent / "base"
NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def to_gguf(path: Path, kind: str) -> Path:
    """Write the demo's base as llama.cpp's converter would: other names, q and k rows re-ordered, matrices as ``kind``."""
    config = json.loads((BASE / "config.json").read_text())
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    vocabulary = json.loads((BASE / "tokenizer.json").read_text())["model"]["vocab"]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([t for t, _ in sorted(vocabulary.items(), key=lambda kv: kv[1])])
    for name, values in ml.load(BASE / "model.safetensors").items():
        stem = name.removesuffix(".weight")
        if stem == "model.embed_tokens":
            target = "token_embd.weight"
        elif stem == "lm_head":
            target = "output.weight"
        elif stem == "model.norm":
            target = "output_norm.weight"
        else:
            _, _, layer, rest = stem.split(".", 3)
            target = f"blk.{layer}.{NAMES[rest]}.weight"
            if NAMES[rest] in ("attn_q", "attn_k"):
                n = heads if NAMES[rest] == "attn_q" else kv_heads
                rows = len(values)
                values = values.reshape(n, 2, rows // n // 2, -1).swapaxes(1, 2).reshape(rows, -1)
        if values.ndim == 1 or kind == "F32":
            writer.add_tensor(target, values)
        elif kind == "F16":
            writer.add_tensor(target, values.astype(np.float16))
        else:
            dtype = gguf.GGMLQuantizationType[kind]
            writer.add_tensor(target, quants.quantize(values, dtype), raw_dtype=dtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_gguf_file_of_plain_floats_is_a_reformatting(tmp_path: Path) -> None:
    record = compare(BASE, to_gguf(tmp_path / "base.gguf", "F32"))
    assert record["finding"] == "reformatted"
    assert record["identity"]["lossless"]
    assert "BF16 to F32, rotary rows re-ordered" in record["identity"]["conversions"]
    assert record["mechanisms"][0]["number"] == "3.1"


def test_half_precision_is_a_conversion_whatever_it_rounds(tmp_path: Path) -> None:
    record = compare(BASE, to_gguf(tmp_path / "base.gguf", "F16"))
    assert record["finding"] == "reformatted"


@pytest.mark.parametrize(("kind", "bits"), [("Q8_0", 8), ("Q5_1", 5), ("Q4_0", 4)])
def test_quantized_copies_are_found_with_their_mechanism(tmp_path: Path, kind: str, bits: int) -> None:
    record = compare(to_gguf(tmp_path / "base.gguf", kind), BASE)
    assert record["finding"] == "shared-trained-ancestor"
    first = record["mechanisms"][0]
    assert first["number"] == "3.7"
    assert any(f"{bits} bits" in reason for reason in first["for"])


def test_a_quantized_twin_stays_independent(tmp_path: Path) -> None:
    record = compare(to_gguf(tmp_path / "base.gguf", "Q8_0"), BASE.parent / "twin")
    assert record["finding"] == "no-correspondence"
