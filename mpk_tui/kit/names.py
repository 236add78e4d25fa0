"""How the Kit reads a tensor's name (provenancekit 1.0.0, ``utils/tensor.py``)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mpk_tui.checkpoint.model import Tensor
from mpk_tui.errors import LimitError

_LAYER = re.compile(r"(?:layers?|h|block)\.\s*(\d+)\.")
MAX_LAYER = 1 << 16
_KINDS = (
    ("q", ("q_proj", "query", "self.query")),
    ("k", ("k_proj", "key", "self.key")),
    ("v", ("v_proj", "value", "self.value")),
    ("o", ("o_proj", "dense", "out_proj")),
    ("gate", ("gate_proj", "gate")),
    ("up", ("up_proj", "fc1", "dense_h_to_4h", "wi_0")),
    ("down", ("down_proj", "fc2", "dense_4h_to_h", "wi_1", "wo")),
    ("embedding", ("embed_tokens", "wte", "word_embeddings", "shared.weight")),
    ("norm", ("layernorm", "rmsnorm", "ln_", "norm")),
    ("head", ("lm_head", "cls")),
)
"""The first row with a piece of the name says what a tensor is (``TENSOR_CATEGORIES``)."""
_EMBEDDINGS = (
    "model.embed_tokens.weight", "transformer.wte.weight", "embeddings.word_embeddings.weight",
    "gpt_neox.embed_in.weight", "transformer.word_embeddings.weight", "shared.weight", "model.shared.weight",
    "encoder.embed_tokens.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight",
    "decoder.embed_tokens.weight", "bert.embeddings.word_embeddings.weight",
    "roberta.embeddings.word_embeddings.weight", "deberta.embeddings.word_embeddings.weight",
    "distilbert.embeddings.word_embeddings.weight", "electra.embeddings.word_embeddings.weight",
    "albert.embeddings.word_embeddings.weight", "xlm-roberta.embeddings.word_embeddings.weight",
    "camembert.embeddings.word_embeddings.weight", "word_embeddings.weight", "wte.weight",
)  # fmt: skip
"""Names of the token embedding in the order in which they are tried (``EMBEDDING_CANDIDATES``)."""


def layer_of(name: str) -> int | None:
    """Layer of a tensor, None for one outside the layers (``extract_layer_index``).

    Raises:
        LimitError: A layer that no model has.
    """
    found = _LAYER.search(name)
    if found is None:
        return None
    if len(found[1]) > 6 or int(found[1]) >= MAX_LAYER:
        raise LimitError(f"layer {found[1][:40]}; at most {MAX_LAYER} are read", where=f"tensor {name[:200]!r}")
    return int(found[1])


def is_norm(name: str) -> bool:
    """Whether a name sounds like a norm's (``is_norm_tensor_name``)."""
    lower = name.lower()
    return "norm" in lower or "post_attention" in lower or "ln_" in lower


def is_projection(name: str) -> bool:
    """Whether a name sounds like a matrix of attention or feed-forward (``classify_tensor_name``)."""
    lower = name.lower()
    kind = next((k for k, pieces in _KINDS if any(p in lower for p in pieces)), "other")
    return kind not in ("norm", "embedding", "head", "other")


def embedding_of(tensors: Iterable[Tensor], *, any_shape: bool = False) -> Tensor | None:
    """The token embedding (``find_embedding_in_state_dict``).

    Args:
        tensors: In order.
        any_shape: As where weights are streamed: names alone count.
    """
    order = list(tensors)
    by_name = {t.name: t for t in order}
    for name in _EMBEDDINGS:
        if name in by_name:
            return by_name[name]
    for t in order:
        lower = t.name.lower()
        if ("embed" in lower or "wte" in lower) and "position" not in lower and (any_shape or len(t.shape) == 2):
            return t
    return None
