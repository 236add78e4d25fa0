"""The normal form of token strings, so that "the" and " the" are spelled alike whatever file they came from.

Every blank is U+2581 (as SentencePiece writes it); GPT-2's byte alphabet is decoded to UTF-8; WordPiece marks are
turned round (``##ing`` becomes ``ing``, ``the`` becomes U+2581 ``the``); a byte that is no UTF-8 is ``<0xE2>``, as
byte-fallback SentencePiece spells it.  Special tokens keep their spelling.
"""

from __future__ import annotations

import re
from functools import cache

BLANK = "\u2581"
"""What a blank is in normal form."""
PREFIX = "##"
"""WordPiece's usual mark of a continuation."""
_ESCAPED = re.compile("[\udc80-\udcff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@cache
def byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes: printable Latin-1 stands for itself, the rest is moved up to U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(b): b for b in printable}
    moved = 0
    for b in range(256):
        if b not in printable:
            table[chr(0x100 + moved)] = b
            moved += 1
    return table


def from_bytes(raw: bytes) -> str:
    """Token bytes in normal form."""
    text = raw.decode("utf-8", "surrogateescape")
    if not text.isascii():
        text = _ESCAPED.sub(lambda m: f"<0x{ord(m[0]) - 0xDC00:02X}>", text)
    return text.replace(" ", BLANK)


def plain(token: str) -> str:
    """A token that is spelled as it is; halves of surrogates, which no UTF-8 file can hold, are spelled as bytes."""
    if _SURROGATE.search(token):
        return from_bytes(token.encode("utf-8", "surrogatepass"))
    return token.replace(" ", BLANK)


def byte_level(token: str) -> str:
    """A token in GPT-2's byte alphabet; one with other characters was added as plain text."""
    table = byte_alphabet()
    try:
        return from_bytes(bytes([table[c] for c in token]))
    except KeyError:
        return plain(token)


def wordpiece(token: str, prefix: str = PREFIX) -> str:
    """A WordPiece token: what continues a word loses its mark, what begins one gets a blank."""
    if prefix and token.startswith(prefix):
        return plain(token[len(prefix) :])
    return plain(token) if token.startswith("[") and token.endswith("]") else BLANK + plain(token)


def special(token: str) -> str:
    """A special token keeps its spelling, blanks included."""
    return from_bytes(token.encode("utf-8", "surrogatepass")) if _SURROGATE.search(token) else token
