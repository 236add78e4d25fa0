"""Rows of decoders without experts, by the names of published safetensors and PyTorch files."""

from __future__ import annotations

from mpk_tui.checkpoint.architectures.row import GATE_UP, QKV, Roles, Row

S = "safetensors"
LM = ("model.language_model.", "language_model.model.", "language_model.", "model.", "transformer.", "")
PARALLEL = {"attn.norm": "ffn.norm"}
"""One norm feeds attention and feed-forward in parallel."""

LLAMA: dict[str, Roles] = {
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
# Layers that look at an image have cross-attention in place of attention.
_MLLAMA: dict[str, Roles] = {
    **LLAMA,
    "layers.{i}.cross_attn.q_proj": "attn.cross.q",
    "layers.{i}.cross_attn.k_proj": "attn.cross.k",
    "layers.{i}.cross_attn.v_proj": "attn.cross.v",
    "layers.{i}.cross_attn.o_proj": "attn.cross.o",
    "layers.{i}.cross_attn.q_norm": "attn.cross.q_norm",
    "layers.{i}.cross_attn.k_norm": "attn.cross.k_norm",
    "layers.{i}.cross_attn_attn_gate": "attn.cross.scale",
    "layers.{i}.cross_attn_mlp_gate": "ffn.cross.scale",
}
_PHI3: dict[str, Roles] = {
    **LLAMA,
    # Phi-4-multimodal keeps adapters beside the matrices.
    "layers.{i}.self_attn.qkv_proj.base_layer": QKV,
    "layers.{i}.self_attn.o_proj.base_layer": "attn.o",
    "layers.{i}.mlp.gate_up_proj.base_layer": GATE_UP,
    "layers.{i}.mlp.down_proj.base_layer": "ffn.down",
}
# Gemma 2 and 3 put one more norm behind each block; the one that the feed-forward reads has its own name.
_SANDWICH: dict[str, Roles] = {
    **{k: v for k, v in LLAMA.items() if v != "ffn.norm"},
    "layers.{i}.post_attention_layernorm": "attn.post_norm",
    "layers.{i}.pre_feedforward_layernorm": "ffn.norm",
    "layers.{i}.post_feedforward_layernorm": "ffn.post_norm",
}
_OLMO2: dict[str, Roles] = {
    **{k: v for k, v in LLAMA.items() if v not in ("ffn.norm", "attn.norm")},
    "layers.{i}.post_attention_layernorm": "attn.post_norm",
    "layers.{i}.post_feedforward_layernorm": "ffn.post_norm",
}
# OLMo before its port to transformers; the activated half of ff_proj is the second (hf_olmo, modeling_olmo.py).
_OLMO_FIRST: dict[str, Roles] = {
    "wte": "embed.tokens",
    "ln_f": "norm.final",
    "ff_out": "head",
    "blocks.{i}.att_proj": QKV,
    "blocks.{i}.attn_out": "attn.o",
    "blocks.{i}.attn_norm": "attn.norm",
    "blocks.{i}.ff_norm": "ffn.norm",
    "blocks.{i}.ff_proj": ("ffn.up", "ffn.gate"),
    "blocks.{i}.ff_out": "ffn.down",
}
_STABLELM: dict[str, Roles] = {
    **LLAMA,
    "layers.{i}.self_attn.q_layernorm.norms.{e}": "attn.q_norm.head",
    "layers.{i}.self_attn.k_layernorm.norms.{e}": "attn.k_norm.head",
}
# Qwen 1: w2 is the activated half, w1 the other (modeling_qwen.py of the published repositories).
_QWEN: dict[str, Roles] = {
    "wte": "embed.tokens",
    "ln_f": "norm.final",
    "lm_head": "head",
    "h.{i}.ln_1": "attn.norm",
    "h.{i}.attn.c_attn": QKV,
    "h.{i}.attn.c_proj": "attn.o",
    "h.{i}.ln_2": "ffn.norm",
    "h.{i}.mlp.w2": "ffn.gate",
    "h.{i}.mlp.w1": "ffn.up",
    "h.{i}.mlp.c_proj": "ffn.down",
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
_GPT_NEO: dict[str, Roles] = {
    **{k: v for k, v in _GPT2.items() if ".attn." not in k},
    "h.{i}.attn.attention.q_proj": "attn.q",
    "h.{i}.attn.attention.k_proj": "attn.k",
    "h.{i}.attn.attention.v_proj": "attn.v",
    "h.{i}.attn.attention.out_proj": "attn.o",
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
_NEOX: dict[str, Roles] = {
    "embed_in": "embed.tokens",
    "gpt_neox.embed_in": "embed.tokens",
    "final_layer_norm": "norm.final",
    "embed_out": "head",
    "layers.{i}.input_layernorm": "attn.norm",
    "layers.{i}.attention.query_key_value": QKV,
    "layers.{i}.attention.dense": "attn.o",
    "layers.{i}.post_attention_layernorm": "ffn.norm",
    "layers.{i}.mlp.dense_h_to_4h": "ffn.up",
    "layers.{i}.mlp.dense_4h_to_h": "ffn.down",
}
_STARCODER2: dict[str, Roles] = {
    **{k: v for k, v in LLAMA.items() if ".mlp." not in k},
    "layers.{i}.mlp.c_fc": "ffn.up",
    "layers.{i}.mlp.c_proj": "ffn.down",
}
_PHI: dict[str, Roles] = {
    "embed_tokens": "embed.tokens",
    "final_layernorm": "norm.final",
    "lm_head": "head",
    "layers.{i}.input_layernorm": "attn.norm",
    "layers.{i}.self_attn.q_proj": "attn.q",
    "layers.{i}.self_attn.k_proj": "attn.k",
    "layers.{i}.self_attn.v_proj": "attn.v",
    "layers.{i}.self_attn.dense": "attn.o",
    "layers.{i}.self_attn.q_layernorm": "attn.q_norm",
    "layers.{i}.self_attn.k_layernorm": "attn.k_norm",
    "layers.{i}.mlp.fc1": "ffn.up",
    "layers.{i}.mlp.fc2": "ffn.down",
}
_OPT: dict[str, Roles] = {
    "decoder.embed_tokens": "embed.tokens",
    "decoder.embed_positions": "embed.positions",
    "decoder.project_in": "embed.project_in",
    "decoder.project_out": "embed.project_out",
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
# OPT-350m alone puts its norms behind the blocks.
_OPT_POST: dict[str, Roles] = {
    **_OPT,
    "decoder.layers.{i}.self_attn_layer_norm": "ffn.norm",
    "decoder.layers.{i}.final_layer_norm": "ffn.post_norm",
}
_BLOOM: dict[str, Roles] = {
    "word_embeddings": "embed.tokens",
    "word_embeddings_layernorm": "embed.norm",
    "ln_f": "norm.final",
    "lm_head": "head",
    "h.{i}.input_layernorm": "attn.norm",
    "h.{i}.self_attention.query_key_value": QKV,
    "h.{i}.self_attention.dense": "attn.o",
    "h.{i}.post_attention_layernorm": "ffn.norm",
    "h.{i}.mlp.dense_h_to_4h": "ffn.up",
    "h.{i}.mlp.dense_4h_to_h": "ffn.down",
}
_FALCON: dict[str, Roles] = {**_BLOOM, "h.{i}.ln_attn": "attn.norm", "h.{i}.ln_mlp": "ffn.norm"}
_MPT: dict[str, Roles] = {
    "wte": "embed.tokens",
    "wpe": "embed.positions",
    "norm_f": "norm.final",
    "lm_head": "head",
    "blocks.{i}.norm_1": "attn.norm",
    "blocks.{i}.attn.Wqkv": QKV,
    "blocks.{i}.attn.out_proj": "attn.o",
    "blocks.{i}.norm_2": "ffn.norm",
    "blocks.{i}.ffn.up_proj": "ffn.up",
    "blocks.{i}.ffn.down_proj": "ffn.down",
}
# No transformers: the mixers of Mamba, so that the scope can be told and the tensors are known.
_MAMBA: dict[str, Roles] = {
    "embeddings": "embed.tokens",
    "embedding": "embed.tokens",
    "norm_f": "norm.final",
    "lm_head": "head",
    "layers.{i}.norm": "mixer.norm",
    "layers.{i}.mixer.in_proj": "mixer.in",
    "layers.{i}.mixer.conv1d": "mixer.conv",
    "layers.{i}.mixer.x_proj": "mixer.x",
    "layers.{i}.mixer.dt_proj": "mixer.dt",
    "layers.{i}.mixer.dt_bias": "mixer.dt.bias",
    "layers.{i}.mixer.A_log": "mixer.a",
    "layers.{i}.mixer.D": "mixer.d",
    "layers.{i}.mixer.norm": "mixer.inner_norm",
    "layers.{i}.mixer.out_proj": "mixer.out",
}
_GPT = ("transformer.", "")
_NO_SECOND_NORM = {k: v for k, v in LLAMA.items() if v != "ffn.norm"}

ROWS: tuple[Row, ...] = (
    Row("llama", S, (
        "llama", "mistral", "smollm3", "ministral", "ministral3", "exaone4", "llava", "mistral3",
    ), LM, LLAMA),
    Row("qwen2", S, (
        "qwen2", "qwen3", "qwen2_vl", "qwen2_vl_text", "qwen2_5_vl", "qwen2_5_vl_text", "qwen3_vl", "qwen3_vl_text",
    ), LM, LLAMA),
    Row("mllama", S, ("mllama", "mllama_text_model"), LM, _MLLAMA),
    Row("phi3", S, ("phi3", "phi4mm", "phi4_multimodal"), LM, _PHI3),
    Row("gemma", S, ("gemma",), LM, LLAMA, gain_offset=1.0),
    Row("gemma2", S, ("gemma2", "gemma3", "gemma3_text"), LM, _SANDWICH, gain_offset=1.0),
    Row("llama", S, ("granite", "olmo", "internlm3", "smollm2", "seed_oss"), LM, LLAMA),
    Row("stablelm", S, ("stablelm", "stablelm_epoch"), LM, _STABLELM, also=PARALLEL),
    Row("cohere", S, ("cohere", "cohere2"), LM, _NO_SECOND_NORM, also=PARALLEL),
    Row("olmo2", S, ("olmo2", "olmo3"), LM, _OLMO2),
    Row("olmo-first", S, ("hf_olmo",), ("model.transformer.", "transformer.", ""), _OLMO_FIRST),
    Row("phi", S, ("phi",), LM, _PHI, also=PARALLEL),
    Row("starcoder2", S, ("starcoder2",), LM, _STARCODER2),
    Row("qwen", S, ("qwen",), _GPT, _QWEN),
    Row("gptj", S, ("gptj",), _GPT, _GPTJ, also=PARALLEL),
    Row("opt", S, ("opt",), ("model.", ""), _OPT, needs=("norm.final",)),
    Row("opt", S, ("opt",), ("model.", ""), _OPT_POST, needs=("ffn.post_norm",)),
    Row("bloom", S, ("bloom",), _GPT, _BLOOM, grouped=True),
    Row("falcon", S, ("falcon", "RefinedWeb", "RefinedWebModel"), _GPT, _FALCON, grouped=True, also=PARALLEL),
    Row("mpt", S, ("mpt",), _GPT, _MPT),
    Row("gpt2", S, ("gpt2",), _GPT, _GPT2, transposed=True),
    Row("gpt_bigcode", S, ("gpt_bigcode",), _GPT, _GPT2, grouped=True),
    Row("gpt_neo", S, ("gpt_neo",), _GPT, _GPT_NEO),
    Row("gpt_neox", S, ("gpt_neox",), ("gpt_neox.", ""), _NEOX, grouped=True),
    Row("mamba", S, ("mamba", "mamba2"), ("backbone.", "model.", ""), _MAMBA, core="mixer.in",
        scope="state-space model"),
)  # fmt: skip
