"""The features that the Kit takes from one model, in plain form.

Field names are those of the Kit's own records (provenancekit 1.0.0, ``models/signals.py``), so that its database can be
read into the same classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Metadata:
    """What the Kit's metadata signal (MFI) is made of; every value is what its libraries make of the configuration.

    ``arch_hash`` and ``family_hash`` are hex SHA-256; equal ones open the gate before any weight is looked at.
    """

    model_type: str
    architectures: tuple[str, ...] | None
    hidden_size: Any
    num_hidden_layers: Any
    num_attention_heads: Any
    num_key_value_heads: Any
    intermediate_size: int
    vocab_size: Any
    max_position_embeddings: Any
    hidden_act: Any
    rope_theta: Any
    rope_scaling: Any
    tie_word_embeddings: Any
    bos_token_id: Any
    eos_token_id: Any
    attention_style: str
    norm_type: str
    attention_bias: Any
    qk_norm: bool
    pos_encoding: str
    head_dim: Any
    arch_hash: str
    family_hash: str
    gqa_ratio: float = 1.0
    tokenizer_hash: str = ""
    token_id_signature: str = ""


@dataclass(frozen=True)
class TokenizerFeatures:
    """What the Kit's tokenizer signal (TFV) is made of."""

    vocab_size: int
    tokenizer_class: str
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    num_merges: int = 0
    merge_rule_hash: str = ""
    all_merges_str: str = ""
    special_token_ids: Mapping[str, int | None] = field(default_factory=dict)
    avg_token_length: float = 0.0
    pct_whitespace_prefix: float = 0.0
    pct_byte_tokens: float = 0.0
    script_distribution: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class WeightSignals:
    """What the Kit's five weight signals are made of; None where it makes nothing of the weights.

    Attributes:
        eas_self_sim: EAS: cosines between the embeddings of the anchor tokens, (anchors, anchors).
        nlf_vector: NLF: gains of all norms one after the other (``direct``), or four statistics of each (``stats``).
        nlf_mode: ``direct``, ``stats`` or None.
        nlf_num_layers: Number of norms.
        lep_profile: LEP: energy by layer, the largest 1.
        end_histogram: END: 20 bins of the lengths of the embedding's rows.
        wvc_layer_sigs: WVC: sampled weights by layer.
    """

    eas_self_sim: Vector | None = None
    nlf_vector: Vector | None = None
    nlf_mode: str | None = None
    nlf_num_layers: int = 0
    lep_profile: Vector | None = None
    end_histogram: Vector | None = None
    wvc_layer_sigs: Mapping[int, Vector] | None = None


@dataclass(frozen=True)
class Features:
    """Everything the Kit would know of one model.

    Attributes:
        label: What the person named.
        metadata: MFI.
        tokenizer: TFV.
        vocabulary: VOA: token strings.
        weights: The five weight signals; None where the Kit loads no weights (it goes on without them) or where they
            were not asked for.
        loading: ``whole`` (all tensors as stored), ``automodel`` (through the model class, in half precision), ``rows``
            (32 rows of every tensor: more than 20 GB), ``streamed`` or ``""`` (no weights).
        notices: What the Kit left out or what this reading of it cannot know, as sentences.
    """

    label: str
    metadata: Metadata
    tokenizer: TokenizerFeatures
    vocabulary: frozenset[str]
    weights: WeightSignals | None
    loading: str = ""
    notices: tuple[str, ...] = ()
