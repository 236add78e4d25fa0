"""Values that lie on a quantization grid although they are stored as plain floats.

A quantizer gives a group of weights (32 to 256 neighbours along the input axis, a row, a whole matrix) a few levels:
equally spaced (integers times a step, with or without an offset) or at the fixed ratios of a codebook.  Decoded and
stored as floats again, the levels are still there, up to the rounding of the float type.  Three things show them, in
this order:

* every value of a group lies on one lattice o + k s, within what rounding to the stored type can explain; how likely
  other values would do so by chance follows from the share of each step that the tolerance covers;
* where BF16 has blurred an 8-bit lattice too far for that, the phases 2 pi v / s still cluster: the length R of their
  mean is near 1, while other values have P(R > r) <= exp(-n r^2) for one step (Rayleigh; Mardia and Jupp, "Directional
  Statistics", 2000, section 4.8), given that the step is small against their spread;
* groups hold few distinct values, at the same ratios of the greatest one: a codebook.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpk_tui.fingerprint.units import Floats

Doubles = npt.NDArray[np.float64]

GROUPS = (256, 128, 64, 32)
"""Group sizes tried along the input axis, after the whole matrix and whole rows."""
FITS = 0.90
"""Share of groups that must lie on a grid."""
CHANCE = -14.0
"""Greatest log-probability, over all steps tried, that other values lie on some lattice as well: once in a million."""
LATTICE = 0.75
"""Least R of a blurred lattice: with n >= 32 and 2,100 steps tried, other values reach it less than once in 30,000
groups (2,100 exp(-32 x 0.75^2) = 3e-5), and 90 % of the groups must."""
FEW = 0.6
"""A group has few values if it holds at most this share of the distinct ones that plain weights would have."""
CODES = 16
"""Greatest codebook looked for in groups (4 bits, as NF4 and FP4 have)."""
LEVELS = 255
"""Greatest number of steps across a group: 8 bits."""
BLURRED = 48
"""Fewest steps across a group for the phase test: below, the bell of the values alone makes phases cluster."""
HALF = 0.55
"""Rounding to the nearest level moves by at most half a step; the rest is for the rounding of floats."""
PRECISION = {8: 2.0**-9, 11: 2.0**-12, 24: 2.0**-22}
"""Greatest relative error of rounding to so many significant bits (for float32, with room for its arithmetic)."""
_FIRST, _SAMPLE = 8, 48
"""Groups looked at before a size is given up, and in all."""
_VALUES = 64
"""Values of a group that the phase test looks at."""


@dataclass(frozen=True)
class Grid:
    """The grid of one matrix.

    Attributes:
        kind: ``even`` (equally spaced) or ``codebook``.
        bits: Bits that the levels in use need.
        group: Neighbours along the input axis that share a scale; 0 for a row, -1 for the whole matrix.
        groups: Number of groups looked at.
        share: Share of them that lie on a grid.
        blurred: Found by its phases, because rounding had blurred it.
        distinct: Median number of distinct values in a group.
        rms_step: Root mean square step, 0 for a codebook.
    """

    kind: str
    bits: int
    group: int
    groups: int
    share: float
    blurred: bool
    distinct: float
    rms_step: float

    @property
    def words(self) -> str:
        """The group in words."""
        return {0: "one scale a row", -1: "one scale for the matrix"}.get(self.group, f"groups of {self.group}")

    @property
    def noise(self) -> float:
        """Standard deviation of the rounding error that such a grid makes, s / sqrt(12)."""
        return self.rms_step / math.sqrt(12)


def significant_bits(x: Floats) -> int:
    """Significant bits that float32 values really use: 8 (BF16), 11 (F16) or 24, whatever they are stored as."""
    bits = np.ascontiguousarray(x, dtype=np.float32).view(np.uint32)
    for kept, mask in ((8, 0xFFFF), (11, 0x1FFF)):
        if not (bits & np.uint32(mask)).any():
            return kept
    return 24


def find_grid(x: Floats) -> Grid | None:
    """The grid that a matrix lies on, or None.

    Args:
        x: (rows, columns) float32: some rows of the matrix, columns in their order and from a multiple of 256 on.

    Returns:
        The grid with the largest groups that fits; smaller groups fit as well, and larger ones do not.
    """
    if x.ndim != 2 or x.shape[1] < GROUPS[-1] or not np.isfinite(x).all():
        return None
    bits = significant_bits(x)
    sizes = (-1, 0, *(g for g in GROUPS if x.shape[1] % g == 0 and g < x.shape[1]))
    grouped = [(group, _grouped(x, group)) for group in sizes]
    for search in (_exact, _codebook, _blurred, _few_values):
        for group, values in grouped:
            found = search(values, group, bits)
            if found is not None:
                return found
    return None


def _grouped(x: Floats, group: int) -> list[Doubles]:
    """Evenly spread groups, at most `_SAMPLE`, as float64, in an order that spreads from the first few on."""
    if group == -1:
        flat = x.reshape(-1)
        # A whole matrix is one group; a few thousand of its values show the lattice as well as all.
        return [flat[:: max(1, len(flat) // 4096)].astype(np.float64)]
    rows = x if group == 0 else x.reshape(-1, group)
    picked = np.unique(np.linspace(0, len(rows) - 1, _SAMPLE).round().astype(np.int64))
    order = np.random.Generator(np.random.PCG64(31)).permutation(len(picked))
    return [rows[k].astype(np.float64) for k in picked[order]]


def _enough(fits: int, tried: int) -> bool:
    return tried > 0 and fits >= FITS * tried


def _given_up(fits: int, tried: int) -> bool:
    """None of the first three, or too few of the first eight: no grid has so many groups off it."""
    return (tried == 3 and not fits) or (tried == _FIRST and fits < _FIRST * FITS - 1)


def _exact(groups: list[Doubles], group: int, bits: int) -> Grid | None:
    tried, spans, steps, counts = 0, [], [], []
    for v in groups:
        used = v[v != 0]
        # Zeros lie on every lattice that has no offset, and pruned weights are full of them.
        if len(used) < 16:
            continue
        tried += 1
        distinct = np.unique(v)
        found = on_lattice(distinct, len(v), PRECISION[bits])
        if found:
            spans.append(found)
            steps.append((distinct[-1] - distinct[0]) / found)
            counts.append(len(distinct))
        if _given_up(len(spans), tried):
            return None
    if not _enough(len(spans), tried):
        return None
    return _even(group, tried, spans, steps, counts, False)


def _even(group: int, tried: int, spans: list[int], steps: list[float], counts: list[int], blurred: bool) -> Grid:
    levels = max(spans) if group == -1 else float(np.quantile(spans, 0.95))
    rms = float(np.sqrt(np.mean(np.square(steps))))
    bits = max(2, math.ceil(math.log2(round(levels) + 1)))
    return Grid("even", bits, group, tried, len(spans) / tried, blurred, float(np.median(counts)), rms)


def on_lattice(distinct: Doubles, size: int, precision: float) -> int:
    """Fewest equal steps across the values such that all of them lie on the steps, or 0.

    Args:
        distinct: Sorted distinct values of a group.
        size: Number of values in the group.
        precision: Relative error of the rounding that the values went through.
    """
    if len(distinct) < 2:
        return 0
    u = distinct if len(distinct) <= 256 else distinct[np.linspace(0, len(distinct) - 1, 256).astype(np.int64)]
    span = u[-1] - u[0]
    # Both ends are rounded as well, and they carry the lattice.
    tolerance = precision * (np.abs(u) + 2 * max(abs(u[0]), abs(u[-1]))) + 1e-12 * span
    ell = np.arange(1, LEVELS + 1, dtype=np.float64)
    place = (u - u[0])[None, :] * (ell / span)[:, None]
    off = np.abs(place - np.round(place))
    room = tolerance[None, :] * (ell / span)[:, None]
    fits = (off <= room).all(axis=1)
    if not fits.any():
        return 0
    first = int(np.flatnonzero(fits)[0])
    # The share of each step that the tolerance covers, for all but the two ends; and how rare it is that so many
    # values fall on so few: a group of plain weights repeats hardly any.
    chance = float(np.log(np.minimum(1.0, 2 * room[first, 1:-1])).sum()) + math.log(first + 1)
    few = len(distinct) <= FEW * _expected(size) and len(distinct) <= CODES
    return first + 1 if chance <= CHANCE or (few and chance <= 0.0 and first < CODES) else 0


def _expected(size: int) -> float:
    """Distinct values that so many plain weights would hold: nearly all, but for the coarseness of 16-bit floats."""
    return min(float(size), 256.0 + size / 4)


def _blurred(groups: list[Doubles], group: int, bits: int) -> Grid | None:
    if bits > 8:
        return None
    tried, spans, steps, counts = 0, [], [], []
    for v in groups:
        used = v[v != 0]
        if len(used) < 24:
            continue
        tried += 1
        distinct = np.unique(used)
        span, r = best_phase(used)
        if r >= LATTICE:
            spans.append(span)
            steps.append((distinct[-1] - distinct[0]) / span)
            counts.append(len(distinct))
        if _given_up(len(spans), tried):
            return None
    # One group for a whole matrix is one draw; the phases of a few thousand values make it as sure as many small ones.
    return _even(group, tried, spans, steps, counts, True) if _enough(len(spans), tried) else None


def best_phase(v: Doubles) -> tuple[int, float]:
    """The number of steps across the values, `BLURRED` or more, at which their phases cluster most, and R."""
    low, high = v.min(), v.max()
    if low == high:
        return 1, 0.0
    unit = (v[:: max(1, len(v) // _VALUES)][: 2 * _VALUES] - low) / (high - low)
    # Rounded ends shift the span by a fraction of a step, so that a tenth of a step is tried.
    ell = np.arange(10 * BLURRED, 10 * LEVELS + 6) / 10.0
    # The numbers tried are evenly spaced: each phase is one of a few coarse ones times one of a few fine ones, so that
    # their sums over the values are one product of two small matrices.
    fine = math.isqrt(len(ell))
    turns = 2j * np.pi * unit
    sums = np.exp(np.outer(ell[::fine], turns)) @ np.exp(np.outer(turns, np.arange(fine) / 10.0))
    r = np.abs(sums.reshape(-1)[: len(ell)]) / len(unit)
    best = int(r.argmax())
    return min(LEVELS, round(float(ell[best]))), float(r[best])


def _codebook(groups: list[Doubles], group: int, bits: int) -> Grid | None:
    """At most `CODES` levels in each group, at the same few ratios of the group's greatest magnitude."""
    return _book(groups, group, bits, CODES)


