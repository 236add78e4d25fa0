"""Hashes of finished files, kept while a checkpoint is hashed, so that an interrupted run need not begin again.

File: frames ``u32be length | canonical record | 32-byte chain head``, each synced, as a case's journal has them.  The
first record is ``["MPKP1", tool, bound, began]``; ``bound`` is a digest of what the file belongs to (a case, an
artifact and how it is opened), ``began`` the start of the run in milliseconds since 1970, UTC.  Every other record is
one finished file: ``[path, device, inode, size, mtime_ns, ctime_ns, at, sha256, tensors]``, a tensor being ``[name,
dtype, shape, offset, bytes, sha256]``.

A kept hash is taken in place of a read if device, inode, size, modification time and change time of the file are what
they were, if it lists the same tensors at the same places, and if the file had been at rest for `SETTLED` seconds when
it was read (else a change within one tick of the file system's clock would not show).  So what is believed is the file
system: that nobody wrote to the file without its change time moving.  Writing to the block device below, or setting
the machine's clock back, goes unseen; whoever fears that starts afresh, and ``case rehash`` always reads everything.
The chain finds damage, not forgery: who can write into a case's folder could write its journal as well.  For the same
reason nothing is taken in silence: `Resumed` goes into the job's line, the journal and the bundle.

Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui import __version__, canonical, hashtree
from mpk_tui.checkpoint.model import Tensor
from mpk_tui.errors import MpkError
from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.text import size

MAGIC = "MPKP1"
SUFFIX = ".mpkp"
SETTLED = 2.0
"""Seconds since the last change of a file, so that its times tell (FAT counts modification in steps of two)."""
SMALLEST = 1 << 20
"""Bytes below which reading a file again is cheaper than a synced record of it."""
MAX_BYTES = 256 << 20
MAX_FRAME = 64 << 20
BY = "device, inode, size, modification and change time"
_CHAIN = 32


@dataclass(frozen=True)
class Resumed:
    """What was taken from an earlier run, for the journal and for people.

    Attributes:
        files: Files whose hashes were taken.
        of: Files with content.
        nbytes: Bytes of the files taken.
        all_bytes: Bytes of all.
        began: Start of the earlier run, milliseconds since 1970, UTC; a claim of the machine's clock.
    """

    files: int
    of: int
    nbytes: int
    all_bytes: int
    began: int

    def sentence(self) -> str:
        """The whole of it."""
        return (
            f"hashes of {self.files} of {self.of} files ({size(self.nbytes)} of {size(self.all_bytes)}) were taken "
            f"from an interrupted run begun {_minute(self.began)} UTC, not read again; unchanged by {BY}"
        )

    def stage(self) -> str:
        """The few words that fit a job's line."""
        return f"hashing ({self.files} of {self.of} files kept from {_minute(self.began)} UTC)"

    def record(self) -> dict[str, Any]:
        """The plain form for a journal."""
        return {
            "files": self.files, "of": self.of, "bytes": self.nbytes, "all_bytes": self.all_bytes,
            "began": self.began, "by": BY,
        }  # fmt: skip


@dataclass(frozen=True)
class _File:
    facts: tuple[int, int, int, int, int]
    digest: bytes
    tensors: tuple[tuple[str, str, tuple[int, ...], int, int, bytes], ...]


