"""MFI: what the Kit makes of a configuration (provenancekit 1.0.0, ``core/signals/metadata.py``)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from mpk_tui.kit.configuration import ABSENT, Configuration
from mpk_tui.kit.record import Metadata

FAMILIES = {
    "llama": ("llama",),
    "qwen": ("qwen2", "qwen2_moe", "qwen", "qwen2_5_vl", "qwen2_vl", "qwen3", "qwen3_moe"),
    "phi": ("phi", "phi3", "phi-msft", "phi3small", "mixformer-sequential"),
    "gemma": ("gemma", "gemma2", "gemma3", "paligemma"),
    "mistral": ("mistral",),
    "deepseek": ("deepseek_v3", "deepseek_v2"),
    "gpt2": ("gpt2",),
    "falcon": ("falcon",),
    "starcoder": ("gpt_bigcode",),
    "bert": ("bert",),
    "roberta": ("roberta",),
    "t5": ("t5",),
    "bart": ("bart",),
    "marian": ("marian",),
    "bloom": ("bloom",),
    "gpt_neox": ("gpt_neox",),
    "albert": ("albert",),
    "deberta": ("deberta-v2", "deberta"),
    "xlm_roberta": ("xlm-roberta",),
    "nllb": ("m2m_100",),
}
"""The Kit's name of a family by model type (config/constants.py, FAMILY_MAP)."""


def metadata(configuration: Configuration, tokenizer_text: str, bos: int | None, eos: int | None) -> Metadata:
    """The metadata fingerprint (``extract_fingerprint``).

    Args:
        configuration: Of the whole model.
        tokenizer_text: The tokenizer as its library writes it; only its hash counts.
        bos: Id of the token that begins a text.
        eos: Id of the token that ends one.
    """
    text = configuration.text
    get = text.get
    heads, kv = get("num_attention_heads", 0), get("num_key_value_heads", None)
    style = "MHA" if kv is None or kv == (heads or 1) else "MQA" if kv == 1 else "GQA"
    theta = get("rope_theta", None)
    norm = _norm(text)
    act = get("hidden_act", get("hidden_activation", None))
    architectures = configuration.stated.get("architectures")
    tokenizer_hash = hashlib.sha256(tokenizer_text.encode("utf-8", "surrogatepass")).hexdigest()
    scaling = get("rope_scaling", None)
    kind = configuration.model_type
    width, layers, inner = get("hidden_size", 0), get("num_hidden_layers", 0), intermediate_size(text)
    vocabulary, positions = get("vocab_size", 0), get("max_position_embeddings", 0)
    return Metadata(
        model_type=kind,
        architectures=tuple(architectures) if architectures is not None else None,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv,
        intermediate_size=inner,
        vocab_size=vocabulary,
        max_position_embeddings=positions,
        hidden_act=act,
        rope_theta=theta,
        rope_scaling=scaling,
        tie_word_embeddings=get("tie_word_embeddings", None),
        bos_token_id=bos,
        eos_token_id=eos,
        attention_style=style,
        norm_type=norm,
        attention_bias=get("attention_bias", get("bias", None)),
        qk_norm=bool(
            get("qk_layernorm", False) or get("qk_norm", False) or get("query_pre_attn_scalar", None) is not None
        ),
        pos_encoding="RoPE" if theta is not None else get("position_embedding_type", "absolute"),
        head_dim=get("head_dim", None),
        arch_hash=_sha([kind, architectures, width, layers, heads, kv, inner, vocabulary, positions]),
        family_hash=_sha(
            [
                kind,
                style,
                act,
                norm,
                tokenizer_hash,
                "none" if theta is None else str(round(theta, -2)),
                str(scaling.get("type", "none")) if scaling and isinstance(scaling, dict) else "none",
            ]
        ),
        gqa_ratio=round((heads or 1) / kv, 1) if kv else 1.0,
        tokenizer_hash=tokenizer_hash,
        token_id_signature=f"bos={bos}|eos={eos}",
    )


def family_of(model_type: str) -> str:
    """The Kit's name of a family, or ``unknown`` (``classify``)."""
    return next((f for f, kinds in FAMILIES.items() if model_type.lower() in kinds), "unknown")


def intermediate_size(text: Configuration) -> int:
    """Feed-forward width by the first of the names that state one (``_resolve_intermediate_size``)."""
    for name in ("intermediate_size", "d_ff", "encoder_ffn_dim", "decoder_ffn_dim", "ffn_dim"):
        value = text.get(name, 0)
        if value and value > 0:
            return int(value)
    value = text.get("hidden_dim", 0)
    return int(value) if value and value > 0 and value != text.get("hidden_size", 0) else 0


def _norm(text: Configuration) -> str:
    """Which epsilon the configuration has, set or not, says which norm (``_derive_norm_type``)."""
    for name, kinds in (
        ("RMSNorm", ("rms_norm_eps", "rms_norm_epsilon")),
        ("LayerNorm", ("layer_norm_eps", "layer_norm_epsilon")),
    ):
        if any(text.get(k) is not ABSENT for k in kinds):
            return name
    return "unknown"


def _sha(fields: list[Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
