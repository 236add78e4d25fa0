"""Weights as float32 arrays in canonical orientation, read by rows, columns or whole; NumPy is needed from here on.

Reads are positional and bounded (ADR 0002).  Block-quantized types of GGUF are decoded by the ``gguf`` package's own
dequantization, row by row.
"""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint import gguf as gguf_header
from mpk_tui.checkpoint.model import COLUMN_MAJOR, Checkpoint, Part, Tensor
from mpk_tui.checkpoint.reading import Source, open_entry
from mpk_tui.errors import MalformedError, UnsupportedError

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

_PLAIN = {
    "F64": "f8", "F32": "f4", "F16": "f2", "I8": "i1", "U8": "u1", "BOOL": "u1", "I16": "i2", "U16": "u2", "I32": "i4",
    "U32": "u4", "I64": "i8", "U64": "u8",
}  # fmt: skip
_GAP = 1 << 16
"""Rows this close in the file are read together: fewer calls for little more data."""
_RUN = 8 << 20
"""Bytes of one read."""


class WeightReader:
    """Reads parts of a checkpoint; a context manager that checks at its end that no file changed meanwhile."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._entries = {e.path: e for e in checkpoint.files}
        self._sources: dict[str, Source] = {}
        self._last: tuple[str, Floats] | None = None

    def __enter__(self) -> WeightReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                for source in self._sources.values():
                    source.check_unchanged()
        finally:
            for source in self._sources.values():
                source.close()
            self._sources.clear()

    def shape(self, part: Part) -> tuple[int, ...]:
        """Canonical shape of a part: (out, in) for matrices."""
        shape = self._tensor(part).shape
        if part.transposed:
            shape = shape[::-1]
        if shape and (part.start or part.stop is not None):
            shape = ((part.stop if part.stop is not None else shape[0]) - part.start, *shape[1:])
        return shape

    def rows(self, part: Part, start: int, stop: int) -> Floats:
        """Canonical rows ``start`` to ``stop``: (stop - start, columns) float32, or a slice of a vector."""
        return self._rows(part, np.arange(start, stop, dtype=np.int64))

    def select(self, part: Part, ids: Ids) -> Floats:
        """Chosen canonical rows, in the order given: (len(ids), columns) float32."""
        return self._rows(part, ids)

    def columns(self, part: Part, ids: Ids) -> Floats:
        """Chosen canonical columns: (rows, len(ids)) float32."""
        turned, tensor = self._stored(part)
        if turned.transposed:
            stored = self._stored_rows(tensor, ids)
            return np.ascontiguousarray(stored[:, part.start : part.stop].T) + np.float32(part.offset)
        rows, _ = self.shape(part)
        out = np.empty((rows, len(ids)), dtype=np.float32)
        step = max(1, _RUN // max(1, 4 * self.shape(part)[1]))
        for at in range(0, rows, step):
            out[at : at + step] = self.rows(part, at, min(rows, at + step))[:, ids]
        return out

    def whole(self, part: Part) -> Floats:
        """All of a part, float32."""
        shape = self.shape(part)
        return self.rows(part, 0, shape[0]) if shape else self._rows(part, np.zeros(1, dtype=np.int64))

    def _tensor(self, part: Part) -> Tensor:
        return self._checkpoint.tensors[part.tensor]

    def _stored(self, part: Part) -> tuple[Part, Tensor]:
        """The part as a view of a matrix that is stored row by row."""
        tensor = self._tensor(part)
        if not tensor.dtype.endswith(COLUMN_MAJOR):
            return part, tensor
        label = tensor.dtype.removesuffix(COLUMN_MAJOR)
        return replace(part, transposed=not part.transposed), replace(tensor, dtype=label, shape=tensor.shape[::-1])

    def _rows(self, part: Part, ids: Ids) -> Floats:
        part, tensor = self._stored(part)
        ids = ids + part.start
        if part.rope_heads:
            ids = _undo_rope(ids, tensor.shape[1 if part.transposed else 0], part.rope_heads)
        if part.transposed:
            out = self._stored_columns(tensor, ids)
        elif len(tensor.shape) == 1:
            vector = self._stored_rows(_as_rows(tensor), np.zeros(1, dtype=np.int64))[0]
            out = vector[ids]
        elif not tensor.shape:
            out = self._stored_rows(_as_rows(tensor), np.zeros(1, dtype=np.int64))[0]
        else:
            flat = self._stored_rows(tensor, ids)
            out = flat.reshape((len(ids), *tensor.shape[1:]))
        return out + np.float32(part.offset) if part.offset else out

    def _stored_columns(self, tensor: Tensor, ids: Ids) -> Floats:
        """Columns of a stored (in, out) matrix, turned: (len(ids), in).  The last such matrix is kept, because its
        parts are asked for one after the other."""
        rows, columns = tensor.shape
        if rows * columns * 4 <= 256 << 20:
            if self._last is None or self._last[0] != tensor.name:
                self._last = (tensor.name, self._stored_rows(tensor, np.arange(rows, dtype=np.int64)))
            return np.ascontiguousarray(self._last[1][:, ids].T)
        out = np.empty((len(ids), rows), dtype=np.float32)
        step = max(1, _RUN // (4 * columns))
        for at in range(0, rows, step):
            block = self._stored_rows(tensor, np.arange(at, min(rows, at + step), dtype=np.int64))
            out[:, at : at + step] = block[:, ids].T
        return out

    def _stored_rows(self, tensor: Tensor, ids: Ids) -> Floats:
        """Rows as stored, decoded: (len(ids), elements of a row) float32."""
        rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
        width = tensor.elements // rows if rows else 0
        nbytes = tensor.nbytes // rows if rows else 0
        out = np.empty((len(ids), width), dtype=np.float32)
        if not len(ids) or not width:
            return out
        source = self._source(tensor.file)
        order = np.argsort(ids, kind="stable")
        for first, last in _runs(ids[order], nbytes):
            chosen = order[first:last]
            low, high = int(ids[chosen[0]]), int(ids[chosen[-1]]) + 1
            raw = np.empty((high - low) * nbytes, dtype=np.uint8)
            source.read_into(memoryview(raw.data), tensor.offset + low * nbytes)
            wanted = raw.reshape(high - low, nbytes)
            if len(chosen) != high - low:
                wanted = wanted[ids[chosen] - low]
            values = self._decode(wanted, tensor, width)
            if last - first == len(ids) and np.array_equal(order, np.arange(len(ids))):
                return values
            out[chosen] = values
        return out

    def _source(self, file: str) -> Source:
        if file not in self._sources:
            self._sources[file] = open_entry(self._checkpoint.root, self._entries[file])
        return self._sources[file]

    def _decode(self, raw: npt.NDArray[np.uint8], tensor: Tensor, width: int) -> Floats:
        big = self._checkpoint.metadata.get(tensor.file, {}).get("gguf.byte_order") == "big"
        order = ">" if big else "<"
        dtype = tensor.dtype
        where = f"{tensor.file}, tensor {tensor.name!r}"
        if dtype in _PLAIN:
            plain: Floats = raw.view(order + _PLAIN[dtype]).astype(np.float32, copy=False)
            return plain
        if dtype == "BF16":
            bits = raw.view(order + "u2").astype(np.uint32)
            bits <<= 16
            return bits.view(np.float32)
        if dtype in ("F8_E4M3", "F8_E5M2"):
            return _float8_table(dtype)[raw]
        if dtype in _BLOCK_TYPES and not big:
            return _dequantize(raw, dtype, width, where)
        raise UnsupportedError(
            f"values of type {dtype}{' in big-endian order' if big else ''} are not decoded by this version",
            where=where,
            hint="Its bytes were hashed; only tests that need its values are left out",
        )


_BLOCK_TYPES = {label for label, block, _ in gguf_header.TYPES.values() if block > 1}


def _as_rows(tensor: Tensor) -> Tensor:
    return Tensor(tensor.name, tensor.dtype, (1, tensor.elements), tensor.file, tensor.offset, tensor.nbytes)


def _runs(ids: Ids, nbytes: int) -> list[tuple[int, int]]:
    """Slices of sorted ids that are read in one go: near in the file, and not too large together."""
    out: list[tuple[int, int]] = []
    first = 0
    for k in range(1, len(ids) + 1):
        if k < len(ids):
            near = (int(ids[k]) - int(ids[k - 1]) - 1) * nbytes <= _GAP
            small = (int(ids[k]) + 1 - int(ids[first])) * nbytes <= max(_RUN, nbytes)
            if near and small:
                continue
        out.append((first, k))
        first = k
    return out


def _undo_rope(ids: Ids, rows: int, heads: int) -> Ids:
    """Stored row of a canonical row where llama.cpp's converter re-ordered q and k for its rotary layout.

    The converter reshapes (heads, 2, dim/2) to (heads, dim/2, 2): canonical row h*dim + s*dim/2 + j is stored as row
    h*dim + 2j + s (llama.cpp, convert_hf_to_gguf.py, ``LlamaModel.permute``).
    """
    dim = rows // heads
    head, inner = np.divmod(ids, dim)
    half, j = np.divmod(inner, dim // 2)
    stored: Ids = head * dim + 2 * j + half
    return stored


def _dequantize(raw: npt.NDArray[np.uint8], dtype: str, width: int, where: str) -> Floats:
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    try:
        with np.errstate(all="ignore"):
            values: Any = dequantize(np.ascontiguousarray(raw), GGMLQuantizationType[dtype])
    except NotImplementedError:
        raise UnsupportedError(f"values of type {dtype} are not decoded by this version", where=where) from None
    except (ValueError, KeyError) as error:
        raise MalformedError(f"blocks of {dtype} that cannot be decoded ({error})", where=where) from None
    out: Floats = np.asarray(values, dtype=np.float32).reshape(len(raw), width)
    return out


_TABLES: dict[str, Floats] = {}


def _float8_table(dtype: str) -> Floats:
    """All 256 values of an 8-bit float (Micikevicius et al., "FP8 Formats for Deep Learning", 2022)."""
    if dtype not in _TABLES:
        exponent_bits, mantissa_bits, bias = (4, 3, 7) if dtype == "F8_E4M3" else (5, 2, 15)
        out = np.empty(256, dtype=np.float32)
        for code in range(256):
            sign = -1.0 if code & 0x80 else 1.0
            exponent = (code >> mantissa_bits) & ((1 << exponent_bits) - 1)
            mantissa = code & ((1 << mantissa_bits) - 1)
            if dtype == "F8_E5M2" and exponent == 31:
                value = float("nan") if mantissa else float("inf")
            elif dtype == "F8_E4M3" and code & 0x7F == 0x7F:
                value = float("nan")
            elif exponent == 0:
                value = mantissa / (1 << mantissa_bits) * 2.0 ** (1 - bias)
            else:
                value = (1 + mantissa / (1 << mantissa_bits)) * 2.0 ** (exponent - bias)
            out[code] = sign * value
        _TABLES[dtype] = out
    return _TABLES[dtype]
