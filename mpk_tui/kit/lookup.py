"""How the Kit's ``scan`` ranks its database for one model: prefilter, signals, gate, order, threshold.

Source: cisco-ai-provenance-kit 1.0.0, ``core/lookup.py`` (three stages), ``utils/tensor.py`` (estimate of the number of
parameters, size classes), ``config/settings.py`` (three results, from 0.50 on).  There VOA counts as 0, an asset
without weight signals is scored by metadata alone, and equal scores keep the order of the catalogue.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mpk_tui.kit import scores
from mpk_tui.kit.configuration import gated
from mpk_tui.kit.record import Features, Metadata, WeightSignals
from mpk_tui.kit.reference import Asset, Reference
from mpk_tui.progress import CancelToken, Meter, Report, silent

MOST = 3
"""Results that the Kit shows (``scan_top_k``)."""
THRESHOLD = 0.50
"""The least pipeline score that it shows (``scan_threshold``)."""
BUCKETS = ("<=1B", "1-10B", "10-40B", "40B+")
"""Size classes in order; a model is held against its own and the two beside it."""
_UNDER = (1_000_000_000, 10_000_000_000, 40_000_000_000)


@dataclass(frozen=True)
class Lead:
    """One asset of the database, scored as the Kit scores it.  NaN is "not comparable".

    Attributes:
        asset: The asset.
        match_type: The Kit's word: ``exact_arch``, ``family_hash``, ``mfi_only`` or ``similarity``.
        decision: Its pipeline score, its words, and what they rest on.
        metadata: MFI.
        identity: Its identity score.
        tokenizer: Its tokenizer score, VOA taken as 0.
        tfv: TFV.
        signals: EAS, NLF, LEP, END and WVC by name.
    """

    asset: Asset
    match_type: str
    decision: scores.Decision
    metadata: scores.Mfi
    identity: float
    tokenizer: float
    tfv: float
    signals: dict[str, float]


@dataclass(frozen=True)
class Ranking:
    """What the Kit's ``scan`` would answer.

    Attributes:
        leads: In its order, those from the threshold on, at most so many as were asked for.
        bucket: Size class of the model.
        allowed: Size classes that passed the prefilter.
        scored: Assets that passed it.
        above: Of them, those from the threshold on.
    """

    leads: tuple[Lead, ...]
    bucket: str
    allowed: tuple[str, ...]
    scored: int
    above: int


def parameters(metadata: Metadata) -> int:
    """The Kit's estimate of the number of parameters from dimensions (``estimate_param_count``)."""
    width, heads = _whole(metadata.hidden_size), _whole(metadata.num_attention_heads)
    kv_heads = _whole(metadata.num_key_value_heads) or heads
    inner = _whole(metadata.intermediate_size) or 4 * width
    head = _whole(metadata.head_dim) or (width // heads if heads else width)
    attention = width * head * (heads + 2 * kv_heads) + heads * head * width
    feed_forward = (3 if gated(metadata.hidden_act, metadata.model_type) else 2) * width * inner
    embedding = _whole(metadata.vocab_size) * width
    tied = metadata.tie_word_embeddings is None or bool(metadata.tie_word_embeddings)
    return embedding * (1 if tied else 2) + _whole(metadata.num_hidden_layers) * (attention + feed_forward)


def bucket(metadata: Metadata) -> str:
    """The size class of that estimate (``compute_param_bucket``)."""
    estimate = parameters(metadata)
    return next((name for name, limit in zip(BUCKETS, _UNDER, strict=False) if estimate < limit), BUCKETS[-1])


def rank(
    query: Features,
    reference: Reference,
    signals_of: Callable[[Asset], WeightSignals | None],
    *,
    most: int = MOST,
    threshold: float = THRESHOLD,
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> Ranking:
    """Score every asset that passes the prefilter, and rank them.

    Args:
        query: The model.
        reference: The database.
        signals_of: Weight signals of an asset, asked for only where the model has some, too.
        most: Results at most.
        threshold: The least pipeline score of a result.
        report: Progress by asset.
        cancel: Polled between assets.
    """
    own = bucket(query.metadata)
    at = BUCKETS.index(own)
    allowed = BUCKETS[max(0, at - 1) : at + 2]
    passed = [asset for asset in reference.assets if asset.param_bucket in allowed]
    meter = Meter(report, "ranking", len(passed) or 1, unit="steps")
    found = []
    for asset in passed:
        if cancel is not None:
            cancel.check()
        found.append(_scored(query, asset, signals_of(asset) if query.weights is not None and asset.deep else None))
        meter.add(1, asset.asset_id)
    # Stable: equal scores stay in the order of the catalogue.
    above = sorted((lead for lead in found if _order(lead) >= threshold), key=lambda lead: -_order(lead))
    return Ranking(tuple(above[:most]), own, allowed, len(passed), len(above))


def _order(lead: Lead) -> float:
    """Its pipeline score; insufficient data ranks as 0."""
    return 0.0 if math.isnan(lead.decision.score) else lead.decision.score


def _scored(query: Features, asset: Asset, theirs: WeightSignals | None) -> Lead:
    metadata = scores.mfi(query.metadata, asset.metadata)
    tfv = scores.tfv(query.tokenizer, asset.tokenizer)
    signals = {
        "eas": scores.eas(query.weights, theirs), "nlf": scores.nlf(query.weights, theirs),
        "lep": scores.lep(query.weights, theirs), "end": scores.end(query.weights, theirs),
        "wvc": scores.wvc(query.weights, theirs),
    }  # fmt: skip
    identity = scores.identity_score(**signals)
    return Lead(
        asset, _match_type(query.metadata, asset.metadata, metadata, identity), scores.decide(metadata, identity),
        metadata, identity, scores.tokenizer_score(tfv, 0.0), tfv, signals,
    )  # fmt: skip


def _match_type(query: Metadata, theirs: Metadata, metadata: scores.Mfi, identity: float) -> str:
    """Equal hashes name the type even where the gate does not open: widths may differ under one family hash."""
    if query.arch_hash == theirs.arch_hash:
        return "exact_arch"
    if query.family_hash == theirs.family_hash:
        return "family_hash"
    if metadata.tier <= 2:
        return "exact_arch" if metadata.tier == 1 else "family_hash"
    return "mfi_only" if math.isnan(identity) else "similarity"


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0
