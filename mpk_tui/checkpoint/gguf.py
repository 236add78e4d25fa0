"""Headers of GGUF files, versions 2 and 3, either byte order: a bounded reader of our own.

Layout (github.com/ggml-org/ggml, docs/gguf.md): magic ``GGUF``, u32 version, u64 tensor count, u64 metadata count; then
metadata (string key, u32 type, value), then tensor infos (string name, u32 dimension count, u64 dimensions innermost
first, u32 type, u64 offset), then padding to ``general.alignment`` and the data.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mpk_tui.checkpoint.model import Tensor
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import LimitError, MalformedError, UnsupportedError

MAX_TENSORS = 1 << 20
MAX_METADATA = 1 << 16
MAX_STRING = 1 << 24
MAX_ITEMS = 1 << 22
"""Items of one array; the largest vocabularies known hold fewer than 300,000 tokens."""
MAX_HEADER = 512 << 20
MAX_DEPTH = 4
MAX_DIMENSIONS = 4
_WINDOW = 1 << 20

TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip
"""Type number to label, elements in a block, bytes in a block."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class Header:
    """What a GGUF file declares.

    Attributes:
        version: 2 or 3.
        big_endian: Byte order of the file.
        metadata: Key to value; arrays are tuples, bytes that are not UTF-8 appear as ``\\xNN``.
        tensors: In order of offset.
        notices: What is odd but not wrong.
        lost: Names of tensors that reach beyond the end of a file that was cut short; only where that is accepted.
    """

    version: int
    big_endian: bool
    metadata: Mapping[str, Any]
    tensors: tuple[Tensor, ...]
    notices: tuple[str, ...]
    lost: tuple[str, ...] = ()


