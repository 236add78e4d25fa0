"""Where a copy of the Kit's reference database lies, and its files read one by one; nothing is unpacked to a disk.

Three forms are read: the installed package (the folder ``provenancekit``, or the ``site-packages`` that it lies in),
its wheel, and a copied folder ``database``.  Layout, by the README of the database in cisco-ai-provenance-kit 1.0.0:
``catalog/manifest.json`` lists shards, shards list assets, assets name their ``features/…`` files.  All these names
are a stranger's: relative, without ``..``, and no part of them may be a link.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mpk_tui.checkpoint import zips
from mpk_tui.checkpoint.reading import Source, read_small
from mpk_tui.errors import LimitError, MalformedError, MpkError, StorageError, UnsupportedError, UsageError

MANIFEST = "catalog/manifest.json"
KINDS = ("package", "wheel", "folder")
_INSIDE = ("", "data/database/", "provenancekit/data/database/", "database/")
"""Where below the named folder a database may begin: it itself, the package, what the package lies in."""
_METADATA = re.compile(r"cisco_ai_provenance_kit-[0-9A-Za-z.+!]{1,40}\.dist-info\Z")
_MAX_METADATA = 1 << 20
_MAX_NAME = 400
_SLACK = 1 << 16
"""Deflate may make incompressible data this much longer before we call it a fault."""
_HINT = "Name the Kit's package folder, its wheel (.whl) or a copied folder database"


class Tree(ABC):
    """The files of one database.

    Attributes:
        kind: ``package``, ``wheel`` or ``folder``.
        where: What was named, for messages.
        version: Of the Kit, as its package states; empty for a copied folder.
        licence: As the package states.
    """

    kind: str
    where: str
    version: str = ""
    licence: str = ""

    @abstractmethod
    def size(self, name: str) -> int | None:
        """Bytes of a file, or None where there is none.

        Raises:
            MalformedError: No name for a file inside.
        """

    @abstractmethod
    def read(self, name: str, most: int) -> bytes:
        """A whole file.

        Raises:
            LimitError: It has more than ``most`` bytes.
            MpkError: It cannot be read.
        """


@contextmanager
def open_tree(path: Path) -> Iterator[Tree]:
    """Find the database at a path.

    Raises:
        UsageError: There is none.
        MpkError: It cannot be read.
    """
    try:
        folder = _folder(path) if path.is_dir() else None
    except OSError as error:
        raise StorageError(f"cannot be read ({error.strerror})", where=str(error.filename or path)) from None
    if folder is not None:
        yield folder
        return
    with Source(path, follow=True) as source:
        yield _archive(source, path)


def plain(name: str, where: str) -> str:
    """A name of a file inside, as it was given.

    Raises:
        MalformedError: It could lead elsewhere.
    """
    parts = name.split("/")
    odd = "\\" in name or ":" in name or any(ord(c) < 32 or ord(c) == 127 for c in name)
    if not name or len(name) > _MAX_NAME or odd or any(p in ("", ".", "..") for p in parts):
        raise MalformedError(
            f"a relative name of a file inside expected, {name[:200]!r} found",
            where=where,
            hint="Nothing was imported; a database of the Kit names no such file",
        )
    return name


def stated(text: str) -> tuple[str, str]:
    """Version and licence of a package's METADATA (Core metadata specifications, packaging.python.org)."""
    head: dict[str, str] = {}
    for line in text.split("\n\n", 1)[0].splitlines()[:400]:
        name, colon, value = line.partition(": ")
        if colon:
            head.setdefault(name, value.strip()[:100])
    return head.get("Version", ""), head.get("License-Expression", head.get("License", ""))


# -- a folder -------------------------------------------------------------------------------------------------------


class _Folder(Tree):
    def __init__(self, root: Path, where: str, kind: str) -> None:
        self._root, self.where, self.kind = root, where, kind

    def _path(self, name: str) -> Path | None:
        at = self._root
        for part in plain(name, self.where).split("/"):
            at = at / part
            try:
                mode = os.lstat(at).st_mode
            except OSError:
                return None
            if stat.S_ISLNK(mode):
                raise StorageError("is a link; a database holds none", where=str(at), hint="Copy the files themselves")
        return at

    def size(self, name: str) -> int | None:
        at = self._path(name)
        return None if at is None else at.lstat().st_size

    def read(self, name: str, most: int) -> bytes:
        at = self._path(name)
        if at is None:
            raise StorageError("is not there", where=f"{self.where}, {name}")
        return read_small(at, most)


