"""Acquisition hash lists as people make them: read strictly, written so that ``sha256sum -c`` takes them back.

Read are the output of GNU coreutils (``sha256sum``, ``sha1sum``, ``md5sum`` and their sisters; text and binary marks,
``--tag``, names escaped with a leading backslash), the reversed BSD form with one blank, ``sha256:hex`` with or
without a name, bare digests, and ``hashdeep``.  Formats: GNU coreutils manual, "md5 invocation"; hashdeep(1), file
format of version 1.0.  Standard library only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import LimitError, MalformedError, UnsupportedError, UsageError

MAX_LIST = 16 << 20
MAX_LINES = 100_000
MAX_LINE = 16 << 10
_MAX_PAIRS = 20

LENGTHS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
"""Hex digits to the algorithm that is meant where nothing else is said."""
PROOF = frozenset({"sha224", "sha256", "sha384", "sha512", "blake2b"})
"""Digests whose equality shows equal content; MD5 and SHA-1 have known collisions and only cross-reference."""
_TAGS = {
    "MD5": "md5", "SHA1": "sha1", "SHA224": "sha224", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512",
    "BLAKE2B": "blake2b",
}  # fmt: skip
_DIGITS = {algorithm: digits for digits, algorithm in LENGTHS.items()} | {"blake2b": 128}
_IGNORED = frozenset({"tiger", "whirlpool"})

_TAGGED = re.compile(r"([A-Za-z0-9][A-Za-z0-9/-]{1,15}) ?\((.*)\) ?= ?([0-9A-Fa-f]+)\Z", re.DOTALL)
_COLON = re.compile(r"([A-Za-z][A-Za-z0-9-]{1,11}):([0-9A-Fa-f]+)(?:[ \t]+\*?(.+))?\Z", re.DOTALL)
_PLAIN = re.compile(r"([0-9A-Fa-f]{32,128})(?:( [ *]| |\t)(.+))?\Z", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_MAGIC = "%%%% HASHDEEP-1.0"


@dataclass(frozen=True, slots=True)
class Line:
    """What one line of a list states.

    Attributes:
        number: Line number, from 1.
        name: Path as stated, with ``/`` and without a leading ``./``; bytes that are not UTF-8 are surrogate escapes.
            Empty where the line names no file.
        digests: Algorithm to lower-case hex.
        size: Stated size in bytes, or None.
    """

    number: int
    name: str
    digests: Mapping[str, str]
    size: int | None = None


@dataclass(frozen=True)
class HashList:
    """A list as read.

    Attributes:
        source: How messages name it.
        format: ``sums`` or ``hashdeep``.
        sha256: Of the list file itself, hex.
        lines: In the order of the list, exact repetitions left out.
        notices: What was odd and is no error, as sentences.
    """

    source: str
    format: str
    sha256: str
    lines: tuple[Line, ...]
    notices: tuple[str, ...] = field(default=())


class Hashed(Protocol):
    """What `write_list` needs to know of a file; `mpk_tui.checkpoint.hash_check.Digests` is one."""

    @property
    def path(self) -> str:
        """Relative path with ``/``."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Algorithm to lower-case hex."""


def read_list(path: Path) -> HashList:
    """Read a list file.

    Raises:
        MpkError: It cannot be read, is too large, or says something that no list says; with the line.
    """
    return parse(read_small(path, MAX_LIST, follow=True), path.name)


def parse(data: bytes, source: str) -> HashList:
    """Parse a list.

    Args:
        data: The whole file.
        source: Its name for messages.

    Raises:
        MalformedError: A line that is none, a path that leads out, two lines that contradict each other.
        UnsupportedError: A digest of an unknown algorithm.
        LimitError: Too large, too many lines, or a line too long.
    """
    if len(data) > MAX_LIST:
        raise LimitError(f"{len(data)} bytes; at most {MAX_LIST} are read", where=source)
    notices: list[str] = []
    numbered = _lines(_text(data, source, notices), source, notices)
    first = next(((n, t) for n, t in numbered if t), (0, ""))
    if first[1].startswith("%%%%"):
        kind, found = "hashdeep", list(_hashdeep(numbered, source, notices))
    else:
        kind, found = "sums", list(_sums(numbered, source, notices))
    lines = _consistent(found, source, notices)
    if not lines:
        raise MalformedError(
            "states no digest", where=source, hint="A line is a digest, two blanks and a file name, as sha256sum writes"
        )
    return HashList(source, kind, hashlib.sha256(data).hexdigest(), lines, tuple(notices))


def _text(data: bytes, source: str, notices: list[str]) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        notices.append("the list is UTF-16, as some shells of Windows write it")
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise MalformedError("begins as UTF-16 and is not", where=f"{source}, byte {error.start}") from None
    if data.startswith(b"\xef\xbb\xbf"):
        notices.append("the list begins with a byte order mark")
        data = data[3:]
    return data.decode("utf-8", "surrogateescape")


