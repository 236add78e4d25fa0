"""The row test on feed-forward units over all layers, in both forms, from weights or from fingerprints."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpk_tui.fingerprint.features import SKETCH_COLUMNS, SKETCH_UNITS, VERSION, array
from mpk_tui.fingerprint.units import (
    MIN_ANCHORS,
    AnchorBasis,
    Anchors,
    Floats,
    aligned_projection,
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
SAME_INDEX = 0.80
"""Where this share of layers matches by index, no other pairing is looked for."""
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
    depth_a, depth_b = _layers(a), _layers(b)
    if not depth_a or not depth_b:
        reason = "no feed-forward roles are known for one of the models"
        return [not_run(form, reason) for form in FORMS], None
    sources: dict[str, Source | str] = {
        form: _weights_source(form, a.weights, b.weights) if a.weights and b.weights else _sketch_source(a, b, form)
        for form in FORMS
    }
    usable = [s for s in sources.values() if not isinstance(s, str)]
    if depth_a == depth_b:
        layer_map = LayerMap(tuple((i, i) for i in range(depth_a)), 1, "same index")
        found = _run_all(sources, layer_map, report, cancel)
        if any(t.matched >= SAME_INDEX for t in found):
            return found, layer_map
    other = choose_map(depth_a, depth_b, _best_matrix(usable, depth_a, depth_b, cancel))
    if other is None:
        reason = f"{depth_a} and {depth_b} layers, and nothing to find which belong together"
        return [not_run(form, s if isinstance(s, str) else reason) for form, s in sources.items()], None
    if depth_a == depth_b and other.how == layer_map.how:
        return found, layer_map
    # p-values along a chosen path are multiplied by the number of layers to choose from, the same index among them.
    return _run_all(sources, other, report, cancel), other


def _run_all(
    sources: dict[str, Source | str], layer_map: LayerMap, report: Report, cancel: CancelToken
) -> list[UnitTest]:
    return [
        not_run(form, source) if isinstance(source, str) else _run(form, source, layer_map, report, cancel)
        for form, source in sources.items()
    ]


@dataclass(frozen=True)
class Source:
    """Where rows of units come from.

    Attributes:
        kind: ``weights`` or ``fingerprints``.
        of_a: Rows of a layer of A for so many units, (m, columns), or None where its shapes do not fit.
        of_b: Likewise for B; row i is the same unit id on both sides.
        params: What was chosen, for the record.
    """

    kind: str
    of_a: Callable[[int, int], Floats | None]
    of_b: Callable[[int, int], Floats | None]
    params: dict[str, Any]


def _layers(side: Side) -> int:
    if side.weights:
        arch = side.weights.arch
        return arch.layers if ("ffn.up", 0) in arch.roles else 0
    feature = side.fingerprint.features.get("ffn.aligned")
    return feature.shape[0] if feature else 0


def _sketch_source(a: Side, b: Side, form: str) -> Source | str:
    """Rows from two fingerprints, or why they cannot be compared."""
    fa, fb = a.fingerprint.features.get(form), b.fingerprint.features.get(form)
    if fa is None or fb is None:
        return "the fingerprint of one model has no such feature"
    if fa.version != VERSION or fb.version != VERSION:
        return f"features of versions {fa.version} and {fb.version}; make both fingerprints again"
    keys = ["of", "units", "columns", "inputs"] + (["width"] if form == "ffn.aligned" else ["by"])
    for key in keys:
        if fa.params.get(key) != fb.params.get(key):
            return f"{key!r} is {fa.params.get(key)} in one fingerprint and {fb.params.get(key)} in the other"
    if len(fa.shape) != 3 or len(fb.shape) != 3 or fa.shape[1:] != fb.shape[1:]:
        return "the features have shapes that do not fit together"
    x, y = array(fa), array(fb)
    return Source("fingerprints", lambda i, m: x[i, :m], lambda j, m: y[j, :m], {"columns": int(x.shape[2])})


def _best_matrix(sources: list[Source], depth_a: int, depth_b: int, cancel: CancelToken) -> Any:
    """Layer x layer z of the form that sees most."""
    found = []
    for source in sources:
        cancel.check()
        x = [_small(source.of_a(i, SKETCH_UNITS)) for i in range(depth_a)]
        y = [_small(source.of_b(j, SKETCH_UNITS)) for j in range(depth_b)]
        full_x, full_y = [r for r in x if r is not None], [r for r in y if r is not None]
        if len(full_x) == depth_a and len(full_y) == depth_b and len({r.shape for r in full_x + full_y}) == 1:
            found.append(z_matrix(full_x, full_y))
    return max(found, key=lambda z: float(z.max(axis=1).sum())) if found else None


def _small(rows: Floats | None) -> Floats | None:
    """Rows projected to a few columns; both sides have the same columns, so one projection serves both."""
    if rows is None or rows.shape[1] <= SKETCH_COLUMNS:
        return rows
    return feature_map(rows) @ aligned_projection(rows.shape[1], SKETCH_COLUMNS)


def _run(form: str, source: Source, layer_map: LayerMap, report: Report, cancel: CancelToken) -> UnitTest:
    meter = Meter(report, form, len(layer_map.pairs), "layers")
    results = []
    for i, j in layer_map.pairs:
        cancel.check()
        x, y = source.of_a(i, UNITS), source.of_b(j, UNITS)
        if x is None or y is None or x.shape != y.shape:
            return not_run(form, f"the shapes of layer {i} of A and layer {j} of B do not fit together")
        test = row_test(feature_map(x), feature_map(y), seed=(_SEEDS[form], i, j))
        results.append(LayerResult(i, j, test, min(0.0, test.log_p + math.log(layer_map.candidates))))
        meter.add(1, f"layer {i}")
    params = {
        "units": results[0].test.units, "draws": DRAWS, "layer_map": layer_map.how,
        "candidates": layer_map.candidates, **source.params,
    }  # fmt: skip
    return UnitTest(form, tuple(results), log_fisher([r.log_p for r in results]), "", source.kind, params)


def _weights_source(form: str, a: Weights, b: Weights) -> Source | str:
    """Rows from weights.  Where widths differ the first units are compared: exact all the same, and it sees copies
    that were cut or widened at the end."""
    widths = {unit_width(w.reader, w.arch, layer) for w in (a, b) for layer in range(w.arch.layers)}
    width = min(widths)
    if not width:
        return "feed-forward shapes contradict each other in one model"
    if input_roles(a.arch, 0) != input_roles(b.arch, 0):
        return "one model has gated feed-forward units, the other has not"
    params: dict[str, Any] = {} if len(widths) == 1 else {"first_units_of": width}
    if form == "ffn.aligned":
        if a.arch.width != b.arch.width:
            return f"residual widths differ ({a.arch.width} and {b.arch.width}): only the anchored form can be run"
        return Source(
            "weights",
            lambda i, m: aligned_rows(a.reader, a.arch, i, sample_units(width, m)),
            lambda j, m: aligned_rows(b.reader, b.arch, j, sample_units(width, m)),
            params,
        )
    anchors = shared_anchors(a, b)
    if isinstance(anchors, str):
        return anchors
    basis_a = AnchorBasis(a.reader, a.arch, anchors[0])
    basis_b = AnchorBasis(b.reader, b.arch, anchors[1])
    params |= {"anchors": len(anchors[0].names), "shared_tokens": anchors[2], "tokens_matched_by": anchors[0].by}
    return Source(
        "weights",
        lambda i, m: basis_a.rows(i, sample_units(width, m)),
        lambda j, m: basis_b.rows(j, sample_units(width, m)),
        params,
    )


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
