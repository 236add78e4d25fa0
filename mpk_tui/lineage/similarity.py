"""Similarity scores in the manner of the field's tools, each computed by our own code from fixed samples.

None of them tells a common origin from a common recipe; `mpk_tui.lineage.context` sets each beside what independent
models score.  They resemble signals of other tools by intent and are not those tools' numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint.model import Part
from mpk_tui.errors import MalformedError, UnsupportedError
from mpk_tui.fingerprint.units import Floats, Ids, anchor_strings, choose_anchors, sample_units
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.progress import CancelToken

TOKENS = 4096
"""Shared tokens whose embeddings are compared."""
ANCHORS = 256
"""Shared tokens whose similarities among each other are compared."""
ROWS = 256
"""Rows of a matrix that are looked at."""
SPECTRUM = 256
"""Greatest side of a block whose singular values are taken."""
DEEP = 3
"""Layers whose matrices are compared, spread evenly."""
MIN_SHARED = 16
"""Fewer shared tokens than this and embeddings are not compared."""
_ROLES = ("attn.q", "attn.k", "attn.v", "attn.o", "ffn.gate", "ffn.up", "ffn.down")
_NORMS = ("attn.norm", "ffn.norm")
_FACTS = ("layers", "width", "ffn_width", "heads", "kv_heads", "head_dim", "tied")
_CLAIMS = ("model_type", "architectures", "vocab_size", "torch_dtype")
_NEEDS = "needs the weights of both models; a fingerprint file stands for at least one"


@dataclass(frozen=True)
class Shared:
    """Tokens that both vocabularies hold.

    Attributes:
        a: Rows of A's embedding table.
        b: Rows of B's, in the same order of tokens.
        by: ``strings`` or ``ids``.
    """

    a: Ids
    b: Ids
    by: str


@dataclass(frozen=True)
class Pair:
    """What the measures look at: two sides and which layers stand beside each other."""

    a: Side
    b: Side
    layers: tuple[tuple[int, int], ...]

    @cached_property
    def shared(self) -> Shared | str:
        """At most `TOKENS` shared tokens, or why there are none."""
        if not (self.a.weights and self.b.weights):
            return _NEEDS
        return _shared(self.a.weights, self.b.weights)

    @cached_property
    def blocks(self) -> list[tuple[Floats, Floats]]:
        """(rows of A, rows of B) of the matrices of a few matched layers; the same ids where shapes are equal."""
        if not (self.a.weights and self.b.weights):
            return []
        return list(_blocks(self.a.weights, self.b.weights, self.layers))

    @property
    def equal_blocks(self) -> list[tuple[Floats, Floats]]:
        """Those whose matrices have one shape."""
        return [(x, y) for x, y in self.blocks if x.shape == y.shape]


Value = float | str
"""A number, or why there is none."""


@dataclass(frozen=True)
class Measure:
    """One score.

    Attributes:
        name: Its name in records.
        what: What it is, one sentence.
        run: The number, or the reason why it was not computed.
    """

    name: str
    what: str
    run: Callable[[Pair], Value]


def scores(a: Side, b: Side, layer_map: LayerMap | None, cancel: CancelToken) -> Iterator[tuple[Measure, Value]]:
    """Every measure and its number, or the reason why there is none, in the order of `MEASURES`.

    Args:
        a: One side.
        b: The other.
        layer_map: Which layers stand beside each other; None pairs them by relative depth.
        cancel: Polled between measures.
    """
    pair = Pair(a, b, layer_map.pairs if layer_map else _by_depth(a, b))
    for measure in MEASURES:
        cancel.check()
        yield measure, _measured(measure, pair)


def _measured(measure: Measure, pair: Pair) -> Value:
    try:
        value = measure.run(pair)
    except (MalformedError, UnsupportedError) as error:
        # Context must never keep a comparison from its finding: values that cannot be decoded are told, not raised.
        return f"could not be read: {error.what}"
    if isinstance(value, float):
        return float(f"{value:.6g}") + 0.0 if math.isfinite(value) else "the values have no spread to compare"
    return value


def _by_depth(a: Side, b: Side) -> tuple[tuple[int, int], ...]:
    depth = [s.weights.arch.layers if s.weights else 0 for s in (a, b)]
    few, many = min(depth), max(depth)
    # Without a map, layers of equal relative depth: the same index where depths agree.
    chosen = [(i, i * (many - 1) // max(1, few - 1)) for i in range(few)]
    return tuple(chosen if depth[0] <= depth[1] else [(j, i) for i, j in chosen])


def cosine(x: Floats, y: Floats) -> float:
    """Cosine of two arrays of one shape, flattened; not a number where one of them is zero."""
    xd, yd = x.astype(np.float64).ravel(), y.astype(np.float64).ravel()
    size = math.sqrt(float(xd @ xd) * float(yd @ yd))
    return float(xd @ yd) / size if size > 0 else math.nan


def correlation(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
    """Pearson's correlation; not a number where one side has no spread."""
    xd, yd = x.astype(np.float64).ravel(), y.astype(np.float64).ravel()
    # Values that are not finite end as "not a number", which the caller reports as missing.
    with np.errstate(invalid="ignore", over="ignore"):
        return cosine(xd - xd.mean(), yd - yd.mean()) if len(xd) > 1 else math.nan


