"""Untrusted text on its way into a report: clean, bounded one by one and altogether.

A bundle may hold a hundred thousand items of evidence with a page of text each.  A report is for people: it takes
what fits a purse, and says where it cut.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpk_tui.report.document import Cell, Run, Text, Voice
from mpk_tui.text import clean

PURSE = 1_500_000
"""Characters of untrusted text in one report, about."""
POOR = 40
"""Characters of each piece once the purse is empty."""
_MARKS = 4
"""Combining marks that may stand on one letter (stacked ones paint over the lines around them)."""


def shown(text: str, limit: int = 400) -> str:
    """One clean line: nothing invisible, and no heap of marks on one letter."""
    out = clean(text, limit)
    if out.isascii():
        return out
    row, kept = 0, []
    for c in out:
        row = row + 1 if unicodedata.combining(c) or unicodedata.category(c) == "Me" else 0
        kept.append(c if row <= _MARKS else f"\\u{ord(c):04x}")
    spelled = "".join(kept)
    return spelled if len(spelled) <= 2 * limit else f"{spelled[:limit]}… ({len(text)} characters)"


@dataclass
class Purse:
    """How much untrusted text the report still takes."""

    left: int = PURSE

    def take(self, text: str, limit: int) -> str:
        """The text, clean and cut."""
        # The cut is made before anything else looks at the text: it may be long.
        out = shown(text, limit if self.left > 0 else min(limit, POOR))
        self.left -= len(out)
        return out

    def said(self, text: str, limit: int = 1000) -> Run:
        """Words of a person or a document."""
        return Run(self.take(text, limit), Voice.SAID)

    def told(self, text: str, limit: int = 1000) -> Cell:
        """Words of a person or a document in a cell, each of their lines a paragraph."""
        return tuple((Run(line, Voice.SAID),) for line in self.lines(text, limit))

    def name(self, text: str, limit: int = 200) -> Run:
        """A name, an id or a path."""
        return Run(self.take(text, limit), Voice.NAME)

    def tool(self, text: str, limit: int = 1000) -> Run:
        """Words of the tool that made the bundle."""
        return Run(self.take(text, limit), Voice.TOOL)

    def lines(self, text: str, limit: int = 20_000, most: int = 400) -> tuple[str, ...]:
        """A person's longer words, a paragraph a line; empty lines are left out, what is cut is said."""
        limit = limit if self.left > 0 else POOR
        listed = [t for t in text[:limit].replace("\r\n", "\n").split("\n") if t.strip()]
        out = [shown(t, limit) for t in listed[:most]]
        if len(text) > limit or len(listed) > most:
            out.append(f"… (cut; {len(text)} characters in the bundle)")
        self.left -= sum(map(len, out))
        return tuple(out)


def ours(text: str) -> Run:
    """The report's own words."""
    return Run(text)


def code(text: str) -> Run:
    """A digest, a command or a number of ours."""
    return Run(text, Voice.CODE)


def norm(text: str) -> Run:
    """A title of the norm's data file."""
    return Run(text, Voice.NORM)


def say(*parts: Run | str) -> Text:
    """A paragraph; plain strings are ours."""
    return tuple(p if isinstance(p, Run) else Run(p) for p in parts if p)


def cell(*parts: Run | str) -> Cell:
    """A cell of one paragraph."""
    return (say(*parts),)


def joined(runs: Sequence[Run], between: str = ", ", empty: str = "none") -> Text:
    """Pieces in one line."""
    out: list[Run] = []
    for n, run in enumerate(runs):
        if n:
            out.append(Run(between))
        out.append(run)
    return tuple(out) or (Run(empty),)


class Loose:
    """Access to a plain record whose types nobody checked: what is not as expected is taken for missing."""

    def __init__(self, value: Any) -> None:
        self._map: Mapping[str, Any] = value if isinstance(value, Mapping) else {}

    def __bool__(self) -> bool:
        return bool(self._map)

    def text(self, key: str) -> str:
        """A string, or empty."""
        value = self._map.get(key)
        return value if isinstance(value, str) else ""

    def flag(self, key: str) -> bool:
        """Whether it is true."""
        return self._map.get(key) is True

    def number(self, key: str) -> float | None:
        """A finite number, or None."""
        value = self._map.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return float(value) if abs(value) < 1e300 and math.isfinite(value) else None

    def count(self, key: str) -> int:
        """A whole number from 0 on, or 0."""
        value = self._map.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63 else 0

    def chance(self, key: str) -> float | None:
        """A number between 0 and 1, or None."""
        value = self.number(key)
        return value if value is not None and 0 <= value <= 1 else None

    def inner(self, key: str) -> Loose:
        """A map, or an empty one."""
        return Loose(self._map.get(key))

    def items(self, key: str) -> list[Loose]:
        """The maps of a list."""
        value = self._map.get(key)
        return [Loose(v) for v in value if isinstance(v, Mapping)] if isinstance(value, (list, tuple)) else []

    def texts(self, key: str) -> list[str]:
        """The strings of a list."""
        value = self._map.get(key)
        return [v for v in value if isinstance(v, str)] if isinstance(value, (list, tuple)) else []


def chance(p: float | None, *, bound: bool = False) -> str:
    """A p-value as it is printed: never below ``< 1e-12``."""
    if p is None:
        return "–"
    if p <= 1e-12:
        return "< 1e-12"
    return f"{'≤ ' if bound else ''}{p:.2g}"


def number(value: float | None, digits: int = 3) -> str:
    """A number as it is printed in tables."""
    if value is None:
        return "–"
    if 0.999 <= abs(value) < 1 and digits >= 3:
        # What is nearly one must not be rounded to one.
        return f"{value:.7f}".rstrip("0")
    return f"{value:.{max(digits, 3)}g}" if abs(value) >= 1e6 else f"{value:.{digits}f}"
