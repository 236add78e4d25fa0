"""A connection to a catalogue: made, opened for reading or writing, brought up to date, or refused.

A library may come from a stranger on a stick, so the database file is untrusted input.  What SQLite's own page
"Defense Against The Dark Arts" (sqlite.org/security.html) advises is done: limits are lowered, the schema is not
trusted, cells are checked, no memory is mapped; and a schema that is not exactly ours is refused, which leaves no
trigger, view or virtual table.  A rollback journal beside the file is never ours and is refused unread.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mpk_tui.errors import LimitError, MalformedError, MpkError, StorageError, UnsupportedError
from mpk_tui.library import schema
from mpk_tui.library.schema import Step

NAME = "catalogue.sqlite3"
WAIT = 10.0
"""Seconds that a writer waits for another one."""
MOST_CELL = 16 << 20
"""Bytes of one text or blob, and of one row."""
_HEADER = b"SQLite format 3\x00"
_LEAST_STEPS = 50_000_000
_LIMITS = (
    (sqlite3.SQLITE_LIMIT_LENGTH, MOST_CELL), (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 100_000),
    (sqlite3.SQLITE_LIMIT_COLUMN, 64), (sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 50),
    (sqlite3.SQLITE_LIMIT_COMPOUND_SELECT, 8), (sqlite3.SQLITE_LIMIT_VDBE_OP, 25_000),
    (sqlite3.SQLITE_LIMIT_FUNCTION_ARG, 8), (sqlite3.SQLITE_LIMIT_ATTACHED, 0),
    (sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000), (sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 1000),
    (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1),
)  # fmt: skip


def connect(
    folder: Path, *, write: bool, create: bool = False, immutable: bool = False, steps: Sequence[Step] = schema.STEPS
) -> tuple[sqlite3.Connection, bool]:
    """Open the catalogue of a folder.

    Args:
        folder: The library.
        write: For changes; a reader's connection refuses them.
        create: Make the folder and an empty catalogue where there is none.
        immutable: Write nothing at all, as on read-only media; taken by itself where the folder cannot be written.
        steps: How databases become one of this version.

    Returns:
        The connection (autocommit; the caller begins transactions), and whether the media is only read.

    Raises:
        StorageError: It is not there, cannot be read or written.
        MalformedError: It is no catalogue of ours.
        UnsupportedError: It was made by a newer version, or is older and cannot be written.
        LimitError: Another process holds it.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        if not create:
            raise StorageError(
                "there is no library here yet", where=str(folder),
                hint="mpk-tui library add makes one; --library names another folder",
            )  # fmt: skip
        _make(folder, path, steps)
    immutable = immutable or not os.access(folder, os.W_OK)
    if immutable and write:
        raise StorageError(
            "cannot be written: the folder is read-only", where=str(folder),
            hint="Copy the library to where you may write, or name another with --library",
        )  # fmt: skip
    version, length = _look(path, immutable=immutable, newest=len(steps))
    with told(path):
        connection = _open(path, length, immutable=immutable)
        try:
            if version < len(steps):
                if immutable:
                    raise UnsupportedError(
                        f"a catalogue of version {version}, and this media is read-only", where=str(path),
                        hint="Copy the library to where you may write and open it there once",
                    )  # fmt: skip
                _same(connection, path, schema.version_of(connection), steps)
                migrate(connection, path, steps)
            _same(connection, path, len(steps), steps)
            if not write:
                connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    return connection, immutable


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """What SQLite and the system refuse, as our errors with the file, the fault and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise refused(error, path) from None
    except UnicodeDecodeError:  # the message about a damaged schema quotes it
        raise MalformedError("the database is damaged or is no catalogue", where=str(path), hint=_BROKEN) from None
    except OSError as error:
        raise StorageError(f"cannot be used ({error.strerror or error})", where=str(path)) from None


def refused(error: sqlite3.Error, path: Path) -> MpkError:
    """One of SQLite's errors as one of ours."""
    name, where = str(getattr(error, "sqlite_errorname", "") or type(error).__name__), str(path)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LimitError(
            f"another process is writing to this library; waited {WAIT:.0f} s", where=where,
            hint="Try again when it is done",
        )  # fmt: skip
    if name.startswith("SQLITE_FULL"):
        return StorageError(
            "cannot be written: no space left", where=where, hint="Nothing was added; make room and try again"
        )
    if name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return StorageError(
            f"the system refused to read or write it ({name})", where=where,
            hint="Nothing that was confirmed is lost; check the disk, its space and your rights",
        )  # fmt: skip
    if name.startswith("SQLITE_INTERRUPT"):
        return MalformedError("needs more steps to read than a file of this size can need", where=where, hint=_BROKEN)
    if name.startswith("SQLITE_TOOBIG"):
        return LimitError(f"holds a field of more than {MOST_CELL} bytes", where=where)
    if name.startswith("SQLITE_NOMEM"):
        return LimitError("needs more memory than there is", where=where)
    return MalformedError(f"the database is damaged or is no catalogue ({name})", where=where, hint=_BROKEN)


_BROKEN = (
    "Take the catalogue from a copy of the library; or make a new one: mpk-tui library add --library NEW takes the "
    "files below fingerprints/, without what was said of them"
)


