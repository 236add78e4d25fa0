"""What can be asked of an open catalogue.  Every row is checked as it is read: the database may be a stranger's."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui import hashtree
from mpk_tui.errors import LimitError, MalformedError, UsageError
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library import entry as limits
from mpk_tui.library import opening, rows, schema, stored
from mpk_tui.library.entry import Act, Entry, Origin, Parent
from mpk_tui.progress import CancelToken

MOST_ENTRIES = 1_000_000
"""Rows of a library that are looked through; the ADR says what to do past one machine."""
MOST_PACKS = 100_000
_CHUNK = 500
_SCREENS = 256
_MOST_KEY = 4096
_MOST_CANDIDATES = 8
_LEAST_HEX = 4


@dataclass(frozen=True)
class Derived:
    """The rows of one entry that follow from its fingerprint.

    Attributes:
        files: SHA-256 and path.
        tensors: How many of the tensors that were asked for have a row.
        screens: Key, layers, data.
        names: Folded name and name.
    """

    files: list[tuple[bytes, bytes]]
    tensors: int
    screens: list[tuple[str, int, bytes]]
    names: list[tuple[str, str]]


class Reader:
    """An open catalogue as far as it is read.

    Args:
        folder: Where it lies.
        connection: From `mpk_tui.library.opening.connect`.
        read_only: Whether changes are refused.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, *, read_only: bool) -> None:
        self.folder, self.read_only = folder, read_only
        self._connection = connection
        self._file = folder / opening.NAME

    def count(self) -> int:
        """Number of entries, those included that were revoked."""
        return int(self._rows("SELECT sum(1) FROM entries")[0][0] or 0)

    @contextlib.contextmanager
    def moment(self) -> Iterator[None]:
        """Everything that is read inside is of one moment, whatever others commit meanwhile."""
        with opening.reading(self._connection, self._file):
            yield

    def entries(self, *, text: str = "", revoked: bool = False) -> Iterator[Entry]:
        """Entries in the order in which they were added.

        Args:
            text: Only those whose name, aliases, source, licence, family, pack or digests hold it.
            revoked: With those that were revoked.
        """
        last, count, wanted = 0, 0, rows.lookup(text)
        while True:
            found = self._rows(f"SELECT {rows.COLUMNS} FROM entries WHERE id > ? ORDER BY id LIMIT {_CHUNK}", last)
            if not found:
                return
            count += len(found)
            if count > MOST_ENTRIES:
                raise LimitError(f"more than {MOST_ENTRIES} entries", where=str(self._file))
            made = self._made(found)
            last = made[-1].id
            yield from (e for e in made if (revoked or not e.revoked) and (not wanted or holds(e, wanted)))

    def entry(self, name: str) -> Entry:
        """The entry of that name or alias, or whose fingerprint or root begins with these hex digits.

        Raises:
            UsageError: There is none, or there are several; the message lists which.
        """
        found = self.named(name)
        if len(found) == 1:
            return found[0]
        if found:
            shown = "; ".join(f"{e.name} ({e.fingerprint.hex()[:16]})" for e in found[:_MOST_CANDIDATES])
            more = f" and {len(found) - _MOST_CANDIDATES} more" if len(found) > _MOST_CANDIDATES else ""
            raise UsageError(
                f"{name!r} is {len(found)} entries: {shown}{more}", where=str(self.folder),
                hint="Say which by its fingerprint",
            )  # fmt: skip
        import difflib

        written = {str(r[0]): str(r[1]) for r in self._rows("SELECT folded, name FROM names LIMIT 5000")}
        near = [written[n] for n in difflib.get_close_matches(rows.lookup(name)[: limits.MOST_NAME], written, 5, 0.5)]
        raise UsageError(
            f"no entry is called {name!r}, nor does a fingerprint or root begin so", where=str(self.folder),
            hint=f"Near it: {', '.join(near)}" if near else "mpk-tui library list shows what is there",
        )  # fmt: skip

    def named(self, name: str) -> list[Entry]:
        """All entries that `entry` could mean.

        A whole digest means what has it, and a part of one what begins so as well as what is called so: nobody who
        names an entry like another's fingerprint stands in its place.
        """
        ids = [r[0] for r in self._rows("SELECT DISTINCT entry FROM names WHERE folded = ?", rows.lookup(name))]
        digits = name.strip().lower()
        if _LEAST_HEX <= len(digits) <= 64 and not set(digits) - set("0123456789abcdef"):
            low = bytes.fromhex(digits.ljust(64, "0"))
            high = bytes.fromhex(digits.ljust(64, "f"))
            found = []
            for column in ("fingerprint", "root"):
                found += [r[0] for r in self._rows(f"SELECT id FROM entries WHERE {column} BETWEEN ? AND ?", low, high)]
            ids = found if found and len(digits) == 64 else [*ids, *found]
        return self._by_ids(ids)

    def by_id(self, id: int) -> Entry:
        """The entry of that number.

        Raises:
            UsageError: There is none.
        """
        found = self._by_ids([id])
        if not found:
            raise UsageError(f"no entry has the number {id}", where=str(self.folder))
        return found[0]

    def known(self, fingerprint: bytes) -> Entry | None:
        """The entry with that fingerprint, if it is there; revoked ones too."""
        found = self._rows(f"SELECT {rows.COLUMNS} FROM entries WHERE fingerprint = ?", fingerprint)
        return self._made(found)[0] if found else None

    def revoked(self, number: int) -> list[Entry]:
        """The entry of that number if it was revoked, else none."""
        return [e for e in self._by_ids([number]) if e.revoked]

    def by_root(self, root: bytes, *, revoked: bool = False) -> list[Entry]:
        """Entries with the same tensors under the same names."""
        made = self._made(self._rows(f"SELECT {rows.COLUMNS} FROM entries WHERE root = ? ORDER BY id", root))
        return [e for e in made if revoked or not e.revoked]

    def by_files(self, digests: Iterable[bytes], *, revoked: bool = False) -> dict[int, list[tuple[str, bytes]]]:
        """Entries that have files of these SHA-256: number of the entry → path and SHA-256 of each.

        Files below `rows.TELLING` bytes are not looked up.
        """
        hidden, out = self._hidden(revoked), dict[int, list[tuple[str, bytes]]]()
        for chunk in _chunks(sorted({d for d in digests if len(d) == 32})):
            marks = ", ".join("?" * len(chunk))
            for row in self._rows(f"SELECT entry, path, sha256 FROM files WHERE sha256 IN ({marks})", *chunk):
                r = rows.Reading(row, str(self._file))
                number, path = r.count("entry"), r.any_blob("path")
                if number not in hidden:
                    out.setdefault(number, []).append((path.decode("utf-8", "surrogateescape"), r.blob("digest", 32)))
        return {number: sorted(found) for number, found in sorted(out.items())}

    def by_tensors(self, digests: Iterable[bytes], *, revoked: bool = False) -> dict[int, int]:
        """Entries that have tensors of these SHA-256: number of the entry → how many distinct ones are equal.

        Equal bytes may be equal by convention (zeros, masks, rotary tables); that is for the caller to weigh.
        """
        hidden, out = self._hidden(revoked), Counter[int]()
        for chunk in _chunks(rows.tensor_keys(digests)):
            marks = ", ".join("?" * len(chunk))
            for row in self._rows(
                f"SELECT entry, count(*) FROM tensors WHERE digest IN ({marks}) GROUP BY entry", *chunk
            ):
                r = rows.Reading(row, str(self._file))
                out[r.count("entry")] += r.count("number of tensors")
        return {number: out[number] for number in sorted(out) if number not in hidden}

    def census(self) -> tuple[int, int, bytes]:
        """Entries, those of them that were revoked, and SHA-256 over the sorted fingerprints of the others."""
        found = self._rows("SELECT fingerprint, revoked != '' FROM entries")
        if any(type(r[0]) is not bytes or len(r[0]) != 32 for r in found):
            raise MalformedError("an entry has no fingerprint of 32 bytes", where=str(self._file))
        listed = hashtree.sha256(b"".join(sorted(r[0] for r in found if not r[1])))
        return len(found), sum(1 for r in found if r[1]), listed

    def screens(
        self, keys: Collection[str] | None = None, *, revoked: bool = False
    ) -> Iterator[tuple[int, str, int, bytes]]:
        """Number of the entry, key, layers and data of screens (`mpk_tui.library.screen`).

        Args:
            keys: Only those of these keys, or None for all.
            revoked: With those of entries that were revoked.
        """
        hidden, last, wanted = self._hidden(revoked), 0, sorted(keys or ())[:_CHUNK]
        marks = f" AND key IN ({', '.join('?' * len(wanted))})" if keys is not None else ""
        while True:
            found = self._rows(
                f"SELECT id, entry, key, layers, data FROM screens WHERE id > ?{marks} ORDER BY id LIMIT {_SCREENS}",
                last, *wanted,
            )  # fmt: skip
            for row in found:
                r = rows.Reading(row, str(self._file))
                last, number, key, layers = (
                    r.count("number"),
                    r.count("entry"),
                    r.text("key", _MOST_KEY),
                    r.count("layers"),
                )
                if number not in hidden:
                    yield number, key, layers, r.blob("screen", len(row[4]) if type(row[4]) is bytes else -1)
            if not found:
                return

    def fingerprint(self, entry: Entry) -> Fingerprint:
        """The fingerprint of an entry, its bytes checked against its digest.

        Raises:
            MpkError: The file is missing, cannot be read or was altered.
        """
        return stored.read(self.folder, entry.fingerprint)

    def path(self, entry: Entry) -> Path:
        """Where the fingerprint file of an entry lies."""
        return stored.place(self.folder, entry.fingerprint)

    def acts(self, limit: int = 100, *, entry: Entry | None = None) -> list[Act]:
        """The newest lines of the history, newest first; of one entry where one is given."""
        where, values = ("WHERE entry = ? ", (entry.id,)) if entry is not None else ("", ())
        found = self._rows(
            f"SELECT id, at, who, act, entry, fingerprint, name, note FROM acts {where}ORDER BY id DESC LIMIT ?",
            *values, limit,
        )  # fmt: skip
        return [rows.act_of(row, str(self._file)) for row in found]

    def packs(self) -> list[tuple[Origin, int, str]]:
        """Packs that were taken in, oldest first: which, when (milliseconds since 1970, UTC) and by whom."""
        out = []
        for row in self._rows(
            f"SELECT pack, name, version, issuers, at, who FROM packs ORDER BY id LIMIT {MOST_PACKS}"
        ):
            r = rows.Reading(row, str(self._file))
            origin = rows.origin_of(r)
            out.append((origin, r.count("time"), r.text("person", limits.MOST_LINE)))
        return out

    def manifests(self) -> list[tuple[bytes, bytes, bytes, int, str]]:
        """The same packs in the same order: id, signed manifest, its signatures, when and by whom."""
        out = []
        for row in self._rows(
            f"SELECT pack, manifest, signatures, at, who FROM packs ORDER BY id LIMIT {MOST_PACKS}"
        ):  # fmt: skip
            r = rows.Reading(row, str(self._file))
            pack, manifest, signatures = r.blob("pack", 32), r.any_blob("manifest"), r.any_blob("list of signatures")
            out.append((pack, manifest, signatures, r.count("time"), r.text("person", limits.MOST_LINE)))
        return out

    # For checking

    def integrity(self, cancel: CancelToken) -> list[str]:
        """What SQLite finds wrong with its file; nothing for a sound one."""
        with opening.told(self._file):
            self._connection.set_progress_handler(lambda: int(cancel.cancelled), 1_000_000)
            try:
                found = self._connection.execute("PRAGMA integrity_check(20)").fetchall()
            except sqlite3.OperationalError:
                cancel.check()
                raise
        return [str(r[0]) for r in found if r[0] != "ok"]

    def row_counts(self) -> dict[str, int]:
        """Rows of the tables that follow from the fingerprint files."""
        return {t: int(self._rows(f"SELECT sum(1) FROM {t}")[0][0] or 0) for t in schema.DERIVED}

    def strays(self) -> dict[str, int]:
        """Rows of entries that are not there, by table."""
        found = {
            table: int(self._rows(f"SELECT sum(1) FROM {table} WHERE entry NOT IN (SELECT id FROM entries)")[0][0] or 0)
            for table in (*schema.DERIVED, "names", "parents")
        }
        return {table: count for table, count in found.items() if count}

    def derived(self, entry: Entry, tensors: Sequence[bytes]) -> Derived:
        """The rows of an entry.

        Args:
            entry: It.
            tensors: Digests as `rows.tensor_rows` gives them, to be looked up.
        """
        count = 0
        for chunk in _chunks(tensors):
            marks = ", ".join("?" * len(chunk))
            count += self._rows(
                f"SELECT count(*) FROM tensors WHERE digest IN ({marks}) AND entry = ?", *chunk, entry.id
            )[0][0]
        return Derived(
            sorted(self._rows("SELECT sha256, path FROM files WHERE entry = ?", entry.id)), count,
            self._rows("SELECT key, layers, data FROM screens WHERE entry = ?", entry.id),
            self._rows("SELECT folded, name FROM names WHERE entry = ? ORDER BY place", entry.id),
        )  # fmt: skip

    # Inside

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a statement, which may not take more steps than a file of this size can need."""
        with opening.told(self._file):
            self._connection.set_progress_handler(opening.budget(self._file.stat().st_size), 1_000_000)
            return self._connection.execute(statement, values).fetchall()

    def _by_ids(self, ids: Iterable[int]) -> list[Entry]:
        out: list[Entry] = []
        for chunk in _chunks(sorted(set(ids))):
            marks = ", ".join("?" * len(chunk))
            out += self._made(
                self._rows(f"SELECT {rows.COLUMNS} FROM entries WHERE id IN ({marks}) ORDER BY id", *chunk)
            )
        return out

    def _made(self, found: list[tuple[Any, ...]]) -> list[Entry]:
        """Rows of entries with their aliases and parents."""
        ids, where = [r[0] for r in found], str(self._file)
        aliases, parents = dict[int, list[str]](), dict[int, list[Parent]]()
        for chunk in _chunks(ids):
            marks = ", ".join("?" * len(chunk))
            for number, name in self._rows(
                f"SELECT entry, name FROM names WHERE place > 0 AND entry IN ({marks}) ORDER BY entry, place", *chunk
            ):
                aliases.setdefault(number, []).append(rows.Reading([name], where).text("alias", limits.MOST_NAME))
            for number, *rest in self._rows(
                "SELECT entry, name, fingerprint, root, mechanism, kind, evidence, source FROM parents "
                f"WHERE entry IN ({marks}) ORDER BY entry, place", *chunk,
            ):  # fmt: skip
                parents.setdefault(number, []).append(rows.parent_of(rest, where))
        return [
            rows.entry_of(r, tuple(aliases.get(r[0], ())), tuple(parents.get(r[0], ())), where) for r in found
        ]  # fmt: skip

    def _hidden(self, revoked: bool) -> frozenset[int]:
        return (
            frozenset()
            if revoked
            else frozenset(r[0] for r in self._rows("SELECT id FROM entries WHERE revoked != ''"))
        )


def holds(entry: Entry, wanted: str) -> bool:
    """Whether an entry holds a text that is folded as names are (`rows.lookup`)."""
    f = entry.facts
    said = (f.name, *f.aliases, f.source, f.licence, entry.family, entry.origin.pack_name)
    digests = (entry.fingerprint.hex(), entry.root.hex())
    return any(wanted in rows.lookup(text) for text in said) or any(d.startswith(wanted) for d in digests)


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[i : i + _CHUNK] for i in range(0, len(values), _CHUNK))
