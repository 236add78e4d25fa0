"""The table of architectures: one row a family, extended by adding rows.

A row lists names as ``{i}`` templates, ``{e}`` where experts are numbered.  A value is a role, or for a fused matrix a
tuple of roles in the order of its output rows; the role of an expert's matrix gets ``@`` and its number.  Names were
read from published checkpoints and from llama.cpp's converter (gguf-py, tensor_mapping.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Roles = str | tuple[str, ...]

QKV = ("attn.q", "attn.k", "attn.v")
GATE_UP = ("ffn.gate", "ffn.up")


@dataclass(frozen=True)
class Row:
    """One family in one format.

    Attributes:
        family: Canonical family name.
        format: ``safetensors`` or ``gguf``.
        types: ``model_type`` or ``general.architecture`` values that select the row.
        prefixes: What may stand before the names; the longest that matches a tensor wins.
        names: Template without ``.weight`` to role(s); biases follow by themselves.
        transposed: Matrices are stored (in, out), as GPT-2's Conv1D does.
        rope_reordered: The converter re-ordered q and k rows (llama.cpp for Llama-like models).
        gain_offset: Norm gains are stored as gain minus this.
        also: Roles that a tensor serves beside its own (one norm before two parallel blocks).
    """

    family: str
    format: str
    types: tuple[str, ...]
    prefixes: tuple[str, ...]
    names: Mapping[str, Roles]
    transposed: bool = False
    rope_reordered: bool = False
    gain_offset: float = 0.0
    also: Mapping[str, str] = field(default_factory=dict)


_LLAMA: dict[str, Roles] = {
    "embed_tokens": "embed.tokens",
    "norm": "norm.final",
    "lm_head": "head",
    "layers.{i}.input_layernorm": "attn.norm",
    "layers.{i}.self_attn.q_proj": "attn.q",
    "layers.{i}.self_attn.k_proj": "attn.k",
    "layers.{i}.self_attn.v_proj": "attn.v",
    "layers.{i}.self_attn.qkv_proj": QKV,
    "layers.{i}.self_attn.o_proj": "attn.o",
    "layers.{i}.self_attn.q_norm": "attn.q_norm",
    "layers.{i}.self_attn.k_norm": "attn.k_norm",
    "layers.{i}.post_attention_layernorm": "ffn.norm",
    "layers.{i}.mlp.gate_proj": "ffn.gate",
    "layers.{i}.mlp.up_proj": "ffn.up",
    "layers.{i}.mlp.gate_up_proj": GATE_UP,
    "layers.{i}.mlp.down_proj": "ffn.down",
}
_NO_DENSE = {k: v for k, v in _LLAMA.items() if ".mlp." not in k}
_MIXTRAL: dict[str, Roles] = {
    **_NO_DENSE,
    "layers.{i}.block_sparse_moe.gate": "ffn.router",
    "layers.{i}.block_sparse_moe.experts.{e}.w1": "ffn.gate",
    "layers.{i}.block_sparse_moe.experts.{e}.w3": "ffn.up",
    "layers.{i}.block_sparse_moe.experts.{e}.w2": "ffn.down",
}
# Some layers of these are dense, and Qwen 2 and DeepSeek have an expert that every token uses beside the routed ones.
_QWEN_MOE: dict[str, Roles] = {
    **_LLAMA,
    "layers.{i}.mlp.gate": "ffn.router",
    "layers.{i}.mlp.experts.{e}.gate_proj": "ffn.gate",
    "layers.{i}.mlp.experts.{e}.up_proj": "ffn.up",
    "layers.{i}.mlp.experts.{e}.down_proj": "ffn.down",
}
# Gemma 2 and 3 put one more norm behind each block; the one that the feed-forward reads has its own name.
_GEMMA_SANDWICH: dict[str, Roles] = {
    **{k: v for k, v in _LLAMA.items() if v != "ffn.norm"},
    "layers.{i}.post_attention_layernorm": "attn.post_norm",
    "layers.{i}.pre_feedforward_layernorm": "ffn.norm",
    "layers.{i}.post_feedforward_layernorm": "ffn.post_norm",
}
_GPT2: dict[str, Roles] = {
    "wte": "embed.tokens",
    "wpe": "embed.positions",
    "ln_f": "norm.final",
    "lm_head": "head",
    "h.{i}.ln_1": "attn.norm",
    "h.{i}.attn.c_attn": QKV,
    "h.{i}.attn.c_proj": "attn.o",
    "h.{i}.ln_2": "ffn.norm",
    "h.{i}.mlp.c_fc": "ffn.up",
    "h.{i}.mlp.c_proj": "ffn.down",
}
# Fused q, k, v are interleaved by head there: whole, not as three roles.
_NEOX: dict[str, Roles] = {
    "embed_in": "embed.tokens",
    "final_layer_norm": "norm.final",
    "embed_out": "head",
    "layers.{i}.input_layernorm": "attn.norm",
    "layers.{i}.attention.query_key_value": "attn.qkv",
    "layers.{i}.attention.dense": "attn.o",
    "layers.{i}.post_attention_layernorm": "ffn.norm",
    "layers.{i}.mlp.dense_h_to_4h": "ffn.up",
    "layers.{i}.mlp.dense_4h_to_h": "ffn.down",
}
_BERT: dict[str, Roles] = {
    "embeddings.word_embeddings": "embed.tokens",
    "embeddings.position_embeddings": "embed.positions",
    "embeddings.token_type_embeddings": "embed.types",
    "embeddings.LayerNorm": "embed.norm",
    "encoder.layer.{i}.attention.self.query": "attn.q",
    "encoder.layer.{i}.attention.self.key": "attn.k",
    "encoder.layer.{i}.attention.self.value": "attn.v",
    "encoder.layer.{i}.attention.output.dense": "attn.o",
    "encoder.layer.{i}.attention.output.LayerNorm": "ffn.norm",
    "encoder.layer.{i}.intermediate.dense": "ffn.up",
    "encoder.layer.{i}.output.dense": "ffn.down",
    "encoder.layer.{i}.output.LayerNorm": "ffn.post_norm",
}
_MPNET: dict[str, Roles] = {
    **{k: v for k, v in _BERT.items() if ".attention." not in k},
    "encoder.layer.{i}.attention.attn.q": "attn.q",
    "encoder.layer.{i}.attention.attn.k": "attn.k",
    "encoder.layer.{i}.attention.attn.v": "attn.v",
    "encoder.layer.{i}.attention.attn.o": "attn.o",
    "encoder.layer.{i}.attention.LayerNorm": "ffn.norm",
}
_DISTILBERT: dict[str, Roles] = {
    "embeddings.word_embeddings": "embed.tokens",
    "embeddings.position_embeddings": "embed.positions",
    "embeddings.LayerNorm": "embed.norm",
    "transformer.layer.{i}.attention.q_lin": "attn.q",
    "transformer.layer.{i}.attention.k_lin": "attn.k",
    "transformer.layer.{i}.attention.v_lin": "attn.v",
    "transformer.layer.{i}.attention.out_lin": "attn.o",
    "transformer.layer.{i}.sa_layer_norm": "ffn.norm",
    "transformer.layer.{i}.ffn.lin1": "ffn.up",
    "transformer.layer.{i}.ffn.lin2": "ffn.down",
    "transformer.layer.{i}.output_layer_norm": "ffn.post_norm",
}
_ALBERT: dict[str, Roles] = {
    "embeddings.word_embeddings": "embed.tokens",
    "embeddings.position_embeddings": "embed.positions",
    "embeddings.token_type_embeddings": "embed.types",
    "embeddings.LayerNorm": "embed.norm",
    "encoder.embedding_hidden_mapping_in": "embed.projection",
    "encoder.albert_layer_groups.{i}.albert_layers.0.attention.query": "attn.q",
    "encoder.albert_layer_groups.{i}.albert_layers.0.attention.key": "attn.k",
    "encoder.albert_layer_groups.{i}.albert_layers.0.attention.value": "attn.v",
    "encoder.albert_layer_groups.{i}.albert_layers.0.attention.dense": "attn.o",
    "encoder.albert_layer_groups.{i}.albert_layers.0.attention.LayerNorm": "ffn.norm",
    "encoder.albert_layer_groups.{i}.albert_layers.0.ffn": "ffn.up",
    "encoder.albert_layer_groups.{i}.albert_layers.0.ffn_output": "ffn.down",
    "encoder.albert_layer_groups.{i}.albert_layers.0.full_layer_layer_norm": "ffn.post_norm",
}
_DEBERTA: dict[str, Roles] = {
    **{k: v for k, v in _BERT.items() if ".attention.self." not in k},
    "encoder.layer.{i}.attention.self.query_proj": "attn.q",
    "encoder.layer.{i}.attention.self.key_proj": "attn.k",
    "encoder.layer.{i}.attention.self.value_proj": "attn.v",
}
_OPT: dict[str, Roles] = {
    "decoder.embed_tokens": "embed.tokens",
    "decoder.embed_positions": "embed.positions",
    "decoder.final_layer_norm": "norm.final",
    "lm_head": "head",
    "decoder.layers.{i}.self_attn_layer_norm": "attn.norm",
    "decoder.layers.{i}.self_attn.q_proj": "attn.q",
    "decoder.layers.{i}.self_attn.k_proj": "attn.k",
    "decoder.layers.{i}.self_attn.v_proj": "attn.v",
    "decoder.layers.{i}.self_attn.out_proj": "attn.o",
    "decoder.layers.{i}.final_layer_norm": "ffn.norm",
    "decoder.layers.{i}.fc1": "ffn.up",
    "decoder.layers.{i}.fc2": "ffn.down",
}
# One norm feeds attention and feed-forward in parallel (Row.also).
_PHI: dict[str, Roles] = {
    "embed_tokens": "embed.tokens",
    "final_layernorm": "norm.final",
    "lm_head": "head",
    "layers.{i}.input_layernorm": "attn.norm",
    "layers.{i}.self_attn.q_proj": "attn.q",
    "layers.{i}.self_attn.k_proj": "attn.k",
    "layers.{i}.self_attn.v_proj": "attn.v",
    "layers.{i}.self_attn.dense": "attn.o",
    "layers.{i}.mlp.fc1": "ffn.up",
    "layers.{i}.mlp.fc2": "ffn.down",
}
_GPTJ: dict[str, Roles] = {
    "wte": "embed.tokens",
    "ln_f": "norm.final",
    "lm_head": "head",
    "h.{i}.ln_1": "attn.norm",
    "h.{i}.attn.q_proj": "attn.q",
    "h.{i}.attn.k_proj": "attn.k",
    "h.{i}.attn.v_proj": "attn.v",
    "h.{i}.attn.out_proj": "attn.o",
    "h.{i}.mlp.fc_in": "ffn.up",
    "h.{i}.mlp.fc_out": "ffn.down",
}
# BLOOM and Falcon fuse q, k, v by head: whole, not as three roles.
_BLOOM: dict[str, Roles] = {
    "word_embeddings": "embed.tokens",
    "word_embeddings_layernorm": "embed.norm",
    "ln_f": "norm.final",
    "lm_head": "head",
    "h.{i}.input_layernorm": "attn.norm",
    "h.{i}.self_attention.query_key_value": "attn.qkv",
    "h.{i}.self_attention.dense": "attn.o",
    "h.{i}.post_attention_layernorm": "ffn.norm",
    "h.{i}.mlp.dense_h_to_4h": "ffn.up",
    "h.{i}.mlp.dense_4h_to_h": "ffn.down",
}
_MPT: dict[str, Roles] = {
    "wte": "embed.tokens",
    "norm_f": "norm.final",
    "blocks.{i}.norm_1": "attn.norm",
    "blocks.{i}.attn.Wqkv": QKV,
    "blocks.{i}.attn.out_proj": "attn.o",
    "blocks.{i}.norm_2": "ffn.norm",
    "blocks.{i}.ffn.up_proj": "ffn.up",
    "blocks.{i}.ffn.down_proj": "ffn.down",
}
_GGUF: dict[str, Roles] = {
    "token_embd": "embed.tokens",
    "position_embd": "embed.positions",
    "token_types": "embed.types",
    "token_embd_norm": "embed.norm",
    "output_norm": "norm.final",
    "output": "head",
    "blk.{i}.attn_norm": "attn.norm",
    "blk.{i}.attn_q": "attn.q",
    "blk.{i}.attn_k": "attn.k",
    "blk.{i}.attn_v": "attn.v",
    "blk.{i}.attn_qkv": QKV,
    "blk.{i}.attn_output": "attn.o",
    "blk.{i}.attn_q_norm": "attn.q_norm",
    "blk.{i}.attn_k_norm": "attn.k_norm",
    "blk.{i}.ffn_norm": "ffn.norm",
    "blk.{i}.ffn_gate": "ffn.gate",
    "blk.{i}.ffn_up": "ffn.up",
    "blk.{i}.ffn_down": "ffn.down",
    "blk.{i}.post_attention_norm": "attn.post_norm",
    "blk.{i}.post_ffw_norm": "ffn.post_norm",
}
_GGUF_BERT: dict[str, Roles] = {
    **{k: v for k, v in _GGUF.items() if "norm" not in k or "blk" not in k},
    "blk.{i}.attn_output_norm": "ffn.norm",
    "blk.{i}.layer_output_norm": "ffn.post_norm",
}
_LM = ("model.", "model.language_model.", "language_model.model.", "transformer.", "")
_PARALLEL = {"attn.norm": "ffn.norm"}
_ENCODER = ("bert.", "roberta.", "mpnet.", "electra.", "xlm-roberta.", "model.", "")

TABLE: tuple[Row, ...] = (
    Row("llama", "safetensors", ("llama", "mistral", "smollm3", "ministral", "exaone4"), _LM, _LLAMA),
    Row("qwen2", "safetensors", ("qwen2", "qwen3", "qwen2_vl", "qwen2_5_vl_text"), _LM, _LLAMA),
    Row("phi3", "safetensors", ("phi3",), _LM, _LLAMA),
    Row("mixtral", "safetensors", ("mixtral",), _LM, _MIXTRAL),
    Row("qwen_moe", "safetensors", ("qwen2_moe", "qwen3_moe", "olmoe"), _LM, _QWEN_MOE),
    Row("gemma", "safetensors", ("gemma",), _LM, _LLAMA, gain_offset=1.0),
    Row("gemma2", "safetensors", ("gemma2", "gemma3", "gemma3_text"), _LM, _GEMMA_SANDWICH, gain_offset=1.0),
    Row("llama", "safetensors", ("stablelm", "granite", "olmo", "internlm3", "smollm2", "seed_oss"), _LM, _LLAMA),
    Row("cohere", "safetensors", ("cohere", "cohere2"), _LM, {
        k: v for k, v in _LLAMA.items() if v != "ffn.norm"
    }, also=_PARALLEL),
    Row("olmo2", "safetensors", ("olmo2", "olmo3"), _LM, {
        **{k: v for k, v in _LLAMA.items() if v not in ("ffn.norm", "attn.norm")},
        "layers.{i}.post_attention_layernorm": "attn.post_norm",
        "layers.{i}.post_feedforward_layernorm": "ffn.post_norm",
    }),
    Row("phi", "safetensors", ("phi",), _LM, _PHI, also=_PARALLEL),
    Row("gptj", "safetensors", ("gptj",), ("transformer.", ""), _GPTJ, also=_PARALLEL),
    Row("opt", "safetensors", ("opt",), ("model.", ""), _OPT),
    Row("bloom", "safetensors", ("bloom",), ("transformer.", ""), _BLOOM),
    Row("falcon", "safetensors", ("falcon",), ("transformer.", ""), {
        k: v for k, v in _BLOOM.items() if v != "ffn.norm"
    }, also=_PARALLEL),
    Row("mpt", "safetensors", ("mpt",), ("transformer.", ""), _MPT),
    Row("albert", "safetensors", ("albert",), ("albert.", ""), _ALBERT),
    Row("deberta", "safetensors", ("deberta-v2", "deberta"), ("deberta.", ""), _DEBERTA),
    Row("gpt2", "safetensors", ("gpt2",), ("transformer.", ""), _GPT2, transposed=True),
    Row("gpt_neox", "safetensors", ("gpt_neox",), ("gpt_neox.", ""), _NEOX),
    Row("mpnet", "safetensors", ("mpnet",), _ENCODER, _MPNET),
    Row("distilbert", "safetensors", ("distilbert",), ("distilbert.", ""), _DISTILBERT),
    Row("bert", "safetensors", ("bert", "roberta", "xlm-roberta", "electra", "camembert"), _ENCODER, _BERT),
    Row("llama", "gguf", ("llama", "mistral3"), ("",), _GGUF, rope_reordered=True),
    Row("qwen2", "gguf", ("qwen2", "qwen3"), ("",), _GGUF),
    Row("phi3", "gguf", ("phi3",), ("",), {
        **{k: v for k, v in _GGUF.items() if v != "ffn.gate"}, "blk.{i}.ffn_up": GATE_UP,
    }),
    Row("gemma", "gguf", ("gemma",), ("",), _GGUF),
    Row("gemma2", "gguf", ("gemma2", "gemma3"), ("",), _GGUF),
    Row("gpt2", "gguf", ("gpt2",), ("",), _GGUF),
    Row("gpt_neox", "gguf", ("gptneox",), ("",), {**_GGUF, "blk.{i}.attn_qkv": "attn.qkv"}),
    Row("bert", "gguf", ("bert", "nomic-bert", "jina-bert-v2"), ("",), _GGUF_BERT),
)  # fmt: skip
