"""The list of checkpoints from which a pack is built: TOML, every field checked, every fault told with its place.

Paths are taken from the folder of the list.  Nothing is downloaded: a person's own tool fills the paths beforehand.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import MalformedError, UsageError
from mpk_tui.library import entry as entries
from mpk_tui.library.entry import Facts, Parent
from mpk_tui.records import dataclass, field

MOST_BYTES = 4 << 20
MOST_CHECKPOINTS = 10_000
_PACK = {"name": str, "version": int, "statement": str, "issuer": str}
_CHECKPOINT = {
    "path": str, "name": str, "aliases": list, "source": str, "licence": str, "location": str, "note": str,
    "model": str, "base": str, "partial": bool, "sha256": dict, "parent": list,
}  # fmt: skip
_PARENT = {
    "name": str, "fingerprint": str, "root": str, "mechanism": str, "kind": str, "evidence": str, "source": str,
}  # fmt: skip
_KINDS = {str: "a text", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}


@dataclass(frozen=True)
class Wanted:
    """One checkpoint of a list.

    Attributes:
        number: Its place in the list, from 1.
        path: Where it lies.
        facts: What is said of it; parents that the list names elsewhere get their digests later.
        model: Which model is meant where a folder holds several.
        base: The model that an adapter was trained on, or None.
        partial: Examine what is there although something is missing.
        sha256: Digests that files must have, by path below the checkpoint.
    """

    number: int
    path: Path
    facts: Facts
    model: str = ""
    base: Path | None = None
    partial: bool = False
    sha256: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"[[checkpoint]] {self.number} ({self.facts.name})"


@dataclass(frozen=True)
class BuildList:
    """A list as it was read.

    Attributes:
        path: The file.
        name: Of the pack, or empty.
        version: Of the pack, or None.
        statement: What the issuers say of it.
        issuer: What they call themselves, or empty.
        checkpoints: In the order of the list.
    """

    path: Path
    name: str
    version: int | None
    statement: str
    issuer: str
    checkpoints: tuple[Wanted, ...]


def read(path: Path) -> BuildList:
    """Read a list.

    Raises:
        StorageError, LimitError: It cannot be read, or is too large.
        MalformedError: It is no TOML, or a field is unknown, missing, of another kind or cannot be.
    """
    try:
        value = tomllib.loads(read_small(path, MOST_BYTES, follow=True).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedError(f"is not UTF-8 at byte {error.start}", where=str(path)) from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MalformedError(f"is no TOML: {error}", where=str(path)) from None
    _known(value, {"pack": dict, "checkpoint": list}, str(path))
    pack = value.get("pack", {})
    _known(pack, _PACK, f"{path}, [pack]")
    rows = value.get("checkpoint", [])
    if not rows:
        raise MalformedError("names no checkpoint", where=str(path), hint="Write a table [[checkpoint]] for each")
    if len(rows) > MOST_CHECKPOINTS:
        raise MalformedError(f"{len(rows)} checkpoints, at most {MOST_CHECKPOINTS}", where=str(path))
    made = tuple(_checkpoint(row, n, path) for n, row in enumerate(rows, 1))
    seen: dict[str, Wanted] = {}
    for one in made:
        for name in (one.facts.name, *one.facts.aliases):
            other = seen.setdefault(name.casefold(), one)
            if other is not one:
                raise MalformedError(
                    f"is called {name!r}, and so is {other.where}", where=f"{path}, {one.where}",
                    hint="Names and aliases say which one a parent is",
                )  # fmt: skip
    return BuildList(
        path, pack.get("name", ""), pack.get("version"), pack.get("statement", ""), pack.get("issuer", ""), made
    )


def _known(value: Any, fields: Mapping[str, type], where: str) -> None:
    if not isinstance(value, dict):
        raise MalformedError("expected a table", where=where)
    for name, found in value.items():
        if name not in fields:
            import difflib

            near = difflib.get_close_matches(name, fields, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(fields)}"
            raise MalformedError(f"unknown field {name!r}", where=where, hint=hint)
        if type(found) is not fields[name]:
            raise MalformedError(
                f"field {name!r} is not {_KINDS[fields[name]]}; found {_found(found)}", where=where
            )  # fmt: skip


def _found(value: Any) -> str:
    return _KINDS.get(type(value), f"a value of another kind ({type(value).__name__})")


def _checkpoint(value: Any, number: int, path: Path) -> Wanted:
    where = f"{path}, [[checkpoint]] {number}"
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        where += f" ({value['name'][:80]})"
    _known(value, _CHECKPOINT, where)
    for needed in ("path", "name"):
        if not value.get(needed, "").strip():
            raise MalformedError(f"field {needed!r} is missing or empty", where=where)
    aliases = value.get("aliases", [])
    for alias in aliases:
        if not isinstance(alias, str):
            raise MalformedError(f"field 'aliases' holds {_found(alias)}, not a text", where=where)
    parents = tuple(_parent(p, n, where) for n, p in enumerate(value.get("parent", []), 1))
    try:
        facts = entries.checked(
            Facts(value["name"], tuple(aliases), value.get("source", ""), value.get("licence", ""),
                  value.get("location", ""), value.get("note", ""), parents),
            where=where,
        )  # fmt: skip
    except UsageError as error:
        raise MalformedError(error.what, where=where, hint=error.hint) from None
    own = {facts.name.casefold(), *(a.casefold() for a in facts.aliases)}
    for n, p in enumerate(parents, 1):
        if p.name.casefold() in own:
            raise MalformedError("is named as its own parent", where=f"{where}, parent {n}")
    digests = {name: _digest(d, f"sha256.{name}", where) for name, d in value.get("sha256", {}).items()}
    base = value.get("base")
    return Wanted(
        number, _below(path, value["path"]), facts, value.get("model", ""), _below(path, base) if base else None,
        value.get("partial", False), digests,
    )  # fmt: skip


def _below(path: Path, named: str) -> Path:
    return path.parent / Path(named).expanduser()


def _parent(value: Any, number: int, where: str) -> Parent:
    where = f"{where}, parent {number}"
    _known(value, _PARENT, where)
    kind, evidence = value.get("kind", ""), value.get("evidence", "")
    if kind not in entries.KINDS:
        raise MalformedError(
            f"field 'kind' is {kind!r}; a, b or c are kinds of evidence", where=where, hint="Leave it out for a claim"
        )
    if kind and not (evidence.strip() and value.get("source", "").strip()):
        raise MalformedError(
            f"evidence of kind {kind} needs 'evidence' (the words, or a digest) and 'source' (where they stand)",
            where=where, hint="Leave 'kind' out if nobody documents it: it is then a claim",
        )  # fmt: skip
    return Parent(
        value.get("name", ""), _digest(value["fingerprint"], "fingerprint", where) if "fingerprint" in value else b"",
        _digest(value["root"], "root", where) if "root" in value else b"", value.get("mechanism", ""), kind, evidence,
        value.get("source", ""),
    )  # fmt: skip


def _digest(text: Any, name: str, where: str) -> bytes:
    if isinstance(text, str) and len(text) == 64 and not set(text.lower()) - set("0123456789abcdef"):
        return bytes.fromhex(text)
    raise MalformedError(f"field {name!r} is not a SHA-256 of 64 hex digits", where=where)
