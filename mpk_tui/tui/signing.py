"""The signature as the interface asks for it: the same calls as ``mpk-tui bundle build`` and ``bundle sign``.

The journal has one writer, the interface's thread; everything that reads, computes or waits (a key's passphrase, the
self-test, an agent's owner) happens in threads.  A passphrase lives as long as it takes to open the key.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.bundle import build, envelope, from_case, manifest, mldsa, wording
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.dsse import bundle_id
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.from_case import Gathered
from mpk_tui.bundle.loading import read_bundle
from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.bundle.suites import NAMES, PublicKey, verifiable
from mpk_tui.bundle.toolfacts import tool_facts
from mpk_tui.bundle.verify import inspect
from mpk_tui.case.store import Case
from mpk_tui.errors import MalformedError, StorageError, UnsupportedError, UsageError
from mpk_tui.files import write_file
from mpk_tui.keys import agent, private
from mpk_tui.keys.opening import declared_signer, key_files, together
from mpk_tui.keys.passphrase import Passphrase, no_core_files
from mpk_tui.keys.public import fingerprint, read_public
from mpk_tui.keys.signing import FileSigner, MessageSigner, declared, sign_bundle
from mpk_tui.progress import CancelToken, Report
from mpk_tui.selftest.record import current
from mpk_tui.tui import keys as key_map

ROLE = "analyst"
FILE, AGENT = "file", "agent"


@dataclass(frozen=True)
class Holder:
    """Who signs, as named in a form: files, an agent, or both; and how they are opened."""

    keys: tuple[Path, ...]
    by_agent: bool
    public: Path | None
    secret: Passphrase | None

    def open(
        self, suite: str, *, among: Sequence[PublicKey] = (), done: Collection[bytes] = (), whole: bool = True
    ) -> MessageSigner:
        """Open the keys; for a thread, because a passphrase takes a moment to work out.

        Args:
            suite: Which algorithms are needed.
            among: Keys that may sign, to choose the agent's key by; empty: any.
            done: Ids of keys that have signed already.
            whole: Every algorithm of the suite must be there.

        Raises:
            UsageError: Nobody is named, or not with the keys of the suite.
            KeyFileError: A key cannot be opened, or the agent does not answer as it should.
        """
        no_core_files()
        parts: list[MessageSigner] = []
        if self.by_agent:
            wanted = None if self.public is None else read_public(self.public)
            parts.append(agent.open_signer(wanted, [k for k in among if k.keyid not in done]))
        opened = [private.load(p, self.secret if private.needs_passphrase(p) else None)
                  for p in key_files(self.keys, suite, agent=self.by_agent)]  # fmt: skip
        left = [k for k in opened if k.public.keyid not in done]
        if opened and not left:
            raise UsageError(f"key {opened[0].public.keyid.hex()[:16]}… has signed already")
        if left:
            parts.append(FileSigner(left))
        if not parts:
            raise UsageError("nobody is named who signs", hint="Name a private key file, or let the ssh-agent sign")
        return together(parts, suite, whole=whole)


def holder(values: Mapping[str, str]) -> Holder:
    """From a form's values ``key``, ``by``, ``public`` and ``passphrase``.

    Raises:
        UsageError: Nobody is named who signs.
    """
    keys = tuple(Path(p.strip()).expanduser() for p in values["key"].split(";") if p.strip())
    by_agent = values["by"] == AGENT
    if not keys and not by_agent:
        raise UsageError("a signature needs a private key file, or the ssh-agent", hint="Type the path of KEY.pem")
    public = Path(values["public"].strip()).expanduser() if values["public"].strip() and by_agent else None
    secret = Passphrase(values["passphrase"].encode("utf-8", "surrogateescape")) if values["passphrase"] else None
    return Holder(keys, by_agent, public, secret)


@dataclass(frozen=True)
class Sealed:
    """A bundle that was written: where, its id, its number within the case, and who signed and who has still to."""

    path: Path
    id: bytes
    seq: int
    signed: tuple[str, ...]
    waiting: tuple[str, ...]


@dataclass(frozen=True)
class Ready:
    """Everything that a signature needs before the journal is written to."""

    gathered: Gathered
    tested: Mapping[str, Any]
    signer: MessageSigner
    others: tuple[Signer, ...]


def preview_lines(case: Case) -> list[str]:
    """What would be signed, before any key is opened."""
    seen = from_case.preview(case)
    again = f"{key_map.name_of('review', 'rehash')} on Review"
    warnings = [w.replace("mpk-tui case rehash", again) for w in seen.warnings]
    lines: list[str] = []
    for pair, display, statements in seen.pairs:
        lines += [f"{pair}: {display}", *(f"  {s}" for s in statements)]
    return [*lines, *(f"Note: {w}" for w in warnings), "Features and tensor digests may be confidential."]


def title(case: Case) -> str:
    """Which bundle it would be."""
    seen = from_case.preview(case)
    return f"Sign bundle {seen.seq} of case {seen.case}"


def proposed_path(case: Case) -> Path:
    """A name for the next bundle, beside the journal."""
    return case.root / f"{case.state.id}-{from_case.preview(case).seq}.mpkb"


def target(values: Mapping[str, str]) -> Path:
    """The file that a bundle is to be written to.

    Raises:
        UsageError: A field was left empty.
        StorageError: It exists, or its folder cannot be written.
    """
    if not values["signer"].strip() or not values["out"].strip():
        raise UsageError("a signature needs a name and a file to write")
    path = Path(values["out"].strip()).expanduser()
    if os.path.lexists(path):
        raise StorageError("exists; a bundle is never overwritten", where=str(path), hint="Name a new file")
    if not os.access(path.parent, os.W_OK):
        raise StorageError("is no folder that can be written", where=str(path.parent))
    return path


def readying(case: Case, who: Holder, suite: str, others: Sequence[str]) -> Callable[[CancelToken], Ready]:
    """Work for a thread: open the keys, read the case, test the installation.

    Args:
        case: Complete.
        who: Signs now.
        suite: ``s1`` or ``s2``.
        others: Declared signers who sign later, ``ID:ROLE:PUB.pem``.
    """
    if not verifiable(suite):
        mldsa.require()

    def work(cancel: CancelToken) -> Ready:
        later = tuple(declared_signer(text, suite) for text in others)
        signer = who.open(suite)
        cancel.check()
        gathered = from_case.gather(case)
        cancel.check()
        return Ready(gathered, current(lambda _: cancel.check()), signer, later)

    return work


def sealing(case: Case, ready: Ready, name: str, suite: str, path: Path) -> Callable[[Report, CancelToken], Sealed]:
    """Journal the export and return the rest as work for a thread: pack, sign, look at it as a verifier would, write.

    Raises:
        UsageError: The case changed since it was read.
    """
    who = declared(ready.signer, name, ROLE)
    contents: Contents = from_case.export(case, tool_facts(), ready.tested, ready.gathered)

    def work(report: Report, cancel: CancelToken) -> Sealed:
        made = build.build(contents, [who, *ready.others], suite=suite)
        cancel.check()
        made = sign_bundle(made, ready.signer)
        data = made.to_bytes()
        must_hold(inspect(data, now()), str(path))  # nothing is written that a verifier would refuse
        write_file(path, data)
        return sealed(path, made, contents.seq)

    return work


def record(case: Case, made: Sealed) -> None:
    """Journal that the bundle was written."""
    from_case.record_sealed(case, made.id, made.seq)


def now() -> int:
    """This machine's clock, milliseconds since 1970, UTC."""
    return time.time_ns() // 1_000_000


