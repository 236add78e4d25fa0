"""Every character beyond ASCII that the workbench draws, by name, and what stands for it where a terminal lacks it.

Three repertoires: ``unicode``; ``console``, what the Linux console's built-in font has (code page 437); and ``ascii``.
Widgets ask `glyph`, `ramp` and `frame` each time they draw, because the repertoire is known only once the app starts.
What is drawn past them (a border, a name) is fitted cell by cell by the last line filter (`fit`), so that in ASCII no
byte above 0x7f reaches the terminal; text that is not laid out yet can be spelled out at its own length (`spelled`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

UNICODE, CONSOLE, ASCII = "unicode", "console", "ascii"
CHARSETS = (UNICODE, CONSOLE, ASCII)

# Name -> what is drawn in unicode, on the Linux console, in ASCII.  Each is one cell wide in every repertoire.
GLYPHS: dict[str, tuple[str, str, str]] = {
    "ellipsis": ("…", "~", "~"),  # where text is cut off; in sentences write it as it is, `spelled` makes it three dots
    "dash": ("–", "-", "-"),
    "dot": ("·", "·", "-"),  # between parts of a line
    "times": ("×", "x", "x"),
    "plus_minus": ("±", "±", "~"),
    "about": ("≈", "≈", "~"),
    "at_most": ("≤", "≤", "<"),
    "at_least": ("≥", "≥", ">"),
    "cursor": ("›", ">", ">"),  # the row, pair or step that is current
    "left": ("←", "←", "<"),
    "right": ("→", "→", ">"),
    "up": ("↑", "↑", "^"),
    "down": ("↓", "↓", "v"),
    "yes": ("✓", "√", "+"),
    "no": ("✗", "x", "x"),
    "bullet": ("•", "•", "*"),
    "rho": ("ρ", "r", "r"),
    "sigma": ("σ", "σ", "s"),
    "mark_1": ("●", "•", "o"),  # data points of the first series, the second, the third, the fourth
    "mark_2": ("○", "o", "+"),
    "mark_3": ("◆", "+", "x"),
    "mark_4": ("◇", "x", "*"),
    "bar": ("█", "█", "#"),
    "half_bar": ("▌", "▌", ":"),
    "low_bar": ("▄", "▄", "_"),
    "high_bar": ("▀", "▀", '"'),
    "track": ("│", "│", "|"),  # of a scroll bar
    "line": ("─", "─", "-"),
    "line_vertical": ("│", "│", "|"),
    "edge": ("┄", "-", "-"),  # a threshold drawn across
    "edge_vertical": ("┆", "|", ":"),  # a threshold drawn upright
    "band": ("░", "░", "."),  # what independent models score, behind the marks
    "missing": ("·", "·", "."),  # a cell without a value
    "folded": ("▸", "►", ">"),
    "unfolded": ("▾", "▼", "v"),
}

# From nothing to full, readable without colour; every repertoire has as many steps as it can tell apart.
RAMPS: dict[str, tuple[str, str, str]] = {
    "shade": (" ░▒▓█", " ░▒▓█", " .:+#"),  # a heatmap's cell
    "fine": (" .:-=+*#%@", " .:-=+*#%@", " .:-=+*#%@"),  # ten steps everywhere
    "column": (" ▁▂▃▄▅▆▇█", " ▄█", " .:|"),  # height of a column within one cell
    "row": (" ▏▎▍▌▋▊▉█", " ▌█", " :#"),  # length of a bar within one cell
}

_FRAMES = {UNICODE: "─│┌┐└┘├┤┬┴┼", CONSOLE: "─│┌┐└┘├┤┬┴┼", ASCII: "-|+++++++++"}

# One cell for one cell, where no table above says otherwise: borders and scroll bars of Textual, letters of ours.
_CELLS = {
    ASCII: {
        **dict.fromkeys("─━┄┅┈┉╌╍═╴╶╸╺▬", "-"), **dict.fromkeys("│┃┆┇┊┋╎╏║╵╷╹╻", "|"),
        **dict.fromkeys("▔▀🮂🮃", '"'), **dict.fromkeys("▁▂▃▄", "_"), **dict.fromkeys("▅▆▇█▓▊▉🮋", "#"),
        **dict.fromkeys("▎▏▍▌▋▐▕🮇🮈", "|"), **dict.fromkeys("▒", ":"), **dict.fromkeys("░", "."),
        **dict.fromkeys("‘’‚′´", "'"), **dict.fromkeys("“”„″«»", '"'), **dict.fromkeys("–—‐‑‒―−", "-"),
        **dict.fromkeys("•●◉◆■▪⬤", "*"), **dict.fromkeys("○◇□▫", "o"), **dict.fromkeys("▶►▸›→⇒", ">"),
        **dict.fromkeys("◀◄◂‹←⇐", "<"), **dict.fromkeys("▲▴↑", "^"), **dict.fromkeys("▼▾↓⌄", "v"),
        "·": "-", "⏎": "<", "↔": "-", "⭘": "o", "¶": "P", "§": "S", "°": "o", "³": "3", "²": "2", "¹": "1", "⁻": "-",
        "µ": "u", "μ": "u", "λ": "l", "α": "a", "β": "b", "δ": "d", "Δ": "D", "θ": "o", "√": "V", "∞": "8", "∈": "e",
        "\u00a0": " ", "\u2009": " ", "\u202f": " ",
    },
    CONSOLE: {
        **dict.fromkeys("╭┏┎┍", "┌"), **dict.fromkeys("╮┓┒┑", "┐"), **dict.fromkeys("╰┗┖┕", "└"),
        **dict.fromkeys("╯┛┚┙", "┘"), **dict.fromkeys("━┄┅┈┉╌╍╴╶╸╺", "─"), **dict.fromkeys("┃┆┇┊┋╎╏╵╷╹╻", "│"),
        **dict.fromkeys("▔🮂🮃", "▀"), **dict.fromkeys("▁▂▃", "▄"), **dict.fromkeys("▅▆▇▊▉", "█"),
        **dict.fromkeys("▎▏▍▋", "▌"), **dict.fromkeys("▕🮇🮈", "▐"), **dict.fromkeys("●◉⬤", "•"),
        **dict.fromkeys("▸▶", "►"), **dict.fromkeys("▾⌄", "▼"), **dict.fromkeys("◀◂", "◄"), "▴": "▲", "μ": "µ",
        "≦": "≤", "≧": "≥",
    },
}  # fmt: skip

# What a sentence says instead, at any length.
_WORDS = {
    "…": "...", "→": "->", "←": "<-", "⇒": "=>", "↔": "<->", "≤": "<=", "≥": ">=", "±": "+/-", "≈": "~", "≠": "!=",
    "×": "x", "ρ": "rho", "σ": "sigma", "λ": "lambda", "μ": "u", "µ": "u", "α": "alpha", "β": "beta", "θ": "theta",
    "δ": "delta", "Δ": "Delta", "√": "sqrt", "∞": "inf", "—": "--", "§": "section ", "°": " degrees", "²": "^2",
    "³": "^3", "✓": "yes", "✗": "no", "½": "1/2", "©": "(c)", "€": "EUR",
}  # fmt: skip

# Beyond what Python's cp437 decodes: the same font's signs below 0x20 (cp437.uni of the kernel's console tools).
_CONSOLE_SIGNS = frozenset("☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼⌂")

_charset = UNICODE


def charset() -> str:
    """The repertoire in force: ``unicode``, ``console`` or ``ascii``."""
    return _charset


def set_charset(name: str) -> None:
    """Choose a repertoire for all that is drawn from now on.

    Raises:
        KeyError: No such repertoire.
    """
    global _charset
    if name not in CHARSETS:
        raise KeyError(name)
    _charset = name
    _cell.cache_clear()


def ascii_only() -> bool:
    """Whether nothing beyond ASCII may be drawn."""
    return _charset == ASCII


def set_ascii(on: bool) -> None:
    """Draw in ASCII, or in full Unicode again."""
    set_charset(ASCII if on else UNICODE)


def glyph(name: str) -> str:
    """A named character, one cell wide, as the terminal can show it.

    Raises:
        KeyError: No such name; see `GLYPHS`.
    """
    return GLYPHS[name][CHARSETS.index(_charset)]


def ramp(name: str) -> str:
    """Characters from nothing to full; ask its length each time, it differs by repertoire.

    Raises:
        KeyError: No such name; see `RAMPS`.
    """
    return RAMPS[name][CHARSETS.index(_charset)]


def step(name: str, share: float) -> str:
    """The character of a ramp for a share between 0 and 1; anything above nothing is never drawn as nothing."""
    signs = ramp(name)
    at = round(min(max(share, 0.0), 1.0) * (len(signs) - 1))
    return signs[max(at, 1) if share > 0 else 0]


@dataclass(frozen=True)
class Frame:
    """Characters of a drawn frame: lines, corners, and the joints right, left, down, up and crossing."""

    across: str
    upright: str
    top_left: str
    top_right: str
    bottom_left: str
    bottom_right: str
    joint_right: str
    joint_left: str
    joint_down: str
    joint_up: str
    cross: str


def frame() -> Frame:
    """The frame as the terminal can show it."""
    return Frame(*_FRAMES[_charset])


def _kept(c: str) -> bool:
    if c.isascii() or _charset == UNICODE:
        return True
    if _charset == ASCII:
        return False
    return c in _CONSOLE_SIGNS or bool(c.encode("cp437", "ignore"))


@cache
def _cell(c: str) -> str:
    """One character at its own width."""
    if _kept(c):
        return c
    at = CHARSETS.index(_charset)
    for table in (_CELLS[_charset], {g[0]: g[at] for g in GLYPHS.values()}, _CELLS[ASCII]):
        if c in table:
            return table[c]
    if "\u2500" <= c <= "\u257f":  # what is left of box drawing: corners and joints
        return "+"
    if "\u2800" <= c <= "\u28ff":  # dots of a plot
        return " " if c == "\u2800" else "*"
    from rich.cells import cell_len

    return "?" * cell_len(c)


_CUT = re.compile(" …|…  (?= )|…")


def fit(text: str) -> str:
    """Text that was laid out already, cell by cell in the repertoire in force; its width does not change.

    An ellipsis with room beside it becomes dots, one in the middle of a word a tilde.
    """
    if text.isascii() or _charset == UNICODE:
        return text
    if "…" in text:
        text = _CUT.sub(lambda m: ".." if m[0] == " …" else "..." if len(m[0]) == 3 else "~", text)
    return "".join(map(_cell, text))


def spelled(text: str) -> str:
    """Text before it is laid out, in the repertoire in force: signs of ours as words, anything else escaped.

    So ``ρ`` reads ``rho``, and a name in another script stays readable by its code points, as `mpk_tui.text.clean`
    writes characters that show nothing.
    """
    if text.isascii() or _charset == UNICODE:
        return text
    return "".join(c if _kept(c) else _WORDS.get(c) or _one(c) for c in text)


def _one(c: str) -> str:
    cell = _cell(c)
    if cell.strip("?"):
        return cell
    code = ord(c)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
