"""The list of a pack: every fingerprint with what its issuers say of it, and what they take back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from mpk_tui import canonical
from mpk_tui.bundle.schema import Reading, binary, choice, digest, integer, listing, maybe, moment, record, text
from mpk_tui.canonical import Limits
from mpk_tui.errors import MalformedError, UsageError
from mpk_tui.library import entry as entries
from mpk_tui.library.entry import Facts, Origin, Parent
from mpk_tui.library.packs.body import MOST_ENTRIES, MOST_VERSION, NAME, RECORD_BYTES, Body
from mpk_tui.records import dataclass

LIMITS = Limits(depth=6, map_keys=32, array_items=MOST_ENTRIES, str_bytes=1 << 17, bin_bytes=64, nodes=8_000_000)
_WHERE = "contents"


@dataclass(frozen=True)
class Listed:
    """One fingerprint of a pack.

    Attributes:
        fingerprint: SHA-256 of its record.
        size: Bytes of the record.
        root: Tensor root, which the record must have.
        facts: What the issuers say of it.
        who: Who added it to their library: a claim.
        at: When, milliseconds since 1970, UTC: a claim.
        via: The pack that it came to them with, or an empty origin.
    """

    fingerprint: bytes
    size: int
    root: bytes
    facts: Facts
    who: str
    at: int
    via: Origin = entries.HERE


@dataclass(frozen=True)
class Revoked:
    """A fingerprint that the issuers take back: why, and since when (milliseconds, UTC: a claim)."""

    fingerprint: bytes
    name: str
    reason: str
    since: int


@dataclass(frozen=True)
class Contents:
    """The list: both in ascending order of fingerprints, no fingerprint twice, none in both."""

    entries: tuple[Listed, ...] = ()
    revoked: tuple[Revoked, ...] = ()

    def to_bytes(self) -> bytes:
        """Canonical bytes.

        Raises:
            MalformedError, LimitError: What no reader would accept.
        """
        value = {
            "entries": [_entry_record(e) for e in sorted(self.entries, key=lambda e: e.fingerprint)],
            "revoked": [
                {"fingerprint": r.fingerprint, "name": r.name, "reason": r.reason, "since": r.since}
                for r in sorted(self.revoked, key=lambda r: r.fingerprint)
            ],
        }
        data = canonical.encode(value, LIMITS)
        read(data)  # what we write, we can read
        return data


def _entry_record(e: Listed) -> dict[str, Any]:
    f = e.facts
    via = e.via
    return {
        "fingerprint": e.fingerprint, "size": e.size, "root": e.root, "name": f.name, "aliases": list(f.aliases),
        "source": f.source, "licence": f.licence, "location": f.location, "note": f.note,
        "parents": [
            {"name": p.name, "fingerprint": p.fingerprint, "root": p.root, "mechanism": p.mechanism, "kind": p.kind,
             "evidence": p.evidence, "source": p.source}
            for p in f.parents
        ],
        "who": e.who, "at": e.at,
        "via": None if not via.pack else {"pack": via.pack, "name": via.pack_name, "version": via.pack_version},
    }  # fmt: skip


# Characters of an entry's texts are counted by `entry.checked`; a character has up to four bytes.
_NAME = text(4 * entries.MOST_NAME)
_LINE = text(4 * entries.MOST_LINE)
_TEXT = text(4 * entries.MOST_TEXT)
_DIGEST_OR_NONE = binary(0, 32)
_PARENT = record(
    {"name": _NAME, "fingerprint": _DIGEST_OR_NONE, "root": _DIGEST_OR_NONE, "mechanism": text(8),
     "kind": choice(*entries.KINDS), "evidence": _TEXT, "source": _LINE}
)  # fmt: skip
_ENTRY = record(
    {
        "fingerprint": digest, "size": integer(1, RECORD_BYTES), "root": digest,
        "name": text(4 * entries.MOST_NAME, least=1), "aliases": listing(_NAME, entries.MOST_ALIASES),
        "source": _LINE, "licence": _LINE, "location": _LINE, "note": _TEXT,
        "parents": listing(_PARENT, entries.MOST_PARENTS), "who": _NAME, "at": moment,
        "via": maybe(record({"pack": digest, "name": text(64, NAME), "version": integer(1, MOST_VERSION)})),
    }
)  # fmt: skip
_REVOKED = record({"fingerprint": digest, "name": _NAME, "reason": text(4 * entries.MOST_LINE, least=1),
                   "since": moment})  # fmt: skip
CONTENTS = record({"entries": listing(_ENTRY, MOST_ENTRIES), "revoked": listing(_REVOKED, MOST_ENTRIES)})
"""Shape of the list."""


def read(data: bytes, *, newer: bool = False) -> Contents:
    """Read the bytes of a list.

    Args:
        data: As the file holds them.
        newer: The pack's minor version is newer than ours: unknown fields are passed over.

    Raises:
        MalformedError: Not canonical, not of this shape, out of order, or facts that no entry can have.
        LimitError: A declared size exceeds what we accept.
    """
    value = canonical.decode(data, LIMITS, where=_WHERE)
    CONTENTS(value, _WHERE, Reading(newer=newer))
    found = Contents(
        tuple(_entry(e, f"{_WHERE}.entries[{n}]") for n, e in enumerate(value["entries"])),
        tuple(Revoked(r["fingerprint"], r["name"], r["reason"], r["since"]) for r in value["revoked"]),
    )
    _ascending([e.fingerprint for e in found.entries], f"{_WHERE}.entries")
    _ascending([r.fingerprint for r in found.revoked], f"{_WHERE}.revoked")
    both = {e.fingerprint for e in found.entries} & {r.fingerprint for r in found.revoked}
    if both:
        raise MalformedError(f"fingerprint {min(both).hex()} is both listed and revoked", where=_WHERE)
    return found


def _entry(value: Mapping[str, Any], where: str) -> Listed:
    facts = Facts(
        value["name"], tuple(value["aliases"]), value["source"], value["licence"], value["location"], value["note"],
        tuple(
            Parent(p["name"], p["fingerprint"], p["root"], p["mechanism"], p["kind"], p["evidence"], p["source"])
            for p in value["parents"]
        ),
    )  # fmt: skip
    try:
        fits = entries.checked(facts, where=where)
    except UsageError as error:
        raise MalformedError(error.what, where=where) from None
    if fits != facts:
        raise MalformedError(
            "holds texts that a catalogue would change: spaces at an end, an empty or a second alias, a NUL",
            where=where,
        )
    via = value["via"]
    origin = entries.HERE if via is None else Origin(via["pack"], via["name"], via["version"])
    return Listed(value["fingerprint"], value["size"], value["root"], facts, value["who"], value["at"], origin)


def _ascending(keys: Sequence[bytes], where: str) -> None:
    for a, b in pairwise(keys):
        if a == b:
            raise MalformedError(f"fingerprint {a.hex()} is listed twice", where=where)
        if a > b:
            raise MalformedError("is not in ascending order of fingerprints", where=where)


def check_counts(contents: Contents, body: Body) -> None:
    """Whether the list holds as many as the manifest says.

    Raises:
        MalformedError: It does not.
    """
    for what, said, found in (
        ("entries", body.entries, len(contents.entries)),
        ("revoked", body.revoked, len(contents.revoked)),
    ):
        if said != found:
            raise MalformedError(f"{found} in the list, the manifest says {said}", where=f"{_WHERE}.{what}")


def folded(packs: Iterable[Contents]) -> Contents:
    """What packs of one line hold together, each in the place of what the ones before it said."""
    listed: dict[bytes, Listed] = {}
    revoked: dict[bytes, Revoked] = {}
    for one in packs:
        for e in one.entries:
            listed[e.fingerprint] = e
            revoked.pop(e.fingerprint, None)
        for r in one.revoked:
            revoked[r.fingerprint] = r
            listed.pop(r.fingerprint, None)
    return Contents(
        tuple(listed[k] for k in sorted(listed)),
        tuple(revoked[k] for k in sorted(revoked)),
    )
