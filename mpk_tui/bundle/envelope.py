"""The outermost layer of a bundle file: magic, payload, signatures, endorsements, blobs.

One canonical msgpack array of six: ``["MPKB1", payloadType, payload, signatures, endorsements, blobs]``.  Nothing in
it is believed because it stands here: signature records carry neither algorithm nor name nor time, endorsements and
blobs are bound to the signed payload by digests.  The first seven bytes are the same in every bundle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgpack

from mpk_tui import canonical
from mpk_tui.bundle import limits
from mpk_tui.bundle.limits import DEFAULT, Bounds
from mpk_tui.bundle.schema import Check, Reading, binary, listing, row, text
from mpk_tui.errors import MalformedError, UnsupportedError
from mpk_tui.hashtree import sha256
from mpk_tui.records import dataclass

MAGIC = "MPKB1"
HEAD = b"\x96\xa5MPKB1"
_STEM = HEAD[:6]
_PACK = b"\x96\xa5MPKL"
"""How packs start (docs/pack-format.md): people will take one for a bundle."""
SUFFIX = ".mpkb"


@dataclass(frozen=True)
class Signature:
    """One signature record: which key claims to have signed, and the signature's bytes."""

    keyid: bytes
    sig: bytes


@dataclass(frozen=True)
class SealedEndorsement:
    """An endorsement as it travels: its body and the signatures over it."""

    body: bytes
    signatures: tuple[Signature, ...]


@dataclass(frozen=True)
class Blob:
    """Content of a section: id, salt (32 bytes or empty), data."""

    id: str
    salt: bytes
    data: bytes


@dataclass(frozen=True)
class Envelope:
    """A bundle file, taken apart and not yet believed."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]
    endorsements: tuple[SealedEndorsement, ...]
    blobs: tuple[Blob, ...]

    def to_bytes(self) -> bytes:
        """Canonical bytes of the file."""
        return canonical.encode(
            [
                MAGIC,
                self.payload_type,
                self.payload,
                signature_rows(self.signatures),
                [[e.body, signature_rows(e.signatures)] for e in self.endorsements],
                [[b.id, b.salt, b.data] for b in sorted(self.blobs, key=lambda b: b.id.encode("ascii"))],
            ],
            limits.OUTER,
        )


def signature_rows(signatures: Sequence[Signature]) -> list[list[bytes]]:
    """Signature records in their order on file: ascending by key id."""
    return [[s.keyid, s.sig] for s in sorted(signatures, key=lambda s: s.keyid)]


def signatures_digest(signatures: Sequence[Signature]) -> bytes:
    """What an endorsement names as ``sigs``: SHA-256 of the canonical signatures array."""
    return sha256(canonical.encode(signature_rows(signatures), limits.OUTER))


SIGNATURE_ROWS = listing(row(binary(32, 32), binary(1, 8192)), limits.SIGNATURES)
OUTER: Check = row(
    text(16),
    text(256),
    binary(1, limits.MANIFEST_BYTES),
    SIGNATURE_ROWS,
    listing(row(binary(1, limits.ENDORSEMENT_BYTES), SIGNATURE_ROWS), limits.ENDORSEMENTS),
    listing(row(text(128), binary(0, 32), binary(0, limits.BLOB_BYTES)), limits.SECTIONS),
)


def parse(data: bytes, *, unsigned: bool = False, bounds: Bounds = DEFAULT) -> Envelope:
    """Take a bundle file apart.

    Args:
        data: The whole file.
        unsigned: Accept a file that nobody has signed yet.
        bounds: What is accepted.

    Raises:
        LimitError: Too large, or a declared size is.
        MalformedError: Not a canonical envelope, or records out of order or twice.
        UnsupportedError: An envelope of another major version.
    """
    where = "bundle"
    bounds.check(limits.FILE_BYTES, len(data), where)
    if data[:7] != HEAD:
        if len(data) >= 7 and data[:6] == _STEM and 0x30 <= data[6] <= 0x39:
            raise UnsupportedError(
                f"an envelope of version {chr(data[6])}", where=where, hint="Use a newer version of mpk-tui"
            )
        if data[:6] == _PACK:
            raise MalformedError(
                "is a pack of reference fingerprints, no evidence bundle", where=f"{where}, byte 0",
                hint="mpk-tui library pack show looks into packs",
            )  # fmt: skip
        raise MalformedError("does not start like an evidence bundle", where=f"{where}, byte 0")
    value = canonical.decode(data, bounds.outer, where=where)
    payload = value[2] if isinstance(value, list) and len(value) == 6 else b""
    if isinstance(payload, bytes):
        bounds.check(limits.MANIFEST_BYTES, len(payload), "manifest")
    OUTER(value, where, Reading(bounds=bounds))
    # A second, independent check of the canonical form; piece by piece, for blobs are large.
    if not _as_written(value, data):
        raise MalformedError("is not in canonical form", where=where)
    envelope = Envelope(
        value[1],
        value[2],
        _signatures(value[3], f"{where}.signatures", empty=unsigned),
        tuple(
            SealedEndorsement(body, _signatures(rows, f"{where}.endorsements[{n}]", empty=False))
            for n, (body, rows) in enumerate(value[4])
        ),
        tuple(Blob(*b) for b in value[5]),
    )
    _ascending([b.id.encode("utf-8") for b in envelope.blobs], f"{where}.blobs")
    for blob in envelope.blobs:
        if len(blob.salt) not in (0, 32):
            raise MalformedError(f"a salt of {len(blob.salt)} bytes; 0 or 32 are allowed", where=f"{where}.blobs")
    return envelope


def _as_written(value: Any, data: bytes) -> bool:
    """Whether the library would have written these bytes, without writing all of them beside the ones at hand."""
    view, at = memoryview(data), 0
    for piece in _pieces(value, msgpack.Packer(use_bin_type=True)):
        if view[at : at + len(piece)] != piece:
            return False
        at += len(piece)
    return at == len(data)


def _pieces(value: Any, packer: msgpack.Packer) -> Iterator[bytes]:
    if isinstance(value, list):
        yield packer.pack_array_header(len(value))
        for one in value:
            yield from _pieces(one, packer)
    elif isinstance(value, bytes) and len(value) >= 1 << 16:
        yield b"\xc6" + len(value).to_bytes(4, "big")  # bin 32
        yield value
    else:
        yield packer.pack(value)


def _signatures(rows: list[Any], where: str, *, empty: bool) -> tuple[Signature, ...]:
    if not rows and not empty:
        raise MalformedError("carries no signature", where=where, hint="Sign it with: mpk-tui bundle sign")
    _ascending([r[0] for r in rows], where)
    return tuple(Signature(*r) for r in rows)


def _ascending(keys: list[bytes], where: str) -> None:
    for a, b in pairwise(keys):
        if a >= b:
            raise MalformedError("records twice or out of order", where=where)
