"""The journal: append-only frames, each synced, each bound to all before it.

Frame: ``u32be length | canonical entry | 32-byte chain head``.  Entries are exactly the log entries of the bundle
format, so a case's journal becomes a bundle's log without translation.  A torn last frame (power loss, kill -9,
full disk) is set aside and told; a frame in the middle that does not fit its chain is refused.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui import __version__, canonical, hashtree
from mpk_tui.errors import LimitError, MalformedError, StorageError

MAX_ENTRIES = 100_000
MAX_ENTRY = 8 << 20
MAX_BYTES = 1 << 30
FIELDS = frozenset({"seq", "at", "clock", "who", "role", "act", "obj", "tool", "params", "result", "note", "salt"})


@dataclass(frozen=True)
class Entry:
    """One act, as it is journalled and later signed.

    Attributes:
        seq: 0, 1, 2, ...
        at: Milliseconds since the Unix epoch, UTC; a claim of this machine's clock.
        who: Person.
        role: Their role.
        act: What was done.
        obj: SHA-256 of what it was done to, or None.
        params: What was given.
        result: What came out, or None.
        note: Free text.
        raw: Canonical bytes.
    """

    seq: int
    at: int
    who: str
    role: str
    act: str
    obj: bytes | None
    params: Mapping[str, Any]
    result: Any
    note: str
    raw: bytes


def make_entry(
    seq: int,
    who: str,
    role: str,
    act: str,
    params: Mapping[str, Any],
    obj: bytes | None,
    result: Any,
    note: str,
    after: int = 0,
) -> Entry:
    """A new entry with the time of now (never before ``after``) and a salt of its own."""  # fmt: skip
    at = max(after, time.time_ns() // 1_000_000)
    record = {
        "seq": seq,
        "at": at,
        "clock": {"source": "system", "utc_offset": -(time.altzone if time.localtime().tm_isdst else time.timezone),
                  "trusted": False},
        "who": who,
        "role": role,
        "act": act,
        "obj": obj,
        "tool": f"mpk-tui {__version__}",
        "params": dict(params),
        "result": result,
        "note": note,
        "salt": secrets.token_bytes(16),
    }  # fmt: skip
    raw = canonical.encode(record)
    if len(raw) > MAX_ENTRY:
        raise LimitError(
            f"an entry of {len(raw)} bytes (at most {MAX_ENTRY})", where=act, hint="Attach long text as a file"
        )
    return read_entry(raw, "entry")


def read_entry(raw: bytes, where: str) -> Entry:
    """Decode one entry.

    Raises:
        MalformedError: Not canonical, or fields are missing, unknown or of the wrong type.
    """
    value = canonical.decode(raw, where=where)
    if not isinstance(value, dict) or value.keys() != FIELDS:
        raise MalformedError("not a log entry: other fields than the format's", where=where)
    types: dict[str, Any] = {
        "seq": int, "at": int, "clock": dict, "who": str, "role": str, "act": str, "obj": (bytes, type(None)),
        "tool": str, "params": dict, "note": str, "salt": bytes,
    }  # fmt: skip
    for name, kind in types.items():
        if not isinstance(value[name], kind) or (kind is int and isinstance(value[name], bool)):
            raise MalformedError(f"field {name!r} has the wrong type", where=where)
    if value["seq"] < 0 or value["at"] < 0 or len(value["salt"]) != 16 or (value["obj"] or b"x" * 32).__len__() != 32:
        raise MalformedError("a field outside its range", where=where)
    return Entry(
        value["seq"], value["at"], value["who"], value["role"], value["act"], value["obj"], value["params"],
        value["result"], value["note"], raw,
    )  # fmt: skip


@dataclass(frozen=True)
class Journal:
    """A journal as read.

    Attributes:
        entries: In order.
        head: Chain head after the last entry.
        length: Bytes of whole frames.
        torn: Bytes after them that are no whole frame.
    """

    entries: tuple[Entry, ...]
    head: bytes
    length: int
    torn: bytes


def read_journal(path: Path) -> Journal:
    """Read and check all frames.

    Raises:
        MalformedError: A frame does not fit its chain; the message names its number.
        StorageError: The file cannot be read.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise LimitError(f"a journal of more than {MAX_BYTES} bytes", where=str(path))
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot be read ({error.strerror})", where=str(path)) from None
    entries: list[Entry] = []
    head, at = hashtree.chain_start(), 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 4 + length + 32
        if len(data) - at < 4 or end > len(data) or length > MAX_ENTRY:
            break
        where = f"{path.name}, entry {len(entries)}"
        raw, stored = data[at + 4 : end - 32], data[end - 32 : end]
        link = hashtree.chain_link(head, hashtree.sha256(raw))
        if link != stored:
            if end == len(data):
                break  # the last frame was written in part over old blocks: torn, not altered
            raise MalformedError(
                "does not fit the chain of the entries before it",
                where=where,
                hint="The journal was altered or damaged; restore the folder from a copy",
            )
        entry = read_entry(raw, where)
        if entry.seq != len(entries):
            raise MalformedError(f"carries number {entry.seq}", where=where)
        entries.append(entry)
        head, at = link, end
        if len(entries) > MAX_ENTRIES:
            raise LimitError(f"more than {MAX_ENTRIES} entries", where=str(path))
    return Journal(tuple(entries), head, at, data[at:])


