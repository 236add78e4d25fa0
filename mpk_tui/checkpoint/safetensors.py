"""Headers of safetensors files: a bounded reader of our own.

Layout (github.com/huggingface/safetensors, README "Format"): u64 little-endian header length, JSON header, data.  The
header maps a tensor's name to ``dtype``, ``shape`` and ``data_offsets`` (begin, end) relative to the data; the special
key ``__metadata__`` maps strings to strings.  The data must be covered without holes or overlaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mpk_tui.checkpoint.model import Tensor
from mpk_tui.checkpoint.reading import Source
from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.errors import LimitError, MalformedError, UnsupportedError

MAX_HEADER = 100_000_000
"""Bytes; the limit of the format's own library."""
MAX_TENSORS = 1 << 20
MAX_DIMENSIONS = 16

BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip
"""Bits of an element by type label."""


@dataclass(frozen=True)
class Header:
    """What a safetensors file declares.

    Attributes:
        tensors: In order of offset.
        metadata: The ``__metadata__`` strings.
        notices: What is odd but not wrong.
        lost: Names of tensors that reach beyond the end of a file that was cut short; only where that is accepted.
    """

    tensors: tuple[Tensor, ...]
    metadata: Mapping[str, str]
    notices: tuple[str, ...]
    lost: tuple[str, ...] = ()


def read_header(source: Source, file: str, *, partial: bool = False) -> Header:
    """Read and check a header.

    Args:
        source: The open file.
        file: Its path relative to the checkpoint, recorded in each tensor.
        partial: Accept a file that was cut short; the tensors that reach beyond its end are named, not listed.

    Raises:
        MalformedError: The header contradicts the format or the file.
        LimitError: A declared size is beyond what we accept.
        UnsupportedError: An element type that this version does not know.
    """
    if source.size < 8:
        raise MalformedError(f"{source.size} bytes; a safetensors file starts with an 8-byte header length", where=file)
    length = int.from_bytes(source.read(0, 8), "little")
    if length > MAX_HEADER:
        raise LimitError(f"a header of {length} bytes (at most {MAX_HEADER})", where=f"{file}, byte 0")
    if length > source.size - 8:
        raise MalformedError(
            f"a header of {length} bytes in a file of {source.size}",
            where=f"{file}, byte 0",
            hint="The file is cut short or is no safetensors file",
        )
    header = parse(source.read(8, length), f"{file}, header")
    if not isinstance(header, dict):
        raise MalformedError("the header is not a JSON object", where=file)
    if len(header) > MAX_TENSORS:
        raise LimitError(f"{len(header)} tensors (at most {MAX_TENSORS})", where=file)
    metadata = _metadata(header.pop("__metadata__", {}), file)
    start, size = 8 + length, source.size - 8 - length
    reach = 1 << 63 if partial else size
    tensors = [_tensor(name, entry, file, start, reach) for name, entry in header.items()]
    lost = tuple(t.name for t in tensors if t.offset + t.nbytes > start + size)
    tensors = sorted((t for t in tensors if t.offset + t.nbytes <= start + size), key=lambda t: (t.offset, t.nbytes))
    return Header(tuple(tensors), metadata, tuple(_check_cover(tensors, file, start, size)), lost)


def _metadata(value: Any, file: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) and _scalar_text(k + v) for k, v in value.items()):
        raise MalformedError("__metadata__ is not a map of strings to strings", where=file)
    return value


def _tensor(name: str, entry: Any, file: str, start: int, size: int) -> Tensor:
    where = f"{file}, tensor {name[:200]!r}"
    if not _scalar_text(name):
        raise MalformedError("a name with unpaired surrogates is no text", where=where)
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise MalformedError("an entry with other fields than dtype, shape and data_offsets", where=where)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str):
        raise MalformedError("dtype is not a string", where=where)
    if dtype not in BITS:
        raise UnsupportedError(f"element type {dtype[:40]!r}", where=where, hint="Use a newer mpk-tui")
    if not isinstance(shape, list) or len(shape) > MAX_DIMENSIONS or not all(map(_natural, shape)):
        raise MalformedError(f"shape is not a list of at most {MAX_DIMENSIONS} non-negative integers", where=where)
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_natural, offsets)):
        raise MalformedError("data_offsets is not a pair of non-negative integers", where=where)
    begin, end = offsets
    if begin > end or end > size:
        raise MalformedError(
            f"bytes {begin} to {end} of {size} bytes of data",
            where=where,
            hint="The tensor reaches outside its file: the file is cut short or was made to mislead",
        )
    elements = 1
    for d in shape:
        elements *= d
    bits = elements * BITS[dtype]
    if bits % 8 or bits // 8 != end - begin:
        raise MalformedError(
            f"shape {shape} of {dtype} needs {-(-bits // 8)} bytes, {end - begin} are given", where=where
        )
    return Tensor(name, dtype, tuple(shape), file, start + begin, end - begin)


def _scalar_text(text: str) -> bool:
    """JSON can spell half of a surrogate pair; such a string has no UTF-8 and cannot be recorded."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _check_cover(tensors: list[Tensor], file: str, start: int, size: int) -> list[str]:
    notices = []
    at = start
    previous = ""
    for t in tensors:
        if t.offset < at and t.nbytes:
            raise MalformedError(
                f"starts inside {previous[:200]!r}", where=f"{file}, tensor {t.name[:200]!r}", hint="Tensors overlap"
            )
        if t.offset > at:
            notices.append(f"{file}: {t.offset - at} bytes before tensor {t.name!r} belong to no tensor")
        at = max(at, t.offset + t.nbytes)
        previous = t.name
    if at < start + size:
        notices.append(f"{file}: {start + size - at} bytes after the last tensor belong to no tensor")
    return notices
