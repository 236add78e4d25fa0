"""The endorsements of a bundle under verification: about this bundle, by whom, and what follows from each."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mpk_tui.bundle import endorsements, envelope
from mpk_tui.bundle.endorsements import Endorsement
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.limits import DEFAULT, FUTURE_MS, Bounds
from mpk_tui.bundle.manifest import Manifest
from mpk_tui.bundle.outcome import EndorsementReport, Word
from mpk_tui.bundle.run import Run
from mpk_tui.bundle.signers import check_signatures, standing
from mpk_tui.bundle.suites import PublicKey
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.errors import MalformedError


def read_endorsements(
    run: Run, sealed: Envelope, body: Manifest, now: int, store: TrustStore, bounds: Bounds = DEFAULT
) -> dict[str, int]:
    """Check all endorsements.

    Args:
        run: Added to; its sections have been read.
        sealed: The file, taken apart.
        body: The signed manifest.
        now: The verifier's clock, milliseconds.
        store: Whom the verifier believes.
        bounds: What is accepted.

    Returns:
        The earliest time by person id at which a trusted person endorsed.

    Raises:
        MalformedError: One is not of its shape, or names a section that the manifest does not list.
        UnsupportedError: One is of a newer major version.
    """
    witnessed: dict[str, int] = {}
    recorded: set[str] = set()
    recorded_items: set[tuple[str, int]] = set()
    sigs = envelope.signatures_digest(sealed.signatures)
    declared = {k.keyid: k for s in body.signers for k in s.keys}
    for n, item in enumerate(sealed.endorsements):
        where = f"endorsement {n}"
        e = endorsements.parse(item, body.suite, where, bounds)
        if e.target != run.bundle_id:
            run.found.append((Word.ALTERED, f"{where} is about another bundle"))
            continue
        if e.sigs != sigs:
            run.found.append((Word.ALTERED, f"{where} is about other signatures than those of this file"))
            continue
        _check_names(e, body, where)
        checked = check_signatures(e.message, e.signatures, (e.signer,), store)
        faults = [*checked.faults, *_under_declared_keys(e, checked.ignored, declared)]
        named = [*(k.keyid for k in e.signer.keys), *(s.keyid for s in e.signatures)]
        known = any(store.find(keyid) or keyid in declared for keyid in named)
        if faults and known:
            run.found += [(Word.ALTERED, f"{where}: {fault}") for fault in faults]
            continue
        stands = standing(e.signer, e.at, now, store, {})
        state = "not verified" if checked.faults else stands.state
        person = stands.person.name if stands.person else ""
        # Nobody has seen a bundle before it was made, nor will have seen it tomorrow.
        if state == "trusted" and stands.person is not None and body.created <= e.at <= now + FUTURE_MS:
            witnessed[stands.person.id] = min(e.at, witnessed.get(stands.person.id, e.at))
        _check_absent(run, e, where)
        # Who is to have withheld something must be somebody: all their keys are the bundle's signers' or in the store.
        somebody = all(store.find(k.keyid) or k.keyid in declared for k in e.signer.keys)
        if not checked.faults and somebody and state != "revoked":
            recorded.update(e.removed)
            recorded_items.update(e.removed_items)
        run.endorsed.append(
            EndorsementReport(
                e.kind, e.at, e.signer.id, e.signer.role, state, person, e.statement,
                tuple(k.keyid for k in e.signer.keys), e.detail(),
            )
        )  # fmt: skip
        if e.kind == "dissent":
            run.notices.append(f"{e.signer.id!r} ({state}) dissents: see the endorsements")
            if state == "trusted":
                run.dissent.append(f"{person}, whom you trust, dissents")
        if e.kind == "timestamp":
            run.notices.append(f"{where}: its time stamp token is carried along and was not evaluated")
    _without_record(run, recorded, recorded_items)
    return witnessed


def _under_declared_keys(
    e: Endorsement, unchecked: Iterable[bytes], declared: Mapping[bytes, PublicKey]
) -> Iterator[str]:
    """Signatures beside those of the endorser, by keys that the manifest declares and the store does not know."""
    by_keyid = {s.keyid: s.sig for s in e.signatures}
    for keyid in unchecked:
        if keyid in declared and not declared[keyid].verifies(by_keyid[keyid], e.message):
            yield f"a signature under a key of the bundle's signers ({keyid.hex()[:16]}…) does not fit"


def _check_names(e: Endorsement, body: Manifest, where: str) -> None:
    for name in (*e.removed, *e.reviewed):
        if body.section(name) is None:
            raise MalformedError(f"names section {name!r}, which the bundle does not list", where=f"{where}.data")
    for name, index in e.removed_items:
        entry = body.section(name)
        if entry is None or entry.kind == "blob" or index >= entry.count:
            raise MalformedError(f"names item {index} of {name!r}, which there is not", where=f"{where}.data")


def _check_absent(run: Run, e: Endorsement, where: str) -> None:
    """What is recorded as withheld must not be here."""
    states = {s.id: s for s in run.sections}
    for name in e.removed:
        if states[name].state in ("intact", "partly withheld", "not understood"):
            run.found.append((Word.ALTERED, f"{where} says that {name} was withheld, and it is here"))
    for name, index in e.removed_items:
        section = states[name]
        gone = section.state == "withheld" or (section.state == "partly withheld" and _among(section.items, index))
        if not gone:
            run.found.append((Word.ALTERED, f"{where} says that item {index} of {name} was withheld, and it is here"))


def _among(numbers: Sequence[int], one: int) -> bool:
    """Whether a number is among ascending ones; there may be a million of them, and thousands are asked for."""
    at = bisect_left(numbers, one)
    return at < len(numbers) and numbers[at] == one


def _without_record(run: Run, recorded: set[str], items: set[tuple[str, int]]) -> None:
    for s in run.sections:
        if s.id in recorded:
            continue
        if s.state == "withheld":
            # An attachment may also travel beside the bundle; then nobody withheld it.
            what = "is not in the file (detached or withheld)" if s.id.startswith("doc.") else "is withheld"
            run.notices.append(f"section {s.id} {what} without a record of who did it")
        elif s.state == "partly withheld":
            bare = [i for i in s.items if (s.id, i) not in items]
            if bare:
                listed = ", ".join(map(str, bare[:10])) + (f" and {len(bare) - 10} more" if len(bare) > 10 else "")
                run.notices.append(
                    f"section {s.id} is withheld in part (items {listed}) without a record of who did it"
                )
