"""Norms of embedding rows: the distribution of either table, and norm against norm for tokens that both have."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint.model import Part
from mpk_tui.fingerprint.units import Ids
from mpk_tui.lineage.sampling import spread
from mpk_tui.lineage.sides import Side, Weights
from mpk_tui.lineage.sources import shared_anchors
from mpk_tui.progress import CancelToken

ROWS = 8192
"""Greatest number of rows of a table that are looked at, evenly spread."""
TOKENS = 2048
"""Greatest number of shared tokens, those with the smallest SHA-256."""
BINS = 12
"""Bins of shared tokens, of equal size, by the norm in A."""
QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_AT_ONCE = 1 << 22
"""Elements read at a time."""

Doubles = npt.NDArray[np.float64]


def embeddings(a: Side, b: Side, cancel: CancelToken) -> dict[str, Any]:
    """Quantiles of row norms, and B's norms by A's.

    Args:
        a: One side.
        b: The other.
        cancel: Polled between runs of rows.

    Returns:
        ``missing``; numbers of rows; ``quantiles`` with the norms ``a`` and ``b``; ``bins`` of shared tokens with the
        median norm in A and median and quartiles in B; ``shared_missing`` where there are none.
    """
    if a.weights is None or b.weights is None:
        return {"missing": "needs the weights of both models; fingerprints do not carry it"}
    table_a, table_b = _table(a.weights), _table(b.weights)
    if table_a is None or table_b is None:
        return {"missing": "one model has no token embedding"}
    (part_a, rows_a), (part_b, rows_b) = table_a, table_b
    of_a = row_norms(a.weights, part_a, np.array(spread(rows_a, ROWS), dtype=np.int64), cancel)
    of_b = row_norms(b.weights, part_b, np.array(spread(rows_b, ROWS), dtype=np.int64), cancel)
    shared, bins, why = 0, [], ""
    anchors = shared_anchors(a.weights, b.weights, TOKENS)
    if isinstance(anchors, str):
        why = anchors
    else:
        shared = anchors[2]
        x = row_norms(a.weights, part_a, anchors[0].rows, cancel)
        y = row_norms(b.weights, part_b, anchors[1].rows, cancel)
        bins = binned(x, y)
    return {
        "missing": "",
        "rows_a": rows_a,
        "rows_b": rows_b,
        "sampled_a": len(of_a),
        "sampled_b": len(of_b),
        "quantiles": list(QUANTILES),
        "a": _rounded(np.quantile(of_a, QUANTILES)),
        "b": _rounded(np.quantile(of_b, QUANTILES)),
        "shared": shared,
        "shared_missing": why,
        "bins": bins,
    }


def _table(w: Weights) -> tuple[Part, int] | None:
    part = w.arch.roles.get(("embed.tokens", -1))
    shape = w.reader.shape(part) if part else ()
    return (part, int(shape[0])) if part is not None and len(shape) == 2 and min(shape) > 0 else None


def row_norms(w: Weights, part: Part, ids: Ids, cancel: CancelToken) -> Doubles:
    """Euclidean norms of chosen rows; what is no finite number counts as zero."""
    step = max(1, _AT_ONCE // w.reader.shape(part)[1])
    out = np.zeros(len(ids))
    for at in range(0, len(ids), step):
        cancel.check()
        x = np.nan_to_num(w.reader.select(part, ids[at : at + step]), nan=0.0, posinf=0.0, neginf=0.0)
        out[at : at + step] = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))
    return out


def binned(x: Doubles, y: Doubles) -> list[dict[str, Any]]:
    """Norms in B of tokens of about one norm in A.

    Args:
        x: Norms in A, one a token.
        y: Norms of the same tokens in B.
    """
    order = np.argsort(x, kind="stable")
    out = []
    for ids in np.array_split(order, min(BINS, len(order))) if len(order) else []:
        low, middle, high = _rounded(np.quantile(y[ids], (0.25, 0.5, 0.75)))
        out.append(
            {"tokens": len(ids), "a": _rounded(np.quantile(x[ids], (0.5,)))[0], "b": middle, "b_low": low,
             "b_high": high}
        )  # fmt: skip
    return out


def _rounded(values: npt.NDArray[np.float64]) -> list[float]:
    return [float(f"{float(v):.5g}") for v in values]
