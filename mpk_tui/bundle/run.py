"""What one verification knows so far, and the outcome that follows from it."""

from __future__ import annotations

from typing import Any

from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.manifest import Manifest
from mpk_tui.bundle.outcome import (
    MEANING,
    ON_REQUEST,
    SHOWN,
    EndorsementReport,
    Outcome,
    PairReport,
    SectionReport,
    SignerReport,
    Word,
)
from mpk_tui.bundle.trust import GIVEN_KEY
from mpk_tui.records import dataclass, field


@dataclass
class Run:
    """State of one verification; the steps add to it, and a refusal is reported with what is there.

    Attributes:
        found: What speaks against VALID: the word, and why.
        notices: What a person should know besides.
        dissent: Trusted people who dissent, for the words beside the verdict.
        waiting: Declared signatures are missing, and nothing else is wrong with the signatures.
    """

    found: list[tuple[Word, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    bundle_id: bytes | None = None
    manifest: Manifest | None = None
    signers: list[SignerReport] = field(default_factory=list)
    sections: list[SectionReport] = field(default_factory=list)
    endorsed: list[EndorsementReport] = field(default_factory=list)
    dissent: list[str] = field(default_factory=list)
    waiting: bool = False
    pairs: tuple[PairReport, ...] = ()
    contradictions: tuple[str, ...] = ()
    content: dict[str, Any] = field(default_factory=dict)
    first_seen: int | None = None

    @property
    def altered(self) -> bool:
        """The bytes are not those that were signed: nothing that hangs on them is looked into."""
        return any(word is Word.ALTERED for word, _ in self.found)

    def outcome(self) -> Outcome:
        """The first word that applies, and whatever may be shown under it."""
        rank = list(Word)
        word = min((w for w, _ in self.found), key=rank.index, default=Word.VALID)
        reasons = [text for w, text in self.found if w is word]
        others = [text for w, text in self.found if w is not word and word in SHOWN | ON_REQUEST]
        may_read = word in SHOWN or word in ON_REQUEST
        contents = None
        if may_read and self.manifest is not None:
            m = self.manifest
            contents = Contents(m.case, m.seq, m.prev, m.created, m.tool, self.content)
        return Outcome(
            word,
            self._words(word, reasons),
            self.bundle_id,
            self.manifest if may_read else None,
            tuple(self.signers),
            tuple(self.sections),
            tuple(self.endorsed) if may_read else (),
            self.pairs if may_read else (),
            self.contradictions if may_read else (),
            tuple(dict.fromkeys(others + self.notices)) if may_read else (),
            contents if word in SHOWN else None,
            contents if word in ON_REQUEST else None,
            first_seen=self.first_seen if may_read else None,
        )

    def _words(self, word: Word, reasons: list[str]) -> str:
        people = ", ".join(s.person for s in self.signers if s.state == "trusted" and s.person)
        why = "; ".join(reasons[:5]) + (f"; and {len(reasons) - 5} more" if len(reasons) > 5 else "")
        dissent = f" Against it: {'; '.join(self.dissent)}." if self.dissent else ""
        whose = "with the key that you gave" if people == GIVEN_KEY else f"by {people}, whom you trust"
        if word is Word.VALID:
            return f"Signed {whose}; complete.{dissent} {MEANING}"
        if word is Word.PARTIAL:
            return (
                f"Signed {whose}; not complete: {why}.{dissent} What is here is intact; this does not endorse the "
                "conclusion."
            )
        if word is Word.UNTRUSTED:
            keys = ", ".join(k.hex()[:16] + "…" for s in self.signers for k in s.keyids if s.state != "ignored")
            return f"Consistent with key {keys}, but not trusted by you: {why}.{dissent}"
        if word in (Word.EXPIRED, Word.REVOKED, Word.REPLAY):
            return f"Signed and intact, but not to be relied on: {why}.{dissent}"
        if word is Word.INCONSISTENT:
            return f"Signed and intact, but the verdict does not follow from what the bundle holds: {why}.{dissent}"
        if word is Word.ALTERED and self.waiting:
            return f"Not everybody who is declared has signed, or a signature was taken out: {why}."
        if word is Word.ALTERED:
            return f"The bytes differ from what was signed; by what cause is unknown: {why}."
        if word is Word.LIMIT:
            return f"Refused before reading it: {why}"
        return why
