"""Archives and formats whose weights this program does not decode: what they are, what lies in them, and why.

A ``.nemo`` file is a tar archive; where it is not compressed, the one file of weights in it is read where it lies,
with nothing unpacked.  Tar as POSIX.1-1988 ustar, with the extended headers of POSIX.1-2001 (pax) and GNU's long names.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from mpk_tui.checkpoint import zips
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import LimitError, MalformedError, MpkError

MAX_MEMBERS = 1 << 16
MAX_NAME = 1 << 20
_BLOCK = 512
_MARKS = (
    # First bytes, place, what it is, why its weights are not read.
    (b"\x89HDF\r\n\x1a\n", 0, "HDF5 (Keras)", "this version has no reader for HDF5"),
    (b"TFL3", 4, "TensorFlow Lite", "this version has no reader for flat buffers"),
    (b"\x1f\x8b", 0, "gzip", "it is compressed as one stream; unpack it and name the folder"),
    (b"\x28\xb5\x2f\xfd", 0, "Zstandard", "it is compressed as one stream; unpack it and name the folder"),
    (b"\xfd7zXZ\x00", 0, "xz", "it is compressed as one stream; unpack it and name the folder"),
    (b"BZh", 0, "bzip2", "it is compressed as one stream; unpack it and name the folder"),
    (b"7z\xbc\xaf\x27\x1c", 0, "7-Zip", "it is compressed as one stream; unpack it and name the folder"),
    (b"Rar!\x1a\x07", 0, "RAR", "it is compressed; unpack it and name the folder"),
    (b"lmgg", 0, "GGML (before GGUF)", "that format was given up in 2023; convert a copy with llama.cpp of that time"),
    (b"tjgg", 0, "GGJT (before GGUF)", "that format was given up in 2023; convert a copy with llama.cpp of that time"),
    (b"fmgg", 0, "GGMF (before GGUF)", "that format was given up in 2023; convert a copy with llama.cpp of that time"),
    (b"MZqFpD", 0, "llamafile", "it is a program with a model inside; it is not run and not taken apart"),
    (b"ftrt", 0, "TensorRT engine", "an engine holds compiled kernels, not the tensors of a model"),
    (b"ptrt", 0, "TensorRT engine", "an engine holds compiled kernels, not the tensors of a model"),
)
_NAMES = (
    (".msgpack", "Flax", "this version has no reader for Flax arrays"),
    (".h5", "HDF5 (Keras)", "this version has no reader for HDF5"),
    (".keras", "Keras archive", "this version has no reader for HDF5, which Keras keeps its weights in"),
    (".pb", "TensorFlow graph", "this version has no reader for TensorFlow graphs"),
    (".ot", "rust-bert archive", "this version reads no compiled modules"),
    (".pkl", "pickle", "a bare pickle is a program; it is hashed and not run"),
    (".mlmodel", "Core ML", "this version has no reader for Core ML"),
    (".engine", "TensorRT engine", "an engine holds compiled kernels, not the tensors of a model"),
    (".npy", "NumPy array", "one array without a name is no model"),
)
ENDINGS = (
    ".nemo", ".tar", ".tar.gz", ".tgz", ".zip", ".tflite", ".gz", ".zst", ".xz", ".7z", ".llamafile",
    *(ending for ending, _, _ in _NAMES),
)  # fmt: skip
"""File names that may be models in a form that is not decoded."""


@dataclass(frozen=True)
class Member:
    """One file in an archive.

    Attributes:
        name: As the archive spells it; untrusted, and never used as a path.
        size: Bytes.
        offset: First byte within the archive, -1 where it is compressed.
    """

    name: str
    size: int
    offset: int


@dataclass(frozen=True)
class Container:
    """An archive, or a file in a form that is not decoded.

    Attributes:
        what: Its form, in words.
        members: What lies in it, in its own order; empty for what is no archive, or cannot be listed.
        reason: Why the weights are not decoded.
    """

    what: str
    members: tuple[Member, ...]
    reason: str


class Within(Source):
    """A member of an archive as a source of its own: offsets count from its first byte."""

    def __init__(self, outer: Source, member: Member) -> None:
        self.where, self.size = f"{outer.where}, member {member.name[:200]!r}", member.size
        self._outer, self._start = outer, member.offset

    def read_into(self, view: memoryview, at: int) -> None:
        """As `Source.read_into`, never beyond the member."""
        if not 0 <= at <= at + len(view) <= self.size:
            raise MalformedError(f"bytes {at} to {at + len(view)} of {self.size}", where=self.where)
        self._outer.read_into(view, self._start + at)

    def check_unchanged(self) -> os.stat_result:
        """The archive is watched as a whole."""
        return self._outer.facts

    def close(self) -> None:
        """The archive stays open."""


def look(source: Source, name: str) -> Container | None:
    """What a file is, if it is none of the formats that are read.

    Args:
        source: The open file.
        name: Its name; decides only where a form has no mark of its own.

    Returns:
        The container, or None where neither bytes nor name are known.

    Raises:
        MalformedError: A tar archive that contradicts itself.
        LimitError: More members than are accepted.
    """
    start = source.read(0, min(_BLOCK, source.size))
    if start[257:262] == b"ustar":
        return Container("tar archive", tuple(tar_members(source, name)), "")
    if start[:4] == b"PK\x03\x04":
        listed = []
        for info in zips.members(source, name):
            try:
                offset = zips.span(source, info, name)[0] if info.file_size else -1
            except MpkError:
                offset = -1  # compressed
            listed.append(Member(info.filename, info.file_size, offset))
        return Container("zip archive", tuple(listed), "weights inside zip archives are not read; unpack it")
    for mark, place, what, reason in _MARKS:
        if start[place : place + len(mark)] == mark:
            return Container(what, (), reason)
    for ending, what, reason in _NAMES:
        if name.endswith(ending):
            return Container(what, (), reason)
    return None


def tar_members(source: Source, file: str) -> Iterator[Member]:
    """Regular files of an uncompressed tar archive.

    Raises:
        MalformedError: A header whose checksum or size is wrong, or a member that reaches beyond the file.
        LimitError: Too many members, or a name that is too long.
    """
    at = count = 0
    longer = ""
    extended: dict[str, str] = {}
    while at + _BLOCK <= source.size:
        header = source.read(at, _BLOCK)
        if not any(header):
            return
        where = f"{file}, byte {at}"
        if _number(header[148:156], where) != sum(header[:148]) + 8 * 32 + sum(header[156:]):
            raise MalformedError("the checksum of a tar header is wrong", where=where, hint="The archive is damaged")
        size = int(extended["size"]) if extended.get("size", "").isdigit() else _number(header[124:136], where)
        kind, data = header[156:157], at + _BLOCK
        if data + size > source.size:
            raise MalformedError(
                f"a member of {size} bytes from {data} in a file of {source.size}", where=where, hint="It is cut short"
            )
        at = data + -(-size // _BLOCK) * _BLOCK
        count += 1
        if count > MAX_MEMBERS:
            raise LimitError(f"more than {MAX_MEMBERS} members", where=file)
        if kind in (b"L", b"x"):
            if size > MAX_NAME:
                raise LimitError(f"a name of {size} bytes", where=where)
            body = source.read(data, size)
            if kind == b"L":
                longer = body.rstrip(b"\0").decode("utf-8", "surrogateescape")
            else:
                extended = _pax(body, where)
            continue
        if kind in (b"0", b"\0", b"7"):
            yield Member(extended.get("path") or longer or _name(header), size, data)
        longer, extended = "", {}


def _name(header: bytes) -> str:
    prefix, name = header[345:500].split(b"\0")[0], header[:100].split(b"\0")[0]
    if header[257:265] != b"ustar\x0000":
        prefix = b""  # GNU's own form keeps times there
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "surrogateescape")


def _number(field: bytes, where: str) -> int:
    """An octal number, or GNU's base 256 (first bit set)."""
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    else:
        digits = field.strip(b" \0")
        if digits and (not digits.isdigit() or digits.strip(b"01234567")):
            raise MalformedError(f"{field!r} is no octal number", where=where)
        value = int(digits or b"0", 8)
    if value >= 1 << 62:
        raise MalformedError(f"a size of {value}", where=where)
    return value


def _pax(body: bytes, where: str) -> dict[str, str]:
    """Records ``LENGTH KEY=VALUE\\n``; the length counts itself."""
    out: dict[str, str] = {}
    at = 0
    while at < len(body):
        blank = body.find(b" ", at, at + 20)
        if blank < 0 or not body[at:blank].isdigit():
            raise MalformedError("an extended header that has no records", where=where)
        end = at + int(body[at:blank])
        record = body[blank + 1 : end]
        if end > len(body) or end <= blank + 1 or not record.endswith(b"\n"):
            raise MalformedError("an extended header whose records do not fit", where=where)
        key, _, value = record[:-1].partition(b"=")
        out[key.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        at = end
    return out