def log_spectrum(block: Floats, points: int) -> npt.NDArray[np.float64]:
    """Logarithms of a block's singular values at ``points`` even quantiles, largest first."""
    values_ = np.linalg.svd(block.astype(np.float64), compute_uv=False)
    # The smallest values of a square block are all noise: they are held up at a thousandth of the largest.
    logs = np.log(np.maximum(values_, max(1e-300, 1e-3 * float(values_[0]))))
    return np.interp(np.linspace(0, 1, points), np.linspace(0, 1, len(logs)), logs)


def _shared(a: Weights, b: Weights) -> Shared | str:
    parts = a.arch.roles.get(("embed.tokens", -1)), b.arch.roles.get(("embed.tokens", -1))
    if parts[0] is None or parts[1] is None:
        return "one model has no token embedding"
    rows_a, rows_b = a.reader.shape(parts[0])[0], b.reader.shape(parts[1])[0]
    ta, tb = a.checkpoint.tokenizer, b.checkpoint.tokenizer
    if ta is None or tb is None:
        if rows_a != rows_b:
            return "a tokenizer is missing and the embedding tables differ in length"
        ids = np.sort(sample_units(rows_a, TOKENS, seed=6))
        return Shared(ids, ids, "ids")
    strings_a, strings_b = anchor_strings(ta, rows_a), anchor_strings(tb, rows_b)
    both = strings_a.keys() & strings_b.keys()
    if len(both) < MIN_SHARED:
        return f"the vocabularies share {len(both)} tokens; at least {MIN_SHARED} are needed"
    left, right = choose_anchors(both, strings_a, TOKENS), choose_anchors(both, strings_b, TOKENS)
    return Shared(left.rows, right.rows, "strings")


def _blocks(a: Weights, b: Weights, layers: tuple[tuple[int, int], ...]) -> Iterator[tuple[Floats, Floats]]:
    deep = min(DEEP, len(layers))
    chosen = [layers[round(k * (len(layers) - 1) / max(1, deep - 1))] for k in range(deep)]
    for i, j in chosen:
        for role in _ROLES:
            x, y = _matrix(a, role, i), _matrix(b, role, j)
            if x is None or y is None:
                continue
            if len(a.reader.shape(x)) == len(b.reader.shape(y)) == 2:
                yield _some_rows(a, x), _some_rows(b, y)


def _matrix(w: Weights, role: str, layer: int) -> Part | None:
    """A matrix of a layer; where the layer has experts, the first of them stands for all."""
    return w.arch.roles.get((role, layer)) or w.arch.roles.get((f"{role}@0", layer))


