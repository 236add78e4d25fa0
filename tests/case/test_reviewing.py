"""The second reading: by another person, of a complete case, kept, and stale once the case changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_models import write_model

from mpk_tui.case import Case, actions, artifacts, create_case, open_case, review
from mpk_tui.case.reviewing import review as read
from mpk_tui.errors import IncompleteCaseError, UsageError


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """A case that waits for nothing."""
    with create_case(tmp_path / "case", id="C-1", title="Copy?", examiner="Ada Roth") as made:
        for role, name in (("subject", "s"), ("reference", "r"), ("reference", "o")):
            artifacts.add_artifact(made, write_model(tmp_path / name, "o" if name == "o" else "x"), role=role)
        for name in made.state.artifacts:
            artifacts.fingerprint_artifact(made, name)
        for pair in made.state.pairs:
            actions.compare_pair(made, pair)
            actions.accept_proposals(made, pair)
            actions.set_rationale(made, pair, "as the findings say")
        assert review.ready(made)
        yield made


def reminders(case: Case) -> list[str]:
    return [g.sentence for g in review.status(case) if g.step == 9 and not g.blocking]


def test_a_reading_is_kept_with_what_was_read(case: Case, tmp_path: Path) -> None:
    head = case.head
    entry = read(case, who="  Bo   Lind ", outcome="agrees", text="All of it.")
    assert (entry.who, entry.role, entry.act, entry.obj) == ("Bo Lind", "reviewer", "review", head)
    assert entry.params["verdict"].startswith("S1:R1 linked; S1:R2 ")
    case.close()
    with open_case(tmp_path / "case") as again:
        made = again.state.reviews[0]
    assert (made.who, made.outcome, made.pair, made.text, made.stale) == ("Bo Lind", "agrees", "", "All of it.", False)


@pytest.mark.parametrize("who", ["Ada Roth", "ada roth", " ADA\tROTH ", "\uff21da Roth"])
def test_the_examiner_is_no_second_person(case: Case, who: str) -> None:
    with pytest.raises(UsageError, match="another person"):
        read(case, who=who, outcome="read")


def test_what_is_no_review_is_refused(case: Case) -> None:
    count = len(case.entries)
    for fields in (
        {"who": " ", "outcome": "read"},
        {"who": "Bo", "outcome": "likes"},
        {"who": "Bo", "outcome": "dissents", "text": "  "},
        {"who": "Bo", "outcome": "read", "pair": "S1:R9"},
        {"who": "B" * 201, "outcome": "read"},
    ):
        with pytest.raises(UsageError):
            read(case, **fields)
    assert len(case.entries) == count


def test_an_open_case_can_be_read_and_not_agreed_with(case: Case) -> None:
    actions.set_rationale(case, "S1:R1", " ")
    for outcome in ("agrees", "dissents"):
        with pytest.raises(IncompleteCaseError, match="not complete"):
            read(case, who="Bo", outcome=outcome, text="x")
    read(case, who="Bo", outcome="read")
    assert case.state.reviews[0].outcome == "read"


def test_a_reading_cannot_be_taken_back(case: Case) -> None:
    read(case, who="Bo", outcome="agrees")
    undone = actions.undo(case)
    assert case.entries[undone.params["seq"]].act == "rationale"
    assert len(case.state.reviews) == 1


@pytest.mark.parametrize(
    ("act", "stale"),
    [
        (lambda c: actions.note(c, "x"), False),
        (lambda c: actions.custody(c, "transfer", "x"), False),
        (lambda c: read(c, who="Cy", outcome="read"), False),
        (lambda c: artifacts.rehash_artifact(c, "S1"), False),
        (lambda c: actions.set_rationale(c, "S1:R1", "other words"), True),
        (lambda c: actions.answer(c, "c2", "not-met", pair="S1:R1", reason="x"), True),
        (lambda c: actions.set_facts(c, purpose="x"), True),
        (lambda c: actions.undo(c), True),
        (lambda c: artifacts.fingerprint_artifact(c, "S1"), True),
        (lambda c: actions.compare_pair(c, "S1:R1"), True),
    ],
)
def test_what_changes_the_case_makes_it_stale(case: Case, act: object, stale: bool) -> None:
    read(case, who="Bo", outcome="agrees")
    act(case)  # type: ignore[operator]
    assert case.state.reviews[0].stale is stale


def test_no_journal_takes_back_what_cannot_be_taken_back(case: Case, tmp_path: Path) -> None:
    """Our acts never write such an entry; a journal that somebody else wrote may hold it."""
    read(case, who="Bo", outcome="dissents", text="no")
    case.append("undo", {"seq": case.entries[-1].seq})
    actions.custody(case, "intake", "x")
    case.append("undo", {"seq": case.entries[-1].seq})
    assert [r.who for r in case.state.reviews] == ["Bo"]
    assert [s.text for s in case.state.custody] == ["x"]


def test_taking_back_a_note_changes_nothing_that_was_read(case: Case) -> None:
    actions.note(case, "x")
    read(case, who="Bo", outcome="agrees")
    actions.undo(case)
    assert not case.state.reviews[0].stale
    actions.redo(case)
    assert not case.state.reviews[0].stale


def test_a_reading_of_one_pair_outlives_changes_to_another(case: Case) -> None:
    read(case, who="Bo", outcome="agrees", pair="S1:R1")
    actions.set_rationale(case, "S1:R2", "other words")
    assert not case.state.reviews[0].stale
    actions.set_rationale(case, "S1:R1", "other words")
    assert case.state.reviews[0].stale


def test_status_reminds_and_never_blocks(case: Case) -> None:
    assert reminders(case) == ["No second analyst has read this case"]
    read(case, who="Bo", outcome="agrees")
    assert reminders(case) == []
    actions.set_rationale(case, "S1:R1", "other words")
    assert reminders(case) == ["The case was changed after Bo had read it"]
    read(case, who="Bo", outcome="dissents", text="The rationale says nothing.")
    assert reminders(case) == ["Bo dissents: The rationale says nothing."]
    read(case, who="bo", outcome="agrees")
    assert reminders(case) == []
    assert review.ready(case)


def test_evidence_of_a_comparison_that_was_made_again_is_a_gap(case: Case) -> None:
    record = actions.stored_comparison(case, "S1:R1")
    assert record is not None
    actions.record_comparison(case, "S1:R1", {**record, "notices": ["made again"]})
    gaps = [g for g in review.status(case) if g.step == 5]
    assert [g.pair for g in gaps] == ["S1:R1"]
    assert "made again since" in gaps[0].sentence
    actions.remove_evidence(case, "S1:R1", "E1")
    actions.accept_proposals(case, "S1:R1")
    assert review.ready(case)
