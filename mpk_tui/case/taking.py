"""Taking one proposal over as the analyst's own answer."""

from __future__ import annotations

from mpk_tui.case.actions import answer, evidence_from_comparison, proposals, split_pair
from mpk_tui.case.store import Case
from mpk_tui.constitution.answers import MET, Answer
from mpk_tui.errors import UsageError


def take_over(case: Case, question: str, *, pair: str = "", reason: str = "", evidence: tuple[str, ...] = ()) -> Answer:
    """Answer a question as the recorded comparison proposes: its answer, its reason, the comparison as evidence.

    Evidence that the analyst cited already stays cited; so do hops, a documented direction and a resolution.

    Args:
        case: The case.
        question: Its id.
        pair: Which pair; the only one by default.
        reason: The analyst's own words in place of the proposal's.
        evidence: Further items that it rests on.

    Raises:
        UsageError: Nothing is proposed for this question.
    """
    pair, _, _ = split_pair(case, pair)
    question = question.lower()
    offered = proposals(case, pair).get(question)
    if offered is None or not offered.answer:
        raise UsageError(
            f"nothing is proposed for {question.upper()}", hint="Compare the pair first, or answer in your own words"
        )
    if offered.answer == MET and not offered.evidence:
        evidence_from_comparison(case, pair)
        offered = proposals(case, pair)[question]
    old = case.state.answers.get(pair, {}).get(question) or Answer(question, offered.answer)
    return answer(
        case, question, offered.answer, pair=pair, reason=reason.strip() or offered.reason,
        evidence=tuple(dict.fromkeys((*old.evidence, *evidence, *offered.evidence))), basis=offered.basis or old.basis,
        hops=old.hops, direction_documented=old.direction_documented, resolution=old.resolution,
    )  # fmt: skip
