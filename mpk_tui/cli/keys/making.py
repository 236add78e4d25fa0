"""``keys new`` and ``keys show``: key files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode
from mpk_tui.keys import passphrase, private, public


def add(actions: Any) -> None:
    """Declare the arguments of both actions."""
    new = actions.add_parser("new", allow_abbrev=False, help="make a signing key")
    new.add_argument("-o", "--output", type=Path, metavar="KEY.pem", required=True)
    new.add_argument("--passphrase-fd", type=int, metavar="N", help="read the passphrase from this descriptor")
    show = actions.add_parser("show", allow_abbrev=False, help="fingerprint of a public key file")
    show.add_argument("file", type=Path, metavar="KEY.pub.pem")
    show.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Run one of the actions."""
    return _new(args) if args.action == "new" else _show(args)


def _new(args: argparse.Namespace) -> int:
    descriptor = args.passphrase_fd
    given = passphrase.from_descriptor(descriptor) if descriptor is not None else passphrase.ask_new()
    key = private.create(args.output, given)
    narrate(f"wrote {args.output} and {private.public_path(args.output)}")
    emit(public.fingerprint(key))
    return ExitCode.OK


def _show(args: argparse.Namespace) -> int:
    key = public.read_public(args.file)
    if args.json:
        emit_json({"schema": "mpk-tui/key/1", "alg": key.alg, "keyid": key.keyid.hex()})
        return ExitCode.OK
    emit(f"alg          {key.alg}")
    emit(f"fingerprint  {public.fingerprint(key)}")
    return ExitCode.OK
