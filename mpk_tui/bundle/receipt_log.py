"""The file in which a verifier keeps its receipts: appended to, never rewritten, and never a reason to fail.

One line is written at once under a lock, so that two verifiers do not mix and a crash costs at most the last line; the
next writer closes a torn line and goes on behind it.  A file that has grown to `MOST_BYTES` is set aside under its
name and a number, and the new one continues its chain.  Reading takes the file and the newest one set aside.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from mpk_tui import __version__
from mpk_tui.bundle import receipts
from mpk_tui.bundle.outcome import Outcome
from mpk_tui.bundle.receipts import History, Receipt, receipt_of
from mpk_tui.hashtree import sha256
from mpk_tui.records import replace

try:
    import fcntl
except ImportError:  # no such module outside POSIX: then nothing is written
    fcntl = None  # type: ignore[assignment]

VERIFIER = f"mpk-tui {__version__}"
MOST_BYTES = 1 << 20
"""About two thousand receipts; twice as many are remembered."""
_TRIES, _PAUSE = 25, 0.02  # half a second: a verification that waits longer for a receipt is not worth it


def load(path: Path) -> History:
    """What the receipts at hand say.  Whatever is wrong with them becomes a notice.

    Args:
        path: The log's file; it need not be there.
    """
    lines: list[bytes] = []
    notices: list[str] = []
    start: bytes | None = receipts.GENESIS
    try:
        older = _newest_aside(path)
        for one in (*([older] if older is not None else []), path):
            data, whole = _read(one)
            if not whole or one == older:
                start = None  # what stood before is not at hand
            if not whole:
                notices.append(f"{one}: larger than a receipt log is; only its end was read")
            rows = data.removesuffix(b"\n").split(b"\n") if data else []
            lines += rows if whole else rows[1:]
    except FileNotFoundError:
        pass
    except OSError as error:
        return History((), (f"the receipt log cannot be read ({path}: {error.strerror or error})",))
    history = receipts.read(lines, start)
    return History(history.lines, (*notices, *history.notices))


def history(path: Path | None) -> History:
    """What a log says; without one, nothing."""
    return History() if path is None else load(path)


def keep(path: Path | None, outcome: Outcome, known: History, data: bytes, at: int) -> Outcome:
    """Write down what a verification found; what is odd about the log becomes a notice.

    Args:
        path: The log, or None.
        outcome: What was found.
        known: What the log said before.
        data: The file that was verified.
        at: The verifier's clock, milliseconds.
    """
    if path is None:
        return outcome
    file = sha256(data)
    why = append(path, lambda number, prev: receipt_of(outcome, file, at, VERIFIER, number, prev))
    return replace(outcome, notices=(*outcome.notices, *known.notices, *([why] if why else [])))


def append(path: Path, make: Callable[[int, bytes], Receipt]) -> str:
    """Write one receipt.

    Args:
        path: The log's file; it and its folder are made if they are not there.
        make: Makes the receipt from the number of the line and the SHA-256 of the line before.

    Returns:
        Why none was written; empty if it was.
    """
    if fcntl is None:
        return "no receipt was kept: this system has no file locks"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for _ in range(_TRIES):
            if _append(path, make):
                return ""
            time.sleep(_PAUSE)
    except OSError as error:
        return f"no receipt was kept ({path}: {error.strerror or error})"
    return f"no receipt was kept ({path}: another verification holds it)"


def _append(path: Path, make: Callable[[int, bytes], Receipt]) -> bool:
    descriptor = _open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if not _still_named(path, descriptor):
            return False  # it was set aside while we waited for it
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, MOST_BYTES, max(0, size - MOST_BYTES))
        number, prev = _next(tail)
        line = make(number, prev).line()
        if size + len(line) > MOST_BYTES:
            _set_aside(path, number, line)
            return True
        torn = b"\n" if tail and not tail.endswith(b"\n") else b""
        written = os.write(descriptor, torn + line)
        if written < len(torn + line):
            os.ftruncate(descriptor, size)
            raise OSError(28, "no space left")
        os.fsync(descriptor)
        return True
    finally:
        os.close(descriptor)


def _next(tail: bytes) -> tuple[int, bytes]:
    """Number of the next line and the SHA-256 that it names."""
    if not tail:
        return 0, receipts.GENESIS
    lines = tail.removesuffix(b"\n").split(b"\n")
    known = (receipts.parse(line) for line in reversed(lines))
    last = next((one for one in known if one is not None), None)
    return (last.number + 1 if last else len(lines)), sha256(lines[-1])


def _set_aside(path: Path, number: int, line: bytes) -> None:
    """Start a new file with ``line``; there is no moment at which the log has no file."""
    aside = path.with_name(f"{path.name}.{number:08d}")
    fresh = path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = _open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(path, aside, follow_symlinks=False)
    except OSError:  # a file system without hard links
        os.rename(path, aside)
    os.replace(fresh, path)


def _open(path: Path, flags: int) -> int:
    """Open a regular file, without following a link and without waiting for a FIFO."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(22, "is not a regular file")
    return descriptor


def _still_named(path: Path, descriptor: int) -> bool:
    try:
        a, b = os.lstat(path), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)


def _read(path: Path) -> tuple[bytes, bool]:
    """The file, or its end if it is larger than it should be."""
    descriptor = _open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        most = MOST_BYTES + receipts.LINE_BYTES
        return os.pread(descriptor, most, max(0, size - most)), size <= most
    finally:
        os.close(descriptor)


def _newest_aside(path: Path) -> Path | None:
    """The log that was set aside last."""
    head = f"{path.name}."
    try:
        with os.scandir(path.parent) as entries:
            names = [e.name for e in entries if e.name.startswith(head) and e.name[len(head) :].isdecimal()]
    except OSError:
        return None
    return path.with_name(max(names, key=lambda n: int(n[len(head) :]))) if names else None
