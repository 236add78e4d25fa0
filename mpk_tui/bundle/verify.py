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
from typing import Any

from mpk_tui.bundle import consistency, dsse, envelope, manifest, sections
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.endorsed import read_endorsements
from mpk_tui.bundle.limits import DEFAULT, FUTURE_MS, Bounds
from mpk_tui.bundle.manifest import Manifest
from mpk_tui.bundle.outcome import Outcome, SignerReport, Word
from mpk_tui.bundle.reading import Beside, check_log, check_references, read_sections
from mpk_tui.bundle.receipts import History
from mpk_tui.bundle.run import Run
from mpk_tui.bundle.signers import Checked, check_signatures, day, judge, report, standing
from mpk_tui.bundle.suites import verifiable
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.errors import LimitError, MalformedError, MpkError, UnsupportedError
from mpk_tui.records import dataclass, replace


@dataclass(frozen=True)
class Expected:
    """What the verifier knows beforehand.

    Attributes:
        case: Id of the case that the bundle must belong to.
        bundle: Its id (32 bytes).
        last_seq: Greatest bundle number of this case seen before.
        beside: SHA-256 and size of files at hand that may be the bundle's detached attachments.
        history: What this verifier wrote down of earlier verifications.
    """

    case: str | None = None
    bundle: bytes | None = None
    last_seq: int | None = None
    beside: Beside = frozenset()
    history: History | None = None


_REFUSALS: Mapping[type[MpkError], Word] = {
    LimitError: Word.LIMIT, MalformedError: Word.MALFORMED, UnsupportedError: Word.UNSUPPORTED,
}  # fmt: skip


def verify(
    data: bytes, store: TrustStore, now: int, expected: Expected | None = None, bounds: Bounds = DEFAULT
) -> Outcome:
    """Verify one bundle.

    Args:
        data: The whole file.
        store: Whom the verifier believes, and what the verifier demands.
        now: The verifier's clock, milliseconds since 1970, UTC.
        expected: What is known of the bundle beforehand.
        bounds: What is accepted before it is refused as LIMIT.

    Returns:
        The outcome; no error of ours leaves this function, and any other error is a bug that must not be swallowed.
    """
    run = Run()
    try:
        _steps(run, data, store, now, expected or Expected(), bounds)
    except (LimitError, MalformedError, UnsupportedError) as error:
        run.found.insert(0, (_REFUSALS[type(error)], error.diagnosis()))
    return run.outcome()


def inspect(data: bytes, now: int) -> Outcome:
    """Look into a bundle that is not, or not yet by everyone, signed: all checks but those of missing signatures.

    The verdict is VALID if a signature may be put under what it shows; whether to believe its signers is not asked.
    """
    run = Run()
    try:
        _steps(run, data, None, now, Expected(), DEFAULT)
    except (LimitError, MalformedError, UnsupportedError) as error:
        run.found.insert(0, (_REFUSALS[type(error)], error.diagnosis()))
    return replace(run.outcome(), words="; ".join(text for _, text in run.found) or "Complete and consistent.")


