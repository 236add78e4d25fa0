"""What the catalogue keeps of a reference model: what people say of it, where it came from, what was measured.

Names, sources, licences and parents are statements of people, untrusted text and never evidence by themselves; digests
and numbers come from the fingerprint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mpk_tui.errors import MalformedError, UsageError

KINDS = ("", "a", "b", "c")
"""Kinds of evidence that count (constitution 1.0.0): (a) documentation of the releasing organisation, (b) checkpoint
verification, (c) peer-reviewed analysis.  Empty: nobody gave any, so the parent is a claim."""
MOST_NAME = 200
"""Characters of a name or an alias."""
MOST_LINE = 2_000
"""Characters of a source, a licence, a location."""
MOST_TEXT = 20_000
"""Characters of a note, a quotation, a reason."""
MOST_ALIASES = 64
MOST_PARENTS = 64
_MECHANISM = re.compile(r"3\.[1-9]\Z")


@dataclass(frozen=True)
class Parent:
    """A model that documents name as the one this was made from.

    Attributes:
        name: As the document calls it.
        fingerprint: SHA-256 of the parent's fingerprint record, or empty.
        root: Tensor root of the parent, or empty.
        mechanism: Number of the mechanism, e.g. ``3.2``, or empty.
        kind: Kind of the evidence, ``a``, ``b`` or ``c``; empty makes it a claim, which draws no arrow.
        evidence: The words of the document, or the digest of what was checked.
        source: Where that stands.
    """

    name: str
    fingerprint: bytes = b""
    root: bytes = b""
    mechanism: str = ""
    kind: str = ""
    evidence: str = ""
    source: str = ""

    @property
    def documented(self) -> bool:
        """Whether there is evidence of a kind that counts: a kind alone, without words and without a place, is none."""
        return bool(self.kind and (self.evidence.strip() or self.source.strip()))

    def as_record(self) -> dict[str, Any]:
        """Plain form, digests as hex."""
        return {
            "name": self.name, "fingerprint": self.fingerprint.hex(), "root": self.root.hex(),
            "mechanism": self.mechanism, "kind": self.kind, "evidence": self.evidence, "source": self.source,
        }  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What people say of an entry.

    Attributes:
        name: What it is called here.
        aliases: What else it is called.
        source: Who released it, or where that is documented.
        licence: As stated.
        location: Where the weights lie or can be had, a path or an address; a hint that nothing opens by itself.
        note: Anything else.
        parents: Documented parents.
    """

    name: str
    aliases: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""
    location: str = ""
    note: str = ""
    parents: tuple[Parent, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Plain form."""
        return {
            "name": self.name, "aliases": list(self.aliases), "source": self.source, "licence": self.licence,
            "location": self.location, "note": self.note, "parents": [p.as_record() for p in self.parents],
        }  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """How an entry came into this library.

    Attributes:
        pack: SHA-256 of the pack, or empty for one that was added here.
        pack_name: As the pack calls itself.
        pack_version: Its number.
        issuers: Ids of the keys that signed it.
    """

    pack: bytes = b""
    pack_name: str = ""
    pack_version: int = 0
    issuers: tuple[bytes, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """Plain form, digests as hex."""
        return {
            "pack": self.pack.hex(), "pack_name": self.pack_name, "pack_version": self.pack_version,
            "issuers": [i.hex() for i in self.issuers],
        }  # fmt: skip


HERE = Origin()
"""Added here, by a person."""


@dataclass(frozen=True)
class Entry:
    """One reference model of a library.

    Attributes:
        id: Number in this library; never used for another entry again.
        fingerprint: SHA-256 of the fingerprint record.
        root: Root of the tensor tree.
        facts: What people say of it.
        added_at: Milliseconds since 1970, UTC.
        added_by: Who added it.
        origin: Added here, or the pack it came with.
        format: Of the checkpoint.
        family: Row of the architecture table.
        scope: ``transformer-lm`` or what it is instead.
        parameters: Elements of its weights.
        layers: As the configuration states, or None.
        tensors: Number of tensors.
        size: Bytes of the fingerprint file.
        revoked: Why it must no longer be relied on, or empty.
    """

    id: int
    fingerprint: bytes
    root: bytes
    facts: Facts
    added_at: int
    added_by: str
    origin: Origin
    format: str
    family: str
    scope: str
    parameters: int
    layers: int | None
    tensors: int
    size: int
    revoked: str = ""

    @property
    def name(self) -> str:
        """What it is called here; untrusted text."""
        return self.facts.name

    def as_record(self) -> dict[str, Any]:
        """Plain form, as ``mpk-tui library list --json`` and ``show --json`` print it."""
        return {
            "id": self.id, "fingerprint": self.fingerprint.hex(), "root": self.root.hex(), **self.facts.as_record(),
            "added_at": self.added_at, "added_by": self.added_by, "origin": self.origin.as_record(),
            "format": self.format, "family": self.family, "scope": self.scope, "parameters": self.parameters,
            "layers": self.layers, "tensors": self.tensors, "size": self.size, "revoked": self.revoked,
        }  # fmt: skip


@dataclass(frozen=True)
class Act:
    """One line of the library's history.

    Attributes:
        id: Number, in the order in which things happened.
        at: Milliseconds since 1970, UTC.
        who: Who did it.
        act: ``added``, ``changed``, ``removed``, ``revoked`` or another word in the past tense.
        entry: Number of the entry, 0 for the library as a whole.
        fingerprint: Of the entry.
        name: Of the entry, as it was called then.
        note: The reason, or what was changed.
    """

    id: int
    at: int
    who: str
    act: str
    entry: int
    fingerprint: bytes
    name: str
    note: str

    def as_record(self) -> dict[str, Any]:
        """Plain form."""
        return {
            "id": self.id, "at": self.at, "who": self.who, "act": self.act, "entry": self.entry,
            "fingerprint": self.fingerprint.hex(), "name": self.name, "note": self.note,
        }  # fmt: skip


def facts_from(record: Mapping[str, Any], *, where: str = "entry") -> Facts:
    """Facts from their plain form, as a pack or a list holds it; digests may be hex or bytes.

    Raises:
        MalformedError: A field is of the wrong type.
        UsageError: A field says what no entry can hold (see `checked`).
    """

    def text(field: str, source: Mapping[str, Any] = record) -> str:
        value = source.get(field, "")
        if not isinstance(value, str):
            raise MalformedError(f"field {field!r} is not a text", where=where)
        return value

    def digest(field: str, source: Mapping[str, Any]) -> bytes:
        value = source.get(field, b"")
        if isinstance(value, str):
            try:
                value = bytes.fromhex(value)
            except ValueError:
                value = None
        if not isinstance(value, bytes):
            raise MalformedError(f"field {field!r} is not a digest", where=where)
        return value

    def listed(field: str, kind: type) -> list[Any]:
        value = record.get(field, ())
        if not isinstance(value, list | tuple) or not all(isinstance(v, kind) for v in value):
            raise MalformedError(f"field {field!r} is not a list of the expected kind", where=where)
        return list(value)

    return checked(
        Facts(
            text("name"), tuple(listed("aliases", str)), text("source"), text("licence"), text("location"),
            text("note"),
            tuple(
                Parent(text("name", p), digest("fingerprint", p), digest("root", p), text("mechanism", p),
                       text("kind", p), text("evidence", p), text("source", p))
                for p in listed("parents", dict)
            ),
        ),
        where=where,
    )  # fmt: skip


def checked(facts: Facts, *, where: str = "entry") -> Facts:
    """Facts as the catalogue can hold them: trimmed, every alias once, halves of surrogates in letters.

    Raises:
        UsageError: A name is missing, a text is too long, a kind or a mechanism is none.
    """

    def text(what: str, value: str, most: int) -> str:
        value = spelled(value.strip())
        if len(value) > most:
            raise UsageError(f"{what} has {len(value)} characters (at most {most})", where=where, hint="Shorten it")
        return value

    name = text("the name", facts.name, MOST_NAME)
    if not name:
        raise UsageError("an entry needs a name", where=where, hint="Give one with --name")
    aliases = tuple(dict.fromkeys(a for a in (text("an alias", a, MOST_NAME) for a in facts.aliases) if a))
    if len(aliases) > MOST_ALIASES:
        raise UsageError(f"{len(aliases)} aliases (at most {MOST_ALIASES})", where=where)
    if len(facts.parents) > MOST_PARENTS:
        raise UsageError(f"{len(facts.parents)} parents (at most {MOST_PARENTS})", where=where)
    parents = []
    for p in facts.parents:
        made = replace(
            p, name=text("a parent's name", p.name, MOST_NAME), evidence=text("evidence", p.evidence, MOST_TEXT),
            source=text("a source", p.source, MOST_LINE),
        )  # fmt: skip
        if not (made.name or made.fingerprint or made.root):
            raise UsageError("a parent needs a name or a digest", where=where)
        if any(len(d) not in (0, 32) for d in (made.fingerprint, made.root)):
            raise UsageError("a parent's digest is not a SHA-256 of 32 bytes", where=where)
        if made.kind not in KINDS:
            raise UsageError(f"{made.kind!r} is no kind of evidence", where=where, hint="Use a, b or c, or none")
        if made.mechanism and not _MECHANISM.match(made.mechanism):
            raise UsageError(f"{made.mechanism!r} is no mechanism", where=where, hint="Use 3.1 to 3.9, or none")
        parents.append(made)
    return Facts(
        name, aliases, text("the source", facts.source, MOST_LINE), text("the licence", facts.licence, MOST_LINE),
        text("the location", facts.location, MOST_LINE), text("the note", facts.note, MOST_TEXT), tuple(parents),
    )  # fmt: skip


def spelled(text: str) -> str:
    """Text as UTF-8 can hold it: halves of surrogates, as file names have them, in letters; no NUL."""
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text.replace("\x00", "\\x00")
