"""``library check``: a library held against itself."""

from __future__ import annotations

import argparse
from typing import Any

from mpk_tui.cli.library.declaring import declare, library_of
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import UsageError


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    p = declare(
        actions, "check", "read and hash every fingerprint file, make every row again and compare",
        json="mpk-tui/library-check/1",
    )  # fmt: skip
    p.add_argument(
        "--repair", action="store_true",
        help="make rows again that follow from the fingerprint files, and clear away what a broken off change left",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the action; 20 for a lost or altered file, 22 for rows that do not follow from them, 30 for the database."""
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.checking import check

    if args.repair and args.immutable:
        raise UsageError("--repair writes and --immutable forbids it", hint="Give one of them")
    with open_library(library_of(args), write=args.repair, immutable=args.immutable) as library:
        found = check(library, repair=args.repair, report=progress_bar())
    if args.json:
        emit_json(found.as_record())
    else:
        for fault in found.faults:
            emit(f"{fault.kind:<9} {fault.name}: {fault.sentence}{' (repaired)' if fault.repaired else ''}", fold=True)
    narrate(f"{found.folder}: {found.sentence}")
    return found.code
