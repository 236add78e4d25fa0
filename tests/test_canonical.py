"""The canonical profile, with the msgpack library as oracle: one value, one byte string, and nothing else accepted."""

from __future__ import annotations

import math
import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpk_tui import canonical
from mpk_tui.canonical import Limits
from mpk_tui.errors import LimitError, MalformedError, MpkError

keys = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary(max_size=300),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=20), st.dictionaries(keys, inner, max_size=20)),
    max_leaves=30,
)


def same(a: Any, b: Any) -> bool:
    """Equality that tells True from 1 and 1 from 1.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: in_order(value[k]) for k in sorted(value)}
    if isinstance(value, list):
        return [in_order(v) for v in value]
    return 0.0 if isinstance(value, float) and value == 0.0 else value


@given(values)
@settings(max_examples=120, deadline=None)
def test_what_is_written_is_read_back(value: Any) -> None:
    data = canonical.encode(value)
    assert same(canonical.decode(data), in_order(value))
    assert canonical.encode(canonical.decode(data)) == data
    assert msgpack.packb(in_order(value), use_bin_type=True) == data


@given(st.binary(max_size=60))
@settings(max_examples=800, deadline=None)
def test_what_is_accepted_is_what_the_oracle_would_write(data: bytes) -> None:
    try:
        value = canonical.decode(data)
    except MpkError:
        return
    assert canonical.encode(value) == data
    assert same(msgpack.unpackb(data, strict_map_key=False), value)


@given(values, st.data())
@settings(max_examples=120, deadline=None)
def test_one_changed_byte_gives_another_value_or_none(value: Any, data: st.DataObject) -> None:
    packed = bytearray(canonical.encode(value))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    try:
        changed = canonical.decode(bytes(packed))
    except MpkError:
        return
    assert canonical.encode(changed) == bytes(packed)


@given(values)
@settings(max_examples=50, deadline=None)
def test_no_proper_prefix_and_no_tail_is_accepted(value: Any) -> None:
    data = canonical.encode(value)
    for n in range(len(data)):
        with pytest.raises((MalformedError, LimitError)):
            canonical.scan(data[:n])
    with pytest.raises(MalformedError, match="trailing"):
        canonical.scan(data + b"\xc0")


def float64(bits: int) -> bytes:
    return b"\xcb" + bits.to_bytes(8, "big")


REFUSED = {
    "empty": b"",
    "reserved byte": b"\xc1",
    "uint8 for a small number": b"\xcc\x7f",
    "uint16 for uint8": b"\xcd\x00\xff",
    "uint32 for uint16": b"\xce\x00\x00\xff\xff",
    "uint64 for uint32": b"\xcf\x00\x00\x00\x00\xff\xff\xff\xff",
    "uint64 of 2**63": b"\xcf\x80\x00\x00\x00\x00\x00\x00\x00",
    "int8 for a fixint": b"\xd0\xe0",
    "int8 for a positive number": b"\xd0\x01",
    "int16 for int8": b"\xd1\xff\x80",
    "int16 for a positive number": b"\xd1\x01\x00",
    "int32 for int16": b"\xd2\xff\xff\x80\x00",
    "int64 for int32": b"\xd3\xff\xff\xff\xff\x80\x00\x00\x00",
    "str8 for a fixstr": b"\xd9\x01a",
    "str16 for str8": b"\xda\x00\x20" + b"a" * 32,
    "str32 for str16": b"\xdb\x00\x00\x01\x00" + b"a" * 256,
    "bin16 for bin8": b"\xc5\x00\x01a",
    "bin32 for bin16": b"\xc6\x00\x00\x01\x00" + b"a" * 256,
    "array16 for a fixarray": b"\xdc\x00\x01\xc0",
    "array32 for array16": b"\xdd\x00\x00\x00\x10" + b"\xc0" * 16,
    "map16 for a fixmap": b"\xde\x00\x01\xa1a\xc0",
    "map32 for map16": b"\xdf\x00\x00\x00\x10" + b"".join(b"\xa1%c\xc0" % (97 + n) for n in range(16)),
    "float32": b"\xca" + struct.pack(">f", 1.5),
    "NaN": float64(0x7FF8000000000000),
    "NaN with a payload": float64(0xFFF8000000000123),
    "infinity": float64(0x7FF0000000000000),
    "minus infinity": float64(0xFFF0000000000000),
    "minus zero": float64(1 << 63),
    "fixext": b"\xd4\x00\x00",
    "timestamp 32": b"\xd6\xff\x00\x00\x00\x01",
    "ext8": b"\xc7\x01\x05a",
    "ext32 of length 2**32 - 1": b"\xc9\xff\xff\xff\xff\xff",
    "unsorted keys": b"\x82\xa1b\xc0\xa1a\xc0",
    "key twice": b"\x82\xa1a\xc0\xa1a\xc0",
    "binary key": b"\x81\xc4\x01a\xc0",
    "integer key": b"\x81\x01\xc0",
    "array as a key": b"\x81\x90\xc0",
    "upper-case key": b"\x81\xa1A\xc0",
    "Cyrillic key": b"\x81\xa2\xd0\xb0\xc0",
    "empty key": b"\x81\xa0\xc0",
    "key with a line feed": b"\x81\xa2a\n\xc0",
    "key of 49 bytes": b"\x81\xd9\x31" + b"a" * 49 + b"\xc0",
    "invalid UTF-8": b"\xa1\xff",
    "surrogate in UTF-8": b"\xa3\xed\xa0\x80",
    "overlong UTF-8": b"\xa2\xc0\x80",
    "above U+10FFFF": b"\xa4\xf4\x90\x80\x80",
    "map without its last value": b"\x81\xa1a",
    "array with a million items in 20 bytes": b"\xdd\x00\x0f\x00\x00" + b"\xc0" * 15,
    "two values": b"\xc0\xc0",
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_encodings_are_malformed(name: str) -> None:
    for wrapped in (REFUSED[name], b"\x92\xc0" + REFUSED[name]):
        with pytest.raises(MalformedError) as refused:
            canonical.decode(wrapped)
        assert "byte " in refused.value.diagnosis()


BEYOND = {
    "array of 4 G": b"\xdd\xff\xff\xff\xff",
    "map of 4 G": b"\xdf\xff\xff\xff\xff",
    "bin of 4 G": b"\xc6\xff\xff\xff\xff",
    "str of 4 G": b"\xdb\xff\xff\xff\xff",
    "100,000 deep": b"\x91" * 100_000,
    "200,000 nested array32 headers": b"\xdd\x00\x01\x00\x00" * 200_000,
    "map of 257": b"\xde\x01\x01" + b"\xc0" * 600,
}


@pytest.mark.parametrize("name", BEYOND)
def test_what_is_too_large_is_refused_before_it_is_built(name: str) -> None:
    with pytest.raises(LimitError):
        canonical.decode(BEYOND[name])


def test_depth_and_nodes_are_bounded_exactly() -> None:
    limits = Limits(depth=3, nodes=4)
    assert canonical.decode(b"\x91\x91\x91\xc0", limits) == [[[None]]]
    with pytest.raises(LimitError, match="nesting"):
        canonical.decode(b"\x91\x91\x91\x91\xc0", limits)
    with pytest.raises(LimitError, match="values"):
        canonical.decode(b"\x94\xc0\xc0\xc0\xc0", limits)


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, 1 << 63, -(1 << 63) - 1, {1: 2}, {"A": 1}, {"": 1}, "\ud800", {1, 2}, object(), [object()]],
    ids=lambda value: repr(value).split(" at 0x")[0],  # addresses differ from run to run
)
def test_what_has_no_canonical_form_is_not_written(value: Any) -> None:
    with pytest.raises(MalformedError):
        canonical.encode(value)


def test_negative_zero_is_written_as_zero() -> None:
    assert canonical.encode(-0.0) == canonical.encode(0.0) == float64(0)


def test_views_are_read_like_bytes() -> None:
    data = canonical.encode({"a": [1, b"x", "y", 2.5]})
    assert canonical.decode(memoryview(data)) == canonical.decode(data)
