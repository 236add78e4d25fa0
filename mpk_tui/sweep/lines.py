"""The file of a sweep: one JSON object a line, one line a checkpoint, each written whole and synced before the next.

The file is the sweep's memory: a second run reads it and does what is not in it.  A last line that was cut short by a
crash is taken off and told; anything else that is no line of a sweep is refused, so that nothing is ever appended to a
file of somebody else.  Of several lines about one checkpoint the last counts.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from mpk_tui.errors import LimitError, MalformedError, StorageError

SCHEMA = "mpk-tui/batch/1"
PAIR = "mpk-tui/batch-pair/1"
WATCH = "mpk-tui/watch/1"
MOST_LINE = 4 << 20
"""Bytes of one line."""
MOST_BYTES = 4 << 30
"""Bytes of the file."""
_HELD = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES})
_STRINGS = ("name", "path", "model", "state", "stamp", "tool")
_COUNTS = ("size", "at")

Line = dict[str, Any]
Check = Callable[[Line, str], None]


@dataclass(frozen=True)
class Sheet:
    """A file of lines as read.

    Attributes:
        lines: In order.
        torn: Bytes at the end that are no whole line.
        length: Bytes of the whole lines.
    """

    lines: tuple[Line, ...]
    torn: bytes
    length: int


def encode(line: Mapping[str, Any]) -> bytes:
    """One line: ASCII only, so that no byte of it can steer a terminal.

    Raises:
        LimitError: It is longer than a reader takes.
    """
    data = json.dumps(line, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
    if len(data) > MOST_LINE:
        raise LimitError(f"a line of {len(data)} bytes (at most {MOST_LINE})", where=str(line.get("name", ""))[:200])
    return data


def checked(line: Line, where: str) -> None:
    """Hold one line against the shape of a checkpoint's line.

    Raises:
        MalformedError: It is none.
    """
    if line.get("schema") != SCHEMA:
        raise MalformedError(f"is no line of a sweep ({SCHEMA})", where=where, hint="Name another file with --out")
    for name in _STRINGS:
        if not isinstance(line.get(name), str):
            raise MalformedError(f"field {name!r} is not a text", where=where)
    for name in _COUNTS:
        if type(line.get(name)) is not int or line[name] < 0:
            raise MalformedError(f"field {name!r} is not a count", where=where)
    if line["state"] not in ("done", "error"):
        raise MalformedError(f"field 'state' is {line['state']!r}; done or error was expected", where=where)
    measured = line.get("measured")
    if line["state"] == "done" and not isinstance(measured, dict):
        raise MalformedError("is done and says nothing that was measured", where=where)
    if measured is not None:
        for name in ("fingerprint", "root"):
            value = measured.get(name) if isinstance(measured, dict) else None
            if not isinstance(value, str) or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
                raise MalformedError(f"field 'measured.{name}' is no SHA-256", where=where)
    for name in ("scan", "error"):
        if line.get(name) is not None and not isinstance(line[name], dict):
            raise MalformedError(f"field {name!r} is no object", where=where)


def read(path: Path, check: Check = checked, *, whole: bool = False) -> Sheet:
    """Read a file of lines.

    Args:
        path: The file; one that is not there is empty.
        check: What every line is held against.
        whole: A line that is cut short is an error, too.

    Raises:
        StorageError: It cannot be read.
        LimitError: It is too large.
        MalformedError: A line is none of ours; the message names its number.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as f:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise StorageError("is not a regular file", where=str(path))
            if facts.st_size > MOST_BYTES:
                raise LimitError(f"{facts.st_size} bytes (at most {MOST_BYTES})", where=str(path))
            lines, length, torn, number = [], 0, b"", 0
            while data := f.readline(MOST_LINE + 1):
                number += 1
                where = f"{path}, line {number}"
                if not data.endswith(b"\n"):
                    if len(data) > MOST_LINE:
                        raise LimitError(f"a line of more than {MOST_LINE} bytes", where=where)
                    torn = data
                    break
                lines.append(_parsed(data, where, check))
                length += len(data)
    except FileNotFoundError:
        return Sheet((), b"", 0)
    except OSError as error:
        raise StorageError(f"cannot be read ({error.strerror})", where=str(path)) from None
    if torn and (whole or not _ours(torn)):
        raise MalformedError(
            "the last line is cut short" if _ours(torn) else "is no line of a sweep", where=f"{path}, line {number}",
            hint="Run the sweep again with the same --out; it repairs the file" if _ours(torn) else
            "Name another file with --out",
        )  # fmt: skip
    return Sheet(tuple(lines), torn, length)


def _parsed(data: bytes, where: str, check: Check) -> Line:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise MalformedError("is no JSON object", where=where, hint="Name another file, or take the line out")
    check(value, where)
    return value


def _ours(torn: bytes) -> bool:
    """Whether bytes may be the beginning of a line that we were writing."""
    return any(
        (start := b'{"schema":"%s"' % s.encode())[: len(torn)] == torn[: len(start)] for s in (SCHEMA, PAIR, WATCH)
    )


def latest(lines: tuple[Line, ...]) -> dict[tuple[str, str], Line]:
    """The last line of each checkpoint, by path and model."""
    return {(line["path"], line["model"]): line for line in lines}


class Writer:
    """Appends lines; one writer at a time.  A context manager.

    Attributes:
        path: The file.
        sheet: What was there.
        repaired: Bytes of a line that was cut short and taken off.
    """

    def __init__(self, path: Path, check: Check = checked) -> None:
        """Open a file for appending, and repair its end.

        Raises:
            StorageError: It cannot be written, or another sweep writes it.
            MalformedError: It holds something else.
        """
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            why = "is a link; a file was expected" if error.errno == errno.ELOOP else f"{error.strerror}"
            raise StorageError(f"cannot be written ({why})", where=str(path), hint="Name another --out") from None
        try:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in _HELD:
                    raise StorageError(
                        "another sweep writes this file", where=str(path), hint="Wait for it, or name another --out"
                    ) from None
            self.sheet = read(path, check)
            self.repaired = len(self.sheet.torn)
            if self.repaired:
                os.ftruncate(self._fd, self.sheet.length)
                os.fsync(self._fd)
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line whole, and wait until the disk has it.

        Raises:
            StorageError: The disk refuses; what was written of the line is taken off again.
        """
        data = encode(line)
        before = os.fstat(self._fd).st_size
        try:
            done = 0
            while done < len(data):
                done += os.write(self._fd, data[done:])
            os.fsync(self._fd)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, before)
            raise StorageError(
                f"cannot be written ({error.strerror})", where=str(self.path),
                hint="Make room and run the same command again; it goes on from here",
            ) from None  # fmt: skip

    def close(self) -> None:
        """Let go of the file; harmless when repeated."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
