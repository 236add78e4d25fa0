"""``library pack show``: what a pack holds and who signed it; ``library packs``: those that were taken in."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.suites import NAMES
from mpk_tui.cli.bundle.signing import gives_signer, signer_from, signer_options
from mpk_tui.cli.library.declaring import declare, library_of
from mpk_tui.cli.output import emit, emit_json, narrate, progress_bar
from mpk_tui.cli.verify import trust_from, trust_options
from mpk_tui.errors import ExitCode, UsageError
from mpk_tui.library.packs.ledger import Imported
from mpk_tui.library.packs.outcome import PackOutcome


def add(actions: Any) -> None:
    """Declare the actions' arguments."""
    one = actions.add_parser("pack", allow_abbrev=False, help="look into a pack file without taking it in")
    of_pack = one.add_subparsers(dest="of_pack", required=True, metavar="ACTION")
    about = "add the signature of a declared issuer, after everything that is signed was shown"
    p = of_pack.add_parser("sign", allow_abbrev=False, help=about, description=about)
    p.add_argument("pack", type=Path, metavar="FILE.mpkl", help="pack file")
    signer_options(p)
    p = declare(
        of_pack, "show", "verify a pack file and list what it holds; nothing is written", json="mpk-tui/pack/1",
    )  # fmt: skip
    p.add_argument("pack", type=Path, metavar="FILE.mpkl", help="pack file")
    trust_options(p)
    p.add_argument("--show-untrusted", action="store_true", help="list it even if it is not to be relied on")
    p = declare(
        actions, "packs", "packs that were taken in, and whether their issuers are believed today",
        json="mpk-tui/packs/1",
    )  # fmt: skip
    trust_options(p)


def run(args: argparse.Namespace) -> int:
    """Run the action; the exit code of ``pack show`` is the verdict's, that of ``packs`` the strongest one's."""
    if args.action == "pack":
        return _sign(args) if args.of_pack == "sign" else _show(args)
    return _packs(args)


def _sign(args: argparse.Namespace) -> int:
    from mpk_tui.checkpoint.reading import Source
    from mpk_tui.library.packs import cosigning, outcome

    if not gives_signer(args):
        raise UsageError("nobody is named who signs", hint="Give --key KEY.pem, or --agent")
    with Source(args.pack, follow=True) as source:
        opened = cosigning.read_waiting(source)
        for line in outcome.signed_lines(opened.body, opened.contents):
            emit(line, fold=True, most=1 << 20)
        left = [key for _, key in cosigning.missing(opened)]
        signer = signer_from(
            args, opened.body.suite, among=left, done={s.keyid for s in opened.head.signatures}, whole=False
        )
        cosigning.add(args.pack, opened, source, signer)
    signed = {key.keyid for key in signer.keys}
    for issuer, key in cosigning.missing(opened):
        state = "signed   by" if key.keyid in signed else "waiting  for"
        emit(f"{state} {issuer.id}, {NAMES[key.alg]} key {key.keyid.hex()[:16]}…", fold=True)
    narrate(f"wrote {args.pack}")
    return ExitCode.OK


def _show(args: argparse.Namespace) -> int:
    from mpk_tui.library import opening
    from mpk_tui.library.adding import now
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.packs import importing, outcome
    from mpk_tui.library.packs.verify import verify_file

    store = trust_from(args)
    packs: tuple[Imported, ...] = ()
    folder = library_of(args)
    if os.path.lexists(folder / opening.NAME):
        with open_library(folder, immutable=args.immutable) as library:
            packs = tuple(importing.imported(library))
    elif args.library is not None:
        narrate(f"{folder}: there is no library; what was taken in before is not known")
    found = verify_file(args.pack, store, now(), packs, progress_bar())
    if args.json:
        emit_json(
            outcome.as_record(found, untrusted=args.show_untrusted, dated=store.dated, edition=store.edition)
        )  # fmt: skip
        narrate(outcome.verdict_line(found))
        return int(found.code)
    for line in outcome.lines(found, untrusted=args.show_untrusted):
        emit(line, fold=True)
    emit(outcome.verdict_line(found))
    advise(found)
    return int(found.code)


def advise(found: PackOutcome) -> None:
    """Say what to do about a pack of somebody who is not believed."""
    from mpk_tui.library.packs.verify import ANOTHER_KEY

    if found.verdict is Word.UNTRUSTED and not any(s.reason == ANOTHER_KEY for s in found.signers):
        narrate(
            "mpk-tui keys trust KEY.pub.pem --name WHO --role issuer makes you believe a key, once its owner has told "
            "you its fingerprint another way"
        )


def _packs(args: argparse.Namespace) -> int:
    from mpk_tui.bundle.outcome import CODES
    from mpk_tui.library.adding import now
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.packs import trusting

    store = trust_from(args)
    with open_library(library_of(args), immutable=args.immutable) as library, library.moment():
        found = trusting.standings(library, store, now())
        lost = trusting.orphans(library, found)
    if args.json:
        emit_json(trusting.as_record(found))
    else:
        for line in trusting.lines(found):
            emit(line, fold=True)
    for entry in lost:
        narrate(f"note: {entry.name} names a pack of which no manifest was kept: who issued it cannot be checked")
    odd = [s for s in found if s.verdict is not Word.VALID]
    held = sum(len(s.entries) for s in odd)
    narrate(
        f"packs: {len(found)}; the issuers of {len(odd)} are not believed today, with {held} entries"
        if odd else f"packs: {len(found)}; all their issuers are believed today"
    )  # fmt: skip
    rank = list(Word)
    return int(CODES[min((s.verdict for s in odd), key=rank.index)]) if odd else ExitCode.OK
