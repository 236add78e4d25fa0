"""Verification as a state machine over bytes, with no input or output of its own.

The steps, in order; what comes first in `Word` wins where several apply:

1. size and magic (LIMIT, MALFORMED, UNSUPPORTED);
2. the envelope, strictly canonical (MALFORMED);
3. the payload type is the bundle's constant (UNSUPPORTED);
4. the manifest, from the very bytes that are signed (MALFORMED, UNSUPPORTED);
5. every signature that is declared or known to the store, strictly; all declared ones must be good (ALTERED);
6. every blob: listed, salted as declared, of the signed size, count and digest (ALTERED); what is withheld (PARTIAL);
7. shapes of all sections, cross-references, rules of the log (MALFORMED); the norm (UNSUPPORTED);
8. endorsements: about this bundle and these signatures, good if their signer is known (ALTERED);
9. trust: revocation, validity, roles, distinct people, suite (REVOKED, EXPIRED, UNTRUSTED);
10. freshness: the expected case and bundle, not older than seen, not from the future (REPLAY);
11. the verdicts, recomputed from norm, answers and evidence (INCONSISTENT);
12. VALID, or PARTIAL if something was withheld.

Nothing is taken from an unsigned part; what was verified is handed on, not parsed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mpk_tui import canonical
from mpk_tui.bundle import commitments, consistency, dsse, endorsements, envelope, limits, logbook, manifest, sections
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.envelope import Blob, Envelope
from mpk_tui.bundle.manifest import Manifest, SectionEntry
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
from mpk_tui.bundle.schema import Reading
from mpk_tui.bundle.signers import Checked, check_signatures, day, judge, report, standing
from mpk_tui.bundle.suites import VERIFIABLE
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.errors import LimitError, MalformedError, MpkError, UnsupportedError

FUTURE_MS = 24 * 3600 * 1000
"""A bundle may be dated this far ahead of the verifier's clock."""


@dataclass(frozen=True)
class Expected:
    """What the verifier knows beforehand.

    Attributes:
        case: Id of the case that the bundle must belong to.
        bundle: Its id (32 bytes).
        last_seq: Greatest bundle number of this case seen before.
    """

    case: str | None = None
    bundle: bytes | None = None
    last_seq: int | None = None


