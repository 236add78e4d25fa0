"""The signed manifest of a pack: which pack, which number, by whom, and a digest of the list of what it holds.

It is small, whatever the pack holds, so that an agent or a token can sign it: the list of entries is a part of the file
of its own (`mpk_tui.library.packs.contents`), which the manifest names by size and SHA-256, and the list names every
fingerprint record in turn.  Shapes are checked as those of a bundle are (`mpk_tui.bundle.schema`).
"""

from __future__ import annotations

from typing import Any

from mpk_tui import canonical
from mpk_tui.bundle import limits
from mpk_tui.bundle.dsse import PACK_TYPE, pae
from mpk_tui.bundle.manifest import SIGNER, Signer, read_signer
from mpk_tui.bundle.schema import (
    Check,
    Reading,
    boolean,
    canonical_map,
    choice,
    digest,
    integer,
    listing,
    maybe,
    moment,
    record,
    row,
    text,
)
from mpk_tui.bundle.suites import SUITES
from mpk_tui.errors import MalformedError, UnsupportedError
from mpk_tui.hashtree import sha256
from mpk_tui.records import dataclass, field

VERSION = (1, 0)
FULL, DELTA = "full", "delta"
ROLE = "issuer"
"""In which everybody signs a pack; what a trust store must grant (or every role)."""
NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""Of a pack."""
MOST_VERSION = 1 << 31
MOST_ENTRIES = 1 << 16
MOST_SIGNERS = 8
CONTENTS_BYTES = 64 << 20
RECORD_BYTES = 256 << 20
"""Of one fingerprint record: what `mpk_tui.fingerprint.record` reads."""
_WHERE = "manifest"


@dataclass(frozen=True)
class Earlier:
    """The pack before: its number and its id."""

    version: int
    id: bytes


@dataclass(frozen=True)
class Clock:
    """Where the time came from, and what is claimed of it (as in a case's journal)."""

    source: str = "system"
    utc_offset: int = 0
    trusted: bool = False


@dataclass(frozen=True)
class Made:
    """What made the pack: name and version of the program, digest of its code; nothing of the machine."""

    name: str
    version: str
    code_sha256: bytes


@dataclass(frozen=True)
class Body:
    """The signed manifest.

    Attributes:
        suite: Fixed set of algorithms, ``s1`` or ``s2``.
        name: Of the pack; with its issuers it says which line of packs this one continues.
        version: Number within that line, from 1.
        kind: `FULL`, or `DELTA`: only what is new or changed since the pack before it.
        prev: The pack before it; always there for a delta.
        created: Milliseconds since 1970, UTC: a claim of the issuers.
        clock: Where that time came from.
        statement: What the issuers say of the pack.
        tool: What made it.
        signers: Everyone whose signature must be present and good.
        contents: SHA-256 of the list.
        contents_size: Its bytes.
        entries: Fingerprints in the list, and in the file.
        revoked: Revocations in the list.
        crit: Fields that a reader must understand.
        schema: Major and minor number of the format.
        unknown: Fields of a newer minor version that were passed over (reading only).
    """

    suite: str
    name: str
    version: int
    kind: str
    prev: Earlier | None
    created: int
    clock: Clock
    statement: str
    tool: Made
    signers: tuple[Signer, ...]
    contents: bytes
    contents_size: int
    entries: int
    revoked: int
    crit: tuple[str, ...] = ()
    schema: tuple[int, int] = VERSION
    unknown: tuple[str, ...] = field(default=(), compare=False)

    @property
    def keyids(self) -> tuple[bytes, ...]:
        """Ids of all declared keys, ascending: who issued it."""
        return tuple(sorted(key.keyid for signer in self.signers for key in signer.keys))

    def to_bytes(self) -> bytes:
        """Canonical bytes: the payload that is signed."""
        return canonical.encode(
            {
                "v": list(self.schema), "suite": self.suite, "name": self.name, "version": self.version,
                "kind": self.kind,
                "prev": None if self.prev is None else {"version": self.prev.version, "id": self.prev.id},
                "created": self.created,
                "clock": {
                    "source": self.clock.source, "utc_offset": self.clock.utc_offset, "trusted": self.clock.trusted,
                },
                "statement": self.statement,
                "tool": {
                    "name": self.tool.name, "version": self.tool.version, "code_sha256": self.tool.code_sha256,
                },
                "signers": [
                    {"id": s.id, "role": s.role, "keys": [{"alg": k.alg, "pub": k.raw} for k in s.keys]}
                    for s in self.signers
                ],
                "contents": {
                    "sha256": self.contents, "size": self.contents_size, "entries": self.entries,
                    "revoked": self.revoked,
                },
                "crit": list(self.crit),
            },
            limits.MANIFEST,
        )  # fmt: skip


_FIELDS: dict[str, Check] = {
    "v": row(integer(), integer()),
    "suite": text(16),
    "name": text(64, NAME),
    "version": integer(1, MOST_VERSION),
    "kind": choice(FULL, DELTA),
    "prev": maybe(record({"version": integer(1, MOST_VERSION), "id": digest})),
    "created": moment,
    "clock": record({"source": text(128), "utc_offset": integer(-86_400, 86_400), "trusted": boolean}),
    "statement": text(1 << 16),
    "tool": record({"name": text(64), "version": text(64), "code_sha256": digest}),
    "signers": listing(SIGNER, MOST_SIGNERS, 1),
    "contents": record(
        {"sha256": digest, "size": integer(1, CONTENTS_BYTES), "entries": integer(0, MOST_ENTRIES),
         "revoked": integer(0, MOST_ENTRIES)}
    ),
    "crit": listing(text(64), 64),
}  # fmt: skip
BODY = record(_FIELDS)


def pack_id(payload: bytes) -> bytes:
    """SHA-256 of the signed message of a manifest: the pack's identity."""
    return sha256(pae(PACK_TYPE, payload))


def parse(payload: bytes) -> Body:
    """Read the payload of a pack.  Who signed it is not looked at.

    Raises:
        MalformedError: Not a canonical manifest of this schema, or it contradicts itself.
        LimitError: A declared size exceeds what we accept.
        UnsupportedError: A newer major version, an unknown suite, or a critical field that we do not know.
    """
    value = canonical_map(payload, limits.MANIFEST, _WHERE)
    _FIELDS["v"](value["v"], f"{_WHERE}.v", Reading())
    major, minor = value["v"]
    if major != VERSION[0]:
        raise UnsupportedError(f"pack version {major}.{minor}", where=_WHERE, hint="Use a newer mpk-tui")
    reading = Reading(newer=minor > VERSION[1])
    BODY(value, _WHERE, reading)
    unknown = [name for name in value["crit"] if name not in _FIELDS]
    if unknown:
        raise UnsupportedError(
            f"field {unknown[0]!r} must be understood and is not", where=_WHERE, hint="Use a newer mpk-tui"
        )
    if value["suite"] not in SUITES:
        raise UnsupportedError(f"suite {value['suite']!r}", where=_WHERE, hint="Use a newer mpk-tui")
    return _checked(_body(value, (major, minor), reading.passed_over))


def _body(value: dict[str, Any], schema: tuple[int, int], unknown: tuple[str, ...]) -> Body:
    prev, clock, tool, held = value["prev"], value["clock"], value["tool"], value["contents"]
    signers = tuple(read_signer(s, value["suite"], f"{_WHERE}.signers[{n}]") for n, s in enumerate(value["signers"]))
    return Body(
        value["suite"], value["name"], value["version"], value["kind"],
        None if prev is None else Earlier(prev["version"], prev["id"]), value["created"],
        Clock(clock["source"], clock["utc_offset"], clock["trusted"]), value["statement"],
        Made(tool["name"], tool["version"], tool["code_sha256"]), signers, held["sha256"], held["size"],
        held["entries"], held["revoked"], tuple(value["crit"]), schema, unknown,
    )  # fmt: skip


def _checked(body: Body) -> Body:
    if body.kind == DELTA and body.prev is None:
        raise MalformedError("a delta that names no pack before it", where=f"{_WHERE}.prev")
    if body.prev is not None and body.prev.version >= body.version:
        raise MalformedError(
            f"version {body.version} after version {body.prev.version}", where=f"{_WHERE}.prev",
            hint="A pack names one with a smaller number",
        )  # fmt: skip
    for signer in body.signers:
        if signer.role != ROLE:
            raise MalformedError(
                f"{signer.id!r} signs as {signer.role!r}; a pack is signed as {ROLE}", where=f"{_WHERE}.signers"
            )
    if len({s.id for s in body.signers}) != len(body.signers):
        raise MalformedError("one id for two signers", where=f"{_WHERE}.signers")
    if len(set(body.keyids)) != len(body.keyids):
        raise MalformedError("one key for two signers", where=f"{_WHERE}.signers")
    return body
