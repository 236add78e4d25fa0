"""Several sources of one model: parts that come from different entries, or a mixture of them.

**Parts.**  A layer whose units correspond with those of one entry and of no other has that entry's origin; a tensor
that is equal byte for byte to one in an entry likewise.  Two entries are told as sources where each explains what the
other does not.

**Mixtures.**  Sketches of matrices (`mpk_tui.fingerprint.learned`) are linear, S(y) = P^T y Q, so y = sum a_i x_i holds
for sketches as it does for weights: what `mpk_tui.lineage.merge` does with weights can be done without them.  Their
scale is divided away; so the direction of the nearest entry is taken out of every matrix, and what is left of y is
fitted on what is left of the others, with one coefficient an entry for all matrices.  gain = 1 - RSS of the mixture /
RSS of the nearest entry.  There is no p-value: siblings explain something of each other, at most half (`merge`).  So
a mixture is told from a gain of `merge.WHOLE` on only.  Entries that are farther apart from each other than storage in
half precision resolves are needed for that.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpk_tui.library.judging import Judged
from mpk_tui.lineage import findings, merge, record
from mpk_tui.lineage.discriminator import sketches_of
from mpk_tui.lineage.layers import MATCHED_Z
from mpk_tui.lineage.results import LAYER_P
from mpk_tui.lineage.sides import Side
from mpk_tui.progress import CancelToken, Report, silent

MOST = 16
"""Best relatives that are tried as sources."""
PARENTS = 4
"""Sources of one mixture."""
ADDS = 0.5
"""Share of what is left unexplained that a further source must take away."""
LEAST = 3e-3
"""Least distance from the nearest entry, relative to the matrices, that a mixture is read from: half precision of the
sketches and of the weights leaves some 1e-3."""

_PLACES = 0.9
"""Share of the model's sketched matrices that an entry must have at the same places to be tried in a mixture."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """What one entry explains and no other source does."""

    judged: Judged
    layers: tuple[int, ...]
    tensors: tuple[str, ...]


def sources(
    query: Side, ranked: Sequence[Judged], report: Report = silent, cancel: CancelToken | None = None
) -> list[dict[str, Any]]:
    """Ways in which two or more entries explain a model together; empty where one does, or nothing was seen.

    Args:
        query: The model that is asked about.
        ranked: Its relatives, best first.
        report: Progress of a decomposition from weights.
        cancel: Polled between steps.
    """
    best = [j for j in ranked if j.claimed or j.finding.name == findings.UNRESOLVED][:MOST]
    if len(best) < 2 or best[0].finding.name in (findings.IDENTICAL, findings.REFORMATTED):
        return []
    out = [r for r in (_by_parts(query, best), _by_mixture(query, best)) if r is not None]
    if query.weights is not None and sum(j.side.weights is not None for j in best) > 1:
        with_weights = [j for j in best if j.side.weights is not None][:PARENTS]
        out.append(_by_weights(query, with_weights, report, cancel or CancelToken()))
    return out


def _by_parts(query: Side, best: Sequence[Judged]) -> dict[str, Any] | None:
    names = {t.sha256: t.name for t in query.fingerprint.tensors}
    layers = [_layers(j) for j in best]
    tensors = [{names[d] for d in j.equal if d in names} for j in best]
    chosen: list[int] = []
    seen_layers: set[int] = set()
    seen_tensors: set[str] = set()
    while len(chosen) < PARENTS:
        left = [n for n in range(len(best)) if n not in chosen]
        # Equal bytes first: they leave no doubt which of several relatives a part is from.
        scored = [(len(tensors[n] - seen_tensors), len(layers[n] - seen_layers), -n) for n in left]
        top = max(scored, default=(0, 0, 0))
        if top[:2] == (0, 0):
            break
        n = -top[2]
        chosen.append(n)
        seen_layers |= layers[n]
        seen_tensors |= tensors[n]
    parts = []
    for n in chosen:
        rest = [m for m in chosen if m != n]
        own = tuple(sorted(i for i in layers[n] if not any(i in _touched(best[m]) for m in rest)))
        equal = tuple(sorted(tensors[n] - set().union(*(tensors[m] for m in rest)))) if rest else ()
        parts.append(Part(best[n], own, equal))
    parts = [p for p in parts if p.layers or p.tensors]
    if len(parts) < 2:
        return None
    said = "; ".join(f"{p.judged.entry.name}: {_told(p)}" for p in parts)
    return {
        "kind": "parts",
        "sentence": f"Different parts of the model correspond with different entries ({said}).",
        "gain": None,
        "of": [
            {"entry": p.judged.entry.id, "name": p.judged.entry.name, "layers": list(p.layers),
             "tensors": list(p.tensors[:64]), "equal": len(p.tensors), "coefficient": None}
            for p in parts
        ],
    }  # fmt: skip


def _layers(j: Judged) -> frozenset[int]:
    """Layers of the model whose units correspond with the entry."""
    if j.finding.log_p >= math.log(findings.P_ORIGIN):
        return frozenset()
    return frozenset(
        r.a
        for test in j.measured.tests
        if test.form.startswith("ffn.")
        for r in test.layers
        if r.a >= 0 and r.log_p <= math.log(LAYER_P) and r.test.rho >= findings.MIN_RHO
    )


def _touched(j: Judged) -> frozenset[int]:
    """Layers of the model that have something of any layer of the entry, wherever it stands there."""
    fit = j.measured.units.fit
    anywhere = frozenset(np.flatnonzero(fit.z.max(axis=1) >= MATCHED_Z).tolist()) if fit is not None else frozenset()
    return anywhere | _layers(j)


