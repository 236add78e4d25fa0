"""EAS, END, NLF, LEP and WVC: what the Kit makes of weights (provenancekit 1.0.0, ``signals/weight_signals.py``).

Weights are read in bounded blocks, in the order and type in which the Kit has them in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Part, Tensor
from mpk_tui.errors import UnsupportedError
from mpk_tui.kit.loading import Loading
from mpk_tui.kit.names import embedding_of, is_norm, is_projection, layer_of
from mpk_tui.kit.record import WeightSignals
from mpk_tui.progress import CancelToken, Meter, Report, silent

Floats = npt.NDArray[np.float32]
SAMPLES = 4096
"""Weights that WVC takes of a matrix (config/settings.py, ``wvc_subsample``)."""
ROWS = 32
"""Rows of a matrix that are read of a model above 20 GB."""
LIGHT = 131_072
_MAX_ROWS = 1_000_000
_LEAST_ANCHORS = 16
_BLOCK = 1 << 22
"""Elements of one read."""

Anchors = Callable[[int], list[int]]


def signals(
    loading: Loading, anchors: Anchors, report: Report = silent, cancel: CancelToken | None = None
) -> WeightSignals:
    """The five signals' features of one model.

    Args:
        loading: What the Kit would load.
        anchors: Rows of the embedding to ids of the anchors.
        report: Progress in tensors.
        cancel: Polled between tensors.

    Raises:
        UnsupportedError: Weights at which the Kit stops.
    """
    cancel = cancel or CancelToken()
    meter = Meter(report, "kit", len(loading.order), "tensors")
    with WeightReader(loading.checkpoint) as reader:
        values = Values(reader, half=loading.way == "automodel")
        similar, histogram = _embedding(loading, values, anchors)
        vector, mode, norms = _norms(loading, values)
        profile, sampled = _layers(loading, values, meter, cancel)
    return WeightSignals(similar, vector, mode, norms, profile, histogram, sampled)


class Values:
    """Tensors as float32 in the order in which they lie in memory.

    Args:
        reader: Of the files.
        half: The Kit has them in half precision.
    """

    def __init__(self, reader: WeightReader, *, half: bool) -> None:
        self._reader, self._half = reader, half

    def whole(self, t: Tensor) -> Floats:
        """All of a tensor."""
        if t.dtype in ("ONES", "ZEROS"):
            return np.full(t.shape, t.dtype == "ONES", dtype=np.float32)
        return self._rounded(self._reader.whole(Part(t.name))).reshape(t.shape)

    def rows(self, t: Tensor, ids: npt.NDArray[np.int64]) -> Floats:
        """Some rows of a matrix or of what has more dimensions."""
        return self._rounded(self._reader.select(Part(t.name), ids))

    def blocks(self, t: Tensor) -> Iterator[Floats]:
        """All elements, flat, in blocks of whole rows."""
        if len(t.shape) < 2:
            yield self.whole(t).reshape(-1)
            return
        step = max(1, _BLOCK // max(1, t.elements // max(1, t.shape[0])))
        for at in range(0, t.shape[0], step):
            part = self._reader.rows(Part(t.name), at, min(t.shape[0], at + step))
            yield self._rounded(part).reshape(-1)

    def _rounded(self, values: Floats) -> Floats:
        with np.errstate(over="ignore"):
            return values.astype(np.float16).astype(np.float32) if self._half else values


def _embedding(
    loading: Loading, values: Values, anchors: Anchors
) -> tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None]:
    """Cosines between the anchors' rows, and 20 bins of the lengths of all rows (``_extract_eas_end``)."""
    streamed = loading.way in ("streamed", "rows")
    t = embedding_of(loading.order, any_shape=streamed)
    if t is None or (streamed and (len(t.shape) != 2 or t.shape[0] > _MAX_ROWS)):
        return None, None
    if len(t.shape) != 2:
        raise UnsupportedError(
            f"the Kit has no answer: it takes {t.name[:80]!r} of shape {list(t.shape)} for the embedding"
        )
    if t.shape[0] > _MAX_ROWS:
        return None, None
    ids = anchors(t.shape[0])
    if len(ids) < _LEAST_ANCHORS:
        return None, None
    chosen = values.rows(t, np.array(ids, dtype=np.int64))
    lengths = np.sqrt((chosen**2).sum(1, keepdims=True, dtype=np.float32))
    normed = chosen / np.maximum(lengths, np.float32(1e-8))
    flat = [np.sqrt((b.reshape(-1, t.shape[1]) ** 2).sum(1, dtype=np.float32)) for b in values.blocks(t)]
    lengths = np.concatenate(flat) if flat else np.zeros(0, np.float32)
    if not np.isfinite(lengths).all():
        raise UnsupportedError(f"the Kit has no answer: {t.name[:80]!r} has values that are no numbers")
    counts, _ = np.histogram(lengths, bins=20, density=True)
    return normed @ normed.T, counts / (counts.sum() + 1e-10)


