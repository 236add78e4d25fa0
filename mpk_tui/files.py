"""Writing files whole or not at all, and where the program keeps its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from mpk_tui.errors import StorageError


def data_folder() -> Path:
    """The user's data folder for this program: where what is kept between runs lies.  It need not be there."""
    try:
        from platformdirs import user_data_dir
    except ImportError:
        home = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
        return Path(home, "mpk-tui")
    return Path(user_data_dir("mpk-tui", appauthor=False))


def write_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file whole or not at all: temporary file in the same folder, fsync, rename.

    Raises:
        StorageError: The target cannot be written (read-only, full, a symbolic link, a directory).
    """
    write_pieces(path, (data,), mode=mode)


def write_pieces(path: Path, pieces: Iterable[bytes], *, mode: int = 0o644) -> None:
    """Like `write_file`, for what need not be in memory at once; an error among the pieces leaves nothing behind.

    Raises:
        StorageError: As for `write_file`.
    """
    import tempfile  # late: it brings much along, and most commands write nothing

    if path.is_symlink():
        raise StorageError(
            "is a symbolic link; refusing to write through it", where=str(path), hint="Name another file"
        )
    if path.is_dir():
        raise StorageError("is a folder, a file was expected", where=str(path), hint="Name a file")
    folder = path.parent
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=folder)
        with os.fdopen(descriptor, "wb") as f:
            for piece in pieces:
                f.write(piece)
            f.flush()
            os.fsync(f.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
        temporary = None
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise StorageError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            hint="Nothing was left behind; name a folder with space that you may write to",
        ) from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
