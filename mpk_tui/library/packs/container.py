"""The outermost layer of a pack file, read and written without ever holding more than one fingerprint record.

One canonical msgpack array of six: ``["MPKL1", payloadType, payload, signatures, contents, records]``.  The first four
are those of a bundle (`mpk_tui.bundle.envelope`); ``contents`` is the list that the payload names by its digest, and
``records`` an array of byte strings, the fingerprint records in the order of the list.  So the whole layout of the file
follows from its head: what is signed is read and verified first, and then every record is read at its place, held
against its signed digest and let go.  Nothing is searched for, and no byte of the file is left unaccounted for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import msgpack

from mpk_tui.bundle import limits
from mpk_tui.bundle.dsse import PACK_TYPE
from mpk_tui.bundle.envelope import Signature, signature_rows
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import LimitError, MalformedError, MpkError, UnstableFileError, UnsupportedError
from mpk_tui.files import write_pieces
from mpk_tui.hashtree import sha256
from mpk_tui.library.packs.body import CONTENTS_BYTES
from mpk_tui.library.packs.contents import Listed
from mpk_tui.records import dataclass

MAGIC = "MPKL1"
HEAD = b"\x96\xa5MPKL1"
SUFFIX = ".mpkl"
_STEM = HEAD[:6]
_TYPE_BYTES = 256
_SIGNATURE_BYTES = 8192
_WHERE = "pack"
_OTHERS = {
    b"\x96\xa5MPKB": ("is an evidence bundle or a trust store, no pack", "mpk-tui verify looks into bundles"),
    b"\x99\xa5MPKI": ("is the proof of one tensor, no pack", "mpk-tui bundle check-proof looks into proofs"),
    b"\x92\xa5MPKF": ("is a fingerprint file, no pack", "mpk-tui library add takes fingerprint files"),
}
"""Our other files, which people will take for packs."""


@dataclass(frozen=True)
class Head:
    """The first four parts of a pack file, taken apart and not yet believed.

    Attributes:
        payload: The bytes that are signed.
        signatures: Ascending by key id.
        end: Where the next part begins, in bytes.
    """

    payload: bytes
    signatures: tuple[Signature, ...]
    end: int


class _Cursor:
    """Headers and short values of canonical msgpack, one after the other, from a file."""

    def __init__(self, source: Source, at: int = 0) -> None:
        self.source, self.at = source, at

    def take(self, count: int) -> bytes:
        if count > self.source.size - self.at:
            raise MalformedError(
                f"is cut short: {count} bytes were to come, {self.source.size - self.at} are there",
                where=f"{_WHERE}, byte {self.at}", hint="Copy the file again",
            )  # fmt: skip
        data = self.source.read(self.at, count)
        self.at += count
        return data

    def header(self, kind: str, most: int, what: str) -> int:
        """The length that the next value declares; refused in any but the shortest form, and above ``most``."""
        start = self.at
        first = self.take(1)[0]
        zero, below = _SHORT[kind]
        if zero <= first < zero + below:
            count = first - zero
        elif first in _WIDE[kind]:
            count = int.from_bytes(self.take(_WIDE[kind][first]), "big")
        else:
            raise MalformedError(f"expected {what}", where=f"{_WHERE}, byte {start}", hint=_DAMAGED)
        if header(kind, count) != self.source.read(start, self.at - start):
            raise MalformedError(
                "a length that has a shorter form", where=f"{_WHERE}, byte {start}", hint=_DAMAGED
            )  # fmt: skip
        if count > most:
            raise LimitError(
                f"{what} of {count}, at most {most}", where=f"{_WHERE}, byte {start}", hint="Refused before reading it"
            )
        return count

    def binary(self, most: int, what: str) -> bytes:
        return self.take(self.header("b", most, what))


# By kind: the one-byte form of 0, and below which count it is used; first byte and width of the longer forms.
_SHORT = {"s": (0xA0, 32), "a": (0x90, 16), "b": (0x00, 0)}
_WIDE = {"s": {0xD9: 1, 0xDA: 2, 0xDB: 4}, "b": {0xC4: 1, 0xC5: 2, 0xC6: 4}, "a": {0xDC: 2, 0xDD: 4}}
_DAMAGED = "The file is damaged or was not written by this format"


def header(kind: str, count: int) -> bytes:
    """The shortest header of a string (``s``), byte string (``b``) or array (``a``) of ``count`` (MPKB-CP1, rule 2)."""
    zero, below = _SHORT[kind]
    if count < below:
        return bytes([zero | count])
    for first, width in _WIDE[kind].items():
        if count < 1 << 8 * width:
            return bytes([first]) + count.to_bytes(width, "big")
    raise LimitError(f"{count} fit no msgpack value", where=_WHERE)


def read_head(source: Source) -> Head:
    """Read the parts that are signed, and the signatures.

    Raises:
        MalformedError: Not a pack, cut short, or not canonical.
        LimitError: A declared size exceeds what we accept.
        UnsupportedError: Another major version or payload type.
    """
    start = source.read(0, min(7, source.size))
    if start != HEAD:
        for stem, (what, hint) in _OTHERS.items():
            if start.startswith(stem):
                raise MalformedError(what, where=f"{_WHERE}, byte 0", hint=hint)
        if len(start) == 7 and start[:6] == _STEM and 0x30 <= start[6] <= 0x39:
            raise UnsupportedError(f"a pack of version {chr(start[6])}", where=_WHERE, hint="Use a newer mpk-tui")
        raise MalformedError("does not start like a pack", where=f"{_WHERE}, byte 0")
    cursor = _Cursor(source, 7)
    kind = cursor.take(cursor.header("s", _TYPE_BYTES, "the payload type, a string"))
    if kind != PACK_TYPE.encode("ascii"):
        raise UnsupportedError(
            f"the payload is a {kind.decode('utf-8', 'backslashreplace')!r}", where=_WHERE, hint=f"Expected {PACK_TYPE}"
        )
    payload = cursor.binary(limits.MANIFEST_BYTES, "the manifest, a byte string")
    count = cursor.header("a", limits.SIGNATURES, "the signatures, an array")
    signatures = []
    for _ in range(count):
        if cursor.header("a", 2, "a signature, an array of two") != 2:
            raise MalformedError("expected an array of two", where=f"{_WHERE}.signatures", hint=_DAMAGED)
        keyid = cursor.binary(32, "a key id, a byte string")
        sig = cursor.binary(_SIGNATURE_BYTES, "a signature, a byte string")
        if len(keyid) != 32 or not sig:
            raise MalformedError(
                "expected a key id of 32 bytes and a signature", where=f"{_WHERE}.signatures", hint=_DAMAGED
            )
        signatures.append(Signature(keyid, sig))
    if not signatures:
        raise MalformedError("carries no signature", where=f"{_WHERE}.signatures")
    for a, b in pairwise(s.keyid for s in signatures):
        if a >= b:
            raise MalformedError("records twice or out of order", where=f"{_WHERE}.signatures")
    return Head(payload, tuple(signatures), cursor.at)


def read_contents(source: Source, head: Head) -> tuple[bytes, int]:
    """The bytes of the list, not yet held against their digest, and where the next part begins.

    Raises:
        MalformedError, LimitError: As for `read_head`.
    """
    cursor = _Cursor(source, head.end)
    return cursor.binary(CONTENTS_BYTES, "the list, a byte string"), cursor.at


def check_layout(source: Source, at: int, listed: Sequence[Listed]) -> None:
    """Whether the rest of a file has exactly the length that the list says.

    Raises:
        MalformedError: It is cut short, or bytes follow.
    """
    cursor = _Cursor(source, at)
    count = cursor.header("a", 1 << 32, "the records, an array")
    if count != len(listed):
        raise MalformedError(f"{count} records, the list names {len(listed)}", where=f"{_WHERE}.records")
    expected = cursor.at + sum(len(header("b", e.size)) + e.size for e in listed)
    if source.size < expected:
        raise MalformedError(
            f"is cut short: {source.size} bytes, {expected} were written", where=_WHERE, hint="Copy the file again"
        )
    if source.size > expected:
        raise MalformedError(f"{source.size - expected} bytes follow the last record", where=_WHERE)


def records(source: Source, at: int, listed: Sequence[Listed]) -> Iterator[tuple[Listed, bytes | None]]:
    """Every record in its order, one in memory at a time; None for one whose bytes are not those that are listed.

    Args:
        source: The pack file, whose layout was checked.
        at: Where the records begin (`read_contents`).
        listed: The list.

    Raises:
        MalformedError: A record's header is not that of a byte string of the listed size.
        UnstableFileError: The file was changed while it was read.
    """
    cursor = _Cursor(source, at)
    cursor.header("a", 1 << 32, "the records, an array")
    for number, entry in enumerate(listed):
        head = header("b", entry.size)
        if cursor.take(len(head)) != head:
            raise MalformedError(
                f"expected a byte string of {entry.size}", where=f"{_WHERE}.records[{number}]", hint=_DAMAGED
            )
        data = cursor.take(entry.size)
        yield entry, data if sha256(data) == entry.fingerprint else None
    source.check_unchanged()


def write(
    path: Path, payload: bytes, signatures: Sequence[Signature], contents: bytes, count: int, data: Iterable[bytes]
) -> None:
    """Write a pack file, whole or not at all, with one record in memory at a time.

    Args:
        path: Where.
        payload: The bytes that were signed.
        signatures: Over them.
        contents: Bytes of the list.
        count: Records that follow.
        data: The records, in the order of the list.

    Raises:
        StorageError: It cannot be written.
    """
    write_pieces(path, _pieces(payload, signatures, contents, count, data))


def _pieces(
    payload: bytes, signatures: Sequence[Signature], contents: bytes, count: int, data: Iterable[bytes]
) -> Iterator[bytes]:
    yield head_bytes(payload, signatures)
    yield header("b", len(contents)) + contents
    yield header("a", count)
    for one in data:
        yield header("b", len(one))
        yield one


def head_bytes(payload: bytes, signatures: Sequence[Signature]) -> bytes:
    """The first four parts of the file."""
    kind = PACK_TYPE.encode("ascii")
    packed: bytes = msgpack.packb(signature_rows(signatures), use_bin_type=True)
    return HEAD + header("s", len(kind)) + kind + header("b", len(payload)) + payload + packed


def changed(error: MpkError, source: Source) -> MpkError:
    """The error to tell of a pack: a file that changed under us is told as that and not as a damaged one."""
    try:
        source.check_unchanged()
    except UnstableFileError as unstable:
        return unstable
    return error
