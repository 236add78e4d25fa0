"""Keeping signed trust stores: the one in use, every one before it, and how the next takes its place.

``trust.mpkt`` in the store's folder is the one in use; ``stores/<number>.mpkt`` are those that were in use before it.
A store is written only after everything about it was checked, by one rename; whatever fails before that leaves the one
in use as it was, byte for byte.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from mpk_tui.bundle import trust_file
from mpk_tui.bundle.trust import TrustStore
from mpk_tui.bundle.trust_file import TrustFile
from mpk_tui.checkpoint.reading import read_small
from mpk_tui.errors import StorageError, TrustStoreError
from mpk_tui.files import write_file
from mpk_tui.keys import store

NAME = "trust.mpkt"
KEPT = "stores"


def read(path: Path, *, unsigned: bool = False) -> TrustFile:
    """Read a signed store; its signatures are not looked at.

    Raises:
        StorageError: It cannot be read.
        LimitError, MalformedError, UnsupportedError: See `mpk_tui.bundle.trust_file.parse`.
    """
    return trust_file.parse(read_small(path, trust_file.FILE_BYTES, follow=True), str(path), unsigned=unsigned)


def is_installed(folder: Path) -> bool:
    """Whether a signed store stands in a folder, readable or not."""
    return os.path.lexists(folder / NAME)


def installed(folder: Path) -> TrustFile | None:
    """The signed store in use, signed by its own root; None if there is none.

    Raises:
        TrustStoreError: Its root did not sign it: it was damaged or exchanged.  Or it is gone, and those before it are
            still there.
        StorageError, LimitError, MalformedError, UnsupportedError: As for `read`.
    """
    if not is_installed(folder):
        if any((folder / KEPT).glob(f"*{trust_file.SUFFIX}")):
            raise TrustStoreError(
                "the signed store that was in use is gone", where=str(folder / NAME),
                hint=f"Copy the newest of {KEPT}/ there, then accept those after it",
            )  # fmt: skip
        return None
    file = read(folder / NAME)
    trust_file.check_own(file, str(folder / NAME))
    return file


def believed(path: Path | None, *, allow_stale: bool = False) -> TrustStore:
    """Whom a verifier believes who names a store, or none.

    Args:
        path: A signed store as a file; a folder, of which the signed store counts if one is installed there, else the
            people in it; None is the folder in the user's data folder, empty if there is none.
        allow_stale: Go on with a signed store that has expired.

    Raises:
        MpkError: The store cannot be used.  One that is damaged is never passed over for another.
    """
    if path is not None and os.path.lexists(path) and not path.is_dir():
        file = read(path)
        trust_file.check_own(file, str(path))
        found = file.store(given=True)
    else:
        current = installed(store.default_folder() if path is None else path)
        if current is None:
            return store.load_default() if path is None else store.load(path)
        found = current.store()
    return found.allowing_stale() if allow_stale else found


def accept(folder: Path, offered: TrustFile, now: int, where: str) -> TrustFile | None:
    """Put a store in use: as the first, or in the place of the one before it.

    As the first it must have been confirmed by a person: ask for its root's fingerprint before.

    Args:
        folder: The store's folder.
        offered: As it was read.
        now: This machine's clock, milliseconds.
        where: The offered file's name, for messages.

    Returns:
        The store that was in use before; the same as ``offered`` if it is in use already and nothing was done.

    Raises:
        TrustStoreError: It may not be used; the one in use stays.
        StorageError: It cannot be written; the one in use stays.
    """
    if not is_installed(folder):
        trust_file.check_first(offered, now, where)  # before so much as a folder is made
    _make(folder)
    with _alone(folder):
        current = installed(folder)
        if current is None:
            trust_file.check_first(offered, now, where)
        elif current.id == offered.id:
            return current
        else:
            trust_file.check_successor(current, offered, now, where)
            keep(folder, current)
        write_file(folder / NAME, offered.to_bytes(), mode=0o600)
        return current


def keep(folder: Path, file: TrustFile) -> None:
    """Keep a store that was accepted and is about to be replaced."""
    write_file(folder / KEPT / f"{file.body.seq}{trust_file.SUFFIX}", file.to_bytes(), mode=0o600)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / KEPT).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot be made ({error.strerror})", where=str(folder)) from None


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time decides what follows what."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"cannot be opened ({error.strerror})", where=str(folder)) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
