"""An endorsement from the words of a person to the bytes of a file: what its kind asks for, the signature, the bundle.

The command line and the workbench both come here; whoever signs was shown the verified bundle before.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.bundle import envelope, manifest
from mpk_tui.bundle.endorsements import KINDS, TOKEN_BYTES
from mpk_tui.bundle.later import endorse
from mpk_tui.bundle.outcome import Outcome
from mpk_tui.bundle.receipt_log import VERIFIER
from mpk_tui.bundle.suites import ML_DSA_65, SUITES
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import MalformedError, UsageError
from mpk_tui.hashtree import sha256
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.keys.private import load, needs_passphrase
from mpk_tui.keys.public import half_beside
from mpk_tui.keys.signing import FileSigner, MessageSigner, declared, signatures

GIVEN = tuple(k for k in KINDS if k != "redaction")
"""Kinds that a person gives; a record of redaction is made by ``bundle redact`` alone."""
OPINIONS = ("concur", "dissent", "witness")
"""Kinds that can be limited to some sections."""
ROLE = "reviewer"


@dataclass(frozen=True)
class Statement:
    """What somebody wants to put beside a bundle.

    Attributes:
        kind: One of `GIVEN`.
        id: Who endorses.
        role: In which role.
        text: In their words; signed as given.
        reviewed: Sections that it is limited to; empty if it is about all of the bundle.
        token: For a time stamp: the file with the token of RFC 3161.
    """

    kind: str
    id: str
    role: str = ROLE
    text: str = ""
    reviewed: tuple[str, ...] = ()
    token: Path | None = None


def data_for(said: Statement, outcome: Outcome, data: bytes, at: int) -> dict[str, Any]:
    """What the kind of an endorsement asks for.

    Args:
        said: The statement.
        outcome: Of the verification that the endorser looked at.
        data: The bytes that were verified.
        at: The clock that the verification went by, milliseconds.

    Raises:
        UsageError: Something was given that does not go with the kind, or is missing.
        MalformedError: The token is empty.
        StorageError: The token cannot be read.
    """
    if said.reviewed and said.kind not in OPINIONS:
        raise UsageError(f"a {said.kind} is about all of the bundle; it names no sections")
    if (said.token is not None) != (said.kind == "timestamp"):
        raise UsageError("a token belongs to a timestamp, which needs one")
    if said.token is not None:
        token = read_small(said.token, TOKEN_BYTES, follow=True)
        if not token:
            raise MalformedError("is empty; a time stamp token was expected", where=str(said.token))
        return {"token": token}
    if said.kind == "receipt":
        return endorse.receipt_data(outcome, sha256(data), at, VERIFIER)
    return {"reviewed": sorted(set(said.reviewed))} if said.reviewed else {}


def endorsed(
    said: Statement, outcome: Outcome, data: bytes, at: int, signer: MessageSigner, dated: int | None = None
) -> bytes:
    """The bundle file with one more endorsement.

    Args:
        said: What is said, and by whom.
        outcome: Of the verification of ``data``; its content was shown to the endorser.
        data: The bundle file as it was verified.
        at: The clock of that verification, milliseconds.
        signer: Whoever signs.
        dated: When it is said, milliseconds; without it the clock of the verification.

    Raises:
        MpkError: The statement does not fit, or the keys do not fit the bundle's suite.
    """
    sealed = envelope.parse(data)
    body = endorse.draft(
        sealed, said.kind, at if dated is None else dated, declared(signer, said.id, said.role), said.text,
        data_for(said, outcome, data, at),
    )  # fmt: skip
    return endorse.attach(sealed, body, signatures(signer, endorse.message(body))).to_bytes()


def suite_of_bundle(data: bytes) -> str:
    """The suite of a bundle that was verified."""
    return manifest.parse(envelope.parse(data).payload).suite


def file_signer(paths: Sequence[Path], suite: str, passphrase: Passphrase | None) -> FileSigner:
    """The keys of one person, opened with one passphrase.

    Args:
        paths: Key files; beside a single one its second half is looked for, where the suite needs it.
        suite: Which algorithms are needed.
        passphrase: For those that are encrypted.

    Raises:
        KeyFileError: A key cannot be opened.
        StorageError: It cannot be read.
    """
    files = list(paths)
    if len(files) == 1 and ML_DSA_65 in SUITES[suite]:
        beside = half_beside(files[0])
        if beside is not None and os.path.lexists(beside):
            files.append(beside)
    return FileSigner([load(path, passphrase if needs_passphrase(path) else None) for path in files])
