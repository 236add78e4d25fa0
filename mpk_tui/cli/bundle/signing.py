"""``bundle sign``: add the signature of a declared signer, after everything that is signed was shown.

Everything else that signs offers its keys in the same way: `signer_options` and `signer_from`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mpk_tui.bundle import build as building
from mpk_tui.bundle import dsse, envelope, manifest, wording
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.loading import read_bundle
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.bundle.suites import NAMES, PublicKey
from mpk_tui.bundle.verify import inspect
from mpk_tui.cli.output import emit, narrate
from mpk_tui.errors import ExitCode, KeyFileError, MalformedError, UnsupportedError, UsageError
from mpk_tui.files import write_file
from mpk_tui.keys import passphrase
from mpk_tui.keys.opening import key_files, together
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.keys.private import SigningKey, load, needs_passphrase
from mpk_tui.keys.public import fingerprint, read_public
from mpk_tui.keys.signing import FileSigner, MessageSigner, sign_bundle
from mpk_tui.text import clean

WHOLE = 1 << 20
"""What is about to be signed is shown to its end: characters of a line."""


def add(actions: Any) -> None:
    """Declare the action's arguments."""
    signing = actions.add_parser("sign", allow_abbrev=False, help="add the signature of a declared signer")
    signing.add_argument("bundle", type=Path, metavar="FILE")
    signer_options(signing)
    elsewhere = signing.add_argument_group("signatures that are made elsewhere")
    elsewhere.add_argument(
        "--request", type=Path, metavar="OUT.pae", help="write the exact message that is signed, and sign nothing"
    )
    elsewhere.add_argument("--signer", metavar="ID", help="whose signature the request asks for")
    elsewhere.add_argument(
        "--import", type=Path, metavar="S.sig", action="append", default=[], dest="signature",
        help="add a raw signature of that message; with --public only if it is that key's",
    )  # fmt: skip


def signer_options(parser: argparse.ArgumentParser) -> None:
    """Declare ``--key``, ``--agent``, ``--public`` and ``--passphrase-fd``: the same for everything that signs."""
    parser.add_argument(
        "--key", type=Path, metavar="KEY.pem", action="append", default=[],
        help="sign with this key; its second half lies beside it or is named by a second --key",
    )  # fmt: skip
    parser.add_argument("--agent", action="store_true", help="let the ssh-agent at SSH_AUTH_SOCK sign (Ed25519)")
    parser.add_argument(
        "--public", type=Path, metavar="KEY.pub.pem", help="which of the agent's keys (PEM or OpenSSH form)"
    )
    passphrase_option(parser)


def passphrase_option(parser: argparse.ArgumentParser) -> None:
    """Declare ``--passphrase-fd``."""
    parser.add_argument("--passphrase-fd", type=int, metavar="N", help="read the passphrase from this descriptor")


def gives_signer(args: argparse.Namespace) -> bool:
    """Whether the arguments of `signer_options` name somebody who can sign."""
    return bool(args.key) or bool(args.agent)


