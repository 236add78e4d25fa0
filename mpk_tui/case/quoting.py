"""Quotes from attached text files: found word for word, with the place where they stand.

A locator reads ``lines 12–14, bytes 340–511``: lines count from 1, bytes from 0, both ends are included.  Line feeds
end lines.  Text is taken as UTF-8; bytes that are not are spelled out in the excerpt, and the locator counts bytes
either way.  Files are read in pieces or up to a bound, never trusted, and never shown from here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from mpk_tui.case.store import ATTACHMENTS, Case
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import LimitError, UsageError

MAX_QUOTED = 32 << 20
"""Bytes of a file that quotes are looked for in."""
MAX_QUOTE = 20_000
"""Characters of a quote; what an excerpt of an item of evidence may hold."""
MAX_LINE = 2_000
"""Characters of a line as it is shown; the rest is counted."""
MAX_LINES = 2_000
_PIECE = 1 << 20
_NEAR = 20_000
"""Lines that are looked through for one that comes near."""


@dataclass(frozen=True)
class Quote:
    """A passage of a file.

    Attributes:
        excerpt: The file's own words, line breaks and all.
        locator: Where they stand.
        first: First line, from 1.
        last: Last line.
        start: Offset of the first byte, from 0.
        stop: Offset behind the last byte.
    """

    excerpt: str
    locator: str
    first: int
    last: int
    start: int
    stop: int


@dataclass(frozen=True)
class Lines:
    """Some lines of a file, for looking at it.

    Attributes:
        start: Number of the first one, from 1.
        lines: Their text without line ends; long ones are cut and say so.
        more: There are lines after them.
        offset: Offset in bytes of the first one.
        following: Offset in bytes behind the last one; where the next call may begin.
    """

    start: int
    lines: tuple[str, ...]
    more: bool
    offset: int
    following: int


def find(path: Path, text: str, where: str = "") -> Quote:
    """The first place where a file holds a text; blanks and line breaks between words may differ.

    Args:
        path: A regular file.
        text: The quote, as typed.
        where: How messages name the file.

    Raises:
        UsageError: The text is empty, or not in the file; says which line comes nearest.
        LimitError: File or quote are too long.
        StorageError: The file cannot be read.
    """
    words = text.split()
    if not words:
        raise UsageError("a quote has words")
    if len(text) > MAX_QUOTE:
        raise LimitError(f"a quote of {len(text)} characters (at most {MAX_QUOTE})", hint="Quote less of it")
    data = _whole(path, where)
    raw = text.strip().encode("utf-8", "surrogateescape")
    start = data.find(raw)
    stop = start + len(raw)
    if start < 0:
        spaced = rb"[ \t\r\n\v\f]+".join(re.escape(w.encode("utf-8", "surrogateescape")) for w in words)
        found = re.search(spaced, data)
        if found is None:
            raise UsageError(f"the file does not hold this text{_nearest(data, text)}", where=where or str(path))
        start, stop = found.span()
    return _quote(data, start, stop)


def lines_of(path: Path, first: int, last: int, where: str = "") -> Quote:
    """Some lines of a file as a quote, without the last line's end.

    Raises:
        UsageError: The file has no such lines, or they are empty.
        LimitError: File or lines are too long.
        StorageError: The file cannot be read.
    """
    if not 1 <= first <= last:
        raise UsageError(f"lines {first}-{last}: count from 1, the smaller number first")
    data = _whole(path, where)
    start = _line_start(data, first)
    total = data.count(b"\n") + (0 if not data or data.endswith(b"\n") else 1)
    if start < 0 or last > total:
        raise UsageError(f"lines {first}-{last}: the file has {total} lines", where=where or str(path))
    end = _line_start(data, last + 1)
    stop = len(data) if end < 0 else end
    while stop > start and data[stop - 1 : stop] in (b"\n", b"\r"):
        stop -= 1
    if stop - start > 4 * MAX_QUOTE:
        raise LimitError(f"{stop - start} bytes in these lines", where=where or str(path), hint="Quote less of it")
    if not data[start:stop].strip():
        raise UsageError("these lines are empty", where=where or str(path))
    return _quote(data, start, stop)


def parse_lines(text: str) -> tuple[int, int]:
    """``12-14`` or ``12`` as numbers of lines.

    Raises:
        UsageError: It is neither.
    """
    found = re.fullmatch(r" *([0-9]{1,9})(?: *[-–] *([0-9]{1,9}))? *", text)
    if found is None:
        raise UsageError(f"lines are written 12-14 or 12, not {text!r}")
    return int(found[1]), int(found[2] or found[1])


def attached(case: Case, digest: str) -> Path:
    """Where an attachment lies.

    Raises:
        UsageError: Nothing was attached under this digest.
    """
    path = case.root / ATTACHMENTS / digest
    if not re.fullmatch(r"[0-9a-f]{64}", digest) or not path.is_file():
        raise UsageError(f"nothing was attached under {digest[:80]!r}")
    return path


def quote(case: Case, digest: str, text: str) -> Quote:
    """A quote from an attachment of a case; see `find`."""
    return find(attached(case, digest), text, _called(case, digest))


def quote_lines(case: Case, digest: str, first: int, last: int) -> Quote:
    """Lines of an attachment of a case as a quote; see `lines_of`."""
    return lines_of(attached(case, digest), first, last, _called(case, digest))


def attachment_lines(case: Case, digest: str, start: int = 1, count: int = 200, *, offset: int = 0) -> Lines:
    """Some lines of an attachment, for a viewer; reads in pieces and keeps only what it returns.

    Without an offset the file is read from its beginning up to these lines: for a large file that is work for a job.

    Args:
        case: The case.
        digest: SHA-256 of the attachment, hex.
        start: Number of the first line, from 1.
        count: How many, at most `MAX_LINES`.
        offset: Offset in bytes of line ``start`` (a former answer's ``following``), or 0 to look for it.

    Raises:
        UsageError: There is no such attachment, or the numbers make no sense.
        StorageError: It cannot be read.
    """
    if start < 1 or not 1 <= count <= MAX_LINES or offset < 0:
        raise UsageError(f"lines count from 1, at most {MAX_LINES} at a time")
    with Source(attached(case, digest), _called(case, digest)) as source:
        at = offset if offset or start == 1 else _seek(source, start)
        shown: list[str] = []
        begin = at
        while len(shown) < count and at < source.size:
            text, at = _line(source, at)
            shown.append(text)
        return Lines(start, tuple(shown), at < source.size, begin, at)


def _called(case: Case, digest: str) -> str:
    """The name under which it was attached, for messages."""
    for e in reversed(case.entries):
        if e.act == "attach" and e.obj is not None and e.obj.hex() == digest:
            return str(e.params.get("name", digest))
    return digest


def _whole(path: Path, where: str) -> bytes:
    with Source(path, where or str(path), follow=True) as source:
        if source.size > MAX_QUOTED:
            raise LimitError(
                f"{source.size} bytes; quotes are looked for in files of at most {MAX_QUOTED}", where=source.where,
                hint="Attach the part that matters as a file of its own",
            )  # fmt: skip
        return source.read(0, source.size)


def _quote(data: bytes, start: int, stop: int) -> Quote:
    first = data.count(b"\n", 0, start) + 1
    last = first + data.count(b"\n", start, stop)
    excerpt = data[start:stop].decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    if len(excerpt) > MAX_QUOTE:
        raise LimitError(f"a quote of {len(excerpt)} characters (at most {MAX_QUOTE})", hint="Quote less of it")
    said = f"line {first}" if first == last else f"lines {first}–{last}"
    return Quote(excerpt, f"{said}, bytes {start}–{stop - 1}", first, last, start, stop)


def _line_start(data: bytes, number: int) -> int:
    """Offset of a line, or -1 if there are fewer."""
    at = 0
    for _ in range(number - 1):
        at = data.find(b"\n", at) + 1
        if at == 0:
            return -1
    return at if at < len(data) or number == 1 else -1


def _nearest(data: bytes, text: str) -> str:
    """``; line 12 comes nearest: "…"``, or nothing where no line is like it."""
    import difflib  # late: only for a message

    wanted = " ".join(text.split())[:400]
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    best, number, shown = 0.3, 0, ""
    for n, raw in enumerate(data[: 4 << 20].split(b"\n", _NEAR)[:_NEAR], 1):
        line = " ".join(raw[: 4 * MAX_LINE].decode("utf-8", "replace").split())[: 2 * len(wanted) + 40]
        matcher.set_seq1(line)
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and (ratio := matcher.ratio()) > best:
            best, number, shown = ratio, n, line
    return f"; line {number} comes nearest: “{shown[:200]}”" if number else ""


def _seek(source: Source, number: int) -> int:
    """Offset of a line; the end of the file if it has fewer."""
    at, left = 0, number - 1
    while at < source.size:
        piece = source.read(at, min(_PIECE, source.size - at))
        here = piece.count(b"\n")
        if here >= left:
            inside = 0
            for _ in range(left):
                inside = piece.find(b"\n", inside) + 1
            return at + inside
        left -= here
        at += len(piece)
    return source.size


def _line(source: Source, at: int) -> tuple[str, int]:
    """One line and the offset behind its end; of a long one the beginning, with what was left out counted."""
    head = source.read(at, min(4 * MAX_LINE + 1, source.size - at))
    end = head.find(b"\n")
    if end >= 0:
        stop, following = at + end, at + end + 1
    elif at + len(head) == source.size:
        stop = following = source.size
    else:
        stop = _end_of_line(source, at + len(head))
        following = min(stop + 1, source.size)
    text = head[: min(stop - at, len(head))].removesuffix(b"\r").decode("utf-8", "backslashreplace")
    if len(text) > MAX_LINE or stop - at > len(head):
        text = f"{text[:MAX_LINE]}… ({stop - at} bytes)"
    return text, following


def _end_of_line(source: Source, at: int) -> int:
    while at < source.size:
        piece = source.read(at, min(_PIECE, source.size - at))
        found = piece.find(b"\n")
        if found >= 0:
            return at + found
        at += len(piece)
    return source.size
