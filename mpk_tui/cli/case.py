"""Keep a case: artifacts, fingerprints, comparisons, evidence, answers, rationale, verdict.

A case is a folder with an append-only journal; everything that the terminal UI writes can be written here too.  PAIR is
SUBJECT:REFERENCE, e.g. S1:R1, and may be left out while the case has one pair.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mpk_tui.case import Case, actions, artifacts, create_case, open_case, review
from mpk_tui.case.intake import ContradictionError, measure_intake
from mpk_tui.case.state import CUSTODY, FACTS, ROLES, undone_entries
from mpk_tui.cli.opening import add_isolation, add_opening, opening
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.constitution.answers import ANSWERS, BASES, KINDS, Hop
from mpk_tui.errors import ExitCode, UsageError

Run = Callable[[Case, argparse.Namespace], int]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    sub = parser.add_subparsers(dest="act", required=True, metavar="ACT")

    def add(name: str, text: str, pair: bool = False) -> argparse.ArgumentParser:
        p = sub.add_parser(name, help=text, description=text, allow_abbrev=False)
        p.add_argument("case", type=Path, metavar="CASE", help="folder of the case")
        if pair:
            p.add_argument("--pair", default="", metavar="PAIR", help="SUBJECT:REFERENCE")
        return p

    p = add("new", "make a case in a new folder")
    p.add_argument("--id", required=True)
    p.add_argument("--title", required=True)
    p.add_argument("--examiner", required=True)
    for name in FACTS[2:]:
        p.add_argument(f"--{name.replace('_', '-')}", default="")
    p = add("set", "change title, examiner, exhibit, authority or purpose")
    for name in FACTS:
        p.add_argument(f"--{name.replace('_', '-')}")
    p = add("add", "put a checkpoint or fingerprint file under examination")
    p.add_argument("path", type=Path, metavar="PATH")
    p.add_argument("--role", required=True, choices=ROLES)
    p.add_argument("--id", default="")
    p.add_argument("--label", default="")
    p.add_argument("--note", default="", help="where it came from, how it was acquired")
    p.add_argument(
        "--hashes", type=Path, action="append", default=[], metavar="LIST",
        help="acquisition hash list (SHA256SUMS, hashdeep, MD5 or SHA-1) that the files are held against; repeatable",
    )  # fmt: skip
    p.add_argument(
        "--accept-mismatch", default="", metavar="REASON", help="take it in although files contradict a list; recorded"
    )
    add_opening(p)
    p = add("remove", "take an artifact out of the examination (the journal keeps it)")
    p.add_argument("artifact", metavar="ID")
    p = add("fingerprint", "hash artifacts and keep their fingerprints")
    p.add_argument("artifacts", nargs="*", metavar="ID", help="default: all without one")
    add_isolation(p)
    p = add("rehash", "hash artifacts again after the analysis and record whether they are unchanged")
    p.add_argument("artifacts", nargs="*", metavar="ID", help="default: all with a fingerprint")
    p = add("compare", "compare pairs and keep the records")
    p.add_argument("pairs", nargs="*", metavar="PAIR", help="default: all that were not compared")
    add_isolation(p)
    p.add_argument("--json", action="store_true")
    p = add("evidence", "add or remove an item of evidence, or list all", pair=True)
    p.add_argument(
        "--kind", choices=KINDS,
        help="a: official documentation; b: checkpoint verification; c: peer-reviewed analysis; "
        "context: supports nothing; denial: by the author",
    )  # fmt: skip
    p.add_argument("--supports", action="append", default=[], metavar="QUESTION")
    p.add_argument("--opposes", action="append", default=[], metavar="QUESTION")
    p.add_argument("--source", default="")
    p.add_argument("--locator", default="")
    p.add_argument("--excerpt", default="")
    p.add_argument("--file", type=Path)
    p.add_argument("--id", default="")
    p.add_argument("--from-comparison", action="store_true", help="turn the recorded comparison into kind (b)")
    p.add_argument("--model-sig", type=Path, metavar="FILE", help="check an OpenSSF Model Signing file: kind (b)")
    p.add_argument("--artifact", default="", metavar="ID", help="the side whose files --model-sig is about")
    whom = p.add_mutually_exclusive_group()
    whom.add_argument("--key", type=Path, metavar="PEM", help="for --model-sig: the signer's public key")
    whom.add_argument("--ca", type=Path, metavar="PEM", help="for --model-sig: the CA of the signer's certificate")
    p.add_argument("--remove", metavar="ID")
    p.add_argument("--json", action="store_true")
    p = add("answer", "answer a question of the constitution", pair=True)
    p.add_argument("question", metavar="QUESTION", help="c1 to c5, 3.1 to 3.9, 4.1 to 4.8")
    p.add_argument("answer", choices=ANSWERS)
    p.add_argument("--reason", default="")
    p.add_argument("--evidence", action="append", default=[], metavar="ID")
    p.add_argument("--basis", default="", choices=BASES)
    p.add_argument("--hop", action="append", default=[], metavar="A,B,CONDITION")
    p.add_argument("--direction-documented", action="store_true")
    p.add_argument("--resolution", default="", help="written resolution of a conflict")
    p = add("propose", "show what the recorded comparison proposes", pair=True)
    p.add_argument("--json", action="store_true")
    add("accept", "confirm all proposed answers as your own", pair=True)
    p = add("rationale", "your reasoning for a pair, in your own words", pair=True)
    p.add_argument("text")
    p = add("gaps", "known gaps of the constitution that bear on a verdict", pair=True)
    p.add_argument("gaps", nargs="*", metavar="GAP", help="10.1 to 10.10")
    p = add("note", "add a note")
    p.add_argument("text")
    p = add("custody", "record a statement of custody")
    p.add_argument("kind", choices=CUSTODY)
    p.add_argument("text")
    p.add_argument("--id", default="", help="the artifact concerned")
    for name, text in (
        ("status", "where the case stands, and what a signature waits for"),
        ("verdict", "the verdicts as things stand; exit 50 while something is missing"),
        ("log", "the journal"),
    ):
        add(name, text).add_argument("--json", action="store_true")
    add("undo", "take back the last act of judgement")
    add("redo", "restore what the last undo took back")
    add("wizard", "the same questions one after the other, on plain lines")


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.act == "new":
        facts = {name: getattr(args, name) for name in FACTS[2:]}
        with create_case(args.case, id=args.id, title=args.title, examiner=args.examiner, **facts) as case:
            emit(f"case {case.state.id} in {args.case}")
        return ExitCode.OK
    reading = args.act in ("status", "verdict", "log", "propose")
    with open_case(args.case, read_only=reading) as case:
        for notice in case.notices:
            narrate(notice)
        return _ACTS[args.act](case, args)


def _set(case: Case, args: argparse.Namespace) -> int:
    facts = {name: getattr(args, name) for name in FACTS if getattr(args, name) is not None}
    if not facts:
        raise UsageError("nothing to set", hint="Give at least one of the options")
    actions.set_facts(case, **facts)
    return ExitCode.OK


def _add(case: Case, args: argparse.Namespace) -> int:
    if args.accept_mismatch and not args.hashes:
        raise UsageError("--accept-mismatch says nothing without --hashes")
    artifacts.check_free(case, args.role, args.id)  # before hours of hashing
    checked = None
    if args.hashes:
        try:
            checked = measure_intake(args.path, args.hashes, args.accept_mismatch, progress_bar())
        except ContradictionError as error:
            for line in error.lines:
                narrate(line)
            raise
    made = artifacts.add_artifact(
        case, args.path, role=args.role, id=args.id, label=args.label, note=args.note, how=opening(args), intake=checked
    )
    emit(f"{made.id}  {made.role}  {made.label}")
    for sentence in made.lists:
        emit(f"  {sentence}")
    if checked is not None:
        for row in checked.differing:
            narrate(f"taken in although it contradicts a list: {row}")
        for c in checked.checked:
            if len(c.missing) == len(c.rows):
                narrate(f"{c.list.source} concerns none of these files")
    return ExitCode.OK


def _remove(case: Case, args: argparse.Namespace) -> int:
    artifacts.remove_artifact(case, args.artifact)
    return ExitCode.OK


def _fingerprint(case: Case, args: argparse.Namespace) -> int:
    chosen = args.artifacts or [a.id for a in case.state.artifacts.values() if not a.fingerprint]
    for name in chosen:
        made = artifacts.fingerprint_artifact(case, name, progress_bar(), isolate=args.isolate)
        emit(f"{name}  tensor root {made.root.hex()}")
    return ExitCode.OK


def _rehash(case: Case, args: argparse.Namespace) -> int:
    chosen = args.artifacts or [a.id for a in case.state.artifacts.values() if a.fingerprint]
    changed = [name for name in chosen if not artifacts.rehash_artifact(case, name, progress_bar())]
    for name in chosen:
        emit(f"{name}  {'CHANGED since its fingerprint' if name in changed else 'unchanged'}")
    return ExitCode.MISMATCH if changed else ExitCode.OK


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


def _evidence(case: Case, args: argparse.Namespace) -> int:
    if args.model_sig is not None:
        from mpk_tui.cli.model_evidence import add_model_evidence

        return add_model_evidence(case, args)
    if args.artifact or args.key or args.ca:
        raise UsageError("--artifact, --key and --ca go with --model-sig")
    if args.from_comparison:
        made = actions.evidence_from_comparison(case, args.pair)
        emit(f"{made.id}  kind {made.kind}  supports {', '.join(made.supports) or 'nothing'}")
    elif args.remove:
        actions.remove_evidence(case, args.pair, args.remove)
    elif args.kind:
        made = actions.add_evidence(
            case, args.pair, kind=args.kind, supports=tuple(s.lower() for s in args.supports),
            opposes=tuple(s.lower() for s in args.opposes), source=args.source, locator=args.locator,
            excerpt=args.excerpt, file=args.file, id=args.id,
        )  # fmt: skip
        emit(f"{made.id}  kind {made.kind}  supports {', '.join(made.supports) or 'nothing'}")
    else:
        pair, _, _ = actions.split_pair(case, args.pair)
        items = list(case.state.evidence.get(pair, {}).values())
        if args.json:
            emit_json({"schema": "mpk-tui/evidence/1", "pair": pair, "evidence": [e.as_record() for e in items]})
        for e in items if not args.json else []:
            emit(f"{e.id}  ({e.kind})  supports {', '.join(e.supports) or '-'}  {e.source}")
            if e.excerpt:
                emit(f"    {e.excerpt}")
    return ExitCode.OK


def _answer(case: Case, args: argparse.Namespace) -> int:
    hops = []
    for text in args.hop:
        parts = [p.strip() for p in text.split(",")]
        if len(parts) != 3:
            raise UsageError(f"a hop is A,B,CONDITION, not {text!r}")
        hops.append(Hop(parts[0], parts[1], parts[2].lower()))
    made = actions.answer(
        case, args.question, args.answer, pair=args.pair, reason=args.reason, evidence=tuple(args.evidence),
        basis=args.basis, hops=tuple(hops), direction_documented=args.direction_documented, resolution=args.resolution,
    )  # fmt: skip
    emit(f"{made.question}  {made.answer}" + (f"  (proposed: {made.proposed})" if made.proposed else ""))
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


def _accept(case: Case, args: argparse.Namespace) -> int:
    for a in actions.accept_proposals(case, args.pair):
        emit(f"{a.question:<4} {a.answer}")
    return ExitCode.OK


def _rationale(case: Case, args: argparse.Namespace) -> int:
    actions.set_rationale(case, args.pair, args.text)
    return ExitCode.OK


def _gaps(case: Case, args: argparse.Namespace) -> int:
    actions.set_known_gaps(case, args.pair, tuple(args.gaps))
    return ExitCode.OK


def _note(case: Case, args: argparse.Namespace) -> int:
    actions.note(case, args.text)
    return ExitCode.OK


def _custody(case: Case, args: argparse.Namespace) -> int:
    actions.custody(case, args.kind, args.text, id=args.id)
    return ExitCode.OK


def _status(case: Case, args: argparse.Namespace) -> int:
    state, gaps = case.state, review.status(case)
    if args.json:
        emit_json(
            {
                "schema": "mpk-tui/status/1", "case": state.id, "title": state.title, "examiner": state.examiner,
                "artifacts": [
                    {"id": a.id, "role": a.role, "label": a.label, "root": a.root, "fingerprint": a.fingerprint}
                    for a in state.artifacts.values()
                ],
                "pairs": [{"pair": p, **_verdict_record(case, p)} for p in state.pairs],
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


def _verdict(case: Case, args: argparse.Namespace) -> int:
    pairs = case.state.pairs
    complete = review.ready(case)
    if args.json:
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


def _log(case: Case, args: argparse.Namespace) -> int:
    undone = undone_entries(list(case.entries))
    if args.json:
        emit_json(
            {
                "schema": "mpk-tui/log/1",
                "entries": [
                    {"seq": e.seq, "at": e.at, "who": e.who, "role": e.role, "act": e.act, "note": e.note,
                     "obj": e.obj.hex() if e.obj else None, "params": dict(e.params), "undone": e.seq in undone}
                    for e in case.entries
                ],
            }
        )  # fmt: skip
        return ExitCode.OK
    for e in case.entries:
        at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(e.at / 1000))
        emit(f"{e.seq:>4}  {at}  {e.who}  {e.act}{'  (undone)' if e.seq in undone else ''}  {_brief(e.params)}{e.note}")
    return ExitCode.OK


def _brief(params: Any) -> str:
    shown = []
    for key, value in params.items():
        if key == "answer" and isinstance(value, dict):
            shown.append(f"{value.get('question')} {value.get('answer')}")
        elif isinstance(value, (str, int)):
            shown.append(f"{key} {str(value)[:60]}")
    return ", ".join(shown) + (" " if shown else "")


def _undo(case: Case, args: argparse.Namespace) -> int:
    entry = actions.undo(case)
    emit(f"took back entry {entry.params['seq']}")
    return ExitCode.OK


def _redo(case: Case, args: argparse.Namespace) -> int:
    entry = actions.redo(case)
    emit(f"restored entry {entry.params['seq']}")
    return ExitCode.OK


def _wizard(case: Case, args: argparse.Namespace) -> int:
    from mpk_tui.cli.wizard import wizard

    return wizard(case, sys.stdin)


_ACTS: dict[str, Run] = {
    "set": _set, "add": _add, "remove": _remove, "fingerprint": _fingerprint, "rehash": _rehash, "compare": _compare,
    "evidence": _evidence, "answer": _answer, "propose": _propose, "accept": _accept, "rationale": _rationale,
    "gaps": _gaps, "note": _note, "custody": _custody, "status": _status, "verdict": _verdict, "log": _log,
    "undo": _undo, "redo": _redo, "wizard": _wizard,
}  # fmt: skip
