"""Matched body matrices of two models, a few dozen of them and a few hundred rows of each: enough to tell what kind of
change lies between them, at the cost of a fraction of a full pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Part
from mpk_tui.fingerprint.units import Floats
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.sides import Weights
from mpk_tui.progress import CancelToken, Meter, Report

ROLES = ("attn.q", "attn.k", "attn.v", "attn.o", "ffn.gate", "ffn.up", "ffn.down")
"""Body matrices that are looked at."""
MATRICES = 42
"""Greatest number of them, spread evenly over layers and roles."""
ROWS = 512
"""Rows of each, evenly spread."""
COLUMNS = 4096
"""Columns of each, from the first on, so that groups along the input axis stay whole."""


@dataclass(frozen=True)
class Matrix:
    """One matched pair of matrices, sampled.

    Attributes:
        role: Canonical role.
        a: Layer of A.
        b: Layer of B.
        shape: (out, in) of the whole matrix of A.
        same_shape: B's has the same.
        x: (rows, columns) float32 of A.
        y: Of B; the same rows and columns where the shapes agree.
        finite: No value is infinite or undefined.
    """

    role: str
    a: int
    b: int
    shape: tuple[int, int]
    same_shape: bool
    x: Floats
    y: Floats
    finite: bool

    @property
    def side(self) -> int:
        """Smaller side of the whole matrix."""
        return min(self.shape)


@dataclass(frozen=True)
class Measure:
    """How one matrix stands to its counterpart.

    Attributes:
        relative: ||y - x|| / ||x||.
        cosine: Of the values.
        kept: <x, y> / <x, x>: how much of x is in y.
        rest: ||y - kept x|| / ||x||: how much of y is not x.
        equal: Share of elements with the same value.
        zeros_a: Share of exact zeros in x.
        zeros_b: In y.
    """

    relative: float
    cosine: float
    kept: float
    rest: float
    equal: float
    zeros_a: float
    zeros_b: float

    @property
    def touched(self) -> bool:
        """Any element differs."""
        return self.equal < 1.0


def measure(x: Floats, y: Floats) -> Measure:
    """Compare two equally shaped samples."""
    a, b = x.astype(np.float64).ravel(), y.astype(np.float64).ravel()
    aa, bb, ab = float(a @ a), float(b @ b), float(a @ b)
    d = b - a
    kept = ab / aa if aa > 0 else 0.0
    rest = max(0.0, bb - kept * ab)
    return Measure(
        (float(d @ d) / aa) ** 0.5 if aa > 0 else float(bb > 0),
        ab / (aa * bb) ** 0.5 if aa > 0 and bb > 0 else 0.0,
        kept,
        (rest / aa) ** 0.5 if aa > 0 else 0.0,
        float(np.mean(x == y)),
        float(np.mean(x == 0)),
        float(np.mean(y == 0)),
    )


def spread(count: int, keep: int) -> list[int]:
    """At most ``keep`` of ``range(count)``, evenly spread, both ends among them."""
    if count <= keep:
        return list(range(count))
    return sorted({round(k * (count - 1) / max(1, keep - 1)) for k in range(keep)})


def sample(
    a: Weights, b: Weights, layer_map: LayerMap, report: Report, cancel: CancelToken, roles: tuple[str, ...] = ROLES
) -> Iterator[Matrix]:
    """Matched matrices, one at a time, so that no two need be in memory together.

    Args:
        a: Weights of one side.
        b: Weights of the other.
        layer_map: Which layers stand beside each other.
        report: Progress in matrices.
        cancel: Polled once a matrix.
        roles: What is looked at; fused and missing ones are left out.
    """
    present = [r for r in roles if any(part_at(a, r, i) and part_at(b, r, j) for i, j in layer_map.pairs)]
    pairs = [layer_map.pairs[k] for k in spread(len(layer_map.pairs), max(2, MATRICES // max(1, len(present))))]
    meter = Meter(report, "mechanisms", len(pairs) * len(present), "matrices")
    for i, j in pairs:
        for role in present:
            cancel.check()
            meter.add(1, f"{role} {i}")
            x, y = part_at(a, role, i), part_at(b, role, j)
            if x is None or y is None:
                continue
            shape, other = a.reader.shape(x), b.reader.shape(y)
            if len(shape) == 2 and len(other) == 2 and min(*shape, *other) >= 16:
                p, q = read(a.reader, x), read(b.reader, y)
                finite = bool(np.isfinite(p).all() and np.isfinite(q).all())
                yield Matrix(role, i, j, (shape[0], shape[1]), shape == other, p, q, finite)


def part_at(w: Weights, role: str, layer: int) -> Part | None:
    """The part with a role in a layer, that of the first expert where the layer has experts."""
    return w.arch.roles.get((role, layer)) or w.arch.roles.get((f"{role}@0", layer))


def read(reader: WeightReader, part: Part, rows: int = ROWS, columns: int = COLUMNS) -> Floats:
    """Evenly spread rows of a matrix, and its first columns."""
    picked = np.array(spread(reader.shape(part)[0], rows), dtype=np.int64)
    return np.ascontiguousarray(reader.select(part, picked)[:, :columns])
