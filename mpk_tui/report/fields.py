"""Typed access to the maps of an untrusted record: a value of the wrong type ends in a sentence that names its field.

A key that is missing, or null, has its empty value.  Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from mpk_tui.errors import LimitError, MalformedError

MAX_ITEMS = 100_000
"""Greatest number of items in any one list of a record."""


class Fields:
    """One map of a record.

    Args:
        value: The map.
        where: File or other origin, named in errors.
        path: Of the map within the record, with a full stop at its end, or an empty string.
    """

    def __init__(self, value: Mapping[str, Any], where: str, path: str) -> None:
        self._value, self._where, self._path = value, where, path

    def __contains__(self, key: str) -> bool:
        return self._value.get(key) is not None

    def bad(self, key: str, expected: str) -> MalformedError:
        """The error for a field of the wrong type."""
        found = type(self._value.get(key)).__name__
        return self.wrong(key, f"is not {expected} but {found}")

    def wrong(self, key: str, fault: str) -> MalformedError:
        """The error for a field with another fault, such as ``is longer than the other``."""
        return MalformedError(f"field {self._path + key!r} {fault}", where=self._where)

    def text(self, key: str) -> str:
        """A string."""
        value = self._value.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.bad(key, "a string")
        return value

    def flag(self, key: str, default: bool = False) -> bool:
        """True or false."""
        value = self._value.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.bad(key, "true or false")
        return value

    def whole(self, key: str, least: int = 0) -> int:
        """A whole number from ``least`` on, 0 if missing."""
        value = self._value.get(key)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 63:
            raise self.bad(key, f"a whole number from {least} on")
        return value

    def count(self, key: str) -> int:
        """A whole number from 0 on."""
        return self.whole(key)

    def number(self, key: str) -> float | None:
        """A finite number."""
        value = self._value.get(key)
        return None if value is None else self._number(key, value)

    def _number(self, key: str, value: Any) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise self.bad(key, "a number")
        try:
            out = float(value)
        except OverflowError:
            out = math.inf
        if not math.isfinite(out):
            raise self.bad(key, "a finite number")
        return out

    def within(self, key: str, low: float, high: float) -> float | None:
        """A number from ``low`` to ``high``."""
        value = self.number(key)
        if value is not None and not low <= value <= high:
            raise self.wrong(key, f"is not between {low:g} and {high:g}")
        return value

    def chance(self, key: str) -> float | None:
        """A number from 0 to 1."""
        value = self.number(key)
        if value is not None and not 0.0 <= value <= 1.0:
            raise self.bad(key, "between 0 and 1")
        return value

    def map(self, key: str, *, needed: bool = False) -> Fields:
        """A map; an empty one where it is missing and not ``needed``."""
        value = self._value.get(key)
        if value is None and not needed:
            value = {}
        if not isinstance(value, Mapping):
            raise self.bad(key, "a map")
        return Fields(value, self._where, f"{self._path}{key}.")

    def items(self, key: str, most: int = 0) -> list[Any]:
        """A list of anything, with at most ``most`` items (0: `MAX_ITEMS`)."""
        value = self._value.get(key)
        if value is None:
            return []
        if not isinstance(value, (list, tuple)):
            raise self.bad(key, "a list")
        if len(value) > (most or MAX_ITEMS):
            raise LimitError(
                f"field {self._path + key!r} has {len(value)} items; at most {most or MAX_ITEMS}", where=self._where
            )
        return list(value)

    def maps(self, key: str, most: int = 0) -> Iterator[Fields]:
        """A list of maps."""
        for n, value in enumerate(self.items(key, most)):
            if not isinstance(value, Mapping):
                raise MalformedError(f"item {n} of field {self._path + key!r} is not a map", where=self._where)
            yield Fields(value, self._where, f"{self._path}{key}[{n}].")

    def numbers(self, key: str, most: int = 0) -> tuple[float, ...]:
        """A list of finite numbers."""
        return tuple(self._number(key, v) for v in self.items(key, most))

    def rows(self, key: str, rows: int, columns: int) -> tuple[tuple[float, ...], ...]:
        """A table of finite numbers with exactly so many rows and columns."""
        out = []
        listed = self.items(key, rows)
        for row in listed:
            if not isinstance(row, (list, tuple)) or len(row) != columns:
                raise self.wrong(key, f"has a row that is no list of {columns} numbers")
            out.append(tuple(self._number(key, v) for v in row))
        if len(out) != rows:
            raise self.wrong(key, f"has {len(out)} rows instead of {rows}")
        return tuple(out)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        values = self.items(key)
        if not all(isinstance(v, str) for v in values):
            raise self.bad(key, "a list of strings")
        return tuple(values)
