"""Rows of the catalogue as records, every field of a stranger's checked; and the rows that a fingerprint gives."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from mpk_tui.errors import MalformedError
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library import entry as limits
from mpk_tui.library.entry import Act, Entry, Facts, Origin, Parent
from mpk_tui.text import folded_name

TELLING = 4096
"""Bytes: a smaller file is equal by chance or convention too often to say anything."""
MOST_ISSUERS = 16
COLUMNS = (
    "id, fingerprint, root, name, source, licence, location, note, added_at, added_by, pack, pack_name, pack_version, "
    "issuers, format, family, scope, parameters, layers, tensors, size, revoked"
)
_PREFIX = 16
_SHORT = 200
_DIGITS = 4000
_EMPTY = hashlib.sha256(b"").digest()


def lookup(name: str) -> str:
    """A name in the form in which names are looked up: case and Unicode form do not matter."""
    return folded_name(name.strip())


class Reading:
    """Fields of one row, each taken with its type and its greatest length.

    Args:
        row: As SQLite gave it.
        where: For messages.
    """

    def __init__(self, row: Sequence[Any], where: str) -> None:
        self.row, self.where, self.at = row, where, 0

    def _next(self, what: str, kind: type) -> Any:
        value = self.row[self.at]
        self.at += 1
        if type(value) is not kind:
            raise MalformedError(f"a row of the catalogue holds a {what} of the wrong type", where=self.where)
        return value

    def text(self, what: str, most: int) -> str:
        """A text."""
        value: str = self._next(what, str)
        if len(value) > most:
            raise MalformedError(f"a row of the catalogue holds a {what} of {len(value)} characters", where=self.where)
        return value

    def blob(self, what: str, *lengths: int) -> bytes:
        """Bytes of one of these lengths."""
        value: bytes = self._next(what, bytes)
        if len(value) not in lengths:
            raise MalformedError(f"a row of the catalogue holds a {what} of {len(value)} bytes", where=self.where)
        return value

    def any_blob(self, what: str) -> bytes:
        """Bytes of any length."""
        value: bytes = self._next(what, bytes)
        return value

    def count(self, what: str) -> int:
        """A number that is not negative."""
        value: int = self._next(what, int)
        if value < 0:
            raise MalformedError(f"a row of the catalogue holds a negative {what}", where=self.where)
        return value

    def count_or_none(self, what: str) -> int | None:
        """A number that is not negative, or nothing."""
        if self.row[self.at] is None:
            self.at += 1
            return None
        return self.count(what)


def entry_of(row: Sequence[Any], aliases: tuple[str, ...], parents: tuple[Parent, ...], where: str) -> Entry:
    """An entry from the columns `COLUMNS`.

    Raises:
        MalformedError: A field is not what the catalogue writes.
    """
    r = Reading(row, where)
    number, fingerprint, root = r.count("number"), r.blob("digest", 32), r.blob("root", 32)
    name, source = r.text("name", limits.MOST_NAME), r.text("source", limits.MOST_LINE)
    licence, location = r.text("licence", limits.MOST_LINE), r.text("location", limits.MOST_LINE)
    note = r.text("note", limits.MOST_TEXT)
    at, who = r.count("time"), r.text("person", limits.MOST_LINE)
    origin = origin_of(r)
    form, family, scope = r.text("format", _SHORT), r.text("family", _SHORT), r.text("scope", _SHORT)
    digits = r.text("number of parameters", _DIGITS)
    if not (digits.isascii() and digits.isdigit()):
        raise MalformedError("a row of the catalogue holds a number of parameters that is none", where=where)
    return Entry(
        number, fingerprint, root, Facts(name, aliases, source, licence, location, note, parents), at, who, origin,
        form, family, scope, int(digits), r.count_or_none("number of layers"), r.count("number of tensors"),
        r.count("size"), r.text("reason", limits.MOST_TEXT),
    )  # fmt: skip


def origin_of(r: Reading) -> Origin:
    """A pack from its four fields."""
    return Origin(
        r.blob("pack", 0, 32), r.text("pack's name", limits.MOST_LINE), r.count("pack's version"),
        tuple(cut(r.blob("list of issuers", *range(0, 32 * MOST_ISSUERS + 1, 32)))),
    )  # fmt: skip


def parent_of(row: Sequence[Any], where: str) -> Parent:
    """A parent from the columns name, fingerprint, root, mechanism, kind, evidence, source."""
    r = Reading(row, where)
    made = Parent(
        r.text("parent", limits.MOST_NAME), r.blob("digest", 0, 32), r.blob("root", 0, 32), r.text("mechanism", 8),
        r.text("kind", 1), r.text("evidence", limits.MOST_TEXT), r.text("source", limits.MOST_LINE),
    )  # fmt: skip
    if made.kind not in limits.KINDS:
        raise MalformedError(f"a row of the catalogue holds a kind of evidence {made.kind!r}", where=where)
    return made


def act_of(row: Sequence[Any], where: str) -> Act:
    """A line of the history from all columns of its table."""
    r = Reading(row, where)
    return Act(
        r.count("number"), r.count("time"), r.text("person", limits.MOST_LINE), r.text("act", _SHORT),
        r.count("entry"), r.blob("digest", 0, 32), r.text("name", limits.MOST_NAME), r.text("note", limits.MOST_TEXT),
    )  # fmt: skip


def cut(joined: bytes) -> Iterable[bytes]:
    """Digests that were written one after the other."""
    return (joined[i : i + 32] for i in range(0, len(joined), 32))


def measured(fingerprint: Fingerprint, size: int) -> dict[str, Any]:
    """What an entry's row says that follows from the fingerprint."""
    layers = fingerprint.config.get("layers")
    whole = isinstance(layers, int) and not isinstance(layers, bool) and 0 <= layers < 1 << 31
    return {
        "fingerprint": fingerprint.digest, "root": fingerprint.root,
        "format": _short(fingerprint.format), "family": _short(fingerprint.family),
        "scope": _short(fingerprint.scope), "parameters": _digits(fingerprint.parameters),
        "layers": layers if whole else None, "tensors": len(fingerprint.tensors), "size": size,
    }  # fmt: skip


