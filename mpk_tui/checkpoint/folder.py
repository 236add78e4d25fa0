"""What lies in a checkpoint's folder.  Links are recorded, never followed out."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mpk_tui.checkpoint.model import FileEntry
from mpk_tui.checkpoint.reading import CACHE_LINK
from mpk_tui.errors import LimitError, StorageError
from mpk_tui.progress import CancelToken

MAX_ENTRIES = 100_000
MAX_DEPTH = 32
_CACHE_DEPTH = 8
"""Folders below a snapshot's own whose links are looked at; repositories of several models have one or two."""
INDEX = "model.safetensors.index.json"


def list_folder(root: Path, cancel: CancelToken | None = None, *, deep: bool = True) -> tuple[FileEntry, ...]:
    """Every entry below ``root``, sorted by path; empty folders too.  No link is followed.

    Args:
        root: The folder.
        cancel: Polled between folders.
        deep: Folders in it are listed too; else they are left out.

    Raises:
        StorageError: A folder cannot be read.
        LimitError: More entries or deeper nesting than we accept.
    """
    cancel = cancel or CancelToken()
    found: list[FileEntry] = []

    def walk(folder: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise LimitError(f"folders nested deeper than {MAX_DEPTH}", where=folder)
        cancel.check()
        try:
            with os.scandir(root / folder) as entries:
                listed = sorted(entries, key=lambda e: os.fsencode(e.name))
        except OSError as error:
            raise StorageError(f"cannot be listed ({error.strerror})", where=str(root / folder)) from None
        if not listed and folder:
            found.append(FileEntry(folder, "dir", 0))
        for entry in listed:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if len(found) >= MAX_ENTRIES:
                raise LimitError(f"more than {MAX_ENTRIES} entries", where=str(root))
            if entry.is_symlink():
                found.append(_link(root, path))
            elif entry.is_dir(follow_symlinks=False):
                if deep:
                    walk(path, depth + 1)
            else:
                facts = entry.stat(follow_symlinks=False)
                regular = stat.S_ISREG(facts.st_mode)
                found.append(FileEntry(path, "file" if regular else "other", facts.st_size if regular else 0))

    walk("", 0)
    return tuple(sorted(found, key=lambda e: os.fsencode(e.path)))


def _link(root: Path, path: str) -> FileEntry:
    text = os.readlink(root / path)
    target = Path(os.path.normpath((root / path).parent.resolve() / text))
    if not os.path.exists(target):
        return FileEntry(path, "symlink", 0, text, "broken")
    real_root = root.resolve()
    real = target.resolve()
    if _is_cache_blob(real_root, real):
        return FileEntry(path, "symlink", real.stat().st_size, text, CACHE_LINK)
    inside = real == real_root or real_root in real.parents
    return FileEntry(path, "symlink", 0, text, "inside" if inside else "outside")


def _is_cache_blob(root: Path, target: Path) -> bool:
    """Whether a link of ``models--X/snapshots/REV``, or of a folder in it, leads into ``models--X/blobs``."""
    for revision in (root, *root.parents)[:_CACHE_DEPTH]:
        repository = revision.parent.parent
        if revision.parent.name == "snapshots" and repository.name.startswith("models--"):
            return target.parent == repository / "blobs" and target.is_file()
    return False
