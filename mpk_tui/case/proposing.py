"""What a recorded comparison proposes as answers, from the record alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mpk_tui.case.state import Comparison
from mpk_tui.constitution.answers import Answer, Evidence

WHOLE = ("", "lossless", "rounding")
"""Locators of an item that cites a comparison as a whole; a row of it has a longer one."""


def cites(item: Evidence, digest: str) -> bool:
    """Whether an item cites the comparison with this digest as a whole, not a row of it."""
    return item.record == digest and item.locator in WHOLE


def proposed_by(record: Mapping[str, Any], made: Comparison, items: Iterable[Evidence]) -> dict[str, Answer]:
    """Proposed answers by question id; the analyst takes them over or overrides them.

    Args:
        record: The comparison record.
        made: What the journal says of it.
        items: Evidence about the pair; items that are this comparison are cited.
    """
    cited = tuple(e.id for e in items if cites(e, made.digest))
    out: dict[str, Answer] = {}
    for question, a in record["proposal"]["conditions"].items():
        out[question] = Answer(
            question, a["answer"], a["reason"], cited if a["answer"] == "met" else (), a["answer"], a["basis"]
        )
    reasons = {m["number"]: "; ".join(m["for"]) for m in record["mechanisms"]}
    for number in record["proposal"]["mechanisms"]:
        out[number] = Answer(number, "met", (reasons.get(number) or made.sentence) + ".", cited, "met")
    for x in record["proposal"]["exclusions"]:
        out[x["number"]] = Answer(x["number"], x["answer"], x["reason"], cited, x["answer"])
    return out
