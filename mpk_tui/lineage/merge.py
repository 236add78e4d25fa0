"""A merge as a sum of its parents: coefficients for every role and layer, and what they leave unexplained.

For a child y and parents x_1 ... x_k the least squares fit y ~ sum a_i x_i with sum a_i = 1 is made on differences to
one parent p (the pivot): y - p ~ sum a_i (x_i - p).  gain = 1 - RSS of the mixture / RSS of the nearest single parent.
There is no p-value: fine-tunes of one base are no independent draws, and a sibling that is no merge at all gains
something from several others.  Averaging k siblings with independent changes of one size cancels part of their own
changes: RSS falls from 2 to 1 + 1/k times their square, a gain of 1/4 for two parents, 1/3 for three, 1/2 at most.  So
a merge is read from a residual at the rounding of the stored type, or from a gain far above that with coefficients that
hold for all layers; anything between is named for what siblings score.

Spherical interpolation gives a linear mixture whose coefficients sum to slightly more than 1; the fit without the
constraint shows the sum.  Merges that change depth are followed through the layers: every layer of the child beside
the layers of each parent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint.model import Part
from mpk_tui.fingerprint.units import Floats
from mpk_tui.lineage.correspondence import layer_sketch
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.lowrank import rounding
from mpk_tui.lineage.sampling import ROLES, part_at, read, spread
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.progress import CancelToken, Meter, Report, silent

Doubles = npt.NDArray[np.float64]

COLLINEAR = 1e6
"""Greatest condition number of the parents' correlations: beyond, coefficients are noise (1e-6 of a change is about
what 16-bit storage resolves)."""
EXPLAINED = 2.0
"""A residual of at most so many rounding errors is nothing but rounding: the child's own and the parents'."""
WHOLE = 0.90
"""Least gain of a merge with all parents at hand where the residual is more than rounding."""
PARTIAL = 0.40
"""Least median gain for a partial explanation: above what siblings reach (see above, and `SIBLINGS`)."""
STEADY = 0.10
"""Greatest spread of a coefficient over matrices (between quartiles) for one mixing weight."""
SAME_LAYER = 0.30
"""Least correlation of layers for one to be the other's source."""
SIBLINGS = (
    ("continued pretraining beside its base and a fine-tune of it", 0.040, 0.40),
    ("fine-tune beside its base and continued pretraining of it", 0.080, 0.42),
    ("fine-tune beside two other descendants of its base", 0.35, 0.48),
    ("fine-tune beside three other descendants of its base", 0.15, 0.25),
    ("rebuilt vocabulary beside its base and a fine-tune of it", 0.006, 0.02),
    ("adapter merged beside its base and a fine-tune of it", 0.002, 0.04),
)
"""What siblings that are no merges score: (relation, median gain, greatest gain of a matrix).  Measured on one family
of small Llama-like models (4 layers, width 128); embedding tables reach the greatest gains."""
SIBLING_GAIN = max(gain for _, gain, _ in SIBLINGS)
"""Greatest median gain of siblings that are no merges."""
_PER_LAYER = len(ROLES)
_BUDGET = 84
"""Matrices looked at, spread over layers."""
_OUTSIDE = ("embed.tokens", "norm.final", "head")
_VECTORS = ("attn.norm", "ffn.norm")


@dataclass(frozen=True)
class Fit:
    """One matrix of the child as a mixture.

    Attributes:
        role: Canonical role.
        layer: Layer of the child, -1 outside layers.
        sources: Layer of each parent, -1 outside layers.
        coefficients: One a parent, sum 1.
        total: Sum of the coefficients without the constraint, None where it cannot be had.
        gain: 1 - RSS of the mixture / RSS of the nearest parent, 0 where the nearest parent is equal.
        nearest: Number of the nearest parent.
        nearest_relative: Its distance, relative to the child's norm.
        residual: What the mixture leaves, relative to the child's norm.
        rounding: The same in rounding errors of the stored types.
        condition: Condition number of the correlations of the parents' differences.
        refused: Why there are no coefficients, or an empty string.
    """

    role: str
    layer: int
    sources: tuple[int, ...]
    coefficients: tuple[float, ...]
    total: float | None
    gain: float
    nearest: int
    nearest_relative: float
    residual: float
    rounding: float
    condition: float
    refused: str = ""


