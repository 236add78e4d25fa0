"""What in the answers contradicts what else, told at every question that takes part.

The verdict's conflicts block a signature (`mpk_tui.constitution.verdict`).  To them come what an analyst should see
while answering: a denial that takes a condition's effect away, cited evidence that speaks the other way, a mechanism
that no condition answered met can have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mpk_tui.constitution.answers import MET, NOT_MET, Answer, Evidence
from mpk_tui.constitution.norm import Norm
from mpk_tui.constitution.offers import not_offered
from mpk_tui.constitution.verdict import Verdict
from mpk_tui.records import dataclass

_NAMED = re.compile(r"\bC[1-5]\b|\b[34]\.[1-9]\b")
_OF_HOPS = ("the hops of C5", "a hop of C5")
"""Sentences that quote names of models, which may look like anything."""
_CLASH = "answered met beside"


@dataclass(frozen=True)
class Contradiction:
    """Two things that do not go together.

    Attributes:
        questions: Ids of the questions whose answers take part.
        sentence: What contradicts what; may hold untrusted text.
        in_writing: It can also be resolved in writing, on every question that takes part.
    """

    questions: tuple[str, ...]
    sentence: str
    in_writing: bool = False


def contradictions(
    norm: Norm, answers: Mapping[str, Answer], evidence: Iterable[Evidence], found: Verdict
) -> tuple[Contradiction, ...]:
    """All contradictions of one pair, those that block a signature first.

    Args:
        norm: Version of the constitution.
        answers: By question id.
        evidence: All items about the pair.
        found: The verdict on the same answers and evidence.
    """
    items = {e.id: e for e in evidence}
    out = [Contradiction(_about(norm, c), c, _CLASH in c) for c in found.conflicts]
    out += [
        Contradiction(tuple(c for c in norm.order if _met(answers, c)), s.rstrip("."))
        for s in found.statements
        if "author's denial" in s
    ]
    out += _without_condition(norm, answers, found)
    out += _both_sides(norm, answers, found)
    for question, given in answers.items():
        out += _cited(question, given, items)
    return tuple(out)


def _about(norm: Norm, sentence: str) -> tuple[str, ...]:
    if sentence.startswith(_OF_HOPS):
        return ("c5",)
    named = dict.fromkeys(m.lower() for m in _NAMED.findall(sentence))
    return tuple(q for q in named if norm.item(q) is not None)


def _met(answers: Mapping[str, Answer], question: str) -> bool:
    return question in answers and answers[question].answer == MET


def _without_condition(norm: Norm, answers: Mapping[str, Answer], found: Verdict) -> list[Contradiction]:
    """Mechanisms answered met that nothing answered met can have, where the verdict does not say it already."""
    said = {q for c in found.conflicts if c.startswith("mechanism") for q in _about(norm, c)}
    return [
        Contradiction((m,), f"{m} is answered met, but is not offered: {why.rstrip('.')}")
        for m, why in not_offered(norm, answers).items()
        if _met(answers, m) and m not in said
    ]


def _both_sides(norm: Norm, answers: Mapping[str, Answer], found: Verdict) -> list[Contradiction]:
    """An exclusion and a condition both answered met, where the condition does not hold for want of evidence."""
    conditions = [c for c in norm.order if _met(answers, c)]
    if found.conditions or not conditions:
        return []
    beside = ", ".join(c.upper() for c in conditions)
    return [
        Contradiction((x, *conditions), f"{x} and {beside} are both answered met")
        for x in norm.exclusions
        if _met(answers, x)
    ]


def _cited(question: str, given: Answer, items: Mapping[str, Evidence]) -> list[Contradiction]:
    """Cited items that speak the other way."""
    name = question.upper()
    cited = [items[i] for i in given.evidence if i in items]
    if given.answer == MET:
        other = [(e.id, "against") for e in cited if question in e.opposes]
    elif given.answer == NOT_MET:
        other = [(e.id, "for") for e in cited if question in e.supports]
    else:
        other = []
    answer = "met" if given.answer == MET else "not met"
    return [
        Contradiction((question,), f"{name} is answered {answer}, but cites {i}, which speaks {way} it")
        for i, way in other
    ]
