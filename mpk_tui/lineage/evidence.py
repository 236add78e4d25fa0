"""What is measured, once an origin is established, to tell which kind of change lies between two models."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from mpk_tui.fingerprint.units import Floats
from mpk_tui.lineage import correspondence, grids, lowrank, vocabulary
from mpk_tui.lineage.grids import Grid, Residual
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.lowrank import Change, Scaling
from mpk_tui.lineage.sampling import Matrix, Measure, measure, part_at, read, sample, spread
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.progress import CancelToken, Report

TURNED = 0.5
"""Median relative change from which values are looked for in another order or basis; no training seen changes most
matrices by half of their norm and keeps their units (continued pretraining: 0.2 to 0.4)."""
SPARSE, DENSE = 0.05, 0.01
"""Least share of exact zeros of a pruned matrix, and the greatest of a plain one."""
_GRID_EVERY = 3
"""Grids are looked for in every third sampled layer, and in all once one was found."""
_RANKED = 14
"""Matrices whose rank of change is measured before one of them must have been small."""
_DORA = 2
"""Matrices on which an update under rescaled rows is looked for."""


@dataclass(frozen=True)
class Row:
    """What was measured on one pair of matrices."""

    role: str
    a: int
    b: int
    side: int
    measure: Measure | None
    change: Change | None
    scaling: Scaling | None
    zeros: tuple[float, float]
    kept_values: float
    """Share of elements that are equal among those that are zero on neither side."""
    pattern: str
    """``2:4`` or ``4:8`` where the zeros of the sparse side follow it."""


@dataclass
class Evidence:
    """All of it.

    Attributes:
        rows: One per sampled pair of matrices.
        grids: Grids found, per side: (role, layer) to grid.
        searched: Matrices searched for grids, per side.
        residuals: What rounding did to the other side's values, per side on a grid.
        dora: Rows rescaled after an update of low rank, where it was looked for and found.
        vocabulary: None where it is the same.
        units: Feed-forward units of the one found on the other, where it was looked for.
        dimensions: Residual dimensions likewise, where widths differ.
        repeats: Layers of a side that repeat an earlier one of the same side.
        balanced: Median of up-row factor times down-column factor and its spread, where rows were rescaled.
        embedding: Share of embedding rows that differ, where tables have one shape.
    """

    rows: list[Row] = field(default_factory=list)
    grids: tuple[dict[tuple[str, int], Grid], dict[tuple[str, int], Grid]] = field(default_factory=lambda: ({}, {}))
    searched: list[int] = field(default_factory=lambda: [0, 0])
    residuals: tuple[list[Residual], list[Residual]] = field(default_factory=lambda: ([], []))
    dora: list[Scaling] = field(default_factory=list)
    vocabulary: vocabulary.Vocabulary | None = None
    units: correspondence.Units | None = None
    dimensions: correspondence.Dimensions | None = None
    repeats: tuple[list[tuple[int, int]], list[tuple[int, int]]] = field(default_factory=lambda: ([], []))
    balanced: tuple[float, float] | None = None
    embedding: float | None = None

    @property
    def measured(self) -> list[Row]:
        """Pairs of one shape with finite values."""
        return [r for r in self.rows if r.measure is not None]

    @property
    def touched(self) -> list[Row]:
        """Of these, the ones that differ."""
        return [r for r in self.measured if r.measure is not None and r.measure.touched]

    def median(self, name: str) -> float | None:
        """Median of one measure over touched matrices."""
        values = [getattr(r.measure, name) for r in self.touched]
        return float(np.median(values)) if values else None

    def quartiles(self, name: str) -> tuple[float, float]:
        """Lower and upper quartile of one measure over touched matrices."""
        values = [getattr(r.measure, name) for r in self.touched]
        return (float(np.quantile(values, 0.25)), float(np.quantile(values, 0.75))) if values else (0.0, 0.0)


def gather(a: Side, b: Side, layer_map: LayerMap | None, report: Report, cancel: CancelToken) -> Evidence:
    """Measure a pair; without the weights of both, only what fingerprints tell.

    Args:
        a: One side.
        b: The other.
        layer_map: Which layers stand beside each other.
        report: Progress in matrices.
        cancel: Polled between matrices.
    """
    found = Evidence(vocabulary=vocabulary.compare(a, b))
    if a.weights is None or b.weights is None or layer_map is None or not layer_map.pairs:
        return found
    layers: list[int] = []
    for matrix in sample(a.weights, b.weights, layer_map, report, cancel):
        if matrix.a not in layers:
            layers.append(matrix.a)
        _grid_pair(found, matrix, (len(layers) - 1) % _GRID_EVERY == min(1, len(layer_map.pairs) - 1))
        found.rows.append(_row(found, matrix))
    _second_look(found, a.weights, b.weights, layer_map, cancel)
    return found


def _grid_pair(found: Evidence, matrix: Matrix, due: bool) -> None:
    if not matrix.finite:
        return
    sides: tuple[tuple[Floats, int], tuple[Floats, int]] = ((matrix.x, matrix.a), (matrix.y, matrix.b))
    for k, (values, layer) in enumerate(sides):
        if not due and not found.grids[k]:
            continue
        found.searched[k] += 1
        grid = grids.find_grid(values[:64])
        if grid is None:
            continue
        found.grids[k][matrix.role, layer] = grid
        if matrix.same_shape:
            moved = grids.residual(values[:64], sides[1 - k][0][:64], grid)
            if moved is not None:
                found.residuals[k].append(moved)


def _row(found: Evidence, m: Matrix) -> Row:
    zeros = float(np.mean(m.x == 0)), float(np.mean(m.y == 0))
    if not m.same_shape or not m.finite:
        return Row(m.role, m.a, m.b, m.side, None, None, None, zeros, 0.0, "")
    measured = measure(m.x, m.y)
    kept, pattern = 0.0, ""
    if max(zeros) >= SPARSE:
        alive = (m.x != 0) & (m.y != 0)
        kept = float(np.mean((m.x == m.y)[alive])) if alive.any() else 0.0
        pattern = _pattern(m.x if zeros[0] > zeros[1] else m.y)
    change = scaled = None
    if measured.touched and measured.relative < TURNED * 4 and _worth_ranking(found):
        p, q = lowrank.block_of(m.x), lowrank.block_of(m.y)
        noise = sum(
            found.grids[k][m.role, layer].noise ** 2
            for k, layer in enumerate((m.a, m.b))
            if (m.role, layer) in found.grids[k]
        )
        change = lowrank.change(p, q, m.side, noise**0.5)
        small = lowrank.block_of(m.x, 192), lowrank.block_of(m.y, 192)
        if not change.small and _unexplained(found):
            scaled = lowrank.scaling(*small)
        if not change.small and len(found.rows) < _DORA and measured.relative < TURNED:
            dora = lowrank.rescaled_update(m.x, m.y, m.side)
            if dora is not None:
                found.dora.append(dora)
    return Row(m.role, m.a, m.b, m.side, measured, change, scaled, zeros, kept, pattern)


def _worth_ranking(found: Evidence) -> bool:
    """Ranks cost a decomposition each: where none of the first two layers' changes is small, no adapter was merged."""
    tried = [r.change for r in found.rows if r.change is not None]
    return len(tried) < _RANKED or any(c.small for c in tried)


