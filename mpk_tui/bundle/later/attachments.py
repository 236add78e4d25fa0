"""Attachments: written out under their ids, and found again beside a bundle that travels without them.

Nothing is opened, rendered or unpacked.  The name that an attachment once had is a display string of whoever made the
bundle: it is printed escaped and never becomes a path.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mpk_tui.bundle import limits
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.manifest import Manifest
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import LimitError, StorageError, UsageError
from mpk_tui.records import dataclass, replace

MOST_FILES = 10_000
"""Files below a folder that are held against missing attachments."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Attachment:
    """One attachment of a verified bundle.

    Attributes:
        id: Section id, ``doc.<n>``: the name of the file that is written.
        name: What it was called; for display only.  Empty where the index is withheld.
        media_type: As declared; for display only.
        sha256: Of its bytes.
        size: Bytes.
        data: Its bytes, or None where they are not in the file.
    """

    id: str
    name: str
    media_type: str
    sha256: bytes
    size: int
    data: bytes | None


def attachments(body: Manifest, contents: Contents) -> tuple[Attachment, ...]:
    """All attachments of a bundle that was verified, in the order of their ids."""
    index: Mapping[str, Any] = {row["id"]: row for row in contents.sections.get("docs", ())}
    return tuple(
        Attachment(
            entry.id, index.get(entry.id, {}).get("name", ""), index.get(entry.id, {}).get("media_type", ""),
            entry.digest, entry.size, contents.sections.get(entry.id),
        )
        for entry in body.sections
        if entry.family == "doc"
    )  # fmt: skip


def chosen(found: Iterable[Attachment], ids: Iterable[str]) -> tuple[Attachment, ...]:
    """Those that were asked for; without ids all that are in the file.

    Raises:
        UsageError: One is unknown or not in the file.
    """
    by_id = {a.id: a for a in found}
    wanted = tuple(dict.fromkeys(ids))
    for name in wanted:
        if name not in by_id:
            raise UsageError(f"the bundle has no attachment {name!r}", hint=f"It has {', '.join(by_id) or 'none'}")
        if by_id[name].data is None:
            raise UsageError(f"attachment {name!r} is not in the file", hint="It was withheld or travels beside it")
    return tuple(by_id[n] for n in wanted) if wanted else tuple(a for a in by_id.values() if a.data is not None)


def extract(chosen: Iterable[Attachment], folder: Path) -> None:
    """Write attachments into a new or empty folder, each under its id, mode 0600.

    Args:
        chosen: Attachments whose bytes are there.
        folder: Is made if it is not there.

    Raises:
        StorageError: A link, not a folder, not empty, or the operating system refused; what was written is removed.
    """
    where = str(folder)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        if stat.S_ISLNK(os.lstat(folder).st_mode):
            raise StorageError("is a symbolic link; refusing to write through it", where=where, hint="Name a folder")
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"cannot be used as a folder ({error.strerror})", where=where) from None
    written: list[str] = []
    try:
        if os.listdir(opened):
            raise StorageError("is not empty; attachments go to a new or empty folder", where=where)
        for one in chosen:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(one.id, flags, 0o600, dir_fd=opened)
            written.append(one.id)
            with os.fdopen(descriptor, "wb") as f:
                f.write(one.data or b"")
                f.flush()
                os.fsync(f.fileno())
        os.fsync(opened)
    except BaseException as error:
        for name in written:
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=opened)
        if isinstance(error, OSError):
            raise StorageError(
                f"cannot be written to ({error.strerror})", where=where, hint="Nothing was left behind"
            ) from None
        raise
    finally:
        os.close(opened)


def detach(envelope: Envelope) -> Envelope:
    """The bundle without the bytes of its attachments, which are to travel beside it; nothing is withheld by that."""
    return replace(envelope, blobs=tuple(b for b in envelope.blobs if not b.id.startswith("doc.")))


def beside(folder: Path) -> frozenset[tuple[bytes, int]]:
    """SHA-256 and size of every regular file below a folder; links are not followed, larger files passed over.

    Raises:
        StorageError: It is not a folder, or a file cannot be read.
        LimitError: More files than `MOST_FILES`.
    """
    if not folder.is_dir():
        raise StorageError("is not a folder", where=str(folder), hint="Name the folder with the attachments")
    found: set[tuple[bytes, int]] = set()
    count = 0
    for root, _, names in os.walk(folder, onerror=_refused, followlinks=False):
        for name in sorted(names):
            path = Path(root, name)
            facts = os.lstat(path)
            if not stat.S_ISREG(facts.st_mode) or facts.st_size > limits.BLOB_BYTES:
                continue
            count += 1
            if count > MOST_FILES:
                raise LimitError(f"more than {MOST_FILES} files", where=str(folder), hint="Name the folder itself")
            found.add(_digest(path))
    return frozenset(found)


def _digest(path: Path) -> tuple[bytes, int]:
    total = hashlib.sha256()
    with Source(path) as source:
        for at in range(0, source.size, _CHUNK):
            chunk = bytearray(min(_CHUNK, source.size - at))
            source.read_into(memoryview(chunk), at)
            total.update(chunk)
        source.check_unchanged()
        return total.digest(), source.size


def _refused(error: OSError) -> None:
    raise StorageError(f"cannot be read ({error.strerror})", where=str(error.filename))
