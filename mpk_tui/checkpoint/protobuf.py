"""Walking a protobuf message in a file: field numbers, wire types and where their values lie; nothing is built.

Encoding: protobuf.dev/programming-guides/encoding.  Groups (wire types 3 and 4) are refused; no format read
here has any.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import LimitError, MalformedError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MAX_FIELDS = 1 << 20
"""Fields that one file may have in all."""
_WINDOW = 1 << 18


class Field(NamedTuple):
    """One field.

    Attributes:
        number: Field number.
        wire: Wire type.
        value: The number of a varint; of the others 0.
        start: First byte of the value in the file.
        stop: One past the last.
    """

    number: int
    wire: int
    value: int
    start: int
    stop: int

    @property
    def signed(self) -> int:
        """A varint as the 64-bit signed number that int64 fields hold."""
        return self.value - (1 << 64) if self.value >> 63 else self.value


class Reader:
    """Reads messages of one file through a window; counts fields, so that no file keeps it busy for long."""

    def __init__(self, source: Source, file: str) -> None:
        self._source, self.file = source, file
        self._base, self._window = 0, b""
        self._left = MAX_FIELDS

    def fields(self, start: int, stop: int) -> Iterator[Field]:
        """The fields of the message that lies from ``start`` to ``stop``.

        Raises:
            MalformedError: A tag or value that no message has, or one that reaches beyond the message.
            LimitError: More fields in the file than are accepted.
        """
        at = start
        while at < stop:
            self._left -= 1
            if self._left < 0:
                raise LimitError(f"more than {MAX_FIELDS} fields", where=f"{self.file}, byte {at}")
            tag, after = self.varint(at, stop)
            number, wire = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                raise MalformedError(f"field number {number}", where=f"{self.file}, byte {at}")
            if wire == VARINT:
                value, end = self.varint(after, stop)
                yield Field(number, wire, value, after, end)
            elif wire in (FIXED64, FIXED32):
                end = after + (8 if wire == FIXED64 else 4)
                self._within(end, stop, after)
                yield Field(number, wire, 0, after, end)
            elif wire == LENGTH:
                length, first = self.varint(after, stop)
                end = first + length
                self._within(end, stop, after)
                yield Field(number, wire, 0, first, end)
            else:
                raise MalformedError(f"wire type {wire}", where=f"{self.file}, byte {at}")
            at = end

    def _within(self, end: int, stop: int, at: int) -> None:
        if end > stop:
            raise MalformedError(
                f"a value of {end - at} bytes where {stop - at} are left",
                where=f"{self.file}, byte {at}",
                hint="The file is cut short or was made to mislead",
            )

    def varint(self, at: int, stop: int) -> tuple[int, int]:
        """A varint at ``at`` and the place behind it."""
        index = at - self._base
        if at < stop and 0 <= index < len(self._window) and self._window[index] < 0x80:
            return self._window[index], at + 1  # nearly all are one byte
        value = shift = 0
        here = at
        while True:
            if here >= stop:
                raise MalformedError("a number that does not end", where=f"{self.file}, byte {at}")
            index = here - self._base
            if not 0 <= index < len(self._window):
                self._window = self._source.read(here, min(_WINDOW, self._source.size - here))
                self._base, index = here, 0
            byte = self._window[index]
            here += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> 64:
                    raise MalformedError("a number of more than 64 bits", where=f"{self.file}, byte {at}")
                return value, here
            shift += 7
            if shift > 63:
                raise MalformedError("a number of more than ten bytes", where=f"{self.file}, byte {at}")

    def text(self, field: Field, limit: int = 1 << 16) -> str:
        """A string field; bytes that are no UTF-8 appear as ``\\xNN``."""
        return self.octets(field, limit).decode("utf-8", "backslashreplace")

    def octets(self, field: Field, limit: int) -> bytes:
        """The bytes of a short field."""
        if field.wire != LENGTH:
            raise MalformedError(f"field {field.number} is no string", where=f"{self.file}, byte {field.start}")
        if field.stop - field.start > limit:
            raise LimitError(
                f"a string of {field.stop - field.start} bytes (at most {limit})",
                where=f"{self.file}, byte {field.start}",
            )
        index = field.start - self._base
        if index >= 0 and index + field.stop - field.start <= len(self._window):
            return self._window[index : index + field.stop - field.start]
        return self._source.read(field.start, field.stop - field.start)