def signer_from(
    args: argparse.Namespace,
    suite: str,
    *,
    among: Sequence[PublicKey] = (),
    done: Collection[bytes] = (),
    whole: bool = True,
) -> MessageSigner:
    """Whoever the arguments of `signer_options` name, opened: passphrases are asked for here.

    Args:
        args: Parsed arguments.
        suite: Which algorithms are needed.
        among: Keys that may sign, to choose the agent's key where ``--public`` does not; empty: any.
        done: Ids of keys that have signed already and are left out.
        whole: Every algorithm of the suite must be there.

    Raises:
        UsageError: Nobody is named, or not with the keys of the suite.
        KeyFileError: A key cannot be opened, or the agent does not answer as it should.
    """
    if not gives_signer(args):
        raise UsageError("nobody is named who signs", hint="Give --key KEY.pem, or --agent")
    if args.public is not None and not args.agent:
        raise UsageError("--public says which of an agent's keys signs", hint="Give --agent with it")
    parts: list[MessageSigner] = []
    if args.agent:
        from mpk_tui.keys import agent

        wanted = None if args.public is None else read_public(args.public)
        held = agent.open_signer(wanted, [k for k in among if k.keyid not in done])
        if held.keys[0].keyid in done:
            raise UsageError(f"key {held.keys[0].keyid.hex()[:16]}… has signed already")
        parts.append(held)
    if args.key:
        opened = open_keys(key_files(args.key, suite, agent=args.agent), args.passphrase_fd)
        left = [key for key in opened if key.public.keyid not in done]
        if not left:
            raise UsageError(f"key {opened[0].public.keyid.hex()[:16]}… has signed already")
        parts.append(FileSigner(left))
    return together(parts, suite, whole=whole)


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    from mpk_tui.cli.bundle import elsewhere

    ways = [gives_signer(args), args.request is not None, bool(args.signature)]
    if sum(ways) != 1:
        raise UsageError(
            "nobody is named who signs" if not any(ways) else "a signature is made in one way at a time",
            hint="Give --key KEY.pem, --agent, --request OUT.pae or --import S.sig",
        )
    if args.signer is not None and args.request is None:
        raise UsageError("--signer says whose signature a --request asks for")
    data = read_bundle(args.bundle)
    made = envelope.parse(data, unsigned=True)
    looked = inspect(data, now())
    must_hold(looked, str(args.bundle))
    for line in wording.lines(looked):
        emit(line, fold=True, most=WHOLE)
    if made.endorsements:
        raise UsageError("has endorsements, which name the signatures as they are", where=str(args.bundle))
    if not building.missing_keys(made):
        raise UsageError("every declared signer has signed already", where=str(args.bundle))
    if args.request is not None:
        elsewhere.ask(made, args.request, args.signer)
        return ExitCode.OK
    if args.signature:
        made = elsewhere.take(made, args.signature, args.public)
    else:
        body = manifest.parse(made.payload)
        signer = signer_from(
            args, body.suite, among=[k for s in body.signers for k in s.keys],
            done={s.keyid for s in made.signatures}, whole=False,
        )  # fmt: skip
        made = sign_bundle(made, signer)
    write_file(args.bundle, made.to_bytes())
    tell(args.bundle, made)
    return ExitCode.OK


def open_keys(paths: Sequence[Path], descriptor: int | None) -> list[SigningKey]:
    """Open private keys of one person, asking for their passphrase once.

    Where the passphrase of the first does not open another and there is a terminal, it is asked for.
    """
    passphrase.no_core_files()
    given: Passphrase | None = None
    opened = []
    for path in paths:
        if not needs_passphrase(path):
            narrate(f"{path}: this key is not protected by a passphrase")
            opened.append(load(path))
        elif given is None:
            given = passphrase.from_descriptor(descriptor) if descriptor is not None else passphrase.ask()
            opened.append(load(path, given))
        else:
            try:
                opened.append(load(path, given))
            except KeyFileError:
                if descriptor is not None:
                    raise
                narrate(f"{path}: the same passphrase does not open it")
                opened.append(load(path, passphrase.ask(f"Passphrase of {clean(path.name)}: ")))
    return opened


def now() -> int:
    """This machine's clock, milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def must_hold(looked: Outcome, where: str) -> None:
    """Nothing is signed that a verifier would refuse."""
    if looked.verdict is not Word.VALID:
        raise MalformedError(
            f"cannot be signed, it would read {looked.verdict}: {looked.words}", where=where,
            hint="Build it again from the case",
        )  # fmt: skip
    if looked.manifest is not None and looked.manifest.newer:
        raise UnsupportedError(
            f"is of version 1.{looked.manifest.version[1]}: it may hold what this program cannot show", where=where,
            hint="Sign it with the version of mpk-tui that wrote it",
        )  # fmt: skip


def tell(path: Path, made: Envelope) -> None:
    """Say what was written and who has still to sign."""
    emit(f"bundle   {dsse.bundle_id(made.payload).hex()}")
    have = {s.keyid for s in made.signatures}
    for signer in manifest.parse(made.payload).signers:
        for key in signer.keys:
            if key.keyid in have:
                emit(f"signed   by {signer.id}, {signer.role}, {NAMES[key.alg]} key {key.keyid.hex()[:16]}…")
    for signer, key in building.missing_keys(made):
        emit(f"waiting  for {signer.id}, {signer.role}, {NAMES[key.alg]} key {fingerprint(key)}")
    narrate(f"wrote {path}")
