"""Records in JSON from strangers, checked field by field: what is wrong is named by file and field.

A *kind* is a function ``(value, where, path) -> value`` that returns the value in plain form or raises.  The same kinds
read the Kit's JSON and our own file of it.  Numbers are finite and fit 64 bits; text is bounded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from mpk_tui.checkpoint import strictjson
from mpk_tui.errors import LimitError, MalformedError

Kind = Callable[[Any, str, str], Any]

MAX_TEXT = 4096
_I64 = 1 << 63


def parse(data: bytes, where: str) -> Any:
    """Decode JSON as `mpk_tui.checkpoint.strictjson.parse` does, and refuse numbers that no field can hold.

    Raises:
        MalformedError: As there; or a number that is infinite or does not fit 64 bits, or a NaN, its field named.
    """
    try:
        value = strictjson.parse(data, where)
    except MalformedError as error:
        _name_constant(data, where, error)
        raise
    _check_numbers(value, where, "")
    return value


def _name_constant(data: bytes, where: str, error: MalformedError) -> None:
    """Say which field holds the NaN or infinity that was refused; nothing if something else was."""
    if "is not a JSON number" not in error.what:
        return
    # Depth was checked before the constant was met, so this parse cannot recurse further than that one.
    value = json.loads(data, parse_constant=_Constant, parse_int=str)
    _check_numbers(value, where, "")


class _Constant(str):
    """``NaN``, ``Infinity`` or ``-Infinity`` where a number should be."""


def _check_numbers(value: Any, where: str, path: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check_numbers(item, where, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for n, item in enumerate(value):
            _check_numbers(item, where, f"{path}[{n}]")
    elif isinstance(value, _Constant) or (isinstance(value, float) and not math.isfinite(value)):
        _bad(where, path, "a finite number expected", f"{value}")
    elif isinstance(value, int) and not -_I64 <= value < _I64:
        _bad(where, path, "a number of at most 64 bits expected", f"one of {value.bit_length()} bits")


def _bad(where: str, path: str, expected: str, found: str) -> NoReturn:
    raise MalformedError(
        f"{expected}, {found[:80]} found",
        where=f"{where}, field {path[:200] or '(the whole)'}",
        hint="Nothing was imported; the file is damaged or of another version of the Kit",
    )


def _what(value: Any) -> str:
    names = {"NoneType": "null", "dict": "an object", "list": "a list", "str": "text", "bool": "true or false"}
    return names.get(type(value).__name__, f"the number {value}" if isinstance(value, int | float) else "another thing")


def text(value: Any, where: str, path: str) -> str:
    """Text of at most `MAX_TEXT` characters."""
    return _text(value, where, path, MAX_TEXT)


def long_text(value: Any, where: str, path: str) -> str:
    """Text of at most 1 MiB in UTF-8."""
    return _text(value, where, path, (1 << 20) // 4)


def _text(value: Any, where: str, path: str, most: int) -> str:
    if not isinstance(value, str):
        _bad(where, path, "text expected", _what(value))
    if len(value) > most:
        raise LimitError(f"text of {len(value)} characters (at most {most})", where=f"{where}, field {path[:200]}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        _bad(where, path, "text expected", "half of a surrogate pair")
    return value


def whole(value: Any, where: str, path: str) -> int:
    """A whole number; true and false are none."""
    if not isinstance(value, int) or isinstance(value, bool):
        _bad(where, path, "a whole number expected", _what(value))
    return value


def count(value: Any, where: str, path: str) -> int:
    """A whole number that is not negative."""
    if whole(value, where, path) < 0:
        _bad(where, path, "a number of things expected", str(value))
    return int(value)


def number(value: Any, where: str, path: str) -> float:
    """A finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        _bad(where, path, "a number expected", _what(value))
    return float(value)


def flag(value: Any, where: str, path: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        _bad(where, path, "true or false expected", _what(value))
    return value


def binary(value: Any, where: str, path: str) -> bytes:
    """Bytes: 32 of a digest, or none."""
    if not isinstance(value, bytes) or len(value) not in (0, 32):
        _bad(where, path, "a digest expected", _what(value))
    return value


def maybe(kind: Kind) -> Kind:
    """A value of a kind, or null."""
    return lambda value, where, path: None if value is None else kind(value, where, path)


def items(kind: Kind, most: int) -> Kind:
    """A list of at most so many values of a kind."""

    def check(value: Any, where: str, path: str) -> list[Any]:
        if not isinstance(value, list | tuple):
            _bad(where, path, "a list expected", _what(value))
        if len(value) > most:
            raise LimitError(f"a list of {len(value)} (at most {most})", where=f"{where}, field {path[:200]}")
        return [kind(v, where, f"{path}[{n}]") for n, v in enumerate(value)]

    return check


def table(kind: Kind, most: int) -> Kind:
    """A map of text to values of a kind, in plain form pairs in the order of their names.

    Our own file holds such a map as pairs already, since its names are a stranger's.
    """

    def check(value: Any, where: str, path: str) -> list[list[Any]]:
        pairs = value.items() if isinstance(value, dict) else value
        if not isinstance(value, dict) and not (
            isinstance(value, list | tuple) and all(isinstance(p, list | tuple) and len(p) == 2 for p in value)
        ):
            _bad(where, path, "an object expected", _what(value))
        if len(value) > most:
            raise LimitError(f"an object of {len(value)} (at most {most})", where=f"{where}, field {path[:200]}")
        found = [[text(k, where, path), kind(v, where, f"{path}.{k}")] for k, v in pairs]
        if len({k for k, _ in found}) != len(found):
            _bad(where, path, "each name once expected", "one twice")
        return sorted(found)

    return check


def record(fields: Mapping[str, Kind], defaults: Mapping[str, Any]) -> Kind:
    """An object with these fields; those with a default may be missing, fields that we do not know are left out."""

    def check(value: Any, where: str, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            _bad(where, path, "an object expected", _what(value))
        out = {}
        for name, kind in fields.items():
            inner = f"{path}.{name}" if path else name
            if name in value:
                out[name] = kind(value[name], where, inner)
            elif name in defaults:
                out[name] = defaults[name]
            else:
                _bad(where, inner, "a value expected", "none")
        return out

    return check