def read_header(source: Source, file: str, *, partial: bool = False) -> Header:
    """Read and check a header.

    Args:
        source: The open file.
        file: Its path relative to the checkpoint, recorded in each tensor.
        partial: Accept a file that was cut short; the tensors that reach beyond its end are named, not listed.

    Raises:
        MalformedError: It contradicts the format or the file.
        LimitError: A declared count or length is beyond what we accept.
        UnsupportedError: A version or element type that this reader does not know.
    """
    cursor = _Cursor(source, file)
    if cursor.take(4) != b"GGUF":
        raise MalformedError("does not start with GGUF", where=f"{file}, byte 0")
    raw = cursor.take(4)
    little, big = int.from_bytes(raw, "little"), int.from_bytes(raw, "big")
    if little not in (1, 2, 3) and big in (2, 3):
        cursor.order = ">"
    version = big if cursor.order == ">" else little
    if version not in (2, 3):
        raise UnsupportedError(f"GGUF version {version}; versions 2 and 3 are read", where=file)
    tensor_count, metadata_count = cursor.number("Q"), cursor.number("Q")
    cursor.bound("tensors", tensor_count, MAX_TENSORS, 24)
    cursor.bound("metadata entries", metadata_count, MAX_METADATA, 13)
    metadata: dict[str, Any] = {}
    for _ in range(metadata_count):
        at = cursor.at
        key = cursor.string(1 << 16)
        if key in metadata:
            raise MalformedError(f"the metadata key {key[:80]!r} occurs twice", where=f"{file}, byte {at}")
        metadata[key] = cursor.value(cursor.number("I"), 0)
    alignment = metadata.get("general.alignment", 32)
    if (
        not isinstance(alignment, int)
        or isinstance(alignment, bool)
        or not 1 <= alignment <= 1 << 20
        or alignment & (alignment - 1)
    ):
        raise MalformedError(f"general.alignment is {alignment!r}, a power of two was expected", where=file)
    infos = [_info(cursor, file) for _ in range(tensor_count)]
    start = -(-cursor.at // alignment) * alignment
    notices: list[str] = []
    tensors = _place(infos, file, start, 1 << 63 if partial else source.size, alignment)
    lost = tuple(t.name for t in tensors if t.offset + t.nbytes > source.size)
    kept = tuple(t for t in tensors if t.offset + t.nbytes <= source.size)
    end = max((t.offset + t.nbytes for t in tensors), default=start)
    if source.size - end > alignment:
        notices.append(f"{file}: {source.size - end} bytes after the last tensor belong to no tensor")
    return Header(version, cursor.order == ">", metadata, kept, tuple(notices), lost)


@dataclass(frozen=True)
class Part:
    """What a file says of the split that it is part of (llama.cpp, tools/gguf-split; counted from 0).

    Attributes:
        file: Its path.
        number: Its place.
        count: Files of the split; 1 for a file that stands alone.
        tensors: Tensors of the whole split, 0 if it does not say.
        own: Tensors that this file declares.
    """

    file: str
    number: int
    count: int
    tensors: int
    own: int


def part_of(header: Header, file: str) -> Part:
    """The part that a file is, by its metadata ``split.no``, ``split.count`` and ``split.tensors.count``."""

    def stated(key: str, default: int) -> int:
        value = header.metadata.get(key, default)
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31 else default

    own = len(header.tensors) + len(header.lost)
    return Part(file, stated("split.no", 0), stated("split.count", 1) or 1, stated("split.tensors.count", 0), own)


def check_parts(parts: Sequence[Part], partial: bool) -> list[str]:
    """Hold the files of a split against what they say of each other.

    Args:
        parts: All files at hand.
        partial: Accept that some are missing.

    Returns:
        What is missing, as sentences.

    Raises:
        MalformedError: Files of different splits, one twice, or (unless ``partial``) one missing.
    """
    first = parts[0]
    seen: dict[int, str] = {}
    for part in parts:
        if part.count != first.count:
            raise MalformedError(
                f"is one of {part.count} files, {first.file} one of {first.count}",
                where=part.file,
                hint="The files belong to different splits",
            )
        if part.number in seen or part.number >= part.count:
            other = f", as {seen[part.number]} does" if part.number in seen else ""
            raise MalformedError(f"says that it is file {part.number + 1} of {part.count}{other}", where=part.file)
        seen[part.number] = part.file
    stated = max(p.tensors for p in parts)
    declared = sum(p.own for p in parts)
    lacking = sorted(set(range(min(first.count, 1 << 16))) - seen.keys())
    if not lacking:
        if stated and stated != declared:
            raise MalformedError(f"the split has {stated} tensors, its files declare {declared}", where=first.file)
        return []
    sentence = f"{len(lacking)} of {first.count} files of the split are missing (number {lacking[0] + 1} first)"
    if not partial:
        raise MalformedError(
            sentence, where=first.file, hint="Name the folder with all of them, or examine this with --partial"
        )
    return [f"{sentence}: {declared} of {stated} tensors are here" if stated else sentence]


def _info(cursor: _Cursor, file: str) -> tuple[str, tuple[int, ...], int, int]:
    at = cursor.at
    name = cursor.string(1 << 16)
    where = f"{file}, tensor {name[:200]!r}"
    dimensions = cursor.number("I")
    if dimensions > MAX_DIMENSIONS:
        raise MalformedError(f"{dimensions} dimensions (at most {MAX_DIMENSIONS})", where=f"{where}, byte {at}")
    shape = tuple(cursor.number("Q") for _ in range(dimensions))
    kind, offset = cursor.number("I"), cursor.number("Q")
    if kind not in TYPES:
        raise UnsupportedError(f"element type number {kind}", where=where, hint="Use a newer mpk-tui")
    return name, shape[::-1], kind, offset


def _place(
    infos: list[tuple[str, tuple[int, ...], int, int]], file: str, start: int, size: int, alignment: int
) -> list[Tensor]:
    tensors: list[Tensor] = []
    seen: set[str] = set()
    for name, shape, kind, offset in infos:
        where = f"{file}, tensor {name[:200]!r}"
        if name in seen:
            raise MalformedError("this name occurs twice", where=where)
        seen.add(name)
        label, block, width = TYPES[kind]
        elements = 1
        for d in shape:
            elements *= d
        if shape and shape[-1] % block:
            raise MalformedError(f"rows of {shape[-1]} elements in blocks of {block} ({label})", where=where)
        nbytes = elements // block * width
        if elements >= 1 << 63 or offset % alignment or offset + start + nbytes > size:
            raise MalformedError(
                f"{nbytes} bytes from {start + offset} in a file of {size}",
                where=where,
                hint="It reaches outside its file or is not aligned: the file is cut short or was made to mislead",
            )
        tensors.append(Tensor(name, label, shape, file, start + offset, nbytes))
    tensors.sort(key=lambda t: (t.offset, t.nbytes))
    for before, after in pairwise(tensors):
        if before.offset + before.nbytes > after.offset and after.nbytes:
            raise MalformedError(
                f"starts inside {before.name[:200]!r}",
                where=f"{file}, tensor {after.name[:200]!r}",
                hint="Tensors overlap",
            )
    return tensors


class _Cursor:
    """Reads forward through a window; every length is checked against what is left before it is used."""

    def __init__(self, source: Source, file: str) -> None:
        self._source, self._file = source, file
        self._window, self._base = b"", 0
        self.at = 0
        self.order = "<"

    def bound(self, what: str, count: int, most: int, least_bytes: int) -> None:
        """Refuse a count that is beyond a limit or cannot fit into the rest of the file."""
        if count > most:
            raise LimitError(f"{count} {what} (at most {most})", where=f"{self._file}, byte {self.at}")
        if count * least_bytes > self._source.size - self.at:
            raise MalformedError(
                f"{count} {what} cannot fit into the {self._source.size - self.at} bytes that are left",
                where=f"{self._file}, byte {self.at}",
            )

    def take(self, n: int) -> bytes:
        if n > self._source.size - self.at:
            raise MalformedError(
                f"{n} bytes wanted, {self._source.size - self.at} left",
                where=f"{self._file}, byte {self.at}",
                hint="The file is cut short or was made to mislead",
            )
        if self.at + n > MAX_HEADER:
            raise LimitError(f"a header of more than {MAX_HEADER} bytes", where=self._file)
        start = self.at - self._base
        if start < 0 or start + n > len(self._window):
            count = min(max(n, _WINDOW), self._source.size - self.at)
            self._window, self._base = self._source.read(self.at, count), self.at
            start = 0
        self.at += n
        return self._window[start : start + n]

    def number(self, code: str) -> int:
        (value,) = struct.unpack(self.order + code, self.take(struct.calcsize(code)))
        assert isinstance(value, int)
        return value

    def string(self, limit: int = MAX_STRING) -> str:
        at = self.at
        n = self.number("Q")
        if n > limit:
            raise LimitError(f"a string of {n} bytes (at most {limit})", where=f"{self._file}, byte {at}")
        return self.take(n).decode("utf-8", "backslashreplace")

    def value(self, kind: int, depth: int) -> Any:
        at = self.at
        if kind in _SCALARS:
            code = _SCALARS[kind]
            (value,) = struct.unpack(self.order + code, self.take(struct.calcsize(code)))
            return value
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            raise MalformedError(f"metadata type number {kind}", where=f"{self._file}, byte {at}")
        if depth >= MAX_DEPTH:
            raise MalformedError(f"arrays nested deeper than {MAX_DEPTH}", where=f"{self._file}, byte {at}")
        item, count = self.number("I"), self.number("Q")
        least = struct.calcsize(_SCALARS[item]) if item in _SCALARS else 8 if item == _STRING else 12
        self.bound("array items", count, MAX_ITEMS, least)
        if item in _SCALARS:
            code = _SCALARS[item]
            return struct.unpack(f"{self.order}{count}{code}", self.take(count * struct.calcsize(code)))
        return tuple(self.value(item, depth + 1) for _ in range(count))
