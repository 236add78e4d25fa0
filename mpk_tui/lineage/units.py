"""The row test on feed-forward units, all layers and experts: aligned, anchored, and by order where widths differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint.model import Block
from mpk_tui.fingerprint.features import SKETCH_COLUMNS, SKETCH_UNITS
from mpk_tui.fingerprint.units import (
    AnchorBasis,
    Floats,
    aligned_projection,
    aligned_rows,
    feature_map,
    sample_units,
    unit_width,
)
from mpk_tui.lineage import void
from mpk_tui.lineage.layers import LayerMap, choose_map, repeats, z_matrix
from mpk_tui.lineage.matching import Matching, log_order_p, longest_increasing, mutual_nearest
from mpk_tui.lineage.results import LayerResult, UnitTest, combine, not_run
from mpk_tui.lineage.rowtest import DRAWS, UNITS, RowTest, row_test
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.lineage.sketched_matching import MOST_UNITS, kept_width, sketch_matcher
from mpk_tui.lineage.sources import FORMS, Source, blocks_of, shared_anchors, sources
from mpk_tui.progress import CancelToken, Meter, Report

ORDER = "ffn.order"
SAME_INDEX = 0.80
"""Where this share of layers matches by index, no other pairing is looked for."""
_SEEDS = {"ffn.aligned": 11, "ffn.anchored": 12}


@dataclass(frozen=True)
class BlockPair:
    """Two feed-forward blocks to test against each other.

    Attributes:
        a: Block of A.
        b: Block of B.
        candidates: Number of B's blocks that b was chosen from; the p-value is multiplied by it.
    """

    a: Block
    b: Block
    candidates: int = 1


@dataclass(frozen=True)
class Fit:
    """How every layer of one model fits every layer of the other; descriptive, and what a path is chosen on.

    Attributes:
        form: Whose sketches were compared.
        source: ``weights`` or ``fingerprints``.
        z: (layers of A, layers of B) from `mpk_tui.lineage.layers.z_matrix`: mean 0 and standard deviation 1 when the
            units of one model are relabelled; the greatest over experts where there are several.
        experts: Whether a layer of either side has several blocks.
    """

    form: str
    source: str
    z: npt.NDArray[np.float64]
    experts: bool


@dataclass(frozen=True)
class Units:
    """Everything that feed-forward units say.

    Attributes:
        tests: One result per form, run or not.
        layer_map: The layers that stand beside each other, or None where no pairing was found.
        pairs: Feed-forward blocks that stand beside each other.
        repeated_a: Layers of A that repeat an earlier one, with that one.
        repeated_b: Of B.
        fit: Every layer with every layer, or None where there are no sketches or units cannot be compared.
    """

    tests: list[UnitTest]
    layer_map: LayerMap | None
    pairs: tuple[BlockPair, ...] = ()
    repeated_a: tuple[tuple[int, int], ...] = ()
    repeated_b: tuple[tuple[int, int], ...] = ()
    fit: Fit | None = None

    @property
    def twice(self) -> frozenset[tuple[int, int]]:
        """Pairs of layers that repeat an earlier pair on both sides."""
        return _twice(self.layer_map, self.repeated_a, self.repeated_b) if self.layer_map else frozenset()


def run_unit_tests(a: Side, b: Side, report: Report, cancel: CancelToken, enough: int = 0) -> Units:
    """All forms of the feed-forward test.

    Args:
        a: One side.
        b: The other.
        report: Progress in pairs of blocks.
        cancel: Polled once a block.
        enough: Relabellings that reach the statistic after which no more are drawn (`rowtest.monte_carlo`); 0: all.
    """
    found = _run_forms(a, b, report, cancel, enough)
    reason = void.units(a, b, ((p.a, p.b) for p in found.pairs))
    if not reason:
        return found
    return replace(found, tests=[not_run(t.form, reason) if t.ran else t for t in found.tests], fit=None)


def _run_forms(a: Side, b: Side, report: Report, cancel: CancelToken, enough: int) -> Units:
    blocks_a, blocks_b = blocks_of(a), blocks_of(b)
    if not blocks_a or not blocks_b:
        reason = "no feed-forward roles are known for one of the models"
        return Units([not_run(form, reason) for form in FORMS], None)
    found = sources(a, b)
    usable = {form: s for form, s in found.items() if not isinstance(s, str)}
    sketches = {form: _sketch_all(s, blocks_a, blocks_b, cancel) for form, s in list(usable.items())[:1]}
    own = [_repeats(x, y, blocks_a, blocks_b) for x, y in sketches.values()]
    again_a, again_b = own[0] if own else ((), ())
    depth_a, depth_b = _depth(blocks_a), _depth(blocks_b)
    price = choices(a) * choices(b)
    layer_map: LayerMap | None = None
    tests: list[UnitTest] = []
    pairs: tuple[BlockPair, ...] = ()
    if depth_a == depth_b:
        layer_map = LayerMap(tuple((i, i) for i in range(depth_a)), price, "same index")
        pairs = _by_index(layer_map, blocks_a, blocks_b)
        tests = _run_all(found, pairs, layer_map, _twice(layer_map, again_a, again_b), report, cancel, enough)
        if any(t.matched >= SAME_INDEX for t in tests):
            # The form that sees most of the layers at their own numbers is the one to look at elsewhere.
            form = max((t for t in tests if t.ran), key=lambda t: t.z).form
            if form not in sketches:
                sketches[form] = _sketch_all(usable[form], blocks_a, blocks_b, cancel)
            fit = _fit(_best(usable, {form: sketches[form]}), usable, blocks_a, blocks_b)
            return Units(_ordered(a, b, tests, pairs, report, cancel), layer_map, pairs, again_a, again_b, fit)
    for form, source in usable.items():
        if form not in sketches:
            sketches[form] = _sketch_all(source, blocks_a, blocks_b, cancel)
    best = _best(usable, sketches)
    fit = _fit(best, usable, blocks_a, blocks_b)
    chosen = None if best is None else best[1]
    other = choose_map(depth_a, depth_b, None if fit is None else fit.z)
    if other is None:
        reason = f"{depth_a} and {depth_b} layers, and nothing to find which belong together"
        missing = [not_run(form, s if isinstance(s, str) else reason) for form, s in found.items()]
        return Units(missing, None, (), again_a, again_b, fit)
    other = replace(other, candidates=other.candidates * price)
    experts = any(x.expert >= 0 for x in (*blocks_a, *blocks_b))
    if layer_map is not None and other.how == layer_map.how and not experts:
        return Units(_ordered(a, b, tests, pairs, report, cancel), layer_map, pairs, again_a, again_b, fit)
    if chosen is not None and experts:
        pairs = _by_z(other, chosen, blocks_a, blocks_b)
    else:
        pairs = _by_index(other, blocks_a, blocks_b)
    # p-values along a chosen path are multiplied by the number of layers to choose from, the same index among them.
    tests = _run_all(found, pairs, other, _twice(other, again_a, again_b), report, cancel, enough)
    return Units(_ordered(a, b, tests, pairs, report, cancel), other, pairs, again_a, again_b, fit)


def choices(side: Side) -> int:
    """In how many ways the matrices of a layer were chosen on this side."""
    return side.weights.choices if side.weights else 1


def _depth(blocks: Iterable[Block]) -> int:
    return 1 + max(b.layer for b in blocks)


def _twice(
    layer_map: LayerMap, again_a: tuple[tuple[int, int], ...], again_b: tuple[tuple[int, int], ...]
) -> frozenset[tuple[int, int]]:
    """Pairs where both sides repeat an earlier layer, or B's layer stands beside two repeated layers of A."""
    root_a, root_b = dict(again_a), dict(again_b)
    seen: set[tuple[int, int]] = set()
    out = set()
    for i, j in layer_map.pairs:
        key = _root(root_a, i), _root(root_b, j)
        if key in seen:
            out.add((i, j))
        seen.add(key)
    return frozenset(out)


