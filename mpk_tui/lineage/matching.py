"""Which unit of A is which unit of B, where indices do not say: mutual nearest neighbours, and a test on their order.

Width pruning removes units and keeps the order of the others.  Match units by their weights, sort the pairs (i, j) by
i, and look at the order of the j.  The matching treats B's units alike, so under H0-ind every order of the j's is as
likely as any other, and the length of the longest increasing subsequence has an exact tail: a set of k positions is
increasing with probability 1 / k!, and there are C(n, k) sets, so  P(length >= k) <= C(n, k) / k!  (Erdős and Szekeres
1935 for the question; the union bound is elementary and rigorous at any n).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpk_tui.fingerprint.units import Floats, Ids, feature_map

_BLOCK = 2048
"""Rows of B that are compared at a time."""


@dataclass(frozen=True)
class Matching:
    """Mutual nearest neighbours, sorted by A's index.

    Attributes:
        a: (n,) positions in A's rows, increasing.
        b: (n,) positions in B's rows.
        cosine: (n,) cosine of each pair.
    """

    a: Ids
    b: Ids
    cosine: Floats

    def __len__(self) -> int:
        return len(self.a)


def mutual_nearest(x: Floats, y: Floats) -> Matching:
    """Pairs of rows that are each other's nearest by cosine, columns equalised on each side alone.

    Args:
        x: (m, columns) rows of A.
        y: (n, columns) rows of B.
    """
    x, y = _unit_rows(x), _unit_rows(y)
    best_of_x = np.full(len(x), -np.inf, dtype=np.float32)
    where_x = np.zeros(len(x), dtype=np.int64)
    where_y = np.zeros(len(y), dtype=np.int64)
    for start in range(0, len(y), _BLOCK):
        cosine = x @ y[start : start + _BLOCK].T
        where_y[start : start + _BLOCK] = cosine.argmax(axis=0)
        j = cosine.argmax(axis=1)
        value = cosine[np.arange(len(x)), j]
        better = value > best_of_x
        best_of_x[better], where_x[better] = value[better], j[better] + start
    rows = np.arange(len(x), dtype=np.int64)
    mutual = where_y[where_x] == rows
    return Matching(rows[mutual], where_x[mutual], best_of_x[mutual])


def _unit_rows(rows: Floats) -> Floats:
    x = feature_map(rows)
    norm = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64)).astype(np.float32)
    out: Floats = x * np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)[:, None]
    return out


def longest_increasing(values: npt.NDArray[np.int64]) -> int:
    """Length of the longest increasing subsequence (patience sorting, O(n log n))."""
    tails: list[int] = []
    for v in values.tolist():
        at = bisect_left(tails, v)
        if at == len(tails):
            tails.append(v)
        else:
            tails[at] = v
    return len(tails)


def log_order_p(n: int, k: int) -> float:
    """Logarithm of a bound on the chance that n values in random order hold an increasing run of length k."""
    if k <= 0 or n <= 0:
        return 0.0
    return min(0.0, math.lgamma(n + 1) - math.lgamma(n - k + 1) - 2 * math.lgamma(k + 1))
