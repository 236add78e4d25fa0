"""bundle endorse: a signed statement beside a bundle, after what it is about was verified and shown."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpk_tui.bundle import manifest
from mpk_tui.bundle.endorsements import Endorsement, parse
from mpk_tui.bundle.envelope import Envelope, Signature
from mpk_tui.bundle.later import endorse
from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.wording import verdict_line, when
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.cli.bundle.looking import Looked, look, look_options, refuse, show
from mpk_tui.cli.bundle.signing import gives_signer, signer_from, signer_options
from mpk_tui.cli.output import emit, narrate
from mpk_tui.errors import ExitCode, MalformedError, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.keys import external
from mpk_tui.keys.endorsing import GIVEN, OPINIONS, Statement, data_for
from mpk_tui.keys.public import fingerprint, read_halves
from mpk_tui.keys.signing import declared, signatures


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    endorsing = actions.add_parser(
        "endorse", allow_abbrev=False, help="put a signed statement beside a bundle: agree, disagree, witness",
        description=__doc__,
    )  # fmt: skip
    endorsing.add_argument("bundle", type=Path, metavar="FILE")
    endorsing.add_argument(
        "--kind", choices=GIVEN, help="concur, dissent, witness (that it existed), receipt, timestamp"
    )
    endorsing.add_argument("--statement", default="", metavar="TEXT", help="in your words; signed as given")
    endorsing.add_argument("--id", metavar="NAME", help="who endorses")
    endorsing.add_argument("--role", default="reviewer", metavar="ROLE", help="in which role (default: reviewer)")
    endorsing.add_argument(
        "--reviewed", action="append", default=[], metavar="SECTION", help="the statement is about this section only"
    )
    endorsing.add_argument("--token", type=Path, metavar="FILE", help="RFC 3161 token to carry along, not evaluated")
    endorsing.add_argument("-o", "--output", type=Path, metavar="FILE", help="write here instead of into FILE")
    endorsing.add_argument(
        "--request", type=Path, metavar="OUT.pae", help="write the message for another machine (with --public)"
    )
    endorsing.add_argument(
        "--import", dest="brought", type=Path, action="append", default=[], metavar="S.sig",
        help="take in the signature of the message that --request names",
    )  # fmt: skip
    look_options(endorsing, signs=True)
    signer_options(endorsing)


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    _free(args.output)
    if not args.brought and (args.kind is None or args.id is None):
        raise UsageError("--kind and --id are needed: what is said, and by whom")
    looked = look(args)
    if looked.contents is None:
        return refuse(looked, untrusted=args.show_untrusted, what="nothing was endorsed")
    show(looked, untrusted=args.show_untrusted)
    emit(verdict_line(looked.outcome))
    sealed = looked.sealed
    if args.brought:
        if args.request is None or gives_signer(args):
            raise UsageError("--import needs the message that was signed: --request OUT.pae, and no --key")
        return _take_in(args, sealed)
    suite = looked.body.suite
    data = _data(args, looked)
    if args.request is not None:
        if args.public is None or gives_signer(args):
            raise UsageError("--request needs the public key of whoever signs: --public KEY.pub.pem, and no --key")
        return _request(args, looked, data)
    signer = signer_from(args, suite)
    body = endorse.draft(sealed, args.kind, looked.at, declared(signer, args.id, args.role), args.statement, data)
    return write(args.output or args.bundle, sealed, body, signatures(signer, endorse.message(body)))


def _data(args: argparse.Namespace, looked: Looked) -> dict[str, Any]:
    """What the kind asks for."""
    if args.reviewed and args.kind not in OPINIONS:
        raise UsageError(f"--reviewed does not go with --kind {args.kind}")
    if (args.token is not None) != (args.kind == "timestamp"):
        raise UsageError("--token FILE belongs to --kind timestamp, which needs it")
    said = Statement(args.kind, args.id, args.role, args.statement, tuple(args.reviewed), args.token)
    data = data_for(said, looked.outcome, looked.data, looked.at)
    if args.kind == "timestamp":
        narrate("note: the token is carried along; this version does not evaluate time stamps")
    return data


def _request(args: argparse.Namespace, looked: Looked, data: dict[str, Any]) -> int:
    """Write the message that somebody else is to sign."""
    if os.path.lexists(args.request):
        raise StorageError("exists; a request is never overwritten", where=str(args.request), hint="Name another file")
    signer = Signer(args.id, args.role, read_halves(args.public))
    body = endorse.draft(looked.sealed, args.kind, looked.at, signer, args.statement, data)
    message = endorse.message(body)
    write_file(args.request, message)
    for line in external.describe(external.parse_request(message, str(args.request))):
        emit(line, fold=True)
    narrate(
        f"wrote {args.request}; when it is signed: mpk-tui bundle endorse FILE --request {args.request} --import S.sig"
    )
    return ExitCode.OK


def _take_in(args: argparse.Namespace, sealed: Envelope) -> int:
    """Put the endorsement of a request into the bundle, with the signatures that came back."""
    message = read_small(args.request, external.MOST_BYTES, follow=True)
    asked = external.parse_request(message, str(args.request))
    if not isinstance(asked.body, Endorsement):
        raise MalformedError("asks for the signature of a bundle", where=str(args.request), hint="bundle sign takes it")
    for line in external.describe(asked):
        emit(line, fold=True)
    keys = [k for s in asked.signers for k in s.keys]
    made = [external.read_signature(path, message, keys) for path in args.brought]
    # "DSSEv1", two lengths and the type hold no further space: the rest is the body.
    return write(args.output or args.bundle, sealed, message.split(b" ", 4)[4], made)


def write(path: Path, sealed: Envelope, body: bytes, made: Sequence[Signature]) -> int:
    """Put a signed endorsement into the file and say so."""
    done = endorse.attach(sealed, body, made)
    write_file(path, done.to_bytes())
    e = parse(done.endorsements[-1], manifest.parse(sealed.payload).suite, "endorsement")
    emit(f"{e.kind:<8} {e.signer.id!r}, {e.signer.role}, {when(e.at)}")
    for key in e.signer.keys:
        emit(f"signed   with key {fingerprint(key)}")
    narrate(f"wrote {path}")
    return ExitCode.OK


def _free(path: Path | None) -> None:
    if path is not None and os.path.lexists(path):
        raise StorageError("exists; it is not overwritten", where=str(path), hint="Name another file")