def _root(parent: dict[int, int], layer: int) -> int:
    while layer in parent:
        layer = parent[layer]
    return layer


def _by_index(layer_map: LayerMap, blocks_a: tuple[Block, ...], blocks_b: tuple[Block, ...]) -> tuple[BlockPair, ...]:
    """Every block with the block of the same number; a dense layer with each expert of the other model."""
    out = []
    for i, j in layer_map.pairs:
        of_a, of_b = [x for x in blocks_a if x.layer == i], [x for x in blocks_b if x.layer == j]
        if len(of_a) == len(of_b):
            out += [BlockPair(x, y, layer_map.candidates) for x, y in zip(of_a, of_b, strict=True)]
        elif len(of_a) == 1 or len(of_b) == 1:
            out += [BlockPair(x, y, layer_map.candidates) for x in of_a for y in of_b]
        else:
            fewer = min(len(of_a), len(of_b))
            pairs = zip(of_a[:fewer], of_b[:fewer], strict=True)
            out += [BlockPair(x, y, layer_map.candidates) for x, y in pairs]
    return tuple(out)


def _by_z(
    layer_map: LayerMap, z: npt.NDArray[np.float64], blocks_a: tuple[Block, ...], blocks_b: tuple[Block, ...]
) -> tuple[BlockPair, ...]:
    """In matched layers every block of A with the block of B that fits it best."""
    out = []
    for i, j in layer_map.pairs:
        of_b = [n for n, y in enumerate(blocks_b) if y.layer == j]
        for n, x in enumerate(blocks_a):
            if x.layer == i and of_b:
                best = of_b[int(np.argmax(z[n, of_b]))]
                out.append(BlockPair(x, blocks_b[best], layer_map.candidates * len(of_b)))
    return tuple(out)


