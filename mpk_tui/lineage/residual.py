"""The row test on residual dimensions: one relabelling for the whole model.

Training treats residual dimensions alike, so under H0-ind relabelling them, in all tensors together, changes nothing in
distribution.  Row k is residual dimension k; a column is something that both models have under one name.

* ``residual.embeddings``: columns are tokens that both vocabularies share by string.
* ``residual.body``: columns are feed-forward units of matched layers (up rows and down columns, or down columns alone
  where there is no gate) and, by rank, norm gains.  Which unit of B stands beside which unit of A is found through
  shared tokens and the first input matrix, which is not looked at again; and that does not change when residual
  dimensions are relabelled: so the alignment is the same for every relabelling and the test stays exact, however B's
  units were re-ordered.

Void with sinusoidal positions or index-dependent scaling, which give residual dimensions an order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mpk_tui.checkpoint.model import Architecture
from mpk_tui.fingerprint.features import VERSION, array
from mpk_tui.fingerprint.units import Floats, feature_map, feed, sample_units
from mpk_tui.lineage import void
from mpk_tui.lineage.results import LayerResult, UnitTest, not_run
from mpk_tui.lineage.rowtest import DRAWS, row_test
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.lineage.sources import shared_anchors
from mpk_tui.lineage.units import BlockPair, choices, matcher_of
from mpk_tui.progress import CancelToken, Meter, Report

EMBEDDINGS, BODY = "residual.embeddings", "residual.body"
TOKENS = 2048
"""Shared tokens that serve as columns."""
BLOCKS = 6
"""Pairs of feed-forward blocks that serve as columns of the body, evenly spread."""
UNITS = 256
"""Units looked for in each of them."""
DIMENSIONS = 2048
"""Residual dimensions that are compared; a fixed sample of more."""
_MOST = 1 << 53
"""Greatest number that a record states exactly everywhere; the p-value is multiplied by the whole product."""
_NORMS = ("attn.norm", "ffn.norm", "attn.post_norm", "ffn.post_norm")


def run_embeddings(a: Side, b: Side, enough: int = 0) -> UnitTest:
    """Residual dimensions over shared tokens, from weights or from fingerprints.

    Args:
        a: One side.
        b: The other.
        enough: Relabellings that reach the statistic after which no more are drawn (`rowtest.monte_carlo`); 0: all.
            Taken for fingerprints only.
    """
    reason = void.dimensions(a, b)
    if reason:
        return not_run(EMBEDDINGS, reason)
    if not (a.weights and b.weights):
        return _from_fingerprints(a, b, enough)
    left, right = a.weights, b.weights
    anchors = shared_anchors(left, right, TOKENS)
    if isinstance(anchors, str):
        return not_run(EMBEDDINGS, anchors)
    x = left.reader.select(left.arch.roles["embed.tokens", -1], anchors[0].rows)
    y = right.reader.select(right.arch.roles["embed.tokens", -1], anchors[1].rows)
    if x.shape[1] != y.shape[1]:
        return not_run(EMBEDDINGS, f"embeddings of width {x.shape[1]} and {y.shape[1]}")
    keep = _dimensions(x.shape[1])
    params = {"tokens": len(anchors[0].names), "tokens_matched_by": anchors[0].by}
    return _test(EMBEDDINGS, x[:, keep].T, y[:, keep].T, 14, "weights", params, choices(a) * choices(b))


def _from_fingerprints(a: Side, b: Side, enough: int) -> UnitTest:
    fa, fb = a.fingerprint.features.get(EMBEDDINGS), b.fingerprint.features.get(EMBEDDINGS)
    if fa is None or fb is None or fa.version != VERSION or fb.version != VERSION:
        return not_run(EMBEDDINGS, "the fingerprint of one model has no such feature of this version")
    if fa.params.get("by") != fb.params.get("by") or fa.shape != fb.shape or len(fa.shape) != 3:
        return not_run(EMBEDDINGS, "the embeddings have other widths, or tokens cannot be matched")
    keep = _dimensions(fa.shape[1])
    x, y = array(fa)[0, keep], array(fb)[0, keep]
    return _test(EMBEDDINGS, x, y, 14, "fingerprints", {"columns": fa.shape[2]}, enough=enough)


def run_body(a: Weights, b: Weights, pairs: tuple[BlockPair, ...], report: Report, cancel: CancelToken) -> UnitTest:
    """Residual dimensions over matched feed-forward units and norm gains.

    Args:
        a: Weights of one side.
        b: Weights of the other.
        pairs: Blocks that stand beside each other.
        report: Progress in blocks.
        cancel: Polled once a block.
    """
    if a.arch.width != b.arch.width or not a.arch.width:
        return not_run(BODY, f"residual widths differ ({a.arch.width} and {b.arch.width})")
    reason = void.dimensions(a, b)
    if reason:
        return not_run(BODY, reason)
    matcher = matcher_of(a, b, invariant=True)
    if isinstance(matcher, str):
        return not_run(BODY, matcher)
    keep = _dimensions(a.arch.width)
    chosen = [pairs[round(k * (len(pairs) - 1) / max(1, BLOCKS - 1))] for k in range(min(BLOCKS, len(pairs)))]
    meter = Meter(report, BODY, len(chosen), "blocks")
    left: list[Floats] = []
    right: list[Floats] = []
    matched = 0
    for pair in chosen:
        cancel.check()
        found = matcher(pair, UNITS, first=True)
        meter.add(1, f"layer {pair.a}")
        if found is None or not len(found):
            continue
        x, y = feed(a.arch, "ffn.up", pair.a), feed(b.arch, "ffn.up", pair.b)
        if a.reader.shape(x)[1] != a.arch.width or b.reader.shape(y)[1] != a.arch.width:
            return not_run(BODY, "feed-forward blocks do not read the residual stream directly")
        matched += len(found)
        if a.arch.feed("ffn.gate", pair.a) is not None:
            left.append(a.reader.select(x, found.a).T)
            right.append(b.reader.select(y, found.b).T)
        left.append(a.reader.columns(feed(a.arch, "ffn.down", pair.a), found.a))
        right.append(b.reader.columns(feed(b.arch, "ffn.down", pair.b), found.b))
    for pair in chosen:
        for role in _NORMS:
            gains = _gain(a, role, pair.a.layer), _gain(b, role, pair.b.layer)
            if gains[0] is not None and gains[1] is not None:
                left.append(_ranks(gains[0]))
                right.append(_ranks(gains[1]))
    if not matched:
        return not_run(BODY, "no units of the two models are each other's nearest")
    params = {"blocks": len(chosen), "matched_units": matched, "matched_by": "mutual nearest through shared tokens"}
    x_rows, y_rows = np.concatenate(left, axis=1)[keep], np.concatenate(right, axis=1)[keep]
    return _test(BODY, x_rows, y_rows, 15, "weights", params, math.prod(p.candidates for p in chosen))


def _test(
    form: str, x: Floats, y: Floats, seed: int, source: str, params: dict[str, Any], candidates: int = 1,
    *, enough: int = 0,
) -> UnitTest:  # fmt: skip
    rows = feature_map(np.ascontiguousarray(x)), feature_map(np.ascontiguousarray(y))
    test = row_test(*rows, seed=(seed,), enough=enough)
    params = {"dimensions": test.units, "draws": DRAWS, "candidates": min(candidates, _MOST), **params}
    log_p = min(0.0, test.log_p + math.log(candidates))
    return UnitTest(form, (LayerResult(-1, -1, test, log_p),), log_p, "", source, params)


def _dimensions(width: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.sort(sample_units(width, DIMENSIONS, seed=8))


def _gain(w: Weights, role: str, layer: int) -> Floats | None:
    arch: Architecture = w.arch
    part = arch.roles.get((role, layer))
    if part is None or w.reader.shape(part) != (arch.width,):
        return None
    return w.reader.whole(part)


def _ranks(gain: Floats) -> Floats:
    """Ranks as a column: gains of all models lie close together, their order is what a model has of its own."""
    order = np.argsort(np.argsort(gain, kind="stable"), kind="stable")
    return order.astype(np.float32)[:, None]
