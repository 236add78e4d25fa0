"""Which parts of one model are parts of the other, once the basis is set aside: units, residual dimensions, layers.

Descriptive: nearest neighbours have no exact null, and nothing here decides whether two models share an origin.  They
say what kind of change it was, after the tests have found an origin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint.model import Block
from mpk_tui.fingerprint.units import AnchorBasis, Floats, feature_map, input_roles, sample_units, unit_width
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.sampling import part_at, read, spread
from mpk_tui.lineage.sides import Weights
from mpk_tui.lineage.sources import shared_anchors
from mpk_tui.progress import CancelToken

LAYERS = 4
"""Matched layers that are looked at."""
UNITS = 256
"""Units of the narrower side that are looked for on the other."""
FOUND, AHEAD = 0.50, 0.10
"""Least cosine between a unit and its nearest neighbour, and least distance of the next one, for it to count as found.
A rule of thumb: nothing is decided on it."""
COLUMN = 0.90
"""Least correlation of a residual dimension with its nearest neighbour for it to count as found."""
SAME = 0.97
"""Least correlation between two layers of one model for one to repeat the other."""


@dataclass(frozen=True)
class Units:
    """Feed-forward units of the narrower side, looked for on the other through the embeddings of shared tokens.

    Attributes:
        looked: Units looked for.
        found: Share whose nearest neighbour is near enough and stands alone (`FOUND`, `AHEAD`).
        in_place: Share whose nearest neighbour has the same number.
        relative: ||x - y|| / ||x|| over found units: how far the values are apart once the basis is set aside.
        scales: Standard deviation of the logarithm of the norm quotient, over found units.
        widths: Units a layer in A and B.
    """

    looked: int
    found: float
    in_place: float
    relative: float
    scales: float
    widths: tuple[int, int]


def units(a: Weights, b: Weights, layer_map: LayerMap, cancel: CancelToken) -> Units | None:
    """Look for units; None where no tokens are shared or shapes do not fit.

    Args:
        a: Weights of one side.
        b: Weights of the other.
        layer_map: Which layers stand beside each other.
        cancel: Polled once a layer.
    """
    anchors = shared_anchors(a, b)
    if isinstance(anchors, str) or not layer_map.pairs or not _same_inputs(a, b, layer_map):
        return None
    basis_a, basis_b = AnchorBasis(a.reader, a.arch, anchors[0]), AnchorBasis(b.reader, b.arch, anchors[1])
    looked = found = in_place = 0
    off = size = 0.0
    quotients: list[npt.NDArray[np.float32]] = []
    widths = (0, 0)
    for k in spread(len(layer_map.pairs), LAYERS):
        cancel.check()
        i, j = layer_map.pairs[k]
        block_a, block_b = block_at(a, i), block_at(b, j)
        widths = unit_width(a.reader, a.arch, block_a), unit_width(b.reader, b.arch, block_b)
        if not min(widths):
            return None
        turned = widths[0] > widths[1]
        few, many = ((basis_b, block_b), (basis_a, block_a)) if turned else ((basis_a, block_a), (basis_b, block_b))
        ids = np.sort(sample_units(min(widths), UNITS, seed=6))
        x = few[0].rows(few[1], np.arange(min(widths), dtype=np.int64))
        y = many[0].rows(many[1], np.arange(max(widths), dtype=np.int64))
        if x is None or y is None:
            return None
        # All units of a model lean the same way; without that they would all be each other's neighbours.
        close = feature_rows(x)[ids] @ feature_rows(y).T
        nearest = close.argmax(axis=1)
        best = np.take_along_axis(close, nearest[:, None], axis=1)[:, 0]
        np.put_along_axis(close, nearest[:, None], -1.0, axis=1)
        good = (best >= FOUND) & (best - close.max(axis=1) >= AHEAD)
        x, partner = np.nan_to_num(x[ids]), np.nan_to_num(y[nearest])
        looked += len(ids)
        found += int(good.sum())
        in_place += int((nearest == ids).sum())
        off += float(np.square(x[good] - partner[good], dtype=np.float64).sum())
        size += float(np.square(x[good], dtype=np.float64).sum())
        quotients.append(np.log(_norms(partner[good])[:, 0] / _norms(x[good])[:, 0]))
    logs = np.concatenate(quotients)
    return Units(
        looked, found / looked, in_place / looked, (off / size) ** 0.5 if size > 0 else 0.0,
        float(logs.std()) if len(logs) else 0.0, widths,
    )  # fmt: skip


def feature_rows(rows: Floats) -> Floats:
    """Rows centred over units, columns equalised, of unit length."""
    out = feature_map(rows)
    return out / _norms(out)


def block_at(w: Weights, layer: int) -> Block:
    """The dense feed-forward block of a layer, or its first expert."""
    return Block(layer) if ("ffn.up", layer) in w.arch.roles else Block(layer, 0)


def _same_inputs(a: Weights, b: Weights, layer_map: LayerMap) -> bool:
    i, j = layer_map.pairs[0]
    return input_roles(a.arch, block_at(a, i)) == input_roles(b.arch, block_at(b, j))


def _norms(x: Floats) -> Floats:
    out: Floats = np.maximum(np.sqrt(np.einsum("ij,ij->i", x, x))[:, None], np.float32(1e-30))
    return out


@dataclass(frozen=True)
class Dimensions:
    """Residual dimensions of the narrower side, looked for on the other as columns over shared tokens.

    Attributes:
        widths: Residual widths of A and B.
        found: Share of the narrower side's dimensions with a correlation of at least `COLUMN` to one of the other's.
        correlation: Median of the greatest correlations.
    """

    widths: tuple[int, int]
    found: float
    correlation: float


def dimensions(a: Weights, b: Weights) -> Dimensions | None:
    """Look for residual dimensions in the embeddings of shared tokens; None where none are shared."""
    anchors = shared_anchors(a, b)
    if isinstance(anchors, str):
        return None
    x = a.reader.select(a.arch.roles["embed.tokens", -1], anchors[0].rows)
    y = b.reader.select(b.arch.roles["embed.tokens", -1], anchors[1].rows)
    widths = (x.shape[1], y.shape[1])
    p, q = (_columns(x), _columns(y)) if widths[0] <= widths[1] else (_columns(y), _columns(x))
    best = np.abs(p.T @ q).max(axis=1)
    return Dimensions(widths, float(np.mean(best >= COLUMN)), float(np.median(best)))


def _columns(x: Floats) -> npt.NDArray[np.float64]:
    out = np.nan_to_num(x).astype(np.float64)
    out -= out.mean(axis=0)
    norm = np.sqrt(np.einsum("ij,ij->j", out, out))
    return out / np.where(norm > 0, norm, 1.0)


def repeated(w: Weights, cancel: CancelToken) -> list[tuple[int, int]]:
    """Layers of one model that repeat an earlier one: (layer, the earlier layer), from feed-forward and query rows."""
    seen: list[tuple[int, npt.NDArray[np.float64]]] = []
    out = []
    for layer in range(w.arch.layers):
        cancel.check()
        row = layer_sketch(w, layer)
        if row is None:
            continue
        for earlier, other in seen:
            if other.shape == row.shape and float(row @ other) >= SAME:
                out.append((layer, earlier))
                break
        else:
            seen.append((layer, row))
    return out


def layer_sketch(w: Weights, layer: int) -> npt.NDArray[np.float64] | None:
    """A unit vector of some rows of a layer's matrices, or None where it has none of the roles."""
    blocks = []
    for role in ("ffn.up", "attn.q", "attn.v"):
        part = part_at(w, role, layer)
        if part is not None and len(w.reader.shape(part)) == 2:
            block = np.nan_to_num(read(w.reader, part, rows=16, columns=1024)).astype(np.float64).ravel()
            norm = float(np.sqrt(block @ block))
            blocks.append(block / norm if norm > 0 else block)
    if not blocks:
        return None
    joined = np.concatenate(blocks)
    norm = float(np.sqrt(joined @ joined))
    return joined / norm if norm > 0 else None
