"""keys store: signed trust stores, for those who believe them and for those who make them.

accept FILE                        put a signed store in use: the first after its root's fingerprint was confirmed, the
                                   next one if the roots before and now have signed it
show [FILE]                        what a signed store says (default: the one in use)
new -o FILE --root KEY.pub.pem     draft number 1 from the people in the folder
next -o FILE                       draft the one after the one in use, from the people in the folder
sign FILE --key KEY.pem            add the signature of a holder of the root
unpack FILE --to DIR               write the people of a signed store into a new folder, to be changed there
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from mpk_tui.bundle import trust_file
from mpk_tui.bundle.signers import day
from mpk_tui.cli.bundle.signing import now
from mpk_tui.cli.keys import confirming
from mpk_tui.cli.keys.trusting import store_option
from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode, StorageError
from mpk_tui.keys import signed_store, store, store_listing


def add(actions: Any) -> None:
    """Declare the arguments of all actions on signed stores."""
    group = actions.add_parser(
        "store", allow_abbrev=False, help="signed trust stores: accept, show, new, next, sign, unpack",
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    deeds = group.add_subparsers(dest="deed", required=True, metavar="ACTION")
    accept = deeds.add_parser("accept", allow_abbrev=False, help="put a signed store in use")
    accept.add_argument("file", type=Path, metavar="FILE.mpkt")
    accept.add_argument(
        "--confirm", metavar="TEXT", help=f"the fingerprint of the first store's root: {confirming.HELP}"
    )
    store_option(accept)
    show = deeds.add_parser("show", allow_abbrev=False, help="print what a signed store says")
    show.add_argument("file", type=Path, nargs="?", metavar="FILE.mpkt", help="default: the one in use")
    show.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/trust/1)")
    store_option(show)
    importlib.import_module("mpk_tui.cli.keys.drafting").add(deeds)


def run(args: argparse.Namespace) -> int:
    """Run one of the actions."""
    if args.deed == "accept":
        return _accept(args)
    if args.deed == "show":
        return _show(args)
    return int(importlib.import_module("mpk_tui.cli.keys.drafting").run(args))


def _accept(args: argparse.Namespace) -> int:
    folder = args.store or store.default_folder()
    where = str(args.file)
    offered = signed_store.read(args.file)
    current = signed_store.installed(folder)
    if current is not None and current.id == offered.id:
        narrate(f"number {offered.body.seq} is in use already, in {folder}")
        return ExitCode.OK
    at = now()
    if current is None:
        trust_file.check_first(offered, at, where)
        # Who is asked must have it from the holders: what stands on the screen could be copied without comparing.
        asked = args.confirm is None and sys.stdin.isatty()
        if not asked:
            _print(offered)
        confirming.confirm(offered.body.root.fingerprint, args.confirm, "this store's root")
        if asked:
            _print(offered)
    else:
        trust_file.check_successor(current, offered, at, where)
        _print(offered, current.body.root)
        for line in store_listing.changes(current, offered):
            emit(line)
    signed_store.accept(folder, offered, at, where)
    narrate(f"number {offered.body.seq} of {day(offered.body.created)} is in use, in {folder}")
    if at > offered.body.expires:
        narrate(f"note: it expired on {day(offered.body.expires)}; verdicts are EXPIRED until the next one is accepted")
    if current is None and (folder / store.PEOPLE).exists():
        narrate("the people in the folder are no longer what verify believes; mpk-tui keys list --people shows them")
    return ExitCode.OK


def _print(file: trust_file.TrustFile, *before: trust_file.Root) -> None:
    for line in store_listing.file_lines(file):
        emit(line, fold=True)
    for keyid in trust_file.strangers(file, file.body.root, *before):
        whose = "which is of no root here" if before else "which is not of its own root"
        narrate(f"note: a signature by key {keyid.hex()[:16]}…, {whose}, was not looked at")


def _show(args: argparse.Namespace) -> int:
    folder = args.store or store.default_folder()
    if args.file is not None:
        file = signed_store.read(args.file, unsigned=True)
    else:
        current = signed_store.installed(folder)
        if current is None:
            raise StorageError(
                "no signed store is in use",
                where=str(folder),
                hint="mpk-tui keys store accept FILE.mpkt puts one in use",
            )
        file = current
    if args.json:
        emit_json(store_listing.as_record(file.store(), file))
    else:
        _print(file)
    root, at = file.body.root, now()
    tally = trust_file.tally(file, root)
    for keyid in tally.bad:
        narrate(f"the signature under key {keyid.hex()[:16]}… does not fit: the file was altered")
    if tally.bad or len(tally.good) < root.threshold:
        narrate(
            f"not signed by its own root: {len(tally.good)} of {root.threshold} needed holder(s); nobody may use it"
        )
    elif file.store().stale(at):
        narrate(f"expired on {day(file.body.expires)}")
    if args.file is not None:
        narrate(
            "that it is signed by its own root makes nobody in it believable: anybody can sign a store of their own"
        )
    return ExitCode.OK