def file_rows(fingerprint: Fingerprint) -> list[tuple[bytes, bytes]]:
    """SHA-256 and path of every file that is large enough to tell something."""
    return sorted(
        {
            (f.sha256, f.path.encode("utf-8", "surrogateescape"))
            for f in fingerprint.files
            if f.sha256 is not None and f.size >= TELLING
        }
    )


def tensor_rows(fingerprint: Fingerprint) -> list[bytes]:
    """The distinct tensor digests, cut short as the catalogue keeps them; tensors without bytes are left out."""
    return sorted({t.sha256[:_PREFIX] for t in fingerprint.tensors if t.nbytes and t.sha256 != _EMPTY})


def tensor_keys(digests: Iterable[bytes]) -> list[bytes]:
    """Digests as they are looked up."""
    return sorted({d[:_PREFIX] for d in digests if len(d) == 32 and d != _EMPTY})


def name_rows(facts: Facts) -> list[tuple[str, str]]:
    """Every name and alias, in the form in which it is looked up and as it is."""
    return [(lookup(name), name) for name in (facts.name, *facts.aliases)]


def screen_rows(fingerprint: Fingerprint) -> list[tuple[str, int, bytes]]:
    """Key, layers and data of the screens by which a library is looked through."""
    from mpk_tui.library.screen import screens_of  # late: NumPy

    return [(s.key, s.layers, s.data) for s in screens_of(fingerprint)]


def insert(connection: sqlite3.Connection, table: str, values: dict[str, Any]) -> int:
    """Insert one row; the names of columns are ours.  Returns its number."""
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    done = connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))
    return int(done.lastrowid or 0)


def _short(text: str) -> str:
    return limits.spelled(text)[:_SHORT]


def _digits(number: int) -> str:
    try:
        return str(max(0, number))[:_DIGITS]
    except ValueError:  # more digits than Python prints; no model has as many elements
        return "0"
