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

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Part
from mpk_tui.fingerprint.units import Floats, sample_units
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.sides import Weights
from mpk_tui.progress import CancelToken, Meter, Report

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


AGAINST = 0.90
"""A direction that counts and falls below this speaks against a trained ancestor."""
FOR = 0.95
"""A direction that counts and reaches this in the median speaks for one, if `LOW_FOR` holds as well."""
LOW_FOR = 0.90
"""Least lower quartile of a direction that speaks for a trained ancestor (ADR 0005)."""
KEPT = 0.60
"""Least median r_top of a direction that speaks for a trained ancestor (ADR 0005)."""
LOW_AGAINST = 0.75
"""A lower quartile below this speaks against, whatever the median is (ADR 0005)."""
SEED = 0.75
"""Both directions count and stay below this: the pattern of a shared initialisation."""
SHARE = 0.5
"""Share of the matrices on which the projecting side must stand out for its direction to count."""
MATRICES = 42
"""Matrices looked at, spread evenly over layers and roles."""
_SIDE = 4096
"""Greatest number of rows and columns; a fixed sample of larger matrices is used."""


@dataclass(frozen=True)
class MatrixRetention:
    """Both directions on one pair of matrices."""

    role: str
    a: int
    b: int
    forward: Retention
    backward: Retention


@dataclass(frozen=True)
class Direction:
    """One direction over all matrices.

    Attributes:
        counts: The projecting side stands out in at least `SHARE` of the matrices.
        ratio: Median ratio over matrices where it is defined, or None.
        low: Lower quartile of the ratio, or None.
        top: Median r_top.
        rest: Median r_rest.
        matrices: Number of matrices with a defined ratio.
    """

    counts: bool
    ratio: float | None
    low: float | None
    top: float
    rest: float
    matrices: int

    @property
    def speaks_for(self) -> bool:
        """What the projecting side learned is kept, as well as its bulk, in most matrices and not in some only."""
        ratio, low = self.ratio or 0.0, self.low or 0.0
        return self.counts and ratio >= FOR and low >= LOW_FOR and self.top >= KEPT

    @property
    def speaks_against(self) -> bool:
        """What the projecting side learned is lost where its bulk is kept, in the median or in many matrices."""
        return self.counts and self.ratio is not None and (self.ratio < AGAINST or (self.low or 0.0) < LOW_AGAINST)


@dataclass(frozen=True)
class RetentionTest:
    """The discriminator between a trained ancestor and an initialisation.

    Attributes:
        matrices: Every pair of matrices.
        forward: What A has, looked for in B.
        backward: What B has, looked for in A.
        reading: ``for``, ``against``, ``seed`` (against, with the pattern of a shared initialisation) or ``abstains``.
        reason: Why it was not run or abstains, or an empty string.
    """

    matrices: tuple[MatrixRetention, ...]
    forward: Direction
    backward: Direction
    reading: str
    reason: str


def run_retention(a: Weights, b: Weights, layer_map: LayerMap, report: Report, cancel: CancelToken) -> RetentionTest:
    """Retention over body matrices of equal shape at matched layers.

    Args:
        a: Weights of one side.
        b: Weights of the other.
        layer_map: Which layers stand beside each other.
        report: Progress in matrices.
        cancel: Polled once a matrix.
    """
    todo = _matrices(a, b, layer_map)
    if not todo:
        return _verdict((), "no body matrices of equal shape at matched layers")
    meter = Meter(report, "retention", len(todo), "matrices")
    found = []
    for n, (role, i, j) in enumerate(todo):
        cancel.check()
        x = _sampled(a.reader, a.arch.roles[role, i])
        y = _sampled(b.reader, b.arch.roles[role, j])
        found.append(_both(role, i, j, x, y, n))
        meter.add(1, f"{role} {i}")
    return _verdict(tuple(found), "")


def _both(role: str, i: int, j: int, x: Floats, y: Floats, n: int) -> MatrixRetention:
    inner = float(np.einsum("ij,ij->", x, y, dtype=np.float64))
    of_x, of_y = top_triplets(x, seed=(21, n)), top_triplets(y, seed=(22, n))
    return MatrixRetention(role, i, j, retention(of_x, inner, y), retention(of_y, inner, x))


def _matrices(a: Weights, b: Weights, layer_map: LayerMap) -> list[tuple[str, int, int]]:
    """Pairs of matrices, at most `MATRICES`, spread over depth; all roles of a layer stay together."""
    pairs = list(layer_map.pairs)
    roles = ("attn.q", "attn.k", "attn.v", "attn.o", "ffn.gate", "ffn.up", "ffn.down")
    keep = max(1, MATRICES // len(roles))
    if len(pairs) > keep:
        pairs = [pairs[round(k * (len(pairs) - 1) / (keep - 1))] for k in range(keep)] if keep > 1 else pairs[:1]
    out = []
    for i, j in pairs:
        for role in roles:
            x, y = a.arch.roles.get((role, i)), b.arch.roles.get((role, j))
            if x is None or y is None:
                continue
            shape = a.reader.shape(x)
            if len(shape) == 2 and shape == b.reader.shape(y) and min(shape) >= 32:
                out.append((role, i, j))
    return out


def _sampled(reader: WeightReader, part: Part) -> Floats:
    rows, columns = reader.shape(part)
    if rows <= _SIDE and columns <= _SIDE:
        return np.nan_to_num(reader.whole(part))
    picked = reader.select(part, np.sort(sample_units(rows, _SIDE, seed=4)))
    return np.nan_to_num(picked[:, np.sort(sample_units(columns, _SIDE, seed=5))])


def _direction(results: list[Retention]) -> Direction:
    stand = [r for r in results if r.standing]
    ratios = [r.ratio for r in stand if r.ratio is not None]
    counts = len(stand) >= SHARE * len(results) and len(ratios) >= SHARE * len(results)
    return Direction(
        bool(results) and counts,
        float(np.median(ratios)) if ratios else None,
        float(np.quantile(ratios, 0.25)) if ratios else None,
        float(np.median([r.top for r in stand])) if stand else 0.0,
        float(np.median([r.rest for r in stand])) if stand else 0.0,
        len(ratios),
    )


def _verdict(matrices: tuple[MatrixRetention, ...], reason: str) -> RetentionTest:
    forward = _direction([m.forward for m in matrices])
    backward = _direction([m.backward for m in matrices])
    both = (forward, backward)
    if not any(d.counts for d in both):
        reading = "abstains"
        reason = reason or "learned structure does not stand out, or the bulk shows no correlation, in most matrices"
    elif any(d.speaks_against for d in both):
        seed = all(d.counts and d.ratio is not None and d.ratio < SEED for d in both)
        reading = "seed" if seed else "against"
    elif any(d.speaks_for for d in both):
        reading = "for"
    else:
        reading, reason = "abstains", "the ratios lie between the ranges seen for descendants and for shared seeds"
    return RetentionTest(matrices, forward, backward, reading, reason)
