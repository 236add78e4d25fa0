"""What was signed: an in-toto statement that names the model's files and their digests.

Formats: in-toto Statement v1 (github.com/in-toto/attestation), predicate ``https://model_signing/signature/v1.0``
(OpenSSF Model Signing 1.0, sections 5 and 6).  Two methods: ``files``, a resource a file, and ``shards``, a resource
``path:start:end`` for each run of at most ``shard_size`` bytes; empty files have no shard.  The root digest is SHA-256
over the raw digests in the order of the list; it does not cover names, which is why nothing here uses it as an
identity.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpk_tui.checkpoint.strictjson import parse
from mpk_tui.modelsig.fields import a_list, a_text, an_object, malformed, unsupported

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
OLD_PREDICATE_TYPE = "https://model_signing/Digests/v0.1"
OLD_REASON = (
    "a signature of release 0.2: its digests stand in another layout, and it was made over a faulty encoding of the "
    "statement (the text of a Python value)"
)
MOST_RESOURCES = 500_000
WHOLE = "."
"""Name of the only resource where a single file was signed (releases up to 1.1)."""

SIZES: Mapping[str, int] = {"sha256": 32, "blake2b": 64, "blake3": 32}
"""Hash algorithms by the name that the format uses, with the length of their digests."""
COMPUTED = frozenset({"sha256", "blake2b"})
"""Those that can be computed here; BLAKE3 is not in Python's standard library."""

_DIGITS = re.compile(r"(0|[1-9][0-9]{0,17})\Z")
_HEX = re.compile(r"[0-9a-f]+\Z")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SEPARATORS = re.compile(r"[\\/]")


@dataclass(frozen=True)
class Shard:
    """A run of bytes of a file, ``start`` to ``end``, and its digest."""

    start: int
    end: int
    digest: bytes


@dataclass(frozen=True)
class SignedFile:
    """A file that the statement names.

    Attributes:
        path: Relative, with ``/``.
        digest: Of the whole file, or empty where shards are signed.
        shards: In order, from byte 0 on, without gaps; empty where whole files are signed.
    """

    path: str
    digest: bytes = b""
    shards: tuple[Shard, ...] = ()

    @property
    def size(self) -> int | None:
        """Bytes that the statement implies, known for shards only."""
        return self.shards[-1].end if self.shards else None


@dataclass(frozen=True)
class Statement:
    """The statement as signed; nothing in it was compared with anything yet.

    Attributes:
        model: What the signer calls the model; informational.
        root: The root digest.
        method: ``files`` or ``shards``.
        algorithm: Of the resources' digests.
        shard_size: Greatest length of a shard, 0 for ``files``.
        allow_symlinks: The signer followed links.
        ignore_paths: What the signer says was left out.
        files: Sorted by path.
        notices: Signed fields that this reader does not know.
    """

    model: str
    root: bytes
    method: str
    algorithm: str
    shard_size: int
    allow_symlinks: bool
    ignore_paths: tuple[str, ...]
    files: tuple[SignedFile, ...]
    notices: tuple[str, ...] = ()


def read_statement(payload: bytes, where: str) -> Statement:
    """Read the signed bytes.

    Raises:
        MalformedError: They contradict themselves or the format; names the field.
        UnsupportedError: A statement of another kind, version 0.2, or a hash that is not known.
    """
    where = f"{where}, statement"
    top = an_object(parse(payload, where), where)
    kind = a_text(top.get("_type"), f"{where}, _type")
    if kind != STATEMENT_TYPE:
        unsupported(f"a statement of type {kind[:80]!r}; {STATEMENT_TYPE} is read", where)
    predicate_type = a_text(top.get("predicateType"), f"{where}, predicateType")
    if predicate_type == OLD_PREDICATE_TYPE:
        unsupported(OLD_REASON, where, "Have the model signed again with release 1.0 or later")
    if predicate_type != PREDICATE_TYPE:
        unsupported(f"a statement about {predicate_type[:80]!r}, not a model signature ({PREDICATE_TYPE})", where)
    predicate = an_object(top.get("predicate"), f"{where}, predicate")
    place = f"{where}, serialization"
    how = an_object(predicate.get("serialization"), place)
    method, algorithm, shard_size = _serialization(how, place)
    resources = a_list(predicate.get("resources"), f"{where}, resources", MOST_RESOURCES)
    if not resources:
        malformed("no resource: the signature covers nothing", f"{where}, resources")
    digests, files = _resources(resources, method, algorithm, shard_size, f"{where}, resources")
    model, root = _subject(top.get("subject"), f"{where}, subject")
    found = hashlib.sha256(b"".join(digests)).digest()
    if found != root:
        malformed(f"the root digest is {root.hex()}, but that of the resources is {found.hex()}", f"{where}, subject")
    ignored = tuple(
        a_text(p, f"{place}.ignore_paths[{n}]")
        for n, p in enumerate(a_list(how.get("ignore_paths", []), f"{place}.ignore_paths", 10_000))
    )
    links = how.get("allow_symlinks")
    if not isinstance(links, bool):
        malformed("true or false was expected", f"{place}.allow_symlinks")
    beside = [*_beside(top, "_type", "subject", "predicateType", "predicate")]
    beside += [f"predicate.{f}" for f in _beside(predicate, "resources", "serialization")]
    beside += [
        f"serialization.{f}"
        for f in _beside(how, "method", "hash_type", "shard_size", "allow_symlinks", "ignore_paths")
    ]
    notices = (f"signed fields that this reader does not know: {', '.join(beside)[:500]}",) if beside else ()
    return Statement(model, root, method, algorithm, shard_size, links, ignored, files, notices)


