"""What keeps the hops of a chain (C5) from being one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mpk_tui.constitution.answers import Hop
from mpk_tui.constitution.norm import Norm

LEAST = 2
"""Hops of a chain: with one there is nothing between the two models, and the condition itself is the answer."""


def faults(norm: Norm, hops: Sequence[Hop]) -> tuple[str, ...]:
    """Sentences about hops that make no chain; empty if they make one.

    Args:
        norm: Version of the constitution.
        hops: In the order of the chain.
    """
    if len(hops) < LEAST:
        return ("C5 is answered met without a basis: name the hops, at least two, or the common trained ancestor",)
    out = []
    for before, after in pairwise(hops):
        if before.b != after.a:
            out.append(f"the hops of C5 do not join: {before.b} and {after.a}")
    wrong = [h.condition for h in hops if h.condition not in norm.conditions or h.condition == "c5"]
    if wrong:
        out.append(f"a hop of C5 names {wrong[0]!r}; each hop is one of C1 to C4")
    return tuple(out)
