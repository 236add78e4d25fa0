"""Which rows of the embedding the Kit compares (provenancekit 1.0.0, ``core/signals/anchors.py``)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mpk_tui.kit.backend import Backend
from mpk_tui.kit.encoding import Encoder
from mpk_tui.kit.tokenizer import scripts

ANCHORS = 64
"""Rows that are compared (config/settings.py, ``anchor_k``)."""
SEED = 42
"""Of the legacy Mersenne twister that fills up the rows."""
_POOL = 50_000
_SHARE = 0.05
"""A script counts from this share of the vocabulary's letters on."""
MARKS = tuple("0123456789.,!?:;")
WORDS: dict[str, tuple[str, ...]] = {
    "Latin": ("the", "of", "and", "to", "in", "is", "that", "for", "it", "was", "on", "are", "with", "as", "be", "at",
              "ing", "tion", "er", "al", "ed", "es", "re", "en"),
    "CJK": tuple("的一是不人我在有了这中大"),
    "Cyrillic": ("и", "в", "не", "на", "я", "что", "он", "к"),
    "Arabic": ("من", "في", "على", "أن", "هذا", "الله", "إلى", "لا"),
    "Devanagari": ("के", "है", "का", "की", "यह", "से", "को", "पर"),
}  # fmt: skip
"""Frequent words by script."""


def anchor_ids(backend: Backend, vocabulary: Iterable[str], rows: int) -> list[int]:
    """Ids of the anchors: marks, then words of the scripts in use, then chosen by the twister (``get_anchor_ids``).

    Args:
        backend: The tokenizer.
        vocabulary: Its tokens, added ones too.
        rows: Rows of the embedding.

    Raises:
        UnsupportedError: The tokenizer has a step that is not followed.
    """
    ids: list[int] = []
    encoder = Encoder(backend)
    _take(ids, MARKS, encoder, rows)
    share = {s: p for s, p in scripts(vocabulary).items() if p >= _SHARE and s in WORDS} or {"Latin": 1.0}
    budget, total = ANCHORS - len(ids), sum(share.values())
    slots = {s: max(2, round(budget * p / total)) for s, p in share.items()}
    over = sum(slots.values()) - budget
    if over:
        largest = max(slots, key=lambda s: slots[s])
        slots[largest] = max(2, slots[largest] - over)
    for name, _ in sorted(share.items(), key=lambda pair: -pair[1]):
        _take(ids, WORDS[name][: slots[name]], encoder, rows)
    missing = ANCHORS - len(ids)
    if missing > 0:
        pool = sorted(set(range(min(rows, _POOL))) - set(ids))
        if pool:
            chosen = np.random.RandomState(SEED).choice(pool, size=min(missing, len(pool)), replace=False)
            ids += [int(i) for i in chosen]
    return ids[:ANCHORS]


def _take(ids: list[int], words: Iterable[str], encoder: Encoder, rows: int) -> None:
    for word in words:
        found = encoder.first_id(word)
        if found is not None and found < rows and found not in ids:
            ids.append(found)
