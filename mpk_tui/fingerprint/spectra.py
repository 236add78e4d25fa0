"""Top singular directions of a matrix, and whether they stand out from what chance would leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mpk_tui.fingerprint.units import Floats

TRIPLETS = 16
"""K, top singular triplets per matrix."""
STANDOUT = 1.2
"""A top singular value counts as learned from this multiple of the sign-flipped matrix's."""
_SWEEPS = 4


LARGEST = 1e12
"""No trained model holds a greater value; what does is damage or malice, and would overflow every sum of squares."""


def tame(x: Floats) -> Floats:
    """Values as they are, with zero in the place of what is no number, infinite or beyond `LARGEST`."""
    out: Floats = np.where(np.abs(x) <= LARGEST, x, np.float32(0))
    return out


@dataclass(frozen=True)
class Triplets:
    """Top singular triplets of one matrix.

    Attributes:
        u: (rows, K) left vectors.
        s: (K,) singular values, descending.
        v: (columns, K) right vectors.
        square: ||A||_F^2.
        edge: Top singular value of the matrix with the signs of its entries flipped at random, which keeps the profile
            of variances and destroys what was learned.
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
        q = _orthonormal(a.T @ (a @ q))
    left = (a @ q).astype(np.float64)
    # Singular values of a tall thin matrix from its Gram matrix: far less work than decomposing it, and exact enough in
    # double precision for values within a few orders of the first.
    squares, w = np.linalg.eigh(left.T @ left)
    order = np.argsort(squares)[::-1][:k]
    s = np.sqrt(np.maximum(squares[order], 0.0))
    w = w[:, order]
    u = left @ w * np.divide(1.0, s, out=np.zeros_like(s), where=s > 0)
    return u.astype(np.float32), s.astype(np.float32), (q @ w).astype(np.float32)


def _orthonormal(x: Floats) -> Floats:
    """Columns made orthonormal: Cholesky of the Gram matrix in double precision, Householder where it is singular."""
    wide = x.astype(np.float64)
    try:
        factor = np.linalg.cholesky(wide.T @ wide)
    except np.linalg.LinAlgError:
        return np.linalg.qr(x)[0]
    return np.linalg.solve(factor, wide.T).T.astype(np.float32)
