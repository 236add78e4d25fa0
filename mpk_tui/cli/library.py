"""Look through reference fingerprints: the fingerprint files (.mpkf) of a folder.

list [FOLDER]   every file with what it describes; one that cannot be used with the reason

FOLDER is the folder library in your data folder unless you name another; folders in it are looked into.  Nothing is
written.  mpk-tui fingerprint MODEL -o FILE.mpkf makes such a file; put it there.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import ExitCode
from mpk_tui.library import shelf
from mpk_tui.text import size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", allow_abbrev=False, help="list the fingerprint files of a folder")
    listing.add_argument("folder", type=Path, metavar="FOLDER", nargs="?", help="default: library in your data folder")
    listing.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/library/1)")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    found = shelf.look(args.folder if args.folder is not None else shelf.default_folder(), progress_bar())
    if args.json:
        emit_json(found.as_record())
    for row in found.rows if not args.json else ():
        emit(f"{row.name}")
        if row.fault:
            emit(f"  cannot be used: {row.fault}")
            continue
        emit(f"  format       {row.format}, {row.family}, {row.scope}")
        layers = "" if row.layers is None else f"{row.layers} layers, "
        emit(f"  parameters   {row.parameters:,} in {row.tensors:,} tensors, {layers}{row.features} features")
        emit(f"  tensor root  {row.root}")
        emit(f"  file         {size(row.size)}, fingerprint {row.fingerprint}")
    for notice in found.notices:
        narrate(f"note: {found.folder}: {notice}")
    usable = sum(not row.fault for row in found.rows)
    narrate(f"{found.folder}: {usable} usable, {len(found.rows) - usable} not")
    if not found.rows:
        narrate("mpk-tui fingerprint MODEL -o FILE.mpkf makes a fingerprint file; put it into this folder")
    return ExitCode.OK
