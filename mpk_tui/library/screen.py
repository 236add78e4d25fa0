"""Some kilobytes a model by which a library is looked through before anything is compared in full.

The row test's correlation is a cosine: rho = <A, B> / (||A|| ||B||) of two feature maps of 256 units by 64 columns
(`mpk_tui.lineage.rowtest`).  A count sketch keeps cosines: every element gets a fixed sign and one of k cells, and what
falls into one cell is added up (M. Charikar, K. Chen, M. Farach-Colton, "Finding frequent items in data streams", ICALP
2002; as a projection: K. Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009).  The
cosine of two sketches is rho with an error of about 1 / sqrt(k); over L layers, 1 / sqrt(k L).  So k is the smaller the
more layers there are, and every model is seen to about 1 / sqrt(`CELLS`).  A sketch of k cells folds into one of k / 2
by adding its halves, so that models of unlike depth meet.  Feature maps are centred over units, so over relabellings of
the units of one model the product of two sketches has mean 0, as in the test itself: the screen does not see what
unrelated models have in common.

A screen decides nothing.  It only says which entries are worth a comparison; what a model is related to is decided on
the fingerprints themselves (`mpk_tui.library.scan`).  Rows can be made again from a fingerprint at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mpk_tui.fingerprint import features
from mpk_tui.fingerprint.record import Feature, Fingerprint
from mpk_tui.fingerprint.units import Floats, feature_map

CELLS = 8192
"""Cells of all layers together, as long as a layer has neither fewer than `LEAST` nor more than `MOST`."""
LEAST, MOST = 256, 4096
"""Cells of a layer: powers of two."""
VERSION = 1
"""Of this sketch; part of every key, so that sketches of two versions are never laid beside each other."""
FORMS = ("ffn.aligned", "ffn.anchored", "residual.embeddings")
_KEYS = {
    "ffn.aligned": ("of", "units", "columns", "inputs", "width"),
    "ffn.anchored": ("of", "units", "columns", "inputs", "by"),
    "residual.embeddings": ("columns", "by"),
}
"""What two features must agree in before `mpk_tui.lineage.sources` and `mpk_tui.lineage.residual` compare them."""
_MOST_ROWS = 4096
"""Rows of a feature that is sketched: twenty times what this version writes."""
_MOST_ELEMENTS = 1 << 22
"""Elements of one row: forty times what this version writes."""

Signs = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Screen:
    """Sketches of one feature of one model.

    Attributes:
        key: Only sketches of equal keys may be compared; form, versions, shape and what units and columns are.
        layers: Rows; layers, or experts in the order of the feature.
        data: (layers, cells) int8, row-major; a row of zeros where a layer has no variation.
    """

    key: str
    layers: int
    data: bytes

    @property
    def form(self) -> str:
        """Name of the feature."""
        return form_of(self.key)


def form_of(key: str) -> str:
    """The feature that a key speaks of."""
    return key.split("|", 1)[0]


def size_of(key: str) -> int:
    """Elements of one layer of the feature map that a key speaks of."""
    units, columns = key.split("|", 3)[2].split("x")
    return int(units) * int(columns)


def key_of(feature: Feature) -> str | None:
    """What a feature's sketch may be compared with, or None for a feature that cannot be sketched."""
    names = _KEYS.get(feature.id)
    if names is None or feature.version != features.VERSION or len(feature.shape) != 3 or not feature.data:
        return None
    rows, units, columns = feature.shape
    if not 0 < rows <= _MOST_ROWS or units < 2 or not 0 < units * columns <= _MOST_ELEMENTS:
        return None
    stated = [f"{name}={_told(feature.params.get(name))}" for name in names]
    return "|".join([feature.id, f"v{feature.version}.{VERSION}", f"{units}x{columns}", *stated])


def screens_of(fingerprint: Fingerprint) -> list[Screen]:
    """Sketches of every feature that comparisons of fingerprints rest on; empty where there are none.

    Args:
        fingerprint: Any; values that are not finite count as no variation.
    """
    out = []
    for form in FORMS:
        feature = fingerprint.features.get(form)
        key = None if feature is None else key_of(feature)
        if feature is None or key is None:
            continue
        rows = features.array(feature)
        cells = cells_of(len(rows))
        out.append(Screen(key, len(rows), np.stack([sketch(row, cells) for row in rows]).tobytes()))
    return out


def cells_of(layers: int) -> int:
    """Cells that each of so many layers gets."""
    return min(MOST, max(LEAST, 1 << (max(1, CELLS // max(1, layers)).bit_length() - 1)))


def sketch(rows: Floats, count: int) -> Signs:
    """One layer: (units, columns) float32 to (count,) int8; ``count`` a power of two up to `MOST`."""
    with np.errstate(all="ignore"):
        flat = feature_map(rows).ravel()
    signs, pad = _hashing(len(flat))
    cells = np.zeros(len(flat) + pad, dtype=np.float32)
    # Elements fall into cells by position after a fixed shuffle, so every cell holds as many.
    cells[: len(flat)] = flat[signs[0]] * signs[1]
    summed = cells.reshape(-1, count).sum(axis=0, dtype=np.float64)
    top = float(np.abs(summed).max())
    if not np.isfinite(top) or top <= 0.0:
        return np.zeros(count, dtype=np.int8)
    scaled: Signs = np.rint(summed * (127.0 / top)).astype(np.int8)
    return scaled


def folded(rows: npt.NDArray[Any], cells: int) -> Floats:
    """Sketches folded to so many cells.

    Args:
        rows: (rows, k) int8, as stored; k a multiple of ``cells``.
        cells: Width of the result.

    Returns:
        (rows, cells) float32.
    """
    if rows.shape[1] == cells:
        return rows.astype(np.float32)
    out: Floats = rows.reshape(len(rows), -1, cells).sum(axis=1, dtype=np.float32)
    return out


def inverse_lengths(rows: Floats) -> Floats:
    """1 / length of every row, 0 for a row of zeros; (rows,) float32."""
    length = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    out: Floats = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    return out


@lru_cache(maxsize=8)
def _hashing(size: int) -> tuple[tuple[npt.NDArray[np.int64], Floats], int]:
    """A fixed order and fixed signs of so many elements, and how many are wanting to a multiple of `MOST`."""
    rng = np.random.Generator(np.random.PCG64([31, size]))
    order = rng.permutation(size)
    signs = rng.integers(0, 2, size=size, dtype=np.int8).astype(np.float32) * 2 - 1
    return (order, signs), -size % MOST


def _told(value: Any) -> str:
    """A parameter in a key: short, and nothing that a separator could be hidden in."""
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return "".join(c if c.isalnum() or c in ",._-" else "?" for c in text)[:80]
