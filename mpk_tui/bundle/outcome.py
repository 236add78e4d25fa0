"""The result of a verification: a word, an exit code, and everything that a person needs to judge it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.manifest import Manifest
from mpk_tui.errors import ExitCode
from mpk_tui.records import dataclass, field, replace


class Word(StrEnum):
    """The verdicts on a bundle, strongest refusal first: the first that applies is given."""

    INTERNAL = "INTERNAL"
    LIMIT = "LIMIT"
    MALFORMED = "MALFORMED"
    UNSUPPORTED = "UNSUPPORTED"
    ALTERED = "ALTERED"
    REVOKED = "REVOKED"
    EXPIRED = "EXPIRED"
    UNTRUSTED = "UNTRUSTED"
    REPLAY = "REPLAY"
    INCONSISTENT = "INCONSISTENT"
    MISMATCH = "MISMATCH"
    PARTIAL = "PARTIAL"
    VALID = "VALID"


CODES: Mapping[Word, ExitCode] = {w: ExitCode.OK if w is Word.VALID else ExitCode[w.value] for w in Word}
SHOWN = frozenset({Word.VALID, Word.PARTIAL, Word.MISMATCH, Word.INCONSISTENT})
"""Verdicts under which the content may be shown."""
ON_REQUEST = frozenset({Word.UNTRUSTED, Word.EXPIRED, Word.REVOKED, Word.REPLAY})
"""Verdicts under which the content may be shown if the person asks for it, with a banner."""
MEANING = (
    "VALID means: signature and contents intact; this does not endorse the conclusion. The findings are the signers' "
    "claims; derivation is not a licensing question, and the signed time is a claim."
)


@dataclass(frozen=True)
class SignerReport:
    """One signature or declared signer.

    Attributes:
        id: As the manifest declares it; empty for a signature that nobody declared.
        role: As declared.
        keyids: Ids of the keys, recomputed.
        state: ``trusted``, ``untrusted``, ``expired``, ``revoked``, ``bad``, ``missing`` or ``ignored``.
        person: Name in the verifier's own store, or empty.
        reason: A sentence where the state needs one.
    """

    id: str
    role: str
    keyids: tuple[bytes, ...]
    state: str
    person: str = ""
    reason: str = ""


@dataclass(frozen=True)
class SectionReport:
    """One section: ``intact``, ``beside``, ``withheld``, ``partly withheld``, ``altered`` or ``not understood``.

    ``beside`` is an attachment that travels beside the bundle and was found there.  ``items`` are the numbers of the
    items that are withheld in part.
    """

    id: str
    kind: str
    size: int
    count: int
    state: str
    withheld: int = 0
    reason: str = ""
    items: tuple[int, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class EndorsementReport:
    """One endorsement: what kind, by whom, and whether it counts; ``detail`` says in words what its data say."""

    kind: str
    at: int
    id: str
    role: str
    state: str
    person: str = ""
    statement: str = ""
    keyids: tuple[bytes, ...] = ()
    detail: str = ""


@dataclass(frozen=True)
class PairReport:
    """The verdict on a pair: recomputed from norm, answers and evidence, and as it was signed.

    Attributes:
        pair: ``subject:reference``.
        recomputed: Plain form of the constitution's verdict, or None where answers or evidence are withheld.
        signed: Row of the ``verdict`` section, or None if it is withheld.
        agrees: Both are there and say the same; None if one is missing.
    """

    pair: str
    recomputed: Mapping[str, Any] | None
    signed: Mapping[str, Any] | None
    agrees: bool | None


@dataclass(frozen=True)
class Outcome:
    """What a verification found.

    Attributes:
        verdict: The word.
        words: One or two sentences that say what it means here.
        bundle_id: SHA-256 of the signed message, where the file could be read that far.
        manifest: The signed body; None where content must not be shown or could not be read.
        signers: One report for each declared signer, then for other signatures.
        sections: One for each section of the manifest.
        endorsements: In the order of the file.
        pairs: Verdicts by pair.
        contradictions: Why a bundle is INCONSISTENT.
        notices: Anything else that a person should know.
        contents: What the bundle says, if its verdict lets it be shown.
        held_back: The same, where it may be shown only on request and under a banner.
        checkpoint: Comparison with local checkpoints (see `mpk_tui.bundle.local.recheck`), as plain records.
        earlier: Comparison with earlier bundles of the case (see `mpk_tui.bundle.later.continuity`), as plain records.
        rerun: Findings computed again from the bundle's features (see `mpk_tui.bundle.local.rerun`), as plain records.
        first_seen: When this verifier saw the bundle first, milliseconds, if it wrote that down.
    """

    verdict: Word
    words: str
    bundle_id: bytes | None = None
    manifest: Manifest | None = None
    signers: tuple[SignerReport, ...] = ()
    sections: tuple[SectionReport, ...] = ()
    endorsements: tuple[EndorsementReport, ...] = ()
    pairs: tuple[PairReport, ...] = ()
    contradictions: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    contents: Contents | None = None
    held_back: Contents | None = field(default=None, repr=False)
    checkpoint: tuple[Mapping[str, Any], ...] = ()
    earlier: tuple[Mapping[str, Any], ...] = ()
    rerun: tuple[Mapping[str, Any], ...] = ()
    first_seen: int | None = None

    @property
    def code(self) -> ExitCode:
        """The exit code that belongs to the verdict."""
        return CODES[self.verdict]

    def shown(self, *, untrusted: bool = False) -> Contents | None:
        """The content, if it may be shown; ``untrusted`` is the person's explicit request."""
        return self.contents if self.contents is not None else self.held_back if untrusted else None

    def at_most(self, word: Word | None, words: str) -> Outcome:
        """The outcome after one more check: the stronger of the two words wins, and its rules on what may be shown.

        Args:
            word: What the check found, or None if nothing speaks against the bundle.
            words: A sentence, put before the others; may be empty.
        """
        rank = list(Word)
        stronger = word is not None and rank.index(word) < rank.index(self.verdict)
        verdict = word if stronger and word is not None else self.verdict
        contents = self.contents if verdict in SHOWN else None
        held_back = (self.held_back or self.contents) if verdict in ON_REQUEST else None
        return replace(
            self, verdict=verdict, words=f"{words} {self.words}" if words else self.words, contents=contents,
            held_back=held_back,
        )  # fmt: skip