def _few_values(groups: list[Doubles], group: int, bits: int) -> Grid | None:
    """At most 256 levels in a row or the whole matrix, as 8-bit floats with one scale have."""
    return _book(groups, group, bits, 256) if group <= 0 else None


def _book(groups: list[Doubles], group: int, bits: int, top: int) -> Grid | None:
    ratios, counts, tried = [], [], 0
    for v in groups:
        # Pruned weights repeat one value, zero, and are no codebook.
        used = v[v != 0]
        if len(used) < 16:
            continue
        tried += 1
        distinct = np.unique(used)
        if len(distinct) <= top and len(distinct) <= FEW * _expected(len(used)):
            counts.append(len(distinct) + int(len(used) < len(v)))
            ratios.append(distinct / np.abs(distinct).max())
        if _given_up(len(counts), tried):
            return None
    if not _enough(len(counts), tried) or (group >= 0 and len(counts) < _FIRST):
        return None
    # Groups draw on one book: all of them together need hardly more levels than one has.  Two are let by, because a
    # group may be turned round by the sign of its greatest value.
    codes = _clusters(np.concatenate(ratios), 4 * PRECISION[max(8, min(bits, 11))])
    if codes > top + 2:
        return None
    levels = min(max(counts), codes + 1, top)
    book = max(2, math.ceil(math.log2(max(2, levels))))
    return Grid("codebook", book, group, tried, len(counts) / tried, False, float(np.median(counts)), 0.0)


