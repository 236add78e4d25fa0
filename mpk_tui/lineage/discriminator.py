"""The discriminator: retention over the matrices of two models, and what it says of their common origin.

Two bases.  In residual coordinates every body matrix takes part.  Where that basis is gone (other widths, a rotated or
permuted residual stream) the inputs of feed-forward units are taken through the embeddings of shared tokens instead.
Thresholds and the pairs that they were seen on: docs/adr/0005-retention-quartile.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Part
from mpk_tui.fingerprint.units import AnchorBasis, Floats, input_roles, sample_units, unit_width
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.retention import Retention, retention, top_triplets
from mpk_tui.lineage.sides import Weights
from mpk_tui.lineage.units import shared_anchors
from mpk_tui.progress import CancelToken, Meter, Report

AGAINST = 0.90
"""A direction that counts and whose median ratio falls below this speaks against a trained ancestor."""
LOW_AGAINST = 0.75
"""A lower quartile below this speaks against, whatever the median is."""
FOR = 0.95
"""Least median ratio of a direction that speaks for a trained ancestor."""
LOW_FOR = 0.90
"""Least lower quartile of a direction that speaks for one."""
KEPT = 0.60
"""Least share of learned structure that both keep of each other, where a direction speaks for a trained ancestor."""
SEED = 0.75
"""Both directions count and stay below this: the pattern of a shared initialisation."""
SHARE = 0.5
"""Share of the matrices on which the projecting side must stand out for its direction to count."""
MATRICES = 42
"""Matrices looked at, spread evenly over layers and roles."""
_SIDE = 4096
"""Greatest number of rows and columns; a fixed sample of larger matrices is used."""
_ROLES = ("attn.q", "attn.k", "attn.v", "attn.o", "ffn.gate", "ffn.up", "ffn.down")

RESIDUAL, ANCHORED = "residual coordinates", "embeddings of shared tokens"


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
        """What the projecting side learned is kept as well as its bulk, in most matrices and not in some only."""
        return self.counts and (self.ratio or 0.0) >= FOR and (self.low or 0.0) >= LOW_FOR

    @property
    def speaks_against(self) -> bool:
        """What the projecting side learned is lost where its bulk is kept, in the median or in many matrices."""
        return self.counts and self.ratio is not None and (self.ratio < AGAINST or (self.low or 0.0) < LOW_AGAINST)


@dataclass(frozen=True)
class RetentionTest:
    """The discriminator between a trained ancestor and an initialisation.

    Attributes:
        basis: `RESIDUAL` or `ANCHORED`.
        matrices: Every pair of matrices.
        forward: What A has, looked for in B.
        backward: What B has, looked for in A.
        kept: sqrt(r_top of A in B x r_top of B in A): how much learned structure the two share, whatever their scales.
        reading: ``for``, ``against``, ``seed`` (against, with the pattern of a shared initialisation) or ``abstains``.
        reason: Why it was not run or abstains, or an empty string.
    """

    basis: str
    matrices: tuple[MatrixRetention, ...]
    forward: Direction
    backward: Direction
    kept: float
    reading: str
    reason: str


def run_retention(a: Weights, b: Weights, layer_map: LayerMap, report: Report, cancel: CancelToken) -> RetentionTest:
    """Retention at matched layers, in residual coordinates or, where these say nothing, through shared tokens.

    Args:
        a: Weights of one side.
        b: Weights of the other.
        layer_map: Which layers stand beside each other.
        report: Progress in matrices.
        cancel: Polled once a matrix.
    """
    plain = _run(RESIDUAL, _residual(a, b, layer_map), report, cancel)
    if any(d.counts for d in (plain.forward, plain.backward)):
        return plain
    turned = _run(ANCHORED, _anchored(a, b, layer_map), report, cancel)
    return turned if turned.matrices else plain


Pairs = list[tuple[str, int, int, Callable[[], "tuple[Floats, Floats]"]]]


def _run(basis: str, todo: Pairs, report: Report, cancel: CancelToken) -> RetentionTest:
    if not todo:
        return read(basis, (), "no matrices of equal shape at matched layers")
    meter = Meter(report, "retention", len(todo), "matrices")
    found = []
    for n, (role, i, j, load) in enumerate(todo):
        cancel.check()
        found.append(both_directions(role, i, j, *load(), n))
        meter.add(1, f"{role} {i}")
    return read(basis, tuple(found), "")


def both_directions(role: str, i: int, j: int, x: Floats, y: Floats, n: int) -> MatrixRetention:
    """Retention of X in Y and of Y in X; ``n`` seeds the decompositions."""
    inner = float(np.einsum("ij,ij->", x, y, dtype=np.float64))
    of_x, of_y = top_triplets(x, seed=(21, n)), top_triplets(y, seed=(22, n))
    return MatrixRetention(role, i, j, retention(of_x, inner, y), retention(of_y, inner, x))


def _spread(layer_map: LayerMap, roles: int) -> Iterator[tuple[int, int]]:
    """Matched layers, evenly thinned so that all roles of a layer fit into `MATRICES`."""
    pairs, keep = layer_map.pairs, max(2, MATRICES // roles)
    if len(pairs) <= keep:
        yield from pairs
    else:
        yield from (pairs[round(k * (len(pairs) - 1) / (keep - 1))] for k in range(keep))


def _residual(a: Weights, b: Weights, layer_map: LayerMap) -> Pairs:
    out: Pairs = []
    for i, j in _spread(layer_map, len(_ROLES)):
        for role in _ROLES:
            x, y = a.arch.roles.get((role, i)), b.arch.roles.get((role, j))
            if x is None or y is None:
                continue
            shape = a.reader.shape(x)
            if len(shape) == 2 and shape == b.reader.shape(y) and min(shape) >= 32:
                out.append((role, i, j, _both_read(a.reader, x, b.reader, y)))
    return out


def _both_read(a: WeightReader, x: Part, b: WeightReader, y: Part) -> Callable[[], tuple[Floats, Floats]]:
    return lambda: (_sampled(a, x), _sampled(b, y))


def _sampled(reader: WeightReader, part: Part) -> Floats:
    rows, columns = reader.shape(part)
    if rows <= _SIDE and columns <= _SIDE:
        return np.nan_to_num(reader.whole(part))
    picked = reader.select(part, np.sort(sample_units(rows, _SIDE, seed=4)))
    return np.nan_to_num(picked[:, np.sort(sample_units(columns, _SIDE, seed=5))])


def _anchored(a: Weights, b: Weights, layer_map: LayerMap) -> Pairs:
    """Inputs of feed-forward units through the embeddings of shared tokens, one matrix (units, anchors) a role."""
    anchors = shared_anchors(a, b)
    roles = input_roles(a.arch, 0)
    if isinstance(anchors, str) or roles != input_roles(b.arch, 0):
        return []
    basis_a = AnchorBasis(a.reader, a.arch, anchors[0])
    basis_b = AnchorBasis(b.reader, b.arch, anchors[1])
    out: Pairs = []
    for i, j in _spread(layer_map, len(roles)):
        width = unit_width(a.reader, a.arch, i)
        if not width or width != unit_width(b.reader, b.arch, j):
            return []
        ids = np.sort(sample_units(width, _SIDE, seed=4))
        if basis_a.rows(i, ids[:1]) is None or basis_b.rows(j, ids[:1]) is None:
            return []
        out += [(role, i, j, _anchored_read(basis_a, basis_b, i, j, ids, k)) for k, role in enumerate(roles)]
    return out


def _anchored_read(
    a: AnchorBasis, b: AnchorBasis, i: int, j: int, ids: np.ndarray[tuple[int], np.dtype[np.int64]], block: int
) -> Callable[[], tuple[Floats, Floats]]:
    n = len(a.anchors.names)

    def load() -> tuple[Floats, Floats]:
        x, y = a.rows(i, ids), b.rows(j, ids)
        assert x is not None
        assert y is not None
        columns = slice(block * n, (block + 1) * n)
        return np.nan_to_num(x[:, columns]), np.nan_to_num(y[:, columns])

    return load


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


def read(basis: str, matrices: tuple[MatrixRetention, ...], reason: str) -> RetentionTest:
    """What the matrices say together.

    Args:
        basis: `RESIDUAL` or `ANCHORED`.
        matrices: Both directions on every pair.
        reason: Why there are none, or an empty string.
    """
    forward = _direction([m.forward for m in matrices])
    backward = _direction([m.backward for m in matrices])
    kept = math.sqrt(max(0.0, forward.top) * max(0.0, backward.top))
    both = (forward, backward)
    if not any(d.counts for d in both):
        reading = "abstains"
        reason = reason or "learned structure does not stand out, or the bulk shows no correlation, in most matrices"
    elif any(d.speaks_against for d in both):
        seed = all(d.counts and d.ratio is not None and d.ratio < SEED for d in both)
        reading = "seed" if seed else "against"
    elif not any(d.speaks_for for d in both):
        reading, reason = "abstains", "the ratios lie between the ranges seen for descendants and for shared seeds"
    elif kept < KEPT:
        reading = "abstains"
        reason = f"too little learned structure is shared ({kept:.2f}) to tell a descendant from a shared seed"
    else:
        reading = "for"
    return RetentionTest(basis, matrices, forward, backward, kept, reading, reason)
