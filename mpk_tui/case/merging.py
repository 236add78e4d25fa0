"""Merges (3.9): one subject, several references; the subject is linked to every one that went into it.

Verdicts are about pairs, so that a merge of three models is three answers, one a pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mpk_tui.case.actions import answer
from mpk_tui.case.review import verdict_of
from mpk_tui.case.state import CaseState
from mpk_tui.case.store import Case
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import MET, Answer
from mpk_tui.constitution.offers import not_offered
from mpk_tui.constitution.verdict import LINKED
from mpk_tui.errors import UsageError

MERGE = "3.9"


@dataclass(frozen=True)
class MergePart:
    """One reference as a part of a merge.

    Attributes:
        pair: ``subject:reference``.
        reference: Id of the reference.
        answer: To 3.9, or empty.
        linked: The pair's verdict is linked, and 3.9 is among its mechanisms.
        refused: Why 3.9 cannot be answered met for this pair now, or empty.
    """

    pair: str
    reference: str
    answer: str
    linked: bool
    refused: str


def parts(state: CaseState, subject: str) -> tuple[MergePart, ...]:
    """Every reference that a subject is paired with, and what is said of it under 3.9."""
    current = norm.load(state.norm)
    out = []
    for pair in state.pairs:
        a, _, b = pair.partition(":")
        if a != subject:
            continue
        answers = state.answers.get(pair, {})
        found = verdict_of(state, pair)
        given = answers[MERGE].answer if MERGE in answers else ""
        linked = found.label == LINKED and MERGE in found.mechanisms
        out.append(MergePart(pair, b, given, linked, not_offered(current, answers).get(MERGE, "")))
    return tuple(out)


def sentence(found: Sequence[MergePart]) -> str:
    """What the answers to 3.9 amount to: linked to every model that is named, or to which not."""
    named = [p for p in found if p.answer == MET]
    if not named:
        return "No reference is named as part of a merge."
    said = ", ".join(p.reference for p in named)
    apart = [p.reference for p in named if not p.linked]
    if apart:
        return f"Named as merged: {said}. Not linked under 3.9 as things stand: {', '.join(apart)}."
    return f"Named as merged: {said}. Linked to every one of them."


def answer_merge(case: Case, pairs: Sequence[str], reason: str) -> tuple[Answer, ...]:
    """Answer 3.9 met for several pairs of one subject at once; each answer is an entry of its own.

    Each answer cites the items of its own pair that speak for 3.9, beside what it cited already.

    Args:
        case: The case.
        pairs: Pairs of one subject.
        reason: In the analyst's words, the same for all.

    Raises:
        UsageError: No pair, pairs of several subjects, a pair that is not offered 3.9, or no reason; then nothing is
            journalled.
    """
    state = case.state
    subjects = {p.partition(":")[0] for p in pairs}
    if len(subjects) != 1 or not set(pairs) <= set(state.pairs):
        raise UsageError("a merge is answered for pairs of one subject", hint=f"Known: {', '.join(state.pairs)}")
    if not reason.strip():
        raise UsageError("an answer 'met' needs a reason", hint="Give --reason")
    for part in parts(state, subjects.pop()):
        if part.pair in pairs and part.refused:
            raise UsageError(f"{part.pair}: {part.refused.rstrip('.')}", hint="Answer its conditions first")
    made = []
    for pair in pairs:
        old = state.answers.get(pair, {}).get(MERGE) or Answer(MERGE, MET)
        speaking = [e.id for e in state.evidence.get(pair, {}).values() if MERGE in e.supports]
        cited = tuple(dict.fromkeys((*old.evidence, *speaking)))
        made.append(_answered(case, pair, reason, cited, old))
    return tuple(made)


def _answered(case: Case, pair: str, reason: str, cited: tuple[str, ...], old: Answer) -> Answer:
    return answer(
        case, MERGE, MET, pair=pair, reason=reason, evidence=cited, direction_documented=old.direction_documented,
        resolution=old.resolution,
    )  # fmt: skip
