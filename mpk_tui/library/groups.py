"""Relatives that belong together: entries that correspond with each other, or whose documents say so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mpk_tui.library.judging import Judged
from mpk_tui.library.screen import Screen, screens_of
from mpk_tui.library.search import look

SCORE, RHO = 10.0, 0.2
"""Score and correlation of two screens from which entries are put together."""


def groups(ranked: Sequence[Judged]) -> list[dict[str, Any]]:
    """Groups of two or more relatives, in the order of their best.

    Args:
        ranked: Relatives, best first; those whose origin is not resolved belong to no group.

    Returns:
        One record a group: ``id``, ``members`` (numbers of entries), ``sentence``, ``documented``, ``by_screen``.
    """
    many = [j for j in ranked if j.whole and j.claimed]
    leader = list(range(len(many)))

    def top(n: int) -> int:
        while leader[n] != n:
            n = leader[n]
        return n

    shown: set[int] = set()
    stated: set[int] = set()
    for a, b in _alike(many):
        leader[max(top(a), top(b))] = min(top(a), top(b))
        shown |= {a, b}
    for a, b in _documented(many):
        leader[max(top(a), top(b))] = min(top(a), top(b))
        stated |= {a, b}
    out: list[dict[str, Any]] = []
    for head in sorted({top(n) for n in range(len(many))}):
        members = [n for n in range(len(many)) if top(n) == head]
        if len(members) < 2:
            continue
        by_screen, documented = bool(shown & set(members)), bool(stated & set(members))
        out.append(
            {
                "id": len(out) + 1,
                "members": [many[n].entry.id for n in members],
                "sentence": _sentence([many[n].entry.name for n in members], by_screen, documented),
                "documented": documented,
                "by_screen": by_screen,
            }
        )
    return out


def _alike(many: Sequence[Judged]) -> list[tuple[int, int]]:
    """Pairs that correspond, by what each has in common with the model or by their screens."""
    found = {(n, m) for m in range(len(many)) for n in range(m) if _must(many[n], many[m])}
    if len(found) == len(many) * (len(many) - 1) // 2:
        return sorted(found)
    return sorted(found | set(_by_screens(many)))


def _must(a: Judged, b: Judged) -> bool:
    """Whether both are so near the model that they must be near each other.

    Correlations are cosines: two directions at angles s and t from a third are at most s + t from each other.
    """
    for one in (t for t in a.measured.tests if t.ran and t.form.startswith("ffn.")):
        other = next((t for t in b.measured.tests if t.ran and t.form == one.form), None)
        if other is None:
            continue
        theirs = {r.a: r.test.rho for r in other.layers}
        least = [math.cos(min(math.pi, _angle(r.test.rho) + _angle(theirs[r.a]))) for r in one.layers if r.a in theirs]
        if least and sum(least) / len(least) >= RHO:
            return True
    return False


def _angle(rho: float) -> float:
    return math.acos(max(-1.0, min(1.0, rho)))


def _by_screens(many: Sequence[Judged]) -> list[tuple[int, int]]:
    """Pairs whose screens correspond; a screen is a sketch of the very test, read far above its noise."""
    made: list[list[Screen]] = [screens_of(j.side.fingerprint) for j in many]
    rows = [(n, s.key, s.layers, s.data) for n, screens in enumerate(made) for s in screens]
    rows = [r for r in rows if not r[1].startswith("residual.")]
    return [
        (n, m)
        for n, screens in enumerate(made)
        for m, seen in look(screens, rows).items()
        if m > n and seen.score >= SCORE and seen.rho >= RHO
    ]


def _documented(many: Sequence[Judged]) -> list[tuple[int, int]]:
    """Pairs of which one is named as a parent of the other by a digest, or that share a parent so named."""
    out = []
    by: dict[bytes, int] = {}
    for n, j in enumerate(many):
        by.setdefault(j.entry.fingerprint, n)
        by.setdefault(j.entry.root, n)
    for n, j in enumerate(many):
        for parent in j.entry.facts.parents:
            if parent.kind not in ("a", "b", "c"):
                continue
            for digest in (parent.fingerprint, parent.root):
                if digest:
                    other = by.setdefault(digest, n)
                    if other != n:
                        out.append((other, n))
    return out


def _sentence(names: Sequence[str], by_screen: bool, documented: bool) -> str:
    listed = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    why = ", and ".join(
        text
        for text, there in (
            ("their units correspond with each other's, too", by_screen),
            ("documents connect them", documented),
        )
        if there
    )
    return f"{listed} belong together: {why}. Which of these came first weights do not show."
