"""Build an evidence bundle from a case, sign it, look into it.

build CASE -o FILE --key KEY.pem            build and sign at once
build CASE -o FILE --signer ID:ROLE:PUB.pem build for signers who sign elsewhere: each with bundle sign
sign FILE --key KEY.pem                     add the signature of a declared signer
show FILE                                   everything in it, after it was verified

All declared signers must sign; a bundle with one signature missing is never VALID.  What is signed is printed first.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from mpk_tui.bundle import build as building
from mpk_tui.bundle import dsse, envelope, listing, wording
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.loading import read_bundle
from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.bundle.verify import inspect, verify
from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode, MalformedError, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.keys import passphrase
from mpk_tui.keys.private import SigningKey, load, needs_passphrase
from mpk_tui.keys.public import fingerprint, read_public


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    make = actions.add_parser("build", allow_abbrev=False, help="make a bundle from a complete case")
    make.add_argument("case", type=Path, metavar="CASE", help="case folder")
    make.add_argument("-o", "--output", type=Path, metavar="FILE", required=True, help="bundle file to write")
    make.add_argument("--key", type=Path, metavar="KEY.pem", help="sign with this key at once")
    make.add_argument(
        "--signer", action="append", default=[], metavar="ID:ROLE:PUB.pem", help="declare a signer who signs later"
    )
    make.add_argument("--role", default="analyst", metavar="ROLE", help="role of --key's holder (default: analyst)")
    make.add_argument("--host-label", default="", metavar="TEXT", help="what you call this machine; signed as given")
    _passphrase_option(make)
    signing = actions.add_parser("sign", allow_abbrev=False, help="add the signature of a declared signer")
    signing.add_argument("bundle", type=Path, metavar="FILE")
    signing.add_argument("--key", type=Path, metavar="KEY.pem", required=True)
    _passphrase_option(signing)
    showing = actions.add_parser("show", allow_abbrev=False, help="verify a bundle and print all of it")
    showing.add_argument("bundle", type=Path, metavar="FILE")
    whom = showing.add_mutually_exclusive_group()
    whom.add_argument("--trust", type=Path, metavar="DIR", help="trust store")
    whom.add_argument("--key", type=Path, metavar="PEM", help="believe this public key alone")
    showing.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/bundle/1)")
    showing.add_argument("--show-untrusted", action="store_true", help="show the content even if it is not trusted")


def _passphrase_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--passphrase-fd", type=int, metavar="N", help="read the passphrase from this descriptor")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.action == "build":
        return _build(args)
    return _sign(args) if args.action == "sign" else _show(args)


def open_key(path: Path, descriptor: int | None) -> SigningKey:
    """Open a private key, asking for its passphrase where it has one."""
    passphrase.no_core_files()
    if not needs_passphrase(path):
        narrate(f"{path}: this key is not protected by a passphrase")
        return load(path)
    given = passphrase.from_descriptor(descriptor) if descriptor is not None else passphrase.ask()
    return load(path, given)


def _build(args: argparse.Namespace) -> int:
    from mpk_tui.bundle.from_case import export, preview, record_sealed, require_complete
    from mpk_tui.bundle.toolfacts import tool_facts
    from mpk_tui.case import open_case

    signers = [_signer(text) for text in args.signer]
    if args.key is None and not signers:
        raise UsageError("nobody is declared as signer", hint="Give --key KEY.pem or --signer ID:ROLE:PUB.pem")
    if os.path.lexists(args.output):
        raise StorageError("exists; a bundle is never overwritten", where=str(args.output), hint="Name another file")
    if not args.output.absolute().parent.is_dir():
        raise StorageError("there is no such folder", where=str(args.output.parent))
    with open_case(args.case) as case:
        for notice in case.notices:
            narrate(notice)
        if case.read_only:
            raise StorageError("is open for reading only; building records an act in it", where=str(args.case))
        require_complete(case)
        looked = preview(case)
        emit(f"case     {looked.case}, bundle number {looked.seq}")
        for pair, display, statements in looked.pairs:
            emit(f"pair     {pair}: {display}")
            for sentence in statements:
                emit(f"  {sentence}")
        for warning in looked.warnings:
            narrate(f"note: {warning}")
        key = None if args.key is None else open_key(args.key, args.passphrase_fd)
        if key is not None:
            signers.insert(0, Signer(case.state.examiner, args.role, (key.public,)))
        contents = export(case, tool_facts(sys.argv[1:], args.host_label))
        made = building.build(contents, signers)
        if key is not None:
            made = building.sign(made, key.public, key.sign)
        data = made.to_bytes()
        _must_hold(inspect(data, _now()), str(args.output))
        write_file(args.output, data)
        identity = dsse.bundle_id(made.payload)
        record_sealed(case, identity, contents.seq)
    _tell(args.output, made)
    return ExitCode.OK


def _signer(text: str) -> Signer:
    name, _, rest = text.partition(":")
    role, _, path = rest.partition(":")
    if not (name and role and path):
        raise UsageError(f"--signer {text!r} is not ID:ROLE:PUB.pem")
    return Signer(name, role, (read_public(Path(path)),))


def _now() -> int:
    return time.time_ns() // 1_000_000


def _must_hold(looked: Outcome, where: str) -> None:
    """Nothing is signed that a verifier would refuse."""
    if looked.verdict is not Word.VALID:
        raise MalformedError(
            f"cannot be signed, it would read {looked.verdict}: {looked.words}", where=where,
            hint="Build it again from the case",
        )  # fmt: skip


def _tell(path: Path, made: Envelope) -> None:
    emit(f"bundle   {dsse.bundle_id(made.payload).hex()}")
    for s in made.signatures:
        emit(f"signed   by key {s.keyid.hex()[:16]}…")
    for missing in building.missing_signers(made):
        emit(f"waiting  for {missing.id}, {missing.role}, key {fingerprint(missing.keys[0])}")
    narrate(f"wrote {path}")


def _sign(args: argparse.Namespace) -> int:
    data = read_bundle(args.bundle)
    made = envelope.parse(data, unsigned=True)
    looked = inspect(data, _now())
    _must_hold(looked, str(args.bundle))
    for line in wording.lines(looked):
        emit(line)
    if made.endorsements:
        raise UsageError("has endorsements, which name the signatures as they are", where=str(args.bundle))
    key = open_key(args.key, args.passphrase_fd)
    made = building.sign(made, key.public, key.sign)
    write_file(args.bundle, made.to_bytes())
    _tell(args.bundle, made)
    return ExitCode.OK


def _show(args: argparse.Namespace) -> int:
    from mpk_tui.cli.verify import trust_from

    data = read_bundle(args.bundle)
    store = trust_from(args)
    outcome = verify(data, store, _now())
    contents = outcome.shown(untrusted=args.show_untrusted)
    if args.json:
        record = wording.as_record(outcome, untrusted=args.show_untrusted, dated=store.dated)
        sections = listing.sections_record(contents) if contents is not None else {}
        emit_json({"schema": "mpk-tui/bundle/1", "verify": record, "sections": sections})
        narrate(wording.verdict_line(outcome))
        return int(outcome.code)
    for line in wording.lines(outcome, untrusted=args.show_untrusted, dated=store.dated):
        emit(line)
    if contents is not None:
        emit()
        for line in listing.lines(contents):
            emit(line)
    emit(wording.verdict_line(outcome))
    return int(outcome.code)
