"""From entries to a signed pack file: what it holds, beside which earlier packs, under which number."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mpk_tui import __version__
from mpk_tui.bundle import mldsa
from mpk_tui.bundle.dsse import PACK_TYPE, pae
from mpk_tui.bundle.envelope import Signature
from mpk_tui.bundle.manifest import Signer
from mpk_tui.bundle.suites import PublicKey, suite_of, verifiable
from mpk_tui.bundle.toolfacts import code_digest
from mpk_tui.checkpoint.reading import Source, read_small
from mpk_tui.errors import MalformedError, MpkError, UsageError
from mpk_tui.fingerprint.record import MAX_BYTES, Fingerprint
from mpk_tui.hashtree import sha256
from mpk_tui.keys.signing import MessageSigner, declared, signatures
from mpk_tui.library import entry as entries
from mpk_tui.library.catalogue import Catalogue
from mpk_tui.library.entry import Entry
from mpk_tui.library.packs import body as bodies
from mpk_tui.library.packs import container, contents
from mpk_tui.library.packs.body import DELTA, FULL, MOST_ENTRIES, MOST_VERSION, NAME, ROLE, Body, Clock, Earlier, Made
from mpk_tui.library.packs.contents import Contents, Listed, Revoked
from mpk_tui.library.packs.verify import Opened, read_own
from mpk_tui.progress import CancelToken, Meter, Report, silent
from mpk_tui.records import dataclass, replace

CONFIDENTIAL = (
    "a pack holds digests of every file and tensor and features of the weights, with names, sources, notes and who "
    "added them: whoever has it can recognise these models and what was made from them. Treat it as confidential if "
    "they are"
)
"""What is said before a pack is written."""

Records = Callable[[Listed], bytes]


@dataclass(frozen=True)
class Draft:
    """A pack that nobody has signed yet.

    Attributes:
        name: Of the pack.
        version: Its number.
        kind: Full or delta.
        prev: The pack before it, if one was named.
        contents: What it holds.
        statement: What the issuers say of it.
        notices: What whoever signs should know, as sentences.
    """

    name: str
    version: int
    kind: str
    prev: Earlier | None
    contents: Contents
    statement: str = ""
    notices: tuple[str, ...] = ()


def read_earlier(paths: Sequence[Path]) -> list[Opened]:
    """Earlier packs of one name in the order of their numbers, each as it was signed.

    Raises:
        UsageError: They are of several names, or two have one number.
        MpkError: One cannot be read, or is not as it was signed.
    """
    found = []
    for path in paths:
        with Source(path, follow=True) as source:
            try:
                found.append(read_own(source))
            except MpkError as error:
                raise type(error)(error.what, where=f"{path}, {error.where or 'pack'}", hint=error.hint) from None
    found.sort(key=lambda o: o.body.version)
    if len({o.body.name for o in found}) > 1:
        raise UsageError(f"packs of several names: {', '.join(sorted({o.body.name for o in found}))}")
    if len({o.body.version for o in found}) != len(found):
        raise UsageError("two packs of one number", hint="Name each earlier pack once")
    return found


def draft(
    listed: Sequence[Listed],
    revoked: Sequence[Revoked] = (),
    *,
    name: str | None,
    version: int | None = None,
    earlier: Sequence[Opened] = (),
    delta: bool = False,
    statement: str = "",
) -> Draft:
    """Put together what a pack says.

    Args:
        listed: What was selected.
        revoked: What is taken back.
        name: Of the pack; None takes that of the earlier ones.
        version: Its number; None is the next one, or 1.
        earlier: From `read_earlier`; the last is the one that this follows.
        delta: Only what is new or changed beside all of the earlier ones together.
        statement: What the issuers say of it.

    Raises:
        UsageError: Name or number cannot be, or nothing is left to say.
    """
    last = earlier[-1] if earlier else None
    if name is None:
        name = last.body.name if last else ""
    if last is not None and name != last.body.name:
        raise UsageError(f"the earlier pack is called {last.body.name}, not {name}", hint="A line keeps its name")
    check_name(name)
    number = version if version is not None else last.body.version + 1 if last else 1
    if not 1 <= number <= MOST_VERSION or (last is not None and number <= last.body.version):
        raise UsageError(
            f"version {number} cannot be{f'; the earlier pack is version {last.body.version}' if last else ''}",
            hint=f"Give a number from {last.body.version + 1 if last else 1} on",
        )  # fmt: skip
    before = contents.folded(o.contents for o in earlier)
    said = {e.fingerprint: e for e in before.entries}
    taken_back = {r.fingerprint: r for r in revoked}
    kept = {e.fingerprint: e for e in listed if e.fingerprint not in taken_back}
    if delta:
        kept = {k: e for k, e in kept.items() if k not in said or said[k].facts != e.facts}
    else:
        carried = {r.fingerprint: r for r in before.revoked if r.fingerprint not in kept}
        taken_back = {**carried, **taken_back}
    if not kept and not taken_back:
        raise UsageError("nothing is new, changed or revoked since the earlier pack; no pack is needed"
                         if delta else "nothing was selected")  # fmt: skip
    for what, count in (("fingerprints", len(kept)), ("revocations", len(taken_back))):
        if count > MOST_ENTRIES:
            raise UsageError(f"{count} {what}, a pack has at most {MOST_ENTRIES}", hint="Make several packs")
    prev = None if last is None else Earlier(last.body.version, bodies.pack_id(last.head.payload))
    made = Contents(
        tuple(kept[k] for k in sorted(kept)), tuple(taken_back[k] for k in sorted(taken_back))
    )  # fmt: skip
    return Draft(name, number, DELTA if delta else FULL, prev, made, statement, tuple(_notices(made)))


def called_before(keys: Sequence[PublicKey], earlier: Sequence[Opened]) -> str:
    """What the issuer with these very keys is called in the newest of these packs; empty where none has them."""
    wanted = {k.keyid for k in keys}
    return next(
        (s.id for o in reversed(earlier) for s in o.body.signers if {k.keyid for k in s.keys} == wanted), ""
    )  # fmt: skip


def check_name(name: str) -> None:
    """Refuse a name that no pack can have.

    Raises:
        UsageError: It is empty, too long, or has other characters.
    """
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"a pack cannot be called {name!r}",
            hint="1 to 64 letters, digits, dots, dashes and underscores of ASCII, the first a letter or digit",
        )


def _notices(made: Contents) -> Iterator[str]:
    located = [e.facts.name for e in made.entries if e.facts.location.startswith(("/", "~", "\\"))]
    if located:
        yield (
            f"{len(located)} of {len(made.entries)} locations look like paths of a machine, as that of {located[0]}; "
            "--no-locations leaves them out"
        )
    others = sum(bool(e.via.pack) for e in made.entries)
    if others:
        yield f"{others} of {len(made.entries)} came with packs of others; whoever signs now answers for them too"


def seal(
    made: Draft,
    signer: MessageSigner,
    issuer: str,
    *,
    created: int,
    clock: Clock | None = None,
    others: Sequence[Signer] = (),
) -> Sealed:
    """Sign a pack.

    Args:
        made: What it says.
        signer: Whose keys sign.
        issuer: What they call themselves.
        created: Milliseconds since 1970, UTC.
        clock: Where that time came from.
        others: Issuers who are declared and sign later (`mpk_tui.library.packs.cosigning`).

    Raises:
        UsageError: A name that cannot be.
        KeyFileError: A signature does not fit its key.
        MalformedError, LimitError: It does not fit the format.
    """
    suite = suite_of(signer.keys)
    if not verifiable(suite):
        mldsa.require()
    data = made.contents.to_bytes()
    body = Body(
        suite, made.name, made.version, made.kind, made.prev, created, clock or Clock(), made.statement,
        Made("mpk-tui", __version__, code_digest()), (declared(signer, issuer, ROLE), *others), sha256(data), len(data),
        len(made.contents.entries), len(made.contents.revoked),
    )  # fmt: skip
    payload = body.to_bytes()
    try:
        bodies.parse(payload)  # what we write, we can read
    except MalformedError as error:
        raise UsageError(error.what, where=error.where, hint="Choose another value") from None
    return Sealed(body, payload, signatures(signer, pae(PACK_TYPE, payload)), data, made.contents.entries)


@dataclass(frozen=True)
class Sealed:
    """A signed pack before its records follow: manifest, its bytes and signatures, bytes of the list, the list."""

    body: Body
    payload: bytes
    signatures: tuple[Signature, ...]
    contents: bytes
    entries: tuple[Listed, ...]

    @property
    def id(self) -> bytes:
        """SHA-256 of the signed message."""
        return bodies.pack_id(self.payload)

    def write(
        self, path: Path, records: Records, report: Report = silent, cancel: CancelToken | None = None
    ) -> None:  # fmt: skip
        """Write the file, whole or not at all, one record in memory at a time.

        Args:
            path: Where.
            records: The bytes of each record; held against what was signed.
            report: Progress, in bytes.
            cancel: Polled between records.

        Raises:
            MpkError: A record is not the one that was signed, or the file cannot be written.
        """
        meter = Meter(report, "writing", sum(e.size for e in self.entries) or 1)

        def pieces() -> Iterator[bytes]:
            for listed in self.entries:
                if cancel is not None:
                    cancel.check()
                data = records(listed)
                _hold(listed, data)
                yield data
                meter.add(len(data), listed.facts.name)

        container.write(path, self.payload, self.signatures, self.contents, len(self.entries), pieces())


def _hold(listed: Listed, data: bytes) -> None:
    if len(data) != listed.size or sha256(data) != listed.fingerprint:
        raise MalformedError(
            "the fingerprint file changed while the pack was made", where=listed.facts.name,
            hint="Nothing was written; start again",
        )  # fmt: skip


def listed_of(
    catalogue: Catalogue,
    selected: Sequence[Entry],
    *,
    locations: bool = True,
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> list[Listed]:
    """Entries of a library as a pack lists them, every record read and held against its digest and root.

    Args:
        catalogue: The library.
        selected: Which.
        locations: With where their weights lie.
        report: Progress, in bytes.
        cancel: Polled between records.

    Raises:
        MpkError: A file is missing or altered.
    """
    meter = Meter(report, "reading", sum(e.size for e in selected) or 1)
    out = []
    for e in selected:
        if cancel is not None:
            cancel.check()
        data = record_of(catalogue, e.fingerprint)
        root = Fingerprint.from_bytes(data, where=e.name).root
        facts = e.facts if locations else replace(e.facts, location="")
        who = entries.spelled(e.added_by)[: entries.MOST_NAME]
        out.append(Listed(e.fingerprint, len(data), root, facts, who, e.added_at, e.origin))
        meter.add(e.size, e.name)
    return out


def record_of(catalogue: Catalogue, fingerprint: bytes) -> bytes:
    """The bytes of a fingerprint file of a library.

    Raises:
        MpkError: It is missing, cannot be read, or its bytes are others.
    """
    known = catalogue.known(fingerprint)
    if known is None:
        raise UsageError("is not in the library any more", where=fingerprint.hex())
    path = catalogue.path(known)
    data = record_at(path)
    if sha256(data) != fingerprint:
        raise MalformedError(
            "the file's SHA-256 is not its name", where=str(path), hint="mpk-tui library check says what is wrong"
        )
    return data


def record_at(path: Path) -> bytes:
    """The bytes of a fingerprint file, not looked into.

    Raises:
        StorageError, LimitError: It cannot be read, or is too large.
    """
    return read_small(path, MAX_BYTES)


def select(
    catalogue: Catalogue, names: Sequence[str] = (), *, every: bool = False, text: str = ""
) -> list[Entry]:  # fmt: skip
    """The entries that a person means: by name, all, or all that hold a text; revoked ones never.

    Raises:
        UsageError: None or several are called so, or one is revoked.
    """
    if every or text:
        return list(catalogue.entries(text=text))
    out = []
    for name in names:
        found = catalogue.entry(name)
        if found.revoked:
            raise UsageError(
                f"is revoked ({found.revoked})", where=found.name, hint="--revoke tells receivers of an earlier pack"
            )
        out.append(found)
    return list({e.id: e for e in out}.values())


def revocations(
    catalogue: Catalogue | None, wanted: Sequence[tuple[str, str]], earlier: Sequence[Opened], since: int
) -> list[Revoked]:
    """What a pack takes back: what is named, and what earlier packs list and this library has revoked.

    Args:
        catalogue: The library, if there is one.
        wanted: Name, or beginning of a fingerprint in hex, or all 64 digits of one; and the reason.
        earlier: Packs that may list it.
        since: Milliseconds since 1970, UTC.

    Raises:
        UsageError: Nothing or several things are called so.
    """
    before = contents.folded(o.contents for o in earlier).entries
    out: dict[bytes, Revoked] = {}
    if catalogue is not None:
        for listed in before:
            known = catalogue.known(listed.fingerprint)
            if known is not None and known.revoked:
                reason = known.revoked[: entries.MOST_LINE]
                out[listed.fingerprint] = Revoked(listed.fingerprint, listed.facts.name, reason, since)
    for name, reason in wanted:
        if not reason.strip():
            raise UsageError(f"why {name!r} is revoked is missing", hint="Give --reason TEXT after each --revoke")
        if len(reason) > entries.MOST_LINE:
            raise UsageError(f"a reason of {len(reason)} characters (at most {entries.MOST_LINE})")
        found = {e.fingerprint: e.facts.name for e in before if _is_called(e, name)}
        if catalogue is not None:
            found |= {e.fingerprint: e.name for e in catalogue.named(name)}
        digits = name.strip().lower()
        if not found and len(digits) == 64 and not set(digits) - set("0123456789abcdef"):
            found = {bytes.fromhex(digits): ""}
        if len(found) != 1:
            raise UsageError(
                f"{name!r} fits {len(found)} fingerprints of this library and the earlier packs",
                hint="Say which by the 64 hex digits of its fingerprint",
            )
        fingerprint, called = next(iter(found.items()))
        out[fingerprint] = Revoked(fingerprint, called, entries.spelled(reason.strip()), since)
    return [out[k] for k in sorted(out)]


def _is_called(e: Listed, name: str) -> bool:
    digits = name.strip().lower()
    folded = {n.casefold() for n in (e.facts.name, *e.facts.aliases)}
    return name.strip().casefold() in folded or (len(digits) >= 8 and e.fingerprint.hex().startswith(digits))