def _beside(record: Mapping[str, Any], *known: str) -> list[str]:
    return sorted(record.keys() - set(known))


def _serialization(how: Mapping[str, Any], where: str) -> tuple[str, str, int]:
    method = a_text(how.get("method"), f"{where}.method")
    if method not in ("files", "shards"):
        unsupported(f"serialization method {method[:80]!r}; files and shards are read", where)
    algorithm = a_text(how.get("hash_type"), f"{where}.hash_type")
    if algorithm not in SIZES:
        unsupported(f"hash algorithm {algorithm[:40]!r}; known are {', '.join(SIZES)}", f"{where}.hash_type")
    if method == "files":
        return method, algorithm, 0
    size = how.get("shard_size")
    if isinstance(size, float) and size.is_integer():
        size = int(size)  # statements made through protobuf carry every number as a double
    if isinstance(size, bool) or not isinstance(size, int) or not 0 < size < 1 << 53:
        malformed("shard_size is not a positive whole number", f"{where}.shard_size")
    return method, algorithm, size


def _subject(value: Any, where: str) -> tuple[str, bytes]:
    subjects = a_list(value, where, MOST_RESOURCES)
    if len(subjects) != 1:
        malformed(f"{len(subjects)} subjects; a model signature has exactly one", where)
    subject = an_object(subjects[0], where)
    name = a_text(subject.get("name"), f"{where}.name")
    digest = an_object(subject.get("digest"), f"{where}.digest").get("sha256")
    return name, _digest(digest, 32, f"{where}.digest.sha256")


def _resources(
    resources: Sequence[Any], method: str, algorithm: str, shard_size: int, where: str
) -> tuple[list[bytes], tuple[SignedFile, ...]]:
    """Digests in the order of the list, and files sorted by path."""
    digests: list[bytes] = []
    whole: dict[str, SignedFile] = {}
    shards: dict[str, list[Shard]] = {}
    seen: set[str] = set()
    names = {algorithm} if method == "files" else {algorithm, f"{algorithm}-sharded-{shard_size}"}
    for n, item in enumerate(resources):
        place = f"{where}[{n}]"
        record = an_object(item, place)
        name = a_text(record.get("name"), f"{place}.name")
        if name in seen:
            malformed(f"the name {name[:200]!r} occurs twice", place)
        seen.add(name)
        stated = a_text(record.get("algorithm"), f"{place}.algorithm")
        if stated not in names:
            text = f"algorithm {stated[:40]!r} where the statement's hash_type is {algorithm}"
            malformed(text, f"{place}.algorithm")
        digest = _digest(record.get("digest"), SIZES[algorithm], f"{place}.digest")
        digests.append(digest)
        if method == "files":
            whole[name] = SignedFile(_path(name, place), digest)
        else:
            path, start, end = _shard_name(name, place)
            shards.setdefault(path, []).append(Shard(start, end, digest))
    for path, runs in shards.items():
        whole[path] = SignedFile(path, shards=_joined(path, runs, shard_size, where))
    if WHOLE in whole and len(whole) > 1:
        malformed(f"a single file ({WHOLE!r}) beside others", where)
    return digests, tuple(whole[path] for path in sorted(whole))


def _path(name: str, where: str) -> str:
    """A relative path with no component that climbs or says nothing."""
    if name == WHOLE:
        return name
    parts = name.split("/")
    if name[0] in "/\\" or _DRIVE.match(name):
        malformed(f"the name {name[:200]!r} is an absolute path", where)
    if ".." in _SEPARATORS.split(name):
        malformed(f"the name {name[:200]!r} climbs out of the folder", where)
    if "" in parts or "." in parts or "\0" in name:
        malformed(f"the name {name[:200]!r} is not a plain relative path", where)
    return name


def _shard_name(name: str, where: str) -> tuple[str, int, int]:
    """``path:start:end``, taken apart at the last two colons, since a path may hold some."""
    parts = name.rsplit(":", 2)
    if len(parts) != 3 or not all(_DIGITS.match(x) for x in parts[1:]):
        malformed(f"the name {name[:200]!r} is not path:start:end", where)
    start, end = int(parts[1]), int(parts[2])
    if start >= end:
        malformed(f"the shard {name[:200]!r} has no bytes", where)
    return _path(a_text(parts[0] or None, where), where), start, end


def _joined(path: str, runs: list[Shard], shard_size: int, where: str) -> tuple[Shard, ...]:
    """Shards in order; every one but the last is full, and they leave no gap."""
    ordered = sorted(runs, key=lambda s: s.start)
    at = 0
    for n, shard in enumerate(ordered):
        full = shard.end - shard.start == shard_size
        if shard.start != at or shard.end - shard.start > shard_size or not (full or n == len(ordered) - 1):
            text = f"the shards of {path[:200]!r} do not follow one another in steps of {shard_size}"
            malformed(f"{text} (bytes {shard.start} to {shard.end})", where)
        at = shard.end
    return tuple(ordered)


def _digest(value: Any, size: int, where: str) -> bytes:
    text = a_text(value, where, 256)
    if len(text) != 2 * size or not _HEX.match(text):
        malformed(f"{2 * size} lowercase hex digits were expected", where)
    return bytes.fromhex(text)
