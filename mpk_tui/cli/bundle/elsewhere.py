"""``bundle sign --request`` and ``--import``, and ``bundle sign-request``: signatures that are made elsewhere."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpk_tui.bundle import build, dsse
from mpk_tui.bundle.envelope import Envelope, Signature
from mpk_tui.bundle.suites import NAMES, SUITES, PublicKey, suite_of
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.cli.output import emit, narrate
from mpk_tui.errors import ExitCode, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.hashtree import sha256
from mpk_tui.keys import external
from mpk_tui.keys.public import fingerprint, half_beside, read_public
from mpk_tui.keys.signing import signatures


def add(actions: Any) -> None:
    """Declare the arguments of ``sign-request``."""
    from mpk_tui.cli.bundle.signing import signer_options

    request = actions.add_parser(
        "sign-request", allow_abbrev=False, help="sign a message that bundle sign --request wrote"
    )
    request.add_argument("request", type=Path, metavar="OUT.pae")
    request.add_argument("-o", "--output", type=Path, metavar="S.sig", required=True, help="signature file to write")
    signer_options(request)


def run(args: argparse.Namespace) -> int:
    """Run ``sign-request``: show what would be signed, then open the key."""
    from mpk_tui.cli.bundle.signing import WHOLE, signer_from

    asked = external.parse_request(read_small(args.request, external.MOST_BYTES, follow=True), str(args.request))
    outputs = [args.output, *([beside] if (beside := half_beside(args.output)) else [])]
    for path in outputs:
        _free(path)
    for line in external.describe(asked):
        emit(line, fold=True, most=WHOLE)
    declared = [key for signer in asked.signers for key in signer.keys]
    suite = max((suite_of(s.keys) for s in asked.signers), key=list(SUITES).index)
    signer = signer_from(args, suite, among=declared if asked.names_all else (), whole=False)
    strange = [key for key in signer.keys if asked.names_all and key not in declared]
    if strange:
        raise UsageError(
            f"the request does not name key {strange[0].keyid.hex()[:16]}… as a signer", where=str(args.request)
        )
    if len(signer.keys) > len(outputs):
        raise UsageError(f"{args.output.name!r} is the name of a second half", hint="Name the first: -o S.sig")
    made = {s.keyid: s.sig for s in signatures(signer, asked.message)}
    for key, path in zip(signer.keys, outputs, strict=False):
        write_file(path, made[key.keyid])
        emit(f"signed   with {NAMES[key.alg]} key {fingerprint(key)}")
        narrate(f"wrote {path}")
    return ExitCode.OK


def ask(envelope: Envelope, path: Path, who: str | None) -> None:
    """Write the message of a bundle for those who have not signed yet.

    Raises:
        UsageError: Nobody is missing, or not the one that was named.
        StorageError: The file exists or cannot be written.
    """
    missing = [(s, k) for s, k in build.missing_keys(envelope) if who in (None, s.id)]
    if not missing:
        raise UsageError(
            "no signature is waited for" if who is None else f"no signature of {who!r} is waited for",
            hint="Signers are declared by bundle build",
        )
    write_message(build.message(envelope), path)
    narrate(f"bundle {dsse.bundle_id(envelope.payload).hex()}")
    for signer, key in missing:
        narrate(f"asks {signer.id}, {signer.role}, for a signature with {NAMES[key.alg]} key {fingerprint(key)}")


def write_message(message: bytes, path: Path) -> None:
    """Write a message that is to be signed elsewhere, and say how.

    Raises:
        StorageError: The file exists or cannot be written.
    """
    _free(path)
    write_file(path, message)
    narrate(f"wrote {path}: {len(message)} bytes, SHA-256 {sha256(message).hex()}")
    narrate(f"sign it with: mpk-tui bundle sign-request {path.name} --key KEY.pem -o S.sig")
    narrate(f"or with:      openssl pkeyutl -sign -rawin -inkey KEY.pem -in {path.name} -out S.sig")


def take(envelope: Envelope, paths: Sequence[Path], public: Path | None) -> Envelope:
    """Add signatures from files, and the second half that lies beside a single one.

    Raises:
        MalformedError: A file is no raw signature, or not one that is waited for.
        UsageError: The key that was named is not waited for.
    """
    wanted = None if public is None else read_public(public)
    if wanted is not None:
        build.may_sign(envelope, wanted)
    keys = [key for _, key in build.missing_keys(envelope) if wanted in (None, key)]
    for record in read_signatures(paths, build.message(envelope), keys):
        envelope = build.attach(envelope, record)
    return envelope


def read_signatures(paths: Sequence[Path], message: bytes, keys: Sequence[PublicKey]) -> list[Signature]:
    """Signatures of a message from files, each by another of these keys.

    A second half that lies beside a single file is read too.

    Raises:
        MalformedError: A file is no raw signature, or fits none of the keys.
    """
    files = list(paths)
    if len(files) == 1 and len(keys) > 1 and (beside := half_beside(files[0])) and os.path.lexists(beside):
        files.append(beside)
    left = list(keys)
    out = []
    for path in files:
        record = external.read_signature(path, message, left)
        left = [key for key in left if key.keyid != record.keyid]
        out.append(record)
    return out


def _free(path: Path) -> None:
    if os.path.lexists(path):
        raise StorageError("exists and is not overwritten", where=str(path), hint="Name another file")
