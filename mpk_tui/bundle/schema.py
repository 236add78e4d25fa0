"""The shapes of records: small checkers that are put together into schemas, for what is read and for what is written.

A checker takes a decoded value, the place it was found at and a `Reading`; it raises `MalformedError` that names the
place.  Types are exact: a bool is no integer, an integer is no float.  Each checker carries a description of what it
accepts, from which the published schema is made (`mpk_tui.report.cddl`): it is the one that is run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgpack

from mpk_tui import canonical
from mpk_tui.bundle.limits import DEFAULT, Bounds, Named
from mpk_tui.errors import LimitError, MalformedError
from mpk_tui.records import dataclass, field

MOST_TOLD = 100


@dataclass
class Reading:
    """State of one check.

    Attributes:
        newer: The record was written by a newer minor version: fields that we do not know are noted, not refused.
        unknown: Places of the first `MOST_TOLD` of those fields.
        more: How many there are beyond them.
        bounds: What replaces the format's named limits.
    """

    newer: bool = False
    unknown: list[str] = field(default_factory=list)
    more: int = 0
    bounds: Bounds = DEFAULT

    def pass_over(self, where: str, name: str) -> None:
        """Note a field that is not known: a section may hold millions, and nobody reads more than the first."""
        if len(self.unknown) < MOST_TOLD:
            self.unknown.append(f"{where}.{name}")
        else:
            self.more += 1

    @property
    def passed_over(self) -> tuple[str, ...]:
        """What was passed over, in words."""
        return (*self.unknown, *([f"{self.more} more fields"] if self.more else []))

    def widest(self, most: int) -> int:
        """The larger of the format's limit and the one that replaces it: for numbers that only declare a size."""
        return max(most, self.bounds.of(most))


Check = Callable[[Any, str, Reading], None]


Shape = tuple[Any, ...]
"""What a checker accepts: ``("type", CDDL)``, ``("maybe", shape)``, ``("list", least, most, shape)``,
``("row", shapes)``, ``("map", {name: (optional, shape)})`` or ``("open", shape of every value)``."""


def described(check: Check, *shape: Any) -> Check:
    """Let a checker carry its description, a `Shape`."""
    setattr(check, "__shape__", shape)  # noqa: B010 - functions have no such field for the type checker
    return check


def shape_of(check: Check) -> Shape:
    """What a checker accepts.

    Raises:
        LookupError: It was made without a description.
    """
    shape = getattr(check, "__shape__", None)
    if not isinstance(shape, tuple):
        raise LookupError(f"no description of {check!r}")
    return shape


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

    if pattern is None:
        return described(check, "type", f"tstr .size ({least}..{most})")
    escaped = pattern.replace("\\", "\\\\").replace('"', '\\"')
    return described(check, "type", f'tstr .regexp "{escaped}"')


def integer(low: int = 0, high: int = (1 << 63) - 1) -> Check:
    """An integer in a range."""
    named = isinstance(high, Named)

    def check(value: Any, where: str, reading: Reading) -> None:
        most = reading.widest(high) if named else high
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= most:
            raise fault(where, f"an integer in {low}..{high}", value)

    if low < 0:  # negative bounds of ranges are not understood by every implementation of CDDL
        return described(check, "type", f"uint .le {high} / nint .ge {low}")
    return described(check, "type", f"{low}..{high}")


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
        if isinstance(high, Named) and isinstance(value, bytes):
            reading.bounds.check(high, len(value), where)
            fits = low <= len(value)
        else:
            fits = isinstance(value, bytes) and low <= len(value) <= high
        if not fits:
            raise fault(where, f"a byte string of {low}..{high} bytes" if low != high else f"{low} bytes", value)

    return described(check, "type", f"bstr .size {low}" if low == high else f"bstr .size ({low}..{high})")


digest = binary(32, 32)
"""A SHA-256."""


def choice(*values: str) -> Check:
    """One of fixed strings."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if not isinstance(value, str) or value not in values:
            raise fault(where, "one of " + ", ".join(values), value)

    return described(check, "type", " / ".join(f'"{v}"' for v in values))


def maybe(inner: Check) -> Check:
    """Nil, or what ``inner`` accepts."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if value is not None:
            inner(value, where, reading)

    return described(check, "maybe", shape_of(inner))


def listing(item: Check, most: int, least: int = 0) -> Check:
    """An array of ``least`` to ``most`` items."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if not isinstance(value, list):
            raise fault(where, "an array", value)
        if isinstance(most, Named):
            reading.bounds.check(most, len(value), where)
        elif len(value) > most:
            raise LimitError(f"{len(value)} items, at most {most}", where=where, hint="Refused before reading it")
        if len(value) < least:
            raise fault(where, f"at least {least} items", value)
        for n, one in enumerate(value):
            item(one, f"{where}[{n}]", reading)

    return described(check, "list", least, most, shape_of(item))


def row(*items: Check) -> Check:
    """An array of exactly these items."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if not isinstance(value, list) or len(value) != len(items):
            raise fault(where, f"an array of {len(items)}", value)
        for n, (one, item) in enumerate(zip(value, items, strict=True)):
            item(one, f"{where}[{n}]", reading)

    return described(check, "row", [shape_of(i) for i in items])


def record(fields: Mapping[str, Check], optional: tuple[str, ...] = ()) -> Check:
    """A map of these fields; all but the ``optional`` ones must be there, others may not (see `Reading.newer`)."""

    def check(value: Any, where: str, reading: Reading) -> None:
        if not isinstance(value, dict):
            raise fault(where, "a map", value)
        for name in value:
            if name not in fields:
                if not reading.newer:
                    raise MalformedError(f"unknown field {name!r}", where=where)
                reading.pass_over(where, name)
        for name, inner in fields.items():
            if name in value:
                inner(value[name], f"{where}.{name}", reading)
            elif name not in optional:
                raise MalformedError(f"field {name!r} is missing", where=where)

    return described(check, "map", {n: (n in optional, shape_of(c)) for n, c in fields.items()})


described(number, "type", "float64")
described(boolean, "type", "bool")
described(anything, "type", "any")
described(mapping, "open", ("type", "any"))


def canonical_map(payload: bytes, most: canonical.Limits, where: str) -> dict[str, Any]:
    """The map that a signed payload holds: its version is there, nothing else of it was looked at.

    Raises:
        MalformedError: Not a canonical map, or one without a version.
        LimitError: A declared size exceeds what we accept.
    """
    value = canonical.decode(payload, most, where=where)
    if not isinstance(value, dict):
        raise MalformedError("expected a map", where=where)
    # A second, independent check of the canonical form: what the library would write.
    if msgpack.packb(value, use_bin_type=True) != payload:
        raise MalformedError("is not in canonical form", where=where)
    if "v" not in value:
        raise MalformedError("field 'v' is missing", where=where)
    return value
