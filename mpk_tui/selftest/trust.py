"""Whom a verifier believes, and when not: the frozen bundle where stores, clocks and expectations speak against it.

A verifier that finds every altered byte and believes everybody is as broken as one that finds none.  Each question
changes one thing about the store, the clock, the file, or what is known beforehand, and names the word that must come.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mpk_tui.bundle import consistency, dsse, endorsements, envelope, logbook, manifest, trust_file
from mpk_tui.bundle.commitments import Items
from mpk_tui.bundle.envelope import SealedEndorsement, Signature
from mpk_tui.bundle.later import proofs
from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.receipts import History, Receipt
from mpk_tui.bundle.suites import ED25519, PublicKey
from mpk_tui.bundle.trust import ANY, Person, Policy, Revocation, TrustedKey, TrustStore
from mpk_tui.bundle.verify import Expected, verify
from mpk_tui.hashtree import chain_head, sha256
from mpk_tui.selftest.bundles import KNOWN, NOW, PUBLIC, data
from mpk_tui.selftest.check import Question
from mpk_tui.text import clean

CREATED = 1_699_996_400_000
"""The date that the frozen bundle claims."""
_DAY = 24 * 3600 * 1000
# The base point and a point of order 8, added: well encoded, on the curve, and not of prime order.
_MIXED = bytes.fromhex("da99e28ba529cdde35a25fba9059e78ecaee239f99755b9b1aa4f65df00803e2")
_KEY = PublicKey(ED25519, PUBLIC)


def questions() -> list[Question]:
    """Revocation, validity, roles, thresholds, suites, freshness, redaction, endorsements, proofs, logs, rotation."""
    known = "the frozen bundle"
    return [
        Question(f"{known}, by a key stolen since", "REVOKED 13", lambda: _gone("compromised", 1)),
        Question(f"{known}, by a key replaced before", "REVOKED 13", lambda: _gone("left", -1)),
        Question(f"{known}, by a key replaced since", "VALID 0", lambda: _gone("superseded", 1)),
        Question(f"{known}, by a key of later", "EXPIRED 12", lambda: _word(_store(not_before=CREATED + 1))),
        Question(f"{known}, by a key that ended before", "EXPIRED 12", lambda: _word(_store(not_after=CREATED - 1))),
        Question(f"{known}, by a key that ended since", "EXPIRED 12", lambda: _word(_store(not_after=CREATED + 1))),
        Question(f"{known}, by somebody in another role", "UNTRUSTED 11", lambda: _word(_store("reviewer"))),
        Question(f"{known}, where two people are needed", "UNTRUSTED 11", lambda: _word(_store(needed=2))),
        Question(f"{known}, where suite s2 is asked for", "UNTRUSTED 11", lambda: _word(_store(min_suite="s2"))),
        Question(f"{known}, where another case is expected", "REPLAY 14", lambda: _word(expected=Expected("case-2"))),
        Question(f"{known}, where number 1 was seen", "REPLAY 14", lambda: _word(expected=Expected(last_seq=1))),
        Question(f"{known}, after number 1 in a log", "REPLAY 14", lambda: _word(expected=Expected(history=_seen()))),
        Question(f"{known}, two days before its date", "REPLAY 14", lambda: _word(now=CREATED - 2 * _DAY)),
        Question(f"{known} without its notes", "PARTIAL 10", lambda: _word(raw=_without_notes().to_bytes())),
        Question(f"{known} with an endorsement of another", "ALTERED 20", lambda: _word(raw=_endorsed("concur"))),
        Question(f"{known}, said to lack what it has", "ALTERED 20", lambda: _word(raw=_endorsed("redaction"))),
        Question("a key that is not of prime order", "UsageError", lambda: TrustStore((_person(_MIXED),))),
        Question("the proof of a tensor, and of another one in its place", "VALID, ALTERED", _proof),
        Question("evidence that cites a comparison which is not there", "refused", _uncited),
        Question("a log that grows, and one that was written anew", "continues, forks", _growth),
        Question("a log without its export", "MalformedError", lambda: logbook.check(Items((), b""), 0)),
        Question("a trust store that skips a number", "TrustStoreError", _skipped),
        Question("what steers a terminal", "\\x1b[2J\\u202e\\u200b\\x0a", lambda: clean("\x1b[2J\u202e\u200b\n")),
    ]  # fmt: skip


def _gone(reason: str, days: int) -> str:
    return _word(_store(revoked=Revocation(CREATED + days * _DAY, reason)))


def _person(raw: bytes = PUBLIC, role: str = ANY, **limits: Any) -> Person:
    return Person("known", "Known", frozenset({role}), (TrustedKey(PublicKey(ED25519, raw), **limits),))


def _store(role: str = ANY, needed: int = 1, min_suite: str = "s1", **limits: Any) -> TrustStore:
    return TrustStore((_person(PUBLIC, role, **limits),), Policy({ANY: needed}, min_suite))


def _word(
    store: TrustStore | None = None, now: int = NOW, expected: Expected | None = None, raw: bytes | None = None
) -> str:
    outcome = verify(data(KNOWN) if raw is None else raw, store or _store(), now, expected)
    return f"{outcome.verdict} {int(outcome.code)}"


def _seen() -> History:
    later = Receipt(0, NOW, "", Word.VALID, bytes(32), bytes(32), "case-1", 1, (_KEY.keyid,), bytes(32))
    return History((later.line().removesuffix(b"\n"),))


def _without_notes() -> envelope.Envelope:
    whole = envelope.parse(data(KNOWN))
    return replace(whole, blobs=tuple(b for b in whole.blobs if b.id != "notes"))


def _endorsed(kind: str) -> bytes:
    """With an endorsement by the same key that nobody signed: one of another bundle, or of what is not withheld."""
    whole = envelope.parse(data(KNOWN))
    about = bytes(32) if kind == "concur" else dsse.bundle_id(whole.payload)
    what = {"ids": ["notes"], "reason": "", "authority": ""} if kind == "redaction" else {}
    stranger = Signer("nobody", "reviewer", (PublicKey(ED25519, bytes(31) + b"\x01"),))
    sigs = envelope.signatures_digest(whole.signatures)
    body = endorsements.body(kind, about, sigs, CREATED, stranger, "", what)
    signature = Signature(stranger.keys[0].keyid, bytes(64))
    return replace(whole, endorsements=(SealedEndorsement(body, (signature,)),)).to_bytes()


def _proof() -> str:
    whole = envelope.parse(data(KNOWN))
    body = manifest.parse(whole.payload)
    one, other = (proofs.prove(whole, body, "S1", name) for name in ("a.weight", "b.weight"))
    made = (one, replace(one, item=other.item))
    return ", ".join(proofs.check(p.to_bytes(), _store(), NOW).verdict for p in made)


def _uncited() -> str:
    outcome = verify(data(KNOWN), _store(), NOW)
    assert outcome.contents is not None
    contents = replace(outcome.contents, sections={**outcome.contents.sections, "findings": []})
    _, wrong, _ = consistency.check(contents, {})
    return "refused" if any("cites a comparison that is not in the bundle" in w for w in wrong) else "taken"


def _growth() -> str:
    before, after = [sha256(b"one"), sha256(b"two")], [sha256(b"one"), sha256(b"two"), sha256(b"three")]
    heads = (chain_head(before), chain_head(before[::-1]))
    return ", ".join("continues" if logbook.extends(head, len(before), after) else "forks" for head in heads)


def _skipped() -> None:
    root = trust_file.Root(((_KEY,),), 1)
    one, three = (
        trust_file.draft(trust_file.Body(n, None if n == 1 else bytes(32), n, NOW, root, (), Policy(), ()))
        for n in (1, 3)
    )
    trust_file.check_successor(one, three, NOW)
