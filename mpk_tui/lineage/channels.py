"""The row test on value/output channels of attention, relabelled within each head, through shared tokens.

Channel c of a value head is row c of V and column c of O for every query head that the value head serves.  Nothing in
the model orders the channels of a head, so relabelling them is exact under H0-ind, head by head.  Rows are inner
products with the embeddings of shared tokens (V with the input side, O with the output side): unchanged by permuting,
flipping or rotating the residual stream.  Void where positions are encoded on V.  Replaced, pruned or re-ordered
feed-forward units do not touch this test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mpk_tui.checkpoint.model import Architecture
from mpk_tui.fingerprint.units import AnchorBasis, Floats, feature_map
from mpk_tui.lineage import void
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.results import LayerResult, UnitTest, combine, join, not_run
from mpk_tui.lineage.rowtest import row_test
from mpk_tui.lineage.sides import Weights
from mpk_tui.lineage.sources import shared_anchors
from mpk_tui.progress import CancelToken, Meter, Report

FORM = "attn.channels"
HEADS = 8
"""Value heads looked at in each layer, evenly spread."""
DRAWS = 9999
_SEED = 13


@dataclass(frozen=True)
class _Shape:
    """What both models must share for heads and channels to have common numbers."""

    kv_heads: int
    group: int
    dim: int


def run_channels(
    a: Weights, b: Weights, layer_map: LayerMap, twice: frozenset[tuple[int, int]], report: Report, cancel: CancelToken
) -> UnitTest:
    """Test all matched layers.

    Args:
        a: Weights of one side.
        b: Weights of the other.
        layer_map: Which layers stand beside each other.
        twice: Pairs that repeat an earlier one on both sides; they do not count.
        report: Progress in layers.
        cancel: Polled once a layer.
    """
    shape = _shape(a)
    if shape is None or shape != _shape(b):
        return not_run(FORM, "heads are not known, or their number or width differs")
    reason = void.channels(a, b)
    if reason:
        return not_run(FORM, reason)
    anchors = shared_anchors(a, b)
    if isinstance(anchors, str):
        return not_run(FORM, anchors)
    basis_a, basis_b = AnchorBasis(a.reader, a.arch, anchors[0]), AnchorBasis(b.reader, b.arch, anchors[1])
    heads = sorted({round(k * (shape.kv_heads - 1) / max(1, HEADS - 1)) for k in range(HEADS)})
    meter = Meter(report, FORM, len(layer_map.pairs), "layers")
    results = []
    for i, j in layer_map.pairs:
        cancel.check()
        x, y = _layer(a, basis_a, i, shape, heads), _layer(b, basis_b, j, shape, heads)
        if x is None or y is None:
            return not_run(FORM, f"the attention of layer {i} of A or layer {j} of B has no roles or other widths")
        tests = [
            row_test(feature_map(u), feature_map(v), seed=(_SEED, i, j, h), draws=DRAWS)
            for h, u, v in zip(heads, x, y, strict=True)
        ]
        joined = join(tests)
        results.append(LayerResult(i, j, joined, min(0.0, joined.log_p + math.log(layer_map.candidates))))
        meter.add(1, f"layer {i}")
    params = {
        "heads": len(heads), "channels": shape.dim, "draws": DRAWS, "layer_map": layer_map.how,
        "candidates": layer_map.candidates, "anchors": len(anchors[0].names), "tokens_matched_by": anchors[0].by,
    }  # fmt: skip
    return UnitTest(FORM, tuple(results), combine(results, twice), "", "weights", params)


def _shape(w: Weights) -> _Shape | None:
    arch = w.arch
    v, o = arch.roles.get(("attn.v", 0)), arch.roles.get(("attn.o", 0))
    if v is None or o is None or not arch.heads:
        return None
    rows, columns = w.reader.shape(v)[0], w.reader.shape(o)[1]
    kv = arch.kv_heads or arch.heads
    if columns % arch.heads or arch.heads % kv or rows % kv or rows // kv != columns // arch.heads or rows // kv < 8:
        return None
    return _Shape(kv, arch.heads // kv, rows // kv)


def _layer(w: Weights, basis: AnchorBasis, layer: int, shape: _Shape, heads: list[int]) -> list[Floats] | None:
    """Rows of every chosen head: (channels, anchors + group * anchors) float32."""
    arch: Architecture = w.arch
    v, o = arch.roles.get(("attn.v", layer)), arch.roles.get(("attn.o", layer))
    if v is None or o is None:
        return None
    if w.reader.shape(v) != (shape.kv_heads * shape.dim, basis.width):
        return None
    if w.reader.shape(o) != (basis.width, shape.kv_heads * shape.group * shape.dim):
        return None
    values, outputs = w.reader.whole(v), w.reader.whole(o)
    table = basis.inputs(layer, "attn.norm")
    if table is None:
        return None
    out = []
    for h in heads:
        blocks = [values[h * shape.dim : (h + 1) * shape.dim] @ table.T]
        for g in range(shape.group):
            start = (h * shape.group + g) * shape.dim
            blocks.append(outputs[:, start : start + shape.dim].T @ basis.outputs.T)
        out.append(np.nan_to_num(np.concatenate(blocks, axis=1)))
    return out
