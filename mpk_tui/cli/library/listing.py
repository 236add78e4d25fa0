"""``library list``: the entries of the catalogue, then fingerprint files that merely lie in the folder."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpk_tui.cli.library.declaring import declare, library_of
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import ExitCode, UsageError
from mpk_tui.text import clean, size

if TYPE_CHECKING:  # declaring arguments needs nothing of the library
    from mpk_tui.library.entry import Entry

_NAMES = 28
"""Columns that names are padded to at most."""


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    p = declare(
        actions, "list", "list the entries, then loose fingerprint files of the folder", json="mpk-tui/library/2"
    )
    p.add_argument("folder", type=Path, metavar="FOLDER", nargs="?", help="the same as --library FOLDER")
    p.add_argument("--text", default="", metavar="TEXT", help="only what holds it: name, source, licence, family, pack")
    p.add_argument("--revoked", action="store_true", help="with entries that were revoked")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.kit.telling import told
    from mpk_tui.library.listing import list_library

    if args.folder is not None and args.library is not None:
        raise UsageError("FOLDER and --library both name the library", hint="Give one of them")
    folder = args.folder if args.folder is not None else library_of(args)
    found = list_library(folder, text=args.text, revoked=args.revoked, immutable=args.immutable, report=progress_bar())
    if args.json:
        emit_json(found.as_record())
    else:
        for line in entry_lines(found.entries, columns()):
            emit(line, fold=True)
        for row in found.loose:
            emit(f"{row.name}  (a file, not in the catalogue)", fold=True)
            if row.fault:
                emit(f"  cannot be used: {row.fault}", fold=True)
                continue
            emit(f"  format       {row.format}, {row.family}, {row.scope}")
            layers = "" if row.layers is None else f"{row.layers} layers, "
            emit(f"  parameters   {row.parameters:,} in {row.tensors:,} tensors, {layers}{row.features} features")
            emit(f"  tensor root  {row.root}")
            emit(f"  file         {size(row.size)}, fingerprint {row.fingerprint}")
    for notice in found.notices:
        narrate(f"note: {found.folder}: {notice}")
    if said := told(folder):
        narrate(f"{folder}: {said}")
    usable = sum(not row.fault for row in found.loose)
    loose = f"; files not in the catalogue: {usable} usable, {len(found.loose) - usable} not" if found.loose else ""
    state = ("" if found.catalogue else ", no catalogue yet") + (", read-only" if found.read_only else "")
    count = len(found.entries)
    narrate(f"{found.folder}: {count} {'entry' if count == 1 else 'entries'}{loose}{state}")
    if not found.entries and not args.text:
        narrate("mpk-tui library add PATH takes a checkpoint or a fingerprint file into the catalogue")
    return ExitCode.OK


def entry_lines(entries: Sequence[Entry], room: int | None) -> Iterator[str]:
    """Entries with their names first; where the terminal is too narrow, what else is said of each on a line below.

    Args:
        entries: Of the catalogue.
        room: Columns, or None where the output is no terminal.
    """
    names = [clean(e.name, 800) + ("  REVOKED" if e.revoked else "") for e in entries]
    widest = min(max(map(len, names), default=0), _NAMES)
    rows = []
    for e, name in zip(entries, names, strict=True):
        layers = "-" if e.layers is None else str(e.layers)
        come = f"pack {e.origin.pack_name} {e.origin.pack_version}" if e.origin.pack else f"by {e.added_by}"
        rows.append((
            f"{e.fingerprint.hex()[:16]}  {name:<{widest}}",
            f"{clean(e.family, 80):<12} {e.parameters:>15,}  {layers:>4} layers  {day(e.added_at)}  "
            f"({clean(come, 500)})",
        ))  # fmt: skip
    apart = room is not None and any(len(head) + 2 + len(rest) > room for head, rest in rows)
    for head, rest in rows:
        yield from (head.rstrip(), f"  {rest}") if apart else (f"{head}  {rest}",)


def columns() -> int | None:
    """Columns of the terminal that is printed to, or None where there is none."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return None


def day(at: int) -> str:
    """A moment as its day, UTC."""
    try:
        return f"{datetime.datetime.fromtimestamp(at / 1000, datetime.UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return "no date"


def moment(at: int) -> str:
    """A moment to the second, UTC."""
    try:
        return f"{datetime.datetime.fromtimestamp(at / 1000, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return "no date"
