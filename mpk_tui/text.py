"""The only way in which untrusted text becomes text on a screen.

Tensor names, paths, model cards and the fields of a stranger's bundle may carry escape sequences, bidirectional
overrides or newlines.  Everything printed passes through `clean`, which keeps the text readable and makes each
dangerous character visible instead of removing it: an examiner must see that it was there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

# Cc controls, Cf formats (bidi, zero width, tags), Zl/Zp separators, Cs surrogates, Co private use.
_HIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})
# Letters, marks and symbols that show nothing: those of Default_Ignorable_Code_Point (Unicode 15.1,
# DerivedCoreProperties.txt) whose category is none of the above (fillers, joiners, variation selectors), and the
# Braille pattern without dots.
_BLANK = frozenset(
    [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0,
     *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]
)  # fmt: skip

_MARKS = frozenset({"Mn", "Me"})
_STACK = 8
"""Marks in a row that are shown as such: pointed Hebrew and Tibetan stacks stay below it."""


def clean(text: str, limit: int = 400) -> str:
    """Return ``text`` on one line with every invisible or controlling character spelled out.

    Args:
        text: Anything, from anywhere.
        limit: The greatest number of characters to return; the rest becomes an ellipsis with the full length.

    Returns:
        Text that moves no cursor, changes no colour and reorders no other text.
    """
    cut = text[: limit + 1]
    shown = cut if cut.isascii() and cut.isprintable() else "".join(_each_visible(cut))
    if len(text) > limit or len(shown) > limit * 2:
        return f"{shown[:limit]}… ({len(text)} characters)"
    return shown


def _each_visible(text: str) -> Iterator[str]:
    """Characters as they may be shown; more marks on one letter than a script uses would be drawn over other lines."""
    marks = 0
    for c in text:
        if " " <= c <= "~":
            marks = 0
            yield c
            continue
        category = unicodedata.category(c)
        marks = marks + 1 if category in _MARKS else 0
        yield _spelled(ord(c)) if category in _HIDDEN or marks > _STACK or ord(c) in _BLANK else c


def _spelled(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def folded(text: str, columns: int) -> str:
    """A line of clean text for a terminal, which would break it anywhere and go on at the left margin.

    There a stranger's long sentence could be made to look like lines of ours; so it is broken here, and every part but
    the first starts with a mark that no line of ours starts with.
    """
    width, used, out = max(columns, 20) - 1, 0, []
    for c in text:
        cells = 2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1
        if used + cells > width:
            out.append(f"\n{_GOES_ON}")
            used = len(_GOES_ON)
        out.append(c)
        used += cells
    return "".join(out)


_GOES_ON = "    | "


def composed(name: str) -> str:
    """A name in Unicode form NFC; one with more marks in a row than text has (UAX #15, stream-safe: 30) as it is.

    Putting marks in order takes time that grows with the square of their number, and names come from strangers.
    """
    if name.isascii():
        return name
    row = 0
    for c in name:
        row = row + 1 if unicodedata.combining(c) else 0
        if row > _MOST_MARKS:
            return name
    return unicodedata.normalize("NFC", name)


def folded_name(name: str) -> str:
    """A name as a file system may see it that keeps neither case nor Unicode form apart."""
    return composed(name).casefold()


_MOST_MARKS = 30


def clean_lines(text: str, limit: int = 20_000) -> str:
    """Like `clean`, but line feeds stay line feeds (for rationale and notes shown as paragraphs)."""
    return "\n".join(clean(line, limit) for line in text[:limit].replace("\r\n", "\n").split("\n"))


def size(n: int) -> str:
    """A byte count in decimal units, e.g. ``4.1 GB``."""
    value = float(n)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{n} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def hex_groups(digest: bytes, groups: int | None = None) -> str:
    """A digest as groups of four hex digits, for reading aloud."""
    h = digest.hex()
    parts = [h[i : i + 4] for i in range(0, len(h), 4)]
    return " ".join(parts[:groups])