class KeptHashes:
    """Kept hashes of one checkpoint; a context manager.  Faults of its own file never stop the hashing.

    Args:
        path: Its file; made when first needed, in a folder that is made as well.
        bound: Digest of what it belongs to; a file that is bound to something else is not believed.
        afresh: Believe nothing of an earlier run.

    Attributes:
        notices: What was not believed, or why nothing is kept, as sentences.
        resumed: What `hash_checkpoint` took from it, or None.
    """

    def __init__(self, path: Path, bound: bytes, *, afresh: bool = False) -> None:
        self.notices: list[str] = []
        self.resumed: Resumed | None = None
        self.began = time.time_ns() // 1_000_000
        self._path, self._bound, self._afresh = path, bound, afresh
        self._lock = threading.Lock()
        self._files: dict[bytes, _File] = {}
        self._fd = -1

    def __enter__(self) -> KeptHashes:
        try:
            self._open()
        except OSError as error:
            self._give_up(f"no hashes are kept for a later run ({error.strerror or error})")
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def discard(self) -> None:
        """Forget everything: what it was kept for is recorded elsewhere, or a person wants it read again."""
        self._files.clear()
        with suppress(OSError):
            self._path.unlink()

    def find(
        self, path: str, facts: os.stat_result, tensors: Sequence[Tensor]
    ) -> tuple[bytes, list[TensorHash]] | None:
        """The hashes of a file as it was read before, or None if it must be read.

        Args:
            path: As the checkpoint lists it.
            facts: Of the open file.
            tensors: What the checkpoint lists in it.
        """
        kept = self._files.get(_name(path))
        if kept is None or kept.facts != _facts(facts):
            return None
        if sorted((n, d, s, o, b) for n, d, s, o, b, _ in kept.tensors) != sorted(map(_place, tensors)):
            return None
        return kept.digest, [TensorHash(n, d, s, b, digest) for n, d, s, _, b, digest in kept.tensors]

    def keep(
        self,
        path: str,
        before: os.stat_result,
        after: os.stat_result,
        began_ns: int,
        digest: bytes,
        tensors: Sequence[Tensor],
        hashes: Sequence[TensorHash],
    ) -> None:
        """Keep the hashes of a file that was read to its end; safe from any thread.

        Args:
            path: As the checkpoint lists it.
            before: Of the open file, before its first byte was read.
            after: After its last.
            began_ns: `time.time_ns` before its first byte was read.
            digest: SHA-256 of the file.
            tensors: What the checkpoint lists in it.
            hashes: Of those.
        """
        rested = began_ns - max(before.st_mtime_ns, before.st_ctime_ns) >= SETTLED * 1e9
        if self._fd < 0 or before.st_size < SMALLEST or not rested or _facts(before) != _facts(after):
            return
        by_name = {h.name: h.sha256 for h in hashes}
        rows = [[t.name, t.dtype, list(t.shape), t.offset, t.nbytes, by_name[t.name]] for t in tensors]
        record = [_name(path), *_facts(before), time.time_ns() // 1_000_000, digest, rows]
        with self._lock:
            try:
                self._append(canonical.encode(record))
            except MpkError as error:  # a name without UTF-8: it will be refused where it matters
                self._give_up(f"the hashes of {path!r} are not kept for a later run ({error.what})")
            except OSError as error:
                self._give_up(f"no more hashes are kept for a later run ({error.strerror or error})")

    def took(self, files: int, of: int, nbytes: int, all_bytes: int) -> Resumed | None:
        """Note what was taken; None if nothing was."""
        self.resumed = Resumed(files, of, nbytes, all_bytes, self.began) if files else None
        return self.resumed

    # -- the file ---------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        self._fd = os.open(self._path, flags, 0o600)
        if not stat.S_ISREG(os.fstat(self._fd).st_mode):
            self._give_up(f"{self._path.name} is not a regular file; no hashes are kept for a later run")
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._give_up("another process hashes this artifact; nothing of it is taken, and none are kept")
            return
        self._head, self._end = hashtree.chain_start(), 0
        self._read()
        os.ftruncate(self._fd, self._end)
        if not self._end:
            self._files.clear()
            self.began = time.time_ns() // 1_000_000
            self._append(canonical.encode([MAGIC, f"mpk-tui {__version__}", self._bound, self.began]))

    def _read(self) -> None:
        """Take over what an earlier run kept, as far as it is whole and belongs here."""
        length = os.fstat(self._fd).st_size
        if not length or self._afresh:
            return
        if length > MAX_BYTES:
            self.notices.append(f"kept hashes of {length} bytes are more than a run keeps; all files are read again")
            return
        data = b""
        while len(data) < length and (piece := os.pread(self._fd, length - len(data), len(data))):
            data += piece
        try:
            frames, self._head, self._end = _frames(data)
            self._take(frames)
        except (MpkError, ValueError) as error:
            reason = error.what if isinstance(error, MpkError) else str(error)
            self._head, self._end = hashtree.chain_start(), 0
            self.notices.append(f"kept hashes are not believed ({reason}); all files are read again")

    def _take(self, frames: list[bytes]) -> None:
        if not frames:
            return
        head = canonical.decode(frames[0], where=self._path.name)
        if not (isinstance(head, list) and len(head) == 4 and head[0] == MAGIC and isinstance(head[3], int)):
            raise ValueError("not of this kind")
        if head[1] != f"mpk-tui {__version__}":
            raise ValueError("made by another version")
        if head[2] != self._bound:
            raise ValueError("made for another case, another artifact or another way to open it")
        self._files = dict(_file(canonical.decode(f, where=self._path.name)) for f in frames[1:])
        self.began = head[3]

    def _append(self, raw: bytes) -> None:
        if self._fd < 0 or len(raw) > MAX_FRAME or self._end + len(raw) > MAX_BYTES:
            return
        head = hashtree.chain_link(self._head, hashtree.sha256(raw))
        frame = len(raw).to_bytes(4, "big") + raw + head
        written = 0
        while written < len(frame):
            written += os.pwrite(self._fd, frame[written:], self._end + written)
        os.fsync(self._fd)
        self._head, self._end = head, self._end + len(frame)

    def _give_up(self, sentence: str) -> None:
        self.notices.append(sentence)
        if self._fd >= 0:
            with suppress(OSError):  # an incomplete frame at the end would be dropped by the next reader anyway
                os.ftruncate(self._fd, self._end)
            os.close(self._fd)
            self._fd = -1

    _head: bytes = b""
    _end: int = 0


def _frames(data: bytes) -> tuple[list[bytes], bytes, int]:
    """Whole frames, the chain head after them and where they end; an incomplete last one is left out.

    Raises:
        ValueError: One that is not the last does not fit the chain.
    """
    frames: list[bytes] = []
    head, at = hashtree.chain_start(), 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 4 + length + _CHAIN
        if len(data) - at < 4 or length > MAX_FRAME or end > len(data):
            break
        raw = data[at + 4 : end - _CHAIN]
        link = hashtree.chain_link(head, hashtree.sha256(raw))
        if link != data[end - _CHAIN : end]:
            if end == len(data):
                break
            raise ValueError(f"record {len(frames)} does not fit its chain")
        frames.append(raw)
        head, at = link, end
    return frames, head, at


def _file(value: Any) -> tuple[bytes, _File]:
    """One record, its shape checked.

    Raises:
        ValueError: It is none.
    """
    wrong = ValueError("a record of another form")
    if not (isinstance(value, list) and len(value) == 9 and isinstance(value[0], bytes)):
        raise wrong
    name, *facts, _, digest, rows = value
    if not all(type(f) is int for f in facts) or not _digest(digest) or not isinstance(rows, list):
        raise wrong
    tensors = []
    for row in rows:
        if not (isinstance(row, list) and len(row) == 6 and isinstance(row[2], list) and _digest(row[5])):
            raise wrong
        kinds = (str, str, list, int, int, bytes)
        if any(type(x) is not k for x, k in zip(row, kinds, strict=True)) or any(type(d) is not int for d in row[2]):
            raise wrong
        tensors.append((row[0], row[1], tuple(row[2]), row[3], row[4], row[5]))
    return name, _File((facts[0], facts[1], facts[2], facts[3], facts[4]), digest, tuple(tensors))


def _minute(ms: int) -> str:
    """A moment of the machine's clock, to the minute, in UTC; one that is none as it stands in the file."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.gmtime(ms // 1000))
    except (OverflowError, OSError, ValueError):
        return f"{ms} ms"


def _digest(value: Any) -> bool:
    return isinstance(value, bytes) and len(value) == 32


def _facts(s: os.stat_result) -> tuple[int, int, int, int, int]:
    return s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns


def _place(t: Tensor) -> tuple[str, str, tuple[int, ...], int, int]:
    return t.name, t.dtype, t.shape, t.offset, t.nbytes


def _name(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def binding(parts: Mapping[str, Any]) -> bytes:
    """Digest of what kept hashes belong to.

    Args:
        parts: Plain values that name it.
    """
    return hashtree.sha256(canonical.encode(dict(parts)))
