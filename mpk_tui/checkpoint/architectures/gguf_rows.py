"""Rows of GGUF files: one vocabulary of names (gguf-py, constants.py), and what converters do to some families.

llama.cpp's converters write fused queries, keys and values one after the other whatever they were before, turn stacks
of experts to (experts, out, in), part gpt-oss's gate from its up, and add Gemma's 1 to its gains.
"""

from __future__ import annotations

from mpk_tui.checkpoint.architectures.row import GATE_UP, KV_B, QKV, STACK, Roles, Row

_G = "gguf"
_NAMES: dict[str, Roles] = {
    "token_embd": "embed.tokens",
    "position_embd": "embed.positions",
    "token_types": "embed.types",
    "token_embd_norm": "embed.norm",
    "output_norm": "norm.final",
    "output": "head",
    "rope_freqs": "embed.rope",
    "rope_factors_long": "embed.rope_long",
    "rope_factors_short": "embed.rope_short",
    "blk.{i}.attn_norm": "attn.norm",
    "blk.{i}.attn_q": "attn.q",
    "blk.{i}.attn_k": "attn.k",
    "blk.{i}.attn_v": "attn.v",
    "blk.{i}.attn_qkv": QKV,
    "blk.{i}.attn_output": "attn.o",
    "blk.{i}.attn_q_norm": "attn.q_norm",
    "blk.{i}.attn_k_norm": "attn.k_norm",
    "blk.{i}.attn_q_a": "attn.q_a",
    "blk.{i}.attn_q_a_norm": "attn.q_a_norm",
    "blk.{i}.attn_q_b": "attn.q",
    "blk.{i}.attn_kv_a_mqa": "attn.kv_a",
    "blk.{i}.attn_kv_a_norm": "attn.kv_a_norm",
    "blk.{i}.attn_kv_b": KV_B,
    # Newer files hold these as stacks by heads, the keys' turned: no rows of kv_b.
    "blk.{i}.attn_k_b": "attn.k_b.heads",
    "blk.{i}.attn_v_b": "attn.v_b.heads",
    "blk.{i}.attn_sinks": "attn.sinks",
    "blk.{i}.ffn_norm": "ffn.norm",
    "blk.{i}.ffn_gate": "ffn.gate",
    "blk.{i}.ffn_up": "ffn.up",
    "blk.{i}.ffn_down": "ffn.down",
    "blk.{i}.ffn_gate.{e}": "ffn.gate",
    "blk.{i}.ffn_up.{e}": "ffn.up",
    "blk.{i}.ffn_down.{e}": "ffn.down",
    "blk.{i}.ffn_gate_inp": "ffn.router",
    "blk.{i}.exp_probs_b": "ffn.router.correction",
    "blk.{i}.ffn_gate_exps": "ffn.gate" + STACK,
    "blk.{i}.ffn_up_exps": "ffn.up" + STACK,
    "blk.{i}.ffn_down_exps": "ffn.down" + STACK,
    "blk.{i}.ffn_gate_up_exps": tuple(r + STACK for r in GATE_UP),
    "blk.{i}.ffn_gate_inp_shexp": "ffn.shared.router",
    "blk.{i}.ffn_gate_shexp": "ffn.shared.gate",
    "blk.{i}.ffn_up_shexp": "ffn.shared.up",
    "blk.{i}.ffn_down_shexp": "ffn.shared.down",
    "blk.{i}.post_attention_norm": "attn.post_norm",
    "blk.{i}.post_ffw_norm": "ffn.post_norm",
}
_FUSED_FEED: dict[str, Roles] = {**{k: v for k, v in _NAMES.items() if v != "ffn.gate"}, "blk.{i}.ffn_up": GATE_UP}
_BERT: dict[str, Roles] = {
    **{k: v for k, v in _NAMES.items() if "norm" not in k or "blk" not in k},
    "blk.{i}.attn_q_norm": "attn.q_norm",
    "blk.{i}.attn_k_norm": "attn.k_norm",
    "blk.{i}.attn_output_norm": "ffn.norm",
    "blk.{i}.layer_output_norm": "ffn.post_norm",
    "cls": "head.dense",
    "cls.norm": "head.norm",
    "cls.output": "head.classes",
}
# Falcon with two norms: the converter calls the feed-forward's attn_norm.
_FALCON_TWO: dict[str, Roles] = {**_NAMES, "blk.{i}.attn_norm": "ffn.norm", "blk.{i}.attn_norm_2": "attn.norm"}
_GPT_OSS: dict[str, Roles] = {**_NAMES, "blk.{i}.post_attention_norm": "ffn.norm"}
_MAMBA: dict[str, Roles] = {
    "token_embd": "embed.tokens",
    "output_norm": "norm.final",
    "output": "head",
    "blk.{i}.attn_norm": "mixer.norm",
    "blk.{i}.ssm_in": "mixer.in",
    "blk.{i}.ssm_conv1d": "mixer.conv",
    "blk.{i}.ssm_x": "mixer.x",
    "blk.{i}.ssm_dt": "mixer.dt",
    "blk.{i}.ssm_a": "mixer.a",
    "blk.{i}.ssm_d": "mixer.d",
    "blk.{i}.ssm_norm": "mixer.inner_norm",
    "blk.{i}.ssm_out": "mixer.out",
}


