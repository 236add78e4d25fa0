"""Two fences between untrusted text and the terminal.

The first stands where text enters a widget: `plain` and `prose` return `Content`, which is never parsed as markup.
The second is a line filter over every rendered segment, for what a widget (an input field, say) shows by itself.  A
third filter leaves no character that the terminal cannot draw.
"""

from __future__ import annotations

import re

from rich.segment import Segment
from textual.color import Color
from textual.content import Content
from textual.filter import LineFilter

from mpk_tui.text import clean, clean_lines
from mpk_tui.tui import glyphs

# Controls (C0 without nothing, DEL, C1), bidi marks, embeddings and isolates, zero width, line separators, BOM, tags;
# halves of surrogates, which the terminal's encoding cannot hold.
_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def shown(text: str, limit: int = 400) -> str:
    """Untrusted text as one line of the characters that the terminal can show; for pictures, never for records."""
    return glyphs.spelled(clean(text, limit))


def plain(text: str, limit: int = 400, style: str = "") -> Content:
    """Untrusted text as one line that no widget can take for markup.

    Args:
        text: Anything.
        limit: Longest text shown, in characters.
        style: A style of ours, e.g. ``bold``.
    """
    line = shown(text, limit)
    return Content.styled(line, style) if style else Content(line)


def prose(text: str, limit: int = 20_000) -> Content:
    """Untrusted text as paragraphs."""
    return Content(glyphs.spelled(clean_lines(text, limit)))


def told(text: str, limit: int = 20_000) -> str:
    """Untrusted text beside a label; of several lines each stands behind ``| ``, so that none passes for ours."""
    lines = glyphs.spelled(clean_lines(text.rstrip("\r\n"), limit)).split("\n")
    return lines[0] if len(lines) == 1 else "".join(f"\n  | {line}" for line in lines)


class SafeLines(LineFilter):
    """Replaces, in what is about to be painted, every character that could steer the terminal."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with each steering character shown as ``?``; widths stay as they were laid out."""
        if not any(_STEERING.search(text) for text, _, control in segments if not control):
            return segments
        return [
            Segment(_STEERING.sub("?", text) if not control else text, style, control)
            for text, style, control in segments
        ]


class GlyphLines(LineFilter):
    """Replaces, in what is about to be painted, every character beyond the repertoire in force; widths stay."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments in the repertoire in force."""
        if glyphs.charset() == glyphs.UNICODE or all(text.isascii() for text, _, _ in segments):
            return segments
        return [Segment(glyphs.fit(text) if not control else text, style, control) for text, style, control in segments]
