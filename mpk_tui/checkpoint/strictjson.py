"""JSON from strangers: bounded, no duplicate keys, no NaN, no surprises in numbers."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from mpk_tui.errors import MalformedError

MAX_DEPTH = 64


def parse(data: bytes, where: str) -> Any:
    """Decode UTF-8 JSON.

    Args:
        data: The whole text; its length was bounded by whoever read it.
        where: File name for messages.

    Raises:
        MalformedError: Not JSON, not UTF-8, a duplicate key, NaN or infinity, or nested too deeply.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedError("not UTF-8", where=f"{where}, byte {error.start}") from None
    _check_depth(text, where)

    def no_constant(name: str) -> NoReturn:
        raise MalformedError(f"{name} is not a JSON number", where=where)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in pairs:
            if key in out:
                raise MalformedError(f"the key {key[:80]!r} occurs twice", where=where)
            out[key] = value
        return out

    def number(digits: str) -> int:
        if len(digits) > 40:
            raise MalformedError("a number of more than 40 digits", where=where)
        return int(digits)

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=no_constant, parse_int=number)
    except json.JSONDecodeError as error:
        raise MalformedError(
            f"not JSON ({error.msg})", where=f"{where}, line {error.lineno} column {error.colno}"
        ) from None
    except RecursionError:
        raise MalformedError(f"nested deeper than {MAX_DEPTH}", where=where) from None


def _check_depth(text: str, where: str) -> None:
    """Count brackets outside strings before the parser recurses into them."""
    depth = at = 0
    in_string = False
    while at < len(text):
        c = text[at]
        if in_string:
            # Strings are skipped by their delimiters; most of a tokenizer file is inside them.
            close = text.find('"', at)
            if close < 0:
                return
            escape = text.find("\\", at, close)
            if escape >= 0:
                at = escape + 2
                continue
            in_string = False
            at = close + 1
            continue
        if c == '"':
            in_string = True
        elif c in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise MalformedError(f"nested deeper than {MAX_DEPTH}", where=f"{where}, character {at}")
        elif c in "]}":
            depth -= 1
        at += 1
