"""Parts of fused, interleaved, turned and stacked tensors hold the values that the models themselves would use.

What is expected is written as each model's own forward pass reshapes its weights (transformers 5.23, named at each
test), independently of how parts are made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_arrays as ml
import numpy as np
import numpy.typing as npt
import pytest

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Checkpoint
from mpk_tui.checkpoint.open import open_checkpoint

Array = npt.NDArray[np.float32]
D, HEADS, KV, HD, H, E = 24, 6, 2, 4, 10, 3
RNG = np.random.default_rng(3)


def made(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def read(checkpoint: Checkpoint, role: str, layer: int = 0) -> Array:
    part = checkpoint.architecture.roles[role, layer]
    with WeightReader(checkpoint) as reader:
        whole = reader.whole(part)
        assert whole.shape == reader.shape(part)
        if whole.ndim == 2:
            ids = np.array([3, 0, 2])
            assert np.array_equal(reader.select(part, ids), whole[ids])
            assert np.array_equal(reader.columns(part, ids), whole[:, ids])
        return whole


def opened(folder: Path, tensors: dict[str, Array], config: dict[str, Any]) -> Checkpoint:
    ml.save(folder / "model.safetensors", tensors, "F32")
    (folder / "config.json").write_text(json.dumps(config))
    return open_checkpoint(folder)


def same(checkpoint: Checkpoint, expected: dict[str, Array]) -> None:
    for role, values in expected.items():
        assert np.array_equal(read(checkpoint, role), values), role


def falcon(folder: Path, fused: Array, config: dict[str, Any]) -> Checkpoint:
    layer = "transformer.h.0."
    tensors = {
        "transformer.word_embeddings.weight": made(11, D),
        layer + "input_layernorm.weight": made(D),
        layer + "self_attention.query_key_value.weight": fused,
        layer + "self_attention.dense.weight": made(D, D),
        layer + "mlp.dense_h_to_4h.weight": made(4 * D, D),
        layer + "mlp.dense_4h_to_h.weight": made(D, 4 * D),
    }
    return opened(folder, tensors, {"model_type": "falcon", "num_attention_heads": HEADS, "hidden_size": D, **config})


def test_falcon_40b_lies_by_groups(tmp_path: Path) -> None:
    # FalconAttention._split_heads: view(.., -1, heads // kv + 2, head_dim); query [:-2], key [-2], value [-1].
    fused = made((HEADS + 2 * KV) * HD, D)
    grouped = fused.reshape(KV, HEADS // KV + 2, HD, D)
    checkpoint = falcon(tmp_path, fused, {"new_decoder_architecture": True, "num_kv_heads": KV})
    same(checkpoint, {
        "attn.q": grouped[:, :-2].reshape(-1, D), "attn.k": grouped[:, -2].reshape(-1, D),
        "attn.v": grouped[:, -1].reshape(-1, D),
    })  # fmt: skip


def test_falcon_7b_shares_one_key_head(tmp_path: Path) -> None:
    # view(.., heads + 2, head_dim); query [:-2], key [-2], value [-1].
    fused = made((HEADS + 2) * HD, D)
    split = fused.reshape(HEADS + 2, HD, D)
    checkpoint = falcon(tmp_path, fused, {"new_decoder_architecture": False, "multi_query": True})
    same(checkpoint, {"attn.q": split[:-2].reshape(-1, D), "attn.k": split[-2], "attn.v": split[-1]})
    assert checkpoint.architecture.kv_heads == 1


@pytest.mark.parametrize("family", ["falcon-rw", "bloom", "gpt_neox", "gpt_bigcode", "deberta"])
def test_queries_keys_and_values_lie_head_by_head(tmp_path: Path, family: str) -> None:
    # Falcon-RW and BLOOM: view(.., heads, 3, head_dim); GPT-NeoX, GPTBigCode without multi-query and DeBERTa 1:
    # view(.., heads, 3 * head_dim), split into thirds along the last axis.  All the same rows.
    fused, bias = made(3 * D, D), made(3 * D)
    by_head, of_bias = fused.reshape(HEADS, 3, HD, D), bias.reshape(HEADS, 3, HD)
    config: dict[str, Any] = {"num_attention_heads": HEADS, "hidden_size": D}
    if family == "falcon-rw":
        checkpoint = falcon(tmp_path, fused, {"new_decoder_architecture": False, "multi_query": False})
    else:
        kind, name, up, other = {
            "bloom": ("bloom", "transformer.h.0.self_attention.query_key_value", "transformer.h.0.mlp.dense_h_to_4h",
                      "transformer.h.0.input_layernorm"),
            "gpt_neox": ("gpt_neox", "gpt_neox.layers.0.attention.query_key_value",
                         "gpt_neox.layers.0.mlp.dense_h_to_4h", "gpt_neox.layers.0.input_layernorm"),
            "gpt_bigcode": ("gpt_bigcode", "transformer.h.0.attn.c_attn", "transformer.h.0.mlp.c_fc",
                            "transformer.h.0.ln_1"),
            "deberta": ("deberta", "deberta.encoder.layer.0.attention.self.in_proj",
                        "deberta.encoder.layer.0.intermediate.dense",
                        "deberta.encoder.layer.0.attention.output.LayerNorm"),
        }[family]  # fmt: skip
        tensors = {name + ".weight": fused, up + ".weight": made(4 * D, D), other + ".weight": made(D)}
        if family != "deberta":
            tensors[name + ".bias"] = bias
        checkpoint = opened(tmp_path, tensors, {"model_type": kind, "multi_query": False, **config})
        if family != "deberta":
            same(checkpoint, {f"attn.{r}.bias": of_bias[:, k].reshape(-1) for k, r in enumerate("qkv")})
    same(checkpoint, {f"attn.{r}": by_head[:, k].reshape(-1, D) for k, r in enumerate("qkv")})


def test_gpt_2_is_turned_and_split_in_thirds(tmp_path: Path) -> None:
    # Conv1D computes x @ weight; c_attn(x).split(width, dim=2).
    fused, up = made(D, 3 * D), made(D, 4 * D)
    tensors = {
        "h.0.attn.c_attn.weight": fused, "h.0.attn.c_proj.weight": made(D, D), "h.0.mlp.c_fc.weight": up,
        "h.0.mlp.c_proj.weight": made(4 * D, D), "h.0.ln_1.weight": made(D), "wte.weight": made(11, D),
    }  # fmt: skip
    checkpoint = opened(tmp_path, tensors, {"model_type": "gpt2", "n_head": HEADS})
    q, k, v = np.split(fused, 3, axis=1)
    same(checkpoint, {"attn.q": q.T, "attn.k": k.T, "attn.v": v.T, "ffn.up": up.T})


def llama(extra: dict[str, Array]) -> dict[str, Array]:
    layer = "model.layers.0."
    return {
        "model.embed_tokens.weight": made(11, D),
        layer + "input_layernorm.weight": made(D),
        layer + "post_attention_layernorm.weight": made(D),
        **{layer + name: value for name, value in extra.items()},
    }


SETTINGS = {"num_attention_heads": HEADS, "num_key_value_heads": KV, "hidden_size": D}


def test_phi_3_is_split_by_its_head_counts(tmp_path: Path) -> None:
    # Phi3Attention: query up to heads * head_dim, then kv_heads * head_dim keys, then values; Phi3MLP: gate, up.
    fused, feed = made((HEADS + 2 * KV) * HD, D), made(2 * H, D)
    tensors = llama({"self_attn.qkv_proj.weight": fused, "mlp.gate_up_proj.weight": feed,
                     "mlp.down_proj.weight": made(D, H)})  # fmt: skip
    q, k, v = np.split(fused, [HEADS * HD, (HEADS + KV) * HD])
    gate, up = np.split(feed, 2)
    same(opened(tmp_path, tensors, {"model_type": "phi3", **SETTINGS}),
         {"attn.q": q, "attn.k": k, "attn.v": v, "ffn.gate": gate, "ffn.up": up})  # fmt: skip


def test_modernbert_activates_the_first_half(tmp_path: Path) -> None:
    # ModernBertMLP: input, gate = Wi(x).chunk(2); Wo(act(input) * gate).
    wi = made(2 * H, D)
    tensors = {"model.layers.0.mlp.Wi.weight": wi, "model.layers.0.mlp.Wo.weight": made(D, H),
               "model.layers.0.mlp_norm.weight": made(D), "model.layers.0.attn.Wqkv.weight": made(3 * D, D)}  # fmt: skip
    same(opened(tmp_path, tensors, {"model_type": "modernbert", "num_attention_heads": HEADS}),
         {"ffn.gate": wi[:H], "ffn.up": wi[H:]})  # fmt: skip


def test_llama_4_stacks_are_turned(tmp_path: Path) -> None:
    # Llama4TextExperts: bmm(x, gate_up_proj).chunk(2, dim=-1), then bmm(up * act(gate), down_proj).
    gate_up, down = made(E, D, 2 * H), made(E, H, D)
    tensors = llama({"feed_forward.experts.gate_up_proj": gate_up, "feed_forward.experts.down_proj": down,
                     "self_attn.q_proj.weight": made(D, D)})  # fmt: skip
    checkpoint = opened(tmp_path, tensors, {"model_type": "llama4_text", **SETTINGS})
    for e in range(E):
        same(checkpoint, {f"ffn.gate@{e}": gate_up[e, :, :H].T, f"ffn.up@{e}": gate_up[e, :, H:].T,
                          f"ffn.down@{e}": down[e].T})  # fmt: skip


@pytest.mark.parametrize("turned", [True, False])
def test_gpt_oss_alternates_gate_and_up(tmp_path: Path, turned: bool) -> None:
    # GptOssExperts: gate, up = gate_up[..., ::2], gate_up[..., 1::2]; here also with its stacks the other way round,
    # and a square down_proj, whose direction only the other stack tells.
    gate_up, bias, down, down_bias = made(E, D, 2 * D), made(E, 2 * D), made(E, D, D), made(E, D)
    tensors = llama({
        "mlp.experts.gate_up_proj": gate_up if turned else np.ascontiguousarray(gate_up.transpose(0, 2, 1)),
        "mlp.experts.down_proj": down if turned else np.ascontiguousarray(down.transpose(0, 2, 1)),
        "mlp.experts.gate_up_proj_bias": bias, "mlp.experts.down_proj_bias": down_bias,
        "self_attn.q_proj.weight": made(D, D),
    })  # fmt: skip
    checkpoint = opened(tmp_path, tensors, {"model_type": "gpt_oss", **SETTINGS})
    for e in range(E):
        same(checkpoint, {
            f"ffn.gate@{e}": gate_up[e, :, ::2].T, f"ffn.up@{e}": gate_up[e, :, 1::2].T, f"ffn.down@{e}": down[e].T,
            f"ffn.gate.bias@{e}": bias[e, ::2], f"ffn.up.bias@{e}": bias[e, 1::2], f"ffn.down.bias@{e}": down_bias[e],
        })  # fmt: skip


def test_granite_stacks_lie_as_they_are_read(tmp_path: Path) -> None:
    # GraniteMoeParallelExperts: linear(x, weight[e]); chunk(2): the first half is activated.
    gate_up, down = made(E, 2 * H, D), made(E, D, H)
    tensors = llama({"block_sparse_moe.input_linear.weight": gate_up, "block_sparse_moe.output_linear.weight": down})
    checkpoint = opened(tmp_path, tensors, {"model_type": "granitemoe", **SETTINGS})
    for e in range(E):
        same(checkpoint, {f"ffn.gate@{e}": gate_up[e, :H], f"ffn.up@{e}": gate_up[e, H:], f"ffn.down@{e}": down[e]})


def test_deepseek_heads_hold_key_rows_and_value_rows(tmp_path: Path) -> None:
    # DeepseekV3Attention: kv_b_proj(..).view(.., heads, nope + value), split into nope and value.
    nope, value, rank = 5, 3, 7
    kv_b = made(HEADS * (nope + value), rank)
    tensors = llama({"self_attn.kv_b_proj.weight": kv_b, "mlp.up_proj.weight": made(H, D)})
    config = {"model_type": "deepseek_v3", **SETTINGS, "qk_nope_head_dim": nope, "v_head_dim": value}
    by_head = kv_b.reshape(HEADS, nope + value, rank)
    with WeightReader(checkpoint := opened(tmp_path, tensors, config)) as reader:
        k, v = (reader.whole(checkpoint.architecture.roles[f"attn.{r}_b", 0]) for r in "kv")
    assert np.array_equal(k, by_head[:, :nope].reshape(-1, rank))
    assert np.array_equal(v, by_head[:, nope:].reshape(-1, rank))


def test_gains_of_gemma_are_stored_less_one(tmp_path: Path) -> None:
    tensors = llama({"mlp.up_proj.weight": made(H, D)})
    checkpoint = opened(tmp_path, tensors, {"model_type": "gemma", **SETTINGS})
    assert np.array_equal(read(checkpoint, "attn.norm"), 1 + tensors["model.layers.0.input_layernorm.weight"])