def _by_layer(
    z: npt.NDArray[np.float64], blocks_a: tuple[Block, ...], blocks_b: tuple[Block, ...]
) -> npt.NDArray[np.float64]:
    """Layer x layer: the greatest z over experts."""
    out = np.full((_depth(blocks_a), _depth(blocks_b)), -np.inf)
    at_a, at_b = np.array([x.layer for x in blocks_a]), np.array([y.layer for y in blocks_b])
    np.maximum.at(out, (at_a[:, None], at_b[None, :]), z)
    return np.where(np.isfinite(out), out, 0.0)


def _run_all(
    found: dict[str, Source | str],
    pairs: tuple[BlockPair, ...],
    layer_map: LayerMap,
    twice: frozenset[tuple[int, int]],
    report: Report,
    cancel: CancelToken,
    enough: int,
) -> list[UnitTest]:
    return [
        not_run(form, source)
        if isinstance(source, str)
        else _run(form, source, pairs, layer_map, twice, report, cancel, enough)
        for form, source in found.items()
    ]


def _run(
    form: str,
    source: Source,
    pairs: tuple[BlockPair, ...],
    layer_map: LayerMap,
    twice: frozenset[tuple[int, int]],
    report: Report,
    cancel: CancelToken,
    enough: int,
) -> UnitTest:
    meter = Meter(report, form, len(pairs), "blocks")
    results = []
    for pair in pairs:
        cancel.check()
        x, y = source.of_a(pair.a, UNITS), source.of_b(pair.b, UNITS)
        if x is None or y is None or x.shape != y.shape:
            return not_run(form, f"the shapes of layer {pair.a} of A and layer {pair.b} of B do not fit together")
        seed = (_SEEDS[form], pair.a.layer, pair.b.layer, 1 + pair.a.expert, 1 + pair.b.expert)
        test = row_test(feature_map(x), feature_map(y), seed=seed, enough=enough)
        results.append(_result(pair, test))
        meter.add(1, f"layer {pair.a}")
    params = {
        "units": results[0].test.units, "draws": DRAWS, "layer_map": layer_map.how,
        "candidates": max(p.candidates for p in pairs), "left_out_as_repeated": len(twice), **source.params,
    }  # fmt: skip
    return UnitTest(form, tuple(results), combine(results, twice), "", source.kind, params)


def _result(pair: BlockPair, test: RowTest) -> LayerResult:
    log_p = min(0.0, test.log_p + math.log(pair.candidates))
    return LayerResult(pair.a.layer, pair.b.layer, test, log_p, pair.a.expert, pair.b.expert)


