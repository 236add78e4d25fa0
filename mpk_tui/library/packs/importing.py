"""Taking a verified pack into a library: what would change (a plan, pure), and the one transaction that does it.

A pack speaks for the entries that came with its line (`mpk_tui.library.packs.ledger`) and for no others.  What was
added here, or came with somebody else's pack, stays as it is; that the pack says otherwise is told.  Nothing is taken
out because a pack does not list it any more: only a revocation marks an entry, and only one that came with this line.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from mpk_tui import canonical
from mpk_tui.bundle import limits
from mpk_tui.bundle.envelope import SIGNATURE_ROWS, Signature, signature_rows
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.schema import Reading
from mpk_tui.bundle.trust import Edition, TrustStore
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import MalformedError, UnstableFileError
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library import opening, stored
from mpk_tui.library.catalogue import Catalogue, open_library
from mpk_tui.library.entry import MOST_ALIASES, Entry, Facts, Origin
from mpk_tui.library.packs import body as bodies
from mpk_tui.library.packs import ledger
from mpk_tui.library.packs.body import FULL, Body
from mpk_tui.library.packs.contents import Contents, Listed, Revoked
from mpk_tui.library.packs.ledger import Imported
from mpk_tui.library.packs.outcome import Found, PackOutcome, as_record
from mpk_tui.library.packs.verify import Opened, fingerprints, verify, weigh
from mpk_tui.library.shelf import default_folder
from mpk_tui.progress import CancelToken, Report, silent
from mpk_tui.records import dataclass, replace

SCHEMA = "mpk-tui/pack-import/1"
_TOLD = 200
"""Sentences of one kind that people are told."""


@dataclass(frozen=True)
class Plan:
    """What taking a pack in would do.

    Attributes:
        add: Fingerprints that are not here.
        change: Entries of this line of which it says something else, or that others of its keys now answer for.
        same: Entries of this line that stay as they are.
        kept: Entries from elsewhere that it lists too; they stay as they are.
        revoke: Entries of this line that it takes back.
        not_revoked: Entries from elsewhere that it takes back; they stay as they are.
        still_revoked: Entries of this line that are revoked here and that it lists; they stay revoked.
        unlisted: Entries of this line that a full pack does not list any more; they stay.
        mend: Entries that it lists and whose fingerprint file is missing or altered here, and which of it; the file is
            written again, whoever the entry came from: its digest says what belongs there.
        again: Of a pack that was taken in before: entries that were taken out here since and come back on request.
        gone: The same, where nobody asked for them; they stay out.
    """

    add: tuple[Listed, ...] = ()
    change: tuple[tuple[Entry, Listed], ...] = ()
    same: tuple[Entry, ...] = ()
    kept: tuple[tuple[Entry, Listed], ...] = ()
    revoke: tuple[tuple[Entry, Revoked], ...] = ()
    not_revoked: tuple[tuple[Entry, Revoked], ...] = ()
    still_revoked: tuple[Entry, ...] = ()
    unlisted: tuple[Entry, ...] = ()
    mend: tuple[tuple[Entry, str], ...] = ()
    again: tuple[Listed, ...] = ()
    gone: tuple[Listed, ...] = ()

    def lost_and_found(self) -> list[str]:
        """What is said of entries that were here before: files written again, entries that come back or not."""
        out = [f"the fingerprint file of {e.name} was {fault} and is written again" for e, fault in self.mend]
        out += [f"{e.facts.name} was taken out here and is taken in again" for e in self.again]
        out += [f"{e.facts.name} was taken out here and stays out; --again takes it in again" for e in self.gone]
        return _cut(out)

    def sentences(self) -> list[str]:
        """What a person should know of it, most important first."""
        out = [
            f"{e.name} is revoked: {r.reason}" for e, r in self.revoke
        ] + [
            f"conflict: the pack revokes {e.name} ({r.reason}), which {_whence(e)}; it stays; "
            "mpk-tui library revoke marks it" for e, r in self.not_revoked
        ] + [
            f"conflict: the pack says something else of {e.name}, which {_whence(e)}; yours stays: "
            f"{difference(e.facts, listed.facts)}"
            for e, listed in self.kept if difference(e.facts, listed.facts)
        ]  # fmt: skip
        out += [
            f"{e.name} changes: {difference(e.facts, merged(e.facts, listed.facts))}"
            for e, listed in self.change if e.facts != merged(e.facts, listed.facts)
        ]  # fmt: skip
        out += [
            f"{e.name} was revoked and stays so; once it is removed here, the next pack that lists it takes it in anew"
            for e in self.still_revoked
        ]
        out += [f"{e.name} is not listed any more; it stays until it is revoked or removed" for e in self.unlisted]
        out += [f"{e.facts.name} is new" for e in self.add]
        return _cut([*self.lost_and_found(), *out])

    def as_record(self) -> dict[str, object]:
        """Plain form, fingerprints as hex."""

        def told(entries: tuple[Entry, ...]) -> list[dict[str, object]]:
            return [{"id": e.id, "name": e.name, "fingerprint": e.fingerprint.hex()} for e in entries]

        return {
            "added": [{"name": e.facts.name, "fingerprint": e.fingerprint.hex()} for e in self.add],
            "changed": told(tuple(e for e, _ in self.change)), "same": told(self.same),
            "kept": told(tuple(e for e, _ in self.kept)), "revoked": told(tuple(e for e, _ in self.revoke)),
            "not_revoked": told(tuple(e for e, _ in self.not_revoked)), "still_revoked": told(self.still_revoked),
            "unlisted": told(self.unlisted), "mended": told(tuple(e for e, _ in self.mend)),
            "again": [{"name": e.facts.name, "fingerprint": e.fingerprint.hex()} for e in self.again],
            "gone": [{"name": e.facts.name, "fingerprint": e.fingerprint.hex()} for e in self.gone],
            "sentences": self.sentences(),
        }  # fmt: skip


def _cut(out: list[str]) -> list[str]:
    return out if len(out) <= _TOLD else [*out[:_TOLD], f"and {len(out) - _TOLD} more"]


def _whence(entry: Entry) -> str:
    if not entry.origin.pack:
        return "was added here"
    return f"came with the pack {entry.origin.pack_name}, version {entry.origin.pack_version}, of other issuers"


def merged(yours: Facts, theirs: Facts) -> Facts:
    """What an entry says after its pack said something new of it.

    All is the pack's, but for what a person here may add to an entry from a pack: aliases are joined, and a location or
    a note of yours stays where the pack gives none.
    """
    aliases = tuple(dict.fromkeys((*theirs.aliases, *yours.aliases)))[:MOST_ALIASES]
    return replace(theirs, aliases=aliases, location=theirs.location or yours.location, note=theirs.note or yours.note)


def difference(yours: Facts, theirs: Facts) -> str:
    """The fields in which the second account of an entry says something else than the first, shortened."""
    a, b = yours.as_record(), theirs.as_record()
    return "; ".join(f"{k}: {_short(a[k])} here, {_short(b[k])} there" for k in a if b[k] and a[k] != b[k])


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:80]}…"


def plan(
    body: Body,
    contents: Contents,
    store: TrustStore,
    known: Callable[[bytes], Entry | None],
    of_line: Callable[[], Iterator[Entry]],
    fault: Callable[[bytes], str] = lambda _: "",
) -> Plan:
    """What taking a pack in would do; reads, never writes.

    Args:
        body: Its manifest.
        contents: Its list.
        store: Says which keys are the same people's.
        known: The entry with a fingerprint, or None.
        of_line: All entries, those included that were revoked; only asked for a full pack.
        fault: What is wrong with the file of a fingerprint that is here; empty if nothing is.
    """
    add: list[Listed] = []
    change: list[tuple[Entry, Listed]] = []
    same: list[Entry] = []
    kept: list[tuple[Entry, Listed]] = []
    still: list[Entry] = []
    mend: list[tuple[Entry, str]] = []
    for listed in contents.entries:
        entry = known(listed.fingerprint)
        if entry is not None and (wrong := fault(listed.fingerprint)):
            mend.append((entry, wrong))
        if entry is None:
            add.append(listed)
        elif not ledger.of_line(entry.origin, body, store):
            kept.append((entry, listed))
        else:
            if entry.revoked:
                still.append(entry)
            if entry.facts != merged(entry.facts, listed.facts) or tuple(sorted(entry.origin.issuers)) != body.keyids:
                change.append((entry, listed))
            else:
                same.append(entry)
    revoke: list[tuple[Entry, Revoked]] = []
    not_ours: list[tuple[Entry, Revoked]] = []
    for revoked in contents.revoked:
        entry = known(revoked.fingerprint)
        if entry is None or entry.revoked:
            continue
        (revoke if ledger.of_line(entry.origin, body, store) else not_ours).append((entry, revoked))
    unlisted: list[Entry] = []
    if body.kind == FULL:
        named = {e.fingerprint for e in contents.entries} | {r.fingerprint for r in contents.revoked}
        unlisted = [
            e for e in of_line() if e.fingerprint not in named and not e.revoked
            and ledger.of_line(e.origin, body, store)
        ]  # fmt: skip
    return Plan(
        tuple(add), tuple(change), tuple(same), tuple(kept), tuple(revoke), tuple(not_ours), tuple(still),
        tuple(unlisted), tuple(mend),
    )  # fmt: skip


def once_more(made: Plan, *, again: bool) -> Plan:
    """What taking a pack in does that was taken in before: only what is missing here is made whole.

    Args:
        made: What it would do if it were new.
        again: Entries that were taken out here come back.
    """
    same = (*made.same, *(e for e, _ in made.change))
    back, gone = (made.add, ()) if again else ((), made.add)
    return replace(made, add=(), change=(), revoke=(), same=same, again=back, gone=gone)


@dataclass(frozen=True)
class Result:
    """What an import found and did.

    Attributes:
        outcome: Of the verification.
        plan: What it changes, where the pack is VALID.
        written: Whether it was done.
    """

    outcome: PackOutcome
    plan: Plan | None = None
    written: bool = False

    def lines(self) -> list[str]:
        """What it did or would do, for people."""
        told: list[str] = []
        if self.plan is not None:
            told = self.plan.lost_and_found() if self.outcome.imported else self.plan.sentences()
        return ["", *told] if told else []

    def sentence(self, *, dry_run: bool) -> str:
        """The whole of it in a few words."""
        if self.plan is None:
            return "nothing was taken in"
        p = self.plan
        files = f"{len(p.mend)} fingerprint {'file' if len(p.mend) == 1 else 'files'} written again"
        if self.outcome.imported and self.outcome.verdict is Word.VALID:
            would = " would be" if dry_run else ""
            done = [f"{len(p.again)} of its entries{would} taken in again"] if p.again else []
            done += [f"{files}" if not would else f"{files.removesuffix(' written again')} would be written again"
                     ] if p.mend else []  # fmt: skip
            gone = f"{len(p.gone)} of its entries were taken out here since, and stay out: --again takes them in again"
            said = [*(done or ["nothing to do"]), *([gone] if p.gone else [])]
            return f"this pack was taken in before; {'; '.join(said)}"
        return (
            f"{'taken in' if self.written else 'would be taken in' if dry_run else 'not taken in'}: {len(p.add)} new, "
            f"{len(p.change)} changed, {len(p.same)} as they were, {len(p.revoke)} revoked; "
            f"{len(p.kept)} came from elsewhere and stay{f'; {files}' if p.mend else ''}"
        )

    def as_record(self, *, dated: int | None = None, edition: Edition | None = None) -> dict[str, object]:
        """The object of ``library import --json`` (schema ``mpk-tui/pack-import/1``)."""
        return {
            "schema": SCHEMA, "pack": as_record(self.outcome, dated=dated, edition=edition),
            "plan": None if self.plan is None else self.plan.as_record(), "written": self.written,
        }  # fmt: skip


def imported(catalogue: Catalogue) -> list[Imported]:
    """Packs that a library took in, oldest first."""
    return [k.pack for k in manifests(catalogue)]


@dataclass(frozen=True)
class Kept:
    """The signed manifest of a pack that was taken in: which pack, its bytes and signatures, and who took it in."""

    pack: Imported
    payload: bytes
    body: Body
    signatures: tuple[Signature, ...]
    who: str


def manifests(catalogue: Catalogue) -> list[Kept]:
    """The signed manifests of packs that a library took in, oldest first.

    Raises:
        MalformedError: One is not what was kept.
    """
    out = []
    for id, payload, kept, at, who in catalogue.manifests():
        where = f"{catalogue.folder}, pack {id.hex()[:16]}…"
        if bodies.pack_id(payload) != id:
            raise MalformedError("the catalogue holds another manifest than it took in", where=where)
        value = canonical.decode(kept, limits.OUTER, where=where)
        SIGNATURE_ROWS(value, where, Reading())
        body = bodies.parse(payload)
        pack = Imported(id, body.name, body.version, body.keyids, at)
        out.append(Kept(pack, payload, body, tuple(Signature(*row) for row in value), who))
    return out


def take_in(
    path: Path,
    folder: Path | None,
    store: TrustStore,
    *,
    who: str,
    now: int,
    dry_run: bool = False,
    again: bool = False,
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> Result:
    """Verify a pack and, if it is VALID, take it into a library: all of it or nothing.

    Of the very pack that was taken in last, only what is missing here is made whole: fingerprint files that are gone
    or altered, and on request the entries that were taken out.

    The file is read twice: once to verify everything before the library is touched, and once while it is written;
    the second reading is held against the same digests, so that what is written is what was verified.

    Args:
        path: The pack file.
        folder: The library, made where there is none; None is the one in the user's data folder.
        store: Whom to believe.
        who: Who takes it in, for the history.
        now: This machine's clock, milliseconds since 1970, UTC.
        dry_run: Say what would be done, and write nothing.
        again: Of a pack that was taken in before, take in again what was taken out here.
        report: Progress, in bytes.
        cancel: Polled between records.

    Raises:
        MpkError: The file or the library cannot be read or written; nothing was taken in.
    """
    with Source(path, follow=True) as source:
        before = _open(folder)
        with before or contextlib.nullcontext():
            packs = imported(before) if before else []
            outcome, opened = verify(source, store, now, packs, report, cancel)
            if outcome.verdict is not Word.VALID or opened is None:
                return Result(outcome)
            if dry_run or outcome.imported:
                made = _plan(before, opened, store, imported=outcome.imported, again=again)
                if dry_run or not (made.mend or made.again):
                    return Result(outcome, made)
        with open_library(folder, write=True, create=True) as catalogue, catalogue.changes():
            # Others may have written since: what hangs on the library is asked once more, inside.
            found = Found(id=outcome.id, body=opened.body, contents=opened.contents)
            weigh(found, opened.body, store, now, imported(catalogue))
            made = _plan(catalogue, opened, store, imported=found.imported, again=again)
            if found.word is not Word.VALID or found.imported != outcome.imported:
                return Result(found.outcome(), made)
            _write(catalogue, source, opened, made, who, now, report, cancel, again=outcome.imported)
        return Result(outcome, made, written=True)


def _open(folder: Path | None) -> Catalogue | None:
    """The library for reading, or None where there is none yet."""
    where = default_folder() if folder is None else folder
    return open_library(where) if os.path.lexists(where / opening.NAME) else None


def _plan(catalogue: Catalogue | None, opened: Opened, store: TrustStore, *, imported: bool, again: bool) -> Plan:
    if catalogue is None:
        return plan(opened.body, opened.contents, store, lambda _: None, lambda: iter(()))
    made = plan(
        opened.body, opened.contents, store, catalogue.known, lambda: catalogue.entries(revoked=True),
        lambda digest: stored.fault(catalogue.folder, digest),
    )  # fmt: skip
    return once_more(made, again=again) if imported else made


def _write(
    catalogue: Catalogue, source: Source, opened: Opened, made: Plan, who: str, now: int, report: Report,
    cancel: CancelToken | None, *, again: bool,
) -> None:  # fmt: skip
    body, head = opened.body, opened.head
    id = bodies.pack_id(head.payload)
    origin = Origin(id, body.name, body.version, body.keyids)
    found = Found()
    here = {e.fingerprint: e for e, _ in made.mend}

    def records() -> Iterator[tuple[Fingerprint, Facts]]:
        wanted = frozenset(e.fingerprint for e in (*made.add, *made.again)) | here.keys()
        for listed, fingerprint in fingerprints(source, opened, found, wanted, report, cancel):
            if listed.fingerprint in here:
                catalogue.mend(here[listed.fingerprint], fingerprint, who=who, at=now)
            else:
                yield fingerprint, listed.facts
        if found.against:
            raise UnstableFileError(
                "changed while it was read", where=source.where, hint="Nothing was taken in; copy it to a quiet place"
            )

    catalogue.add(records(), who=who, at=now, origin=origin)
    for entry, listed in made.change:
        catalogue.change(entry, merged(entry.facts, listed.facts), who=who, at=now, origin=origin)
    for entry, revoked in made.revoke:
        catalogue.revoke(entry, f"{revoked.reason} (pack {body.name}, version {body.version})", who=who, at=now)
    kept = canonical.encode(signature_rows(head.signatures), limits.OUTER)
    files = f", {len(here)} {'file' if len(here) == 1 else 'files'} written again" if here else ""
    catalogue.take_in(
        origin, who=who, at=now, manifest=head.payload, signatures=kept, again=again,
        note=f"{len(made.add) + len(made.again)} added, {len(made.change)} changed, {len(made.revoke)} revoked{files}",
    )  # fmt: skip
