"""The signed body of a bundle: who made it, with what, for which case, and a digest of every section."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from mpk_tui import canonical
from mpk_tui.bundle import limits
from mpk_tui.bundle.limits import DEFAULT, Bounds
from mpk_tui.bundle.schema import (
    Check,
    Reading,
    binary,
    boolean,
    canonical_map,
    choice,
    described,
    digest,
    integer,
    listing,
    maybe,
    moment,
    record,
    row,
    shape_of,
    text,
)
from mpk_tui.bundle.suites import PUBLIC_BYTES, SUITES, PublicKey
from mpk_tui.errors import MalformedError, UnsupportedError
from mpk_tui.records import dataclass, field

VERSION = (1, 0)
ROLES = r"[a-z][a-z0-9-]{0,31}"
ARTIFACT_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
UNATTENDED = "unattended"
"""Role in which a machine signs what no person read before; its keys sign in no other (`mpk_tui.keys.private`)."""
SECTION_ID = rf"[a-z][a-z0-9_]{{0,31}}(\.{ARTIFACT_ID})?"


@dataclass(frozen=True)
class Signer:
    """A declared signer: a label, the role in which they sign, and their keys, one for each algorithm of the suite."""

    id: str
    role: str
    keys: tuple[PublicKey, ...]


@dataclass(frozen=True)
class SectionEntry:
    """What the signature commits to for one section.

    Attributes:
        id: ``family`` or ``family.suffix``.
        kind: ``blob``, ``merkle`` or ``chain``.
        type: Schema of its content, e.g. ``tensors/1``.
        size: Bytes of the complete content.
        count: Items (merkle, chain); 0 for a blob.
        digest: See `mpk_tui.bundle.commitments`.
        salted: The digest covers a salt that travels with the content.
        redactable: The section, or single items of it, may be withheld.
    """

    id: str
    kind: str
    type: str
    size: int
    count: int
    digest: bytes
    salted: bool
    redactable: bool

    @property
    def family(self) -> str:
        """The part of the id before the dot."""
        return self.id.partition(".")[0]

    @property
    def suffix(self) -> str:
        """The part of the id after the dot: an artifact's id or an attachment's number."""
        return self.id.partition(".")[2]


@dataclass(frozen=True)
class CaseFacts:
    """The case block: short strings; whatever is confidential belongs into a section."""

    id: str
    exhibit: str = ""
    root_exhibit: str = ""
    title: str = ""
    authority: str = ""
    purpose: str = ""


@dataclass(frozen=True)
class ToolFacts:
    """What made the bundle (cf. the creator element of DFXML).  No path, no user name, no address."""

    name: str
    version: str
    code_sha256: bytes
    python: str
    libs: Mapping[str, str]
    os: str
    host_label: str
    argv_sha256: bytes | None


@dataclass(frozen=True)
class Manifest:
    """The signed body.

    Attributes:
        suite: Fixed set of algorithms, ``s1`` or ``s2``.
        case: Case block.
        seq: Number of the bundle within the case, from 0.
        prev: Id of the bundle before it, or None for the first.
        created: Milliseconds since 1970, UTC: a claim of the signer.
        tool: What made it.
        signers: Everyone whose signature must be present and good.
        sections: One entry for each section, in ascending order of ids.
        crit: Names of fields that a reader must understand.
        version: Major and minor number of the schema.
        unknown: Fields of a newer minor version that this reader does not know (reading only).
    """

    suite: str
    case: CaseFacts
    seq: int
    prev: bytes | None
    created: int
    tool: ToolFacts
    signers: tuple[Signer, ...]
    sections: tuple[SectionEntry, ...]
    crit: tuple[str, ...] = ()
    version: tuple[int, int] = VERSION
    unknown: tuple[str, ...] = field(default=(), compare=False)

    def section(self, section_id: str) -> SectionEntry | None:
        """The entry of a section, or None."""
        return self._by_id.get(section_id)

    @cached_property
    def _by_id(self) -> Mapping[str, SectionEntry]:
        return {s.id: s for s in self.sections}

    @property
    def newer(self) -> bool:
        """Written by a newer minor version than this reader's."""
        return self.version[1] > VERSION[1]

    def to_bytes(self) -> bytes:
        """Canonical bytes: the payload that is signed."""
        c, t = self.case, self.tool
        return canonical.encode(
            {
                "v": list(self.version),
                "suite": self.suite,
                "case": {
                    "id": c.id, "exhibit": c.exhibit, "root_exhibit": c.root_exhibit, "title": c.title,
                    "authority": c.authority, "purpose": c.purpose,
                },
                "seq": self.seq,
                "prev": self.prev,
                "created": self.created,
                "tool": {
                    "name": t.name, "version": t.version, "code_sha256": t.code_sha256, "python": t.python,
                    "libs": dict(t.libs), "os": t.os, "host_label": t.host_label, "argv_sha256": t.argv_sha256,
                },
                "signers": [
                    {"id": s.id, "role": s.role, "keys": [{"alg": k.alg, "pub": k.raw} for k in s.keys]}
                    for s in self.signers
                ],
                "sections": [
                    {"id": s.id, "kind": s.kind, "type": s.type, "size": s.size, "count": s.count, "digest": s.digest,
                     "salted": s.salted, "redactable": s.redactable}
                    for s in self.sections
                ],
                "crit": list(self.crit),
            },
            limits.MANIFEST,
        )  # fmt: skip


