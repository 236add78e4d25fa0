"""What a verification of a pack found: words and exit codes are those of bundles (`mpk_tui.bundle.outcome`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mpk_tui.bundle.outcome import CODES, ON_REQUEST, SHOWN, SignerReport, Word
from mpk_tui.bundle.trust import GIVEN_KEY, Edition
from mpk_tui.bundle.wording import when
from mpk_tui.errors import ExitCode
from mpk_tui.library.packs.body import Body, pack_id
from mpk_tui.library.packs.contents import Contents
from mpk_tui.records import dataclass, field

SCHEMA = "mpk-tui/pack/1"
MEANING = (
    "VALID means: signature and contents intact, issued by somebody whom you believe. Names, sources, licences and "
    "parents in a pack are claims of its issuers, and so is its time; a fingerprint shows what lies in its record, "
    "not that it was made from the model that it is named after."
)


@dataclass(frozen=True)
class PackOutcome:
    """What a verification of a pack found.

    Attributes:
        verdict: The word.
        words: What it means here, in a sentence or two.
        id: SHA-256 of the signed message, where the file could be read that far.
        body: The signed manifest; None where content must not be shown or could not be read.
        contents: The list, if the verdict lets it be shown.
        held_back: The same, where it may be shown only on request and under a banner.
        signers: One report for each declared signer, then for other signatures.
        notices: Anything else that a person should know.
        imported: This very pack was taken into the library before.
    """

    verdict: Word
    words: str
    id: bytes | None = None
    body: Body | None = None
    contents: Contents | None = None
    held_back: Contents | None = field(default=None, repr=False)
    signers: tuple[SignerReport, ...] = ()
    notices: tuple[str, ...] = ()
    imported: bool = False

    @property
    def code(self) -> ExitCode:
        """The exit code that belongs to the verdict."""
        return CODES[self.verdict]

    def shown(self, *, untrusted: bool = False) -> Contents | None:
        """The list, if it may be shown; ``untrusted`` is the person's explicit request."""
        return self.contents if self.contents is not None else self.held_back if untrusted else None