def _unexplained(found: Evidence) -> bool:
    """Rescalings are looked for in the first layer, and further where one was found."""
    tried = [r.scaling for r in found.rows if r.scaling is not None]
    return len(tried) < 7 or any(s.exact for s in tried)


def _pattern(x: Floats) -> str:
    """N of every M neighbours along the input axis are zero, in 99 % of the groups."""
    for n, m in ((2, 4), (4, 8)):
        columns = x.shape[1] // m * m
        empty = (x[:, :columns].reshape(-1, m) == 0).sum(axis=1)
        if float(np.mean(empty >= n)) >= 0.99:
            return f"{n}:{m}"
    return ""


def _second_look(found: Evidence, a: Weights, b: Weights, layer_map: LayerMap, cancel: CancelToken) -> None:
    relative = found.median("relative")
    most = [r.measure.relative for r in found.measured if r.measure is not None]
    turned = bool(most) and float(np.quantile(most, 0.75)) >= TURNED
    if turned or not found.measured or a.arch.ffn_width != b.arch.ffn_width:
        found.units = correspondence.units(a, b, layer_map, cancel)
    if a.arch.width != b.arch.width:
        found.dimensions = correspondence.dimensions(a, b)
    if a.arch.layers != b.arch.layers:
        found.repeats = correspondence.repeated(a, cancel), correspondence.repeated(b, cancel)
    if relative is not None and any(r.scaling and r.scaling.exact and r.scaling.by_rows for r in found.rows):
        found.balanced = _balance(a, b, layer_map)
    found.embedding = _embedding(a, b)


def _balance(a: Weights, b: Weights, layer_map: LayerMap) -> tuple[float, float] | None:
    """Factor of each row of up times factor of the same column of down: 1 if one undoes the other."""
    products = []
    for k in spread(len(layer_map.pairs), 2):
        i, j = layer_map.pairs[k]
        parts = [part_at(w, r, n) for r in ("ffn.up", "ffn.down") for w, n in ((a, i), (b, j))]
        if None in parts:
            continue
        up_a, up_b, down_a, down_b = (p for p in parts if p is not None)
        if a.reader.shape(up_a) != b.reader.shape(up_b) or a.reader.shape(down_a) != b.reader.shape(down_b):
            continue
        units = np.array(spread(a.reader.shape(up_a)[0], 256), dtype=np.int64)
        up = lowrank.scaling(a.reader.select(up_a, units)[:, :256], b.reader.select(up_b, units)[:, :256])
        down = lowrank.scaling(a.reader.columns(down_a, units)[:256], b.reader.columns(down_b, units)[:256])
        if up is not None and down is not None:
            # Only the product of two factors is determined; the medians of both sides take the rest off.
            rows = up.rows * float(np.median(np.abs(up.columns)))
            columns = down.columns * float(np.median(np.abs(down.rows)))
            products.append(rows * columns)
    if not products:
        return None
    joined = np.concatenate(products)
    return float(np.median(joined)), float(np.median(np.abs(joined - np.median(joined))))


def _embedding(a: Weights, b: Weights) -> float | None:
    x, y = a.arch.roles.get(("embed.tokens", -1)), b.arch.roles.get(("embed.tokens", -1))
    if x is None or y is None or a.reader.shape(x) != b.reader.shape(y):
        return None
    return float(np.mean((read(a.reader, x) != read(b.reader, y)).any(axis=1)))


def layers_left_out(depth: int, used: set[int]) -> list[int]:
    """Layers of a model of this depth that no pair of the layer map uses."""
    return [i for i in range(depth) if i not in used]


def commonest(values: list[int]) -> tuple[int, float]:
    """The commonest value and its share."""
    value, count = Counter(values).most_common(1)[0]
    return value, count / len(values)
