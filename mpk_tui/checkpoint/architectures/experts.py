"""Rows of decoders with experts, in safetensors and PyTorch files."""

from __future__ import annotations

from mpk_tui.checkpoint.architectures.decoders import LLAMA, LM, S
from mpk_tui.checkpoint.architectures.row import GATE_UP, KV_B, STACK, Roles, Row

_GATE_UP_STACK = tuple(r + STACK for r in GATE_UP)
_NO_DENSE = {k: v for k, v in LLAMA.items() if ".mlp." not in k}
_MIXTRAL: dict[str, Roles] = {
    **_NO_DENSE,
    "layers.{i}.block_sparse_moe.gate": "ffn.router",
    "layers.{i}.block_sparse_moe.experts.{e}.w1": "ffn.gate",
    "layers.{i}.block_sparse_moe.experts.{e}.w3": "ffn.up",
    "layers.{i}.block_sparse_moe.experts.{e}.w2": "ffn.down",
}
# Some layers of these are dense, and Qwen 2 and DeepSeek have an expert that every token uses beside the routed ones.
_QWEN_MOE: dict[str, Roles] = {
    **LLAMA,
    "layers.{i}.mlp.gate": "ffn.router",
    "layers.{i}.mlp.experts.{e}.gate_proj": "ffn.gate",
    "layers.{i}.mlp.experts.{e}.up_proj": "ffn.up",
    "layers.{i}.mlp.experts.{e}.down_proj": "ffn.down",
    "layers.{i}.mlp.experts.gate_up_proj": _GATE_UP_STACK,
    "layers.{i}.mlp.experts.down_proj": "ffn.down" + STACK,
    "layers.{i}.mlp.shared_expert_gate": "ffn.shared.router",
    "layers.{i}.mlp.shared_expert.gate_proj": "ffn.shared.gate",
    "layers.{i}.mlp.shared_expert.up_proj": "ffn.shared.up",
    "layers.{i}.mlp.shared_expert.down_proj": "ffn.shared.down",
}
# Queries, keys and values of DeepSeek come out of low-rank spaces: attn.q is what leads to the heads, attn.q_a and
# attn.kv_a what reads the residual stream; of kv_b every head has its key rows and its value rows.
_DEEPSEEK: dict[str, Roles] = {
    **{k.replace(".shared_expert.", ".shared_experts."): v for k, v in _QWEN_MOE.items()},
    "layers.{i}.self_attn.q_a_proj": "attn.q_a",
    "layers.{i}.self_attn.q_a_layernorm": "attn.q_a_norm",
    "layers.{i}.self_attn.q_b_proj": "attn.q",
    "layers.{i}.self_attn.kv_a_proj_with_mqa": "attn.kv_a",
    "layers.{i}.self_attn.kv_a_layernorm": "attn.kv_a_norm",
    "layers.{i}.self_attn.kv_b_proj": KV_B,
    "layers.{i}.mlp.gate.e_score_correction_bias": "ffn.router.correction",
    # The layer behind the last, which foretells one more token.
    "layers.{i}.eh_proj": "mtp.project",
    "layers.{i}.enorm": "mtp.token_norm",
    "layers.{i}.hnorm": "mtp.hidden_norm",
    "layers.{i}.embed_tokens": "mtp.embed",
    "layers.{i}.shared_head.head": "mtp.head",
    "layers.{i}.shared_head.norm": "mtp.norm",
}
_GPT_OSS: dict[str, Roles] = {
    **_NO_DENSE,
    "layers.{i}.self_attn.sinks": "attn.sinks",
    "layers.{i}.mlp.router": "ffn.router",
    "layers.{i}.mlp.experts.gate_up_proj": _GATE_UP_STACK,
    "layers.{i}.mlp.experts.gate_up_proj_bias": tuple(r + ".bias" + STACK for r in GATE_UP),
    "layers.{i}.mlp.experts.down_proj": "ffn.down" + STACK,
    "layers.{i}.mlp.experts.down_proj_bias": "ffn.down.bias" + STACK,
}
_LLAMA4: dict[str, Roles] = {
    **{k.replace(".mlp.", ".feed_forward."): v for k, v in LLAMA.items()},
    "layers.{i}.feed_forward.router": "ffn.router",
    "layers.{i}.feed_forward.experts.gate_up_proj": _GATE_UP_STACK,
    "layers.{i}.feed_forward.experts.down_proj": "ffn.down" + STACK,
    "layers.{i}.feed_forward.shared_expert.gate_proj": "ffn.shared.gate",
    "layers.{i}.feed_forward.shared_expert.up_proj": "ffn.shared.up",
    "layers.{i}.feed_forward.shared_expert.down_proj": "ffn.shared.down",
}
_GRANITE: dict[str, Roles] = {
    **_NO_DENSE,
    "layers.{i}.block_sparse_moe.router.layer": "ffn.router",
    "layers.{i}.block_sparse_moe.input_linear": _GATE_UP_STACK,
    "layers.{i}.block_sparse_moe.output_linear": "ffn.down" + STACK,
    "layers.{i}.shared_mlp.input_linear": ("ffn.shared.gate", "ffn.shared.up"),
    "layers.{i}.shared_mlp.output_linear": "ffn.shared.down",
}
# Meta's and Mistral's own releases; rows of q and k lie as llama.cpp stores them (convert_llama_weights_to_hf.py of
# transformers turns them).
_META: dict[str, Roles] = {
    "tok_embeddings": "embed.tokens",
    "norm": "norm.final",
    "output": "head",
    "layers.{i}.attention_norm": "attn.norm",
    "layers.{i}.attention.wq": "attn.q",
    "layers.{i}.attention.wk": "attn.k",
    "layers.{i}.attention.wv": "attn.v",
    "layers.{i}.attention.wo": "attn.o",
    "layers.{i}.ffn_norm": "ffn.norm",
    "layers.{i}.feed_forward.w1": "ffn.gate",
    "layers.{i}.feed_forward.w3": "ffn.up",
    "layers.{i}.feed_forward.w2": "ffn.down",
    "layers.{i}.feed_forward.gate": "ffn.router",
    "layers.{i}.feed_forward.experts.{e}.w1": "ffn.gate",
    "layers.{i}.feed_forward.experts.{e}.w3": "ffn.up",
    "layers.{i}.feed_forward.experts.{e}.w2": "ffn.down",
}

ROWS: tuple[Row, ...] = (
    Row("mixtral", S, ("mixtral", "phimoe"), LM, _MIXTRAL),
    Row("qwen_moe", S, ("qwen2_moe", "qwen3_moe", "olmoe", "qwen3_vl_moe_text"), LM, _QWEN_MOE),
    Row("deepseek", S, ("deepseek", "deepseek_v2", "deepseek_v3", "kimi_k2"), LM, _DEEPSEEK),
    Row("gpt_oss", S, ("gpt_oss",), LM, _GPT_OSS, turned=True, paired=True),
    Row("llama4", S, ("llama4", "llama4_text"), LM, _LLAMA4, turned=True),
    Row("granite_moe", S, ("granitemoe", "granitemoeshared"), LM, _GRANITE),
    Row("llama", S, (), ("",), _META, rope_reordered=True),
)
