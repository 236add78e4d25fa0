"""``library change`` and ``library remove``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from mpk_tui.cli.library.declaring import declare, library_of, who
from mpk_tui.cli.library.facts import add_facts, parents_of, stated
from mpk_tui.cli.output import emit
from mpk_tui.errors import ExitCode, UsageError


def add(actions: Any) -> None:
    """Declare the actions' arguments."""
    p = declare(actions, "change", "say something else of an entry; what is not given stays", writes=True)
    p.add_argument("name_of", metavar="NAME", help="name, alias, or the beginning of a fingerprint or root")
    p.add_argument("--name", metavar="NAME", help="what it is called from now on")
    add_facts(p)
    p.add_argument("--no-aliases", action="store_true", help="drop the aliases it has; --alias alone adds to them")
    p.add_argument("--no-parents", action="store_true", help="drop the parents it has; --parent alone adds to them")
    p = declare(actions, "remove", "take an entry out; the history keeps by whom and why", writes=True)
    p.add_argument("name_of", metavar="NAME", help="name, alias, or the beginning of a fingerprint or root")
    p.add_argument("--reason", required=True, metavar="TEXT", help="why")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.library.adding import change_here, now
    from mpk_tui.library.catalogue import open_library

    with open_library(library_of(args), write=True) as library:
        entry = library.entry(args.name_of)
        if args.action == "remove":
            library.remove(entry, who=who(args), at=now(), reason=args.reason)
            emit(f"removed {entry.fingerprint.hex()}  {entry.name}", fold=True)
            return ExitCode.OK
        said, was = stated(args), entry.facts
        if args.name is not None:
            said["name"] = args.name
        if args.alias is not None or args.no_aliases:
            said["aliases"] = (*(() if args.no_aliases else was.aliases), *(args.alias or ()))
        if args.parents or args.no_parents:
            said["parents"] = (*(() if args.no_parents else was.parents), *parents_of(library, args.parents or ()))
        if not said:
            raise UsageError("nothing to change", hint="Give at least one of the options")
        made = library.change(entry, change_here(entry, replace(was, **said)), who=who(args), at=now())
        emit(f"changed {made.fingerprint.hex()}  {made.name}", fold=True)
    return ExitCode.OK
