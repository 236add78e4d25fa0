"""Fingerprints as words, for comparing them by voice: twelve of 2,048, which are 132 of the 256 bits.

The list (``words.json``) is our own, chosen by rule from common English words: 4 to 7 letters, no two with the same
first four letters, none that another becomes by changing one letter, none that sounds like another, none that could be
read as a group of hex digits (tests/keys/make_words.py).  A fingerprint's first 132 bits, 11 at a time, most
significant first, are the numbers of the words in that list, from 0.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

WORDS = 12
_BITS = 11
_LEAST = 4


@cache
def wordlist() -> tuple[str, ...]:
    """All 2,048 words, in the order of the alphabet."""
    text = resources.files("mpk_tui.keys").joinpath("words.json").read_text(encoding="ascii")
    return tuple(json.loads(text)["words"])


def words_of(digest: bytes) -> tuple[str, ...]:
    """The twelve words of a SHA-256.

    Args:
        digest: 32 bytes; only the first 132 bits tell.
    """
    number = int.from_bytes(digest, "big") >> (8 * len(digest) - WORDS * _BITS)
    every = wordlist()
    return tuple(every[number >> _BITS * (WORDS - 1 - n) & (1 << _BITS) - 1] for n in range(WORDS))


def words(digest: bytes) -> str:
    """The twelve words of a SHA-256 as one line."""
    return " ".join(words_of(digest))


def is_word(typed: str, expected: str) -> bool:
    """Whether a person typed a word, or its first four letters, which are no other word's."""
    return typed in (expected, expected[:_LEAST])
