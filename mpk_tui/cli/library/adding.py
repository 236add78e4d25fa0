"""``library add``: checkpoints and fingerprint files into the catalogue."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path
from typing import Any

from mpk_tui.cli.library.declaring import declare, library_of, who
from mpk_tui.cli.library.facts import add_facts, one_name, parents_of, stated
from mpk_tui.cli.opening import add_isolation, add_opening, opening
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import CancelledError, ExitCode, MpkError


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    p = declare(
        actions, "add", "fingerprint checkpoints, or take fingerprint files, into the catalogue", writes=True,
        json="mpk-tui/library/2",
    )  # fmt: skip
    p.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="checkpoint folder or file, or .mpkf file")
    p.add_argument("--name", metavar="NAME", help="what it is called (default: the name of its folder or file)")
    add_facts(p)
    add_opening(p)
    add_isolation(p)
    p.add_argument("--threads", type=int, metavar="N", help="hashing threads (default: all cores)")


def run(args: argparse.Namespace) -> int:
    """Run the action: each path is confirmed by itself, one that fails keeps no other from being added."""
    from mpk_tui.library import opening as opening_of
    from mpk_tui.library.adding import location_of, measure, name_of, now
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.entry import Facts, checked
    from mpk_tui.library.listing import Listing

    one_name(args, len(args.paths))
    folder, person, said = library_of(args), who(args), stated(args)
    code, made = int(ExitCode.OK), []
    with contextlib.ExitStack() as held:
        # A library is made for the first thing that can be added, not for a path that is not there.
        library = (
            held.enter_context(open_library(folder, write=True)) if os.path.lexists(folder / opening_of.NAME) else None
        )
        parents = parents_of(library, args.parents or ())
        for path in args.paths:
            try:
                facts = Facts(args.name or name_of(path), location=location_of(path), parents=parents)
                facts = checked(Facts(**(vars(facts) | said)), where=str(path))
                fingerprint = measure(path, progress_bar(), None, opening(args), args.threads)
                if library is None:
                    library = held.enter_context(open_library(folder, write=True, create=True))
                there = library.known(fingerprint.digest)
                if there is not None:
                    wrong = library.mend(there, fingerprint, who=person, at=now())
                    mended = (
                        f"its file was {wrong} and is written again" if wrong else "mpk-tui library change alters that"
                    )
                    narrate(f"{path}: in the library already, as {there.name}; {mended}")
                    continue
                same = [e for e in library.named(facts.name) if e.name.casefold() == facts.name.casefold()]
                entry = library.add([(fingerprint, facts)], who=person, at=now())[0]
            except CancelledError:
                raise
            except MpkError as error:
                if len(args.paths) == 1:
                    raise
                narrate(error.diagnosis() if error.where else f"{path}: {error.diagnosis()}")
                code = code or int(error.exit_code)
                continue
            made.append(entry)
            if same:
                narrate(
                    f"note: {len(same) + 1} entries are now called {entry.name}; only fingerprints tell them apart; "
                    f"mpk-tui library change {entry.fingerprint.hex()[:16]} --name NAME gives this one another name"
                )
            if not args.json:
                emit(f"{entry.fingerprint.hex()}  {entry.name}", fold=True)
    narrate(f"{folder}: {len(made)} added")
    if args.json:
        emit_json(Listing(folder, True, False, tuple(made), ()).as_record())
    return code
