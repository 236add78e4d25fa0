"""``library export``: a signed pack of a selection, for other libraries.

What is about to be signed is printed before a key is opened, and it is said that it may be confidential.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.suites import NAMES as ALGORITHMS
from mpk_tui.bundle.suites import SUITES
from mpk_tui.cli.bundle.signing import gives_signer, signer_from, signer_options
from mpk_tui.cli.library.declaring import declare, library_of
from mpk_tui.cli.output import emit, narrate, progress_bar
from mpk_tui.errors import ExitCode, StorageError, UsageError
from mpk_tui.keys.opening import declared_signer
from mpk_tui.library.packs.body import ROLE, Clock
from mpk_tui.library.packs.making import CONFIDENTIAL, Draft, Records, Sealed, check_name
from mpk_tui.library.packs.verify import Opened
from mpk_tui.text import size


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    p = declare(actions, "export", "write a signed pack (.mpkl) of some or all entries")
    p.add_argument("names", nargs="*", metavar="NAME", help="name, alias, or the beginning of a fingerprint or root")
    which = p.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", dest="every", help="all entries that are not revoked")
    which.add_argument("--text", default="", metavar="TEXT", help="all that hold this in a name or another field")
    p.add_argument("-o", "--output", type=Path, metavar="FILE.mpkl", required=True, help="pack file to write")
    p.add_argument("--no-locations", action="store_true", help="leave out where weights lie")
    pack_options(p)


def pack_options(parser: argparse.ArgumentParser) -> None:
    """Declare what a pack is called, what it follows, what it takes back, and who signs it."""
    parser.add_argument("--pack", metavar="NAME", help="name of the pack (default: that of the earlier one)")
    parser.add_argument("--version", type=int, metavar="N", help="its number (default: the next one, or 1)")
    parser.add_argument(
        "--since", type=Path, action="append", default=[], metavar="EARLIER.mpkl",
        help="a delta: only what is new or changed beside this earlier pack; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--previous", type=Path, action="append", default=[], metavar="EARLIER.mpkl",
        help="a full pack that follows this earlier one and carries its revocations on; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--revoke", action="append", default=[], metavar="NAME|HEX",
        help="take back what an earlier pack lists; --reason says why; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--reason", action="append", default=[], metavar="TEXT", help="why; one for each --revoke, in their order"
    )
    parser.add_argument("--statement", default="", metavar="TEXT", help="what you say of the pack; signed with it")
    parser.add_argument(
        "--id", default="", metavar="NAME",
        help="what you who sign call yourselves (default: as in the earlier pack, else the key's id)",
    )  # fmt: skip
    parser.add_argument(
        "--suite", choices=list(SUITES), default="s1", help="s1: Ed25519 (default); s2: Ed25519 and ML-DSA-65"
    )
    parser.add_argument(
        "--signer", action="append", default=[], metavar="ID:PUB.pem[+PUB2.pem]",
        help="declare another issuer, who signs later with library pack sign; may be repeated",
    )  # fmt: skip
    signer_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.library.catalogue import open_library
    from mpk_tui.library.packs import making

    ready(args)
    chosen = [bool(args.names), args.every, bool(args.text)]
    if sum(chosen) > 1 or (not any(chosen) and not args.revoke):
        raise UsageError("nothing is named that is to be exported", hint="Give names, --all, --text TEXT or --revoke")
    earlier = making.read_earlier([*args.since, *args.previous])
    at = now()
    with open_library(library_of(args), immutable=args.immutable) as library:
        selected = making.select(library, args.names, every=args.every, text=args.text) if any(chosen) else []
        listed = making.listed_of(library, selected, locations=not args.no_locations, report=progress_bar())
        taken_back = making.revocations(library, revoke_pairs(args), earlier, at)
        made = making.draft(
            listed, taken_back, name=args.pack, version=args.version, earlier=earlier, delta=bool(args.since),
            statement=args.statement,
        )  # fmt: skip
        tell(made)
        sealed = sign(args, made, at, earlier)
        write(args.output, sealed, lambda e: making.record_of(library, e.fingerprint))
    return ExitCode.OK


def ready(args: argparse.Namespace) -> None:
    """Refuse before anything is read what could not be written or signed in the end.

    Raises:
        UsageError: Nobody is named who signs, or options contradict each other.
        StorageError: The file exists, or its folder does not.
    """
    if not gives_signer(args):
        raise UsageError("nobody is named who signs", hint="Give --key KEY.pem, or --agent")
    if args.since and args.previous:
        raise UsageError("--since makes a delta and --previous a full pack", hint="Give one of them")
    if not args.pack and not (args.since or args.previous):
        raise UsageError("the pack needs a name", hint="Give --pack NAME: letters, digits, dots, dashes, underscores")
    if args.pack:
        check_name(args.pack)
    revoke_pairs(args)
    others(args)
    for path in args.key:
        if not os.path.lexists(path):
            raise StorageError("there is no such key file", where=str(path))
    if os.path.lexists(args.output):
        raise StorageError("exists; a pack is never overwritten", where=str(args.output), hint="Name another file")
    if not args.output.absolute().parent.is_dir():
        raise StorageError("there is no such folder", where=str(args.output.parent))


def revoke_pairs(args: argparse.Namespace) -> list[tuple[str, str]]:
    """What is revoked, with the reasons.

    Raises:
        UsageError: Not one reason for each.
    """
    if len(args.revoke) != len(args.reason):
        raise UsageError(
            f"{len(args.revoke)} --revoke and {len(args.reason)} --reason", hint="Give a --reason after each --revoke"
        )
    return list(zip(args.revoke, args.reason, strict=True))


def others(args: argparse.Namespace) -> list[Signer]:
    """Issuers who sign later.

    Raises:
        UsageError: One is not written as it should be, or has not the keys of the suite.
        KeyFileError, StorageError: A file holds no public key.
    """
    out = []
    for text in args.signer:
        name, colon, given = text.partition(":")
        if not (name and colon and given):
            raise UsageError(f"a declared issuer {text!r} is not written ID:PUB.pem")
        out.append(declared_signer(f"{name}:{ROLE}:{given}", args.suite))
    return out


def tell(made: Draft, *, quiet: bool = False) -> None:
    """Print what is about to be signed (on stderr if stdout is for data), and that it may be confidential."""
    emit = _told(quiet)
    emit(f"pack      {made.name}, version {made.version}, {made.kind}")
    if made.prev is not None:
        emit(f"follows   version {made.prev.version}, {made.prev.id.hex()}")
    if made.statement:
        emit(f"says      {made.statement}")
    for e in made.contents.entries:
        emit(f"entry     {e.fingerprint.hex()[:16]}  {e.facts.name}")
    for r in made.contents.revoked:
        emit(f"revoked   {r.fingerprint.hex()[:16]}  {r.name}: {r.reason}")
    held = made.contents.entries
    emit(f"holds     {len(held)} fingerprints, {size(sum(e.size for e in held))}; {len(made.contents.revoked)} revoked")
    for notice in made.notices:
        narrate(f"note: {notice}")
    narrate(f"note: {CONFIDENTIAL}")


def sign(args: argparse.Namespace, made: Draft, at: int, earlier: Sequence[Opened] = ()) -> Sealed:
    """Open the key and sign; whoever signed an earlier pack is called as there unless they say otherwise."""
    from mpk_tui.library.packs.making import called_before, seal

    signer = signer_from(args, args.suite)
    offset = -(time.altzone if time.localtime().tm_isdst else time.timezone)
    issuer = args.id.strip() or called_before(signer.keys, earlier) or f"key {signer.keys[0].keyid.hex()[:16]}"
    return seal(made, signer, issuer, created=at, clock=Clock("system", offset), others=others(args))


def write(path: Path, sealed: Sealed, records: Records, *, quiet: bool = False) -> None:
    """Write the pack and say what was written."""
    emit = _told(quiet)
    sealed.write(path, records, progress_bar())
    emit(f"id        {sealed.id.hex()}")
    for signer in sealed.body.signers:
        for key in signer.keys:
            signed = any(s.keyid == key.keyid for s in sealed.signatures)
            if not signed:
                emit(f"waiting   for {signer.id}, {ALGORITHMS[key.alg]} key {key.keyid.hex()[:16]}…")
                continue
            emit(f"signed    by {signer.id}, {ALGORITHMS[key.alg]} key {key.keyid.hex()[:16]}…")
    narrate(f"wrote {path} ({size(path.stat().st_size)})")


def _told(quiet: bool) -> Callable[[str], None]:
    """Where lines about a pack go."""
    return narrate if quiet else lambda line: emit(line, fold=True, most=1 << 16)


def now() -> int:
    """This machine's clock, milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000
