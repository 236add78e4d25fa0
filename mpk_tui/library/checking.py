"""A library held against itself: every fingerprint file read and hashed, every row made again and compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mpk_tui.errors import ExitCode, LimitError, MalformedError, MpkError, StorageError
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library import rows, stored
from mpk_tui.library.catalogue import Catalogue
from mpk_tui.library.entry import Entry
from mpk_tui.library.reading import Derived, Reader
from mpk_tui.progress import CancelToken, Meter, Report, silent

SCHEMA = "mpk-tui/library-check/1"
MOST_FAULTS = 10_000
DATABASE, MISSING, ALTERED, ROWS, ORPHAN, STRAY, LEFT = (
    "database", "missing", "altered", "rows", "orphan", "stray", "left-over",
)  # fmt: skip
_AGAIN = "mpk-tui library check --repair makes them again"
_ONCE_MORE = (
    "mpk-tui library add with the same model or fingerprint file, or library import with the pack that it came with, "
    "writes it again"
)
_FEW = 50
"""Entries whose rows are made again one by one; for more, all rows are."""
_HARMLESS = frozenset({ORPHAN, STRAY, LEFT})


@dataclass(frozen=True)
class Fault:
    """Something that is not as it should be.

    Attributes:
        kind: ``database`` (SQLite finds its file damaged), ``missing`` or ``altered`` (a fingerprint file), ``rows``
            (they do not follow from the file), ``orphan`` (a fingerprint file that no row names), ``stray`` (something
            else among them), ``left-over`` (of a change that was broken off; nothing that was confirmed).
        name: Of the entry, or the path below the library.
        sentence: What was found, and what to do.
        repaired: Whether it was put right.
        entry: Number of the entry whose rows are wrong, or 0.
    """

    kind: str
    name: str
    sentence: str
    repaired: bool = False
    entry: int = 0

    def as_record(self) -> dict[str, Any]:
        """Plain form."""
        return {"kind": self.kind, "name": self.name, "sentence": self.sentence, "repaired": self.repaired}


@dataclass(frozen=True)
class Check:
    """What a check found.

    Attributes:
        folder: The library.
        entries: Entries that were checked.
        faults: What is not as it should be.
    """

    folder: Path
    entries: int
    faults: tuple[Fault, ...]

    @property
    def code(self) -> ExitCode:
        """MALFORMED for a damaged database, ALTERED for a lost or altered file, INCONSISTENT for rows, else OK."""
        kinds = {f.kind for f in self.faults if not f.repaired}
        if DATABASE in kinds:
            return ExitCode.MALFORMED
        if kinds & {MISSING, ALTERED}:
            return ExitCode.ALTERED
        return ExitCode.INCONSISTENT if ROWS in kinds else ExitCode.OK

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        open_ = [f for f in self.faults if not f.repaired]
        bad = sum(f.kind not in _HARMLESS for f in open_)
        counted = f"{self.entries} {'entry was' if self.entries == 1 else 'entries were'} checked"
        if bad:
            return f"{counted}; {bad} {'fault' if bad == 1 else 'faults'}"
        odd = f"; {_things(len(open_))} about that no entry needs" if open_ else ""
        return f"{counted}; every fingerprint file and every row is as it was written{odd}"

    def as_record(self) -> dict[str, Any]:
        """The object of ``mpk-tui library check --json``."""
        return {
            "schema": SCHEMA, "folder": str(self.folder), "entries": self.entries, "code": int(self.code),
            "sentence": self.sentence, "faults": [f.as_record() for f in self.faults],
        }  # fmt: skip


def check(
    library: Catalogue, *, repair: bool = False, report: Report = silent, cancel: CancelToken | None = None
) -> Check:
    """Check a library.

    Args:
        library: Open; for writing if it is to be repaired.
        repair: Make rows again that do not follow from a fingerprint file which is whole, and clear away what a broken
            off change left.  Nothing else is touched: a lost file is lost, and a file without a row stays.
        report: Progress in entries.
        cancel: Polled between entries.

    Raises:
        MpkError: The catalogue cannot be read at all, or the repair cannot be written.
    """
    cancel = cancel or CancelToken()
    faults: list[Fault] = []
    with library.moment():
        for line in library.integrity(cancel):
            faults.append(Fault(DATABASE, "catalogue", f"{line}; its fingerprint files can be added to a new library"))
        try:
            every = list(library.entries(revoked=True))
            faults += _about_entries(library, every, report, cancel)
        except MalformedError as error:
            if not faults:
                raise
            return Check(library.folder, 0, (*faults, Fault(DATABASE, "catalogue", error.diagnosis())))
        faults += _about_files(library.folder, {e.fingerprint for e in every})
    if repair:
        faults = _repaired(library, faults, every)
    return Check(library.folder, len(every), tuple(faults))


def _about_entries(library: Reader, every: list[Entry], report: Report, cancel: CancelToken) -> list[Fault]:
    out: list[Fault] = []
    meter = Meter(report, "checking", len(every) or 1, unit="entries")
    tensors, sound = 0, True
    for e in every:
        cancel.check()
        made, fault = _file(library, e)
        if made is not None:
            keys = rows.tensor_rows(made)
            found = library.derived(e, keys)
            tensors += found.tensors
            said = _differences(e, made, found, library.path(e).stat().st_size, len(keys))
            fault = Fault(ROWS, e.name, f"{'; '.join(said)}; {_AGAIN}", entry=e.id) if said else None
        if fault is not None:
            sound = sound and fault.kind == ROWS
            out.append(fault)
            if len(out) > MOST_FAULTS:
                raise LimitError(f"more than {MOST_FAULTS} faults", where=str(library.folder))
        meter.add(1, e.name)
    for table, count in library.strays().items():
        out.append(Fault(ROWS, "catalogue", f"{count} rows of {table} belong to no entry; {_AGAIN}"))
    total = library.row_counts()["tensors"]
    if sound and not out and total != tensors:
        out.append(Fault(ROWS, "catalogue", f"{total - tensors} rows of tensors follow from no file; {_AGAIN}"))
    return out


def _file(library: Reader, e: Entry) -> tuple[Fingerprint | None, Fault | None]:
    path = library.path(e)
    try:
        return library.fingerprint(e), None
    except MpkError as error:
        if not path.exists():
            return None, Fault(MISSING, e.name, f"its fingerprint file {path.name} is missing; {_ONCE_MORE}")
        if isinstance(error, StorageError):
            return None, Fault(ALTERED, e.name, f"its fingerprint file {path.name} cannot be read: {error.what}")
        said = f"its fingerprint file {path.name} is not what was added: {error.what}"
        return None, Fault(ALTERED, e.name, f"{said}; {_ONCE_MORE}")


def _differences(e: Entry, made: Fingerprint, found: Derived, size: int, tensors: int) -> list[str]:
    """In what the rows of an entry do not follow from its fingerprint."""
    row = {
        "fingerprint": e.fingerprint, "root": e.root, "format": e.format, "family": e.family, "scope": e.scope,
        "parameters": str(e.parameters), "layers": e.layers, "tensors": e.tensors, "size": e.size,
    }  # fmt: skip
    out = [f"{field} is {row[field]!r}" for field, value in rows.measured(made, size).items() if row[field] != value]
    if found.files != rows.file_rows(made):
        out.append("the rows of files are others")
    if sorted(found.screens) != sorted(rows.screen_rows(made)):
        out.append("the screens are others")
    if found.tensors != tensors:
        out.append("rows of tensors are missing")
    if found.names != rows.name_rows(e.facts):
        out.append("the names are filed under others")
    return out


def _about_files(folder: Path, known: set[bytes]) -> list[Fault]:
    """What lies among the fingerprint files and should not."""
    out = []
    note = folder / stored.FOLDER / stored.PENDING
    if note.exists():
        out.append(Fault(LEFT, stored.PENDING, "a change was broken off; nothing that was confirmed is lost"))
    pending = stored.pending(folder)
    begun = {d.hex()[: stored.TEMPORARY] for d in pending}
    for path, digest in stored.files(folder):
        name = str(path.relative_to(folder))
        if digest is None and path.name[1 : stored.TEMPORARY + 1] in begun:
            out.append(
                Fault(LEFT, name, "was being written when the change was broken off; the next change deletes it")
            )
        elif digest is None:
            out.append(Fault(STRAY, name, "is no fingerprint file of this library; it is left alone"))
        elif digest not in known and digest in pending:
            out.append(Fault(LEFT, name, "was being added when the change was broken off; the next change deletes it"))
        elif digest not in known:
            said = "is in no row; mpk-tui library add takes it into the catalogue, or delete it"
            out.append(Fault(ORPHAN, name, said))
    return out


def _repaired(library: Catalogue, faults: list[Fault], every: list[Entry]) -> list[Fault]:
    """Put right what follows from the files, all in one change."""
    wrong = {f.entry for f in faults if f.kind == ROWS}
    with library.changes():  # beginning one clears away what another left
        if 0 in wrong or len(wrong) > _FEW:
            library.derive_all()
        else:
            for e in every:
                if e.id in wrong:
                    library.derive_again(e)
    return [replace(f, repaired=True) if f.kind in (ROWS, LEFT) else f for f in faults]


def _things(count: int) -> str:
    return "one thing lies" if count == 1 else f"{count} things lie"
