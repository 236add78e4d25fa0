"""The only way in which untrusted text becomes text on a screen.

Tensor names, paths, model cards and the fields of a stranger's bundle may carry escape sequences, bidirectional
overrides or newlines.  Everything printed passes through `clean`, which keeps the text readable and makes each
dangerous character visible instead of removing it: an examiner must see that it was there.
"""

from __future__ import annotations

import unicodedata

# Cc controls, Cf formats (bidi, zero width, tags), Zl/Zp separators, Cs surrogates, Co private use.
_HIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"})


def clean(text: str, limit: int = 400) -> str:
    """Return ``text`` on one line with every invisible or controlling character spelled out.

    Args:
        text: Anything, from anywhere.
        limit: The greatest number of characters to return; the rest becomes an ellipsis with the full length.

    Returns:
        Text that moves no cursor, changes no colour and reorders no other text.
    """
    cut = text[: limit + 1]
    shown = "".join(_visible(c) for c in cut)
    if len(text) > limit or len(shown) > limit * 2:
        return f"{shown[:limit]}… ({len(text)} characters)"
    return shown


def _visible(c: str) -> str:
    if " " <= c <= "~":
        return c
    if unicodedata.category(c) in _HIDDEN:
        code = ord(c)
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return c


def clean_lines(text: str, limit: int = 20_000) -> str:
    """Like `clean`, but line feeds stay line feeds (for rationale and notes shown as paragraphs)."""
    return "\n".join(clean(line, limit) for line in text[:limit].replace("\r\n", "\n").split("\n"))


def size(n: int) -> str:
    """A byte count in decimal units, e.g. ``4.1 GB``."""
    value = float(n)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{n} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


def hex_groups(digest: bytes, groups: int | None = None) -> str:
    """A digest as groups of four hex digits, for reading aloud."""
    h = digest.hex()
    parts = [h[i : i + 4] for i in range(0, len(h), 4)]
    return " ".join(parts[:groups])
