"""How long what a bundle holds in short fields may be: told when it is entered, not when all is ready to sign."""

from __future__ import annotations

from mpk_tui.errors import UsageError

NAME = 1024
"""Bytes of a fact of the case, a label, a model's name in a hop."""
ID = 128
"""Bytes of an id of an item of evidence."""
HOPS = 64
"""Hops of one chain."""


def within(what: str, text: str, most: int = NAME) -> None:
    """Refuse a text that a bundle could not hold.

    Args:
        what: What it is, for the message.
        text: The text.
        most: Its greatest length in bytes of UTF-8.

    Raises:
        UsageError: It is longer.
    """
    length = len(text.encode("utf-8", "surrogatepass"))
    if length > most:
        raise UsageError(f"{what} has {length} bytes (at most {most})", hint="Shorten it; a note can hold the rest")
