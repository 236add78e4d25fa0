"""TFV and VOA: what the Kit makes of a tokenizer (provenancekit 1.0.0, ``core/signals/tokenizer.py``)."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

from mpk_tui.kit.loaded_tokenizer import LoadedTokenizer
from mpk_tui.kit.record import TokenizerFeatures

_SCRIPTS = (
    ("CJK", ("CJK", "HANGUL", "HIRAGANA", "KATAKANA", "BOPOMOFO")),
    ("Cyrillic", ("CYRILLIC",)),
    ("Arabic", ("ARABIC",)),
    ("Devanagari", ("DEVANAGARI",)),
    ("Latin", ("LATIN",)),
)
_BYTE = re.compile(r"^<0x[0-9A-Fa-f]{2}>$")


def features(loaded: LoadedTokenizer, vocabulary: Iterable[str]) -> TokenizerFeatures:
    """The tokenizer's features (``extract_tokenizer_features``).

    Args:
        loaded: The tokenizer.
        vocabulary: Its tokens, added ones too.
    """
    tokens = list(vocabulary)
    size = len(tokens)
    if not size:
        return TokenizerFeatures(0, loaded.class_name)
    merges = [" ".join(pair) for pair in loaded.backend.model.merges]
    return TokenizerFeatures(
        vocab_size=size,
        tokenizer_class=loaded.class_name,
        bos_token_id=loaded.special_id("bos_token"),
        eos_token_id=loaded.special_id("eos_token"),
        num_merges=len(merges),
        merge_rule_hash=hashlib.sha256("\n".join(merges[:50]).encode("utf-8", "surrogatepass")).hexdigest(),
        all_merges_str="\n".join(merges),
        special_token_ids={k: loaded.special_id(f"{k}_token") for k in ("pad", "unk", "mask")},
        avg_token_length=round(sum(map(len, tokens)) / size, 2),
        pct_whitespace_prefix=round(sum(t[:1] in ("\u2581", "\u0120", " ") for t in tokens if t) / size, 4),
        pct_byte_tokens=round(sum(_BYTE.match(t) is not None for t in tokens) / size, 4),
        script_distribution=scripts(tokens),
    )


def scripts(tokens: Iterable[str]) -> dict[str, float]:
    """Shares of scripts among all letters of all tokens, the most frequent first (``compute_script_distribution``)."""
    letters: Counter[str] = Counter()
    for token in tokens:
        letters.update(token)
    counts: Counter[str] = Counter()
    for c, n in letters.items():
        if c.isalpha():
            counts[script(c)] += n
    total = counts.total()
    return {k: round(n / total, 4) for k, n in counts.most_common()} if total else {}


@cache
def script(c: str) -> str:
    """A letter's script by its Unicode name (``classify_script``)."""
    if ord(c) <= 0x7F:
        return "Latin"
    name = unicodedata.name(c, "")
    return next((s for s, words in _SCRIPTS if any(w in name for w in words)), "Other")
