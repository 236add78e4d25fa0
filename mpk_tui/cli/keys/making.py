"""``keys new``, ``keys show`` and ``keys agent``: key files."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from mpk_tui.bundle.suites import NAMES, SUITES
from mpk_tui.cli.output import emit, emit_json, narrate
from mpk_tui.errors import ExitCode, UsageError
from mpk_tui.keys import passphrase, private, public, words

SHORT = 16
"""Bytes below which a passphrase is remarked on; it is the person's to choose."""


def add(actions: Any) -> None:
    """Declare the arguments of the actions."""
    new = actions.add_parser("new", allow_abbrev=False, help="make a signing key")
    new.add_argument(
        "-o", "--output", type=Path, metavar="KEY.pem", required=True,
        help="private key to write, encrypted; KEY.pub.pem is written beside it, and neither over a file that exists",
    )  # fmt: skip
    new.add_argument(
        "--suite", choices=list(SUITES), default="s1",
        help="s1: Ed25519 (default); s2: Ed25519 and ML-DSA-65, the second half beside as KEY.ml-dsa-65.pem",
    )  # fmt: skip
    new.add_argument(
        "--openssl-compatible", action="store_true",
        help="derive with PBKDF2 instead of scrypt, so that the openssl command of version 3.0 opens it",
    )  # fmt: skip
    new.add_argument(
        "--unattended", action="store_true",
        help="mark it as a machine's, for mpk-tui watch: it signs in the role 'unattended' and in no other",
    )  # fmt: skip
    new.add_argument("--passphrase-fd", type=int, metavar="N", help="read the passphrase from this descriptor")
    show = actions.add_parser("show", allow_abbrev=False, help="fingerprint of a public key file")
    show.add_argument("file", type=Path, metavar="KEY.pub.pem", help="PEM, or the .pub file of an OpenSSH key")
    form = show.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object (schema mpk-tui/key/1)")
    form.add_argument("--pem", action="store_true", help="print the key in PEM form")
    form.add_argument("--openssh", action="store_true", help="print the key as OpenSSH writes it (Ed25519)")
    agent = actions.add_parser("agent", allow_abbrev=False, help="hand an Ed25519 key to the ssh-agent")
    agent.add_argument("file", type=Path, metavar="KEY.pem")
    agent.add_argument(
        "--lifetime", type=int, default=3600, metavar="SECONDS", help="after which the agent forgets it (default: 3600)"
    )
    agent.add_argument("--confirm", action="store_true", help="the agent asks before each signature")
    agent.add_argument("--passphrase-fd", type=int, metavar="N", help="read the passphrase from this descriptor")


def run(args: argparse.Namespace) -> int:
    """Run one of the actions."""
    return {"new": _new, "show": _show, "agent": _agent}[args.action](args)


def _new(args: argparse.Namespace) -> int:
    private.must_be_free(args.output, args.suite)
    descriptor = args.passphrase_fd
    given = passphrase.from_descriptor(descriptor) if descriptor is not None else passphrase.ask_new()
    if len(given.value) < SHORT:
        narrate("note: this passphrase is short; six random words are hard to guess and can be remembered")
    made = private.create(
        args.output, given, args.suite, openssl_compatible=args.openssl_compatible, unattended=args.unattended
    )
    for path in private.paths_of(args.output, args.suite).values():
        narrate(f"wrote {path} and {private.public_path(path)}")
    for key in made:
        emit(public.fingerprint(key) if len(made) == 1 else f"{NAMES[key.alg]:<9}  {public.fingerprint(key)}")
        narrate(f"in words: {words.words(key.keyid)}")
    return ExitCode.OK


def _show(args: argparse.Namespace) -> int:
    key = public.read_public(args.file)
    if args.json:
        emit_json(
            {"schema": "mpk-tui/key/1", "alg": key.alg, "keyid": key.keyid.hex(), "words": words.words(key.keyid)}
        )
    elif args.pem:
        for line in public.pem(key).decode("ascii").splitlines():
            emit(line)
    elif args.openssh:
        form = public.ssh_line(key)
        if form is None:
            raise UsageError(f"OpenSSH has no form for {NAMES[key.alg]} keys", where=str(args.file))
        emit(form)
    else:
        emit(f"alg          {key.alg}")
        emit(f"fingerprint  {public.fingerprint(key)}")
        emit(f"in words     {words.words(key.keyid)}")
        if public.is_marked(args.file):
            emit("marked       signs unattended, in the role 'unattended' only")
        beside = public.half_beside(args.file)
        if beside is not None and os.path.lexists(beside):
            narrate(f"its second half lies beside it: {beside}")
    return ExitCode.OK


def _agent(args: argparse.Namespace) -> int:
    from mpk_tui.cli.bundle.signing import open_keys
    from mpk_tui.keys import agent

    agent.socket_path()  # refuses before a passphrase is asked for
    (key,) = open_keys([args.file], args.passphrase_fd)
    agent.hand_over(key, args.file.name, args.lifetime, confirm=args.confirm)
    narrate(f"the ssh-agent holds {args.file} for {args.lifetime} seconds; ssh-add -D makes it forget")
    emit(public.fingerprint(key.public))
    return ExitCode.OK