def _told(part: Part) -> str:
    said = []
    if part.layers:
        said.append(f"layers {', '.join(map(str, part.layers[:12]))}{' …' if len(part.layers) > 12 else ''}")
    if part.tensors:
        said.append(f"{len(part.tensors)} tensors equal byte for byte")
    return " and ".join(said)


@np.errstate(all="ignore")  # a stranger's sketches may hold infinities; what comes of them is left out
def _by_mixture(query: Side, best: Sequence[Judged]) -> dict[str, Any] | None:
    whole = [j for j in best if j.finding.name in (findings.TRAINED_ANCESTOR, findings.COMPONENT, findings.UNRESOLVED)]
    mine = sketches_of(query)
    if not mine:
        return None
    made = [(j, sketches_of(j.side) or {}) for j in whole]
    shared = [{k for k in mine if k in t and t[k].shape == mine[k].shape} for _, t in made]
    # Models of another depth or shape have few matrices at the same places, and would take the others' away.
    kept = [n for n, found in enumerate(shared) if len(found) >= _PLACES * len(mine)]
    if len(kept) < 2:
        return None
    keys = sorted(set(mine).intersection(*(shared[n] for n in kept)))
    whole, theirs = [made[n][0] for n in kept], [made[n][1] for n in kept]
    y = np.stack([_flat(mine[k].top + mine[k].rest) for k in keys])
    xs = [np.stack([_flat(t[k].top + t[k].rest) for k in keys]) for t in theirs]
    nearest = int(np.argmax([float((y * x).sum()) for x in xs]))
    target = _without(y, xs[nearest])
    left = float((target * target).sum())
    if left <= (LEAST**2) * len(keys):
        return None
    others = [n for n in range(len(xs)) if n != nearest]
    columns = {n: _without(xs[n], xs[nearest]).ravel() for n in others}
    goal = target.ravel()
    chosen: list[int] = []
    rss, coefficients = left, np.zeros(0)
    while others and len(chosen) < PARENTS - 1:
        tried = {n: _fit(np.stack([columns[m] for m in (*chosen, n)], axis=1), goal) for n in others}
        n = min(tried, key=lambda m: tried[m][1])
        if tried[n][1] > (1.0 - ADDS) * rss:
            break
        coefficients, rss = tried[n]
        chosen.append(n)
        others.remove(n)
    gain = 1.0 - rss / left
    if not chosen or gain < merge.WHOLE:
        return None
    rows = list(zip((nearest, *chosen), _shares(y, xs[nearest], [xs[n] for n in chosen], coefficients), strict=True))
    said = ", ".join(f"{a:.2f} of {whole[n].entry.name}" for n, a in rows)
    return {
        "kind": "mixture",
        "sentence": (
            f"A mixture explains the model from sketches: {said}; it takes away {gain:.1%} of the difference to the "
            f"nearest of them, where siblings that are no mixture reach {merge.SIBLING_GAIN:.0%} at most. Which of "
            "them came first weights do not show."
        ),
        "gain": record.rounded(gain),
        "of": [
            {"entry": whole[n].entry.id, "name": whole[n].entry.name, "layers": [], "tensors": [], "equal": 0,
             "coefficient": record.rounded(a, 4)}
            for n, a in rows
        ],
    }  # fmt: skip


def _shares(y: Matrix, nearest: Matrix, others: Sequence[Matrix], coefficients: Matrix) -> list[float]:
    """Coefficients that add up to 1, the nearest entry's first.

    Matrices have length 1 here, and a mixture of two that have little in common is shorter than either: so what each
    has of the mixture's direction is made to add up, as if the sources were of one length.
    """
    first = np.einsum("ij,ij->i", y, nearest)
    for c, x in zip(coefficients, others, strict=True):
        first = first - c * np.einsum("ij,ij->i", x, nearest)
    raw = [float(first.mean()), *map(float, coefficients)]
    total = sum(raw)
    return [a / total for a in raw] if total > 0.1 else raw


def _flat(x: npt.NDArray[Any]) -> Matrix:
    flat: Matrix = x.astype(np.float64).ravel()
    size = math.sqrt(float(flat @ flat))
    return flat / size if math.isfinite(size) and size > 0 else np.zeros_like(flat)


def _without(y: Matrix, x: Matrix) -> Matrix:
    """Rows of y without their parts along the rows of x, which have length 1."""
    along: Matrix = np.einsum("ij,ij->i", y, x)
    out: Matrix = y - along[:, None] * x
    return out


def _fit(columns: Matrix, goal: Matrix) -> tuple[Matrix, float]:
    """Least squares: coefficients and what is left."""
    gram = columns.T @ columns
    # Entries that are one another leave nothing to tell apart.
    if float(np.linalg.cond(gram)) > merge.COLLINEAR:
        return np.zeros(columns.shape[1]), math.inf
    found: Matrix = np.asarray(np.linalg.solve(gram, columns.T @ goal), dtype=np.float64)
    rest = goal - columns @ found
    return found, float(rest @ rest)


def _by_weights(query: Side, best: Sequence[Judged], report: Report, cancel: CancelToken) -> dict[str, Any]:
    found = merge.decompose(query, [j.side for j in best], None, report, cancel)
    shares = found.get("coefficients") or [None] * len(best)
    return {
        "kind": "weights",
        "sentence": f"From weights: {found['reading']}. {found['sentence']}",
        "gain": found.get("gain"),
        "reading": found["reading"],
        "of": [
            {"entry": j.entry.id, "name": j.entry.name, "layers": [], "tensors": [], "equal": 0, "coefficient": a}
            for j, a in zip(best, shares, strict=False)
        ],
    }  # fmt: skip
