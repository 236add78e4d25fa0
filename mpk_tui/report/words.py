"""Words that no generated text may say, because they say more than was measured.

A person may say them; then they stand in quotation marks, as that person's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from mpk_tui.report.document import Run, Voice

BANNED = re.compile(
    r"\b(copied|stolen|stole|theft|infring\w*|plagiar\w*|prove[ns]?|proving|certif\w*|complian\w*|cleared|original\w*"
    r"|unrelated|parents?|child(?:ren)?|guilty|confidence|confident)\b",
    re.IGNORECASE,
)
"""What may not be said.  A p-value bounds a chance, a test answers a question: neither gives a confidence."""
ANSWERABLE = frozenset({Voice.OURS, Voice.TOOL, Voice.CODE})
"""Voices that are held to these words.  The norm's own titles keep the norm's words; persons and names are theirs."""


def banned(runs: Iterable[Run]) -> list[str]:
    """Pieces of generated text that hold a word that they must not."""
    return [r.text for r in runs if r.voice in ANSWERABLE and BANNED.search(r.text)]
