"""Putting an endorsement beside a bundle: what is signed, and the file with it.  Nothing that was signed changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mpk_tui.bundle import dsse, endorsements, limits
from mpk_tui.bundle.envelope import Envelope, SealedEndorsement, Signature, signatures_digest
from mpk_tui.bundle.manifest import Signer, parse
from mpk_tui.bundle.outcome import Outcome
from mpk_tui.bundle.suites import SUITES
from mpk_tui.errors import LimitError, MalformedError, UsageError
from mpk_tui.records import replace


def draft(
    envelope: Envelope, kind: str, at: int, signer: Signer, statement: str, data: Mapping[str, Any] | None = None
) -> bytes:
    """The body of an endorsement of a bundle: what its signer signs, as `dsse.ENDORSEMENT_TYPE`.

    Args:
        envelope: The bundle, signed by everybody who is to sign it: a later signature would break the endorsement.
        kind: One of `endorsements.KINDS`.
        at: Milliseconds since 1970, UTC.
        signer: Who endorses, with the keys of the bundle's suite.
        statement: In their words.
        data: What the kind asks for.

    Raises:
        UsageError: The signer's keys are not those of the bundle's suite, nobody has signed the bundle, or ``data``
            names a section that there is not.
        MalformedError: ``data`` does not fit.
        LimitError: The bundle carries as many endorsements as readers accept.
    """
    body = parse(envelope.payload)
    needed = SUITES[body.suite]
    if tuple(k.alg for k in signer.keys) != needed:
        have = ", ".join(k.alg for k in signer.keys)
        raise UsageError(
            f"the bundle is of suite {body.suite}, whose endorsements need the keys {', '.join(needed)}; given: {have}",
            hint="Sign with one key of each kind, and no other",
        )
    if not envelope.signatures:
        raise UsageError("nobody has signed the bundle; an endorsement names its signatures", hint="Sign it first")
    if len(envelope.endorsements) >= limits.ENDORSEMENTS:
        raise LimitError(
            f"carries {limits.ENDORSEMENTS} endorsements, which is all that readers accept", where="bundle"
        )
    given = dict(data or {})
    made = endorsements.body(
        kind, dsse.bundle_id(envelope.payload), signatures_digest(envelope.signatures), at, signer, statement, given
    )
    # What we write, we can read.
    read = endorsements.parse(SealedEndorsement(made, ()), body.suite, "endorsement")
    for name in (*read.reviewed, *read.removed, *(s for s, _ in read.removed_items)):
        if body.section(name) is None:
            raise UsageError(f"the endorsement names section {name!r}, which the bundle does not list")
    return made


def message(body: bytes) -> bytes:
    """The message that is signed for a body of `draft`."""
    return dsse.pae(dsse.ENDORSEMENT_TYPE, body)


def attach(envelope: Envelope, body: bytes, signatures: Sequence[Signature]) -> Envelope:
    """The bundle with one more endorsement.

    Args:
        envelope: The bundle.
        body: From `draft`, for this bundle.
        signatures: Over `message`, one for each key that the body declares.

    Raises:
        MalformedError: One is missing, too many, or does not fit.
    """
    read = endorsements.parse(SealedEndorsement(body, tuple(signatures)), parse(envelope.payload).suite, "endorsement")
    if (read.target, read.sigs) != (dsse.bundle_id(envelope.payload), signatures_digest(envelope.signatures)):
        raise MalformedError("is about another bundle or other signatures", where="endorsement")
    by_keyid = {s.keyid: s.sig for s in signatures}
    if set(by_keyid) != {k.keyid for k in read.signer.keys} or len(by_keyid) != len(signatures):
        raise MalformedError("is not signed with exactly the keys that it declares", where="endorsement")
    for key in read.signer.keys:
        if not key.verifies(by_keyid[key.keyid], read.message):
            raise MalformedError("the signature that was made does not fit the key", where=key.keyid.hex()[:16])
    ordered = tuple(sorted(signatures, key=lambda s: s.keyid))
    return replace(envelope, endorsements=(*envelope.endorsements, SealedEndorsement(body, ordered)))


def receipt_data(outcome: Outcome, file: bytes, at: int, verifier: str) -> dict[str, Any]:
    """``data`` of a receipt: what a verification of the file said, and when.

    Args:
        outcome: Of that verification.
        file: SHA-256 of the file as it was verified, before the receipt was put in.
        at: The verifier's clock, milliseconds.
        verifier: Name and version of the program.
    """
    return {
        "verdict": outcome.verdict.value, "code": int(outcome.code), "file_sha256": file, "at": at,
        "verifier": verifier,
    }  # fmt: skip
