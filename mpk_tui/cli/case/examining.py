"""``case add|remove|fingerprint|rehash``: what is under examination."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mpk_tui.case import Case, artifacts, resuming
from mpk_tui.case.intake import ContradictionError, measure_intake
from mpk_tui.case.state import ROLES
from mpk_tui.cli.case.declaring import declare
from mpk_tui.cli.opening import add_isolation, add_opening, opening
from mpk_tui.cli.output import emit, narrate, progress_bar
from mpk_tui.errors import ExitCode, UsageError


def add(subparsers: Any) -> None:
    """Declare the acts' arguments."""
    p = declare(subparsers, "add", "put a checkpoint or fingerprint file under examination")
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
        "--hashes-name", action="append", default=[], metavar="NAME",
        help="name of a list in the journal, in the order of --hashes; the file's own by default",
    )  # fmt: skip
    p.add_argument(
        "--accept-mismatch", default="", metavar="REASON", help="take it in although files contradict a list; recorded"
    )
    add_opening(p)
    p = declare(subparsers, "remove", "take an artifact out of the examination (the journal keeps it)")
    p.add_argument("artifact", metavar="ID")
    p = declare(subparsers, "fingerprint", "hash artifacts and keep their fingerprints")
    p.add_argument("artifacts", nargs="*", metavar="ID", help="default: all without one")
    p.add_argument(
        "--afresh", action="store_true", help="read every file, also those that an interrupted run had finished"
    )
    add_isolation(p)
    p = declare(subparsers, "rehash", "hash artifacts again after the analysis and record whether they are unchanged")
    p.add_argument("artifacts", nargs="*", metavar="ID", help="default: all with a fingerprint")


def run(case: Case, args: argparse.Namespace) -> int:
    """Run the act."""
    if args.act == "add":
        return _add(case, args)
    if args.act == "fingerprint":
        return _fingerprint(case, args)
    if args.act == "rehash":
        return _rehash(case, args)
    artifacts.remove_artifact(case, args.artifact)
    return ExitCode.OK


def _add(case: Case, args: argparse.Namespace) -> int:
    if args.accept_mismatch and not args.hashes:
        raise UsageError("--accept-mismatch says nothing without --hashes")
    if args.hashes_name and len(args.hashes_name) != len(args.hashes):
        raise UsageError(f"{len(args.hashes_name)} times --hashes-name for {len(args.hashes)} times --hashes")
    artifacts.check_free(case, args.role, args.id)  # before hours of hashing
    checked = None
    if args.hashes:
        try:
            checked = measure_intake(
                args.path, args.hashes, args.accept_mismatch, progress_bar(), names=args.hashes_name or None
            )
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


def _fingerprint(case: Case, args: argparse.Namespace) -> int:
    chosen = args.artifacts or [a.id for a in case.state.artifacts.values() if not a.fingerprint]
    for name in chosen:
        made = resuming.fingerprint_resumably(case, name, progress_bar(), isolate=args.isolate, afresh=args.afresh)
        for sentence in made.sentences():
            narrate(f"{name}: {sentence}")
        emit(f"{name}  tensor root {made.fingerprint.root.hex()}")
    return ExitCode.OK


def _rehash(case: Case, args: argparse.Namespace) -> int:
    chosen = args.artifacts or [a.id for a in case.state.artifacts.values() if a.fingerprint]
    changed = [name for name in chosen if not artifacts.rehash_artifact(case, name, progress_bar())]
    for name in chosen:
        emit(f"{name}  {'CHANGED since its fingerprint' if name in changed else 'unchanged'}")
    return ExitCode.MISMATCH if changed else ExitCode.OK
