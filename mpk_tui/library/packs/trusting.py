"""Whether the issuers of what a library holds are believed today: every pack's signed manifest, held against a store.

A key that was revoked after a pack was taken in does not take its entries out; it is said which they are, and a person
decides.  Manifests and signatures were kept when the packs were taken in, so nothing but the library is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mpk_tui.bundle.dsse import PACK_TYPE, pae
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.signers import check_signatures
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.library.catalogue import Catalogue
from mpk_tui.library.entry import Entry
from mpk_tui.library.packs.body import Body
from mpk_tui.library.packs.importing import manifests
from mpk_tui.library.packs.outcome import Found
from mpk_tui.library.packs.verify import weigh
from mpk_tui.records import dataclass

SCHEMA = "mpk-tui/packs/1"


@dataclass(frozen=True)
class Standing:
    """One pack that was taken in, and how its issuers stand today.

    Attributes:
        id: SHA-256 of its signed message.
        body: Its signed manifest.
        at: When it was taken in, milliseconds since 1970, UTC.
        who: By whom.
        verdict: VALID where its issuers are believed today, else the word that a verification would give.
        why: Sentences; empty for VALID.
        entries: Entries of the library that say what this pack says.
    """

    id: bytes
    body: Body
    at: int
    who: str
    verdict: Word
    why: tuple[str, ...]
    entries: tuple[Entry, ...]

    def as_record(self) -> dict[str, Any]:
        """Plain form, digests as hex."""
        b = self.body
        return {
            "pack": self.id.hex(), "name": b.name, "version": b.version, "kind": b.kind, "created": b.created,
            "issuers": [
                {"id": s.id, "keys": [k.keyid.hex() for k in s.keys]} for s in b.signers
            ],
            "taken_in": self.at, "by": self.who, "verdict": self.verdict.value, "why": list(self.why),
            "entries": [{"id": e.id, "name": e.name, "fingerprint": e.fingerprint.hex()} for e in self.entries],
        }  # fmt: skip


def standings(catalogue: Catalogue, store: TrustStore, now: int) -> list[Standing]:
    """Every pack that a library took in, oldest first, held against a trust store.

    Args:
        catalogue: The library.
        store: Whom to believe.
        now: This machine's clock, milliseconds since 1970, UTC.

    Raises:
        MalformedError: A manifest in the catalogue is not the one that was kept.
    """
    came: dict[bytes, list[Entry]] = {}
    for entry in catalogue.entries(revoked=True):
        if entry.origin.pack:
            came.setdefault(entry.origin.pack, []).append(entry)
    out = []
    for kept in manifests(catalogue):
        body, pack = kept.body, kept.pack
        found = Found(id=pack.id, body=body)
        checked = check_signatures(pae(PACK_TYPE, kept.payload), kept.signatures, body.signers, store)
        found.against += [(Word.ALTERED, fault) for fault in checked.faults]
        # Alone: a later version of its line does not speak against an earlier one that is here already.
        weigh(found, body, store, now, [pack])
        why = tuple(text for word, text in found.against if word is found.word)
        out.append(Standing(pack.id, body, pack.at, kept.who, found.word, why, tuple(came.pop(pack.id, ()))))
    return out


def orphans(catalogue: Catalogue, found: Sequence[Standing]) -> list[Entry]:
    """Entries that name a pack of which the catalogue keeps no manifest: who issued them cannot be checked."""
    known = {s.id for s in found}
    return [e for e in catalogue.entries(revoked=True) if e.origin.pack and e.origin.pack not in known]


def as_record(found: Sequence[Standing]) -> dict[str, Any]:
    """The object of ``library packs --json`` (schema ``mpk-tui/packs/1``)."""
    return {"schema": SCHEMA, "packs": [s.as_record() for s in found]}


def lines(found: Sequence[Standing]) -> list[str]:
    """The same as lines for people."""
    from mpk_tui.bundle.wording import when

    out = []
    for s in found:
        b = s.body
        out.append(f"{b.name}, version {b.version}, {b.kind}: {len(s.entries)} entries, {s.verdict}")
        out.append(f"  pack     {s.id.hex()}")
        for signer in b.signers:
            out.append(f"  issuer   {signer.id}, key {', '.join(k.keyid.hex()[:16] + '…' for k in signer.keys)}")
        out.append(f"  made     {when(b.created)} (a claim); taken in {when(s.at)} by {s.who}")
        out += [f"  {s.verdict}: {reason}" for reason in s.why]
        if s.verdict is not Word.VALID:
            out += [f"    entry  {e.name} ({e.fingerprint.hex()[:16]})" for e in s.entries]
    return out
