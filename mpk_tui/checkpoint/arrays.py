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
from mpk_tui.checkpoint.adapters import decode as adapters
from mpk_tui.checkpoint.floats import SMALL, unpack
from mpk_tui.checkpoint.layouts import decode as layouts
from mpk_tui.checkpoint.model import COLUMN_MAJOR, Checkpoint, Derived, Part, Tensor
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
_KEPT, _AROUND = 256 << 20, 64 << 20
"""Bytes of a computed matrix that is kept whole, and of what is computed at once of a larger one."""


class WeightReader:
    """Reads parts of a checkpoint; a context manager that checks at its end that no file changed meanwhile."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._entries = {e.path: e for e in checkpoint.files}
        self._sources: dict[str, Source] = {}
        self._last: tuple[str, Floats] | None = None
        self._computed: tuple[str, int, Floats] | None = None
        self._memo: dict[str, Floats] = {}

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
        if shape and (part.start or part.stop is not None or part.run):
            rows = (part.stop if part.stop is not None else shape[0]) - part.start
            if part.run:
                rows = (rows + part.period - part.run) // part.period * part.run
            shape = (rows, *shape[1:])
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
            wanted = _stored_ids(part, np.arange(self.shape(part)[0], dtype=np.int64), tensor.shape[1])
            return np.ascontiguousarray(stored[:, wanted].T) + np.float32(part.offset)
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
        """The tensor that a part is a view of: a derived weight if there is one, else a stored tensor; of a stack the
        one matrix that is meant."""
        derived = self._checkpoint.derived.get(part.tensor)
        if derived is not None:
            tensor = Tensor(derived.name, derived.label, derived.shape, "", 0, 0)
        else:
            tensor = self._checkpoint.tensors[part.tensor]
        return tensor if part.index < 0 else _of_stack(tensor, part.index)

    def _stored(self, part: Part) -> tuple[Part, Tensor]:
        """The part as a view of a matrix that is stored row by row."""
        tensor = self._tensor(part)
        if not tensor.dtype.endswith(COLUMN_MAJOR):
            return part, tensor
        label = tensor.dtype.removesuffix(COLUMN_MAJOR)
        return replace(part, transposed=not part.transposed), replace(tensor, dtype=label, shape=tensor.shape[::-1])

    def _rows(self, part: Part, ids: Ids) -> Floats:
        part, tensor = self._stored(part)
        ids = _stored_ids(part, ids, tensor.shape[1 if part.transposed else 0] if tensor.shape else 0)
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
        if rows * columns * 4 <= _KEPT:
            key = f"{tensor.name}\0{tensor.offset}"  # the matrices of a stack share their name
            if self._last is None or self._last[0] != key:
                self._last = (key, self._stored_rows(tensor, np.arange(rows, dtype=np.int64)))
            return np.ascontiguousarray(self._last[1][:, ids].T)
        out = np.empty((len(ids), rows), dtype=np.float32)
        step = max(1, _RUN // (4 * columns))
        for at in range(0, rows, step):
            block = self._stored_rows(tensor, np.arange(at, min(rows, at + step), dtype=np.int64))
            out[:, at : at + step] = block[:, ids].T
        return out

    def _stored_rows(self, tensor: Tensor, ids: Ids) -> Floats:
        """Rows as stored, decoded: (len(ids), elements of a row) float32."""
        if not tensor.file:
            return self._derived_rows(tensor, ids)
        rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
        width = tensor.elements // rows if rows else 0
        nbytes = tensor.nbytes // rows if rows else 0
        out = np.empty((len(ids), width), dtype=np.float32)
        if not len(ids) or not width:
            return out
        if nbytes * rows != tensor.nbytes:
            raise UnsupportedError(
                f"rows of {width} {tensor.dtype} do not end at whole bytes; such tensors are not decoded",
                where=f"{tensor.file}, tensor {tensor.name!r}",
            )
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

    def _derived_rows(self, tensor: Tensor, ids: Ids) -> Floats:
        """Rows of a derived weight; ``offset`` of its tensor counts the rows before it in its stack."""
        derived = self._checkpoint.derived[tensor.name]
        vector = len(derived.shape) < 2
        if vector:
            return self._rows_of(derived, 0, derived.elements)[None, :]
        width = tensor.elements // max(1, tensor.shape[0])
        out = np.empty((len(ids), width), dtype=np.float32)
        order = np.argsort(ids, kind="stable")
        # Rows far apart in a large weight are computed in several goes.
        span = max(1, _AROUND // max(1, 4 * width))
        at = 0
        while at < len(ids):
            low = int(ids[order[at]])
            end = at + int(np.searchsorted(ids[order[at:]], low + span))
            chosen = order[at:end]
            high = int(ids[chosen[-1]]) + 1
            out[chosen] = self._rows_of(derived, low + tensor.offset, high + tensor.offset)[ids[chosen] - low]
            at = end
        return out

    def _rows_of(self, derived: Derived, start: int, stop: int) -> Floats:
        """Computed rows (of a stack numbered through; a vector as one row).

        Rows are asked for block by block and chosen ones again, so that what was computed last is kept: a whole matrix,
        or of a large one the rows around those that were asked for.
        """
        if derived.layout in adapters.LAYOUTS:
            return adapters.rows(derived, self._plain, start, stop, self._memo)
        if len(derived.shape) < 2:
            vector: Floats = layouts.rows(derived, self, 0, 1)[0]
            return vector
        kept = self._computed
        if kept is None or kept[0] != derived.name or start < kept[1] or stop > kept[1] + len(kept[2]):
            width = derived.shape[-1]
            matrix = derived.shape[-2]
            if matrix * width * 4 <= _KEPT and start // matrix == max(start, stop - 1) // matrix:
                first, last = start // matrix * matrix, (start // matrix + 1) * matrix
            else:
                step = max(1, _AROUND // (4 * width))
                first, last = start, min(derived.elements // width, max(stop, start + step))
            kept = self._computed = derived.name, first, layouts.rows(derived, self, first, last)
        rows: Floats = kept[2][start - kept[1] : stop - kept[1]]
        return rows

    def _plain(self, name: str, start: int, stop: int) -> Floats:
        """Rows of a source of an adapter's weight: of the stored tensor of that name, else of a derived weight."""
        stored = self._checkpoint.tensors.get(name)
        if stored is None:
            return self._rows_of(self._checkpoint.derived[name], start, stop)
        ids = np.arange(start, stop, dtype=np.int64)
        if len(stored.shape) == 1:
            vector: Floats = self._stored_rows(_as_rows(stored), np.zeros(1, dtype=np.int64))[0][start:stop]
            return vector
        if stored.dtype.endswith(COLUMN_MAJOR):
            label = stored.dtype.removesuffix(COLUMN_MAJOR)
            return self._stored_columns(replace(stored, dtype=label, shape=stored.shape[::-1]), ids)
        return self._stored_rows(stored, ids).reshape(len(ids), *stored.shape[1:])

    def values(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows of a stored tensor in its own type (integers stay integers, all floats become float32); a vector and a
        scalar by their elements."""
        stored = self._checkpoint.tensors[name]
        turned = stored.dtype.endswith(COLUMN_MAJOR)
        label = stored.dtype.removesuffix(COLUMN_MAJOR)
        if label not in _INTEGERS:
            return self._plain(name, start, stop) if stored.shape else self._plain(name, 0, 1)
        flat = len(stored.shape) < 2
        rows = stored.elements if flat else stored.shape[1] if turned else stored.shape[0]
        nbytes = stored.nbytes // rows if rows else 0
        low, high = (0, rows) if turned else (start, stop)
        raw = bytearray((high - low) * nbytes)
        self._source(stored.file).read_into(memoryview(raw), stored.offset + low * nbytes)
        values = np.frombuffer(raw, dtype="<" + _PLAIN[label])
        if turned:
            return np.ascontiguousarray(values.reshape(rows, -1).T[start:stop])
        return values if flat else values.reshape(high - low, *stored.shape[1:])

    def elements(self, name: str) -> npt.NDArray[Any]:
        """All of a stored tensor in one dimension, in its own type as `values` has it."""
        stored = self._checkpoint.tensors[name]
        count = stored.elements if len(stored.shape) < 2 else stored.shape[0]
        return self.values(name, 0, count).reshape(-1)

    def octets(self, name: str, start: int, stop: int) -> npt.NDArray[np.uint8]:
        """Bytes ``start`` to ``stop`` of a stored tensor, counted from its first.

        Raises:
            MalformedError: The tensor has fewer.
        """
        stored = self._checkpoint.tensors[name]
        if not 0 <= start <= stop <= stored.nbytes:
            raise MalformedError(f"bytes {start} to {stop} of {stored.nbytes}", where=f"{stored.file}, tensor {name!r}")
        raw = np.empty(stop - start, dtype=np.uint8)
        self._source(stored.file).read_into(memoryview(raw.data), stored.offset + start)
        return raw

    def _source(self, file: str) -> Source:
        if file not in self._sources:
            self._sources[file] = open_entry(self._checkpoint.places, self._entries[file])
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
        if dtype in SMALL:
            return unpack(raw, dtype, width)
        if dtype in _BLOCK_TYPES and (not big or dtype in _HALVES):
            return _dequantize(_little(raw, dtype) if big else raw, dtype, width, where)
        raise UnsupportedError(
            f"values of type {dtype}{' in big-endian order' if big else ''} are not decoded by this version",
            where=where,
            hint="Its bytes were hashed; only tests that need its values are left out",
        )


_HALVES: dict[str, tuple[int, ...]] = {
    "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2), "Q8_0": (0,), "Q2_K": (80, 82), "Q3_K": (108,),
    "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,), "IQ2_XXS": tuple(range(0, 66, 2)),
    "IQ2_XS": tuple(range(0, 66, 2)), "IQ2_S": (0,), "IQ3_XXS": (0,), "IQ3_S": (0,), "IQ1_S": (0, *range(34, 50, 2)),
    "IQ4_NL": (0,), "IQ4_XS": (0, 2), "TQ1_0": (52,), "TQ2_0": (64,), "MXFP4": (), "NVFP4": (),
}  # fmt: skip
"""Where two-byte fields lie in a block (ggml-common.h); in big-endian files these are turned round, bytes are not."""


def _little(raw: npt.NDArray[np.uint8], dtype: str) -> npt.NDArray[np.uint8]:
    """Blocks of a big-endian file as a little-endian one has them."""
    size = next(width for label, _, width in gguf_header.TYPES.values() if label == dtype)
    out: npt.NDArray[np.uint8] = raw.reshape(-1, size).copy()
    for at in _HALVES[dtype]:
        out[:, [at, at + 1]] = out[:, [at + 1, at]]
    return out.reshape(raw.shape)


_BLOCK_TYPES = {label for label, block, _ in gguf_header.TYPES.values() if block > 1}


_INTEGERS = {"I8", "U8", "I16", "U16", "I32", "U32", "I64", "U64"}


def _stored_ids(part: Part, ids: Ids, rows: int) -> Ids:
    """Stored row of each canonical row, of ``rows`` in all."""
    if part.run:
        run, inner = np.divmod(ids, part.run)
        ids = run * part.period + inner
    ids = ids + part.start
    return _undo_rope(ids, rows, part.rope_heads) if part.rope_heads else ids


def _of_stack(tensor: Tensor, index: int) -> Tensor:
    """One matrix of a stack (matrices, rows, columns).

    Raises:
        UnsupportedError: The stack is stored column by column.
    """
    count, *shape = tensor.shape
    if tensor.dtype.endswith(COLUMN_MAJOR) or not 0 <= index < count:
        raise UnsupportedError(f"no matrix {index} in a stack of {count}", where=f"tensor {tensor.name!r}")
    if not tensor.file:
        # Derived: rows of all matrices are numbered through.
        return replace(tensor, shape=tuple(shape), offset=index * shape[0])
    nbytes = tensor.nbytes // count
    return replace(tensor, shape=tuple(shape), offset=tensor.offset + index * nbytes, nbytes=nbytes)


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
