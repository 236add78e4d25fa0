"""What is open in a case, and where each of it can be closed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mpk_tui.case import review
from mpk_tui.case.store import Case
from mpk_tui.constitution.norm import Norm
from mpk_tui.constitution.offers import not_offered
from mpk_tui.tui import wording

PLACE_OF_STEP = {
    1: "case", 2: "artifacts", 3: "fingerprint", 4: "compare", 5: "evidence", 6: "conditions", 7: "mechanism",
    8: "exclusions", 9: "review",
}  # fmt: skip
_ID = re.compile(r"\bc[1-5]\b|\b[34]\.[1-9]\b")


@dataclass(frozen=True)
class Gap:
    """Something open, and where it can be closed.

    Attributes:
        step: Name of the screen.
        pair: The pair it concerns, or empty.
        text: What is missing; may hold untrusted text.
        blocking: A signature waits for it.
        what: Id of the question or of the artifact, or name of the case's field, where one is meant.
    """

    step: str
    pair: str
    text: str
    blocking: bool
    what: str = ""


def gaps_of(case: Case, norm: Norm) -> list[Gap]:
    """All gaps, blocking ones first, each group in the order of the steps."""
    found = [
        Gap(PLACE_OF_STEP[g.step], g.pair, wording.named(g.sentence), g.blocking, _what(case, norm, g))
        for g in review.status(case)
    ]
    return sorted(found, key=lambda g: not g.blocking)


def _what(case: Case, norm: Norm, gap: review.Gap) -> str:
    """What exactly a gap is about."""
    place = PLACE_OF_STEP[gap.step]
    if place in ("case", "artifacts"):  # "No exhibit is stated", "There is no subject"
        names = ("exhibit", "authority", "purpose", "subject", "reference")
        return next((n for n in names if n in gap.sentence.split()), "")
    if place == "review":  # "There is no rationale in your own words", "No second analyst has read this case"
        return "reader" if "second" in gap.sentence.split() else "rationale"
    if place == "fingerprint":  # "S1 has no fingerprint"
        return gap.sentence.partition(" ")[0]
    asked = {"conditions": norm.order, "mechanism": tuple(norm.mechanisms), "exclusions": tuple(norm.exclusions)}
    if place not in asked:
        return ""
    named = next((m for m in _ID.findall(gap.sentence.lower()) if m in asked[place]), "")
    if place == "mechanism" and not named:  # "no mechanism is named": the first that can be
        closed = not_offered(norm, case.state.answers.get(gap.pair, {}))
        return next((m for m in norm.mechanisms if m not in closed), "")
    return named