def _lines(text: str, source: str, notices: list[str]) -> list[tuple[int, str]]:
    """Lines with their numbers; comments are kept (formats differ in them), a signature's armour is not."""
    rows = text.split("\n")
    if len(rows) > MAX_LINES:
        raise LimitError(f"{len(rows)} lines; at most {MAX_LINES} are read", where=source)
    out: list[tuple[int, str]] = []
    crlf = False
    for number, row in enumerate(rows, 1):
        if len(row) > MAX_LINE:
            raise LimitError(f"a line of {len(row)} characters; at most {MAX_LINE}", where=f"{source}, line {number}")
        if "\0" in row:
            raise MalformedError(
                "holds a zero byte", where=f"{source}, line {number}", hint="Lists made with --zero are not read"
            )
        crlf = crlf or row.endswith("\r")
        out.append((number, row.removesuffix("\r")))
    if crlf:
        notices.append("lines end in CR LF")
    if out[0][1] == "-----BEGIN PGP SIGNED MESSAGE-----":
        notices.append("the list carries an OpenPGP signature, which was not checked")
        rest = [(n, r) for n, r in out[1:]]
        blank = next((i for i, (_, r) in enumerate(rest) if not r), len(rest))
        end = next((i for i, (_, r) in enumerate(rest) if r == "-----BEGIN PGP SIGNATURE-----"), len(rest))
        out = [(n, r.removeprefix("- ")) for n, r in rest[blank + 1 : end]]
    return out


def _sums(numbered: Iterable[tuple[int, str]], source: str, notices: list[str]) -> Iterator[Line]:
    for number, row in numbered:
        if not row.strip() or row.startswith(("#", ";")):
            continue
        where = f"{source}, line {number}"
        escaped = row.startswith("\\")
        text = row[1:] if escaped else row
        if tagged := _TAGGED.match(text):
            algorithm, name, digest = _tag(tagged[1], where), tagged[2], tagged[3]
        elif colon := _COLON.match(text):
            algorithm, digest, name = _tag(colon[1], where), colon[2], colon[3] or ""
        elif plain := _PLAIN.match(text):
            digest, name = plain[1], plain[3] or ""
            algorithm = LENGTHS.get(len(digest), "")
        else:
            raise MalformedError(
                f"is no line of a hash list: {row[:60]!r}", where=where,
                hint="A line is a digest, two blanks and a file name, as sha256sum writes",
            )  # fmt: skip
        _check_digest(algorithm, digest, where)
        if escaped:
            name = _unescape(name, where)
        yield Line(number, _path(name, where) if name else "", {algorithm: digest.lower()})


def _tag(tag: str, where: str) -> str:
    algorithm = _TAGS.get(re.sub("^SHA2-", "SHA", tag.upper()).replace("-", ""))
    if algorithm is None:
        raise UnsupportedError(
            f"digests of {tag[:16]!r} are not computed here", where=where,
            hint=f"Known are {', '.join(sorted(_TAGS))}",
        )  # fmt: skip
    return algorithm


def _check_digest(algorithm: str, digest: str, where: str) -> None:
    expected = _DIGITS.get(algorithm)
    if expected is None:
        raise MalformedError(f"a digest of {len(digest)} hex digits belongs to no algorithm we know", where=where)
    if len(digest) != expected:
        raise MalformedError(f"a digest of {algorithm} has {expected} hex digits, not {len(digest)}", where=where)


def _unescape(name: str, where: str) -> str:
    """Undo what coreutils do to names with a backslash, a line feed or a carriage return."""
    out: list[str] = []
    at = 0
    while at < len(name):
        c = name[at]
        if c == "\\":
            made = {"\\": "\\", "n": "\n", "r": "\r"}.get(name[at + 1 : at + 2])
            if made is None:
                raise MalformedError(f"{name[at : at + 2]!r} is no escape of a file name", where=where)
            out.append(made)
            at += 1
        else:
            out.append(c)
        at += 1
    return "".join(out)