class Writer:
    """Appends frames; holds the file open and knows where its last whole frame ends."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self._path = path
        self._head, self._length, self._count = journal.head, journal.length, len(journal.entries)
        self._fd = -1
        self._torn = False
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            os.ftruncate(self._fd, self._length)
            if not journal.entries:
                _sync_folder(path.parent)  # a new file's name must survive a power loss too
        except OSError as error:
            self.close()
            raise StorageError(f"cannot be opened for writing ({error.strerror})", where=str(path)) from None

    def must_be_there(self) -> None:
        """Refuse to write where the journal is no longer the file that was opened, or no longer as it was left.

        A drive that was unplugged, a folder that was renamed or restored, a second writer where locks do not work:
        an act written then would be lost with the file, or tear somebody else's.

        Raises:
            StorageError: Says which of these it is.
        """
        hint = "The last act was not recorded. Close the case, find out why, and open it again where it is now"
        try:
            if self._torn:
                os.ftruncate(self._fd, self._length)
                self._torn = False
            mine, there = os.fstat(self._fd), os.stat(self._path, follow_symlinks=False)
        except OSError as error:
            raise StorageError(
                f"is no longer there ({error.strerror}): was the drive unplugged, or the folder moved?",
                where=str(self._path), hint=hint,
            ) from None  # fmt: skip
        if (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino) or mine.st_nlink == 0:
            raise StorageError("is another file than the one that was opened", where=str(self._path), hint=hint)
        if there.st_size != self._length:
            raise StorageError(
                f"was changed by somebody else: {there.st_size} bytes, and this opening left {self._length}",
                where=str(self._path), hint=hint,
            )  # fmt: skip

    def append(self, entry: Entry) -> bytes:
        """Write and sync one frame; on failure the file is cut back to its last whole frame.

        Returns:
            The chain head after it.

        Raises:
            StorageError: The disk is full or gone, or the journal is not as it was left; nothing of the entry was kept.
            LimitError: The journal is full.
        """
        if self._count >= MAX_ENTRIES or self._length + len(entry.raw) + 36 > MAX_BYTES:
            raise LimitError(
                f"holds {self._count} entries in {self._length} bytes; it can take no more", where=str(self._path),
                hint="Begin another case",
            )  # fmt: skip
        self.must_be_there()
        head = hashtree.chain_link(self._head, hashtree.sha256(entry.raw))
        frame = len(entry.raw).to_bytes(4, "big") + entry.raw + head
        try:
            self._torn, written = True, 0
            while written < len(frame):
                written += os.pwrite(self._fd, frame[written:], self._length + written)
            os.fsync(self._fd)
        except OSError as error:
            with contextlib.suppress(OSError):  # else it is cut before the next act, or told at the next opening
                os.ftruncate(self._fd, self._length)
                self._torn = False
            raise StorageError(
                f"cannot be written ({error.strerror})",
                where=str(self._path),
                hint="The last act was not recorded, everything before it was; make room and repeat it",
            ) from None
        self._torn = False
        self._head, self._length, self._count = head, self._length + len(frame), self._count + 1
        return head

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_aside(path: Path, journal: Journal) -> str:
    """Move a torn tail to a file of its own and return a sentence about it."""
    target = path.with_name(f"journal.torn-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    try:
        with open(target, "xb") as f:
            f.write(journal.torn)
            f.flush()
            os.fsync(f.fileno())
    except FileExistsError:
        pass
    except OSError as error:
        raise StorageError(f"cannot be written ({error.strerror})", where=str(target)) from None
    return (
        f"The journal ended in {len(journal.torn)} bytes of an act that was not written to its end; they were set "
        f"aside in {target.name}. All {len(journal.entries)} acts before it are intact."
    )
