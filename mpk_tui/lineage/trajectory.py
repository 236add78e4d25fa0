"""Along A's training: does B's likeness to earlier checkpoints of A come through A, or past it?

Where checkpoints from A's own training exist, B is correlated with each of them.  What B has of a step on the way it
has, if it descends from A, through A alone, and correlations of independent changes multiply:
rho(B, step) = rho(B, A) rho(A, step).  A run from the same initialisation left the way early and is nearer to the early
steps than that product allows.  The greatest excess over it is the measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mpk_tui.fingerprint.units import aligned_rows, feature_map, sample_units, unit_width
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.progress import CancelToken, Meter, Report

NAME = "trajectory"
THROUGH = 0.03
"""Up to this excess B's likeness to the way comes through A: the pattern of a descendant."""
PAST = 0.05
"""From this excess on it does not: the pattern of a run from the same initialisation."""
WAY = 0.90
"""The first checkpoint must lie at most this near to A, or there is no way to speak of."""
LEAST = 0.10
"""Least correlation with A."""
_UNITS = 256


@dataclass(frozen=True)
class Point:
    """One checkpoint on A's way.

    Attributes:
        label: Last component of its path; untrusted text.
        root: Root digest of its tensors, hexadecimal.
        with_a: Mean correlation of its units with A's.
        with_b: With B's.
    """

    label: str
    root: str
    with_a: float
    with_b: float


@dataclass(frozen=True)
class Trajectory:
    """B seen from A's way.

    Attributes:
        points: Checkpoints in the order given, A itself last.
        reading: ``descendant``, ``sibling`` or ``abstains``.
        reason: Why it abstains, or what it says, as a sentence.
    """

    points: tuple[Point, ...]
    reading: str
    reason: str


def follow(a: Side, b: Side, steps: list[Side], report: Report, cancel: CancelToken) -> Trajectory:
    """Correlate B with every checkpoint on A's way.

    Args:
        a: The end of the way.
        b: The model in question.
        steps: Checkpoints of A's training, earliest first.
        report: Progress in checkpoints.
        cancel: Polled once a layer.
    """
    if a.weights is None or b.weights is None or any(s.weights is None for s in steps):
        return Trajectory((), "abstains", "needs weights, not fingerprint files")
    meter = Meter(report, NAME, len(steps) + 1, "checkpoints")
    points = []
    for side in (*steps, a):
        assert side.weights is not None
        with_a, with_b = _rho(side.weights, a.weights, cancel), _rho(side.weights, b.weights, cancel)
        meter.add(1, side.label)
        if with_a is None or with_b is None:
            return Trajectory((), "abstains", f"the feed-forward shapes of {side.label!r} do not fit")
        points.append(Point(side.label, side.fingerprint.root.hex(), with_a, with_b))
    return read(tuple(points))


def read(points: tuple[Point, ...]) -> Trajectory:
    """What the correlations along A's way say; the last point is A itself."""
    on_way = [p.with_a for p in points]
    if len(points) < 3 or any(y <= x for x, y in pairwise(on_way)) or on_way[0] > WAY:
        return Trajectory(
            points, "abstains",
            "needs at least two checkpoints that come nearer to A one after the other, the earliest well away from it",
        )  # fmt: skip
    end = points[-1].with_b
    if end < LEAST:
        return Trajectory(points, "abstains", "B hardly correlates with A")
    excess, nearest = max((p.with_b - end * p.with_a, p.label) for p in points[:-1])
    if excess <= THROUGH:
        return Trajectory(
            points, "descendant",
            f"what B has of A's earlier checkpoints it has through A (greatest excess {excess:.3f})",
        )  # fmt: skip
    if excess >= PAST:
        return Trajectory(
            points, "sibling",
            f"B is nearer to {nearest!r} than it could be through A (excess {excess:.3f}): it left A's way before that "
            "way ended",
        )  # fmt: skip
    return Trajectory(points, "abstains", f"the excess {excess:.3f} lies between what descendants and siblings show")


def _rho(x: Weights, y: Weights, cancel: CancelToken) -> float | None:
    found = []
    blocks = x.arch.blocks
    if blocks != y.arch.blocks or x.arch.width != y.arch.width:
        return None
    for block in blocks:
        cancel.check()
        width = unit_width(x.reader, x.arch, block)
        if not width or width != unit_width(y.reader, y.arch, block):
            return None
        ids = sample_units(width, _UNITS)
        u = feature_map(aligned_rows(x.reader, x.arch, block, ids))
        v = feature_map(aligned_rows(y.reader, y.arch, block, ids))
        if u.shape != v.shape:
            return None
        size = float(np.linalg.norm(u) * np.linalg.norm(v))
        found.append(float(np.einsum("ij,ij->", u, v, dtype=np.float64)) / size if size else 0.0)
    return float(np.mean(found)) if found else None


def to_record(found: Trajectory) -> dict[str, Any]:
    """Plain form for the comparison record."""
    return {
        "reading": found.reading,
        "reason": found.reason,
        "points": [
            {"label": p.label, "root": p.root, "with_a": round(p.with_a, 6), "with_b": round(p.with_b, 6)}
            for p in found.points
        ],
    }
