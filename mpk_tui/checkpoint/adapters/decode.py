"""Values of weights that an adapter and its base make together; NumPy is needed here.

Float32 throughout and in the order of PEFT's own ``merge_and_unload`` (``peft/tuners/lora/layer.py``, ``dora.py``,
``ia3/layer.py``): the product of the factors first, then the scaling, then the base; for DoRA the norm of that sum
and the magnitude over it.  PEFT itself rounds the product to the adapter's type where it merges in half precision;
that is not imitated.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint.model import Derived
from mpk_tui.errors import UnsupportedError

Floats = npt.NDArray[np.float32]
Plain = Callable[[str, int, int], Floats]
Memo = MutableMapping[str, Floats]

LAYOUTS = frozenset({"lora", "dora", "ia3", "rows", "copy"})
_STEP = 4 << 20
"""Elements of the base that are held at a time while the norms of its columns are taken."""


def rows(derived: Derived, plain: Plain, start: int, stop: int, memo: Memo | None = None) -> Floats:
    """Rows ``start`` to ``stop`` of a weight, in the orientation in which the base stores it.

    Args:
        derived: A weight with one of `LAYOUTS`, from `mpk_tui.checkpoint.adapters.onto`.
        plain: Reads rows of a source: of a stored tensor by this name if there is one, else of a derived weight;
            (rows, columns) float32, or a slice of a vector.
        start: First row (or element of a vector).
        stop: One past the last.
        memo: Where the factors of the last weight, and norms that need a whole matrix, are kept between calls; owned by
            the caller, one for each reader.

    Returns:
        (stop - start, columns) float32, or a slice of a vector.
    """
    sources, params = derived.sources, derived.params
    memo = {} if memo is None else memo
    if derived.layout == "copy":
        return plain(sources["value"], start, stop)
    base = plain(sources["base"], start, stop)
    # Numbers of a broken adapter may be anything; what comes of them is inf or nan, not a warning.
    with np.errstate(all="ignore"):
        if derived.layout == "rows":
            return _replaced(base, derived, plain, start, stop)
        if derived.layout == "ia3":
            return _scaled(base, derived, plain, start, stop)
        if derived.layout not in ("lora", "dora"):
            raise UnsupportedError(f"the layout {derived.layout!r} is none of an adapter's", where=derived.name)
        if len(derived.shape) == 1:
            shift = plain(sources["shift"], 0, derived.shape[0])[_order(derived)][start:stop]
            out: Floats = base + shift * np.float32(params["scaling"])
            return out
        summed = base + _delta(derived, plain, start, stop, memo)
        if derived.layout == "lora":
            return summed
        return _normed(summed, derived, plain, start, stop, memo)


def _order(derived: Derived) -> npt.NDArray[np.int64] | slice:
    """Where each stored row of the base is found among the adapter's outputs.

    A GGUF converter re-orders rows of queries and keys for its rotary layout: the adapter's row h*dim + s*dim/2 + j is
    the stored row h*dim + 2j + s (llama.cpp, convert_hf_to_gguf.py, ``LlamaModel.permute``).
    """
    heads = int(derived.params.get("rope_heads", 0))
    if not heads:
        return slice(None)
    outputs = derived.shape[0]
    return np.arange(outputs, dtype=np.int64).reshape(heads, 2, outputs // heads // 2).swapaxes(1, 2).reshape(-1)


def _factors(derived: Derived, plain: Plain, memo: Memo) -> tuple[Floats, Floats]:
    """A as (r, in) and B as (out, r), both whole: they are the small part."""
    keys = f"{derived.name}\0a", f"{derived.name}\0b"
    if keys[0] not in memo:
        for key in [k for k in memo if k.endswith(("\0a", "\0b"))]:
            del memo[key]  # an adapter as a whole may be large
        rank, (first, second) = int(derived.params["rank"]), derived.shape
        inputs, outputs = (first, second) if derived.params.get("turned") else (second, first)
        if derived.params.get("columns_first"):
            memo[keys[0]] = np.ascontiguousarray(plain(derived.sources["a"], 0, inputs).T)
        else:
            memo[keys[0]] = plain(derived.sources["a"], 0, rank)
        memo[keys[1]] = plain(derived.sources["b"], 0, outputs)[_order(derived)]
    return memo[keys[0]], memo[keys[1]]


def _delta(derived: Derived, plain: Plain, start: int, stop: int, memo: Memo) -> Floats:
    """Rows of scaling * B A, or of its transpose where the base is stored (in, out)."""
    a, b = _factors(derived, plain, memo)
    out: Floats = a[:, start:stop].T @ b.T if derived.params.get("turned") else b[start:stop] @ a
    out *= np.float32(derived.params["scaling"])
    return out


def _normed(summed: Floats, derived: Derived, plain: Plain, start: int, stop: int, memo: Memo) -> Floats:
    """DoRA: each output's weights are brought to the length that was trained for it."""
    columns = bool(derived.params.get("turned"))
    outputs = derived.shape[1 if columns else 0]
    magnitude = plain(derived.sources["magnitude"], 0, outputs)[_order(derived)]
    if not columns:
        lengths = np.sqrt(np.einsum("ij,ij->i", summed, summed, dtype=np.float64)).astype(np.float32)
        out: Floats = (magnitude[start:stop] / lengths)[:, None] * summed
        return out
    key = f"{derived.name}\0lengths"
    if key not in memo:
        squares = np.zeros(outputs, dtype=np.float64)
        step = max(1, _STEP // max(1, outputs))
        for at in range(0, derived.shape[0], step):
            last = min(derived.shape[0], at + step)
            block = plain(derived.sources["base"], at, last) + _delta(derived, plain, at, last, memo)
            squares += np.einsum("ij,ij->j", block, block, dtype=np.float64)
        memo[key] = np.sqrt(squares).astype(np.float32)
    turned: Floats = (magnitude / memo[key])[None, :] * summed
    return turned


def _scaled(base: Floats, derived: Derived, plain: Plain, start: int, stop: int) -> Floats:
    """IA³: rows or columns times a trained vector, stored (outputs, 1) or (1, inputs)."""
    count = int(derived.params["count"])
    stored = plain(derived.sources["vector"], 0, count if derived.params["upright"] else 1)
    vector = stored.reshape(-1)
    if derived.params["axis"] == 0:
        vector = vector[_order(derived)][start:stop]
        out: Floats = base * (vector if base.ndim == 1 else vector[:, None])
        return out
    wide: Floats = base * vector[None, :]
    return wide


def _replaced(base: Floats, derived: Derived, plain: Plain, start: int, stop: int) -> Floats:
    """Single rows of an embedding that were trained by themselves."""
    ids = np.asarray(derived.params["ids"], dtype=np.int64)
    wanted = np.flatnonzero((ids >= start) & (ids < stop))
    if len(wanted):
        trained = plain(derived.sources["rows"], 0, len(ids))
        base = base.copy()
        base[ids[wanted] - start] = trained[wanted]
    return base
