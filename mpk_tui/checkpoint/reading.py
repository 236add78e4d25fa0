"""Opening and reading files that nobody vouches for: regular files only, positional, bounded, watched for change."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from mpk_tui.errors import LimitError, StorageError, UnstableFileError

if TYPE_CHECKING:
    from mpk_tui.checkpoint.model import FileEntry

CACHE_LINK = "cache"
"""Link class of a Hugging Face cache snapshot, ``snapshots/REV/name -> ../../blobs/HASH``; the only one followed."""


class Source:
    """A regular file, open for positional reads; a context manager.

    Attributes:
        where: Its path for messages.
        size: Bytes when it was opened.
        facts: What the system said of it then.
    """

    def __init__(self, path: Path, where: str | None = None, *, follow: bool = False) -> None:
        """Open ``path``.

        Args:
            path: File to open; FIFOs, devices, folders and (unless ``follow``) links are refused before any read.
            where: How messages name it.
            follow: Follow a link in the last component.
        """
        self.where = where or str(path)
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
        try:
            # Looking first keeps us from opening a device whose mere opening does something.
            if not stat.S_ISREG((os.stat(path) if follow else os.lstat(path)).st_mode):
                raise StorageError("is not a regular file", where=self.where)
            self._fd = os.open(path, flags)
        except OSError as error:
            raise StorageError(f"cannot be opened ({error.strerror or error})", where=self.where) from None
        try:
            facts = os.fstat(self._fd)
            if not stat.S_ISREG(facts.st_mode):
                raise StorageError("is not a regular file", where=self.where)
        except BaseException:
            os.close(self._fd)
            raise
        self.size, self.facts = facts.st_size, facts
        self._identity = _identity(facts)

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; harmless when repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def read_into(self, view: memoryview, at: int) -> None:
        """Fill ``view`` with the bytes from ``at`` on.

        Raises:
            UnstableFileError: The file ends before the view is full.
            StorageError: The operating system refused the read.
        """
        filled = 0
        while filled < len(view):
            try:
                n = os.preadv(self._fd, [view[filled:]], at + filled)
            except OSError as error:
                raise StorageError(
                    f"cannot be read at byte {at + filled} ({error.strerror or error})",
                    where=self.where,
                    hint="Is the drive still there?",
                ) from None
            if n == 0:
                raise UnstableFileError(
                    f"ends at byte {at + filled}, where more was expected",
                    where=self.where,
                    hint="It is cut short or was changed while it was read; copy it to a quiet place and start again",
                )
            filled += n

    def read(self, at: int, count: int) -> bytes:
        """``count`` bytes from ``at`` on."""
        buffer = bytearray(count)
        self.read_into(memoryview(buffer), at)
        return bytes(buffer)

    def check_unchanged(self) -> os.stat_result:
        """Raise if size, modification time or inode are not what they were at the opening; what they are now.

        Raises:
            UnstableFileError: They differ.
        """
        now = os.fstat(self._fd)
        if _identity(now) != self._identity:
            raise UnstableFileError(
                "changed while it was read",
                where=self.where,
                hint="Nothing was recorded; copy it to a quiet place and start again",
            )
        return now


def _identity(facts: os.stat_result) -> tuple[int, int, int, int]:
    return facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_dev


def open_entry(places: Path | Mapping[str, Path], entry: FileEntry) -> Source:
    """Open a listed file; a link only if it is one of the accepted cache links.

    Args:
        places: The folder that the entry's path starts from, or for a composite of several checkpoints the folders by
            the first components of the path; the longest that fits counts.
        entry: From the listing.

    Raises:
        StorageError: It is no regular file, or its size is not the listed one.
    """
    source = Source(_place(places, entry.path), entry.path, follow=entry.link_class == CACHE_LINK)
    if source.size != entry.size:
        source.close()
        raise UnstableFileError(
            f"has {source.size} bytes, {entry.size} when the folder was listed",
            where=entry.path,
            hint="It is being written; wait until it is complete",
        )
    return source


def _place(places: Path | Mapping[str, Path], path: str) -> Path:
    if isinstance(places, Path):
        return places / path
    for prefix in sorted(places, key=len, reverse=True):
        if path.startswith(f"{prefix}/"):
            return places[prefix] / path[len(prefix) + 1 :]
    raise StorageError(f"lies below none of {', '.join(places)}", where=path)


def read_small(path: Path, limit: int, where: str | None = None, *, follow: bool = False) -> bytes:
    """A whole small file.

    Raises:
        LimitError: It is larger than ``limit`` bytes.
        StorageError: It cannot be read.
    """
    with Source(path, where, follow=follow) as source:
        if source.size > limit:
            raise LimitError(f"{source.size} bytes; at most {limit} are read", where=source.where)
        data = source.read(0, source.size)
        source.check_unchanged()
        return data
