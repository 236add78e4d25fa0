"""Canonical msgpack (profile MPKB-CP1): one value, one byte string.

Every record that is hashed or signed (fingerprints, journal entries, bundles) is written in this profile:

* nil, bool, int in [-2**63, 2**63-1], finite float64 other than -0.0, str, bin, array, map; nothing else;
* the shortest header for every value, unsigned forms for non-negative integers;
* map keys are str matching ``[a-z][a-z0-9_]{0,47}`` in strictly ascending byte order, hence unique;
* well-formed UTF-8; no trailing bytes; bounded depth, lengths and node count.

Bytes from outside pass `scan`, a strict reader of our own, before ``msgpack.unpackb`` builds objects from them;
what we write is scanned as well, so that a change in the library's output can never ship unnoticed.  Source of the
encoding: the msgpack specification (github.com/msgpack/msgpack, spec.md); the profile is ours, see docs/format.md.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgpack

from mpk_tui.errors import LimitError, MalformedError
from mpk_tui.records import dataclass

KEY = re.compile(rb"[a-z][a-z0-9_]{0,47}\Z")
_I64_MIN, _I64_MAX = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True)
class Limits:
    """What a decoder accepts before it refuses; all are checked before anything is allocated."""

    depth: int = 12
    map_keys: int = 256
    array_items: int = 1 << 20
    str_bytes: int = 1 << 20
    bin_bytes: int = 1 << 30
    nodes: int = 8_000_000


DEFAULT = Limits()


def encode(value: Any, limits: Limits = DEFAULT) -> bytes:
    """Encode a value of plain Python objects canonically.

    Args:
        value: None, bool, int, float, str, bytes, list/tuple and dict with str keys, nested.
        limits: The limits that a reader will hold the result to.

    Raises:
        MalformedError: The value has no canonical form (NaN, a foreign type, a bad key, ...).
    """
    packed: bytes = msgpack.packb(_ordered(value, "value"), use_bin_type=True)
    scan(packed, limits)
    return packed


def decode(data: bytes | memoryview, limits: Limits = DEFAULT, *, where: str = "record") -> Any:
    """Decode canonical bytes; anything that `encode` would have written differently is refused.

    Args:
        data: The whole value, nothing before or after it.
        limits: Refusals before allocation.
        where: Name of the record for messages.

    Raises:
        MalformedError: Not canonical; the message carries the byte offset.
        LimitError: A declared length, depth or count exceeds ``limits``.
    """
    return counted(data, limits, where=where)[0]


def counted(data: bytes | memoryview, limits: Limits = DEFAULT, *, where: str = "record") -> tuple[Any, int]:
    """Like `decode`, with the number of values (keys of maps among them): what a reader of several records adds up."""
    nodes = scan(data, limits, where=where)
    value = msgpack.unpackb(
        data,
        raw=False,
        strict_map_key=True,
        max_str_len=limits.str_bytes,
        max_bin_len=limits.bin_bytes,
        max_array_len=limits.array_items,
        max_map_len=limits.map_keys,
        max_ext_len=0,
    )
    return value, nodes


def _ordered(value: Any, path: str) -> Any:
    if value is None or isinstance(value, (bool, bytes)):
        return value
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise MalformedError("a string with unpaired surrogates has no UTF-8", where=path) from None
        return value
    if isinstance(value, int):
        if not _I64_MIN <= value <= _I64_MAX:
            raise MalformedError(f"integer {value} does not fit 64 signed bits", where=path)
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise MalformedError("a float must be finite", where=path)
        return float(value) + 0.0  # -0.0 has no canonical form; adding 0.0 makes it 0.0
    if isinstance(value, Mapping):
        for k in value:
            if not isinstance(k, str) or not KEY.match(k.encode("utf-8", "surrogatepass")):
                raise MalformedError(f"map key {k!r} does not match [a-z][a-z0-9_]*", where=path)
        return {k: _ordered(value[k], f"{path}.{k}") for k in sorted(value)}
    if isinstance(value, Sequence):
        return [_ordered(v, path) for v in value]
    raise MalformedError(f"type {type(value).__name__} has no canonical form", where=path)


# First byte -> (kind, number of length/value bytes).  Kinds: s str, b bin, a array, m map, u unsigned, i signed.
_WIDE = {
    0xC4: ("b", 1), 0xC5: ("b", 2), 0xC6: ("b", 4),
    0xCC: ("u", 1), 0xCD: ("u", 2), 0xCE: ("u", 4), 0xCF: ("u", 8),
    0xD0: ("i", 1), 0xD1: ("i", 2), 0xD2: ("i", 4), 0xD3: ("i", 8),
    0xD9: ("s", 1), 0xDA: ("s", 2), 0xDB: ("s", 4),
    0xDC: ("a", 2), 0xDD: ("a", 4), 0xDE: ("m", 2), 0xDF: ("m", 4),
}  # fmt: skip
# The smallest value that needs this many length bytes; below it a shorter header exists.
_FLOOR = {
    ("b", 1): 0, ("b", 2): 1 << 8, ("b", 4): 1 << 16,
    ("s", 1): 32, ("s", 2): 1 << 8, ("s", 4): 1 << 16,
    ("a", 2): 16, ("a", 4): 1 << 16, ("m", 2): 16, ("m", 4): 1 << 16,
    ("u", 1): 1 << 7, ("u", 2): 1 << 8, ("u", 4): 1 << 16, ("u", 8): 1 << 32,
}  # fmt: skip
_FORBIDDEN = {
    0xC1: "the reserved byte 0xc1", 0xC7: "an extension type", 0xC8: "an extension type",
    0xC9: "an extension type", 0xCA: "a 32-bit float", 0xD4: "an extension type", 0xD5: "an extension type",
    0xD6: "an extension type", 0xD7: "an extension type", 0xD8: "an extension type",
}  # fmt: skip


def scan(data: bytes | memoryview, limits: Limits = DEFAULT, *, where: str = "record") -> int:
    """Check that ``data`` is exactly one canonical value.  Builds nothing, never recurses.

    Returns:
        How many values it holds, keys of maps among them.

    Raises:
        MalformedError: Not canonical, with the byte offset.
        LimitError: A declared length, depth or node count exceeds ``limits``.
    """
    view = memoryview(data).cast("B") if not isinstance(data, bytes) else data
    end = len(view)
    pos = nodes = 0
    most_nodes, most_text = limits.nodes, limits.str_bytes
    # The innermost open container: items left, whether it is a map, the key before, whether the next item is a key.  At
    # first the place of the one value; those further out wait on the stack.
    left, is_map, previous, want_key = 1, False, None, False
    stack: list[tuple[int, bool, bytes | None]] = []

    def bad(what: str, at: int) -> MalformedError:
        return MalformedError(
            what, where=f"{where}, byte {at}", hint="The file is damaged or was not written by this format"
        )

    def over(what: str, at: int) -> LimitError:
        return LimitError(what, where=f"{where}, byte {at}", hint="Refused before reading it")

    while True:
        # Close every container that is full.
        while not left:
            if not stack:
                if pos != end:
                    raise bad(f"{end - pos} trailing bytes after the value", pos)
                return nodes
            left, is_map, previous = stack.pop()
            want_key = is_map
        if pos >= end:
            raise bad("the value is cut short", pos)
        nodes += 1
        if nodes > most_nodes:
            raise over(f"more than {most_nodes} values", pos)
        start, first = pos, view[pos]
        pos += 1

        kind, n = "", 0
        if first <= 0x7F or first >= 0xE0 or first in (0xC0, 0xC2, 0xC3):
            kind = "v"
        elif first <= 0x8F:
            kind, n = "m", first & 0x0F
        elif first <= 0x9F:
            kind, n = "a", first & 0x0F
        elif first <= 0xBF:
            kind, n = "s", first & 0x1F
        elif first == 0xCB:
            if end - pos < 8:
                raise bad("the value is cut short", pos)
            number = struct.unpack(">d", bytes(view[pos : pos + 8]))[0]
            if not math.isfinite(number) or (number == 0.0 and math.copysign(1.0, number) < 0):
                raise bad("a float that is NaN, infinite or negative zero", start)
            pos += 8
            kind = "v"
        elif first in _FORBIDDEN:
            raise bad(f"{_FORBIDDEN[first]} is not allowed", start)
        else:
            kind, width = _WIDE[first]
            if end - pos < width:
                raise bad("the value is cut short", pos)
            n = int.from_bytes(bytes(view[pos : pos + width]), "big", signed=kind == "i")
            pos += width
            if kind == "i":
                floor = {1: -(1 << 5), 2: -(1 << 7), 4: -(1 << 15), 8: -(1 << 31)}[width]
                if n >= floor:
                    raise bad("an integer that has a shorter form", start)
                kind = "v"
            else:
                if n < _FLOOR[kind, width]:
                    raise bad("a length or integer that has a shorter form", start)
                if kind == "u":
                    if n > _I64_MAX:
                        raise bad("an integer of 2**63 or more", start)
                    kind = "v"

        if want_key and kind != "s":
            raise bad("a map key that is not a string", start)

        if kind == "s":
            if n > most_text:
                raise over(f"a string of {n} bytes (at most {most_text})", start)
            if n > end - pos:
                raise bad(f"a length of {n} with {end - pos} bytes left", start)
            raw = bytes(view[pos : pos + n])
            pos += n
            if want_key:
                if not KEY.match(raw):
                    raise bad("a map key outside [a-z][a-z0-9_]{0,47}", start)
                if previous is not None and raw <= previous:
                    raise bad("map keys that are not in strictly ascending order", start)
                # A key fills no place of its map; its value will.
                previous, want_key = raw, False
                continue
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                raise bad("a string that is not UTF-8", start) from None
        elif kind == "b":
            if n > limits.bin_bytes:
                raise over(f"a byte string of {n} bytes (at most {limits.bin_bytes})", start)
            if n > end - pos:
                raise bad(f"a length of {n} with {end - pos} bytes left", start)
            pos += n
        elif kind in ("a", "m"):
            cap = limits.array_items if kind == "a" else limits.map_keys
            # Caps first: what is too large is told as that, whatever else is wrong with it.
            if n > cap:
                raise over(f"{'an array' if kind == 'a' else 'a map'} of {n} items (at most {cap})", start)
            if n and len(stack) >= limits.depth:
                raise over(f"nesting deeper than {limits.depth}", start)
            if n * (1 if kind == "a" else 2) > end - pos:
                raise bad(f"a count of {n} with {end - pos} bytes left", start)
            if n:
                stack.append((left - 1, is_map, previous))
                left, is_map, previous = n, kind == "m", None
                want_key = is_map
                continue

        left -= 1
        want_key = is_map
