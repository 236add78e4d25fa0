"""What a verdict's sentences leave open: the evidence of a direction, and what is met and not established."""

from __future__ import annotations

from typing import Any

import pytest
import workshop as w

from mpk_tui.bundle.consistency import answer_record, check, evidence_record
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.left_open import DOCUMENTED, direction, not_established
from mpk_tui.bundle.outcome import PairReport
from mpk_tui.constitution.answers import Answer, Evidence

PAPER = Evidence("E1", "a", ("c1",), (), "model card", w.sha("card").hex(), "line 6", "fine-tuned from base")
OTHER = Evidence("E2", "a", ("3.2",), (), "a letter", w.sha("letter").hex(), "", "so")
POST = Evidence("E3", "context", ("4.1",), (), "post", "", "", "from scratch")
MET = Answer("c1", "met", "So.", ("E1", "E2", "E3"), direction_documented=True, resolution="The post errs.")


def asked(*answers: Answer) -> tuple[Contents, PairReport]:
    more: dict[str, Any] = {
        "answers": [answer_record(w.PAIR, a) for a in answers],
        "evidence": [evidence_record(w.PAIR, e) for e in (PAPER, OTHER, POST)],
    }
    contents = w.contents(**more)
    return contents, check(contents, {})[0][0]


def test_the_items_of_a_documented_direction_are_those_that_it_rests_on() -> None:
    contents, report = asked(MET)
    assert report.recomputed is not None
    assert DOCUMENTED in report.recomputed["statements"]
    found = direction(contents, report)
    assert found is not None
    assert [e["id"] for e in found] == ["E1"]


@pytest.mark.parametrize(
    "answer",
    [Answer("c1", "met", "So.", ("E1",)), Answer("c1", "undetermined", "", ("E1",), direction_documented=True)],
)
def test_without_the_sentence_there_is_nothing_to_quote(answer: Answer) -> None:
    assert direction(*asked(answer)) is None


def test_a_signed_verdict_whose_evidence_is_withheld_leaves_no_items() -> None:
    contents, report = asked(MET)
    assert report.recomputed is not None
    bare = w.contents(answers=[], evidence=[])
    alone = PairReport(w.PAIR, None, report.recomputed, None)
    assert direction(bare, alone) == ()
    assert not_established(bare, alone) == ()
    assert direction(bare, PairReport(w.PAIR, None, None, None)) is None
    assert not_established(contents, PairReport(w.PAIR, None, None, None)) == ()


def test_what_is_met_and_not_established_is_found() -> None:
    exclusion = Answer("4.1", "met", "A post.", ("E3",), resolution="A post without a source.")
    found = not_established(*asked(MET, exclusion, Answer("c4", "not-met", "No.")))
    assert [(a["question"], a["resolution"]) for a in found] == [("4.1", "A post without a source.")]
