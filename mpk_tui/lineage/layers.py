"""Which layer of A stands beside which layer of B."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpk_tui.fingerprint.units import Floats, feature_map

MATCHED_Z = 8.0
"""A pair of layers is drawn as matched from this z on; it decides nothing."""


@dataclass(frozen=True)
class LayerMap:
    """Pairs of layers to test.

    Attributes:
        pairs: (layer of A, layer of B), in order.
        candidates: Number of B layers that each pair was chosen from; p-values are multiplied by it.
        how: ``same index`` or ``best monotone path``.
    """

    pairs: tuple[tuple[int, int], ...]
    candidates: int
    how: str


def repeats(own: npt.NDArray[np.float64]) -> tuple[tuple[int, int], ...]:
    """Layers of one model that hold the same units: (layer, earlier layer) pairs.

    Args:
        own: `z_matrix` of a model with itself; the diagonal is not looked at.
    """
    out = []
    for i in range(1, len(own)):
        j = int(own[i, :i].argmax())
        if own[i, j] >= MATCHED_Z:
            out.append((i, j))
    return tuple(out)


def z_matrix(a: list[Floats], b: list[Floats], *, below: bool = False) -> npt.NDArray[np.float64]:
    """z of the row test for every pair of layers, from sketches whose rows are the same unit ids.

    Args:
        a: One (m, columns) array a layer.
        b: Likewise.
        below: Only pairs below the diagonal; the others stay 0.

    Returns:
        (len(a), len(b)) float64.
    """
    fa = [feature_map(x) for x in a]
    fb = fa if b is a else [feature_map(x) for x in b]
    m = len(fa[0])
    # ||A B^T||_F^2 = <A^T A, B^T B>: for 64 columns far cheaper than the m x m product.
    gram_a = [(x.T @ x).astype(np.float64) for x in fa]
    gram_b = [(x.T @ x).astype(np.float64) for x in fb]
    z = np.zeros((len(fa), len(fb)))
    for i, x in enumerate(fa):
        for j, y in enumerate(fb[:i] if below else fb):
            total = float(np.einsum("ij,ij->", x, y, dtype=np.float64))
            spread = math.sqrt(max(0.0, float(np.einsum("ij,ij->", gram_a[i], gram_b[j]))) / (m - 1))
            z[i, j] = total / spread if spread > 0 else 0.0
    return z


def monotone_path(z: npt.NDArray[np.float64]) -> list[int]:
    """For each row the column of a path that never goes back and has the greatest sum of z (Viterbi)."""
    rows, columns = z.shape
    best = z[0].copy()
    came: list[npt.NDArray[np.int64]] = []
    for i in range(1, rows):
        # best predecessor at or before each column
        reach = np.maximum.accumulate(best)
        where = np.zeros(columns, dtype=np.int64)
        for j in range(1, columns):
            where[j] = j if best[j] >= reach[j - 1] else where[j - 1]
        came.append(where)
        best = reach + z[i]
    j = int(best.argmax())
    path = [j]
    for where in reversed(came):
        j = int(where[j])
        path.append(j)
    return path[::-1]


def choose_map(layers_a: int, layers_b: int, z: npt.NDArray[np.float64] | None) -> LayerMap | None:
    """Pair layers by index where the numbers agree and nothing speaks against it, else along a monotone path.

    Args:
        layers_a: Layers of A.
        layers_b: Layers of B.
        z: From `z_matrix`, or None where there are no sketches.

    Returns:
        The pairs, or None where depths differ and there is no sketch to find a path.
    """
    same = tuple((i, i) for i in range(layers_a))
    if layers_a == layers_b:
        if z is None:
            return LayerMap(same, 1, "same index")
        diagonal = np.diag(z) >= MATCHED_Z
        elsewhere = (z.max(axis=1) >= MATCHED_Z) & ~diagonal
        if not elsewhere.any():
            return LayerMap(same, 1, "same index")
    if z is None:
        return None
    if layers_a <= layers_b:
        pairs = [(i, j) for i, j in enumerate(monotone_path(z))]
    else:
        pairs = sorted((i, j) for j, i in enumerate(monotone_path(z.T)))
    return LayerMap(tuple(pairs), max(layers_a, layers_b), "best monotone path")
