"""``bundle show``: everything that a bundle holds, after it was verified."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.bundle import listing, wording
from mpk_tui.bundle.loading import read_bundle
from mpk_tui.bundle.verify import verify
from mpk_tui.cli.bundle.signing import now
from mpk_tui.cli.output import emit, emit_json, narrate


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    showing = actions.add_parser("show", allow_abbrev=False, help="verify a bundle and print all of it")
    showing.add_argument("bundle", type=Path, metavar="FILE")
    whom = showing.add_mutually_exclusive_group()
    whom.add_argument("--trust", type=Path, metavar="DIR", help="trust store")
    whom.add_argument("--key", type=Path, metavar="PEM", help="believe this public key alone")
    showing.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/bundle/1)")
    showing.add_argument("--show-untrusted", action="store_true", help="show the content even if it is not trusted")


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.cli.verify import trust_from

    data = read_bundle(args.bundle)
    store = trust_from(args)
    outcome = verify(data, store, now())
    contents = outcome.shown(untrusted=args.show_untrusted)
    if args.json:
        record = wording.as_record(outcome, untrusted=args.show_untrusted, dated=store.dated)
        sections = listing.sections_record(contents) if contents is not None else {}
        emit_json({"schema": "mpk-tui/bundle/1", "verify": record, "sections": sections})
        narrate(wording.verdict_line(outcome))
        return int(outcome.code)
    for line in wording.lines(outcome, untrusted=args.show_untrusted, dated=store.dated):
        emit(line)
    if contents is not None:
        emit()
        for line in listing.lines(contents):
            emit(line)
    emit(wording.verdict_line(outcome))
    return int(outcome.code)
