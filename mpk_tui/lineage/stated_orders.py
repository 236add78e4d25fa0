"""What configurations say of units, channels, heads and dimensions that are ordered by construction.

A configuration is a claim: it can have a test refused (`mpk_tui.lineage.void`), never make one find something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mpk_tui.checkpoint.config import language_part, model_type

_NESTED = ("gemma3n", "gemma3n_text")
_ALIBI = ("bloom", "jina-bert-v2", "refact", "gpt_refact")
_SINES = (
    "marian", "pegasus", "m2m_100", "nllb-moe", "fsmt", "speech_to_text", "speech_to_text_2", "whisper", "ctrl",
    "transfo-xl", "xglm",
)  # fmt: skip


def nested_units(config: Mapping[str, Any]) -> str:
    """What a configuration says of nested feed-forward blocks: MatFormer (Devvrit et al. 2023), as in Gemma 3n."""
    for part in _parts(config):
        if model_type(part) in _NESTED or any("matformer" in key.lower() and part[key] for key in part):
            return "nesting (MatFormer)"
    return ""


def encoded_values(config: Mapping[str, Any]) -> str:
    """What a configuration says of positions on values: RoFormer's ``rotary_value`` and two names for the same."""
    stated = any(
        part.get(key) is True for part in _parts(config) for key in ("rotary_value", "rope_on_values", "use_v_rope")
    )
    return "positions encoded on values" if stated else ""


def unlike_heads(config: Mapping[str, Any]) -> str:
    """What a configuration says of heads that differ by construction.

    ALiBi slopes (Press et al. 2022; ``alibi``, ``position_embedding_type``, ``max_alibi_bias`` of GGUF, some model
    types, Baichuan of 40 layers), decay by head (RetNet), sparse patterns by head (Phi-3-small, BigBird), and some
    heads local, others global (``n_local_attn_heads``).
    """
    kind = model_type(config)
    for part in _parts(config):
        alibi = part.get("alibi") is True or part.get("use_alibi") is True or _positive(part.get("max_alibi_bias"))
        alibi = alibi or _positive(part.get("attention.max_alibi_bias"))
        if alibi or part.get("position_embedding_type") == "alibi" or kind in _ALIBI:
            return "ALiBi slopes"
        layers = part.get("num_hidden_layers", part.get("block_count"))
        if kind == "baichuan" and layers == 40:
            return "ALiBi slopes"
        if part.get("blocksparse_homo_head_pattern") is False and _positive(part.get("blocksparse_block_size")):
            return "sparse patterns of their own"
        if kind == "big_bird" and part.get("attention_type") == "block_sparse":
            return "sparse patterns of their own"
        if _positive(part.get("n_local_attn_heads")):
            return "being local or global"
    return "decay" if kind == "retnet" else ""


def sinusoidal(config: Mapping[str, Any]) -> str:
    """What a configuration says of sinusoidal positions (Vaswani et al. 2017)."""
    stated = any(
        part.get(k) is True for part in _parts(config) for k in ("sinusoidal_pos_embds", "sinusoidal_embeddings")
    )
    return "sinusoidal positions" if stated or model_type(config) in _SINES else ""


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


def _parts(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The configuration, its language part, what that says of attention, and GGUF keys without their prefix."""
    whole = language_part(config)
    yield config
    yield whole
    for key in ("attn_config", "attention_config", "blocksparse_params"):
        if isinstance(part := whole.get(key), dict):
            yield part
    prefix = f"{config.get('general.architecture')}."
    yield {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
