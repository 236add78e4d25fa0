"""p-values of single layer tests on models that have nothing in common but the world, by form.

`compare` pairs layers by their best match where indices do not line up, and multiplies p-values for the choice; such
p-values are bounds, not uniform.  Here the same tests run on pairs of blocks that are fixed beforehand (layer i beside
layers i, i + 1 and i + 2), so that under the null every one of them is uniform.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from mpk_tui.fingerprint.units import feature_map
from mpk_tui.lineage import channels, heads, residual
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.results import UnitTest
from mpk_tui.lineage.rowtest import row_test
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.lineage.sources import blocks_of, sources
from mpk_tui.lineage.units import BlockPair
from mpk_tui.progress import CancelToken, silent

from .pairing import Pair

EXPERTS = 2
"""Experts of a layer that are tested, each against the one of the same number."""
OFFSETS = 3
"""Layers of B beside each layer of A."""
UNITS = 512


def is_null(pair: Pair) -> bool:
    """Whether a pair fulfils the null of independent initialisations and is not another pair's descendant."""
    return pair.truth == "independent" and pair.mechanism != "4.4" and "." not in pair.a + pair.b


def layer_tests(a: Path, b: Path) -> dict[str, list[float]]:
    """p-values of every form that applies to two checkpoints."""
    cancel = CancelToken()
    with open_side(a, silent, cancel) as left, open_side(b, silent, cancel) as right:
        return _of_sides(left, right, cancel)


def _of_sides(a: Side, b: Side, cancel: CancelToken) -> dict[str, list[float]]:
    out: dict[str, list[float]] = {}
    blocks_a = {(x.layer, max(0, x.expert)): x for x in blocks_of(a)}
    blocks_b = {(x.layer, max(0, x.expert)): x for x in blocks_of(b)}
    depth = 1 + min(max(k[0] for k in blocks_a), max(k[0] for k in blocks_b))
    beside = [(i, j) for i in range(depth) for j in dict.fromkeys((i + k) % depth for k in range(OFFSETS))]
    pairs = [
        BlockPair(blocks_a[i, e], blocks_b[j, e])
        for i, j in beside
        for e in range(EXPERTS)
        if (i, e) in blocks_a and (j, e) in blocks_b
    ]
    for form, source in sources(a, b).items():
        if isinstance(source, str):
            continue
        for n, pair in enumerate(pairs):
            x, y = source.of_a(pair.a, UNITS), source.of_b(pair.b, UNITS)
            if x is not None and y is not None and x.shape == y.shape:
                found = row_test(feature_map(x), feature_map(y), seed=(17, n))
                out.setdefault(form, []).append(math.exp(found.log_p))
    assert a.weights is not None
    assert b.weights is not None
    layer_map = LayerMap(tuple(beside), 1, "fixed beforehand")
    for test in (
        channels.run_channels(a.weights, b.weights, layer_map, frozenset(), silent, cancel),
        heads.run_heads(a.weights, b.weights, layer_map, frozenset(), silent, cancel),
        residual.run_embeddings(a, b),
        residual.run_body(a.weights, b.weights, tuple(p for p in pairs if p.a.layer == p.b.layer), silent, cancel),
    ):
        _add(out, test)
    return out


def _add(out: dict[str, list[float]], test: UnitTest) -> None:
    if test.ran:
        out.setdefault(test.form, []).extend(math.exp(r.test.log_p) for r in test.layers)


def result(a: Path, b: Path) -> dict[str, Any]:
    """What is kept of a pair."""
    return {"p": layer_tests(a, b)}


def gathered(results: dict[Pair, dict[str, Any]]) -> dict[str, list[float]]:
    """All p-values by form."""
    out: dict[str, list[float]] = {}
    for kept in results.values():
        for form, ps in kept.get("p", {}).items():
            out.setdefault(form, []).extend(ps)
    return out
