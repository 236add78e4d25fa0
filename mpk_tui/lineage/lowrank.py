"""Is a change of a matrix an adapter's: of low rank, or a rescaling of rows and columns?

A merged adapter leaves D = B - A = U V of rank r plus the rounding of the stored type.  Rounding noise of standard
deviation s alone has its greatest singular value at about s (sqrt(m) + sqrt(n)) (Bai and Yin 1993 for equal
variances), which is the edge: r singular values stand above it, and the next one lies at or below it, well apart from
the last that counts.  Full fine-tuning leaves decaying spectra as well, but no such gap, and other ranks elsewhere.

Of large matrices a fixed block is decomposed: a block of a matrix of rank r has rank r as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpk_tui.fingerprint.units import Floats
from mpk_tui.lineage.grids import significant_bits

Doubles = npt.NDArray[np.float64]

BLOCK = 512
"""Greatest side of the block that is decomposed."""
SLACK = 1.5
"""Multiple of the rounding edge up to which a singular value counts as rounding: entries of one matrix differ in size,
and so does the rounding of them (the edge is exact for equal variances only)."""
GAP = 1.5
"""Least ratio between the last singular value that counts and the next in each matrix: where a decaying spectrum runs
through the edge, neighbours are within a few per cent of each other."""
QUARTER = 0.25
"""Greatest rank of an adapter, as a share of the smaller side of the matrix."""
_SWEEPS = 40
_DORA_BLOCK = 192
_RANKS = (1, 2, 4, 8, 16, 32, 64)
"""Ranks tried where rows were rescaled after the update: what adapters are given in practice."""


@dataclass(frozen=True)
class Change:
    """Spectrum of one change.

    Attributes:
        rank: Singular values above the edge.
        sharp: The next one lies at or below the edge and the last that counts stands `GAP` times above it.
        gap: That ratio; infinite where nothing is left.
        first: Greatest singular value of the block.
        last: Smallest that counts.
        edge: Rounding edge of the block.
        side: Smaller side of the whole matrix.
        energy: Share of ||D||^2 in the singular values that count.
    """

    rank: int
    sharp: bool
    gap: float
    first: float
    last: float
    edge: float
    side: int
    energy: float

    @property
    def small(self) -> bool:
        """Of a rank that an adapter has."""
        return 0 < self.rank <= QUARTER * self.side and self.sharp


def rounding(x: Floats) -> float:
    """Root mean square rounding error of float values, from the significant bits that they really use.

    A value of magnitude 2^e with b significant bits is rounded to multiples of u = 2^(e - b + 1); the error is uniform
    over u, with standard deviation u / sqrt(12).
    """
    bits = significant_bits(x)
    _, exponent = np.frexp(np.abs(x.astype(np.float64)))
    unit = np.where(x == 0, 0.0, np.exp2(exponent.astype(np.float64) - bits))
    return float(np.sqrt(np.mean(np.square(unit)) / 12))


def block_of(x: Floats, side: int = BLOCK) -> Floats:
    """A fixed, evenly spread block of at most side x side."""
    rows = np.unique(np.linspace(0, x.shape[0] - 1, min(side, x.shape[0])).round().astype(np.int64))
    columns = np.unique(np.linspace(0, x.shape[1] - 1, min(side, x.shape[1])).round().astype(np.int64))
    return x if x.shape == (len(rows), len(columns)) else np.ascontiguousarray(x[np.ix_(rows, columns)])


def spectrum(d: Doubles) -> Doubles:
    """Singular values, descending, through the smaller Gram matrix.

    Squaring halves the digits: values below 1e-7 of the greatest are lost, which is under any rounding edge here.
    """
    gram = d @ d.T if d.shape[0] <= d.shape[1] else d.T @ d
    out: Doubles = np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0))
    return out


def change(x: Floats, y: Floats, side: int, noise: float = 0.0) -> Change:
    """The change from x to y.

    Args:
        x: (rows, columns) block of A.
        y: The same block of B.
        side: Smaller side of the whole matrix.
        noise: Standard deviation of a rounding error that is known otherwise (from a quantization grid).
    """
    d = y.astype(np.float64) - x.astype(np.float64)
    return _ranked(spectrum(d), d.shape, math.sqrt(rounding(x) ** 2 + rounding(y) ** 2 + noise**2), side)


def _ranked(s: Doubles, shape: tuple[int, ...], noise: float, side: int) -> Change:
    edge = SLACK * noise * (math.sqrt(shape[0]) + math.sqrt(shape[1]))
    rank = int((s > edge).sum())
    after = float(s[rank]) if rank < len(s) else 0.0
    last = float(s[rank - 1]) if rank else 0.0
    total = float(s @ s)
    gap = last / after if after > 0 else math.inf
    # A block whose rank fills it has no singular value left to show an edge.
    sharp = 0 < rank <= len(s) // 2 and gap >= GAP
    energy = float(s[:rank] @ s[:rank]) / total if total > 0 else 0.0
    return Change(rank, sharp, gap, float(s[0]) if len(s) else 0.0, last, edge, side, energy)


@dataclass(frozen=True)
class Scaling:
    """y = diag(rows) x diag(columns), up to rounding or up to a change of low rank.

    Attributes:
        rows: (m,) factors.
        columns: (n,) factors; their median magnitude is 1.
        left: Root mean square of what is left, in units of the rounding error.
        low_rank: What is left after rows were rescaled is of this kind (as DoRA merges are), or None.
    """

    rows: Doubles
    columns: Doubles
    left: float
    low_rank: Change | None = None

    @property
    def by_rows(self) -> bool:
        """Rows differ in their factor."""
        return _spread(self.rows) > 0.01

    @property
    def by_columns(self) -> bool:
        """Columns differ in their factor."""
        return _spread(self.columns) > 0.01

    @property
    def exact(self) -> bool:
        """Nothing but rounding is left: twice it, because both sides are rounded and factors are estimated."""
        return self.left <= 2.0 and self.low_rank is None


def _spread(v: Doubles) -> float:
    mid = float(np.median(np.abs(v)))
    return float(np.std(v)) / mid if mid > 0 else 0.0


def scaling(x: Floats, y: Floats) -> Scaling | None:
    """Factors of rows and columns that take x to y, or None where some cannot be found.

    Medians of quotients, first over rows, then over columns; exact for a pure rescaling, since nearly all quotients of
    a row are then the product of two factors.
    """
    a, b = x.astype(np.float64), y.astype(np.float64)
    if not (a.any(axis=1).all() and a.any(axis=0).all()):
        return None
    # Quotients of small values are mostly rounding.
    quotient = np.where(np.abs(a) > 0.3 * np.sqrt(np.mean(a * a)), b / np.where(a == 0, 1.0, a), np.nan)
    if np.isnan(quotient).all(axis=1).any() or np.isnan(quotient).all(axis=0).any():
        return None
    rows = np.ones(len(a))
    columns = np.ones(a.shape[1])
    for _ in range(3):
        rows = np.nanmedian(quotient / columns[None, :], axis=1)
        if not rows.all():
            return None
        columns = np.nanmedian(quotient / rows[:, None], axis=0)
        if not columns.all():
            return None
    middle = float(np.median(np.abs(columns)))
    rows, columns = rows * middle, columns / middle
    fitted = rows[:, None] * a * columns[None, :]
    # x was rounded before it was scaled, y after; the medians carry a little of both.
    noise = math.sqrt(rounding(y) ** 2 + (rounding(x) * float(np.sqrt(np.mean(b * b) / np.mean(a * a)))) ** 2)
    left = float(np.sqrt(np.mean(np.square(b - fitted))))
    return Scaling(rows, columns, left / noise if noise > 0 else (0.0 if left == 0 else math.inf))


def rescaled_update(x: Floats, y: Floats, side: int) -> Scaling | None:
    """y = diag(rows) (x + U V): rows rescaled after an update of low rank, as a merged DoRA adapter leaves it.

    (Liu et al., "DoRA", 2024, equation 5: each row of W + B A is normalised and multiplied by a learned magnitude.)
    The row space V and the factors are found in turns: outside V a row of y is the row of x times its factor.

    Returns:
        The factors with what is left, if that is sharply of low rank, else None.
    """
    a, b = block_of(x, _DORA_BLOCK).astype(np.float64), block_of(y, _DORA_BLOCK).astype(np.float64)
    square = np.einsum("ij,ij->i", a, a)
    if not square.all():
        return None
    noise = math.sqrt(rounding(x) ** 2 + rounding(y) ** 2)
    start = np.einsum("ij,ij->i", a, b) / square
    for k in _RANKS:
        if k > QUARTER * min(a.shape):
            break
        found = _turns(a, b, start, k, noise, side)
        if found is not None and _spread(found.rows) > 1e-4:
            return found
    return None


def _turns(a: Doubles, b: Doubles, rows: Doubles, k: int, noise: float, side: int) -> Scaling | None:
    """Row space of rank k and factors in turns, until what is left is of rank k or the turns run out."""
    for _ in range(_SWEEPS):
        d = b - rows[:, None] * a
        _, vectors = np.linalg.eigh(d.T @ d)
        v = vectors[:, -k:]
        pa, pb = a - (a @ v) @ v.T, b - (b @ v) @ v.T
        square = np.einsum("ij,ij->i", pa, pa)
        if not (square > 0).all():
            return None
        before, rows = rows, np.einsum("ij,ij->i", pa, pb) / square
        if float(np.abs(rows - before).max()) < 1e-8:
            break
    d = b - rows[:, None] * a
    found = _ranked(spectrum(d), d.shape, noise, side)
    return Scaling(rows, np.ones(a.shape[1]), 0.0, found) if found.small and found.rank == k else None
