"""``library build``: a signed pack from a list of checkpoints; the job for the connected side.

LIST.toml names checkpoints that lie on this machine; nothing is downloaded.  Fingerprints are kept one by one in a work
folder, so that a job that was broken off goes on where it was, and one checkpoint that cannot be read loses no other.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.cli.library import export
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.errors import ExitCode, UsageError
from mpk_tui.library.packs import building, list_file
from mpk_tui.library.packs.building import Item
from mpk_tui.library.packs.making import Sealed


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    about = "fingerprint the checkpoints of a list (TOML) and sign a pack of them; never opens a connection"
    p = actions.add_parser("build", allow_abbrev=False, help=about, description=about)
    p.add_argument("list", type=Path, metavar="LIST.toml", help="the list (docs/library.md has an example)")
    p.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PACK.mpkl",
        help="pack file; without it only fingerprints are made",
    )
    p.add_argument("--check", action="store_true", help="only look whether the list and its paths can be used")
    p.add_argument("--work", type=Path, metavar="FOLDER", help="where fingerprints are kept (default: LIST.toml.work)")
    p.add_argument(
        "--keep-going", action="store_true",
        help="write the pack without those that failed (exit code 10); else none is written (exit code 50)",
    )  # fmt: skip
    p.add_argument("--threads", type=int, metavar="N", help="hashing threads (default: all cores)")
    p.add_argument("--who", metavar="NAME", default="", help="who adds them, in the pack (default: your login name)")
    p.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/library-build/1)")
    export.pack_options(p)


def run(args: argparse.Namespace) -> int:
    """Run the action; 50 if a checkpoint failed and no pack was written, 10 if one was written without it."""
    wanted = list_file.read(args.list)
    if args.threads is not None and args.threads < 1:
        raise UsageError("--threads needs a number of at least 1")
    if args.check:
        return _check(wanted)
    args.pack = args.pack or wanted.name
    args.version = args.version if args.version is not None else wanted.version
    args.statement, args.id = args.statement or wanted.statement, args.id or wanted.issuer
    if args.output is not None:
        export.ready(args)
    work = args.work or building.work_folder(args.list)
    items = []
    for item in building.fingerprints(wanted, work, progress_bar(), None, args.threads):
        items.append(item)
        _tell(item, json=args.json)
    failed = [i for i in items if i.fault]
    narrate(f"{len(items) - len(failed)} of {len(items)} fingerprints are in {work}")
    sealed, code = None, ExitCode.INCOMPLETE if failed else ExitCode.OK
    if args.output is not None and failed and (not args.keep_going or len(failed) == len(items)):
        narrate(f"no pack was written: {len(failed)} failed; mend the list and run this again, or give --keep-going")
    elif args.output is not None:
        sealed = _seal(args, items)
        code = ExitCode.PARTIAL if failed else ExitCode.OK
    if args.json:
        emit_json(building.as_record(wanted, items, sealed))
    return code


def _check(wanted: list_file.BuildList) -> int:
    faults = 0
    for one, fault in building.check(wanted):
        faults += bool(fault)
        emit(f"{'cannot be used' if fault else 'ok':<14}  {one.facts.name}{': ' + fault if fault else ''}", fold=True)
    narrate(f"{wanted.path}: {len(wanted.checkpoints) - faults} of {len(wanted.checkpoints)} can be used")
    return ExitCode.INCOMPLETE if faults else ExitCode.OK


def _tell(item: Item, *, json: bool) -> None:
    name = item.wanted.facts.name
    if not json:
        shown = f"failed{'':<58}" if item.fault else item.fingerprint.hex()
        emit(f"{shown}  {name}{': ' + item.fault if item.fault else ''}", fold=True)
    elif item.fault:
        narrate(f"{name}: {item.fault}")
    if item.again:
        narrate(f"{name}: its fingerprint was here already")
    for notice in item.notices:
        narrate(f"note: {name}: {notice}")


def _seal(args: argparse.Namespace, items: list[Item]) -> Sealed:
    from mpk_tui.library.adding import this_person
    from mpk_tui.library.packs import making

    at = export.now()
    earlier = making.read_earlier([*args.since, *args.previous])
    listed = building.listed(items, args.who.strip() or this_person(), at)
    taken_back = making.revocations(None, export.revoke_pairs(args), earlier, at)
    made = making.draft(
        listed, taken_back, name=args.pack or None, version=args.version, earlier=earlier, delta=bool(args.since),
        statement=args.statement,
    )  # fmt: skip
    export.tell(made, quiet=args.json)
    sealed = export.sign(args, made, at, earlier)
    kept = {i.fingerprint: i.kept for i in items}
    export.write(args.output, sealed, lambda e: making.record_at(kept[e.fingerprint]), quiet=args.json)
    return sealed