def _clusters(ratios: Doubles, apart: float) -> int:
    """Number of distinct ratios, those nearer than float rounding counted once."""
    return 1 + int((np.diff(np.sort(ratios)) > apart).sum())


@dataclass(frozen=True)
class Residual:
    """What rounding to the grid did to the other side's values.

    Attributes:
        within: Share of values that moved by at most half a step (and a little for the rounding of floats).
        correlation: Of the residual with the values on the grid; rounding leaves little.
    """

    within: float
    correlation: float


def residual(on_grid: Floats, other: Floats, grid: Grid) -> Residual | None:
    """Compare a matrix on a grid with its counterpart.

    Args:
        on_grid: (rows, columns), the matrix that lies on ``grid``.
        other: Same shape.
        grid: From `find_grid`; a codebook has no step and gives None.
    """
    if grid.kind != "even" or on_grid.shape != other.shape:
        return None
    precision = PRECISION[significant_bits(on_grid)]
    within = total = 0
    for q, x in zip(_grouped(on_grid, grid.group), _grouped(other, grid.group), strict=True):
        distinct = np.unique(q)
        if np.count_nonzero(q) < 16 or len(distinct) < 2:
            continue
        span = best_phase(q[q != 0])[0] if grid.blurred else on_lattice(distinct, len(q), precision)
        if span:
            step = (distinct[-1] - distinct[0]) / span
            within += int((np.abs(x - q) <= HALF * step + np.abs(q) * precision).sum())
            total += len(q)
    q64 = on_grid.astype(np.float64).ravel()
    r64 = other.astype(np.float64).ravel() - q64
    q64, r64 = q64 - q64.mean(), r64 - r64.mean()
    scale = math.sqrt(float(q64 @ q64) * float(r64 @ r64))
    return Residual(within / total if total else 0.0, float(q64 @ r64) / scale if scale > 0 else 0.0)
