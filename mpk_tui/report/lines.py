"""Paragraphs as lines of a terminal: wrapped by columns, wide characters counted twice."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

WIDTH = 78
"""Columns of a page."""
NBSP = "\u00a0"
"""Keeps two words on one line; printed as a blank."""


def wrap(text: str, first: str = "", rest: str = "", width: int = WIDTH) -> list[str]:
    """Lines of at most ``width`` columns, wide characters counted twice; a word that is too long is cut.

    Args:
        text: Escaped already.
        first: Indent of the first line.
        rest: Indent of the others.
        width: Columns.
    """
    lines, line, used, empty = [], first, len(first), True
    for word in text.split(" "):
        for piece in _pieces(word, width - max(len(first), len(rest))):
            size = columns(piece)
            if not empty and used + 1 + size > width:
                lines.append(line)
                line, used, empty = rest, len(rest), True
            line, used = (line + piece, used + size) if empty else (f"{line} {piece}", used + 1 + size)
            empty = False
    return [done.replace(NBSP, " ") for done in (*lines, line)]


def _pieces(word: str, width: int) -> Iterator[str]:
    piece = ""
    for c in word:
        if columns(piece + c) > width:
            yield piece
            piece = ""
        piece += c
    yield piece


def simple(name: str) -> bool:
    """Whether a name stands without quotation marks: nobody takes it for a sentence."""
    return bool(name) and all(c.isalnum() or c in "._-+/:@,…()" for c in name)


def columns(text: str) -> int:
    """Terminal columns that a text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