_Sketches = tuple[list[Floats] | None, list[Floats] | None]
_Z = npt.NDArray[np.float64]


def _best(usable: dict[str, Source], sketches: dict[str, _Sketches]) -> tuple[str, _Z] | None:
    """Block x block z of the form that sees most, and that form."""
    found = []
    for form in usable:
        x, y = sketches.get(form, (None, None))
        if x is not None and y is not None and x[0].shape == y[0].shape:
            found.append((form, z_matrix(x, y)))
    return max(found, key=lambda f: float(f[1].max(axis=1).sum())) if found else None


def _fit(
    best: tuple[str, _Z] | None, usable: dict[str, Source], blocks_a: tuple[Block, ...], blocks_b: tuple[Block, ...]
) -> Fit | None:
    if best is None:
        return None
    experts = len({x.layer for x in blocks_a}) < len(blocks_a) or len({y.layer for y in blocks_b}) < len(blocks_b)
    return Fit(best[0], usable[best[0]].kind, _by_layer(best[1], blocks_a, blocks_b), experts)


def _repeats(
    x: list[Floats] | None, y: list[Floats] | None, blocks_a: tuple[Block, ...], blocks_b: tuple[Block, ...]
) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """Layers that repeat an earlier one of the same model, for either model."""
    out: list[tuple[tuple[int, int], ...]] = []
    for rows, blocks in ((x, blocks_a), (y, blocks_b)):
        if rows is None or any(b.expert > 0 for b in blocks):
            out.append(())
        else:
            out.append(tuple((blocks[i].layer, blocks[j].layer) for i, j in repeats(z_matrix(rows, rows, below=True))))
    return out[0], out[1]


def _sketch_all(
    source: Source, blocks_a: tuple[Block, ...], blocks_b: tuple[Block, ...], cancel: CancelToken
) -> _Sketches:
    out = []
    for of, blocks in ((source.of_a, blocks_a), (source.of_b, blocks_b)):
        rows = []
        for block in blocks:
            cancel.check()
            small = _small(of(block, SKETCH_UNITS))
            if small is not None:
                rows.append(small)
        out.append(rows if len(rows) == len(blocks) and len({r.shape for r in rows}) == 1 else None)
    return out[0], out[1]


def _small(rows: Floats | None) -> Floats | None:
    """Rows projected to a few columns; both sides have the same columns, so one projection serves both."""
    if rows is None or rows.shape[1] <= SKETCH_COLUMNS:
        return rows
    return feature_map(rows) @ aligned_projection(rows.shape[1], SKETCH_COLUMNS)


def _ordered(
    a: Side, b: Side, tests: list[UnitTest], pairs: tuple[BlockPair, ...], report: Report, cancel: CancelToken
) -> list[UnitTest]:
    """The other forms and, where feed-forward widths differ, the test on the order of matched units."""
    if a.weights and b.weights:
        if _widths(a.weights) == _widths(b.weights):
            return tests
        matcher = matcher_of(a.weights, b.weights)
        if isinstance(matcher, str):
            return [*tests, not_run(ORDER, matcher)]
        return [*tests, _order(matcher, "weights", {"at_most": UNITS}, pairs, report, cancel)]
    return [*tests, *_order_by_sketches(a, b, pairs, report, cancel)]


def _order_by_sketches(
    a: Side, b: Side, pairs: tuple[BlockPair, ...], report: Report, cancel: CancelToken
) -> list[UnitTest]:
    """The same where a fingerprint stands for one side; nothing where it stands for both, or widths are equal."""
    weights, other = a.weights or b.weights, b if a.weights else a
    if weights is None or kept_width(other.fingerprint) in {0, *_widths(weights)}:
        return []
    matcher = sketch_matcher(weights, other)
    if isinstance(matcher, str):
        return [not_run(ORDER, matcher)]
    mine = [(p.a, p.b) if a.weights else (p.b, p.a) for p in pairs]
    # Two orders by one rule would agree, and a fingerprint does not show whether its model has one.
    rule = next((found for block, _ in mine if (found := void.unit_order(weights, block))), "")
    if rule:
        return [not_run(ORDER, f"refused: units are ordered by {rule} on one side; of the other that cannot be told")]
    matched = dict(zip(pairs, mine, strict=True))
    params = {"at_most": MOST_UNITS, "of_fingerprint": kept_width(other.fingerprint), "looked_for_by": matcher.form}
    return [_order(lambda pair: matcher(*matched[pair]), "fingerprints", params, pairs, report, cancel)]


