"""``keys trust``, ``list``, ``revoke`` and ``policy``: the people whom you believe, and what you demand."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from mpk_tui.bundle.manifest import UNATTENDED
from mpk_tui.bundle.suites import ML_DSA_65, NAMES, SUITES, PublicKey, in_order
from mpk_tui.bundle.trust import ANY, REASONS, Policy, TrustedKey
from mpk_tui.cli.keys import confirming, dates
from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode, UsageError
from mpk_tui.keys import public, signed_store, store, store_listing

_ROLE = re.compile(r"\*|[a-z][a-z0-9-]{0,31}")


def add(actions: Any) -> None:
    """Declare the arguments of all four actions."""
    trust = actions.add_parser("trust", allow_abbrev=False, help="put a person's public keys into the trust store")
    trust.add_argument(
        "files", type=Path, nargs="+", metavar="KEY.pub.pem",
        help="public key; the ML-DSA-65 half of an s2 identity lies beside it or is named as well",
    )  # fmt: skip
    trust.add_argument("--name", required=True, metavar="NAME", help="the person whose key it is")
    trust.add_argument(
        "--role",
        action="append",
        metavar="ROLE",
        help="role that is granted (default: analyst; for a key that is marked so: unattended)",
    )
    trust.add_argument("--org", default="", metavar="NAME")
    trust.add_argument("--not-before", metavar=dates.METAVAR, help=f"the key counts from then on ({dates.HELP})")
    trust.add_argument("--not-after", metavar=dates.METAVAR, help="the key counts until then; a day to its end")
    trust.add_argument(
        "--min-suite", choices=list(SUITES), help="this person counts under this suite or a stronger one"
    )
    trust.add_argument(
        "--confirm", action="append", metavar="TEXT", help=f"{confirming.HELP}; once for each key"
    )  # fmt: skip
    store_option(trust)
    listed = actions.add_parser("list", allow_abbrev=False, help="people and keys of the trust store")
    listed.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/trust/1)")
    listed.add_argument(
        "--people", action="store_true", help="the people in the folder, even if a signed store is installed"
    )
    store_option(listed)
    revoke = actions.add_parser(
        "revoke", allow_abbrev=False, help="stop believing keys",
        description="Stop believing keys, from a date on. A revocation is not taken back.",
    )  # fmt: skip
    revoke.add_argument(
        "who", metavar="WHO",
        help="a name or a person's id: all keys of that person, old and new; "
        "or the beginning of a key id (8 hex digits or more): that key",
    )  # fmt: skip
    revoke.add_argument(
        "--reason", choices=REASONS, required=True,
        help="superseded and left: what was signed before stays good; compromised: it does not",
    )  # fmt: skip
    revoke.add_argument("--at", metavar=dates.METAVAR, help=f"from when on (default: now; {dates.HELP})")
    store_option(revoke)
    policy = actions.add_parser("policy", allow_abbrev=False, help="show or set how many of whom must sign")
    policy.add_argument(
        "--need", action="append", default=[], metavar="ROLE=N",
        help="so many people of this role (* is any role) among the declared signers; endorsements do not count; "
        "names the whole list anew",
    )  # fmt: skip
    policy.add_argument("--min-suite", choices=list(SUITES), help="weakest suite that is accepted")
    store_option(policy)


def store_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--store``."""
    parser.add_argument("--store", type=Path, metavar="DIR", help="trust store (default: in your data folder)")


def run(args: argparse.Namespace) -> int:
    """Run one of the actions."""
    return {"trust": _trust, "list": _list, "revoke": _revoke, "policy": _policy}[args.action](args)


