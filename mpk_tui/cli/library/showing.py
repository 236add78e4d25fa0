"""``library show``: one entry with everything that is known of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.cli.library.declaring import declare, library_of
from mpk_tui.cli.library.listing import moment
from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode
from mpk_tui.text import size


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    p = declare(
        actions, "show", "show one entry: what is said of it, by whom, and what was measured", json="mpk-tui/entry/1"
    )
    p.add_argument("name", metavar="NAME", help="name, alias, or the beginning of a fingerprint or root")
    p.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the fingerprint to FILE.mpkf as well")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.fingerprint.record import write
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.telling import tell

    with open_library(library_of(args), immutable=args.immutable) as library:
        told = tell(library, library.entry(args.name))
    if args.output is not None:
        write(args.output, told.fingerprint)
        narrate(f"wrote {args.output}")
    if args.json:
        emit_json(told.as_record())
        return ExitCode.OK
    for name, value in told.lines(moment, size):
        emit(f"{name:<13}{value}" if name else f"  {value}", fold=True)
    for notice in told.fingerprint.notices:
        emit(f"  note: {notice}", fold=True)
    return ExitCode.OK
