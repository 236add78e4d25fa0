"""Cases that were opened lately: their folders, and nothing else, in a file that only its owner reads.

It lies in the person's data folder, is never part of a case or a bundle, and can be forgotten from Home.  It is a
courtesy: where it cannot be read or written there is none, and nothing fails.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from mpk_tui.errors import MpkError
from mpk_tui.files import data_folder, write_file

MOST = 20
_MOST_BYTES = 1 << 18


def file() -> Path:
    """Where the list lies."""
    return data_folder() / "recent.json"


def recent() -> list[Path]:
    """Folders, the last one first; ones that are gone stay out."""
    return [p for p in _read() if (p / "journal.mpkj").is_file()]


def remember(folder: Path) -> None:
    """Put a case at the head of the list."""
    path = Path(os.path.abspath(folder))
    with contextlib.suppress(MpkError, OSError, UnicodeError):
        _write([path, *(p for p in _read() if p != path)][:MOST])


def forget(*folders: Path) -> None:
    """Take some off the list, or all of them.

    Raises:
        StorageError: The list cannot be written.
    """
    left = [p for p in _read() if p not in folders] if folders else []
    if left:
        _write(left)
    else:
        file().unlink(missing_ok=True)


def _read() -> list[Path]:
    try:
        if file().is_symlink() or file().stat().st_size > _MOST_BYTES:
            return []
        value = json.loads(file().read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    listed = value.get("cases") if isinstance(value, dict) else None
    if not isinstance(listed, list):
        return []
    return [Path(p) for p in listed if isinstance(p, str) and os.path.isabs(p)][:MOST]


def _write(folders: list[Path]) -> None:
    file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_file(file(), json.dumps({"cases": [str(p) for p in folders]}).encode("utf-8"), mode=0o600)