def _steps(run: Run, data: bytes, asked: TrustStore | None, now: int, expected: Expected, bounds: Bounds) -> None:
    draft, store = asked is None, asked or TrustStore()
    sealed = envelope.parse(data, unsigned=draft, bounds=bounds)
    if sealed.payload_type != dsse.BUNDLE_TYPE:
        raise UnsupportedError(
            f"the payload is a {sealed.payload_type!r}", where="bundle", hint=f"Expected {dsse.BUNDLE_TYPE}"
        )
    body = manifest.parse(sealed.payload, bounds)
    run.bundle_id = dsse.bundle_id(sealed.payload)
    run.manifest = body
    if not verifiable(body.suite):
        raise UnsupportedError(
            f"signatures of suite {body.suite} cannot be checked: the installed cryptography has no ML-DSA",
            where="manifest.suite", hint="Install cryptography 48 or newer",
        )  # fmt: skip
    unknown = sections.check_manifest(body)
    run.notices += [f"not understood (written by a newer version): {name}" for name in body.unknown]
    checked = check_signatures(dsse.pae(sealed.payload_type, sealed.payload), sealed.signatures, body.signers, store)
    if not (draft and "bad" not in checked.bad.values()):
        run.found += [(Word.ALTERED, fault) for fault in checked.faults]
        run.waiting = checked.waiting
    if run.altered:
        # The list of sections is not the signed one either: nothing that hangs on it is looked into.
        run.signers = [report(s, checked, standing(s, body.created, now, store, {})) for s in body.signers]
        return
    read_sections(run, sealed, body, unknown, expected.beside, bounds)
    if run.altered:
        run.signers = [report(s, checked, standing(s, body.created, now, store, {})) for s in body.signers]
        return
    contents = Contents(body.case, body.seq, body.prev, body.created, body.tool, run.content)
    check_references(contents, body)
    check_log(run, contents, body)
    consistency.norm_of(contents)
    witnessed = read_endorsements(run, sealed, body, now, store, bounds)
    if run.altered:
        run.signers = [report(s, checked, standing(s, body.created, now, store, {})) for s in body.signers]
        return
    history = expected.history or History()
    if run.bundle_id is not None:
        run.first_seen = history.first_seen(run.bundle_id)
    if run.first_seen is not None:
        run.notices.append(f"first seen by this verifier on {day(run.first_seen)}")
    if not draft:
        believe(run, body, checked, now, store, witnessed)
    check_freshness(run, body, now, expected)
    _older_than_seen(run, body, history, store)
    roots = {s.suffix: s.digest for s in body.sections if s.family == "tensors"}
    run.pairs, run.contradictions, notices = consistency.check(contents, roots)
    run.notices += notices
    run.found += [(Word.INCONSISTENT, sentence) for sentence in run.contradictions]


def believe(
    run: Run, body: Manifest, checked: Checked, now: int, store: TrustStore, witnessed: Mapping[str, int]
) -> None:
    """Step 9: hold the declared signers, whose signatures are good, against the store and its policy.

    Args:
        run: Added to.
        body: The signed manifest.
        checked: Its signatures.
        now: The verifier's clock, milliseconds.
        store: Whom the verifier believes.
        witnessed: See `mpk_tui.bundle.signers.standing`.
    """
    standings = [(s, standing(s, body.created, now, store, witnessed, run.first_seen)) for s in body.signers]
    run.signers = [report(s, checked, state) for s, state in standings]
    run.found += judge(standings, body.suite, store)
    _edition(run, store, now)
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


def _edition(run: Run, store: TrustStore, now: int) -> None:
    """A signed store that has expired caps the verdict; a clock that is behind the store is told."""
    edition = store.edition
    if edition is None:
        return
    if store.stale(now):
        sentence = f"your trust store, number {edition.number}, expired on {day(edition.expires)}"
        if edition.stale_allowed:
            run.notices.append(f"{sentence}; it was used on request: keys may have been revoked since")
        else:
            run.found.append((Word.EXPIRED, f"{sentence}; get the next one"))
    if store.dated is not None and store.dated > now + FUTURE_MS:
        run.notices.append(f"this machine's clock is behind your trust store, which is of {day(store.dated)}")


def check_freshness(run: Run, body: Manifest, now: int, expected: Expected) -> None:
    """Step 10: the expected case and bundle, not older than told, not from the future."""
    if expected.case is not None and body.case.id != expected.case:
        run.found.append((Word.REPLAY, f"the bundle belongs to case {body.case.id!r}, expected was {expected.case!r}"))
    if expected.bundle is not None and run.bundle_id != expected.bundle:
        run.found.append((Word.REPLAY, "it is another bundle than the expected one"))
    if expected.last_seq is not None and body.seq < expected.last_seq:
        run.found.append((Word.REPLAY, f"bundle number {body.seq}; number {expected.last_seq} was seen before"))
    if body.created > now + FUTURE_MS:
        run.found.append((Word.REPLAY, f"the bundle is dated {day(body.created)}, in this machine's future"))


def _older_than_seen(run: Run, body: Manifest, history: History, store: TrustStore) -> None:
    """A later bundle of this case that the same trusted people signed makes this one an old one."""
    mine = history.people(store, [k for s in run.signers if s.state == "trusted" for k in s.keyids])
    last = history.last_seq(body.case.id, mine, store)
    if last is not None and body.seq < last:
        run.found.append((Word.REPLAY, f"bundle number {body.seq}; this verifier has seen number {last} of the case"))


def with_checkpoint(outcome: Outcome, word: Word | None, words: str, records: tuple[Mapping[str, Any], ...]) -> Outcome:
    """An outcome after local checkpoints were compared: the stronger of the two words wins."""
    return replace(outcome.at_most(word, words), checkpoint=records)
