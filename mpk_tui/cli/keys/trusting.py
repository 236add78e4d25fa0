"""``keys trust``, ``list`` and ``revoke``: whom you believe."""

from __future__ import annotations

import argparse
import re
import secrets
import sys
from pathlib import Path
from typing import Any

from mpk_tui.bundle.suites import PublicKey
from mpk_tui.bundle.trust import REASONS
from mpk_tui.bundle.wording import when
from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode, UsageError
from mpk_tui.keys import public, store

_GROUPS = 16


def add(actions: Any) -> None:
    """Declare the arguments of all three actions."""
    trust = actions.add_parser("trust", allow_abbrev=False, help="put a public key into the trust store")
    trust.add_argument("file", type=Path, metavar="KEY.pub.pem")
    trust.add_argument("--name", required=True, metavar="NAME", help="the person whose key it is")
    trust.add_argument("--role", action="append", metavar="ROLE", help="role that is granted (default: analyst)")
    trust.add_argument("--org", default="", metavar="NAME")
    trust.add_argument(
        "--confirm", metavar="TEXT", help="the whole fingerprint, or three groups by number: 3=ab12,9=00ff,14=7c3d"
    )
    _store_option(trust)
    listed = actions.add_parser("list", allow_abbrev=False, help="people and keys of the trust store")
    listed.add_argument("--json", action="store_true")
    _store_option(listed)
    revoke = actions.add_parser("revoke", allow_abbrev=False, help="stop believing keys")
    revoke.add_argument("who", metavar="WHO", help="a name, a person's id, or the beginning of a key id")
    revoke.add_argument("--reason", choices=REASONS, required=True)
    _store_option(revoke)


def _store_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=Path, metavar="DIR", help="trust store (default: in your data folder)")


def run(args: argparse.Namespace) -> int:
    """Run one of the actions."""
    return {"trust": _trust, "list": _list, "revoke": _revoke}[args.action](args)


def _trust(args: argparse.Namespace) -> int:
    key = public.read_public(args.file)
    emit(f"{args.file}: {key.alg} key")
    emit(f"fingerprint  {public.fingerprint(key)}")
    if args.confirm is not None:
        _confirm(key, args.confirm)
    else:
        _ask(key)
    folder = args.store or store.default_folder()
    person = store.add(folder, key, args.name, tuple(args.role or ("analyst",)), args.org)
    narrate(f"{person.name} is trusted as {', '.join(sorted(person.roles))}, {len(person.keys)} key(s), in {folder}")
    return ExitCode.OK


def _confirm(key: PublicKey, text: str) -> None:
    groups = public.fingerprint(key).split()
    squeezed = re.sub(r"[\s:]", "", text).lower()
    if "=" not in squeezed:
        if squeezed != "".join(groups):
            raise UsageError("the fingerprint that was given is not this key's", hint="The key was not trusted")
        return
    pairs = [part.partition("=") for part in squeezed.split(",")]
    numbers = {number for number, _, _ in pairs if number.isdigit() and 1 <= int(number) <= _GROUPS}
    if len(numbers) < 3 or len(numbers) != len(pairs):
        raise UsageError("three different groups are needed, by number from 1 to 16", hint="3=ab12,9=00ff,14=7c3d")
    if any(groups[int(number) - 1] != value for number, _, value in pairs):
        raise UsageError("the groups that were given are not this key's", hint="The key was not trusted")


def _ask(key: PublicKey) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            "the fingerprint was not confirmed", hint="Give it with --confirm, as its owner told it to you"
        )
    groups = public.fingerprint(key).split()
    for number in sorted(secrets.SystemRandom().sample(range(_GROUPS), 3)):
        narrate(f"group {number + 1} of the fingerprint, as the owner of the key told it to you:")
        if sys.stdin.readline().strip().lower() != groups[number]:
            raise UsageError("that is not this key's", hint="The key was not trusted")


def _list(args: argparse.Namespace) -> int:
    kept = store.load(args.store) if args.store is not None else store.load_default()
    if args.json:
        emit_json(
            {
                "schema": "mpk-tui/trust/1",
                "dated": kept.dated,
                "needed": dict(kept.policy.needed),
                "min_suite": kept.policy.min_suite,
                "people": [
                    {
                        "id": p.id, "name": p.name, "org": p.org, "roles": sorted(p.roles),
                        "keys": [
                            {"alg": t.key.alg, "keyid": t.key.keyid.hex(), "not_before": t.not_before,
                             "not_after": t.not_after,
                             "revoked": None if t.revoked is None else {"at": t.revoked.at, "reason": t.revoked.reason}}
                            for t in p.keys
                        ],
                    }
                    for p in kept.people
                ],
            }
        )  # fmt: skip
        return ExitCode.OK
    for p in kept.people:
        emit(f"{p.name} ({p.id}){f', {p.org}' if p.org else ''}: {', '.join(sorted(p.roles))}")
        for t in p.keys:
            mark = f"  revoked {when(t.revoked.at)}, {t.revoked.reason}" if t.revoked else ""
            emit(f"  {t.key.alg} {public.fingerprint(t.key)}{mark}")
    if not kept.people:
        narrate("the store is empty")
    return ExitCode.OK


def _revoke(args: argparse.Namespace) -> int:
    person, count = store.revoke(args.store or store.default_folder(), args.who, args.reason)
    narrate(f"{count} key(s) of {person.name} are revoked: {args.reason}")
    return ExitCode.OK
