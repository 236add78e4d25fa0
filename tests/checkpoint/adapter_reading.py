"""Weights of a composite for tests, read without the package's own reader of arrays."""

from __future__ import annotations

import numpy as np

from mpk_tui.checkpoint.adapters.decode import Floats, rows
from mpk_tui.checkpoint.model import Checkpoint
from mpk_tui.checkpoint.reading import open_entry


def stored(checkpoint: Checkpoint, name: str) -> Floats:
    """A stored tensor as float32."""
    tensor = checkpoint.tensors[name]
    entry = next(e for e in checkpoint.files if e.path == tensor.file)
    with open_entry(checkpoint.places, entry) as source:
        raw = np.frombuffer(source.read(tensor.offset, tensor.nbytes), dtype=np.uint8)
    if tensor.dtype == "BF16":
        values = (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        values = raw.view({"F32": "<f4", "F16": "<f2"}[tensor.dtype]).astype(np.float32)
    return values.reshape(tensor.shape)


def plain(checkpoint: Checkpoint, name: str, start: int, stop: int) -> Floats:
    """Rows of a source: a stored tensor of that name first, else a derived weight."""
    if name in checkpoint.tensors:
        return stored(checkpoint, name)[start:stop]
    return weight(checkpoint, name, start, stop)


def weight(checkpoint: Checkpoint, name: str, start: int = 0, stop: int | None = None) -> Floats:
    """Rows of a weight as the model sees it: derived if there is one of that name, else stored."""
    derived = checkpoint.derived.get(name)
    if derived is None:
        return stored(checkpoint, name)[start:stop]
    last = derived.shape[0] if stop is None else stop
    return rows(derived, lambda n, a, b: plain(checkpoint, n, a, b), start, last)
