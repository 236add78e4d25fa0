"""Verification of a pack: what is signed first, then its list, then one record after the other.

The steps, in order; what comes first in `Word` wins where several apply:

1. the head: magic, payload type, manifest, signatures, in shortest form (MALFORMED, LIMIT, UNSUPPORTED);
2. every signature that is declared or known to the store, strictly; all declared ones must be good (ALTERED);
3. the list: size and SHA-256 as signed (ALTERED), its shape, order and counts (MALFORMED, LIMIT);
4. the length of the file is the one that the list says, to the byte (MALFORMED);
5. trust: revocation, validity, role, distinct people, suite (REVOKED, EXPIRED, UNTRUSTED);
6. freshness: not older than what this library took in, not from the future (REPLAY);
7. the pack that a delta builds on is here (PARTIAL);
8. every record: its bytes (ALTERED); if nothing stronger than PARTIAL was found, it must parse (MALFORMED, UNSUPPORTED)
   and its tensor root be the one that the list gives (INCONSISTENT).

Nothing that a stranger signed reaches the reader of fingerprint records, and nothing is looked into once it is ALTERED.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mpk_tui.bundle.dsse import PACK_TYPE, pae
from mpk_tui.bundle.limits import FUTURE_MS
from mpk_tui.bundle.outcome import SignerReport, Word
from mpk_tui.bundle.signers import check_signatures, day, judge, report, standing
from mpk_tui.bundle.suites import verifiable
from mpk_tui.bundle.trust import ANY, GIVEN_KEY, Policy, TrustStore
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import LimitError, MalformedError, MpkError, StorageError, UnsupportedError
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.hashtree import sha256
from mpk_tui.library.packs import body as bodies
from mpk_tui.library.packs import container, contents, ledger
from mpk_tui.library.packs.body import DELTA, ROLE, Body
from mpk_tui.library.packs.container import Head
from mpk_tui.library.packs.contents import Contents, Listed
from mpk_tui.library.packs.ledger import Imported
from mpk_tui.library.packs.outcome import Found, PackOutcome
from mpk_tui.progress import CancelToken, Meter, Report, silent
from mpk_tui.records import dataclass, replace

ANOTHER_KEY = "the pack was signed by another key than the one given"
"""Why a pack is not believed where one key was given in the place of a store."""
_REFUSALS: dict[type[MpkError], Word] = {
    LimitError: Word.LIMIT, MalformedError: Word.MALFORMED, UnsupportedError: Word.UNSUPPORTED,
}  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """A pack file whose head and list were read, and whose signatures fit.

    Attributes:
        head: The signed bytes and their signatures.
        body: The signed manifest.
        contents: The list.
        records_at: Where the records begin, in bytes.
    """

    head: Head
    body: Body
    contents: Contents
    records_at: int


def verify(
    source: Source,
    store: TrustStore,
    now: int,
    packs: Sequence[Imported] = (),
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> tuple[PackOutcome, Opened | None]:
    """Verify one pack; one record is in memory at a time.

    Args:
        source: The file.
        store: Whom the verifier believes.
        now: The verifier's clock, milliseconds since 1970, UTC.
        packs: What the library took in before.
        report: Progress, in bytes.
        cancel: Polled between records.

    Returns:
        The outcome, and what was read where nothing was altered or malformed.

    Raises:
        StorageError: The file cannot be read, or changed while it was.
    """
    found = Found()
    opened = None
    try:
        opened = _steps(found, source, store, now, packs, report, cancel)
    except (LimitError, MalformedError, UnsupportedError) as error:
        told = container.changed(error, source)
        if isinstance(told, StorageError):
            raise told from None
        found.against.insert(0, (_REFUSALS[type(error)], error.diagnosis()))
    return found.outcome(), opened if found.word not in (Word.ALTERED, *_REFUSALS.values()) else None


def verify_file(
    path: Path, store: TrustStore, now: int, packs: Sequence[Imported] = (), report: Report = silent,
    cancel: CancelToken | None = None,
) -> PackOutcome:  # fmt: skip
    """Like `verify`, for a path."""
    with Source(path, follow=True) as source:
        return verify(source, store, now, packs, report, cancel)[0]


def read_own(source: Source) -> Opened:
    """A pack that somebody continues: head and list, its own signatures good; whether to believe it is not asked.

    Raises:
        MalformedError, LimitError, UnsupportedError: It is no such pack, or not as it was signed.
    """
    found = Found()
    opened = _signed(found, source, TrustStore())
    if opened is None:
        raise MalformedError("; ".join(text for _, text in found.against), where=source.where)
    return opened


def _steps(
    found: Found, source: Source, store: TrustStore, now: int, packs: Sequence[Imported], report: Report,
    cancel: CancelToken | None,
) -> Opened | None:  # fmt: skip
    opened = _signed(found, source, store)
    if opened is None:
        return None
    weigh(found, opened.body, store, now, packs)
    wanted = opened.contents.entries if found.word in (Word.VALID, Word.PARTIAL) else ()
    for _ in fingerprints(source, opened, found, frozenset(e.fingerprint for e in wanted), report, cancel):
        pass
    found.contents = opened.contents
    return opened


def weigh(found: Found, body: Body, store: TrustStore, now: int, packs: Sequence[Imported]) -> None:
    """Steps 5 to 7: a pack whose signatures fit, held against the trust store, the clock and what was taken in before.

    Args:
        found: With the pack's id; added to.
        body: The signed manifest.
        store: Whom the verifier believes.
        now: The verifier's clock, milliseconds.
        packs: What the library took in before.
    """
    _believe(found, body, store, now, next((p.at for p in packs if p.id == found.id), None))
    _fresh(found, body, now, ledger.line(packs, body, store))


def _signed(found: Found, source: Source, store: TrustStore) -> Opened | None:
    """Steps 1 to 4; None if it is ALTERED."""
    head = container.read_head(source)
    body = bodies.parse(head.payload)
    found.id = bodies.pack_id(head.payload)
    found.body = body
    if not verifiable(body.suite):
        raise UnsupportedError(
            f"signatures of suite {body.suite} cannot be checked: the installed cryptography has no ML-DSA",
            where="manifest.suite", hint="Install cryptography 48 or newer",
        )  # fmt: skip
    found.notices += [f"not understood (written by a newer version): {name}" for name in body.unknown]
    checked = check_signatures(pae(PACK_TYPE, head.payload), head.signatures, body.signers, store)
    found.against += [(Word.ALTERED, fault) for fault in checked.faults]
    found.waiting = checked.waiting
    if checked.faults:
        found.signers = [
            SignerReport(s.id, s.role, tuple(k.keyid for k in s.keys), checked.bad.get(s.id, "good"))
            for s in body.signers
        ]
        return None
    for keyid in checked.ignored:
        found.notices.append(f"a signature by an unknown key ({keyid.hex()[:16]}…) was ignored")
    for keyid in checked.beside:
        known = store.find(keyid)
        found.notices.append(
            f"signed beside the declared issuers by {known[0].name if known else keyid.hex()}: not counted"
        )
    data, at = container.read_contents(source, head)
    if len(data) != body.contents_size or sha256(data) != body.contents:
        found.against.append((Word.ALTERED, "the list is not the one that was signed"))
        return None
    listed = contents.read(data, newer=body.schema[1] > bodies.VERSION[1])
    contents.check_counts(listed, body)
    container.check_layout(source, at, listed.entries)
    return Opened(head, body, listed, at)


def policy_for_packs(policy: Policy) -> Policy:
    """What a store demands of a pack: its lines for issuers and for people of any role.

    Other roles say what somebody did in a case (`docs/adr/0024-signed-packs.md`); a pack is signed as issuer alone.
    """
    needed = {role: n for role, n in policy.needed.items() if role in (ANY, ROLE)}
    return replace(policy, needed=needed or {ANY: 1})


def _believe(found: Found, body: Body, store: TrustStore, now: int, first_seen: int | None) -> None:
    """Step 5; a pack that was taken in while its key was good has been seen then."""
    held = replace(store, policy=policy_for_packs(store.policy))
    standings = [(s, standing(s, body.created, now, held, {}, first_seen, "pack")) for s in body.signers]
    if [p.name for p in store.people] == [GIVEN_KEY]:
        standings = [
            (s, state if any(store.find(k.keyid) for k in s.keys) else replace(state, reason=ANOTHER_KEY))
            for s, state in standings
        ]
        if all(state.reason == ANOTHER_KEY for _, state in standings):
            found.against.append((Word.UNTRUSTED, ANOTHER_KEY))
    nothing = check_signatures(b"", (), (), held)
    found.signers = [report(s, nothing, state) for s, state in standings]
    found.against += judge(standings, body.suite, held, "pack")
    for signer, state in standings:
        if state.reason:
            found.notices.append(f"issuer {signer.id}: {state.reason}")
    edition = store.edition
    if edition is not None and store.stale(now):
        sentence = f"your trust store, number {edition.number}, expired on {day(edition.expires)}"
        if edition.stale_allowed:
            found.notices.append(f"{sentence}; it was used on request: keys may have been revoked since")
        else:
            found.against.append((Word.EXPIRED, f"{sentence}; get the next one"))
    if store.dated is not None and store.dated > now + FUTURE_MS:
        found.notices.append(f"this machine's clock is behind your trust store, which is of {day(store.dated)}")


def _fresh(found: Found, body: Body, now: int, line: Sequence[Imported]) -> None:
    """Steps 6 and 7."""
    found.imported = any(p.id == found.id for p in line)
    if body.created > now + FUTURE_MS:
        found.against.append((Word.REPLAY, f"the pack is dated {day(body.created)}, in this machine's future"))
    if line and line[-1].version > body.version:
        last = line[-1]
        found.against.append(
            (Word.REPLAY, f"version {body.version}; version {last.version} was taken in on {day(last.at)}")
        )
    elif any(p.version == body.version and p.id != found.id for p in line):
        found.against.append(
            (
                Word.REPLAY,
                f"another pack of version {body.version} was taken in: two of one number are never both right",
            )
        )
    prev = body.prev
    if prev is None or found.imported:
        return
    if any(p.id == prev.id for p in line):
        return
    if any(p.version == prev.version for p in line):
        found.against.append(
            (Word.REPLAY, f"it follows another version {prev.version} of {body.name} than the one that was taken in")
        )
    elif body.kind == DELTA:
        found.against.append(
            (Word.PARTIAL, f"it is a delta to version {prev.version} of the pack {body.name} ({prev.id.hex()}), which "
             "was not imported; import that one first, or ask for a full pack")
        )  # fmt: skip


def fingerprints(
    source: Source,
    opened: Opened,
    found: Found,
    wanted: frozenset[bytes],
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> Iterator[tuple[Listed, Fingerprint]]:
    """Step 8: every record in its order, checked; what is wrong is added to ``found`` and not handed out.

    Args:
        source: The file.
        opened: Its list.
        found: Added to.
        wanted: Digests of the records that are read and handed out; of the others only the bytes are checked.
        report: Progress, in bytes.
        cancel: Polled between records.

    Raises:
        MalformedError, LimitError, UnsupportedError: A record is intact and no fingerprint that we can read.
    """
    listed = opened.contents.entries
    meter = Meter(report, "checking", sum(e.size for e in listed) or 1)
    for entry, data in container.records(source, opened.records_at, listed):
        if cancel is not None:
            cancel.check()
        name = entry.fingerprint.hex()
        if data is None:
            found.against.append((Word.ALTERED, f"the record of {name} is not the one that is listed"))
        elif entry.fingerprint in wanted:
            made = Fingerprint.from_bytes(data, where=f"record {name[:16]}…")
            if made.root != entry.root:
                found.against.append((Word.INCONSISTENT, f"the tensor root of {name} is not the one that is listed"))
            else:
                yield entry, made
        meter.add(entry.size, entry.facts.name)
