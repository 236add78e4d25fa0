"""The directory of a zip archive, and where its stored members lie; nothing is unpacked."""

from __future__ import annotations

import struct
import zipfile
from typing import IO, cast

from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import LimitError, MalformedError, UnsupportedError

MAX_MEMBERS = 1 << 17
MAX_DIRECTORY = 64 << 20


class _Window:
    """A read-only file object over a `Source`, for the zip directory; every read is bounded by the file."""

    def __init__(self, source: Source) -> None:
        self._source, self._at = source, 0

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = max(0, offset + (0 if whence == 0 else self._at if whence == 1 else self._source.size))
        return self._at

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._source.size - self._at)
        n = left if count is None or count < 0 else min(count, left)
        if n > MAX_DIRECTORY:
            raise LimitError(f"a zip directory of {n} bytes", where=self._source.where)
        data = self._source.read(self._at, n)
        self._at += n
        return data


def members(source: Source, file: str) -> list[zipfile.ZipInfo]:
    """What the directory lists, each name once.

    Raises:
        MalformedError: No whole zip archive, or a name that occurs twice.
        LimitError: More members, or a larger directory, than are accepted.
    """
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _Window(source))) as archive:
            found = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError, struct.error, UnicodeError) as error:
        raise MalformedError(f"not a whole zip archive ({error})", where=file) from None
    if len(found) > MAX_MEMBERS:
        raise LimitError(f"{len(found)} members (at most {MAX_MEMBERS})", where=file)
    seen: set[str] = set()
    for member in found:
        if member.filename in seen:
            raise MalformedError(f"the member {member.filename[:200]!r} occurs twice", where=file)
        seen.add(member.filename)
    return found


def span(source: Source, member: zipfile.ZipInfo, file: str) -> tuple[int, int]:
    """Offset and size of a stored member's bytes, from its local header.

    Raises:
        UnsupportedError: It is compressed or encrypted.
        MalformedError: Its header is not where the directory says, or it reaches outside the file.
    """
    where = f"{file}, member {member.filename[:200]!r}"
    if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
        raise UnsupportedError("compressed or encrypted; weights are read where they are stored plain", where=where)
    at = member.header_offset
    if not 0 <= at <= source.size - 30:
        raise MalformedError(f"its header lies at byte {at} of {source.size}", where=where)
    local = source.read(at, 30)
    if local[:4] != b"PK\x03\x04":
        raise MalformedError("no local header where the directory says", where=where)
    name_length, extra_length = struct.unpack("<HH", local[26:30])
    data = at + 30 + name_length + extra_length
    if member.file_size != member.compress_size or data + member.file_size > source.size:
        raise MalformedError(f"{member.file_size} bytes from {data} in a file of {source.size}", where=where)
    return data, member.file_size