@contextlib.contextmanager
def writing(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """One transaction, begun as a writer's at once; rolled back by whatever goes wrong."""
    with told(path):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise


@contextlib.contextmanager
def reading(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Several readings of one and the same moment."""
    with told(path):
        if connection.in_transaction:
            yield
            return
        connection.execute("BEGIN")
        try:
            yield
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Step]) -> Path | None:
    """Bring an older catalogue up to date: a copy beside it first, then all steps in one transaction.

    Returns:
        The copy, or None where another process was faster.
    """
    kept = None
    with writing(connection, path):
        old = schema.version_of(connection)
        if old < len(steps):
            kept = path.with_name(f"{path.name}.version-{old}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
            _copy(path, kept)
            schema.take(connection, steps)
    return kept


def _copy(path: Path, to: Path) -> None:
    """A consistent copy through a second, reading connection: whole or not there."""
    temporary = to.with_name(f".{to.name}.{os.getpid()}")
    try:
        source = sqlite3.connect(_address(path, "mode=rw"), uri=True, isolation_level=None)
        target = sqlite3.connect(temporary)
        try:
            source.backup(target)
        finally:
            source.close()
            target.close()
        _sync(temporary)
        os.replace(temporary, to)
        _sync(to.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _make(folder: Path, path: Path, steps: Sequence[Step]) -> None:
    """An empty catalogue under another name, then given its own: it is never half there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new.", dir=folder) as made:
            fresh = Path(made, NAME)
            connection = sqlite3.connect(fresh, isolation_level=None)
            try:
                connection.execute("PRAGMA page_size = 8192")
                connection.execute(f"PRAGMA application_id = {schema.APPLICATION:d}")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("BEGIN IMMEDIATE")
                schema.take(connection, steps)
                connection.execute("COMMIT")
            finally:
                connection.close()
            _sync(fresh)
            try:
                os.link(fresh, path)
            except FileExistsError:
                return  # another process was faster, and made the same
            except OSError:  # a file system without links
                if not os.path.lexists(path):
                    os.rename(fresh, path)
        _sync(folder)
    except sqlite3.Error as error:
        raise refused(error, path) from None
    except OSError as error:
        raise StorageError(
            f"no library can be made here ({error.strerror or error})", where=str(folder),
            hint="Name a folder that you may write to with --library",
        ) from None  # fmt: skip


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _look(path: Path, *, immutable: bool, newest: int) -> tuple[int, int]:
    """The first bytes, before SQLite sees the file: version and length in bytes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as f:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise MalformedError("is no regular file", where=str(path))
            head = f.read(100)
    except OSError as error:
        raise StorageError(f"cannot be read ({error.strerror or error})", where=str(path)) from None
    if len(head) < 100 or not head.startswith(_HEADER):
        raise MalformedError("is no SQLite database", where=str(path), hint=_BROKEN)
    if int.from_bytes(head[68:72], "big") != schema.APPLICATION:
        raise MalformedError("is a SQLite database, but no catalogue of mpk-tui", where=str(path))
    beside = {end: path.with_name(path.name + end) for end in ("-journal", "-wal", "-shm")}
    if os.path.lexists(beside["-journal"]):
        raise MalformedError(
            "a rollback journal lies beside the catalogue, which mpk-tui never makes", where=str(beside["-journal"]),
            hint="Do not open the file with other programs; move the journal away to read the catalogue as it is",
        )  # fmt: skip
    for side in (beside["-wal"], beside["-shm"]):
        if os.path.islink(side) or (os.path.lexists(side) and not side.is_file()):
            raise MalformedError("is a link or a device; a file was expected", where=str(side))
    with contextlib.suppress(FileNotFoundError):
        if immutable and beside["-wal"].stat().st_size:
            raise StorageError(
                "the catalogue was not closed (changes wait in its -wal file), and this media is read-only",
                where=str(path),
                hint="Copy the folder to where you may write and run mpk-tui library check there",
            )
    version = int.from_bytes(head[60:64], "big", signed=True)
    if version > newest:
        raise UnsupportedError(
            f"a catalogue of version {version}; this mpk-tui knows {newest}", where=str(path),
            hint="Use a newer mpk-tui",
        )  # fmt: skip
    if version < 1:
        raise MalformedError(f"a catalogue of version {version}", where=str(path), hint=_BROKEN)
    return version, facts.st_size


def _address(path: Path, how: str) -> str:
    return f"{path.absolute().as_uri()}?{how}"


def _open(path: Path, length: int, *, immutable: bool) -> sqlite3.Connection:
    # A reader that may write the folder opens for writing and refuses changes: closing then leaves no side files.
    how = "mode=ro&immutable=1" if immutable else "mode=rw"
    connection = sqlite3.connect(
        _address(path, how), uri=True, isolation_level=None, timeout=WAIT, cached_statements=64
    )
    for limit, value in _LIMITS:
        connection.setlimit(limit, value)
    connection.text_factory = _text
    for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "temp_store = MEMORY",
                   "cache_size = -32000", "synchronous = FULL"):  # fmt: skip
        connection.execute(f"PRAGMA {pragma}")
    return connection


def budget(length: int) -> Callable[[], int]:
    """What to call every million steps of one statement: 1 when a file of that many bytes cannot need as many."""
    left = max(_LEAST_STEPS, 40 * length) // 1_000_000

    def step() -> int:
        nonlocal left
        left -= 1
        return int(left < 0)

    return step


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _same(connection: sqlite3.Connection, path: Path, version: int, steps: Sequence[Step]) -> None:
    found, wanted = schema.objects(connection), schema.expected(version, steps)
    if schema.version_of(connection) != version:
        raise UnsupportedError("the catalogue changed its version while it was opened", where=str(path))
    if found != wanted:
        odd = [o for o in found if o not in wanted] or [o for o in wanted if o not in found]
        raise MalformedError(
            f"its tables are not those of a catalogue: {odd[0][0]} {odd[0][1]}", where=str(path),
            hint="Nothing in it was read; ask whoever made it",
        )  # fmt: skip
