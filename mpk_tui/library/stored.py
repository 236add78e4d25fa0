"""The fingerprint files of a library: each lies under the SHA-256 of its bytes and is believed for nothing else.

A file is written and synced before the row that names it is committed, and a row is gone before its file goes.  What a
transaction is about to write or delete is noted first (`PENDING`); so whoever writes next can tell what a crash left
behind from a file whose row was lost with a damaged database, and only the former is ever deleted.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import MalformedError, MpkError, StorageError
from mpk_tui.files import write_file
from mpk_tui.fingerprint import record
from mpk_tui.fingerprint.record import MAX_BYTES, SUFFIX, Fingerprint
from mpk_tui.hashtree import sha256

FOLDER = "fingerprints"
PENDING = "unconfirmed"
"""File in `FOLDER`: digests, one a line, of files that a transaction is about."""
TEMPORARY = 40
"""Characters of a file's name in that of the temporary file (`mpk_tui.files.write_file`)."""
_NAME = re.compile(rf"([0-9a-f]{{64}}){re.escape(SUFFIX)}\Z")
_MOST_PENDING = 8 << 20


def place(folder: Path, digest: bytes) -> Path:
    """Where the fingerprint file with that SHA-256 lies."""
    name = digest.hex()
    return folder / FOLDER / name[:2] / f"{name}{SUFFIX}"


def read(folder: Path, digest: bytes) -> Fingerprint:
    """The fingerprint with that SHA-256.

    Raises:
        StorageError: It is missing or cannot be read.
        MalformedError: The bytes are others.
    """
    path = place(folder, digest)
    if path.is_symlink():
        raise MalformedError("is a link; a file was expected", where=str(path))
    made = record.read(path)
    if made.digest != digest:
        raise MalformedError(
            f"the file's SHA-256 is {made.digest.hex()}, not its name", where=str(path),
            hint="It was altered; take it from where the library came from",
        )  # fmt: skip
    return made


def fault(folder: Path, digest: bytes) -> str:
    """What is wrong with the file under that SHA-256: ``missing``, ``altered`` (or unreadable), or nothing."""
    path = place(folder, digest)
    if not os.path.lexists(path):
        return "missing"
    try:
        return "" if sha256(read_small(path, MAX_BYTES)) == digest else "altered"
    except MpkError:  # a link, a folder, a bad block
        return "altered"


def write(folder: Path, fingerprint: Fingerprint) -> int:
    """Write a file whole and synced, unless it is there already.

    Returns:
        Its length in bytes.

    Raises:
        StorageError: It cannot be written.
        MalformedError: A folder on the way is a link.
    """
    data = fingerprint.to_bytes()
    path = place(folder, fingerprint.digest)
    _inside(folder, path.parent)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _note(folder, [fingerprint.digest])
        if not path.is_symlink() and path.is_file() and path.read_bytes() == data:
            return len(data)
    except OSError as error:
        raise StorageError(
            f"cannot be written ({error.strerror or error})", where=str(path.parent),
            hint="Nothing was added; make room or name another folder with --library",
        ) from None  # fmt: skip
    write_file(path, data)
    return len(data)


def replace(folder: Path, fingerprint: Fingerprint) -> None:
    """Write a file in the place of whatever stands there; a link is taken away and not followed.

    Raises:
        StorageError: It cannot be written.
        MalformedError: A folder on the way is a link.
    """
    path = place(folder, fingerprint.digest)
    _inside(folder, path.parent)
    if path.is_symlink():
        try:
            path.unlink()
        except OSError as error:
            raise StorageError(f"cannot be replaced ({error.strerror or error})", where=str(path)) from None
    write(folder, fingerprint)


def forget(folder: Path, digests: Iterable[bytes]) -> None:
    """Note that these files are to go once their rows are gone."""
    try:
        _note(folder, list(digests))
    except OSError as error:
        raise StorageError(f"cannot be written ({error.strerror or error})", where=str(folder)) from None


def settle(folder: Path, known: Callable[[bytes], bool]) -> list[Path]:
    """Delete what was noted and no row names, and the note; the caller is the only writer.

    Args:
        folder: The library.
        known: Whether a row names a digest.

    Returns:
        Files that were deleted.

    Raises:
        MalformedError: A folder on the way is a link: what lies behind it is another's.
    """
    note = folder / FOLDER / PENDING
    _inside(folder)
    gone = []
    for digest in pending(folder):
        if known(digest):
            continue
        path = place(folder, digest)
        _inside(folder, path.parent)
        for left in (path, *path.parent.glob(f".{path.name[:TEMPORARY]}.*")):
            with contextlib.suppress(OSError):
                left.unlink()
                gone.append(left)
    with contextlib.suppress(OSError):
        note.unlink()
    return gone


def pending(folder: Path) -> list[bytes]:
    """Digests that were noted: of a change that goes on, or of one that was broken off."""
    note = folder / FOLDER / PENDING
    try:
        with open(os.open(note, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as f:
            lines = f.read(_MOST_PENDING).split(b"\n")
    except OSError:
        return []
    out = []
    for line in dict.fromkeys(lines):
        try:
            digest = bytes.fromhex(line.decode("ascii"))
        except ValueError:
            continue  # a torn line: the file that it was about was not begun
        if len(digest) == 32:
            out.append(digest)
    return out


def files(folder: Path) -> Iterator[tuple[Path, bytes | None]]:
    """Everything below `FOLDER`, in order, with the digest that its name states, or None for what is out of place."""
    top = folder / FOLDER
    with contextlib.suppress(FileNotFoundError):
        for entry in sorted(os.scandir(top), key=lambda e: e.name):
            if entry.name == PENDING:
                continue
            if not entry.is_dir(follow_symlinks=False):
                yield Path(entry.path), None
                continue
            for inner in sorted(os.scandir(entry.path), key=lambda e: e.name):
                match = _NAME.match(inner.name)
                fits = match is not None and inner.name[:2] == entry.name and inner.is_file(follow_symlinks=False)
                yield Path(inner.path), bytes.fromhex(match[1]) if match is not None and fits else None


def _inside(library: Path, *more: Path) -> None:
    """Refuse to write or delete where a link leads out of the library; only its own folder may be one."""
    for folder in (library / FOLDER, *more):
        if folder.is_symlink():
            raise MalformedError(
                "is a link; nothing is written or deleted through it", where=str(folder),
                hint="Put the folder itself in its place; the library as a whole may lie behind a link",
            )  # fmt: skip


def _note(folder: Path, digests: list[bytes]) -> None:
    top = folder / FOLDER
    top.mkdir(parents=True, exist_ok=True)
    fresh = not (top / PENDING).exists()
    descriptor = os.open(top / PENDING, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        # A torn line of an earlier crash ends here.
        os.write(descriptor, b"".join(b"\n" + d.hex().encode() for d in digests) + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if fresh:
        directory = os.open(top, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