def _norms(loading: Loading, values: Values) -> tuple[npt.NDArray[Any] | None, str | None, int]:
    """Gains and biases of all norms, or four statistics of each where their sizes differ (``_extract_nlf``)."""
    streamed = loading.way in ("streamed", "rows")
    order = sorted(loading.order, key=lambda t: t.name) if streamed else loading.order
    found = [
        values.whole(t).reshape(-1)
        for t in order
        if is_norm(t.name) and t.elements >= 64 and (len(t.shape) == 1 or (streamed and t.shape))
    ]
    if not found:
        return None, None, 0
    if len({len(v) for v in found}) == 1:
        return np.concatenate(found), "direct", len(found)
    rows = [[float(v.mean()), float(v.std()), float(v.max()), float(v.min())] for v in found]
    return np.array(rows).reshape(-1), "stats", len(found)


def _layers(
    loading: Loading, values: Values, meter: Meter, cancel: CancelToken
) -> tuple[npt.NDArray[Any] | None, dict[int, npt.NDArray[Any]] | None]:
    """Energy by layer, and sampled weights by layer (``_extract_lep_wsp_wvc``, ``_process_tensor_sliced``)."""
    energy: dict[int, float] = {}
    sampled: dict[int, list[Floats]] = {}
    for t in loading.order:
        cancel.check()
        meter.add(1, t.name)
        layer = layer_of(t.name)
        if layer is None or len(t.shape) < 2:
            continue
        strength, sample = (_by_rows if loading.way == "rows" else _by_all)(t, values)
        energy[layer] = energy.get(layer, 0.0) + strength
        if is_projection(t.name):
            sampled.setdefault(layer, []).append(sample)
    if not energy:
        return None, None
    profile = np.array([energy.get(i, 0.0) for i in range(max(energy) + 1)])
    largest = profile.max()
    if largest > 1e-8:
        profile = profile / largest
    return profile, {i: np.concatenate(sampled[i]) for i in sorted(sampled)} or None


def _by_all(t: Tensor, values: Values) -> tuple[float, Floats]:
    """Length of a tensor as one vector, and every so manieth element of it."""
    stride = t.elements // SAMPLES if t.elements > SAMPLES else 1
    total, at = 0.0, 0
    kept: list[Floats] = []
    for block in values.blocks(t):
        total += float(np.dot(block, block)) if block.size < 1 << 16 else float((block.astype(np.float64) ** 2).sum())
        kept.append(block[-at % stride :: stride])
        at += block.size
    flat = np.concatenate(kept) if kept else np.zeros(0, np.float32)
    return total**0.5, flat[:SAMPLES]


def _by_rows(t: Tensor, values: Values) -> tuple[float, Floats]:
    """Squared length from a few rows, scaled up, and elements of those rows; what the Kit does above 20 GB."""
    rows = t.shape[0]
    count = min(ROWS, rows)
    step = rows // count if count else 1
    ids = np.arange(0, rows, step, dtype=np.int64)[:count]
    flat = values.rows(t, ids).reshape(-1)
    strength = float((flat.astype(np.float64) ** 2).sum()) * (rows / count if count else 0.0)
    stride = flat.size // SAMPLES if flat.size > SAMPLES else 1
    return strength, flat[::stride][:SAMPLES]
