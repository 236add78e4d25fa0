"""Acts of judgement that are more than one entry: proposals taken over, merges, evidence said anew, hashing again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpk_tui.case import actions, artifacts, create_case, merging
from mpk_tui.case.evidence import keep_file, record_attached
from mpk_tui.case.revising import revise_evidence
from mpk_tui.case.store import Case
from mpk_tui.case.taking import take_over
from mpk_tui.errors import UsageError


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    """Two references and a subject; nothing is measured."""
    for name in ("s", "r", "q"):
        (tmp_path / name).mkdir()
    with create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim") as c:
        artifacts.add_artifact(c, tmp_path / "s", role="subject")
        artifacts.add_artifact(c, tmp_path / "r", role="reference")
        artifacts.add_artifact(c, tmp_path / "q", role="reference")
        yield c


RECORD: dict[str, Any] = {
    "finding": "shared-trained-ancestor", "sentence": "One ancestor.", "tool": {"version": "0"},
    "a": {"root": "", "fingerprint": "00"}, "b": {"root": "", "fingerprint": "00"},
    "mechanisms": [{"number": "3.2", "title": "Fine-tuning", "for": ["small change"], "against": []}],
    "proposal": {
        "conditions": {
            "c5": {"answer": "met", "reason": "An ancestor.", "basis": "common-trained-ancestor"},
            "c2": {"answer": "undetermined", "reason": "Not visible.", "basis": ""},
        },
        "mechanisms": ["3.2"], "exclusions": [],
    },
}  # fmt: skip


def test_a_proposal_becomes_the_analysts_answer_with_reason_and_evidence(case: Case) -> None:
    actions.record_comparison(case, "S1:R1", RECORD)
    made = take_over(case, "C5", pair="S1:R1")
    assert (made.answer, made.reason, made.basis) == ("met", "An ancestor.", "common-trained-ancestor")
    assert made.evidence == ("E1",)
    assert case.state.evidence["S1:R1"]["E1"].finding == "shared-trained-ancestor"
    assert made.proposed == "met"
    own = take_over(case, "c2", pair="S1:R1", reason="No document names a teacher.")
    assert (own.answer, own.reason, own.evidence) == ("undetermined", "No document names a teacher.", ())


def test_taking_over_keeps_what_was_cited_and_said_before(case: Case) -> None:
    actions.record_comparison(case, "S1:R1", RECORD)
    card = actions.add_evidence(case, "S1:R1", kind="a", source="card", supports=("c5",))
    actions.answer(
        case,
        "c5",
        "not-met",
        pair="S1:R1",
        evidence=(card.id,),
        reason="no",
        direction_documented=True,
        resolution="so",
    )
    made = take_over(case, "c5", pair="S1:R1", evidence=(card.id,))
    assert made.evidence == ("E1", "E2")
    assert made.direction_documented
    assert made.resolution == "so"


def test_where_nothing_is_proposed_nothing_is_taken_over(case: Case) -> None:
    with pytest.raises(UsageError, match="nothing is proposed for C1"):
        take_over(case, "c1", pair="S1:R1")
    actions.record_comparison(case, "S1:R1", RECORD)
    with pytest.raises(UsageError, match=r"nothing is proposed for 4\.1"):
        take_over(case, "4.1", pair="S1:R1")


def linked(case: Case, *pairs: str) -> None:
    for pair in pairs:
        item = actions.add_evidence(case, pair, kind="a", source="card", supports=("c3", "3.9"))
        actions.answer(case, "c3", "met", pair=pair, reason="named", evidence=(item.id,))


def test_a_merge_is_answered_for_every_reference_at_once_and_journalled_for_each(case: Case) -> None:
    linked(case, "S1:R1", "S1:R2")
    before = len(case.entries)
    made = merging.answer_merge(case, ("S1:R1", "S1:R2"), "the card names both")
    assert [a.evidence for a in made] == [("E1",), ("E1",)]
    assert [(e.act, e.params["pair"]) for e in case.entries[before:]] == [("answer", "S1:R1"), ("answer", "S1:R2")]
    found = merging.parts(case.state, "S1")
    assert [(p.reference, p.answer, p.linked) for p in found] == [("R1", "met", True), ("R2", "met", True)]
    assert merging.sentence(found) == "Named as merged: R1, R2. Linked to every one of them."


def test_a_merge_with_one_pair_that_is_not_offered_it_journals_nothing(case: Case) -> None:
    linked(case, "S1:R1")
    before = len(case.entries)
    with pytest.raises(UsageError, match=r"S1:R2: 3\.9 can serve C3, C5"):
        merging.answer_merge(case, ("S1:R1", "S1:R2"), "both")
    for pairs, reason in (((), "x"), (("S1:R9",), "x"), (("S1:R1",), "  ")):
        with pytest.raises(UsageError):
            merging.answer_merge(case, pairs, reason)
    assert len(case.entries) == before


def test_a_named_reference_that_is_not_linked_is_told(case: Case) -> None:
    linked(case, "S1:R1")
    merging.answer_merge(case, ("S1:R1",), "named")
    actions.remove_evidence(case, "S1:R1", "E1")
    assert "Not linked under 3.9 as things stand: R1" in merging.sentence(merging.parts(case.state, "S1"))
    assert merging.sentence(merging.parts(case.state, "S9")) == "No reference is named as part of a merge."


def test_an_item_is_said_anew_under_its_id(case: Case, tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text("one")
    kept = keep_file(case, tmp_path / "card.md")
    assert case.entries[-1].act != "attach"  # kept, and not journalled before somebody says so
    digest = record_attached(case, kept)
    item = actions.add_evidence(case, "S1:R1", kind="a", source="card", supports=("c1",), attached=digest)
    actions.answer(case, "c1", "met", pair="S1:R1", reason="so", evidence=(item.id,))
    new = revise_evidence(case, item.id, pair="S1:R1", excerpt="one", locator="line 1", supports=("c1", "3.2"))
    assert (new.id, new.digest, new.excerpt) == (item.id, digest, "one")
    assert [e.act for e in case.entries[-2:]] == ["evidence_removed", "evidence"]
    assert case.state.answers["S1:R1"]["c1"].evidence == (item.id,)
    before = len(case.entries)
    assert revise_evidence(case, item.id, pair="S1:R1", excerpt="one") == new  # nothing changed, nothing journalled
    assert len(case.entries) == before
    actions.undo(case)
    actions.undo(case)
    assert case.state.evidence["S1:R1"][item.id] == item


def test_what_cannot_be_said_anew_is_refused_before_anything_is_taken_out(case: Case) -> None:
    actions.record_comparison(case, "S1:R1", RECORD)
    taken = actions.evidence_from_comparison(case, "S1:R1")
    own = actions.add_evidence(case, "S1:R1", kind="context", source="forum")
    before = len(case.entries)
    for id, fields in (
        (taken.id, {"source": "x"}), ("E9", {"source": "x"}), (own.id, {"source": " "}), (own.id, {"supports": ("c9",)}),
        (own.id, {"excerpt": "x" * 30_000}), (own.id, {"attached": "0" * 64}),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            revise_evidence(case, id, pair="S1:R1", **fields)  # type: ignore[arg-type]
    assert len(case.entries) == before


def test_what_would_be_undone_is_what_is_undone(case: Case) -> None:
    assert actions.next_redo(case) is None
    note = actions.note(case, "first")
    actions.custody(case, "mount", "read-only")
    assert actions.next_undo(case) == note
    assert actions.undo(case).params["seq"] == note.seq
    assert actions.next_redo(case) == note
    actions.note(case, "second")
    assert actions.next_redo(case) is None
