"""``case new|set|note|log|undo|redo``: the case's own facts, and its journal."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from mpk_tui.case import Case, actions, create_case
from mpk_tui.case.custody import in_words
from mpk_tui.case.state import CUSTODY, FACTS, undone_entries
from mpk_tui.cli.case.declaring import declare
from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode, UsageError


def add(subparsers: Any) -> None:
    """Declare the acts' arguments."""
    p = declare(subparsers, "new", "make a case in a new folder")
    p.add_argument("--id", required=True)
    for name in FACTS:
        p.add_argument(f"--{name.replace('_', '-')}", required=name in ("title", "examiner"))
    p.add_argument(
        "--from-batch", type=Path, metavar="FILE.jsonl",
        help="open it on a line of a sweep (mpk-tui batch): the checkpoint is S1, its nearest relatives are R1 …",
    )  # fmt: skip
    which = p.add_mutually_exclusive_group()
    which.add_argument("--line", type=int, metavar="N", help="which line of that file, from 1 on")
    which.add_argument("--path", default="", metavar="PATH", help="the line of the checkpoint at that path")
    p.add_argument("--fingerprints", type=Path, metavar="FOLDER", help="where the sweep kept its fingerprints")
    p.add_argument("--library", type=Path, metavar="PATH", help="library of the relatives (default: the sweep's)")
    p.add_argument("--references", type=int, metavar="N", help="relatives that become references (default: 3)")
    p = declare(subparsers, "set", "change title, examiner, exhibit, authority or purpose")
    for name in FACTS:
        p.add_argument(f"--{name.replace('_', '-')}")
    p = declare(subparsers, "note", "add a note")
    p.add_argument("text")
    p.add_argument("--artifact", default="", metavar="ID", help="the artifact that it is about")
    declare(subparsers, "log", "the journal").add_argument("--json", action="store_true")
    declare(subparsers, "undo", "take back the last act of judgement")
    declare(subparsers, "redo", "restore what the last undo took back")


def begin(args: argparse.Namespace) -> int:
    """``new``: make a case."""
    facts = {name: getattr(args, name) for name in FACTS[2:] if getattr(args, name) is not None}
    picked = _picked(args)
    with create_case(args.case, id=args.id, title=args.title, examiner=args.examiner, **facts) as case:
        for notice in case.notices:
            narrate(notice)
        emit(f"case {case.state.id} in {args.case}")
        if picked is not None:
            from mpk_tui.sweep import casework

            most = casework.REFERENCES if args.references is None else args.references
            for sentence in casework.fill(case, picked, library=args.library, keep=args.fingerprints, most=most):
                emit(f"  {sentence}")
    return ExitCode.OK


def _picked(args: argparse.Namespace) -> Any:
    """The line of a sweep that the case is opened on, found before anything is made; None without one."""
    if args.from_batch is None:
        given = args.line is not None or args.path or args.fingerprints or args.library or args.references is not None
        if given:
            raise UsageError("that is for a case that is opened on a sweep", hint="Give --from-batch FILE.jsonl")
        return None
    if args.line is None and not args.path:
        raise UsageError("which line of the sweep?", hint="Give --line N or --path PATH")
    if args.references is not None and not 0 <= args.references <= 8:
        raise UsageError("--references needs a number from 0 to 8")
    from mpk_tui.sweep import casework

    return casework.pick(args.from_batch, args.line, args.path)


def run(case: Case, args: argparse.Namespace) -> int:
    """Run the act."""
    if args.act == "set":
        facts = {name: getattr(args, name) for name in FACTS if getattr(args, name) is not None}
        if not facts:
            raise UsageError("nothing to set", hint="Give at least one of the options")
        actions.set_facts(case, **facts)
    elif args.act == "note":
        actions.note(case, args.text, id=args.artifact)
    elif args.act == "undo":
        emit(f"took back entry {actions.undo(case).params['seq']}")
    elif args.act == "redo":
        emit(f"restored entry {actions.redo(case).params['seq']}")
    else:
        _log(case, as_json=args.json)
    return ExitCode.OK


def _log(case: Case, *, as_json: bool) -> None:
    undone = undone_entries(case.entries)
    if as_json:
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
        return
    custody = {s.seq: s for s in case.state.custody}
    for e in case.entries:
        at = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(e.at / 1000))
        said = f"{_brief(e.params)}{e.note}"
        if e.act in CUSTODY and e.seq in custody:
            s = custody[e.seq]
            said = f"{f'id {s.artifact} ' if s.artifact else ''}{in_words(s.fields, s.text)}"
        emit(f"{e.seq:>4}  {at}  {e.who}  {e.act}{'  (undone)' if e.seq in undone else ''}  {said}")


def _brief(params: Any) -> str:
    shown = []
    for key, value in params.items():
        if key == "answer" and isinstance(value, dict):
            shown.append(f"{value.get('question')} {value.get('answer')}")
        elif key == "item" and isinstance(value, dict):
            shown.append(f"{value.get('id')} ({value.get('kind')})")
        elif isinstance(value, (str, int)) and value != "":
            shown.append(f"{key} {str(value)[:60]}")
    return ", ".join(shown) + (" " if shown else "")
