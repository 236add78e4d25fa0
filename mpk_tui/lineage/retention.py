"""Retention of learned structure: what tells a shared trained ancestor from a shared initialisation.

What a matrix A has learned sits in its top singular directions; what is left of its initialisation lies in the bulk.
A descendant keeps its ancestor's top directions at least as well as the bulk; two runs from one initialisation keep
the bulk and lose the top.  Cheap form, without a full decomposition: with the top K triplets (s_k, u_k, v_k) of A,

    r_top  = sum s_k u_k^T B v_k / sum s_k^2
    r_rest = (<A, B> - sum s_k u_k^T B v_k) / (||A||^2 - sum s_k^2)

and the ratio r_top / r_rest.  A direction (A seen from B, or B from A) counts only where top directions stand out:
s_1 at least 1.2 times the top singular value of the same matrix with the signs of its entries flipped at random,
which keeps the profile of variances and destroys what was learned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mpk_tui.fingerprint.units import Floats

TRIPLETS = 16
"""K, top singular triplets per matrix."""
STANDOUT = 1.2
"""A top singular value counts as learned from this multiple of the sign-flipped matrix's."""
_SWEEPS = 4


@dataclass(frozen=True)
class Triplets:
    """Top singular triplets of one matrix.

    Attributes:
        u: (rows, K) left vectors.
        s: (K,) singular values, descending.
        v: (columns, K) right vectors.
        square: ||A||_F^2.
        edge: Top singular value of the sign-flipped matrix.
    """

    u: Floats
    s: Floats
    v: Floats
    square: float
    edge: float

    @property
    def standing(self) -> int:
        """How many of the K values stand out above the edge."""
        return int((self.s >= STANDOUT * self.edge).sum()) if self.edge > 0 else 0


@dataclass(frozen=True)
class Retention:
    """One direction on one matrix: how B keeps what A has.

    Attributes:
        top: r_top over the K top directions.
        rest: r_rest over everything else.
        ratio: top / rest; None where the rest shows no correlation to compare with.
        standing: Number of directions that stand out; 0 means nothing was measured.
    """

    top: float
    rest: float
    ratio: float | None
    standing: int


def top_triplets(a: Floats, *, seed: tuple[int, ...], k: int = TRIPLETS) -> Triplets:
    """Top ``k`` singular triplets by subspace iteration, and the edge of the sign-flipped matrix.

    Args:
        a: (rows, columns) float32.
        seed: Seeds the starting block and the sign flips.
        k: Number of triplets; at most min(rows, columns) // 4.
    """
    rng = np.random.Generator(np.random.PCG64(list(seed)))
    k = max(1, min(k, min(a.shape) // 4))
    u, s, v = _subspace(a, k, rng)
    signs = rng.integers(0, 2, size=a.shape, dtype=np.int8)
    flipped = a * (signs * np.float32(2) - np.float32(1))
    _, edge, _ = _subspace(flipped, min(4, k), rng)
    return Triplets(u, s, v, float(np.einsum("ij,ij->", a, a, dtype=np.float64)), float(edge[0]))


def _subspace(a: Floats, k: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    # A few extra columns make the k wanted ones converge in few sweeps (Halko, Martinsson, Tropp 2011, section 4.5).
    block = min(k + 8, min(a.shape))
    q = rng.standard_normal((a.shape[1], block), dtype=np.float32)
    for _ in range(_SWEEPS):
        q, _r = np.linalg.qr(a @ q)
        q, _r = np.linalg.qr(a.T @ q)
    left = a @ q
    u, s, wt = np.linalg.svd(left, full_matrices=False)
    return u[:, :k], s[:k], (q @ wt.T)[:, :k]


def retention(a: Triplets, inner: float, b: Floats) -> Retention:
    """How ``b`` keeps the structure of A.

    Args:
        a: Triplets of A.
        inner: <A, B>.
        b: B, same shape as A.
    """
    if not a.standing:
        return Retention(0.0, 0.0, None, 0)
    # All K are projected on, not only those that stand out: what was learned reaches below the edge, and counting it
    # as bulk would hide the very difference that is asked for.
    s = a.s.astype(np.float64)
    kept = float((s * np.einsum("ik,ik->k", a.u, b @ a.v, dtype=np.float64)).sum())
    energy = float((s * s).sum())
    rest_energy = a.square - energy
    top = kept / energy
    rest = (inner - kept) / rest_energy if rest_energy > 0 else 0.0
    # The bulk of unrelated matrices correlates as 1/sqrt(entries); five times that is no accident.
    floor = 5.0 / math.sqrt(b.size)
    return Retention(top, rest, top / rest if rest > floor else None, a.standing)
