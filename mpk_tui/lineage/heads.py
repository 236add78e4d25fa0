"""The relabelling test on attention heads: is head h of A head h of B?

Nothing in an ordinary model orders its heads, so under H0-ind relabelling them (key/value heads among each other, and
query heads within the group that one key/value head serves) changes nothing in distribution.  A head is described by
the products of its query and key rows with the embeddings of shared tokens: unchanged by permuting, flipping or
rotating the residual stream, and by whatever was done to feed-forward units or value channels.  Few heads mean few
relabellings, so the test has power in deep models with many heads only; it is what is left when units and channels were
both re-ordered.  Void where heads differ by construction (ALiBi slopes, some heads local and some global).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mpk_tui.fingerprint.units import AnchorBasis, Floats
from mpk_tui.lineage import void
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.results import LayerResult, UnitTest, combine, not_run
from mpk_tui.lineage.rowtest import RowTest
from mpk_tui.lineage.sides import Weights
from mpk_tui.lineage.sources import shared_anchors
from mpk_tui.progress import CancelToken, Meter, Report

FORM = "attn.heads"
DRAWS = 9999
TOKENS = 64
"""Shared tokens that describe a head."""
_SEED = 16


def run_heads(
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
    heads, kv = a.arch.heads, a.arch.kv_heads or a.arch.heads
    if not heads or (b.arch.heads, b.arch.kv_heads or b.arch.heads) != (heads, kv) or heads % kv or heads < 2:
        return not_run(FORM, "heads are not known, or their number differs")
    reason = void.heads(a, b)
    if reason:
        return not_run(FORM, reason)
    anchors = shared_anchors(a, b, TOKENS)
    if isinstance(anchors, str):
        return not_run(FORM, anchors)
    basis_a, basis_b = AnchorBasis(a.reader, a.arch, anchors[0]), AnchorBasis(b.reader, b.arch, anchors[1])
    meter = Meter(report, FORM, len(layer_map.pairs), "layers")
    results = []
    for i, j in layer_map.pairs:
        cancel.check()
        x, y = _layer(a, basis_a, i, heads, kv), _layer(b, basis_b, j, heads, kv)
        if x is None or y is None or x[0].shape != y[0].shape or x[1].shape != y[1].shape:
            return not_run(FORM, f"the attention of layer {i} of A or layer {j} of B has no roles or other widths")
        test = head_test(x, y, seed=(_SEED, i, j))
        results.append(LayerResult(i, j, test, min(0.0, test.log_p + math.log(layer_map.candidates))))
        meter.add(1, f"layer {i}")
    params = {
        "heads": heads, "kv_heads": kv, "draws": DRAWS, "candidates": layer_map.candidates,
        "tokens": len(anchors[0].names), "tokens_matched_by": anchors[0].by,
    }  # fmt: skip
    return UnitTest(FORM, tuple(results), combine(results, twice), "", "weights", params)


def head_test(
    x: tuple[Floats, Floats], y: tuple[Floats, Floats], *, seed: tuple[int, ...], draws: int = DRAWS
) -> RowTest:
    """Exact Monte-Carlo test over relabellings of key/value heads and of query heads within their groups.

    Args:
        x: Query features (heads, columns) and key features (kv_heads, columns) of A.
        y: Of B.
        seed: Seeds the relabellings.
        draws: Number of relabellings B; p = (1 + #{T_pi >= T}) / (B + 1).
    """
    query, key = _cross(x[0], y[0]), _cross(x[1], y[1])
    heads, kv = len(query), len(key)
    group = heads // kv
    total = float(np.trace(query) + np.trace(key))
    rng = np.random.Generator(np.random.PCG64(list(seed)))
    order = rng.permuted(np.broadcast_to(np.arange(kv), (draws, kv)), axis=1)
    inner = rng.permuted(np.broadcast_to(np.arange(group), (draws, kv, group)), axis=2)
    of_query = (order[:, :, None] * group + inner).reshape(draws, heads)
    sums = query[np.arange(heads), of_query].sum(axis=1) + key[np.arange(kv), order].sum(axis=1)
    reached = int((sums >= total - 1e-9 * max(1.0, abs(total))).sum())
    spread = float(sums.std())
    z = (total - float(sums.mean())) / spread if spread > 0 else 0.0
    p = (1 + reached) / (draws + 1)
    return RowTest(z, total / (heads + kv), math.log(p), reached == 0, heads)


def _cross(x: Floats, y: Floats) -> npt.NDArray[np.float64]:
    """Correlations of every head with every head, columns centred over heads on each side alone."""
    return np.asarray(_rows(x) @ _rows(y).T, dtype=np.float64)


def _rows(x: Floats) -> Floats:
    x = np.nan_to_num(x)
    x = x - x.mean(axis=0)
    norm = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64)).astype(np.float32)
    out: Floats = x * np.divide(1.0, norm, out=np.zeros_like(norm), where=norm > 0)[:, None]
    return out


def _layer(w: Weights, basis: AnchorBasis, layer: int, heads: int, kv: int) -> tuple[Floats, Floats] | None:
    q, k = w.arch.roles.get(("attn.q", layer)), w.arch.roles.get(("attn.k", layer))
    if q is None or k is None:
        return None
    shape_q, shape_k = w.reader.shape(q), w.reader.shape(k)
    if len(shape_q) != 2 or shape_q[1] != basis.width or shape_k[1] != basis.width:
        return None
    if shape_q[0] % heads or shape_k[0] % kv or shape_q[0] // heads != shape_k[0] // kv:
        return None
    table = basis.inputs(layer, "attn.norm")
    if table is None:
        return None
    return (w.reader.whole(q) @ table.T).reshape(heads, -1), (w.reader.whole(k) @ table.T).reshape(kv, -1)
