"""``case answer|accept|merge|rationale|gaps``: the constitution's questions, and your own words."""

from __future__ import annotations

import argparse
import json
from typing import Any

from mpk_tui.case import Case, actions
from mpk_tui.case.merging import answer_merge, parts, sentence
from mpk_tui.case.taking import take_over
from mpk_tui.cli.case.declaring import declare
from mpk_tui.cli.output import emit
from mpk_tui.constitution.answers import ANSWERS, BASES, Hop
from mpk_tui.errors import ExitCode, UsageError


def add(subparsers: Any) -> None:
    """Declare the acts' arguments."""
    p = declare(subparsers, "answer", "answer a question of the constitution", pair=True)
    p.add_argument("question", metavar="QUESTION", help="c1 to c5, 3.1 to 3.9, 4.1 to 4.8")
    p.add_argument("answer", choices=ANSWERS)
    p.add_argument("--reason", default="")
    p.add_argument("--evidence", action="append", default=[], metavar="ID")
    p.add_argument("--basis", default="", choices=BASES)
    p.add_argument(
        "--hop", action="append", default=[], metavar="A,B,CONDITION",
        help='for a chain (c5), repeatable; where a name holds a comma: \'["A", "B", "c1"]\'',
    )  # fmt: skip
    p.add_argument("--direction-documented", action="store_true")
    p.add_argument("--resolution", default="", help="written resolution of a conflict")
    p = declare(subparsers, "accept", "confirm proposed answers as your own", pair=True)
    p.add_argument("--question", default="", metavar="QUESTION", help="this one only; default: all")
    p = declare(subparsers, "merge", "answer 3.9 met for several references of one subject at once")
    p.add_argument("pairs", nargs="+", metavar="PAIR", help="SUBJECT:REFERENCE, one for each that went into it")
    p.add_argument("--reason", required=True, help="entered for each")
    p = declare(subparsers, "rationale", "your reasoning for a pair, in your own words", pair=True)
    p.add_argument("text")
    p = declare(subparsers, "gaps", "known gaps of the constitution that bear on a verdict", pair=True)
    p.add_argument("gaps", nargs="*", metavar="GAP", help="10.1 to 10.10")


def run(case: Case, args: argparse.Namespace) -> int:
    """Run the act."""
    if args.act == "answer":
        made = actions.answer(
            case, args.question, args.answer, pair=args.pair, reason=args.reason, evidence=tuple(args.evidence),
            basis=args.basis, hops=tuple(_hop(h) for h in args.hop), direction_documented=args.direction_documented,
            resolution=args.resolution,
        )  # fmt: skip
        emit(f"{made.question}  {made.answer}" + (f"  (proposed: {made.proposed})" if made.proposed else ""))
    elif args.act == "accept":
        if args.question:
            taken = [take_over(case, args.question, pair=args.pair)]
        else:
            taken = actions.accept_proposals(case, args.pair)
        for a in taken:
            emit(f"{a.question:<4} {a.answer}")
    elif args.act == "merge":
        answer_merge(case, args.pairs, args.reason)
        emit(sentence(parts(case.state, args.pairs[0].partition(":")[0])))
    elif args.act == "rationale":
        actions.set_rationale(case, args.pair, args.text)
    else:
        actions.set_known_gaps(case, args.pair, tuple(args.gaps))
    return ExitCode.OK


def _hop(text: str) -> Hop:
    parts: Any = [p.strip() for p in text.split(",")]
    if text.lstrip().startswith("["):
        try:
            parts = json.loads(text)
        except (ValueError, RecursionError):
            parts = None
    if not isinstance(parts, list) or len(parts) != 3 or not all(isinstance(p, str) for p in parts):
        raise UsageError(f"a hop is A,B,CONDITION, not {text!r}")
    return Hop(parts[0], parts[1], parts[2].lower())
