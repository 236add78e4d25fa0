"""``bundle build``: from a complete case to a bundle, signed at once or for signers who sign elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from mpk_tui.bundle import build as building
from mpk_tui.bundle import dsse, mldsa
from mpk_tui.bundle.suites import SUITES, verifiable
from mpk_tui.bundle.verify import inspect
from mpk_tui.cli.bundle.signing import gives_signer, must_hold, now, signer_from, signer_options, tell
from mpk_tui.cli.output import emit, narrate
from mpk_tui.errors import ExitCode, StorageError, UsageError
from mpk_tui.files import write_file
from mpk_tui.keys.opening import declared_signer
from mpk_tui.keys.signing import declared, sign_bundle


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    make = actions.add_parser("build", allow_abbrev=False, help="make a bundle from a complete case")
    make.add_argument("case", type=Path, metavar="CASE", help="case folder")
    make.add_argument("-o", "--output", type=Path, metavar="FILE", required=True, help="bundle file to write")
    make.add_argument(
        "--suite", choices=list(SUITES), default="s1", help="s1: Ed25519 (default); s2: Ed25519 and ML-DSA-65"
    )
    make.add_argument(
        "--signer", action="append", default=[], metavar="ID:ROLE:PUB.pem[+PUB2.pem]",
        help="declare a signer who signs later; the second half of s2 lies beside the first or follows a +",
    )  # fmt: skip
    make.add_argument(
        "--role", default="analyst", metavar="ROLE",
        help="role of whoever signs now, under the name of the case's examiner (default: analyst)",
    )  # fmt: skip
    make.add_argument("--host-label", default="", metavar="TEXT", help="what you call this machine; signed as given")
    signer_options(make)


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.bundle.from_case import export, preview, record_sealed, require_complete
    from mpk_tui.bundle.toolfacts import tool_facts
    from mpk_tui.case import open_case
    from mpk_tui.selftest.record import current
    from mpk_tui.selftest.run import DISTRUST

    if not verifiable(args.suite):
        mldsa.require()
    signers = [declared_signer(text, args.suite) for text in args.signer]
    if not gives_signer(args) and not signers:
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
        tested = current(narrate)
        if not tested["passed"]:
            narrate(f"warning: {DISTRUST} The bundle will say so; mpk-tui selftest tells more")
        holder = signer_from(args, args.suite) if gives_signer(args) else None
        if holder is not None:
            signers.insert(0, declared(holder, case.state.examiner, args.role))
        contents = export(case, tool_facts(sys.argv[1:], args.host_label), tested)
        made = building.build(contents, signers, suite=args.suite)
        if holder is not None:
            made = sign_bundle(made, holder)
        data = made.to_bytes()
        must_hold(inspect(data, now()), str(args.output))
        write_file(args.output, data)
        identity = dsse.bundle_id(made.payload)
        record_sealed(case, identity, contents.seq)
    tell(args.output, made)
    return ExitCode.OK
