"""Reading a bundle file: regular files only, nothing read that is larger than the limit."""

from __future__ import annotations

from pathlib import Path

from mpk_tui.bundle import limits
from mpk_tui.checkpoint.reading import read_small


def read_bundle(path: Path) -> bytes:
    """All bytes of a bundle file; the same bytes are verified and used, it is never read twice.

    Raises:
        LimitError: It is larger than `limits.FILE_BYTES`; nothing was read.
        StorageError: A FIFO, device or folder; or it cannot be read, or changed while it was.
    """
    return read_small(path, limits.FILE_BYTES, follow=True)
