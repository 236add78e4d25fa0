"""The catalogue of a library: reference fingerprints with what is known of them, in SQLite beside their files.

A folder is a library: `opening.NAME` holds the rows, ``fingerprints/`` the files (`mpk_tui.library.stored`).  One
process writes, any number read what was last committed.  Everything that is read back is checked, for the folder may be
a stranger's; texts are untrusted and are shown through `mpk_tui.text.clean` only.

A catalogue belongs to the thread that opened it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from mpk_tui.errors import LimitError, MalformedError, MpkError, StorageError, UsageError
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library import entry as limits
from mpk_tui.library import opening, rows, schema, stored
from mpk_tui.library.entry import HERE, Entry, Facts, Origin, checked, spelled
from mpk_tui.library.reading import Reader
from mpk_tui.library.shelf import default_folder

MOST_DIMENSIONS = 64
"""Of a tensor: the product of more numbers than that would take long to multiply."""


def open_library(
    folder: Path | None = None, *, write: bool = False, create: bool = False, immutable: bool = False
) -> Catalogue:
    """Open a library; use it as a context manager.

    Args:
        folder: The library, or None for the one in the user's data folder.
        write: For changes.
        create: Make an empty one where there is none.
        immutable: Write nothing at all, not even what readers of a database lay beside it for the time of reading; for
            evidence.  Taken by itself where the folder cannot be written.

    Raises:
        MpkError: See `mpk_tui.library.opening.connect`.
    """
    where = default_folder() if folder is None else folder
    connection, read_only = opening.connect(where, write=write, create=create, immutable=immutable)
    return Catalogue(where, connection, read_only=read_only or not write)


class Catalogue(Reader):
    """An open library.

    Args:
        folder: Where it lies.
        connection: From `mpk_tui.library.opening.connect`.
        read_only: Whether changes are refused.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, *, read_only: bool) -> None:
        super().__init__(folder, connection, read_only=read_only)
        self.reached: Callable[[str], None] = lambda _: None
        """Called with the name of each point of a change; for tests that break off there."""

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it; what was not committed is gone."""
        with opening.told(self._file):
            self._connection.close()

    @contextlib.contextmanager
    def changes(self) -> Iterator[None]:
        """Several changes as one: all of them are confirmed when this ends, or none.

        Raises:
            LimitError: Another process writes and did not end in time.
            StorageError: The library is read-only, or the disk refuses.
        """
        if self.read_only:
            raise UsageError("this library was opened for reading only", where=str(self.folder))
        if self._connection.in_transaction:
            with opening.told(self._file):
                self._connection.execute("SAVEPOINT inner_change")
                try:
                    yield
                except BaseException:
                    with contextlib.suppress(sqlite3.Error):
                        self._connection.execute("ROLLBACK TO inner_change")
                    raise
                finally:
                    with contextlib.suppress(sqlite3.Error):
                        self._connection.execute("RELEASE inner_change")
            return
        begun = False
        try:
            with opening.writing(self._connection, self._file):
                begun = True
                self._settle()
                self.reached("begun")
                yield
                self.reached("ready")
            self.reached("committed")
        finally:
            # What a failure left, or what was removed; whoever writes next does it where this cannot.
            if begun:
                with contextlib.suppress(MpkError), opening.writing(self._connection, self._file):
                    self._settle()
        self.reached("confirmed")

    def add(
        self, fingerprints: Iterable[tuple[Fingerprint, Facts]], *, who: str, at: int, origin: Origin = HERE
    ) -> list[Entry]:
        """Add entries, all or none.

        Args:
            fingerprints: Fingerprints with what is said of them; drawn one by one while the library is held, so they
                should be at hand.
            who: Who adds them.
            at: Milliseconds since 1970, UTC.
            origin: The pack that they come with, if one.

        Raises:
            UsageError: One is there already, or a field cannot be kept.
            StorageError: The disk refuses; nothing was added.
        """
        made = []
        with self.changes():
            for fingerprint, facts in fingerprints:
                made.append(self._add(fingerprint, checked(facts, where=facts.name), _person(who), at, origin))
        return self._by_ids(made)

    def _add(self, fingerprint: Fingerprint, facts: Facts, who: str, at: int, origin: Origin) -> int:
        there = self.known(fingerprint.digest)
        if there is not None:
            raise UsageError(
                f"is in the library already, as {there.name}", where=facts.name,
                hint="mpk-tui library change alters what is said of it",
            )  # fmt: skip
        if any(len(t.shape) > MOST_DIMENSIONS for t in fingerprint.tensors):
            raise LimitError(f"holds a tensor of more than {MOST_DIMENSIONS} dimensions", where=facts.name)
        size = stored.write(self.folder, fingerprint)
        self.reached("file")
        number = rows.insert(
            self._connection, "entries",
            rows.measured(fingerprint, size) | _said(facts) | _came(origin)
            | {"added_at": at, "added_by": who, "revoked": ""},
        )  # fmt: skip
        self._name(number, facts)
        self._derive(number, fingerprint)
        self._act(at, who, "added", number, fingerprint.digest, facts.name, origin.pack_name)
        self.reached("rows")
        return number

    def change(self, entry: Entry, facts: Facts, *, who: str, at: int, origin: Origin | None = None) -> Entry:
        """Say something else of an entry; the history keeps what was said before.

        Args:
            entry: Which.
            facts: All that is now said of it.
            who: Who says so.
            at: Milliseconds since 1970, UTC.
            origin: Another pack that it now comes with.
        """
        facts, who = checked(facts, where=entry.name), _person(who)
        with self.changes():
            was = self.by_id(entry.id)
            values = _said(facts) | (_came(origin) if origin is not None else {})
            self._connection.execute(
                f"UPDATE entries SET {', '.join(f'{k} = ?' for k in values)} WHERE id = ?", (*values.values(), was.id)
            )
            self._unname(was.id)
            self._name(was.id, facts)
            self._act(at, who, "changed", was.id, was.fingerprint, was.name, _difference(was.facts, facts))
            return self.by_id(was.id)

    def remove(self, entry: Entry, *, who: str, at: int, reason: str) -> None:
        """Take an entry out, and delete its fingerprint file; the history keeps that, by whom and why."""
        reason = _needed(reason, "a reason")
        with self.changes():
            was = self.by_id(entry.id)
            stored.forget(self.folder, [was.fingerprint])
            self._underive(was)
            self._unname(was.id)
            self._connection.execute("DELETE FROM entries WHERE id = ?", (was.id,))
            self._act(at, _person(who), "removed", was.id, was.fingerprint, was.name, reason)
            self.reached("rows")

    def revoke(self, entry: Entry, reason: str, *, who: str, at: int) -> Entry:
        """Mark an entry as one that must not be relied on; it stays, and nothing is compared with it any more."""
        reason = _needed(reason, "a reason")
        with self.changes():
            was = self.by_id(entry.id)
            self._connection.execute("UPDATE entries SET revoked = ? WHERE id = ?", (reason, was.id))
            self._act(at, _person(who), "revoked", was.id, was.fingerprint, was.name, reason)
            return self.by_id(was.id)

    def take_in(
        self,
        pack: Origin,
        *,
        who: str,
        at: int,
        note: str = "",
        manifest: bytes = b"",
        signatures: bytes = b"",
        again: bool = False,
    ) -> None:
        """Remember a pack that was taken in, with its signed manifest: who signed it can be asked at any time.

        With ``again`` the manifest is here already, and only the history is told.
        """
        with self.changes():
            came = _came(pack)
            if not again:
                rows.insert(
                    self._connection, "packs",
                    {"pack": came["pack"], "name": came["pack_name"], "version": came["pack_version"],
                     "issuers": came["issuers"], "manifest": manifest, "signatures": signatures, "at": at,
                     "who": _person(who)},
                )  # fmt: skip
            name = f"{came['pack_name']} {pack.pack_version}"[: limits.MOST_NAME]
            self._act(at, _person(who), "took in again" if again else "took in", 0, pack.pack, name, note)

    def mend(self, entry: Entry, fingerprint: Fingerprint, *, who: str, at: int) -> str:
        """Write the file of an entry again where it is missing or altered, and the rows that follow from it.

        Args:
            entry: Which.
            fingerprint: Its very fingerprint, from elsewhere; the digest says that it is.
            who: Who does this.
            at: Milliseconds since 1970, UTC.

        Returns:
            ``missing`` or ``altered``, what the file was; empty where it is whole, and nothing was done.
        """
        if fingerprint.digest != entry.fingerprint:
            raise UsageError("is another fingerprint than the entry's", where=entry.name)
        with self.changes():
            was = self.by_id(entry.id)
            wrong = stored.fault(self.folder, was.fingerprint)
            if wrong:
                stored.replace(self.folder, fingerprint)
                self._underive(was)
                self._measure(was, fingerprint)
                self._act(at, _person(who), "mended", was.id, was.fingerprint, was.name,
                          f"its file was {wrong} and is written again")  # fmt: skip
            return wrong

    def derive_again(self, entry: Entry) -> None:
        """Make the rows of an entry that follow from its fingerprint file once more."""
        with self.changes():
            fingerprint = self.fingerprint(entry)
            self._underive(entry, scan=True)
            self._measure(entry, fingerprint)

    def derive_all(self) -> None:
        """Make all such rows once more.  An entry whose file is lost keeps none: nothing says that they were right."""
        with self.changes():
            for table in schema.DERIVED:
                self._connection.execute(f"DELETE FROM {table}")
            for table in ("names", "parents"):
                self._connection.execute(f"DELETE FROM {table} WHERE entry NOT IN (SELECT id FROM entries)")
            for entry in list(self.entries(revoked=True)):
                with contextlib.suppress(MalformedError, StorageError, LimitError):
                    self._measure(entry, self.fingerprint(entry))

    def _measure(self, entry: Entry, fingerprint: Fingerprint) -> None:
        values = rows.measured(fingerprint, self.path(entry).stat().st_size)
        self._connection.execute(
            f"UPDATE entries SET {', '.join(f'{k} = ?' for k in values)} WHERE id = ?", (*values.values(), entry.id)
        )
        self._unname(entry.id)
        self._name(entry.id, entry.facts)
        self._derive(entry.id, fingerprint)

    def _settle(self) -> None:
        stored.settle(self.folder, lambda digest: self.known(digest) is not None)

    def _name(self, number: int, facts: Facts) -> None:
        for place, (folded, name) in enumerate(rows.name_rows(facts)):
            rows.insert(
                self._connection, "names", {"folded": folded, "entry": number, "place": place, "name": name}
            )  # fmt: skip
        for place, p in enumerate(facts.parents):
            rows.insert(
                self._connection, "parents",
                {"entry": number, "place": place, "name": p.name, "fingerprint": p.fingerprint, "root": p.root,
                 "mechanism": p.mechanism, "kind": p.kind, "evidence": p.evidence, "source": p.source},
            )  # fmt: skip

    def _unname(self, number: int) -> None:
        for table in ("names", "parents"):
            self._connection.execute(f"DELETE FROM {table} WHERE entry = ?", (number,))

    def _derive(self, number: int, fingerprint: Fingerprint) -> None:
        many = self._connection.executemany
        many("INSERT INTO files VALUES (?, ?, ?)", [(s, number, p) for s, p in rows.file_rows(fingerprint)])
        many("INSERT INTO tensors VALUES (?, ?)", [(d, number) for d in rows.tensor_rows(fingerprint)])
        many(
            "INSERT INTO screens (entry, key, layers, data) VALUES (?, ?, ?, ?)",
            [(number, *s) for s in rows.screen_rows(fingerprint)],
        )

    def _underive(self, was: Entry, *, scan: bool = False) -> None:
        """Take derived rows out; tensors by their digests where the file tells them, for they have no other index."""
        self._connection.execute("DELETE FROM files WHERE entry = ?", (was.id,))
        self._connection.execute("DELETE FROM screens WHERE entry = ?", (was.id,))
        try:
            digests = [] if scan else rows.tensor_rows(self.fingerprint(was))
        except MpkError:
            scan = True
        if scan:
            self._connection.execute("DELETE FROM tensors WHERE entry = ?", (was.id,))
        else:
            self._connection.executemany(
                "DELETE FROM tensors WHERE digest = ? AND entry = ?", [(d, was.id) for d in digests]
            )

    def _act(self, at: int, who: str, act: str, number: int, fingerprint: bytes, name: str, note: str) -> None:
        rows.insert(
            self._connection, "acts",
            {"at": at, "who": who, "act": act, "entry": number, "fingerprint": fingerprint, "name": name,
             "note": note[: limits.MOST_TEXT]},
        )  # fmt: skip


def _said(facts: Facts) -> dict[str, Any]:
    return {
        "name": facts.name, "source": facts.source, "licence": facts.licence, "location": facts.location,
        "note": facts.note,
    }  # fmt: skip


def _came(origin: Origin) -> dict[str, Any]:
    if len(origin.issuers) > rows.MOST_ISSUERS or any(len(i) != 32 for i in origin.issuers):
        raise UsageError(f"more than {rows.MOST_ISSUERS} issuers, or one whose key id is not 32 bytes")
    return {
        "pack": origin.pack, "pack_name": spelled(origin.pack_name)[: limits.MOST_LINE],
        "pack_version": origin.pack_version, "issuers": b"".join(origin.issuers),
    }  # fmt: skip


def _person(who: str) -> str:
    return _needed(who, "who does this")[: limits.MOST_LINE]


def _needed(text: str, what: str) -> str:
    text = spelled(text.strip())
    if not text:
        raise UsageError(f"{what} is missing; the history keeps it")
    if len(text) > limits.MOST_TEXT:
        raise UsageError(f"{what} has {len(text)} characters (at most {limits.MOST_TEXT})", hint="Shorten it")
    return text


def _difference(was: Facts, now: Facts) -> str:
    old, new = was.as_record(), now.as_record()
    return "; ".join(f"{k}: {old[k]!r} became {new[k]!r}" for k in old if old[k] != new[k]) or "nothing changed"
