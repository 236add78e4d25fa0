"""``keys store new``, ``next``, ``sign`` and ``unpack``: making signed trust stores and their successors."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpk_tui.bundle import trust_file
from mpk_tui.bundle.suites import NAMES, SUITES, PublicKey, suite_of
from mpk_tui.bundle.trust_file import Body, Root, TrustFile
from mpk_tui.cli.bundle.signing import gives_signer, now, signer_from, signer_options
from mpk_tui.cli.keys import dates
from mpk_tui.cli.keys.trusting import store_option
from mpk_tui.cli.output import emit, narrate
from mpk_tui.errors import ExitCode, StorageError, UnsupportedError, UsageError
from mpk_tui.files import write_file
from mpk_tui.keys import public, signed_store, store, store_listing
from mpk_tui.keys.public import fingerprint
from mpk_tui.keys.signing import signatures

YEAR_DAYS = 365


def add(deeds: Any) -> None:
    """Declare the arguments of all four actions."""
    new = deeds.add_parser("new", allow_abbrev=False, help="draft the first signed store from the people in the folder")
    _draft_options(new)
    after = deeds.add_parser("next", allow_abbrev=False, help="draft the store after the one in use")
    _draft_options(after)
    after.add_argument("--after", type=Path, metavar="FILE.mpkt", help="the store before (default: the one in use)")
    sign = deeds.add_parser("sign", allow_abbrev=False, help="add the signature of a holder of the root")
    sign.add_argument("file", type=Path, metavar="FILE.mpkt")
    sign.add_argument(
        "--after", type=Path, metavar="FILE.mpkt",
        help="the store before, whose root must sign too (default: the one in use)",
    )  # fmt: skip
    signer_options(sign)
    elsewhere = sign.add_argument_group("signatures that are made elsewhere")
    elsewhere.add_argument("--request", type=Path, metavar="OUT.pae", help="write the exact message, and sign nothing")
    elsewhere.add_argument(
        "--import", type=Path, metavar="S.sig", action="append", default=[], dest="signature",
        help="add a raw signature of that message",
    )  # fmt: skip
    store_option(sign)
    unpack = deeds.add_parser("unpack", allow_abbrev=False, help="write the people of a signed store into a new folder")
    unpack.add_argument("file", type=Path, metavar="FILE.mpkt")
    unpack.add_argument("--to", type=Path, metavar="DIR", required=True)


def _draft_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, metavar="FILE.mpkt", required=True)
    parser.add_argument(
        "--root", type=Path, action="append", default=[], metavar="KEY.pub.pem",
        help="a holder of the root; the ML-DSA-65 half that lies beside belongs to it (next: the same as before)",
    )  # fmt: skip
    parser.add_argument(
        "--threshold", type=int, metavar="N", help="how many holders must sign; needed where --root names several"
    )
    until = parser.add_mutually_exclusive_group()
    until.add_argument("--expires", metavar=dates.METAVAR, help=f"until when it may be used ({dates.HELP})")
    until.add_argument("--days", type=int, metavar="N", help=f"for how many days (default: {YEAR_DAYS})")
    store_option(parser)


def run(args: argparse.Namespace) -> int:
    """Run one of the actions."""
    return {"new": _new, "next": _next, "sign": _sign, "unpack": _unpack}[args.deed](args)


def _new(args: argparse.Namespace) -> int:
    if not args.root:
        raise UsageError("nobody is named who decides about the store", hint="Give --root KEY.pub.pem for each holder")
    return _write(args, None, _root(args, None))


def _next(args: argparse.Namespace) -> int:
    folder = args.store or store.default_folder()
    before = signed_store.read(args.after) if args.after is not None else signed_store.installed(folder)
    if before is None:
        raise UsageError(
            "no signed store is in use", where=str(folder), hint="Name the one before with --after FILE.mpkt"
        )
    trust_file.check_own(before, str(args.after or folder / signed_store.NAME))
    return _write(args, before, _root(args, before.body.root))


def _root(args: argparse.Namespace, before: Root | None) -> Root:
    holders = tuple(public.read_halves(path) for path in args.root) if before is None or args.root else before.holders
    threshold = args.threshold
    if threshold is None:
        if before is not None and not args.root:
            threshold = before.threshold
        elif len(holders) == 1:
            threshold = 1
        else:
            raise UsageError(f"how many of the {len(holders)} holders must sign is not said", hint="Give --threshold N")
    return Root(holders, threshold)


def _write(args: argparse.Namespace, before: TrustFile | None, root: Root) -> int:
    folder = args.store or store.default_folder()
    if os.path.lexists(args.output):
        raise StorageError("exists and is not overwritten", where=str(args.output), hint="Name another file")
    kept = store.load(folder)
    if not kept.people:
        raise UsageError(
            "there are no people in the folder", where=str(folder),
            hint="Add them with keys trust, or write those of a signed store there with keys store unpack",
        )  # fmt: skip
    created = now()
    if before is not None and created < before.body.created:
        raise UsageError("this machine's clock is behind the store before", hint="Set the clock")
    number = trust_file.FIRST if before is None else before.body.seq + 1
    previous = None if before is None else before.id
    body = Body(number, previous, created, _until(args, created), root, kept.people, kept.policy)
    made = trust_file.draft(body)
    write_file(args.output, made.to_bytes())
    for line in store_listing.file_lines(made):
        emit(line)
    if before is not None:
        for line in store_listing.changes(before, made):
            emit(line)
    narrate(f"wrote {args.output}; nobody has signed it yet: mpk-tui keys store sign {args.output} --key KEY.pem")
    return ExitCode.OK


def _until(args: argparse.Namespace, created: int) -> int:
    if args.expires is not None:
        return dates.end(args.expires, "--expires")
    days = YEAR_DAYS if args.days is None else args.days
    if not 1 <= days <= 100 * YEAR_DAYS:
        raise UsageError(f"--days {days}: a store is used for 1 to {100 * YEAR_DAYS} days")
    return created + days * dates.DAY_MS


def _sign(args: argparse.Namespace) -> int:
    from mpk_tui.cli.bundle import elsewhere

    ways = [gives_signer(args), args.request is not None, bool(args.signature)]
    if sum(ways) != 1:
        raise UsageError(
            "nobody is named who signs" if not any(ways) else "a signature is made in one way at a time",
            hint="Give --key KEY.pem, --agent, --request OUT.pae or --import S.sig",
        )
    file = signed_store.read(args.file, unsigned=True)
    if file.unknown:
        raise UnsupportedError(
            f"is of a newer version and holds what cannot be shown here ({file.unknown[0]})", where=str(args.file),
            hint="Sign it with the version of mpk-tui that wrote it",
        )  # fmt: skip
    before = _before(args, file)
    roots = [file.body.root, *([] if before is None else [before.body.root])]
    for line in store_listing.file_lines(file):
        emit(line)
    if before is not None:
        for line in store_listing.changes(before, file):
            emit(line)
    done = {s.keyid for s in file.signatures}
    missing = _missing(roots, done)
    if not missing:
        raise UsageError("every holder has signed already", where=str(args.file))
    if args.request is not None:
        elsewhere.write_message(file.message, args.request)
        for key in missing:
            narrate(f"asks for a signature with {NAMES[key.alg]} key {fingerprint(key)}")
        return ExitCode.OK
    if args.signature:
        made = elsewhere.read_signatures(args.signature, file.message, missing)
    else:
        signer = signer_from(args, _strongest(roots), among=missing, done=done, whole=False)
        if not any(key in missing for key in signer.keys):
            raise UsageError(
                f"key {signer.keys[0].keyid.hex()[:16]}… is not of the store's root", where=str(args.file),
                hint="If it is of the root before, name that store with --after FILE.mpkt",
            )  # fmt: skip
        wanted = {key.keyid for key in missing}
        made = [s for s in signatures(signer, file.message) if s.keyid in wanted]
    file = trust_file.attach(file, made)
    write_file(args.file, file.to_bytes())
    _tell(args.file, file, before)
    return ExitCode.OK


def _before(args: argparse.Namespace, file: TrustFile) -> TrustFile | None:
    """The store before the one that is signed: named, or in use."""
    if file.body.prev is None:
        if args.after is not None:
            raise UsageError("the first store has none before it", where=str(args.file), hint="Leave out --after")
        return None
    if args.after is not None:
        named = signed_store.read(args.after)
        if named.id != file.body.prev:
            raise UsageError("is not the store before", where=str(args.after), hint=f"Expected {file.body.prev.hex()}")
        return named
    current = signed_store.installed(args.store or store.default_folder())
    return current if current is not None and current.id == file.body.prev else None


def _missing(roots: Sequence[Root], done: set[bytes]) -> list[PublicKey]:
    keys = {key.keyid: key for root in roots for holder in root.holders for key in holder}
    return [key for keyid, key in keys.items() if keyid not in done]


def _strongest(roots: Sequence[Root]) -> str:
    order = list(SUITES)
    return max((suite_of(holder) for root in roots for holder in root.holders), key=order.index)


def _tell(path: Path, file: TrustFile, before: TrustFile | None) -> None:
    states = [("its own root", file.body.root)]
    if before is not None:
        states.append((f"the root of number {before.body.seq}", before.body.root))
    for name, root in states:
        have = len(trust_file.tally(file, root).good)
        emit(f"signed   by {have} of {root.threshold} needed holder(s) of {name}")
    if file.body.prev is not None and before is None:
        narrate("the store before is not at hand: a threshold of its root must sign as well (--after FILE.mpkt)")
    narrate(f"wrote {path}")


def _unpack(args: argparse.Namespace) -> int:
    file = signed_store.read(args.file)
    trust_file.check_own(file, str(args.file))
    store.unpack(args.to, file.store())
    narrate(f"wrote {len(file.body.people)} people and the policy to {args.to}")
    return ExitCode.OK