def _path(name: str, where: str) -> str:
    """A stated path in the form of a listing; what leads out of any folder is refused."""
    if _DRIVE.match(name):
        name = "/" + name[:1].upper() + name[2:].replace("\\", "/")
    absolute = name.startswith("/")
    parts = [p for p in name.split("/") if p not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise MalformedError(
            f"the path {name[:200]!r} climbs out of its folder", where=where, hint="Lists name files below one folder"
        )
    if not parts:
        raise MalformedError(f"the path {name[:200]!r} names no file", where=where)
    return ("/" if absolute else "") + "/".join(parts)


def _hashdeep(numbered: list[tuple[int, str]], source: str, notices: list[str]) -> Iterator[Line]:
    columns: list[str] = []
    ignored: set[str] = set()
    magic = False
    for number, row in numbered:
        where = f"{source}, line {number}"
        if row.startswith("%%%%"):
            if not magic:
                if row.strip() != _MAGIC:
                    raise UnsupportedError(f"hashdeep's header is {row[:40]!r}, {_MAGIC!r} is read", where=where)
                magic = True
                continue
            if columns:
                raise MalformedError("a second line of column names", where=where)
            columns = _columns(row, where)
            ignored = set(columns) & _IGNORED
            continue
        if not row.strip() or row.startswith("#"):
            continue
        if not columns:
            raise MalformedError("digests before the line of column names", where=where)
        values = row.split(",", len(columns) - 1)
        if len(values) != len(columns):
            raise MalformedError(f"{len(values)} columns, {len(columns)} are named", where=where)
        fields = dict(zip(columns, values, strict=True))
        digests = {c: fields[c].lower() for c in columns if c in _DIGITS}
        for algorithm, digest in digests.items():
            if not re.fullmatch("[0-9a-f]+", digest):
                raise MalformedError(f"the column {algorithm} is no hex: {digest[:40]!r}", where=where)
            _check_digest(algorithm, digest, where)
        if not re.fullmatch("[0-9]{1,18}", fields["size"]):
            raise MalformedError(f"the size {fields['size'][:40]!r} is no number of bytes", where=where)
        yield Line(number, _path(fields["filename"], where), digests, int(fields["size"]))
    if ignored:
        notices.append(f"digests of {', '.join(sorted(ignored))} are not computed here and were not compared")


def _columns(row: str, where: str) -> list[str]:
    columns = [c.strip().lower() for c in row.removeprefix("%%%%").strip().split(",")]
    if len(set(columns)) != len(columns) or columns[:1] != ["size"] or columns[-1] != "filename":
        raise MalformedError("column names are size, digests and filename, each once", where=where)
    strange = [c for c in columns[1:-1] if c not in _DIGITS and c not in _IGNORED]
    if strange:
        raise UnsupportedError(f"the column {strange[0][:40]!r} is no digest we know", where=where)
    if not any(c in _DIGITS for c in columns):
        raise UnsupportedError("no column holds a digest that is computed here", where=where)
    return columns


def _consistent(found: list[Line], source: str, notices: list[str]) -> tuple[Line, ...]:
    """Lines without repetitions; lines that contradict each other are refused."""
    said: dict[tuple[str, str], tuple[str, int]] = {}
    folded: dict[str, str] = {}
    sizes: dict[str, tuple[int, int]] = {}
    kept: list[Line] = []
    repeated = alike = 0
    for line in found:
        if not line.name:
            kept.append(line)
            continue
        fresh = False
        for algorithm, digest in line.digests.items():
            before = said.get((line.name, algorithm))
            if before is not None and before[0] != digest:
                raise MalformedError(
                    f"states another {algorithm} of {line.name[:200]!r} than line {before[1]}",
                    where=f"{source}, line {line.number}", hint="Find out which line is meant and use a list of one",
                )  # fmt: skip
            fresh = fresh or before is None
            said[line.name, algorithm] = (digest, line.number)
        if line.size is not None:
            size, at = sizes.setdefault(line.name, (line.size, line.number))
            if size != line.size:
                raise MalformedError(
                    f"states another size of {line.name[:200]!r} than line {at}", where=f"{source}, line {line.number}"
                )
        if not fresh:
            repeated += 1
            continue
        other = folded.setdefault(line.name.casefold(), line.name)
        if other != line.name:
            alike += 1
            if alike <= _MAX_PAIRS:
                notices.append(f"{other[:200]!r} and {line.name[:200]!r} differ in case only")
        kept.append(line)
    if alike > _MAX_PAIRS:
        notices.append(f"{alike - _MAX_PAIRS} more names differ in case only")
    if repeated:
        notices.append(f"{repeated} lines repeat others")
    return tuple(kept)


def write_list(files: Iterable[Hashed], format: str) -> bytes:
    """A list of files in the order given.

    Args:
        files: With ``sha256``, and for hashdeep ``md5`` too.
        format: ``sha256sums`` (read by ``sha256sum -c``) or ``hashdeep``.

    Raises:
        UsageError: An unknown format, or a name that hashdeep's format cannot hold.
    """
    if format == "sha256sums":
        rows = []
        for f in files:
            escaped = f.path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
            # "-" alone would be standard input to sha256sum.
            name = "./-" if escaped == "-" else escaped
            mark = "\\" if escaped != f.path else ""
            rows.append(f"{mark}{f.digests['sha256']}  {name}\n")
    elif format == "hashdeep":
        rows = [f"{_MAGIC}\n", "%%%% size,md5,sha256,filename\n"]
        for f in files:
            if "\n" in f.path or "\r" in f.path:
                raise UsageError(
                    "hashdeep's format cannot hold a name with a line break", where=f.path, hint="Use sha256sums"
                )
            rows.append(f"{f.size},{f.digests['md5']},{f.digests['sha256']},{f.path}\n")
    else:
        raise UsageError(f"the format {format!r} is not written", hint="sha256sums and hashdeep are")
    return "".join(rows).encode("utf-8", "surrogateescape")
