"""Looks through the screens of a whole library: which entries are worth a comparison in full.

For a query of L layers and an entry of M, all cosines of their sketches are one L x M block of a matrix product.  Three
numbers are taken from it, each in standard deviations of what unrelated models give:

* **same numbers**: the mean of the diagonal, where L = M;
* **any place**: for each layer of the shorter model the best layer of the other, added up, which finds models whose
  layers were dropped, repeated or interleaved;
* **one part**: the best single cell, which finds an expert or a few layers.

The best of them over all features is an entry's score, and units stand before embeddings.  Nothing is decided on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from mpk_tui.fingerprint.units import Floats
from mpk_tui.library.screen import Screen, cells_of, folded, form_of, inverse_lengths, size_of
from mpk_tui.progress import CancelToken

WORTH = 5.0
"""Score from which an entry is compared in full.  Measured: see docs/library-benchmark.md."""
_BATCH = 4 << 20
"""Bytes of sketches multiplied at once; four times that in float32."""
_HELD = 48 << 20
"""Bytes that wait for their batch, over all kinds of sketches."""

Row = tuple[int, str, int, bytes]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What the screen shows of one entry.

    Attributes:
        entry: Its number in the library.
        score: In standard deviations of unrelated models, over all features.
        rho: Estimate of the correlation where the score comes from: of all layers, or of the best part.
        form: The feature.
        part: The score comes from one part and not from the whole.
    """

    entry: int
    score: float
    rho: float
    form: str
    part: bool

    @property
    def by_units(self) -> bool:
        """Feed-forward units are worth a comparison, which says more than an embedding table that many may share."""
        return self.score >= WORTH and not self.form.startswith("residual.")


class _Query:
    """The sketches of the model that is asked about, folded as needed."""

    def __init__(self, screen: Screen) -> None:
        self._rows = np.frombuffer(screen.data, dtype=np.int8).reshape(screen.layers, -1)
        self.layers, self.cells = self._rows.shape
        self.elements = size_of(screen.key)
        self._folded: dict[int, Floats] = {}

    def columns(self, cells: int) -> Floats:
        """(cells, layers), rows of length 1 turned over."""
        if cells not in self._folded:
            rows = folded(self._rows, cells)
            self._folded[cells] = np.ascontiguousarray((rows * inverse_lengths(rows)[:, None]).T)
        return self._folded[cells]


def look(query: Sequence[Screen], rows: Iterable[Row], cancel: CancelToken | None = None) -> dict[int, Seen]:
    """Score every entry that has a sketch in common with the query.

    Args:
        query: Sketches of the model that is asked about.
        rows: Of the library: entry, key, layers, data.  A row whose data do not fit is left out.
        cancel: Polled between batches.

    Returns:
        By entry; memory is bounded by two batches, whatever the size of the library.
    """
    wanted = {screen.key: _Query(screen) for screen in query}
    found: dict[int, Seen] = {}
    for key, layers, ids, data in _batches(rows, wanted.keys()):
        if cancel is not None:
            cancel.check()
        score, rho, part = _scores(wanted[key], data, layers)
        form = form_of(key)
        for entry, s, r, p in zip(ids, score.tolist(), rho.tolist(), part.tolist(), strict=True):
            seen, other = Seen(entry, s, r, form, p), found.get(entry)
            if other is None or (seen.by_units, s) > (other.by_units, other.score):
                found[entry] = seen
    return found


def _batches(rows: Iterable[Row], wanted: Iterable[str]) -> Iterator[tuple[str, int, list[int], npt.NDArray[np.int8]]]:
    """Sketches of one key and one depth together: (key, layers, entries, (entries * layers, cells) int8)."""
    keys = set(wanted)
    waiting: dict[tuple[str, int], tuple[list[int], bytearray]] = {}
    held = 0
    for entry, key, layers, data in rows:
        if key not in keys or layers < 1 or len(data) != layers * cells_of(layers):
            continue
        ids, joined = waiting.setdefault((key, layers), ([], bytearray()))
        ids.append(entry)
        joined += data
        held += len(data)
        if len(joined) >= _BATCH:
            held -= len(joined)
            yield _ready(key, layers, *waiting.pop((key, layers)))
        elif held >= _HELD:
            for (k, n), (i, j) in waiting.items():
                yield _ready(k, n, i, j)
            waiting.clear()
            held = 0
    for (k, n), (i, j) in waiting.items():
        yield _ready(k, n, i, j)


def _ready(
    key: str, layers: int, ids: list[int], joined: bytearray
) -> tuple[str, int, list[int], npt.NDArray[np.int8]]:
    return key, layers, ids, np.frombuffer(joined, dtype=np.int8).reshape(len(ids) * layers, -1)


def _scores(query: _Query, data: npt.NDArray[np.int8], layers: int) -> tuple[Doubles, Doubles, npt.NDArray[np.bool_]]:
    cells = min(query.cells, data.shape[1])
    rows = folded(data, cells)
    cosines = rows @ query.columns(cells)
    # Lengths are divided out of the product, which is smaller than the rows.
    cosines *= inverse_lengths(rows)[:, None]
    cosines = cosines.reshape(-1, layers, query.layers)
    # Sketching adds 1 / k to the variance that the correlation of unrelated units has by itself.
    noise = math.sqrt(1.0 / cells + 1.0 / query.elements)
    most = min(layers, query.layers)
    best = cosines.max(axis=2) if layers <= query.layers else cosines.max(axis=1)
    mean, spread = _greatest_of(max(layers, query.layers))
    whole = (best.sum(axis=1, dtype=np.float64) / noise - most * mean) / (spread * math.sqrt(most))
    rho = best.mean(axis=1, dtype=np.float64)
    if layers == query.layers:
        diagonal = np.einsum("eii->e", cosines, dtype=np.float64)
        straight = diagonal / (noise * math.sqrt(layers))
        rho = np.where(straight >= whole, diagonal / layers, rho)
        whole = np.maximum(whole, straight)
    top = cosines.max(axis=(1, 2)).astype(np.float64)
    # The greatest of n cells, as if it had been one: z^2 - 2 ln n, from the Gaussian tail.
    one = np.sqrt(np.maximum(0.0, (top / noise) ** 2 - 2.0 * math.log(layers * query.layers))) * np.sign(top)
    part = one > whole
    return np.where(part, one, whole), np.where(part, top, rho), part


@lru_cache(maxsize=512)
def _greatest_of(n: int) -> tuple[float, float]:
    """Mean and standard deviation of the greatest of n standard normal numbers, by integration."""
    x = np.linspace(-6.0, 9.0, 3001)
    step = float(x[1] - x[0])
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    below = np.clip(np.cumsum(density) * step, 0.0, 1.0)
    of_greatest = n * density * below ** (n - 1)
    of_greatest /= of_greatest.sum() * step
    mean = float((x * of_greatest).sum() * step)
    return mean, math.sqrt(float(((x - mean) ** 2 * of_greatest).sum() * step))
