"""The Kit's pairwise signals, its three scores and its words (provenancekit 1.0.0).

Pure functions over `mpk_tui.kit.record`.  NaN is "not comparable", as there.  The verdicts are quotes of the Kit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpk_tui.kit.record import Metadata, TokenizerFeatures, Vector, WeightSignals

NAN = float("nan")
IDENTITY_WEIGHTS = {"eas": 0.36, "nlf": 0.08, "lep": 0.16, "end": 0.19, "wvc": 0.21}
"""Weights of the identity score (config/constants.py, IDENTITY_WEIGHTS)."""
TOKENIZER_WEIGHTS = {"tfv": 0.25, "voa": 0.75}
"""Weights of the tokenizer score (config/constants.py, TOKENIZER_WEIGHTS)."""
HIGH, WEAK = 0.75, 0.65
"""A score above one of these is called so (core/scoring.py)."""
CONFIRMED = "Confirmed Match"
METADATA_ONLY = " (metadata only)"
_NEAR = 0.90
"""Widths and depths this near each other count as equal (core/signals/metadata.py, DIM_SIM_THRESHOLD)."""


@dataclass(frozen=True)
class Mfi:
    """The metadata signal of a pair.

    Attributes:
        score: 1 for equal ``arch_hash``, 0.9 for equal ``family_hash`` and dimensions, else a weighted agreement.
        tier: 1, 2 or 3; below 3 the Kit's gate decides by metadata alone.
        match_type: The Kit's word for the tier.
    """

    score: float
    tier: int
    match_type: str


@dataclass(frozen=True)
class Decision:
    """The end of the Kit's pipeline.

    Attributes:
        score: Its pipeline score.
        verdict: Its words, a quote.
        basis: ``metadata gate``, ``weights`` or ``metadata only``.
    """

    score: float
    verdict: str
    basis: str


def mfi(a: Metadata, b: Metadata) -> Mfi:
    """The metadata signal (core/signals/metadata.py, ``similarity``)."""
    if a.arch_hash and a.arch_hash == b.arch_hash:
        return Mfi(1.0, 1, "exact")
    same = (a.hidden_size, a.num_hidden_layers) == (b.hidden_size, b.num_hidden_layers)
    if a.family_hash and a.family_hash == b.family_hash and same:
        return Mfi(0.9, 2, "family")
    return Mfi(_soft(a, b), 3, "soft_match")


def _soft(a: Metadata, b: Metadata) -> float:
    """Weighted agreement of eleven facts; dimensions count only where both state them (``_tier3_soft_score``)."""
    rows = [(2.0, ((a.bos_token_id == b.bos_token_id) + (a.eos_token_id == b.eos_token_id)) / 2)]
    for weight, x, y in (
        (1.8, a.hidden_size, b.hidden_size),
        (1.5, a.num_hidden_layers, b.num_hidden_layers),
    ):
        if _positive(x) and _positive(y):
            rows.append((weight, float(_ratio(x, y) >= _NEAR)))
    rows.append((1.5, float(a.qk_norm == b.qk_norm)))
    if a.vocab_size and b.vocab_size:
        rows.append((1.5, _ratio(a.vocab_size, b.vocab_size)))
    rows.append((1.5, float(a.attention_style == b.attention_style)))
    if _positive(a.rope_theta) and _positive(b.rope_theta):
        rows.append((1.2, _ratio(a.rope_theta, b.rope_theta)))
    else:
        rows.append((1.2, float(a.rope_theta is None and b.rope_theta is None)))
    rows += [
        (0.5, float(a.norm_type == b.norm_type)),
        (0.4, float(a.pos_encoding == b.pos_encoding)),
        (0.4, float(a.attention_bias == b.attention_bias)),
        (0.1, float(a.model_type == b.model_type)),
    ]
    agreed: float = round(sum(w * s for w, s in rows) / sum(w for w, _ in rows), 4)
    return agreed


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and value > 0


def _ratio(x: float, y: float) -> float:
    return float(1.0 - abs(x - y) / max(x, y))


def tfv(a: TokenizerFeatures, b: TokenizerFeatures) -> float:
    """The tokenizer signal, eleven parts (core/signals/tokenizer.py, ``tfv_similarity``)."""
    largest = max(a.vocab_size, b.vocab_size)
    score = 0.10 * (a.tokenizer_class == b.tokenizer_class)
    score += 0.10 * (1.0 - abs(a.vocab_size - b.vocab_size) / largest if largest > 0 else 0.0)
    score += 0.08 * ((a.bos_token_id == b.bos_token_id) + (a.eos_token_id == b.eos_token_id)) / 2
    lengths = a.avg_token_length, b.avg_token_length
    score += 0.07 * max(0.0, 1.0 - abs(lengths[0] - lengths[1]) / max(*lengths, 1e-8))
    score += 0.05 * max(0.0, 1.0 - abs(a.pct_whitespace_prefix - b.pct_whitespace_prefix))
    score += 0.10 * _scripts(a.script_distribution, b.script_distribution)
    score += 0.05 * ((a.pct_byte_tokens > 0) == (b.pct_byte_tokens > 0))
    score += 0.05 * _counts(a.num_merges, b.num_merges)
    if a.merge_rule_hash and b.merge_rule_hash:
        score += 0.15 * (a.merge_rule_hash == b.merge_rule_hash)
    score += 0.10 * _special(a.special_token_ids, b.special_token_ids)
    if a.all_merges_str and b.all_merges_str:
        score += 0.15 * (a.all_merges_str == b.all_merges_str)
    elif not a.all_merges_str and not b.all_merges_str:
        score += 0.15 * 0.5
    return round(score, 4)


def _scripts(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    names = sorted(set(a) | set(b))
    x, y = (np.array([side.get(n, 0.0) for n in names]) for side in (a, b))
    norm = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(np.dot(x, y) / norm) if names and norm > 1e-8 else 0.0


def _counts(a: int, b: int) -> float:
    if a > 0 and b > 0:
        return 1.0 - abs(a - b) / max(a, b)
    return float(a == 0 and b == 0)


def _special(a: Mapping[str, int | None], b: Mapping[str, int | None]) -> float:
    """Share of equal ids among pad, unk and mask; one that only one side has is left out."""
    both = [(a.get(k), b.get(k)) for k in ("pad", "unk", "mask")]
    kept = [(x, y) for x, y in both if (x is None) == (y is None)]
    return sum(x == y for x, y in kept) / len(kept) if kept else 0.5


def voa(a: frozenset[str], b: frozenset[str]) -> float:
    """The vocabulary signal: shared token strings among all (core/signals/tokenizer.py, ``vocab_overlap``)."""
    union = len(a | b)
    return round(len(a & b) / union, 4) if union else 0.0


def eas(a: WeightSignals | None, b: WeightSignals | None) -> float:
    """Embedding anchors: correlation of the two self-similarity matrices, moved to 0 to 1 (``eas_similarity``)."""
    if a is None or b is None or a.eas_self_sim is None or b.eas_self_sim is None:
        return NAN
    k = min(len(a.eas_self_sim), len(b.eas_self_sim))
    if k < 8:
        return NAN
    above = np.triu_indices(k, k=1)
    return _correlation(a.eas_self_sim[:k, :k][above], b.eas_self_sim[:k, :k][above])


def nlf(a: WeightSignals | None, b: WeightSignals | None) -> float:
    """Norm gains: cosine of all gains, or of their statistics where the two differ in size (``nlf_similarity``)."""
    if a is None or b is None or a.nlf_vector is None or b.nlf_vector is None:
        return NAN
    x, y = a.nlf_vector, b.nlf_vector
    direct = [(s.nlf_mode or "stats") == "direct" for s in (a, b)]
    if all(direct) and len(x) == len(y):
        return cosine(x, y)
    if direct[0]:
        x = _statistics(x, a.nlf_num_layers)
    if direct[1]:
        y = _statistics(y, b.nlf_num_layers)
    n = min(len(x), len(y))
    return cosine(x[:n], y[:n]) if n >= 4 else NAN


def lep(a: WeightSignals | None, b: WeightSignals | None) -> float:
    """Layer energies: correlation of the two profiles, drawn to one length (``lep_similarity``)."""
    if a is None or b is None or a.lep_profile is None or b.lep_profile is None:
        return NAN
    x, y = a.lep_profile, b.lep_profile
    if not len(x) or not len(y):
        return NAN
    if len(x) != len(y):
        at = np.linspace(0, 1, min(len(x), len(y)))
        x, y = (np.interp(at, np.linspace(0, 1, len(v)), v) for v in (x, y))
    return _correlation(x, y)


def end(a: WeightSignals | None, b: WeightSignals | None) -> float:
    """Lengths of embedding rows: cosine of two histograms (``end_similarity``)."""
    if a is None or b is None or a.end_histogram is None or b.end_histogram is None:
        return NAN
    return cosine(a.end_histogram, b.end_histogram)


def wvc(a: WeightSignals | None, b: WeightSignals | None) -> float:
    """Sampled weights: mean over layers of the cosine, negative ones as 0 (``wvc_similarity``)."""
    if a is None or b is None or a.wvc_layer_sigs is None or b.wvc_layer_sigs is None:
        return NAN
    common = sorted(a.wvc_layer_sigs.keys() & b.wvc_layer_sigs.keys())
    found = []
    for layer in common if len(common) >= 2 else ():
        x, y = a.wvc_layer_sigs[layer], b.wvc_layer_sigs[layer]
        n = min(len(x), len(y))
        if n < 64:
            continue
        x, y = x[:n], y[:n]
        norm = float(np.linalg.norm(x) * np.linalg.norm(y))
        if norm >= 1e-10:
            found.append(max(0.0, min(1.0, float(np.dot(x, y) / norm))))
    return round(float(np.mean(found)), 4) if len(found) >= 2 else NAN


def cosine(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Cosine within 0 and 1, to four digits; NaN for a vector of no length (utils/tensor.py, ``cosine_clamp``)."""
    u, v = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    norm = float(np.linalg.norm(u) * np.linalg.norm(v))
    return NAN if norm < 1e-10 else round(max(0.0, min(1.0, float(np.dot(u, v) / norm))), 4)


