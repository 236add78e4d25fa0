"""Singular values of the change of a few matrices, beside what rounding alone would leave.

Rounding a value of magnitude 2^e to b significant bits moves it by at most half of u = 2^(e - b + 1); over many values
the error is uniform over u, with standard deviation u / sqrt(12), and independent from entry to entry (Widrow and
Kollár, "Quantization Noise", 2008).  A matrix of m x n independent errors of standard deviation s has its
greatest singular value at s (sqrt(m) + sqrt(n)), the upper end of the Marchenko-Pastur law (Marchenko and Pastur 1967;
convergence of the greatest value: Bai and Yin 1993).  Both sides are rounded, so s^2 is the sum of their mean squares,
`mpk_tui.lineage.lowrank.rounding`.  The edge is exact for entries of one magnitude; others pass it a little.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from mpk_tui.checkpoint.model import Part
from mpk_tui.fingerprint.units import Floats
from mpk_tui.lineage import grids, lowrank
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.sampling import part_at, read, spread
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.progress import CancelToken, Meter, Report

LAYERS = 3
"""Pairs of layers that are looked at: first, middle and last."""
ROLES = ("attn.q", "attn.v", "ffn.up", "ffn.down")
"""Matrices of each."""
BLOCK = 256
"""Greatest side of the block that is decomposed; a block of a matrix of rank r has rank r."""
_PLAIN = ("F64", "F32", "F16", "BF16")
_RANKS = tuple(sorted({round(2 ** (k / 4)) for k in range(33)}))


def singular(a: Side, b: Side, layer_map: LayerMap | None, report: Report, cancel: CancelToken) -> dict[str, Any]:
    """Singular values of B - A for at most `LAYERS` x `ROLES` matrices.

    Args:
        a: One side.
        b: The other.
        layer_map: Which layers stand beside each other.
        report: Progress in matrices.
        cancel: Polled once a matrix.

    Returns:
        ``missing`` and ``matrices``: role, layers, shape of the block, its singular values at some ranks, the edge
        (None where it is not known how values were rounded) and how many values stand above `lowrank.SLACK` edges.
    """
    if a.weights is None or b.weights is None:
        return _nothing("needs the weights of both models; fingerprints do not carry it")
    if layer_map is None or not layer_map.pairs:
        return _nothing("no layers of the two models could be paired")
    found = list(_matrices(a.weights, b.weights, layer_map, report, cancel))
    return {"missing": "", "matrices": found} if found else _nothing("no matrix has a counterpart of its shape")


def _nothing(reason: str) -> dict[str, Any]:
    return {"missing": reason, "matrices": []}


def _matrices(
    a: Weights, b: Weights, layer_map: LayerMap, report: Report, cancel: CancelToken
) -> Iterator[dict[str, Any]]:
    pairs = [layer_map.pairs[k] for k in spread(len(layer_map.pairs), LAYERS)]
    meter = Meter(report, "profile", len(pairs) * len(ROLES), "matrices")
    for i, j in pairs:
        for role in ROLES:
            cancel.check()
            meter.add(1, f"{role} {i}")
            x, y = part_at(a, role, i), part_at(b, role, j)
            if x is None or y is None or a.reader.shape(x) != b.reader.shape(y):
                continue
            if len(a.reader.shape(x)) != 2 or min(a.reader.shape(x)) < 16:
                continue
            p, q = read(a.reader, x, rows=BLOCK), read(b.reader, y, rows=BLOCK)
            if np.isfinite(p).all() and np.isfinite(q).all():
                noise = _noise(a, x, p), _noise(b, y, q)
                yield {"role": role, "a": i, "b": j, **of_change(p, q, *noise)}


def _noise(w: Weights, part: Part, x: Floats) -> float | None:
    """Root mean square rounding error of one side, None where its storage does not tell."""
    plain = part.tensor not in w.checkpoint.derived and w.dtype(part) in _PLAIN
    if plain:
        return lowrank.rounding(lowrank.block_of(x, BLOCK))
    grid = grids.find_grid(x[:64])
    return grid.noise if grid is not None and grid.noise > 0 else None


def of_change(x: Floats, y: Floats, noise_a: float | None, noise_b: float | None) -> dict[str, Any]:
    """Spectrum of y - x on a block of it.

    Args:
        x: (rows, columns) of A.
        y: The same of B.
        noise_a: Root mean square rounding error of A's values, or None.
        noise_b: Of B's.
    """
    p, q = lowrank.block_of(x, BLOCK), lowrank.block_of(y, BLOCK)
    # Not through the Gram matrix, which loses what is below 1e-7 of the first: the figure reaches down to that edge.
    values = np.linalg.svd(q.astype(np.float64) - p.astype(np.float64), compute_uv=False)
    ranks = [r for r in _RANKS if r <= len(values)]
    edge = None if noise_a is None or noise_b is None else rounding_edge(p.shape, math.hypot(noise_a, noise_b))
    return {
        "rows": p.shape[0],
        "columns": p.shape[1],
        "full": len(values),
        "ranks": ranks,
        "values": [_rounded(float(values[r - 1])) for r in ranks],
        "edge": None if edge is None else _rounded(edge),
        "above": 0 if edge is None else int((values > lowrank.SLACK * edge).sum()),
    }


def rounding_edge(shape: tuple[int, ...], noise: float) -> float:
    """Greatest singular value of a matrix of independent rounding errors: noise (sqrt(m) + sqrt(n)).

    Args:
        shape: (m, n).
        noise: Standard deviation of the errors.
    """
    return noise * (math.sqrt(shape[0]) + math.sqrt(shape[1]))


def _rounded(x: float) -> float:
    return float(f"{x:.5g}") + 0.0 if math.isfinite(x) else 0.0
