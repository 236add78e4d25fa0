"""The lock that lets one writer into a case.

An advisory lock of the operating system (flock) on the file ``lock``: it goes when its process goes, however that ends.
Where a file system offers none (some network shares), the case is opened for writing all the same, with a notice; the
journal's writer refuses to go on when somebody else wrote (`mpk_tui.case.journal.Writer.must_be_there`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from mpk_tui.errors import StorageError

LOCK = "lock"
_UNWRITABLE = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})


@dataclass(frozen=True)
class Taken:
    """The outcome of asking for the lock.

    Attributes:
        descriptor: Open file that holds it, or None: then nothing can be written.
        notice: What there is to say about it, or empty.
    """

    descriptor: int | None
    notice: str = ""


def take_lock(root: Path) -> Taken:
    """Ask for the lock of a case; never waits.

    Raises:
        StorageError: The lock file cannot be used for a reason that does not mean reading only.
    """
    path = root / LOCK
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno in _UNWRITABLE:
            return Taken(None, "The case lies on a medium that cannot be written; it is open for reading only.")
        if error.errno in _FULL:
            return Taken(None, "The disk is full; the case is open for reading only.")
        raise StorageError(f"cannot be opened ({error.strerror})", where=str(path)) from None
    notice = ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            holder = _holder(descriptor)
            os.close(descriptor)
            return Taken(None, f"The case is open elsewhere ({holder}); this opening is for reading only.")
        notice = (
            f"This file system offers no locks ({error.strerror}): make sure that nobody else has the case open. "
            "If somebody writes to it meanwhile, the next act here is refused."
        )
    with contextlib.suppress(OSError):  # a full disk must not keep a case from being opened; the name is a courtesy
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {os.uname().nodename[:80]}\n".encode(), 0)
    return Taken(descriptor, notice)


def _holder(descriptor: int) -> str:
    """Who wrote into the lock file: ``process 123`` and, where that is another machine, its name."""
    try:
        pid, _, host = os.pread(descriptor, 120, 0).decode("utf-8", "replace").strip().partition(" ")
    except OSError:
        pid = host = ""
    if not pid.isascii() or not pid.isdigit():
        return "another process"
    return f"process {pid} on {host}" if host and host != os.uname().nodename else f"process {pid}"