def _some_rows(w: Weights, part: Part) -> Floats:
    return _finite(w.reader.select(part, np.sort(sample_units(w.reader.shape(part)[0], ROWS, seed=7))))


def _finite(x: Floats) -> Floats:
    return np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0)


def _table(side: Side, ids: Ids, *, output: bool = False) -> Floats | None:
    """Rows of the token embedding, or of the output head (the embedding where they are one)."""
    assert side.weights is not None
    w = side.weights
    head: Part | None = w.arch.roles.get(("head", -1)) if output and not w.arch.tied else None
    part = head or w.arch.roles["embed.tokens", -1]
    shape = w.reader.shape(part)
    if len(shape) != 2 or shape[0] <= int(ids.max(initial=0)):
        return None
    return _finite(w.reader.select(part, ids))


def _norm_gains(p: Pair) -> Value:
    if not (p.a.weights and p.b.weights):
        return _NEEDS
    a, b = p.a.weights, p.b.weights
    keys = [((role, i), (role, j)) for i, j in p.layers for role in _NORMS] + [(("norm.final", -1),) * 2]
    left, right = [], []
    for ka, kb in keys:
        x, y = a.arch.roles.get(ka), b.arch.roles.get(kb)
        if x is not None and y is not None and a.reader.shape(x) == b.reader.shape(y):
            left.append(_finite(a.reader.whole(x)).ravel())
            right.append(_finite(b.reader.whole(y)).ravel())
    if not left:
        return "no norm gains of equal width at matched layers"
    return cosine(np.concatenate(left), np.concatenate(right))


def _embedding_norms(p: Pair) -> Value:
    if isinstance(p.shared, str):
        return p.shared
    x, y = _table(p.a, p.shared.a), _table(p.b, p.shared.b)
    if x is None or y is None:
        return "an embedding table is shorter than its vocabulary"
    return correlation(np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1))


def _self_similarity(p: Pair) -> Value:
    if isinstance(p.shared, str):
        return p.shared
    x, y = _table(p.a, p.shared.a[:ANCHORS]), _table(p.b, p.shared.b[:ANCHORS])
    if x is None or y is None:
        return "an embedding table is shorter than its vocabulary"
    upper = np.triu_indices(len(x), 1)
    return correlation(_gram(x)[upper], _gram(y)[upper])


def _gram(x: Floats) -> Floats:
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    unit = np.divide(x, norms, out=np.zeros_like(x), where=norms > 0)
    out: Floats = unit @ unit.T
    return out


def _spectra(p: Pair) -> Value:
    if not (p.a.weights and p.b.weights):
        return _NEEDS
    found = []
    for x, y in p.blocks:
        u, v = (m[:, np.sort(sample_units(m.shape[1], SPECTRUM, seed=8))] for m in (x, y))
        points = min(*u.shape, *v.shape)
        found.append(correlation(log_spectrum(u, points), log_spectrum(v, points)))
    return _median(found)


def _energy(p: Pair) -> Value:
    if not (p.a.weights and p.b.weights):
        return _NEEDS
    if len(p.blocks) < 4:
        return "fewer than four matrices of one role at matched layers"
    sizes = np.log([[max(1e-30, float(np.sqrt(np.mean(np.square(m, dtype=np.float64))))) for m in pair]
                    for pair in p.blocks])  # fmt: skip
    return correlation(sizes[:, 0], sizes[:, 1])


def _matrix_cosine(p: Pair) -> Value:
    if not (p.a.weights and p.b.weights):
        return _NEEDS
    return _median([cosine(x, y) for x, y in p.equal_blocks])


def _matrix_z(p: Pair) -> Value:
    if not (p.a.weights and p.b.weights):
        return _NEEDS
    zs = [cosine(x, y) * math.sqrt(x.size) for x, y in p.equal_blocks]
    return max(zs, key=abs) if zs else _NO_MATRICES


