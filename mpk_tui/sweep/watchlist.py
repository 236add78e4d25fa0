"""A watch list: models that somebody wants to be told of, with the advisories that say why.

A list is TOML (tables ``[[models]]``) or JSON lines (one model a line).  It is read strictly: what is unknown, missing
or doubled is an error that names the place, because a list that is half understood would be silent where it should not.
What it says of a model is its source's claim; it is repeated as such and never becomes a finding.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui import hashtree
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import LimitError, MalformedError, UsageError
from mpk_tui.fingerprint import record
from mpk_tui.library.catalogue import Catalogue, open_library

SCHEMA = "mpk-tui/watch-list/1"
MOST_BYTES = 32 << 20
MOST_MODELS = 10_000
MOST_ITEMS = 1_000
"""Advisories, or files, of one model."""
MOST_TEXT = 4_000
_HEAD = frozenset({"schema", "name", "issued", "source", "models"})
_TEXTS = ("name", "severity", "source", "note", "entry", "fingerprint", "root")
_LISTS = ("advisories", "files")
_NAMED = ("entry", "fingerprint", "root", "files")
"""Fields of which one at least says which model is meant."""


@dataclass(frozen=True)
class Named:
    """One model as the list names it.

    Attributes:
        name: What the list calls it; untrusted text, as all that follows.
        advisories: Ids.
        severity: As its source puts it.
        source: Who says so.
        note: Anything else.
        entry: Name or digits of an entry of the library.
        fingerprint: Fingerprint file, from the list's folder on.
        root: Tensor root, hex.
        files: SHA-256 of files, hex.
        where: Its place in the list.
    """

    name: str
    advisories: tuple[str, ...]
    severity: str
    source: str
    note: str
    entry: str
    fingerprint: str
    root: str
    files: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class Watched:
    """One model as checkpoints are held against it.

    Attributes:
        named: What the list says.
        root: Tensor root, 32 bytes, or empty where it is not known.
        files: SHA-256 of files.
        path: Its fingerprint file, or None.
        fingerprint: Digest of that, or empty.
    """

    named: Named
    root: bytes
    files: frozenset[bytes]
    path: Path | None
    fingerprint: bytes

    def said(self) -> dict[str, Any]:
        """What the list says of it, as an alert repeats it."""
        n = self.named
        return {
            "name": n.name, "advisories": list(n.advisories), "severity": n.severity, "source": n.source,
            "note": n.note, "root": self.root.hex() or None, "fingerprint": self.fingerprint.hex() or None,
        }  # fmt: skip


@dataclass(frozen=True)
class WatchList:
    """A list as read and resolved.

    Attributes:
        name: As it calls itself, or its file's name.
        digest: SHA-256 of its file.
        models: In order.
        notices: What a person must know of it.
    """

    name: str
    digest: bytes
    models: tuple[Watched, ...]
    notices: tuple[str, ...] = ()


def read(path: Path, library: Path | None = None) -> WatchList:
    """Read a list, and find the fingerprints that it names.

    Args:
        path: The list; ``.jsonl`` and ``.ndjson`` are JSON lines, anything else is TOML.
        library: Where entries are looked up; None: the one in the user's data folder, if an entry is named at all.

    Raises:
        MalformedError: It is no list; the message names the place.
        UsageError: An entry that it names is not in the library.
        StorageError: It, the library or a fingerprint cannot be read.
    """
    data = read_small(path, MOST_BYTES, follow=True)
    name, named = parse(data, path)
    notices: list[str] = []
    if any(n.entry for n in named):
        with open_library(library) as catalogue:
            models = [_resolved(n, path, catalogue, notices) for n in named]
    else:
        models = [_resolved(n, path, None, notices) for n in named]
    bare = sum(m.path is None for m in models)
    if bare:
        notices.append(
            f"{bare} of {len(models)} models are known by digests only: equal files and tensors are told, a copy that "
            "was changed is not"
        )
    return WatchList(name, hashtree.sha256(data), tuple(models), tuple(notices))


def parse(data: bytes, path: Path) -> tuple[str, list[Named]]:
    """Name and models of a list, nothing looked up yet.

    Raises:
        MalformedError: It is no list.
    """
    name, rows = path.name, list[tuple[str, Any]]()
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        for number, line in enumerate(data.split(b"\n"), 1):
            if line.strip():
                rows.append((f"{path}, line {number}", _json(line, f"{path}, line {number}")))
    else:
        head = _toml(data, path)
        for field in head.keys() - _HEAD:
            raise MalformedError(f"field {field!r} is not known", where=str(path), hint=f"Known: {_list(_HEAD)}")
        if head.get("schema", SCHEMA) != SCHEMA:
            raise MalformedError(f"schema {head['schema']!r}; {SCHEMA} was expected", where=str(path))
        listed = head.get("models")
        if not isinstance(listed, list):
            raise MalformedError("has no [[models]]", where=str(path), hint="docs/sweep.md shows a list")
        name = _text(head, "name", str(path)) or name
        rows = [(f"{path}, model {n}", row) for n, row in enumerate(listed, 1)]
    if not rows:
        raise MalformedError("names no model", where=str(path))
    if len(rows) > MOST_MODELS:
        raise LimitError(f"{len(rows)} models (at most {MOST_MODELS})", where=str(path), hint="Split the list")
    named = [_named(row, where) for where, row in rows]
    seen: dict[str, str] = {}
    for n in named:
        if n.name in seen:
            raise MalformedError(f"the name {n.name[:200]!r} stands there twice", where=n.where, hint=seen[n.name])
        seen[n.name] = f"The other one: {n.where}"
    return name, named


def _toml(data: bytes, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise MalformedError("is not UTF-8", where=str(path)) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MalformedError(f"is not TOML ({error})", where=str(path)) from None


def _json(line: bytes, where: str) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) != len(pairs):
            raise MalformedError("a field stands there twice", where=where)
        return out

    try:
        return json.loads(line, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"is not JSON ({error})", where=where) from None


def _named(row: Any, where: str) -> Named:
    if not isinstance(row, Mapping):
        raise MalformedError("is no model", where=where)
    for field in row.keys() - {*_TEXTS, *_LISTS}:
        raise MalformedError(f"field {field!r} is not known", where=where, hint=f"Known: {_list({*_TEXTS, *_LISTS})}")
    t = {field: _text(row, field, where) for field in _TEXTS}
    lists = {field: _texts(row, field, where) for field in _LISTS}
    if not t["name"]:
        raise MalformedError("has no name", where=where)
    if not lists["advisories"]:
        raise MalformedError("has no advisories", where=where, hint='Say why it is on the list: advisories = ["ID"]')
    if not any(t.get(f) or lists.get(f) for f in _NAMED):
        raise MalformedError("says not which model is meant", where=where, hint=f"Give one of {', '.join(_NAMED)}")
    if t["entry"] and t["fingerprint"]:
        raise MalformedError("names an entry and a fingerprint file", where=where, hint="Give one of them")
    root = _digest(t["root"], "root", where) if t["root"] else ""
    return Named(
        t["name"], lists["advisories"], t["severity"], t["source"], t["note"], t["entry"], t["fingerprint"], root,
        tuple(_digest(f, "files", where) for f in lists["files"]), where,
    )  # fmt: skip


def _text(row: Mapping[str, Any], field: str, where: str) -> str:
    value = row.get(field, "")
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise MalformedError(f"field {field!r} is not a text of at most {MOST_TEXT} characters", where=where)
    return value.strip()


def _texts(row: Mapping[str, Any], field: str, where: str) -> tuple[str, ...]:
    value = row.get(field, [])
    fits = isinstance(value, list) and len(value) <= MOST_ITEMS
    if not fits or not all(isinstance(v, str) and 0 < len(v.strip()) <= MOST_TEXT for v in value):
        raise MalformedError(f"field {field!r} is not a list of at most {MOST_ITEMS} texts", where=where)
    return tuple(dict.fromkeys(v.strip() for v in value))


def _digest(text: str, field: str, where: str) -> str:
    digits = text.lower().removeprefix("sha256:")
    if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise MalformedError(f"field {field!r} holds {text[:80]!r}, which is no SHA-256 (64 hex digits)", where=where)
    return digits


def _resolved(named: Named, path: Path, catalogue: Catalogue | None, notices: list[str]) -> Watched:
    files = frozenset(bytes.fromhex(f) for f in named.files)
    root = bytes.fromhex(named.root)
    if named.entry:
        assert catalogue is not None
        try:
            entry = catalogue.entry(named.entry)
        except UsageError as error:
            raise UsageError(error.what, where=named.where, hint=error.hint) from None
        if entry.revoked:
            notices.append(
                f"{named.name}: the library's entry {entry.name} was revoked ({entry.revoked}); still watched"
            )
        found, file = catalogue.fingerprint(entry), catalogue.path(entry).absolute()
    elif named.fingerprint:
        file = Path(path.absolute().parent, named.fingerprint)
        found = record.read(file)
    else:
        return Watched(named, root, files, None, b"")
    if root and root != found.root:
        raise MalformedError(
            f"names the root {named.root[:16]}…, its fingerprint has {found.root.hex()[:16]}…", where=named.where,
            hint="They are of different models",
        )  # fmt: skip
    return Watched(named, found.root if found.tensors else b"", files, file, found.digest)


def _list(names: Any) -> str:
    return ", ".join(sorted(names))
