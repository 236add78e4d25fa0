"""Contradictions are told at every question that takes part, and what blocks a signature is among them."""

from __future__ import annotations

from mpk_tui.constitution.answers import Answer, Evidence, Hop
from mpk_tui.constitution.contradictions import Contradiction, contradictions
from mpk_tui.constitution.norm import load
from mpk_tui.constitution.verdict import decide

NORM = load()
CARD = Evidence("E1", "a", supports=("c1", "c5", "3.2", "4.1"), source="card")
DENIAL = Evidence("E2", "denial", opposes=("c1",), source="letter")
COMPARED = Evidence("E3", "b", supports=("c5", "3.2"), source="t", finding="shared-trained-ancestor", record="ab")


def found(*answers: Answer, evidence: tuple[Evidence, ...] = (CARD,)) -> list[Contradiction]:
    given = {a.question: a for a in answers}
    return list(contradictions(NORM, given, evidence, decide(NORM, given, evidence)))


def met(question: str, *cited: str, **more: object) -> Answer:
    return Answer(question, "met", "because", cited, **more)  # type: ignore[arg-type]


def test_nothing_contradicts_a_sound_case() -> None:
    assert found(met("c1", "E1"), met("3.2", "E1"), Answer("4.1", "not-met")) == []


def test_an_exclusion_beside_a_condition_is_told_on_both_sides_and_can_be_resolved_in_writing() -> None:
    (clash,) = found(met("c1", "E1"), met("3.2", "E1"), met("4.1", "E1"))
    assert set(clash.questions) == {"c1", "4.1"}
    assert clash.in_writing


def test_so_is_one_beside_a_condition_that_lacks_evidence() -> None:
    told = found(met("c1"), met("4.1", "E1"))
    assert any(set(c.questions) == {"c1", "4.1"} and "both answered met" in c.sentence for c in told)
    assert any(c.questions == ("c1",) and "no admissible evidence" in c.sentence for c in told)


def test_a_mechanism_that_no_condition_can_have() -> None:
    (alone,) = found(met("3.2", "E1"))
    assert alone.questions == ("3.2",)
    assert "not offered" in alone.sentence
    (beside,) = found(met("c1", "E1"), met("3.2", "E1"), met("3.7", "E1"))
    assert set(beside.questions) == {"3.7", "c1"}  # the verdict's own words, once


def test_a_denial_is_told_where_it_takes_effect() -> None:
    (denied,) = found(met("c1", "E1"), evidence=(CARD, DENIAL))
    assert denied.questions == ("c1",)
    assert "denial (E2) stands" in denied.sentence


def test_cited_evidence_that_speaks_the_other_way() -> None:
    both = Evidence("E4", "a", supports=("c2",), opposes=("c1",), source="paper")
    told = [
        c.sentence for c in found(met("c1", "E1", "E4"), Answer("c2", "not-met", "", ("E4",)), evidence=(CARD, both))
    ]
    assert "C1 is answered met, but cites E4, which speaks against it" in told
    assert "C2 is answered not met, but cites E4, which speaks for it" in told


def test_names_of_models_in_hops_are_taken_for_no_question() -> None:
    chain = (Hop("S1", "C1", "c1"), Hop("3.2", "C2", "c1"))
    (fault,) = found(met("c5", "E3", basis="chain", hops=chain), evidence=(COMPARED,))
    assert fault.questions == ("c5",)