def _t5(stack: str) -> dict[str, Roles]:
    names: dict[str, Roles] = {
        "attn_norm": "attn.norm", "attn_q": "attn.q", "attn_k": "attn.k", "attn_v": "attn.v", "attn_o": "attn.o",
        "attn_rel_b": "attn.relative", "ffn_norm": "ffn.norm", "ffn_gate": "ffn.gate", "ffn_up": "ffn.up",
        "ffn_down": "ffn.down", "cross_attn_norm": "attn.cross.norm", "cross_attn_q": "attn.cross.q",
        "cross_attn_k": "attn.cross.k", "cross_attn_v": "attn.cross.v", "cross_attn_o": "attn.cross.o",
        "cross_attn_rel_b": "attn.cross.relative",
    }  # fmt: skip
    return {f"{stack}.blk.{{i}}.{name}": role for name, role in names.items()}


_T5: dict[str, Roles] = {
    "token_embd": "embed.tokens",
    "output": "head",
    "enc.output_norm": "norm.final.encoder",
    "dec.output_norm": "norm.final",
    **_t5("enc"),
}
_PARALLEL = {"attn.norm": "ffn.norm"}
_N = ("",)

ROWS: tuple[Row, ...] = (
    Row("llama", _G, ("llama", "mistral3", "smollm3", "arcee", "minicpm", "internlm2", "xverse", "deci"), _N, _NAMES,
        rope_reordered=True),
    Row("llama", _G, ("granite", "olmo"), _N, _NAMES, rope_reordered=True),
    Row("granite_moe", _G, ("granitemoe",), _N, _NAMES, rope_reordered=True),
    Row("deepseek", _G, ("deepseek",), _N, _NAMES, rope_reordered=True),
    Row("llama4", _G, ("llama4",), _N, _NAMES),
    Row("qwen2", _G, ("qwen2", "qwen3", "qwen2vl", "qwen3vl"), _N, _NAMES),
    Row("qwen", _G, ("qwen",), _N, _NAMES),
    Row("qwen_moe", _G, ("qwen2moe", "qwen3moe", "olmoe"), _N, _NAMES),
    Row("mixtral", _G, ("phimoe",), _N, _NAMES),
    Row("deepseek", _G, ("deepseek2",), _N, _NAMES),
    Row("gpt_oss", _G, ("gpt-oss",), _N, _GPT_OSS),
    Row("phi3", _G, ("phi3",), _N, _FUSED_FEED),
    Row("phi", _G, ("phi2",), _N, _NAMES, also=_PARALLEL),
    Row("gemma", _G, ("gemma",), _N, _NAMES),
    Row("gemma2", _G, ("gemma2", "gemma3"), _N, _NAMES),
    Row("olmo2", _G, ("olmo2",), _N, _NAMES),
    Row("stablelm", _G, ("stablelm",), _N, _NAMES, also=_PARALLEL),
    Row("cohere", _G, ("command-r", "cohere2"), _N, _NAMES, also=_PARALLEL),
    Row("gpt2", _G, ("gpt2",), _N, _NAMES),
    Row("gptj", _G, ("gptj",), _N, _NAMES, also=_PARALLEL),
    Row("gpt_bigcode", _G, ("starcoder",), _N, _NAMES),
    Row("starcoder2", _G, ("starcoder2",), _N, _NAMES),
    Row("gpt_neox", _G, ("gptneox",), _N, _NAMES),
    Row("bloom", _G, ("bloom",), _N, _NAMES),
    Row("mpt", _G, ("mpt",), _N, _NAMES),
    Row("falcon", _G, ("falcon",), _N, _NAMES, also=_PARALLEL),
    Row("falcon", _G, ("falcon",), _N, _FALCON_TWO, needs=("attn.norm",)),
    Row("bert", _G, ("bert", "nomic-bert", "jina-bert-v2"), _N, _BERT),
    Row("modernbert", _G, ("modern-bert",), _N, {
        **_FUSED_FEED, "cls": "head.dense", "cls.norm": "head.norm", "cls.output": "head.classes"}),
    Row("t5", _G, ("t5", "t5encoder"), _N, _T5, later=_t5("dec"), stacks=("encoder", "decoder")),
    Row("mamba", _G, ("mamba", "mamba2"), _N, _MAMBA, core="mixer.in", scope="state-space model"),
)  # fmt: skip