def _widths(w: Weights) -> set[int]:
    return {unit_width(w.reader, w.arch, block) for block in w.arch.blocks}


def _order(
    matcher: Callable[[BlockPair], Matching | None], source: str, params: dict[str, Any],
    pairs: tuple[BlockPair, ...], report: Report, cancel: CancelToken,
) -> UnitTest:  # fmt: skip
    meter = Meter(report, ORDER, len(pairs), "blocks")
    results = []
    for pair in pairs:
        cancel.check()
        found = matcher(pair)
        meter.add(1, f"layer {pair.a}")
        if found is None:
            return not_run(ORDER, f"the shapes of layer {pair.a} of A and layer {pair.b} of B do not fit together")
        n, k = len(found), longest_increasing(found.b)
        # Under the null the length is about 2 sqrt(n) with a standard deviation of n^(1/6) (Baik, Deift, Johansson
        # 1999); z is an effect size only, the p-value comes from the exact bound.
        z = (k - 2 * math.sqrt(n)) / max(1.0, n ** (1 / 6)) if n else 0.0
        rho = max(0.0, k / n - 2 / math.sqrt(n)) if n else 0.0
        results.append(_result(pair, RowTest(z, rho, log_order_p(n, k), True, n)))
    params = {
        "units": max(r.test.units for r in results), "candidates": max(p.candidates for p in pairs), **params,
    }  # fmt: skip
    return UnitTest(ORDER, tuple(results), combine(results), "", source, params)


class Matcher:
    """Finds which unit of A is which unit of B, through shared tokens or, without them, in residual coordinates."""

    def __init__(self, a: Weights, b: Weights, basis: tuple[AnchorBasis, AnchorBasis] | None) -> None:
        self._a, self._b, self._basis = a, b, basis

    def __call__(self, pair: BlockPair, most: int = UNITS, *, first: bool = False) -> Matching | None:
        """Mutual nearest neighbours; positions are unit ids on both sides.

        Args:
            pair: Blocks that stand beside each other.
            most: Units of A that are looked for.
            first: Look at the first input matrix alone (the gate, or up where there is none), so that the others can
                be tested without having been chosen by.
        """
        width_a = unit_width(self._a.reader, self._a.arch, pair.a)
        width_b = unit_width(self._b.reader, self._b.arch, pair.b)
        ids_a = np.sort(sample_units(width_a, most, seed=7))
        ids_b = np.arange(width_b, dtype=np.int64)
        if self._basis is None:
            x: Floats | None = aligned_rows(self._a.reader, self._a.arch, pair.a, ids_a)
            y: Floats | None = aligned_rows(self._b.reader, self._b.arch, pair.b, ids_b)
        else:
            x, y = self._basis[0].rows(pair.a, ids_a), self._basis[1].rows(pair.b, ids_b)
        if x is None or y is None or x.shape[1] != y.shape[1]:
            return None
        if first and self._basis is not None:
            anchors = len(self._basis[0].anchors.names)
            x, y = x[:, :anchors], y[:, :anchors]
        found = mutual_nearest(x, y)
        return Matching(ids_a[found.a], found.b, found.cosine)


def matcher_of(a: Weights, b: Weights, *, invariant: bool = False) -> Matcher | str:
    """A matcher for two models, or why there is none.

    Args:
        a: One side.
        b: The other.
        invariant: Only one that does not change when residual dimensions are relabelled (through shared tokens).
    """
    anchors = shared_anchors(a, b)
    if not isinstance(anchors, str):
        basis = AnchorBasis(a.reader, a.arch, anchors[0]), AnchorBasis(b.reader, b.arch, anchors[1])
        return Matcher(a, b, basis)
    if invariant:
        return anchors
    if a.arch.width != b.arch.width:
        return f"{anchors}, and residual widths differ"
    return Matcher(a, b, None)
