"""Names of keys: as people read and write them (``^q``, ``F1``, ``Enter``, ``[``) and as Textual knows them."""

from __future__ import annotations

import re
import unicodedata

# As people write it -> Textual's name.  Read without regard to case.
_NAMED = {
    "Enter": "enter", "Esc": "escape", "Space": "space", "Tab": "tab", "Shift+Tab": "shift+tab",
    "Backspace": "backspace", "Delete": "delete", "Insert": "insert", "Home": "home", "End": "end",
    "PageUp": "pageup", "PageDown": "pagedown", "Left": "left", "Right": "right", "Up": "up", "Down": "down",
    **{f"F{n}": f"f{n}" for n in range(1, 25)},
    **{f"^{c}": f"ctrl+{c}" for c in "abcdefghijklmnopqrstuvwxyz"},
}  # fmt: skip
_ALSO = {
    "escape": "escape", "return": "enter", "del": "delete", "ins": "insert", "pgup": "pageup", "pgdn": "pagedown",
    "←": "left", "→": "right", "↑": "up", "↓": "down",
}  # fmt: skip
_READ = {name.lower(): key for name, key in _NAMED.items()} | _ALSO
_WRITTEN = {key: name for name, key in _NAMED.items()}

# Textual calls a sign by its Unicode name; these few by a shorter one (textual.keys.KEY_NAME_REPLACEMENTS).
_SHORT = {
    "solidus": "slash", "reverse_solidus": "backslash", "commercial_at": "at", "hyphen_minus": "minus",
    "plus_sign": "plus", "low_line": "underscore",
}  # fmt: skip

SAME = {
    "ctrl+i": "a terminal sends the same for ^i and Tab",
    "ctrl+m": "a terminal sends the same for ^m and Enter",
    "ctrl+j": "many terminals send the same for ^j and Enter",
    "ctrl+h": "many terminals send the same for ^h and Backspace",
}
"""Keys that cannot be told from others; no map may use them."""

SWALLOWED = {
    "ctrl+a": "GNU screen keeps ^a for itself",
    "ctrl+b": "tmux keeps ^b for itself",
    "ctrl+c": "^c stops a program that does not take keys, and copies in this one",
    "ctrl+p": "docker attach keeps ^p for itself",
    "ctrl+q": "a serial line with software flow control keeps ^q for itself",
    "ctrl+s": "a serial line with software flow control keeps ^s for itself",
    "ctrl+z": "^z stops a program in a shell",
}
"""Keys that may not arrive over a line or through a multiplexer; an action needs another beside them."""


def _sign(character: str) -> str:
    name = unicodedata.name(character, "").lower().replace("-", "_").replace(" ", "_")
    return _SHORT.get(name, name) or character


# Every sign of ASCII that is neither letter nor digit, by Textual's name.
_SIGNS = {_sign(c): c for c in map(chr, range(0x21, 0x7F)) if not c.isalnum()}


def to_textual(name: str) -> str | None:
    """Textual's name of a key that a person wrote, or None: ``^q`` is ``ctrl+q``, ``[`` is ``left_square_bracket``.

    Args:
        name: One character, or a name such as ``F5``, ``PageUp``, ``^k``, ``Ctrl+K``; a comma is written ``,``.
    """
    if len(name) == 1 and name.isprintable() and name not in _ALSO:
        return "space" if name == " " else name if name.isalnum() else _sign(name)
    return _READ.get(re.sub(r"^(ctrl[+-]|c-)(?=[a-z]$)", "^", name.strip().lower()))


def to_people(key: str) -> str:
    """A key by the name that people read; of a key that has none, Textual's own."""
    return _WRITTEN.get(key) or _SIGNS.get(key) or key


def types_text(key: str) -> bool:
    """Whether the key writes a character while a text field has the focus."""
    return len(key) == 1 or key == "space" or key in _SIGNS
