"""``bundle show``: everything that a bundle holds, after it was verified."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.bundle import listing, wording
from mpk_tui.bundle.loading import read_bundle
from mpk_tui.bundle.verify import Expected, verify
from mpk_tui.cli.bundle.signing import now
from mpk_tui.cli.output import emit, emit_json, narrate


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    from mpk_tui.cli.verify import trust_options

    showing = actions.add_parser("show", allow_abbrev=False, help="verify a bundle and print all of it")
    showing.add_argument("bundle", type=Path, metavar="FILE")
    trust_options(showing)
    showing.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/bundle/1)")
    showing.add_argument("--show-untrusted", action="store_true", help="show the content even if it is not trusted")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.cli.receipts import default_file, history
    from mpk_tui.cli.verify import trust_from

    data = read_bundle(args.bundle)
    store = trust_from(args)
    outcome = verify(data, store, now(), Expected(history=history(default_file())))
    contents = outcome.shown(untrusted=args.show_untrusted)
    if args.json:
        record = wording.as_record(outcome, untrusted=args.show_untrusted, dated=store.dated, edition=store.edition)
        sections = listing.sections_record(contents) if contents is not None else {}
        emit_json({"schema": "mpk-tui/bundle/1", "verify": record, "sections": sections})
        narrate(wording.verdict_line(outcome))
        return int(outcome.code)
    for line in wording.lines(outcome, untrusted=args.show_untrusted, dated=store.dated, edition=store.edition):
        emit(line, fold=True)
    if contents is not None:
        emit()
        for line in listing.lines(contents):
            emit(line, fold=True)
    emit(wording.verdict_line(outcome))
    return int(outcome.code)
