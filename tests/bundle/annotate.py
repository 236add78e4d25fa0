"""Writes docs/format-annotated.md: every byte of one small bundle with what it means.

    python tests/bundle/annotate.py docs/format-annotated.md

Each line is a header or a value of the canonical form: offset in the file, bytes, meaning.  Byte strings that hold a
record of their own (payload, endorsement bodies, blobs) are taken apart in their place, so that the offsets run
through.  A test holds the page against this script.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import workshop as w
from test_mutations import small

from mpk_tui import canonical
from mpk_tui.bundle import dsse, envelope
from mpk_tui.errors import MpkError

OUTER = ("magic", "payload type", "payload: the manifest, which is signed", "signatures", "endorsements", "blobs")
ROWS = {
    "signatures": ("key id: SHA-256 of the key's SubjectPublicKeyInfo", "signature over PAE(payload type, payload)"),
    "blobs": ("section", "salt", "data"),
    "endorsements": ("body, which is signed", "signatures"),
}
_WIDTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_NUMBERS = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}


@dataclass(frozen=True)
class Token:
    """A header or value: where it stands, how deep, and what it says."""

    start: int
    end: int
    depth: int
    text: str


class Walk:
    """Reads canonical bytes from left to right and names what it meets.  The bytes were scanned before."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def value(self, depth: int, label: str, end: int, names: tuple[str, ...] = ()) -> Iterator[Token]:
        """One value with everything in it; ``names`` are those of the items of an array."""
        start, first = self.at, self.data[self.at]
        self.at += 1
        size = _WIDTHS.get(first, 0)
        length = int.from_bytes(self.data[self.at : self.at + size], "big")
        self.at += size
        prefix = f"{label}: " if label else ""
        if first in _NUMBERS:
            width = struct.calcsize(_NUMBERS[first])
            (number,) = struct.unpack(_NUMBERS[first], self.data[self.at : self.at + width])
            self.at += width
            yield Token(start, self.at, depth, f"{prefix}{number}")
        elif first == 0xCB:
            (real,) = struct.unpack(">d", self.data[self.at : self.at + 8])
            self.at += 8
            yield Token(start, self.at, depth, f"{prefix}{real!r}")
        elif first <= 0x7F or first >= 0xE0:
            yield Token(start, self.at, depth, f"{prefix}{first if first <= 0x7F else first - 256}")
        elif first in (0xC0, 0xC2, 0xC3):
            yield Token(start, self.at, depth, prefix + {0xC0: "nil", 0xC2: "false", 0xC3: "true"}[first])
        elif first <= 0x8F or first in (0xDE, 0xDF):
            yield from self._map(start, depth, prefix, length if size else first & 0x0F, end)
        elif first <= 0x9F or first in (0xDC, 0xDD):
            yield from self._array(start, depth, label, length if size else first & 0x0F, end, names)
        elif first <= 0xBF or first in (0xD9, 0xDA, 0xDB):
            length = length if size else first & 0x1F
            text = self.data[self.at : self.at + length].decode()
            self.at += length
            yield Token(start, self.at, depth, f"{prefix}{text!r}")
        else:
            yield from self._bin(start, depth, prefix, length)

    def _map(self, start: int, depth: int, prefix: str, count: int, end: int) -> Iterator[Token]:
        yield Token(start, self.at, depth, f"{prefix}map of {count}")
        for _ in range(count):
            (key,) = self.value(depth + 1, "", end)
            name = key.text.strip("'")
            yield Token(key.start, key.end, depth + 1, f"key {name}")
            yield from self.value(depth + 2, "", end)

    def _array(
        self, start: int, depth: int, label: str, count: int, end: int, names: tuple[str, ...]
    ) -> Iterator[Token]:
        yield Token(start, self.at, depth, f"{label}: array of {count}" if label else f"array of {count}")
        inner = ROWS.get(label, ())
        for n in range(count):
            name = names[n] if n < len(names) else ""
            yield from self.value(depth + 1, name, end, inner)

    def _bin(self, start: int, depth: int, prefix: str, length: int) -> Iterator[Token]:
        inside = self.data[self.at : self.at + length]
        if length > 32 and _is_record(inside):
            yield Token(start, self.at, depth, f"{prefix}{length} bytes, which are:")
            yield from self.value(depth + 1, "", self.at + length)
        else:
            self.at += length
            yield Token(start, self.at, depth, f"{prefix}{length} bytes")


def _is_record(data: bytes) -> bool:
    try:
        return isinstance(canonical.decode(data), (dict, list))
    except MpkError:
        return False


def tokens(data: bytes) -> list[Token]:
    """Everything in a bundle file."""
    walk = Walk(data)
    return list(walk.value(0, "the file", len(data), OUTER))


def page(data: bytes) -> str:
    """The whole page."""
    parsed = envelope.parse(data)
    lines = [
        "# One bundle, byte by byte",
        "",
        "Generated by `tests/bundle/annotate.py`; the file is [`bundles/annotated/bundle.mpkb`](../bundles/annotated/). It is the least that a",
        "bundle can hold: two artifacts of one tensor each, a pair without an answer, a journal of one entry. Its key is the published test key",
        "of the suite. Numbers in brackets are sections of [format.md](format.md).",
        "",
        f"* Size {len(data):,} bytes; SHA-256 of the file `{w.hashlib.sha256(data).hexdigest()}`.",
        f"* The signed message (2) is `DSSEv1 {len(parsed.payload_type)} {parsed.payload_type} {len(parsed.payload)} ` and the {len(parsed.payload):,} bytes of the payload.",
        f"* The bundle's id (2), SHA-256 of that message: `{dsse.bundle_id(parsed.payload).hex()}`.",
        f"* The key's id (2), SHA-256 of `302a300506032b6570032100` and the 32 bytes of the key: `{parsed.signatures[0].keyid.hex()}`.",
        "* Digests of sections (4): for an unsalted blob SHA-256 of its data, for `verdict` and the other salted ones",
        '  T("sec", id, salt, data), for `tensors` the root over its items, for `log` the head of its chain.',
        "",
        "```",
    ]
    for t in tokens(data):
        raw = data[t.start : t.end]
        rows = [raw[i : i + 16] for i in range(0, len(raw), 16)]
        for n, row in enumerate(rows):
            text = f"{'. ' * t.depth}{t.text}" if n == 0 else ""
            lines.append(f"{t.start + 16 * n:06}  {row.hex(' '):<47}  {text}".rstrip())
    return "\n".join([*lines, "```", ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(small()), encoding="utf-8")
