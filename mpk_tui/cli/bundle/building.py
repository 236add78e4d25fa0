"""``bundle build``: from a complete case to a bundle, signed at once or for signers who sign elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from mpk_tui.bundle import build as building
from mpk_tui.bundle import dsse
from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.verify import inspect
from mpk_tui.cli.bundle.signing import must_hold, now, open_key, passphrase_option, tell
from mpk_tui.cli.output import emit, narrate
from mpk_tui.errors import ExitCode, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.keys.public import read_public


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    make = actions.add_parser("build", allow_abbrev=False, help="make a bundle from a complete case")
    make.add_argument("case", type=Path, metavar="CASE", help="case folder")
    make.add_argument("-o", "--output", type=Path, metavar="FILE", required=True, help="bundle file to write")
    make.add_argument("--key", type=Path, metavar="KEY.pem", help="sign with this key at once")
    make.add_argument(
        "--signer", action="append", default=[], metavar="ID:ROLE:PUB.pem", help="declare a signer who signs later"
    )
    make.add_argument("--role", default="analyst", metavar="ROLE", help="role of --key's holder (default: analyst)")
    make.add_argument("--host-label", default="", metavar="TEXT", help="what you call this machine; signed as given")
    passphrase_option(make)


def run(args: argparse.Namespace) -> int:
    """Run the action."""
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
        must_hold(inspect(data, now()), str(args.output))
        write_file(args.output, data)
        identity = dsse.bundle_id(made.payload)
        record_sealed(case, identity, contents.seq)
    tell(args.output, made)
    return ExitCode.OK


def _signer(text: str) -> Signer:
    name, _, rest = text.partition(":")
    role, _, path = rest.partition(":")
    if not (name and role and path):
        raise UsageError(f"--signer {text!r} is not ID:ROLE:PUB.pem")
    return Signer(name, role, (read_public(Path(path)),))