def _folder(path: Path) -> Tree:
    for inside in _INSIDE:
        root = path / inside
        if (root / MANIFEST).is_file():
            package = root.resolve().parent.parent
            tree = _Folder(root, str(path), "package" if package.name == "provenancekit" else "folder")
            if tree.kind == "package":
                tree.version, tree.licence = _beside(package.parent)
            return tree
    raise UsageError(f"no {MANIFEST} in it", where=str(path), hint=_HINT)


def _beside(folder: Path) -> tuple[str, str]:
    """What the package's metadata state; nothing if there is not exactly one of it."""
    try:
        found = [entry for entry in os.listdir(folder) if _METADATA.match(entry)]
        if len(found) == 1:
            return stated(read_small(folder / found[0] / "METADATA", _MAX_METADATA).decode("utf-8", "replace"))
    except (OSError, MpkError):
        pass
    return "", ""


# -- a wheel --------------------------------------------------------------------------------------------------------


class _Archive(Tree):
    def __init__(self, source: Source, path: Path, members: dict[str, zipfile.ZipInfo], inside: str) -> None:
        self._source, self._members, self._inside = source, members, inside
        self.where, self.kind = str(path), "wheel"

    def size(self, name: str) -> int | None:
        member = self._members.get(self._inside + plain(name, self.where))
        return None if member is None else member.file_size

    def read(self, name: str, most: int) -> bytes:
        member = self._members.get(self._inside + plain(name, self.where))
        if member is None:
            raise StorageError("is not there", where=f"{self.where}, {name}")
        return unpacked(self._source, member, self.where, most)


def _archive(source: Source, path: Path) -> Tree:
    members = {}
    try:
        listed = zips.members(source, str(path))
    except MalformedError as error:
        raise MalformedError(error.what, where=error.where, hint=_HINT) from None
    for member in listed:
        if not member.is_dir():
            members[plain(member.filename, f"{path}, a member's name")] = member
    for inside in reversed(_INSIDE):
        if inside + MANIFEST in members:
            tree = _Archive(source, path, members, inside)
            infos = [n for n in members if n.endswith("/METADATA") and _METADATA.match(n.split("/")[0])]
            if len(infos) == 1:
                data = unpacked(source, members[infos[0]], str(path), _MAX_METADATA)
                tree.version, tree.licence = stated(data.decode("utf-8", "replace"))
            return tree
    raise UsageError(f"holds no {MANIFEST}", where=str(path), hint=_HINT)


def unpacked(source: Source, member: zipfile.ZipInfo, file: str, most: int) -> bytes:
    """One member's bytes, stored or deflated; never more than it declares, and that never more than ``most``.

    Source of the format: APPNOTE.TXT 6.3.10 (PKWARE), sections 4.3.7 (local header) and 4.4.5 (methods).

    Raises:
        LimitError: It declares more.
        UnsupportedError: Encrypted, or another method.
        MalformedError: What it holds is not what the directory says.
    """
    where = f"{file}, member {member.filename[:200]!r}"
    if member.file_size > most:
        raise LimitError(f"{member.file_size} bytes; at most {most} are read", where=where)
    if member.flag_bits & 1 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnsupportedError("encrypted or packed by a method that wheels do not use", where=where)
    at = member.header_offset
    local = source.read(at, 30) if 0 <= at <= source.size - 30 else b""
    if local[:4] != b"PK\x03\x04":
        raise MalformedError("no local header where the directory says", where=where)
    name_length, extra_length = struct.unpack("<HH", local[26:30])
    start = at + 30 + name_length + extra_length
    if start + member.compress_size > source.size or member.compress_size > member.file_size + _SLACK:
        raise MalformedError(f"{member.compress_size} bytes from {start} in a file of {source.size}", where=where)
    data = source.read(start, member.compress_size)
    if member.compress_type == zipfile.ZIP_DEFLATED:
        engine = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            # One byte more than declared: what is longer shows itself without being unpacked.
            data = engine.decompress(data, member.file_size + 1)
        except zlib.error as error:
            raise MalformedError(f"cannot be unpacked ({error})", where=where) from None
        if not engine.eof:
            raise MalformedError("is cut short or longer than its directory says", where=where)
    if len(data) != member.file_size or zlib.crc32(data) != member.CRC:
        raise MalformedError("its bytes are not those that the directory's checksum is of", where=where)
    return data