def _correlation(x: Vector, y: Vector) -> float:
    if x.std() < 1e-8 or y.std() < 1e-8:
        return NAN
    found = float(np.corrcoef(x, y)[0, 1])
    return NAN if math.isnan(found) else round((found + 1.0) / 2.0, 4)


def _statistics(vector: Vector, norms: int) -> Vector:
    """Mean, deviation, largest and smallest of each of so many equal pieces (``norm_vector_to_stats``)."""
    size = len(vector) // norms if norms > 0 else 0
    if not size:
        return vector
    pieces = vector[: size * norms].reshape(norms, size)
    stacked: Vector = np.stack([pieces.mean(1), pieces.std(1), pieces.max(1), pieces.min(1)], axis=1).reshape(-1)
    return stacked.astype(np.float64)


def identity_score(eas: float, nlf: float, lep: float, end: float, wvc: float) -> float:
    """Weighted mean of those of the five weight signals that are numbers (core/scoring.py); NaN if none is."""
    values = {"eas": eas, "nlf": nlf, "lep": lep, "end": end, "wvc": wvc}
    kept = {k: v for k, v in values.items() if not math.isnan(v)}
    total = sum(IDENTITY_WEIGHTS[k] for k in kept)
    return round(sum(IDENTITY_WEIGHTS[k] / total * v for k, v in kept.items()), 4) if kept else NAN


def tokenizer_score(tfv: float, voa: float) -> float:
    """A quarter TFV, three quarters VOA (core/scoring.py); it decides nothing there either."""
    return round(TOKENIZER_WEIGHTS["tfv"] * tfv + TOKENIZER_WEIGHTS["voa"] * voa, 4)


def verdict(score: float) -> str:
    """The Kit's words for a score (core/scoring.py, ``interpret_score``)."""
    if math.isnan(score):
        return "Insufficient data"
    if score > HIGH:
        return "High-Confidence Match"
    return "Weak Match" if score > WEAK else "Not Matched"


def decide(metadata: Mfi, identity: float) -> Decision:
    """The gate (core/scanner.py, ``compare``): equal metadata is confirmed unseen, else weights, else metadata."""
    if metadata.tier <= 2:
        return Decision(metadata.score, CONFIRMED, "metadata gate")
    if not math.isnan(identity):
        return Decision(identity, verdict(identity), "weights")
    return Decision(metadata.score, verdict(metadata.score) + METADATA_ONLY, "metadata only")
