"""The shapes of records: small checkers that are put together into schemas, for what is read and for what is written.

A checker takes a decoded value, the place it was found at and a `Reading`; it raises `MalformedError` that names the
place.  Types are exact: a bool is no integer, an integer is no float.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mpk_tui.errors import LimitError, MalformedError


@dataclass
class Reading:
    """State of one check.

    Attributes:
        newer: The record was written by a newer minor version: fields that we do not know are noted, not refused.
        unknown: Places of those fields.
    """

    newer: bool = False
    unknown: list[str] = field(default_factory=list)


Check = Callable[[Any, str, Reading], None]


def fault(where: str, expected: str, value: Any = None) -> MalformedError:
    """The error for a value that does not fit."""
    found = "" if value is None else f"; found {_short(value)}"
    return MalformedError(f"expected {expected}{found}", where=where, hint="The record was not written by this format")


def _short(value: Any) -> str:
    if isinstance(value, (bytes, str, list, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    return repr(value)[:60]


def text(most: int = 4096, pattern: str | None = None, least: int = 0) -> Check:
    """A string of ``least`` to ``most`` UTF-8 bytes, matching ``pattern`` as a whole."""
    expression = re.compile(pattern) if pattern else None

    def check(value: Any, where: str, reading: Reading) -> None:
        if not isinstance(value, str):
            raise fault(where, "a string", value)
        if not least <= len(value.encode("utf-8")) <= most:
            raise fault(where, f"a string of {least} to {most} bytes", value)
        if expression and not expression.fullmatch(value):
            raise fault(where, f"a string like {expression.pattern}", value)

    return check


def integer(low: int = 0, high: int = (1 << 63) - 1) -> Check:
    """An integer in a range."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise fault(where, f"an integer in {low}..{high}", value)

    return check


moment: Check = integer(0, 253_402_300_799_999)
"""Milliseconds since 1970, UTC, to the end of the year 9999."""


def number(value: Any, where: str, reading: Reading) -> None:
    """A float (never an integer)."""
    if not isinstance(value, float):
        raise fault(where, "a float", value)


def boolean(value: Any, where: str, reading: Reading) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise fault(where, "true or false", value)


def anything(value: Any, where: str, reading: Reading) -> None:
    """Any canonical value."""


def mapping(value: Any, where: str, reading: Reading) -> None:
    """Any map."""
    if not isinstance(value, dict):
        raise fault(where, "a map", value)


def binary(low: int, high: int) -> Check:
    """A byte string of ``low`` to ``high`` bytes."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if not isinstance(value, bytes) or not low <= len(value) <= high:
            raise fault(where, f"a byte string of {low}..{high} bytes" if low != high else f"{low} bytes", value)

    return check


digest = binary(32, 32)
"""A SHA-256."""


def choice(*values: str) -> Check:
    """One of fixed strings."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if not isinstance(value, str) or value not in values:
            raise fault(where, "one of " + ", ".join(values), value)

    return check


def maybe(inner: Check) -> Check:
    """Nil, or what ``inner`` accepts."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if value is not None:
            inner(value, where, reading)

    return check


def listing(item: Check, most: int, least: int = 0) -> Check:
    """An array of ``least`` to ``most`` items."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if not isinstance(value, list):
            raise fault(where, "an array", value)
        if len(value) > most:
            raise LimitError(f"{len(value)} items, at most {most}", where=where, hint="Refused before reading it")
        if len(value) < least:
            raise fault(where, f"at least {least} items", value)
        for n, one in enumerate(value):
            item(one, f"{where}[{n}]", reading)

    return check


def row(*items: Check) -> Check:
    """An array of exactly these items."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if not isinstance(value, list) or len(value) != len(items):
            raise fault(where, f"an array of {len(items)}", value)
        for n, (one, item) in enumerate(zip(value, items, strict=True)):
            item(one, f"{where}[{n}]", reading)

    return check


def record(fields: Mapping[str, Check], optional: tuple[str, ...] = ()) -> Check:
    """A map of these fields; all but the ``optional`` ones must be there, others may not (see `Reading.newer`)."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if not isinstance(value, dict):
            raise fault(where, "a map", value)
        for name in value:
            if name not in fields:
                if not reading.newer:
                    raise MalformedError(f"unknown field {name!r}", where=where)
                reading.unknown.append(f"{where}.{name}")
        for name, inner in fields.items():
            if name in value:
                inner(value[name], f"{where}.{name}", reading)
            elif name not in optional:
                raise MalformedError(f"field {name!r} is missing", where=where)

    return check