def _trust(args: argparse.Namespace) -> int:
    start = None if args.not_before is None else dates.beginning(args.not_before, "--not-before")
    stop = None if args.not_after is None else dates.end(args.not_after, "--not-after")
    marked = any(public.is_marked(path) for path in args.files)
    roles = tuple(args.role or (UNATTENDED if marked else "analyst",))
    if marked and set(roles) != {UNATTENDED}:
        raise UsageError(
            "the key is marked as one that signs unattended; it is trusted in that role and in no other",
            hint=f"Leave --role out, or give --role {UNATTENDED}",
        )
    for role in roles:
        _role(role)
    keys = _keys(args.files)
    given = args.confirm
    if given is not None and len(given) != len(keys):
        raise UsageError(
            f"{len(keys)} fingerprint(s) are to be confirmed, {len(given)} were given",
            hint="Give --confirm once for each key, the Ed25519 key first",
        )
    for n, key in enumerate(keys):
        lines = [f"{NAMES[key.alg]} key", *store_listing.key_lines(key)]
        # Who is asked must have it from its owner: what stands on the screen could be copied without comparing.
        asked = given is None and sys.stdin.isatty()
        if not asked:
            for line in lines:
                emit(line)
        confirming.confirm(key.keyid, None if given is None else given[n], "this key")
        if asked:
            for line in lines:
                emit(line)
    folder = args.store or store.default_folder()
    trusted = [TrustedKey(key, start, stop) for key in keys]
    person = store.add(folder, trusted, args.name, roles, args.org, args.min_suite)
    narrate(f"{person.name} is trusted as {', '.join(sorted(person.roles))}, {len(person.keys)} key(s), in {folder}")
    if person.min_suite != "s1" and all(t.key.alg != ML_DSA_65 for t in person.keys):
        narrate(f"note: {person.name} has no ML-DSA-65 key yet, which suite {person.min_suite} needs")
    _remind(folder)
    return ExitCode.OK


def _keys(files: list[Path]) -> tuple[PublicKey, ...]:
    """The keys of one person: a file and the half beside it, or two halves that are named."""
    if len(files) == 1:
        return public.read_halves(files[0])
    return in_order(public.read_public(path) for path in files)


def _role(text: str) -> str:
    if not _ROLE.fullmatch(text):
        raise UsageError(f"{text!r} is no role", hint="Lower-case letters, digits and hyphens, or * for every role")
    return text


def _list(args: argparse.Namespace) -> int:
    folder = args.store or store.default_folder()
    file = None if args.people else signed_store.installed(folder)
    if file is not None:
        kept = file.store()
    else:
        kept = store.load(args.store) if args.store is not None else store.load_default()
    if args.json:
        emit_json(store_listing.as_record(kept, file))
        return ExitCode.OK
    for line in store_listing.people_lines(kept) if file is None else store_listing.file_lines(file):
        emit(line)
    if not kept.people:
        narrate("nobody is in the store")
    return ExitCode.OK


def _revoke(args: argparse.Namespace) -> int:
    at = None if args.at is None else dates.beginning(args.at, "--at")
    folder = args.store or store.default_folder()
    person, count = store.revoke(folder, args.who, args.reason, at)
    since = "now" if args.at is None else args.at
    narrate(f"{count} key(s) of {person.name} are revoked, from {since} on: {args.reason}")
    _remind(folder)
    return ExitCode.OK


def _policy(args: argparse.Namespace) -> int:
    folder = args.store or store.default_folder()
    kept = store.load(folder) if folder.exists() else None
    before = Policy() if kept is None else kept.policy
    if args.need or args.min_suite is not None:
        needed = _needed(args.need) if args.need else before.needed
        before = Policy(needed, args.min_suite or before.min_suite)
        store.write_policy(folder, before)
        _remind(folder)
    emit(store_listing.policy_line(before))
    return ExitCode.OK


def _needed(texts: list[str]) -> dict[str, int]:
    needed: dict[str, int] = {}
    for text in texts:
        role, _, count = text.partition("=")
        if not (count.isascii() and count.isdecimal() and len(count) < 5):
            raise UsageError(f"--need {text!r} is not ROLE=N", hint=f"For instance analyst=2, or {ANY}=1 for any role")
        if _role(role) in needed:
            raise UsageError(f"--need names the role {role!r} twice")
        needed[role] = int(count)
    return needed


def _remind(folder: Path) -> None:
    if signed_store.is_installed(folder):
        narrate("a signed store is installed here and is what verify believes: this change counts after a rotation")
        narrate("  (mpk-tui keys store next, sign, accept)")
