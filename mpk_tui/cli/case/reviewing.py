"""``case review|status|verdict``: what a second person says, where the case stands, what follows from it."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from mpk_tui.case import Case, review
from mpk_tui.case.custody import notices
from mpk_tui.case.reviewing import OUTCOMES
from mpk_tui.case.reviewing import review as record_review
from mpk_tui.cli.case.declaring import declare
from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode

_WORDS = {"read": "read it through", "agrees": "agrees", "dissents": "DISSENTS"}


def add(subparsers: Any) -> None:
    """Declare the acts' arguments."""
    p = declare(subparsers, "review", "record what a second person says after reading the case", pair=True)
    p.add_argument("--who", required=True, metavar="NAME", help="who read it; not the examiner")
    p.add_argument("--outcome", required=True, choices=OUTCOMES)
    p.add_argument("--text", default="", help="in their own words; a dissent needs some")
    for name, text in (
        ("status", "where the case stands, and what a signature waits for"),
        ("verdict", "the verdicts as things stand; exit 50 while something is missing"),
    ):
        declare(subparsers, name, text).add_argument("--json", action="store_true")


def run(case: Case, args: argparse.Namespace) -> int:
    """Run the act."""
    if args.act == "status":
        return _status(case, as_json=args.json)
    if args.act == "verdict":
        return _verdict(case, as_json=args.json)
    made = record_review(case, who=args.who, outcome=args.outcome, text=args.text, pair=args.pair)
    emit(f"entry {made.seq}: {made.who} {_WORDS[args.outcome]}; read was: {made.params['verdict'] or 'no pair yet'}")
    return ExitCode.OK


def _status(case: Case, *, as_json: bool) -> int:
    state, gaps = case.state, review.status(case)
    if as_json:
        emit_json(
            {
                "schema": "mpk-tui/status/1", "case": state.id, "title": state.title, "examiner": state.examiner,
                "artifacts": [
                    {"id": a.id, "role": a.role, "label": a.label, "root": a.root, "fingerprint": a.fingerprint}
                    for a in state.artifacts.values()
                ],
                "pairs": [{"pair": p, **_verdict_record(case, p)} for p in state.pairs],
                "reviews": [dataclasses.asdict(r) for r in state.reviews],
                "gaps": [dataclasses.asdict(g) for g in gaps],
                "ready": review.ready(case),
            }
        )  # fmt: skip
        return ExitCode.OK
    emit(f"case {state.id}: {state.title}  (examiner {state.examiner})")
    for a in state.artifacts.values():
        emit(f"  {a.id:<6} {a.role:<10} {a.label}  {'root ' + a.root[:16] + '…' if a.root else 'no fingerprint'}")
        for sentence in a.lists:
            emit(f"         hash list {sentence}")
        if a.mismatch:
            emit(f"         mismatch accepted: {a.mismatch}")
    for p in state.pairs:
        made = state.comparisons.get(p)
        emit(f"  {p:<10} {made.finding if made else 'not compared'}; {review.verdict(case, p).display}")
    for r in state.reviews:
        late = " (before the last change)" if r.stale else ""
        emit(f"  review: {r.who} {_WORDS.get(r.outcome, r.outcome)}{f', {r.pair}' if r.pair else ''}{late}")
    for sentence in notices(state.custody):
        emit(f"  custody: {sentence}")
    for g in gaps:
        emit(f"  {'missing' if g.blocking else 'reminder'}: step {g.step} {review.STEPS[g.step - 1]}"
             f"{' ' + g.pair if g.pair else ''}: {g.sentence}")  # fmt: skip
    emit("ready to sign" if review.ready(case) else "not ready to sign")
    return ExitCode.OK


def _verdict_record(case: Case, pair: str) -> dict[str, Any]:
    found = review.verdict(case, pair)
    made = case.state.comparisons.get(pair)
    return {
        "finding": made.finding if made else None, **found.as_record(), "conflicts": list(found.conflicts),
        "gaps": list(found.gaps),
    }  # fmt: skip


def _verdict(case: Case, *, as_json: bool) -> int:
    pairs = case.state.pairs
    complete = review.ready(case)
    if as_json:
        emit_json(
            {"schema": "mpk-tui/verdict/1", "case": case.state.id, "complete": complete,
             "pairs": [{"pair": p, **_verdict_record(case, p)} for p in pairs]}
        )  # fmt: skip
    else:
        for p in pairs:
            found = review.verdict(case, p)
            emit(f"{p}  {found.label}: {found.display}")
            for sentence in (*found.statements, *(f"conflict: {c}" for c in found.conflicts)):
                emit(f"  {sentence}")
    if not complete:
        narrate("not complete; mpk-tui case status lists what is missing")
        return ExitCode.INCOMPLETE
    return ExitCode.OK