@dataclass
class _Run:
    """What is known so far; a refusal is reported with it."""

    found: list[tuple[Word, str]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    bundle_id: bytes | None = None
    manifest: Manifest | None = None
    signers: list[SignerReport] = field(default_factory=list)
    sections: list[SectionReport] = field(default_factory=list)
    endorsed: list[EndorsementReport] = field(default_factory=list)
    pairs: tuple[PairReport, ...] = ()
    contradictions: tuple[str, ...] = ()
    content: dict[str, Any] = field(default_factory=dict)


_REFUSALS: Mapping[type[MpkError], Word] = {
    LimitError: Word.LIMIT, MalformedError: Word.MALFORMED, UnsupportedError: Word.UNSUPPORTED,
}  # fmt: skip


def verify(data: bytes, store: TrustStore, now: int, expected: Expected | None = None) -> Outcome:
    """Verify one bundle.

    Args:
        data: The whole file.
        store: Whom the verifier believes, and what the verifier demands.
        now: The verifier's clock, milliseconds since 1970, UTC.
        expected: What is known of the bundle beforehand.

    Returns:
        The outcome; no error of ours leaves this function, and any other error is a bug that must not be swallowed.
    """
    run = _Run()
    try:
        _steps(run, data, store, now, expected or Expected())
    except (LimitError, MalformedError, UnsupportedError) as error:
        run.found.insert(0, (_REFUSALS[type(error)], error.diagnosis()))
    return _outcome(run)


def inspect(data: bytes, now: int) -> Outcome:
    """Look into a bundle that is not, or not yet by everyone, signed: all checks but those of missing signatures.

    The verdict is VALID if a signature may be put under what it shows; whether to believe its signers is not asked.
    """
    run = _Run()
    try:
        _steps(run, data, None, now, Expected())
    except (LimitError, MalformedError, UnsupportedError) as error:
        run.found.insert(0, (_REFUSALS[type(error)], error.diagnosis()))
    return replace(_outcome(run), words="; ".join(text for _, text in run.found) or "Complete and consistent.")


def _steps(run: _Run, data: bytes, asked: TrustStore | None, now: int, expected: Expected) -> None:
    draft, store = asked is None, asked or TrustStore()
    sealed = envelope.parse(data, unsigned=draft)
    if sealed.payload_type != dsse.BUNDLE_TYPE:
        raise UnsupportedError(
            f"the payload is a {sealed.payload_type!r}", where="bundle", hint=f"Expected {dsse.BUNDLE_TYPE}"
        )
    body = manifest.parse(sealed.payload)
    run.bundle_id = dsse.bundle_id(sealed.payload)
    run.manifest = body
    if body.suite not in VERIFIABLE:
        raise UnsupportedError(
            f"signatures of suite {body.suite} cannot be checked by this version", where="manifest.suite",
            hint="Use a newer mpk-tui",
        )  # fmt: skip
    unknown = sections.check_manifest(body)
    run.notices += [f"not understood (written by a newer version): {name}" for name in body.unknown]
    checked = check_signatures(dsse.pae(sealed.payload_type, sealed.payload), sealed.signatures, body.signers, store)
    if not (draft and "bad" not in checked.bad.values()):
        run.found += [(Word.ALTERED, fault) for fault in checked.faults]
    if _altered(run):
        # The list of sections is not the signed one either: nothing that hangs on it is looked into.
        run.signers = [report(s, checked, standing(s, body.created, now, store, {})) for s in body.signers]
        return
    _read_sections(run, sealed, body, unknown)
    if _altered(run):
        run.signers = [report(s, checked, standing(s, body.created, now, store, {})) for s in body.signers]
        return
    contents = Contents(body.case, body.seq, body.prev, body.created, body.tool, run.content)
    _cross_references(contents, body)
    _log(run, contents, body)
    consistency.norm_of(contents)
    witnessed = _endorsements(run, sealed, body, now, store)
    if _altered(run):
        run.signers = [report(s, checked, standing(s, body.created, now, store, {})) for s in body.signers]
        return
    if not draft:
        _trust(run, body, checked, now, store, witnessed)
    _freshness(run, body, now, expected)
    roots = {s.suffix: s.digest for s in body.sections if s.family == "tensors"}
    run.pairs, run.contradictions, notices = consistency.check(contents, roots)
    run.notices += notices
    run.found += [(Word.INCONSISTENT, sentence) for sentence in run.contradictions]


def _altered(run: _Run) -> bool:
    return any(word is Word.ALTERED for word, _ in run.found)


def _read_sections(run: _Run, sealed: Envelope, body: Manifest, unknown: tuple[str, ...]) -> None:
    blobs = {b.id: b for b in sealed.blobs}
    listed = {s.id for s in body.sections}
    for name in blobs:
        if name not in listed:
            run.found.append((Word.ALTERED, f"section {name} is not among the signed ones"))
    reading = Reading(newer=body.newer)
    for entry in body.sections:
        blob = blobs.get(entry.id)
        if blob is None:
            _missing(run, entry)
            continue
        state, withheld, value = _read_section(entry, blob)
        if state:
            run.found.append((Word.ALTERED, f"section {entry.id}: {state}"))
            run.sections.append(SectionReport(entry.id, entry.kind, entry.size, entry.count, "altered", reason=state))
            continue
        if entry.id in unknown:
            run.notices.append(f"not understood (written by a newer version): section {entry.id}")
            run.sections.append(SectionReport(entry.id, entry.kind, entry.size, entry.count, "not understood"))
            continue
        if entry.kind == "blob" and sections.FAMILIES[entry.family].check is not None:
            value = canonical.decode(blob.data, limits.SECTION, where=entry.id)
        sections.check_content(entry, value, reading)
        run.content[entry.id] = value.values if isinstance(value, commitments.Items) else value
        if withheld:
            run.found.append((Word.PARTIAL, f"section {entry.id}: {withheld} of {entry.count} items are withheld"))
        run.sections.append(
            SectionReport(
                entry.id, entry.kind, entry.size, entry.count, "partly withheld" if withheld else "intact", withheld
            )
        )
    run.notices += [f"not understood (written by a newer version): {place}" for place in reading.unknown]


def _missing(run: _Run, entry: SectionEntry) -> None:
    if entry.redactable:
        run.found.append((Word.PARTIAL, f"section {entry.id} is withheld"))
        run.sections.append(SectionReport(entry.id, entry.kind, entry.size, entry.count, "withheld", entry.count))
    else:
        run.found.append((Word.ALTERED, f"section {entry.id} is missing and may not be withheld"))
        run.sections.append(SectionReport(entry.id, entry.kind, entry.size, entry.count, "altered", reason="missing"))


def _read_section(entry: SectionEntry, blob: Blob) -> tuple[str, int, Any]:
    """What is wrong (or nothing), how many items are withheld, and the content: bytes or `Items`."""
    if bool(blob.salt) != entry.salted:
        return ("a salt was added" if blob.salt else "its salt was removed"), 0, None
    if entry.kind == "blob":
        if len(blob.data) != entry.size:
            return f"{len(blob.data)} bytes, {entry.size} were signed", 0, None
        if commitments.blob_digest(entry.id, blob.salt, blob.data) != entry.digest:
            return "its bytes are not those that were signed", 0, None
        return "", 0, blob.data
    items = commitments.read_items(entry.kind, blob.data, entry.id)
    if len(items.values) != entry.count:
        return f"{len(items.values)} items, {entry.count} were signed", 0, None
    if items.withheld and not entry.redactable:
        return "items are withheld that may not be", 0, None
    if not items.withheld and len(blob.data) != entry.size:
        return f"{len(blob.data)} bytes, {entry.size} were signed", 0, None
    if items.digest != entry.digest:
        return "its items are not those that were signed", 0, None
    return "", items.withheld, items


def _cross_references(contents: Contents, body: Manifest) -> None:
    """Sections must name artifacts and documents that exist, and every artifact must have what it needs."""
    ids = {a["id"] for a in contents.artifacts}
    for entry in body.sections:
        family = sections.FAMILIES.get(entry.family)
        if family is not None and family.per == "artifact" and entry.suffix not in ids:
            raise MalformedError("belongs to no artifact of this bundle", where=entry.id)
    for artifact in sorted(ids):
        for name in (f for f, family in sections.FAMILIES.items() if family.per == "artifact" and family.required):
            if body.section(f"{name}.{artifact}") is None:
                raise MalformedError(
                    f"artifact {artifact!r} has no section {name}.{artifact}", where="manifest.sections"
                )
        located = contents.sections.get(f"locations.{artifact}")
        if located is not None:
            tensors = body.section(f"tensors.{artifact}")
            files = len(contents.sections[f"checkpoint.{artifact}"]["files"])
            if tensors is None or len(located["rows"]) != tensors.count:
                raise MalformedError("does not have one row for each tensor", where=f"locations.{artifact}")
            if any(file >= files for file, _ in located["rows"]):
                raise MalformedError("names a file that is not listed", where=f"locations.{artifact}")
    indexed = {d["id"]: d for d in contents.sections.get("docs", ())}
    if body.section("docs") is None or "docs" in contents.sections:
        for entry in body.sections:
            if entry.family == "doc" and entry.id not in indexed:
                raise MalformedError("is not in the index of documents", where=entry.id)
    for name, row in indexed.items():
        listed = body.section(name)
        if listed is None or listed.family != "doc" or (listed.digest, listed.size) != (row["sha256"], row["size"]):
            raise MalformedError(f"the index names {name!r}, which is not that document", where="docs")


def _log(run: _Run, contents: Contents, body: Manifest) -> None:
    values = contents.sections.get("log")
    if values is not None:
        run.notices += logbook.check(commitments.Items(values, b""), body.seq)


def _endorsements(run: _Run, sealed: Envelope, body: Manifest, now: int, store: TrustStore) -> dict[str, int]:
    """Check all endorsements; returns the earliest time by person id at which a trusted person endorsed."""
    witnessed: dict[str, int] = {}
    recorded: set[str] = set()
    sigs = envelope.signatures_digest(sealed.signatures)
    whole = {s.id for s in run.sections if s.state == "intact"}
    declared = {k.keyid for s in body.signers for k in s.keys}
    for n, item in enumerate(sealed.endorsements):
        where = f"endorsement {n}"
        e = endorsements.parse(item, body.suite, where)
        if e.target != run.bundle_id:
            run.found.append((Word.ALTERED, f"{where} is about another bundle"))
            continue
        if e.sigs != sigs:
            run.found.append((Word.ALTERED, f"{where} is about other signatures than those of this file"))
            continue
        checked = check_signatures(e.message, e.signatures, (e.signer,), store)
        named = [*(k.keyid for k in e.signer.keys), *(s.keyid for s in e.signatures)]
        known = any(store.find(keyid) or keyid in declared for keyid in named)
        if checked.faults and known:
            run.found += [(Word.ALTERED, f"{where}: {fault}") for fault in checked.faults]
            continue
        stands = standing(e.signer, e.at, now, store, {})
        state = "not verified" if checked.faults else stands.state
        if state == "trusted" and stands.person is not None:
            witnessed[stands.person.id] = min(e.at, witnessed.get(stands.person.id, e.at))
        gone = [name for name in e.removed if name in whole]
        if gone:
            run.found.append((Word.ALTERED, f"{where} says that {gone[0]} was withheld, and it is here"))
        if not checked.faults and (state == "trusted" or known):
            recorded.update(e.removed)
        run.endorsed.append(
            EndorsementReport(
                e.kind, e.at, e.signer.id, e.signer.role, state, stands.person.name if stands.person else "",
                e.statement, tuple(k.keyid for k in e.signer.keys),
            )
        )  # fmt: skip
        if e.kind == "dissent":
            run.notices.append(f"{e.signer.id} ({state}) dissents: see the endorsements")
    run.notices += [
        f"section {s.id} is withheld without a record of who did it"
        for s in run.sections
        if s.state in ("withheld", "partly withheld") and s.id not in recorded
    ]
    return witnessed


def _trust(
    run: _Run, body: Manifest, checked: Checked, now: int, store: TrustStore, witnessed: Mapping[str, int]
) -> None:
    standings = [(s, standing(s, body.created, now, store, witnessed)) for s in body.signers]
    run.signers = [report(s, checked, state) for s, state in standings]
    run.found += judge(standings, body.suite, store)
    for signer, state in standings:
        if state.reason:
            run.notices.append(f"signer {signer.id}: {state.reason}")
    for keyid in checked.ignored:
        run.signers.append(SignerReport("", "", (keyid,), "ignored", reason="nobody declared this key"))
        run.notices.append(f"a signature by an unknown key ({keyid.hex()[:16]}…) was ignored")
    for keyid in checked.beside:
        known = store.find(keyid)
        run.notices.append(
            f"signed beside the declared signers by {known[0].name if known else keyid.hex()}: not counted"
        )


def _freshness(run: _Run, body: Manifest, now: int, expected: Expected) -> None:
    if expected.case is not None and body.case.id != expected.case:
        run.found.append((Word.REPLAY, f"the bundle belongs to case {body.case.id!r}, expected was {expected.case!r}"))
    if expected.bundle is not None and run.bundle_id != expected.bundle:
        run.found.append((Word.REPLAY, "it is another bundle than the expected one"))
    if expected.last_seq is not None and body.seq < expected.last_seq:
        run.found.append((Word.REPLAY, f"bundle number {body.seq}; number {expected.last_seq} was seen before"))
    if body.created > now + FUTURE_MS:
        run.found.append((Word.REPLAY, f"the bundle is dated {day(body.created)}, in this machine's future"))


def _outcome(run: _Run) -> Outcome:
    rank = list(Word)
    word = min((w for w, _ in run.found), key=rank.index, default=Word.VALID)
    reasons = [text for w, text in run.found if w is word]
    others = [text for w, text in run.found if w is not word and word in SHOWN | ON_REQUEST]
    may_read = word in SHOWN or word in ON_REQUEST
    contents = None
    if may_read and run.manifest is not None:
        m = run.manifest
        contents = Contents(m.case, m.seq, m.prev, m.created, m.tool, run.content)
    return Outcome(
        word,
        _words(word, reasons, run),
        run.bundle_id,
        run.manifest if may_read else None,
        tuple(run.signers),
        tuple(run.sections),
        tuple(run.endorsed) if may_read else (),
        run.pairs if may_read else (),
        run.contradictions if may_read else (),
        tuple(dict.fromkeys(others + run.notices)) if may_read else (),
        contents if word in SHOWN else None,
        contents if word in ON_REQUEST else None,
    )


def _words(word: Word, reasons: list[str], run: _Run) -> str:
    people = ", ".join(s.person for s in run.signers if s.state == "trusted" and s.person)
    why = "; ".join(reasons[:5]) + (f"; and {len(reasons) - 5} more" if len(reasons) > 5 else "")
    if word is Word.VALID:
        return f"Signed by {people}, whom you trust; complete. {MEANING}"
    if word is Word.PARTIAL:
        return f"Signed by {people}, whom you trust; not complete: {why}. {MEANING}"
    if word is Word.UNTRUSTED:
        keys = ", ".join(k.hex()[:16] + "…" for s in run.signers for k in s.keyids if s.state != "ignored")
        return f"Consistent with key {keys}, but not trusted by you: {why}."
    if word in (Word.EXPIRED, Word.REVOKED, Word.REPLAY):
        return f"Signed and intact, but not to be relied on: {why}."
    if word is Word.INCONSISTENT:
        return f"Signed and intact, but the verdict does not follow from what the bundle holds: {why}."
    if word is Word.ALTERED:
        return f"The bytes differ from what was signed; by what cause is unknown: {why}."
    if word is Word.LIMIT:
        return f"Refused before reading it: {why}"
    return why


def with_checkpoint(outcome: Outcome, word: Word | None, words: str, records: tuple[Mapping[str, Any], ...]) -> Outcome:
    """An outcome after local checkpoints were compared: the stronger of the two words wins."""
    rank = list(Word)
    stronger = word is not None and rank.index(word) < rank.index(outcome.verdict)
    return replace(
        outcome,
        verdict=word if stronger and word is not None else outcome.verdict,
        words=f"{words} {outcome.words}" if words else outcome.words,
        checkpoint=records,
    )
