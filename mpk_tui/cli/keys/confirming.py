"""Comparing a fingerprint with what its owner said over another way than the one that the file came by."""

from __future__ import annotations

import re
import secrets
import sys

from mpk_tui.cli.output import narrate
from mpk_tui.errors import UsageError
from mpk_tui.keys.words import WORDS, is_word, words_of
from mpk_tui.text import hex_groups

GROUPS = 16
_FEW = 3
HELP = "the whole fingerprint, in hex digits or words, or three groups or words by number: 3=ab12,9=00ff,7=harvest"
_HEX = re.compile(r"[0-9a-f]{4}")


def confirm(digest: bytes, given: str | None, what: str) -> None:
    """Compare a fingerprint with what was given, or ask for three random parts of it.

    Args:
        digest: The fingerprint, 32 bytes.
        given: Text of ``--confirm``, or None to ask at the terminal.
        what: Whose fingerprint it is, for messages; e.g. ``this key``.

    Raises:
        UsageError: It is not the same, or there is nobody to ask.
    """
    if given is not None:
        _compare(digest, given.lower(), what)
    else:
        _ask(digest, what)


def _compare(digest: bytes, given: str, what: str) -> None:
    words = given.replace(",", " ").split()
    squeezed = re.sub(r"[\s:]", "", given)
    if "=" in given:
        _parts(digest, squeezed, what)
    elif len(words) == WORDS and not _HEX.fullmatch(words[0]):
        if not all(is_word(typed, word) for typed, word in zip(words, words_of(digest), strict=True)):
            raise UsageError(f"the words that were given are not those of {what}", hint="It was not trusted")
    elif squeezed != digest.hex():
        raise UsageError(f"the fingerprint that was given is not that of {what}", hint="It was not trusted")


def _parts(digest: bytes, given: str, what: str) -> None:
    pairs = [part.partition("=") for part in given.split(",")]
    asked = set()
    for number, _, value in pairs:
        most = GROUPS if _HEX.fullmatch(value) else WORDS
        if number.isdecimal() and number.isascii() and 1 <= int(number) <= most:
            asked.add((most, int(number)))
    if len(asked) < _FEW or len(asked) != len(pairs):
        raise UsageError(
            f"three different parts are needed: groups by number from 1 to {GROUPS}, or words from 1 to {WORDS}",
            hint="3=ab12,9=00ff,14=7c3d",
        )
    if not all(_fits(digest, int(number), value) for number, _, value in pairs):
        raise UsageError(f"the parts that were given are not those of {what}", hint="It was not trusted")


def _fits(digest: bytes, number: int, typed: str) -> bool:
    # No word of the list can be read as a group (see mpk_tui.keys.words), so what was typed says which it is.
    if _HEX.fullmatch(typed):
        return typed == hex_groups(digest).split()[number - 1]
    return number <= WORDS and is_word(typed, words_of(digest)[number - 1])


def _ask(digest: bytes, what: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            f"the fingerprint of {what} was not confirmed", hint="Give it with --confirm, as its owner told it to you"
        )
    dice = secrets.SystemRandom()
    groups = sorted(dice.sample(range(1, GROUPS + 1), _FEW))
    named = sorted(dice.sample(range(1, WORDS + 1), _FEW))
    narrate(f"The fingerprint of {what}, as its owner told it to you:")
    for group, word in zip(groups, named, strict=True):
        narrate(f"group {group} of the hex digits, or word {word}:")
        typed = sys.stdin.readline().strip().lower()
        if not _fits(digest, group if _HEX.fullmatch(typed) else word, typed):
            raise UsageError(f"that is not in the fingerprint of {what}", hint="It was not trusted")
