"""Reading a bundle file: regular files only, nothing read that is larger than the limit."""

from __future__ import annotations

from pathlib import Path

from mpk_tui.bundle.limits import DEFAULT, Bounds
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import LimitError


def read_bundle(path: Path, bounds: Bounds = DEFAULT) -> bytes:
    """All bytes of a bundle file; the same bytes are verified and used, it is never read twice.

    Raises:
        LimitError: It is larger than ``bounds.file_bytes``; nothing was read.
        StorageError: A FIFO, device or folder; or it cannot be read, or changed while it was.
    """
    try:
        return read_small(path, bounds.file_bytes, follow=True)
    except LimitError as error:
        raise LimitError(f"{error.what} (limit file_bytes)", where=error.where) from None
