"""A model's configuration as data: claims of the file, checked for form and never believed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.reading import read_small
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.errors import MalformedError

MAX_CONFIG = 8 << 20

# Canonical fact -> names under which configurations state it, first match wins.
_FACTS: dict[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "block_count"),
    "width": ("hidden_size", "n_embd", "d_model", "dim", "embedding_length"),
    "ffn_width": ("intermediate_size", "n_inner", "d_ff", "ffn_dim", "hidden_dim", "feed_forward_length"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention.head_count"),
    "kv_heads": ("num_key_value_heads", "n_head_kv", "n_kv_heads", "attention.head_count_kv"),
    "head_dim": ("head_dim", "d_kv", "attention.key_length"),
    "vocabulary": ("vocab_size",),
}
# Multimodal configurations keep the language model's part under one of these.
_NESTED = ("text_config", "language_config", "llm_config")


def read_config(path: Path, *, follow: bool = False) -> dict[str, Any]:
    """Decode ``config.json``.

    Raises:
        MalformedError: Not a JSON object.
        LimitError: Larger than `MAX_CONFIG`.
    """
    value = parse(read_small(path, MAX_CONFIG, path.name, follow=follow), path.name)
    if not isinstance(value, dict):
        raise MalformedError("not a JSON object", where=path.name)
    return value


def language_part(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part that describes the language model."""
    for key in _NESTED:
        part = config.get(key)
        if isinstance(part, dict):
            return part
    return config


def fact(config: Mapping[str, Any], name: str) -> int:
    """A dimension by its canonical name, 0 where it is not stated as a sensible number.

    GGUF keys carry the architecture's name in front (``llama.block_count``).
    """
    prefix = config.get("general.architecture")
    for key in _FACTS[name]:
        for candidate in (f"{prefix}.{key}" if isinstance(prefix, str) else key, key):
            value = config.get(candidate)
            if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 31:
                return value
    return 0


def model_type(config: Mapping[str, Any]) -> str:
    """``model_type`` of a Hugging Face configuration or ``general.architecture`` of GGUF metadata, or empty."""
    for source in (language_part(config), config):
        for key in ("model_type", "general.architecture"):
            value = source.get(key)
            if isinstance(value, str) and value:
                return value
    return ""


def states_tied(config: Mapping[str, Any]) -> bool | None:
    """What the configuration says of tied embeddings, None if nothing."""
    for source in (language_part(config), config):
        value = source.get("tie_word_embeddings")
        if isinstance(value, bool):
            return value
    return None