def decompose(
    child: Side,
    parents: list[Side],
    layer_maps: list[LayerMap | None] | None = None,
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """The child as a mixture of parents.

    Args:
        child: The model that may be a merge; its weights must be at hand.
        parents: Two or more candidates, their weights at hand.
        layer_maps: For each parent the pairs (layer of the child, layer of the parent), or None to look for them.
        report: Progress in matrices.
        cancel: Polled once a matrix.

    Returns:
        A plain record: ``reading`` (``merge``, ``partial``, ``passthrough``, ``no-merge``, ``refused``), ``sentence``,
        ``against``, ``gain``, ``coefficients`` (one a parent, medians over matrices), ``sum_without_constraint``,
        ``residual``, ``residual_in_rounding_errors``, ``condition``, ``roles``, ``layers``, ``sources``, ``siblings``.
    """
    cancel = cancel or CancelToken()
    weights = [p.weights for p in parents]
    present = [w for w in weights if w is not None]
    record = _empty(child, parents)
    if child.weights is None or len(present) != len(parents):
        return _refuse(record, "needs the weights of the model and of every given source, not fingerprint files")
    if len(present) < 2:
        return _refuse(record, "needs two given sources at least; with one there is nothing to mix")
    sources = _sources(child.weights, present, layer_maps or [None] * len(present), cancel)
    fits = _fit_all(child.weights, present, sources, report, cancel)
    record["sources"] = [
        {"layer": layer, "parents": [{"layer": s, "correlation": _six(r)} for s, r in row]}
        for layer, row in enumerate(sources)
    ]
    good = [f for f in fits if not f.refused]
    record["matrices"] = len(good)
    record["refused"] = len(fits) - len(good)
    telling = [f for f in fits if f.role not in _VECTORS and f.role != "norm.final"]
    refused = [f for f in telling if f.refused]
    if refused and len(refused) > 0.5 * len(telling):
        return _refuse(record, refused[0].refused)
    if not good:
        return _refuse(record, fits[0].refused if fits else "no matrices of one shape in the model and all sources")
    _summarize(record, good)
    return _read(record, good, sources, [p.label for p in parents])


def _empty(child: Side, parents: list[Side]) -> dict[str, Any]:
    return {
        "child": child.label,
        "parents": [p.label for p in parents],
        "reading": "refused",
        "sentence": "",
        "against": [],
        "siblings": [{"relation": r, "median_gain": g, "greatest_gain": m} for r, g, m in SIBLINGS],
        "matrices": 0,
        "refused": 0,
    }


def _refuse(record: dict[str, Any], reason: str) -> dict[str, Any]:
    return {**record, "reading": "refused", "sentence": reason}


Sources = list[list[tuple[int, float]]]


def _sources(child: Weights, parents: list[Weights], maps: list[LayerMap | None], cancel: CancelToken) -> Sources:
    """For each layer of the child and each parent: its layer and the correlation, (-1, 0) where there is none."""
    own = [layer_sketch(child, i) for i in range(child.arch.layers)]
    out: Sources = [[] for _ in own]
    for parent, layer_map in zip(parents, maps, strict=True):
        cancel.check()
        theirs = [layer_sketch(parent, j) for j in range(parent.arch.layers)]
        given = dict(layer_map.pairs) if layer_map is not None else {}
        for i, x in enumerate(own):
            scores = [
                float(x @ y) if x is not None and y is not None and x.shape == y.shape else 0.0 for y in theirs
            ] or [0.0]
            best = int(np.argmax(scores))
            if i in given and given[i] < len(scores) and scores[given[i]] >= scores[best] - 0.01:
                best = given[i]
            out[i].append((best, scores[best]) if scores[best] >= SAME_LAYER else (-1, scores[best]))
    return out


def _fit_all(
    child: Weights, parents: list[Weights], sources: Sources, report: Report, cancel: CancelToken
) -> list[Fit]:
    layers = spread(child.arch.layers, max(2, _BUDGET // _PER_LAYER))
    meter = Meter(report, "merge", len(layers) * (len(ROLES) + len(_VECTORS)) + len(_OUTSIDE), "matrices")
    fits = []
    for layer in layers:
        found = [s for s, _ in sources[layer]]
        for role in (*ROLES, *_VECTORS):
            cancel.check()
            meter.add(1, f"{role} {layer}")
            # A layer that only some parents have is theirs alone; the others take no part in it.
            parts = [part_at(w, role, s) if s >= 0 else None for w, s in zip(parents, found, strict=True)]
            fit = _fit_role(child, parents, role, layer, part_at(child, role, layer), parts, found)
            fits += [fit] if fit is not None else []
    for role in _OUTSIDE:
        cancel.check()
        meter.add(1, role)
        parts = [w.arch.roles.get((role, -1)) for w in parents]
        fit = _fit_role(child, parents, role, -1, child.arch.roles.get((role, -1)), parts, [-1] * len(parents))
        fits += [fit] if fit is not None else []
    return fits


def _fit_role(
    child: Weights,
    parents: list[Weights],
    role: str,
    layer: int,
    own: Part | None,
    parts: list[Part | None],
    sources: list[int],
) -> Fit | None:
    """None where the child, or all but one of the parents, lack the role in this shape."""
    if own is None:
        return None
    shape = child.reader.shape(own)
    taking = [k for k, p in enumerate(parts) if p is not None and parents[k].reader.shape(p) == shape]
    if not taking or min(shape, default=0) < 8:
        return None
    y = _values(child, own)
    xs = [_values(parents[k], p) for k in taking if (p := parts[k]) is not None]
    if not (np.isfinite(y).all() and all(np.isfinite(x).all() for x in xs)):
        return None
    fit = solve(y, xs)
    coefficients = [0.0] * len(parents)
    for k, c in zip(taking, fit.coefficients, strict=False):
        coefficients[k] = c
    return Fit(
        role, layer, tuple(sources), tuple(coefficients), fit.total, fit.gain, taking[fit.nearest],
        fit.nearest_relative, fit.residual, fit.rounding, fit.condition, fit.refused,
    )  # fmt: skip


def _values(w: Weights, part: Part) -> Floats:
    return read(w.reader, part) if len(w.reader.shape(part)) == 2 else w.reader.whole(part)


def solve(y: Floats, xs: list[Floats]) -> Fit:
    """One matrix as a mixture of others of its shape.

    Args:
        y: The child's values.
        xs: The parents', at least one.

    Returns:
        A fit with no role; with one parent its coefficient is 1 and nothing is gained.
    """
    target = y.astype(np.float64).ravel()
    parents = [x.astype(np.float64).ravel() for x in xs]
    size = float(target @ target)
    errors = [rounding(x) for x in xs]
    away = [float(np.square(target - x).sum()) for x in parents]
    nearest = int(np.argmin(away))
    noise = math.sqrt(rounding(y) ** 2 + max(errors) ** 2) * math.sqrt(len(target))

    def fit(coefficients: list[float], rss: float, total: float | None, condition: float, refused: str = "") -> Fit:
        gain = 1 - rss / away[nearest] if away[nearest] > 0 else 0.0
        scale = math.sqrt(size) if size > 0 else 1.0
        left = math.sqrt(max(0.0, rss))
        return Fit(
            "", -1, (), tuple(coefficients), total, max(0.0, gain), nearest, math.sqrt(away[nearest]) / scale,
            left / scale, left / noise if noise > 0 else 0.0, condition, refused,
        )  # fmt: skip

    alone = [float(k == nearest) for k in range(len(parents))]
    if len(parents) == 1 or away[nearest] == 0:
        return fit(alone, away[nearest], None, 1.0)
    others = [k for k in range(len(parents)) if k != nearest]
    differences = np.stack([parents[k] - parents[nearest] for k in others])
    change = target - parents[nearest]
    lengths = np.sqrt(np.einsum("ij,ij->i", differences, differences))
    if not (lengths > noise * 0.5).all():
        same = ", ".join(str(k + 1) for k, n in zip(others, lengths, strict=True) if n <= noise * 0.5)
        return fit(
            alone, away[nearest], None, math.inf, f"source {same} equals source {nearest + 1} here up to rounding"
        )
    unit = differences / lengths[:, None]
    gram = unit @ unit.T
    condition = float(np.linalg.cond(gram))
    if condition > COLLINEAR:
        text = f"the sources' differences are collinear here (condition {condition:.2g}): no coefficients can be had"
        return fit(alone, away[nearest], None, condition, text)
    solved = np.linalg.solve(gram, unit @ change) / lengths
    rss = float(np.square(change - solved @ differences).sum())
    coefficients = [0.0] * len(parents)
    for k, c in zip(others, solved, strict=True):
        coefficients[k] = float(c)
    coefficients[nearest] = 1.0 - float(solved.sum())
    return fit(coefficients, rss, _total(target, parents), condition)


def _total(target: Doubles, parents: list[Doubles]) -> float | None:
    """Sum of the coefficients without the constraint."""
    x = np.stack(parents)
    norms = np.sqrt(np.einsum("ij,ij->i", x, x))
    if not (norms > 0).all():
        return None
    unit = x / norms[:, None]
    gram = unit @ unit.T
    if float(np.linalg.cond(gram)) > COLLINEAR * 1e4:
        return None
    return float((np.linalg.solve(gram, unit @ target) / norms).sum())


def _summarize(record: dict[str, Any], fits: list[Fit]) -> None:
    mixed = [f for f in fits if f.role not in _VECTORS and f.role != "norm.final"] or fits
    count = len(fits[0].coefficients)
    record["gain"] = _six(_median([f.gain for f in mixed]))
    record["gain_lower_quartile"] = _six(float(np.quantile([f.gain for f in mixed], 0.25)))
    record["coefficients"] = [_six(_median([f.coefficients[k] for f in mixed])) for k in range(count)]
    record["coefficient_spread"] = [
        _six(float(np.subtract(*np.quantile([f.coefficients[k] for f in mixed], [0.75, 0.25])))) for k in range(count)
    ]
    totals = [f.total for f in mixed if f.total is not None]
    record["sum_without_constraint"] = _six(_median(totals)) if totals else None
    record["residual"] = _six(_median([f.residual for f in mixed]))
    record["residual_in_rounding_errors"] = _six(_median([f.rounding for f in mixed]))
    record["nearest_relative"] = _six(_median([f.nearest_relative for f in mixed]))
    record["condition"] = _six(max(f.condition for f in mixed))
    record["roles"] = [
        {"role": role, **_group([f for f in fits if f.role == role], count)} for role in sorted({f.role for f in fits})
    ]
    record["layers"] = [
        {"layer": layer, **_group([f for f in mixed if f.layer == layer], count)}
        for layer in sorted({f.layer for f in mixed if f.layer >= 0})
    ]
    record["fits"] = [
        {
            "role": f.role, "layer": f.layer, "coefficients": [_six(c) for c in f.coefficients],
            "gain": _six(f.gain), "residual": _six(f.residual), "residual_in_rounding_errors": _six(f.rounding),
        }
        for f in fits
    ]  # fmt: skip


def _group(fits: list[Fit], count: int) -> dict[str, Any]:
    return {
        "coefficients": [_six(_median([f.coefficients[k] for f in fits])) for k in range(count)],
        "gain": _six(_median([f.gain for f in fits])),
        "residual_in_rounding_errors": _six(_median([f.rounding for f in fits])),
    }


def _read(record: dict[str, Any], fits: list[Fit], sources: Sources, labels: list[str]) -> dict[str, Any]:
    mixed = [f for f in fits if f.role not in _VECTORS and f.role != "norm.final"] or fits
    explained = float(np.mean([f.rounding <= EXPLAINED for f in mixed]))
    record["explained_share"] = _six(explained)
    changed = [f for f in mixed if f.nearest_relative > 0 and not _pure(f)]
    lone = _owners(mixed)
    weights = ", ".join(f"{c:.3f} of {name}" for c, name in zip(record["coefficients"], labels, strict=True))
    gain, spread_ = record["gain"], max(record["coefficient_spread"])
    siblings = SIBLING_GAIN
    if explained >= 0.9 and not changed and len(set(lone.values())) == 1:
        k = next(iter(lone.values()))
        return _end(record, "no-merge", f"the model equals {labels[k]} up to rounding: one source explains it alone")
    if explained >= 0.9 and not changed and lone:
        rows = "; ".join(f"layer {i} from {labels[k]}" for i, k in sorted(lone.items())[:48])
        return _end(record, "passthrough", f"every layer equals one source's up to rounding: {rows}")
    moderate = [f for f in changed if f.gain >= PARTIAL]
    if explained >= 0.9 or (gain >= WHOLE and len(moderate) >= 0.8 * len(changed)):
        text = (
            f"the model is {weights} (gain {gain:.3f}, residual {record['residual_in_rounding_errors']:.1f} roundings)"
        )
        total = record["sum_without_constraint"]
        if total is not None and total > 1 + 1e-5:
            text += f"; without the constraint the coefficients sum to {total:.5f}, as spherical interpolation leaves"
        return _end(record, "merge", text)
    if gain >= PARTIAL and record["gain_lower_quartile"] >= siblings and spread_ <= STEADY:
        text = (
            f"{weights} explain part of it (gain {gain:.2f}; siblings that are no merges score up to {siblings:.2f}) "
            "with the same coefficients in all layers: a source may be missing"
        )
        record["against"] = [
            f"the rest is {record['residual_in_rounding_errors']:.0f} rounding errors: no full explanation"
        ]
        return _end(record, "partial", text)
    text = f"gain {gain:.3f} with these sources; siblings that are no merges reach {siblings:.2f}: no merge is seen"
    return _end(record, "no-merge", text)


def _pure(f: Fit) -> bool:
    """One parent alone leaves nothing but rounding."""
    return f.rounding <= EXPLAINED and (f.gain < 0.5 or f.nearest_relative == 0) and max(f.coefficients) > 0.98


def _owners(fits: list[Fit]) -> dict[int, int]:
    """The parent nearest to each layer."""
    layers = sorted({f.layer for f in fits if f.layer >= 0})
    out = {}
    for layer in layers:
        nearest = [f.nearest for f in fits if f.layer == layer]
        out[layer] = max(sorted(set(nearest)), key=nearest.count)
    return out


def _end(record: dict[str, Any], reading: str, sentence: str) -> dict[str, Any]:
    return {**record, "reading": reading, "sentence": sentence}


def _median(values: list[float]) -> float:
    return float(np.median(values))


def _six(x: float) -> float:
    """Six significant digits; infinity, which the canonical form does not hold, as the largest number it stands for."""
    return float(f"{x:.6g}") if math.isfinite(x) else 1e300
