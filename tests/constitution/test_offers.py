"""Mechanisms are offered for conditions that are answered met, and for no others."""

from __future__ import annotations

import pytest

from mpk_tui.constitution.answers import Answer
from mpk_tui.constitution.norm import load
from mpk_tui.constitution.offers import not_offered

NORM = load()


def answers(*met: str, undetermined: tuple[str, ...] = ()) -> dict[str, Answer]:
    return {q: Answer(q, "met") for q in met} | {q: Answer(q, "undetermined") for q in undetermined}


@pytest.mark.parametrize("condition", NORM.order)
def test_what_is_offered_is_what_the_norm_says_of_the_condition(condition: str) -> None:
    closed = not_offered(NORM, answers(condition))
    for mechanism, item in NORM.mechanisms.items():
        assert (mechanism in closed) == (condition not in item.conditions)


def test_without_a_condition_answered_met_none_is_offered() -> None:
    closed = not_offered(NORM, answers(undetermined=("c1", "c5")))
    assert set(closed) == set(NORM.mechanisms)
    assert closed["3.5"] == "3.5 can serve C2, C5; no condition is answered met."


def test_the_reason_names_both_sides() -> None:
    assert not_offered(NORM, answers("c4"))["3.2"] == "3.2 can serve C1, C5; answered met is C4."
    assert "3.2" not in not_offered(NORM, answers("c4", "c1"))


def test_exclusions_answered_met_offer_nothing() -> None:
    assert set(not_offered(NORM, answers("4.1"))) == set(NORM.mechanisms)
