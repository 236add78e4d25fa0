"""``library revoke``: mark an entry as one that must not be relied on; it stays, and scans pass it over."""

from __future__ import annotations

import argparse
from typing import Any

from mpk_tui.cli.library.declaring import declare, library_of, who
from mpk_tui.cli.output import emit
from mpk_tui.errors import ExitCode, UsageError


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    p = declare(actions, "revoke", "mark an entry as one that must not be relied on; scans pass it over", writes=True)
    p.add_argument("name_of", metavar="NAME", help="name, alias, or the beginning of a fingerprint or root")
    p.add_argument("--reason", required=True, metavar="TEXT", help="why")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.library.adding import now
    from mpk_tui.library.catalogue import open_library

    with open_library(library_of(args), write=True) as library:
        entry = library.entry(args.name_of)
        if entry.revoked:
            raise UsageError(f"is revoked already ({entry.revoked})", where=entry.name)
        library.revoke(entry, args.reason, who=who(args), at=now())
    emit(f"revoked {entry.fingerprint.hex()}  {entry.name}", fold=True)
    return ExitCode.OK
