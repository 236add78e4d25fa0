"""Fields of a JSON object whose writer is a stranger: named, typed, bounded, and nothing beside them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Never

from mpk_tui.errors import MalformedError, UnsupportedError

HINT = "Ask whoever signed for the file as it was written"


def malformed(what: str, where: str) -> Never:
    """Refuse.

    Raises:
        MalformedError: Always.
    """
    raise MalformedError(what, where=where, hint=HINT)


def unsupported(what: str, where: str, hint: str = "Check it with the tool that made it") -> Never:
    """Refuse what another reader may understand.

    Raises:
        UnsupportedError: Always.
    """
    raise UnsupportedError(what, where=where, hint=hint)


def an_object(value: Any, where: str, known: frozenset[str] | None = None) -> Mapping[str, Any]:
    """A JSON object, with no field but the known ones."""
    if not isinstance(value, dict):
        malformed(f"an object was expected, found {_kind(value)}", where)
    if known is not None and (beside := sorted(value.keys() - known)):
        malformed(f"unknown field {beside[0][:80]!r}; known are {', '.join(sorted(known))}", where)
    return value


def a_list(value: Any, where: str, most: int) -> list[Any]:
    """A JSON array of at most ``most`` items."""
    if not isinstance(value, list):
        malformed(f"a list was expected, found {_kind(value)}", where)
    if len(value) > most:
        malformed(f"{len(value)} items; at most {most} are read", where)
    return value


def a_text(value: Any, where: str, most: int = 4096) -> str:
    """A JSON string that is well-formed Unicode and not empty."""
    if not isinstance(value, str):
        malformed(f"a string was expected, found {_kind(value)}", where)
    if not value or len(value) > most:
        malformed(f"a string of 1 to {most} characters was expected, found {len(value)}", where)
    if any("\ud800" <= c <= "\udfff" for c in value):
        malformed("half of a surrogate pair, which no UTF-8 file name can hold", where)
    return value


def base64_bytes(value: Any, where: str, most: int) -> bytes:
    """Bytes in base64 (RFC 4648 section 4), in the one way of writing them."""
    text = a_text(value, where, most * 4 // 3 + 4)
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        malformed("not base64", where)
    if base64.b64encode(data).decode("ascii") != text:
        malformed("base64 with stray bits at its end", where)
    return data


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    names = {bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")
