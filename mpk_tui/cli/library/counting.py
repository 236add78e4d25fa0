"""``library stats`` and ``library log``: a library in numbers, and who did what when."""

from __future__ import annotations

import argparse
from typing import Any

from mpk_tui.cli.library.declaring import declare, library_of
from mpk_tui.cli.library.listing import moment
from mpk_tui.cli.output import emit, emit_json
from mpk_tui.errors import ExitCode
from mpk_tui.text import size

_MOST_LINES = 40


def add(actions: Any) -> None:
    """Declare the actions' arguments."""
    declare(actions, "stats", "how much is in the library, and of what", json="mpk-tui/library-stats/1")
    p = declare(actions, "log", "who did what when, newest first", json="mpk-tui/library-log/1")
    p.add_argument("--most", type=int, default=100, metavar="N", help="lines (default: 100)")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.kit.telling import told
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.counting import LOG, count

    with open_library(library_of(args), immutable=args.immutable) as library:
        if args.action == "log":
            acts = library.acts(max(args.most, 0))
            if args.json:
                emit_json({"schema": LOG, "folder": str(library.folder), "history": [a.as_record() for a in acts]})
            for a in acts if not args.json else ():
                said = f": {a.note}" if a.note else ""
                emit(f"{moment(a.at)}  {a.act:<8} {a.fingerprint.hex()[:16]}  {a.name}  by {a.who}{said}", fold=True)
            return ExitCode.OK
        made = count(library)
    if args.json:
        emit_json(made.as_record())
        return ExitCode.OK
    emit(f"entries      {made.entries:,}, {made.revoked:,} of them revoked")
    for word, counts in (("family", made.families), ("origin", made.origins)):
        for name, number in list(counts.items())[:_MOST_LINES]:
            emit(f"{word:<13}{number:>8,}  {name or 'added here'}", fold=True)
        if len(counts) > _MOST_LINES:
            emit(f"{word:<13}and {len(counts) - _MOST_LINES} more")
    emit(
        f"parents      {made.with_parents:,} entries name some: {made.documented:,} with evidence of a kind that "
        f"counts, {made.claimed:,} claimed"
    )
    emit(f"packs        {made.packs:,} taken in")
    if said := told(made.folder):
        emit(f"leads        {said}", fold=True)
    emit(
        f"looked up    {made.rows['tensors']:,} tensors, {made.rows['files']:,} files, {made.rows['screens']:,} screens"
    )
    emit(
        f"on disk      {size(made.bytes['catalogue'])} catalogue, {size(made.bytes['fingerprints'])} fingerprint files"
    )
    return ExitCode.OK
