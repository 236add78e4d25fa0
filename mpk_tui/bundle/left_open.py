"""What a verdict's sentences leave open: which of two came first, and what was answered met and is not established.

The format has no field for a direction: that one is documented is signed, which one stands in the evidence alone.
Pure; standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.outcome import PairReport

DOCUMENTED = "The direction is documented by evidence of kind (a)."
"""Sentence of a verdict (`mpk_tui.constitution.verdict`); tests hold the two against each other."""
WHICH = "Which of the two came first is not a field of this format; it stands in evidence"
GROUPS = ("conditions", "mechanisms", "exclusions")


def direction(contents: Contents, report: PairReport) -> tuple[Mapping[str, Any], ...] | None:
    """Items of evidence that the documented direction of a pair stands in.

    Args:
        contents: Of a verified bundle.
        report: Of the pair.

    Returns:
        Cited items of kind (a), in the bundle's order; empty where they are withheld.  None if the verdict does not
        say that a direction is documented.
    """
    verdict = _shown(report)
    if verdict is None or DOCUMENTED not in verdict["statements"]:
        return None
    cited = {
        (item, a["question"])
        for a in contents.rows("answers", report.pair)
        if a["direction_documented"] and a["question"] in verdict["conditions"]
        for item in a["evidence"]
    }
    return tuple(
        e
        for e in contents.rows("evidence", report.pair)
        if e["kind"] == "a" and any((e["id"], question) in cited for question in e["supports"])
    )


def not_established(contents: Contents, report: PairReport) -> tuple[Mapping[str, Any], ...]:
    """Answers of a pair that say met and that the verdict does not list, in the bundle's order.

    Args:
        contents: Of a verified bundle.
        report: Of the pair.
    """
    verdict = _shown(report)
    if verdict is None:
        return ()
    listed = {str(q) for group in GROUPS for q in verdict[group]}
    return tuple(
        a for a in contents.rows("answers", report.pair) if a["answer"] == "met" and a["question"] not in listed
    )


def _shown(report: PairReport) -> Mapping[str, Any] | None:
    return report.recomputed if report.recomputed is not None else report.signed
