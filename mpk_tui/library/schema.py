"""Tables of the catalogue, and how one of an older version becomes one of this.

``PRAGMA user_version`` counts the steps of `STEPS` that were taken.  A step is never changed after a release: a new one
is appended.  Every statement is a constant of this module; a database whose tables, indexes, triggers or views are not
exactly those that the steps make is refused before anything in it is read (`mpk_tui.library.opening`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

APPLICATION = 0x4D504B4C
"""``PRAGMA application_id``: the letters MPKL."""

Step = Callable[[sqlite3.Connection], None]

_ENTRIES = """
CREATE TABLE entries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  fingerprint BLOB NOT NULL UNIQUE, root BLOB NOT NULL,
  name TEXT NOT NULL, source TEXT NOT NULL, licence TEXT NOT NULL, location TEXT NOT NULL, note TEXT NOT NULL,
  added_at INTEGER NOT NULL, added_by TEXT NOT NULL,
  pack BLOB NOT NULL, pack_name TEXT NOT NULL, pack_version INTEGER NOT NULL, issuers BLOB NOT NULL,
  format TEXT NOT NULL, family TEXT NOT NULL, scope TEXT NOT NULL,
  parameters TEXT NOT NULL, layers INTEGER, tensors INTEGER NOT NULL, size INTEGER NOT NULL,
  revoked TEXT NOT NULL
)
"""
# Parameters are text: tensors of absurd shapes have more elements than 64 bits count, and are kept all the same.

_FIRST = (
    _ENTRIES,
    "CREATE INDEX entries_root ON entries (root)",
    "CREATE INDEX entries_pack ON entries (pack_name)",
    # Every name and alias, in the form in which names are looked up.
    """CREATE TABLE names (
  folded TEXT NOT NULL, entry INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY (entry, place)
) WITHOUT ROWID""",
    "CREATE INDEX names_folded ON names (folded)",
    """CREATE TABLE parents (
  entry INTEGER NOT NULL, place INTEGER NOT NULL, name TEXT NOT NULL, fingerprint BLOB NOT NULL, root BLOB NOT NULL,
  mechanism TEXT NOT NULL, kind TEXT NOT NULL, evidence TEXT NOT NULL, source TEXT NOT NULL,
  PRIMARY KEY (entry, place)
) WITHOUT ROWID""",
    "CREATE TABLE files (sha256 BLOB NOT NULL, entry INTEGER NOT NULL, path BLOB NOT NULL, "
    "PRIMARY KEY (sha256, entry, path)) WITHOUT ROWID",
    "CREATE INDEX files_entry ON files (entry)",
    # The first 16 bytes of a SHA-256: short enough for millions of rows; nobody can make two tensors that share them.
    "CREATE TABLE tensors (digest BLOB NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (digest, entry)) WITHOUT ROWID",
    """CREATE TABLE acts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, who TEXT NOT NULL, act TEXT NOT NULL,
  entry INTEGER NOT NULL, fingerprint BLOB NOT NULL, name TEXT NOT NULL, note TEXT NOT NULL
)""",
    "CREATE INDEX acts_entry ON acts (entry)",
)

_SECOND = (
    """CREATE TABLE screens (
  id INTEGER PRIMARY KEY, entry INTEGER NOT NULL, key TEXT NOT NULL, layers INTEGER NOT NULL, data BLOB NOT NULL
)""",
    "CREATE INDEX screens_entry ON screens (entry)",
    """CREATE TABLE packs (
  id INTEGER PRIMARY KEY, pack BLOB NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, issuers BLOB NOT NULL,
  manifest BLOB NOT NULL, signatures BLOB NOT NULL, at INTEGER NOT NULL, who TEXT NOT NULL
)""",
)


def _first(connection: sqlite3.Connection) -> None:
    """Entries, names, parents, digests, history."""
    for statement in _FIRST:
        connection.execute(statement)


def _second(connection: sqlite3.Connection) -> None:
    """Packs that were taken in, and screens for scanning; ``library check --repair`` makes those from the files."""
    for statement in _SECOND:
        connection.execute(statement)


def _third(connection: sqlite3.Connection) -> None:
    """Entries that were revoked are found without a look at the others: every exact question leaves them out."""
    connection.execute("CREATE INDEX entries_revoked ON entries (revoked) WHERE revoked != ''")


STEPS: Sequence[Step] = (_first, _second, _third)
DERIVED = ("files", "tensors", "screens")
"""Tables whose rows follow from the fingerprint files alone."""


def version_of(connection: sqlite3.Connection) -> int:
    """Steps that a database has taken."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def take(connection: sqlite3.Connection, steps: Sequence[Step] = STEPS) -> None:
    """Take the steps that are missing; the caller holds the transaction."""
    for number, step in enumerate(steps, 1):
        if number > version_of(connection):
            step(connection)
            connection.execute(f"PRAGMA user_version = {number:d}")


def objects(connection: sqlite3.Connection) -> list[tuple[str, str, str, str]]:
    """Tables, indexes, triggers and views as the database states them: type, name, table, statement."""
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 200").fetchall()
    return sorted((str(a), str(b), str(c), str(d or "")) for a, b, c, d in rows)


def expected(version: int, steps: Sequence[Step] = STEPS) -> list[tuple[str, str, str, str]]:
    """What `objects` gives for a database of that version."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        take(connection, steps[:version])
        return objects(connection)
    finally:
        connection.close()
