"""``case compare|propose``: findings for the pairs, and the answers that they propose."""

from __future__ import annotations

import argparse
from typing import Any

from mpk_tui.case import Case, actions
from mpk_tui.cli.case.declaring import declare
from mpk_tui.cli.opening import add_isolation
from mpk_tui.cli.output import emit, emit_json, progress_bar
from mpk_tui.errors import ExitCode, UsageError


def add(subparsers: Any) -> None:
    """Declare the acts' arguments."""
    p = declare(subparsers, "compare", "compare pairs and keep the records")
    p.add_argument("pairs", nargs="*", metavar="PAIR", help="default: all that were not compared")
    add_isolation(p)
    p.add_argument("--json", action="store_true")
    p = declare(subparsers, "propose", "show what the recorded comparison proposes", pair=True)
    p.add_argument("--json", action="store_true")


def run(case: Case, args: argparse.Namespace) -> int:
    """Run the act."""
    return _compare(case, args) if args.act == "compare" else _propose(case, args)


def _compare(case: Case, args: argparse.Namespace) -> int:
    chosen = args.pairs or [p for p in case.state.pairs if p not in case.state.comparisons]
    if not chosen and not case.state.pairs:
        raise UsageError("the case has no pairs", hint="Add a subject and a reference first")
    for pair in chosen:
        record = actions.compare_pair(case, pair, progress_bar(), isolate=args.isolate)
        if args.json:
            emit_json(record)
        else:
            emit(f"{pair}  {record['finding']}")
            emit(f"  {record['sentence']}")
            emit(f"  proposal: {record['proposal']['sentence']}")
    return ExitCode.OK


def _propose(case: Case, args: argparse.Namespace) -> int:
    pair, _, _ = actions.split_pair(case, args.pair)
    found = actions.proposals(case, pair)
    if not found:
        raise UsageError(f"{pair} was not compared yet", hint="mpk-tui case compare makes the comparison")
    if args.json:
        emit_json({"schema": "mpk-tui/proposal/1", "pair": pair, "answers": [a.as_record() for a in found.values()]})
        return ExitCode.OK
    for a in found.values():
        emit(f"{a.question:<4} {a.answer:<13} {a.reason}")
    return ExitCode.OK