def must_hold(looked: Outcome, where: str) -> None:
    """Nothing is signed that a verifier would refuse.

    Raises:
        MalformedError: It would not read VALID.
        UnsupportedError: It is of a later version than this program can show.
    """
    if looked.verdict is not Word.VALID:
        raise MalformedError(f"cannot be signed, it would read {looked.verdict}: {looked.words}", where=where)
    if looked.manifest is not None and looked.manifest.newer:
        raise UnsupportedError(
            f"is of version 1.{looked.manifest.version[1]}: it may hold what this program cannot show", where=where,
            hint="Sign it with the version of mpk-tui that wrote it",
        )  # fmt: skip


def sealed(path: Path, made: Envelope, seq: int) -> Sealed:
    """What stands in a bundle about its signatures."""
    have = {s.keyid for s in made.signatures}
    signed = [
        f"{s.id}, {s.role}, {NAMES[k.alg]} key {k.keyid.hex()[:16]}…"
        for s in manifest.parse(made.payload).signers for k in s.keys if k.keyid in have
    ]  # fmt: skip
    waiting = [f"{s.id}, {s.role}, {NAMES[k.alg]} key {fingerprint(k)}" for s, k in build.missing_keys(made)]
    return Sealed(path, bundle_id(made.payload), seq, tuple(signed), tuple(waiting))


# -- a further signature ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unsigned:
    """A bundle that waits for declared signers, as it was read."""

    path: Path
    data: bytes
    envelope: Envelope
    lines: tuple[str, ...]


def looking_at(path: Path) -> Callable[[CancelToken], Unsigned]:
    """Work for a thread: read a bundle that waits for signatures, and everything in it that would be signed.

    It raises `UsageError` where nobody has to sign any more, `MalformedError` where a verifier would refuse it.
    """

    def work(_: CancelToken) -> Unsigned:
        data = read_bundle(path)
        made = envelope.parse(data, unsigned=True)
        looked = inspect(data, now())
        must_hold(looked, str(path))
        if made.endorsements:
            raise UsageError("has endorsements, which name the signatures as they are", where=str(path))
        if not build.missing_keys(made):
            raise UsageError("every declared signer has signed already", where=str(path))
        return Unsigned(path, data, made, tuple(wording.lines(looked)))

    return work


def cosigning(found: Unsigned, who: Holder) -> Callable[[CancelToken], Sealed]:
    """Work for a thread: add the signature of a declared signer and write the bundle."""

    def work(cancel: CancelToken) -> Sealed:
        body = manifest.parse(found.envelope.payload)
        keys = [k for s in body.signers for k in s.keys]
        done = {s.keyid for s in found.envelope.signatures}
        signer = who.open(body.suite, among=keys, done=done, whole=False)
        cancel.check()
        made = sign_bundle(found.envelope, signer)
        if read_bundle(found.path) != found.data:
            raise StorageError("was changed since it was read", where=str(found.path), hint="Nothing was signed")
        write_file(found.path, made.to_bytes())
        return sealed(found.path, made, body.seq)

    return work
