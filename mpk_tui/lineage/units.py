"""The row test on feed-forward units over all layers, in both forms, from weights or from fingerprints."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpk_tui.fingerprint.features import VERSION, array
from mpk_tui.fingerprint.units import (
    MIN_ANCHORS,
    AnchorBasis,
    Anchors,
    Floats,
    aligned_rows,
    anchor_strings,
    anchors_by_id,
    choose_anchors,
    feature_map,
    input_roles,
    sample_units,
    unit_width,
)
from mpk_tui.lineage.layers import LayerMap, choose_map, z_matrix
from mpk_tui.lineage.rowtest import DRAWS, UNITS, RowTest, log_fisher, row_test
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.progress import CancelToken, Meter, Report

FORMS = ("ffn.aligned", "ffn.anchored")
LAYER_P = 1e-3
"""A layer counts as matched from this p on."""
_SEEDS = {"ffn.aligned": 11, "ffn.anchored": 12}


@dataclass(frozen=True)
class LayerResult:
    """One pair of layers."""

    a: int
    b: int
    test: RowTest
    log_p: float
    """Logarithm of the p-value after multiplying by the number of candidate layers."""


@dataclass(frozen=True)
class UnitTest:
    """One form over all layers.

    Attributes:
        form: ``ffn.aligned`` or ``ffn.anchored``.
        layers: Results, empty if the test could not be run.
        log_p: Fisher's combination over layers, natural logarithm.
        reason: Why it was not run, or an empty string.
        source: ``weights`` or ``fingerprints``.
        params: What was chosen.
    """

    form: str
    layers: tuple[LayerResult, ...]
    log_p: float
    reason: str
    source: str
    params: dict[str, Any]

    @property
    def ran(self) -> bool:
        """Whether there is a result."""
        return bool(self.layers)

    @property
    def matched(self) -> float:
        """Share of layers at p <= `LAYER_P`."""
        return sum(r.log_p <= math.log(LAYER_P) for r in self.layers) / len(self.layers) if self.layers else 0.0

    @property
    def rho(self) -> float:
        """Mean correlation over layers."""
        return float(np.mean([r.test.rho for r in self.layers])) if self.layers else 0.0

    @property
    def z(self) -> float:
        """Median z over layers."""
        return float(np.median([r.test.z for r in self.layers])) if self.layers else 0.0


def not_run(form: str, reason: str) -> UnitTest:
    """A test that could not be run, and why."""
    return UnitTest(form, (), 0.0, reason, "", {})


def run_unit_tests(a: Side, b: Side, report: Report, cancel: CancelToken) -> tuple[list[UnitTest], LayerMap | None]:
    """Both forms of the feed-forward test.

    Args:
        a: One side.
        b: The other.
        report: Progress in pairs of layers.
        cancel: Polled once a layer.

    Returns:
        One result per form, run or not, and the layer map that was used.
    """
    sketches = {form: _sketches(a, b, form) for form in FORMS}
    z = _best_matrix([s for s in sketches.values() if not isinstance(s, str)])
    depth_a, depth_b = _layers(a), _layers(b)
    if not depth_a or not depth_b:
        reason = "no feed-forward roles are known for one of the models"
        return [not_run(form, reason) for form in FORMS], None
    layer_map = choose_map(depth_a, depth_b, z)
    if layer_map is None:
        reason = f"{depth_a} and {depth_b} layers, and no sketches to find which belong together"
        return [not_run(form, reason) for form in FORMS], None
    out = []
    for form in FORMS:
        if a.weights and b.weights:
            out.append(_from_weights(form, a.weights, b.weights, layer_map, report, cancel))
        else:
            out.append(_from_sketches(form, sketches[form], layer_map))
    return out, layer_map


def _layers(side: Side) -> int:
    if side.weights:
        arch = side.weights.arch
        return arch.layers if ("ffn.up", 0) in arch.roles else 0
    feature = side.fingerprint.features.get("ffn.aligned")
    return feature.shape[0] if feature else 0


def _sketches(a: Side, b: Side, form: str) -> tuple[Floats, Floats] | str:
    """Arrays (layers, m, columns) of both fingerprints, or why they cannot be compared."""
    fa, fb = a.fingerprint.features.get(form), b.fingerprint.features.get(form)
    if fa is None or fb is None:
        return "the fingerprint of one model has no such feature"
    if fa.version != VERSION or fb.version != VERSION:
        return f"features of versions {fa.version} and {fb.version}; make both fingerprints again"
    keys = ["of", "units", "columns", "inputs"] + (["width"] if form == "ffn.aligned" else ["by"])
    for key in keys:
        if fa.params.get(key) != fb.params.get(key):
            return f"{key!r} is {fa.params.get(key)} and {fb.params.get(key)}"
    return array(fa), array(fb)


def _best_matrix(sketches: list[tuple[Floats, Floats]]) -> Any:
    """Layer x layer z of the form that sees most."""
    found = [z_matrix(list(x), list(y)) for x, y in sketches]
    return max(found, key=lambda z: float(z.max(axis=1).sum())) if found else None


def _from_sketches(form: str, sketches: tuple[Floats, Floats] | str, layer_map: LayerMap) -> UnitTest:
    if isinstance(sketches, str):
        return not_run(form, sketches)
    x, y = sketches
    results = [
        _result(form, i, j, feature_map(x[i]), feature_map(y[j]), layer_map.candidates) for i, j in layer_map.pairs
    ]
    params = {"units": int(x.shape[1]), "columns": int(x.shape[2]), "draws": DRAWS, "layer_map": layer_map.how}
    return _test(form, results, "fingerprints", params)


def _from_weights(
    form: str, a: Weights, b: Weights, layer_map: LayerMap, report: Report, cancel: CancelToken
) -> UnitTest:
    rows = _aligned(a, b) if form == "ffn.aligned" else _anchored(a, b)
    if isinstance(rows, str):
        return not_run(form, rows)
    make, extra = rows
    meter = Meter(report, form, len(layer_map.pairs), "layers")
    results = []
    for i, j in layer_map.pairs:
        cancel.check()
        width, other = unit_width(a.reader, a.arch, i), unit_width(b.reader, b.arch, j)
        if width != other or not width:
            return not_run(form, f"layer {i} of A has {width} units, layer {j} of B {other}: no common numbering")
        ids = sample_units(width, UNITS)
        pair = make(i, j, ids)
        if pair is None:
            return not_run(form, f"the shapes of layer {i} of A and layer {j} of B do not fit together")
        results.append(_result(form, i, j, feature_map(pair[0]), feature_map(pair[1]), layer_map.candidates))
        meter.add(1, f"layer {i}")
    params = {"units": results[0].test.units, "draws": DRAWS, "layer_map": layer_map.how, **extra}
    return _test(form, results, "weights", params)


Make = Callable[[int, int, Any], "tuple[Floats, Floats] | None"]


def _aligned(a: Weights, b: Weights) -> tuple[Make, dict[str, Any]] | str:
    if a.arch.width != b.arch.width:
        return f"residual widths differ ({a.arch.width} and {b.arch.width}): only the anchored form can be run"
    if input_roles(a.arch, 0) != input_roles(b.arch, 0):
        return "one model has gated feed-forward units, the other has not"

    def make(i: int, j: int, ids: Any) -> tuple[Floats, Floats] | None:
        x, y = aligned_rows(a.reader, a.arch, i, ids), aligned_rows(b.reader, b.arch, j, ids)
        return (x, y) if x.shape == y.shape else None

    return make, {}


def shared_anchors(a: Weights, b: Weights) -> tuple[Anchors, Anchors, int] | str:
    """Anchor tokens that both vocabularies hold, as rows of either table, and how many strings they share."""
    parts = a.arch.roles.get(("embed.tokens", -1)), b.arch.roles.get(("embed.tokens", -1))
    if parts[0] is None or parts[1] is None:
        return "one model has no token embedding"
    rows_a, rows_b = a.reader.shape(parts[0])[0], b.reader.shape(parts[1])[0]
    ta, tb = a.checkpoint.tokenizer, b.checkpoint.tokenizer
    if ta is None or tb is None:
        if rows_a != rows_b or rows_a < MIN_ANCHORS:
            return "a tokenizer is missing and the embedding tables differ in length: no tokens to match"
        anchors = anchors_by_id(rows_a)
        return anchors, anchors, rows_a
    strings_a, strings_b = anchor_strings(ta, rows_a), anchor_strings(tb, rows_b)
    shared = strings_a.keys() & strings_b.keys()
    if len(shared) < MIN_ANCHORS:
        return f"the vocabularies share {len(shared)} tokens; at least {MIN_ANCHORS} are needed"
    return choose_anchors(shared, strings_a), choose_anchors(shared, strings_b), len(shared)


def _anchored(a: Weights, b: Weights) -> tuple[Make, dict[str, Any]] | str:
    if input_roles(a.arch, 0) != input_roles(b.arch, 0):
        return "one model has gated feed-forward units, the other has not"
    anchors = shared_anchors(a, b)
    if isinstance(anchors, str):
        return anchors
    basis_a = AnchorBasis(a.reader, a.arch, anchors[0])
    basis_b = AnchorBasis(b.reader, b.arch, anchors[1])

    def make(i: int, j: int, ids: Any) -> tuple[Floats, Floats] | None:
        x, y = basis_a.rows(i, ids), basis_b.rows(j, ids)
        return None if x is None or y is None else (x, y)

    return make, {"anchors": len(anchors[0].names), "shared_tokens": anchors[2], "tokens_matched_by": anchors[0].by}


def _result(form: str, i: int, j: int, x: Floats, y: Floats, candidates: int) -> LayerResult:
    test = row_test(x, y, seed=(_SEEDS[form], i, j))
    return LayerResult(i, j, test, min(0.0, test.log_p + math.log(candidates)))


def _test(form: str, results: list[LayerResult], source: str, params: dict[str, Any]) -> UnitTest:
    return UnitTest(form, tuple(results), log_fisher([r.log_p for r in results]), "", source, params)