_KEY = record({"alg": text(32), "pub": binary(1, 8192)})
SIGNER: Check = record({"id": text(128, least=1), "role": text(32, ROLES), "keys": listing(_KEY, 4, 1)})
_ENTRY = record(
    {
        "id": text(128, SECTION_ID), "kind": choice("blob", "merkle", "chain"),
        "type": text(64, r"[a-z0-9_.-]+/[0-9]+"),
        "size": integer(0, limits.BLOB_BYTES), "count": integer(0, limits.TENSORS), "digest": digest,
        "salted": boolean, "redactable": boolean,
    }
)  # fmt: skip
_SHORT = text(1024)
_VERSION_TEXT = text(64)


def _libs(value: Any, where: str, reading: Reading) -> None:
    if not isinstance(value, dict):
        raise MalformedError("expected a map of library versions", where=where)
    for name, version in value.items():
        _VERSION_TEXT(version, f"{where}.{name}", reading)


_LIBS = described(_libs, "open", shape_of(_VERSION_TEXT))
_FIELDS: dict[str, Check] = {
    "v": row(integer(), integer()),
    "suite": text(16),
    "case": record(
        {"id": text(128, least=1), "exhibit": _SHORT, "root_exhibit": _SHORT, "title": _SHORT, "authority": _SHORT,
         "purpose": _SHORT}
    ),
    "seq": integer(0, 1 << 31),
    "prev": maybe(digest),
    "created": moment,
    "tool": record(
        {"name": text(64), "version": text(64), "code_sha256": digest, "python": text(64),
         "libs": _LIBS, "os": text(256), "host_label": text(128),
         "argv_sha256": maybe(digest)}
    ),
    "signers": listing(SIGNER, limits.SIGNATURES, 1),
    "sections": listing(_ENTRY, limits.SECTIONS, 1),
    "crit": listing(text(64), 64),
}  # fmt: skip
MANIFEST = record(_FIELDS)


def parse(payload: bytes, bounds: Bounds = DEFAULT) -> Manifest:
    """Read the payload whose signatures were just checked (the same bytes object).

    Raises:
        MalformedError: Not a canonical manifest of this schema.
        LimitError: A declared size exceeds what we accept.
        UnsupportedError: A newer major version, an unknown suite, or a critical field that we do not know.
    """
    where = "manifest"
    value = canonical_map(payload, bounds.manifest, where)
    _FIELDS["v"](value["v"], f"{where}.v", Reading())
    version = (value["v"][0], value["v"][1])
    if version[0] != VERSION[0]:
        raise UnsupportedError(f"manifest version {version[0]}.{version[1]}", where=where, hint="Use a newer mpk-tui")
    reading = Reading(newer=version[1] > VERSION[1], bounds=bounds)
    MANIFEST(value, where, reading)
    unknown = [name for name in value["crit"] if name not in _FIELDS]
    if unknown:
        raise UnsupportedError(
            f"field {unknown[0]!r} must be understood and is not", where=where, hint="Use a newer mpk-tui"
        )
    if value["suite"] not in SUITES:
        raise UnsupportedError(f"suite {value['suite']!r}", where=where, hint="Use a newer mpk-tui")
    case, tool = value["case"], value["tool"]
    manifest = Manifest(
        value["suite"],
        CaseFacts(*(case[k] for k in ("id", "exhibit", "root_exhibit", "title", "authority", "purpose"))),
        value["seq"],
        value["prev"],
        value["created"],
        ToolFacts(
            *(tool[k] for k in
              ("name", "version", "code_sha256", "python", "libs", "os", "host_label", "argv_sha256"))
        ),
        tuple(read_signer(s, value["suite"], f"{where}.signers[{n}]") for n, s in enumerate(value["signers"])),
        tuple(
            SectionEntry(*(s[k] for k in ("id", "kind", "type", "size", "count", "digest", "salted", "redactable")))
            for s in value["sections"]
        ),
        tuple(value["crit"]),
        version,
        reading.passed_over,
    )  # fmt: skip
    _rules(manifest, where)
    return manifest


def read_signer(value: Mapping[str, Any], suite: str, where: str) -> Signer:
    """A signer record that has passed `SIGNER`; its keys must be exactly those of the suite.

    Raises:
        MalformedError: They are not.
    """
    keys = tuple(PublicKey(k["alg"], k["pub"]) for k in value["keys"])
    if tuple(k.alg for k in keys) != SUITES[suite]:
        raise MalformedError(
            f"suite {suite} needs the keys {', '.join(SUITES[suite])}; found {', '.join(k.alg for k in keys)}",
            where=where,
        )
    for key in keys:
        if len(key.raw) != PUBLIC_BYTES[key.alg]:
            raise MalformedError(f"a key of {len(key.raw)} bytes for {key.alg}", where=where)
    return Signer(value["id"], value["role"], keys)


def _rules(manifest: Manifest, where: str) -> None:
    ids = [s.id for s in manifest.sections]
    if ids != sorted(set(ids)):
        raise MalformedError("sections twice or out of order", where=f"{where}.sections")
    if (manifest.seq == 0) != (manifest.prev is None):
        raise MalformedError(
            f"bundle number {manifest.seq} {'with' if manifest.prev else 'without'} a bundle before it",
            where=f"{where}.prev",
        )
    if len({s.id for s in manifest.signers}) != len(manifest.signers):
        raise MalformedError("one id for two signers", where=f"{where}.signers")
    keys = [(k.alg, k.raw) for s in manifest.signers for k in s.keys]
    if len(set(keys)) != len(keys):
        raise MalformedError("one key for two signers", where=f"{where}.signers")
    for s in manifest.sections:
        if s.kind == "blob" and s.count:
            raise MalformedError("a blob has no items to count", where=f"{where}.sections.{s.id}")
        if s.kind != "blob" and s.salted:
            raise MalformedError("only blobs are salted", where=f"{where}.sections.{s.id}")