@dataclass
class Found:
    """State of one verification; the steps add to it, and a refusal is reported with what is there."""

    against: list[tuple[Word, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    signers: list[SignerReport] = field(default_factory=list)
    id: bytes | None = None
    body: Body | None = None
    contents: Contents | None = None
    imported: bool = False
    waiting: bool = False

    @property
    def word(self) -> Word:
        """The first word that applies."""
        return min((w for w, _ in self.against), key=list(Word).index, default=Word.VALID)

    def outcome(self) -> PackOutcome:
        """The answer, with whatever may be shown under it."""
        word = self.word
        may_read = word in SHOWN | ON_REQUEST
        reasons = [text for w, text in self.against if w is word]
        others = [text for w, text in self.against if w is not word and may_read]
        return PackOutcome(
            word, self._words(word, reasons), self.id, self.body if may_read else None,
            self.contents if word in SHOWN else None, self.contents if word in ON_REQUEST else None,
            tuple(self.signers), tuple(dict.fromkeys(others + self.notices)) if may_read else (), self.imported,
        )  # fmt: skip

    def _words(self, word: Word, reasons: list[str]) -> str:
        people = ", ".join(s.person for s in self.signers if s.state == "trusted" and s.person)
        whose = "with the key that you gave" if people == GIVEN_KEY else f"by {people}, whom you trust"
        why = "; ".join(reasons[:5]) + (f"; and {len(reasons) - 5} more" if len(reasons) > 5 else "")
        if word is Word.VALID:
            return f"Signed {whose}; complete. {MEANING}"
        if word is Word.UNTRUSTED:
            keys = ", ".join(k.hex()[:16] + "…" for s in self.signers for k in s.keyids if s.state != "ignored")
            return f"Consistent with key {keys}, but not trusted by you: {why}."
        if word is Word.PARTIAL:
            return f"Signed {whose} and intact, but not enough by itself: {why}."
        if word in (Word.EXPIRED, Word.REVOKED, Word.REPLAY):
            return f"Signed and intact, but not to be relied on: {why}."
        if word is Word.INCONSISTENT:
            return f"Signed and intact, but the list does not say what the records hold: {why}."
        if word is Word.ALTERED and self.waiting:
            return f"Not everybody who is declared has signed, or a signature was taken out: {why}."
        if word is Word.ALTERED:
            return f"The bytes differ from what was signed; by what cause is unknown: {why}."
        if word is Word.LIMIT:
            return f"Refused before reading it: {why}"
        return why


def verdict_line(outcome: PackOutcome) -> str:
    """The last line: ``VERDICT <word> <code>``."""
    return f"VERDICT {outcome.verdict} {int(outcome.code)}"


def as_record(
    outcome: PackOutcome, *, untrusted: bool = False, dated: int | None = None, edition: Edition | None = None
) -> dict[str, Any]:
    """The object of ``library pack show --json`` (schema ``mpk-tui/pack/1``).

    Args:
        outcome: Of a verification.
        untrusted: The person asked to see content that is not trusted.
        dated: When the trust store was last changed, milliseconds.
        edition: Which signed trust store it is, if it is one.
    """
    shown = outcome.shown(untrusted=untrusted)
    b = outcome.body if shown is not None else None
    return {
        "schema": SCHEMA, "verdict": outcome.verdict.value, "code": int(outcome.code), "words": outcome.words,
        "meaning": MEANING, "pack": outcome.id.hex() if outcome.id else None, "imported": outcome.imported,
        "trust_dated": dated, "trust_store": None if edition is None else edition.number,
        "manifest": None if b is None else {
            "name": b.name, "version": b.version, "kind": b.kind,
            "prev": None if b.prev is None else {"version": b.prev.version, "id": b.prev.id.hex()},
            "created": b.created,
            "clock": {"source": b.clock.source, "utc_offset": b.clock.utc_offset, "trusted": b.clock.trusted},
            "statement": b.statement, "tool": f"{b.tool.name} {b.tool.version}", "entries": b.entries,
            "revoked": b.revoked,
        },
        "signers": [
            {"id": s.id, "role": s.role, "keys": [k.hex() for k in s.keyids], "state": s.state, "person": s.person,
             "reason": s.reason}
            for s in outcome.signers
        ],
        "entries": [
            {"fingerprint": e.fingerprint.hex(), "size": e.size, "root": e.root.hex(), **e.facts.as_record(),
             "who": e.who, "at": e.at, "via": None if not e.via.pack else {
                 "pack": e.via.pack.hex(), "name": e.via.pack_name, "version": e.via.pack_version}}
            for e in (() if shown is None else shown.entries)
        ],
        "revoked": [
            {"fingerprint": r.fingerprint.hex(), "name": r.name, "reason": r.reason, "since": r.since}
            for r in (() if shown is None else shown.revoked)
        ],
        "notices": list(outcome.notices) if shown is not None else [],
    }  # fmt: skip


def lines(outcome: PackOutcome, *, untrusted: bool = False, entries: bool = True) -> list[str]:
    """The outcome as lines for people, without the last one (`verdict_line`).

    Args:
        outcome: Of a verification.
        untrusted: The person asked to see content that is not trusted.
        entries: List what it holds, one by one.
    """
    shown = outcome.shown(untrusted=untrusted)
    out: list[str] = []
    if outcome.verdict in ON_REQUEST and shown is not None:
        out += [f"*** {outcome.verdict}: what follows is not to be relied on ***", ""]
    if outcome.id is not None:
        out.append(f"pack     {outcome.id.hex()}")
    for s in outcome.signers:
        out.append(_signer_line(s))
    body = outcome.body
    if shown is not None and body is not None:
        out += _head(body)
        if outcome.imported:
            out.append("here     it was taken into this library before")
        if entries:
            out += _entry_lines(shown)
        out += [f"note: {n}" for n in outcome.notices]
    elif outcome.verdict in ON_REQUEST:
        out.append("What it holds is not shown; mpk-tui library pack show --show-untrusted does, below a warning")
    out += ["", outcome.words]
    return out


def signed_lines(body: Body, contents: Contents) -> list[str]:
    """What whoever signs puts their name under."""
    return [f"pack     {pack_id(body.to_bytes()).hex()}", *_head(body), *_entry_lines(contents), ""]


def _signer_line(s: SignerReport) -> str:
    keys = ", ".join(k.hex()[:16] + "…" for k in s.keyids)
    who = f"{s.id} ({s.role})" if s.id else "somebody whom nobody declared"
    known = f", {s.person} in your trust store" if s.person and s.person != GIVEN_KEY else ""
    return f"signer   {who}, key {keys}: {s.state}{known}{f'; {s.reason}' if s.reason else ''}"


def _head(b: Body) -> Iterable[str]:
    after = f", after version {b.prev.version} ({b.prev.id.hex()[:16]}…)" if b.prev else ""
    clock = f"clock {b.clock.source}, {'called trusted' if b.clock.trusted else 'not called trusted'}; a claim"
    yield f"name     {b.name}, version {b.version}, {b.kind}{after}"
    yield f"made     {when(b.created)} ({clock}) with {b.tool.name} {b.tool.version}"
    if b.statement:
        yield f"says     {b.statement}"
    yield f"holds    {b.entries} fingerprints, {b.revoked} revocations"


def _entry_lines(contents: Contents) -> Iterable[str]:
    for e in contents.entries:
        yield ""
        yield f"{e.facts.name}"
        yield f"  fingerprint  {e.fingerprint.hex()}"
        yield f"  tensor root  {e.root.hex()}"
        for label, value in (
            ("aliases", ", ".join(e.facts.aliases)), ("source", e.facts.source), ("licence", e.facts.licence),
            ("location", e.facts.location), ("note", e.facts.note),
        ):  # fmt: skip
            if value:
                yield f"  {label:<11}  {value}"
        for p in e.facts.parents:
            kind = f"evidence of kind {p.kind}" if p.kind else "no evidence given: a claim"
            how = f", mechanism {p.mechanism}" if p.mechanism else ""
            yield f"  documented as made from {p.name or (p.fingerprint or p.root).hex()}{how} ({kind}): {p.evidence}"
            if p.source:
                yield f"    source     {p.source}"
        yield f"  added        {when(e.at)} by {e.who or 'nobody named'} (claims)"
        if e.via.pack:
            yield f"  came to the issuer with pack {e.via.pack_name}, version {e.via.pack_version}"
    for r in contents.revoked:
        yield ""
        yield f"revoked  {r.name or r.fingerprint.hex()[:16]}: {r.reason} (since {when(r.since)})"
        yield f"  fingerprint  {r.fingerprint.hex()}"
