"""``bundle sign``: add the signature of a declared signer, after everything that is signed was shown."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from mpk_tui.bundle import build as building
from mpk_tui.bundle import dsse, envelope, wording
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.loading import read_bundle
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.bundle.verify import inspect
from mpk_tui.cli.output import emit, narrate
from mpk_tui.errors import ExitCode, MalformedError, UsageError
from mpk_tui.files import write_file
from mpk_tui.keys import passphrase
from mpk_tui.keys.private import SigningKey, load, needs_passphrase
from mpk_tui.keys.public import fingerprint


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    signing = actions.add_parser("sign", allow_abbrev=False, help="add the signature of a declared signer")
    signing.add_argument("bundle", type=Path, metavar="FILE")
    signing.add_argument("--key", type=Path, metavar="KEY.pem", required=True)
    passphrase_option(signing)


def passphrase_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--passphrase-fd``."""
    parser.add_argument("--passphrase-fd", type=int, metavar="N", help="read the passphrase from this descriptor")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    data = read_bundle(args.bundle)
    made = envelope.parse(data, unsigned=True)
    looked = inspect(data, now())
    must_hold(looked, str(args.bundle))
    for line in wording.lines(looked):
        emit(line)
    if made.endorsements:
        raise UsageError("has endorsements, which name the signatures as they are", where=str(args.bundle))
    key = open_key(args.key, args.passphrase_fd)
    made = building.sign(made, key.public, key.sign)
    write_file(args.bundle, made.to_bytes())
    tell(args.bundle, made)
    return ExitCode.OK


def open_key(path: Path, descriptor: int | None) -> SigningKey:
    """Open a private key, asking for its passphrase where it has one."""
    passphrase.no_core_files()
    if not needs_passphrase(path):
        narrate(f"{path}: this key is not protected by a passphrase")
        return load(path)
    given = passphrase.from_descriptor(descriptor) if descriptor is not None else passphrase.ask()
    return load(path, given)


def now() -> int:
    """This machine's clock, milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def must_hold(looked: Outcome, where: str) -> None:
    """Nothing is signed that a verifier would refuse."""
    if looked.verdict is not Word.VALID:
        raise MalformedError(
            f"cannot be signed, it would read {looked.verdict}: {looked.words}", where=where,
            hint="Build it again from the case",
        )  # fmt: skip


def tell(path: Path, made: Envelope) -> None:
    """Say what was written and who has still to sign."""
    emit(f"bundle   {dsse.bundle_id(made.payload).hex()}")
    for s in made.signatures:
        emit(f"signed   by key {s.keyid.hex()[:16]}…")
    for missing in building.missing_signers(made):
        emit(f"waiting  for {missing.id}, {missing.role}, key {fingerprint(missing.keys[0])}")
    narrate(f"wrote {path}")