def _heads(p: Pair) -> tuple[Floats, Floats] | str:
    if isinstance(p.shared, str):
        return p.shared
    x, y = _table(p.a, p.shared.a, output=True), _table(p.b, p.shared.b, output=True)
    if x is None or y is None:
        return "an output head is shorter than its vocabulary"
    return (x, y) if x.shape == y.shape else f"widths differ ({x.shape[1]} and {y.shape[1]})"


def _head_cosine(p: Pair) -> Value:
    found = _heads(p)
    return found if isinstance(found, str) else cosine(*found)


def _head_z(p: Pair) -> Value:
    found = _heads(p)
    return found if isinstance(found, str) else cosine(*found) * math.sqrt(found[0].size)


_NO_MATRICES = "no matrices of equal shape at matched layers"


def _median(found: list[float]) -> Value:
    finite = [v for v in found if math.isfinite(v)]
    return float(np.median(finite)) if finite else _NO_MATRICES


def _vocabulary(p: Pair) -> Value:
    ta, tb = p.a.fingerprint.tokenizer, p.b.fingerprint.tokenizer
    if not ta or not tb:
        return "one model has no tokenizer"
    if ta.get("sha256") == tb.get("sha256"):
        return 1.0
    if not (p.a.weights and p.b.weights):
        return "the vocabularies differ, and a fingerprint file holds no token strings to count"
    x, y = p.a.weights.checkpoint.tokenizer, p.b.weights.checkpoint.tokenizer
    if x is None or y is None:
        return "one model has no tokenizer"
    left, right = {t for t in x.tokens if t is not None}, {t for t in y.tokens if t is not None}
    return len(left & right) / len(left | right) if left or right else "both vocabularies are empty"


def _configuration(p: Pair) -> Value:
    x, y = _stated(p.a), _stated(p.b)
    both = [k for k in (*_FACTS, *_CLAIMS) if k in x and k in y]
    return sum(x[k] == y[k] for k in both) / len(both) if both else "neither model states a configuration"


def _stated(side: Side) -> dict[str, Any]:
    config = side.fingerprint.config
    facts = {k: config[k] for k in _FACTS if config.get(k)}
    claims = config.get("claims")
    for item in claims if isinstance(claims, list) else []:
        if isinstance(item, list) and len(item) == 2 and item[0] in _CLAIMS:
            facts[item[0]] = item[1]
    return facts


MEASURES = (
    Measure(
        "norm-gain-cosine",
        "Cosine of all norm gains laid end to end; gains start at one and stay near it, so it is high by itself.",
        _norm_gains,
    ),
    Measure(
        "embedding-norm-correlation",
        "Correlation of the lengths of shared tokens' embeddings, in the manner of END; token frequency shapes both.",
        _embedding_norms,
    ),
    Measure(
        "anchor-self-similarity",
        "Correlation of the similarities among shared tokens' embeddings, in the manner of EAS; language shapes both.",
        _self_similarity,
    ),
    Measure(
        "log-spectra-correlation",
        "Median correlation of the logarithms of matrices' singular values, in the manner of WVC.",
        _spectra,
    ),
    Measure(
        "matrix-size-correlation",
        "Correlation of the logarithms of matrices' mean sizes over layers and roles, in the manner of LEP.",
        _energy,
    ),
    Measure(
        "matrix-cosine",
        "Median cosine of flattened matrices at matched layers.",
        _matrix_cosine,
    ),
    Measure(
        "matrix-cosine-z",
        "The largest of cosine times square root of the number of entries compared: a z that takes entries for "
        "independent, which trained entries are not.",
        _matrix_z,
    ),
    Measure(
        "output-head-cosine",
        "Cosine of the flattened output heads over shared tokens.",
        _head_cosine,
    ),
    Measure(
        "output-head-z",
        "The same times the square root of the number of entries compared: a z that takes entries for independent.",
        _head_z,
    ),
    Measure(
        "vocabulary-overlap",
        "Shared token strings among all token strings of either (Jaccard), in the manner of VOA.",
        _vocabulary,
    ),
    Measure(
        "configuration-agreement",
        "Share of stated configuration fields that agree, in the manner of MFI.",
        _configuration,
    ),
)
