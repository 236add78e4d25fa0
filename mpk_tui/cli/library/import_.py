"""``library import``: a pack into the catalogue, all of it or nothing, and only if it is VALID."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.cli.library.declaring import declare, library_of, who
from mpk_tui.cli.library.packs import advise
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.cli.verify import trust_from, trust_options


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    p = declare(
        actions, "import", "verify a signed pack (.mpkl) and, if it is VALID, take it in", writes=True,
        json="mpk-tui/pack-import/1",
    )  # fmt: skip
    p.add_argument("pack", type=Path, metavar="FILE.mpkl", help="pack file")
    trust_options(p)
    p.add_argument(
        "--again", action="store_true",
        help="of a pack that was taken in before: take in again the entries that were removed here since",
    )  # fmt: skip
    p.add_argument("--dry-run", action="store_true", help="say what would change, and write nothing")


def run(args: argparse.Namespace) -> int:
    """Run the action; the exit code is the verdict's."""
    from mpk_tui.library.adding import now
    from mpk_tui.library.packs import importing, outcome

    store = trust_from(args)
    done = importing.take_in(
        args.pack, library_of(args), store, who=who(args), now=now(), dry_run=args.dry_run, again=args.again,
        report=progress_bar(),
    )  # fmt: skip
    if args.json:
        emit_json(done.as_record(dated=store.dated, edition=store.edition))
        narrate(outcome.verdict_line(done.outcome))
        return int(done.outcome.code)
    for line in outcome.lines(done.outcome, entries=False):
        emit(line, fold=True)
    for line in done.lines():
        emit(line, fold=True)
    emit(outcome.verdict_line(done.outcome))
    advise(done.outcome)
    narrate(f"{library_of(args)}: {done.sentence(dry_run=args.dry_run)}")
    return int(done.outcome.code)
