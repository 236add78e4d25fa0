"""The verdict function: the norm's own examples, its rules, and what can never happen."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpk_tui.constitution.answers import ANSWERS, BASES, KINDS, Answer, Evidence, Hop
from mpk_tui.constitution.norm import by_digest, load
from mpk_tui.constitution.verdict import LICENSE, Verdict, decide
from mpk_tui.errors import MalformedError, UnsupportedError

NORM = load()
PAPER = Evidence("E1", "a", supports=("c1", "c2", "c3", "3.2", "3.3", "3.4", "3.5", "3.6"), source="release notes")


def met(question: str, evidence: str = "E1", **more: object) -> Answer:
    return Answer(question, "met", "as documented", (evidence,), **more)  # type: ignore[arg-type]


def verdict(*answers: Answer, evidence: tuple[Evidence, ...] = (PAPER,), **more: bool) -> Verdict:
    return decide(NORM, {a.question: a for a in answers}, evidence, **more)


# The twelve example pairs of the public summary (section 8): models, condition or exclusion, mechanism.
LINKED = [
    ("Llama-2-7B", "Llama-2-7B-chat", "c1", "3.2"),
    ("BERT-base", "DistilBERT", "c2", "3.5"),
    ("Mistral-7B", "Zephyr-7B-beta", "c1", "3.2"),
    ("Llama-2-7B", "CodeLlama-7B", "c1", "3.3"),
    ("RoBERTa-base", "SecureBERT", "c1", "3.4"),
    ("Phi-1.5", "Phi-2", "c3", "3.6"),
]
INDEPENDENT = [
    ("Llama-2-7B", "Open LLaMA 7B", "4.1"),
    ("Llama-2-7B", "Llama-2-13B", "4.2"),
    ("T5-small", "mT5-small", "4.3"),
    ("BERT-base", "RoBERTa-base", "4.5"),
    ("BERT-base", "ALBERT-base-v2", "4.6"),
    ("Pythia-1.4B", "Pythia-1.4B-deduped", "4.4"),
]


@pytest.mark.parametrize(("a", "b", "condition", "mechanism"), LINKED)
def test_linked_examples_of_the_norm(a: str, b: str, condition: str, mechanism: str) -> None:
    found = verdict(met(condition), met(mechanism))
    assert (found.label, found.conditions, found.mechanisms) == ("linked", (condition,), (mechanism,))
    assert not found.conflicts
    assert not found.gaps
    assert any("No direction is stated" in s for s in found.statements)


@pytest.mark.parametrize(("a", "b", "exclusion"), INDEPENDENT)
def test_independent_examples_of_the_norm(a: str, b: str, exclusion: str) -> None:
    documented = Evidence("E1", "a", supports=(exclusion,), source="release notes")
    found = verdict(met(exclusion), evidence=(documented,))
    assert (found.label, found.exclusions) == ("independent", (exclusion,))
    assert found.display == "exclusion established"
    # Without evidence that counts the label is the same, its display is not.
    bare = verdict(evidence=())
    assert (bare.label, bare.display) == ("independent", "provenance not established (default)")
    assert "does not say that no relation exists" in " ".join(bare.statements)


questions = st.sampled_from(NORM.questions)
ids = st.sampled_from(["E1", "E2", "E3"])
any_answer = st.builds(
    Answer,
    question=questions,
    answer=st.sampled_from(ANSWERS),
    reason=st.sampled_from(["", "because"]),
    evidence=st.lists(ids, max_size=3).map(tuple),
    basis=st.sampled_from(BASES),
    hops=st.sampled_from([(), (Hop("A", "X", "c1"), Hop("X", "B", "c3"))]),
    direction_documented=st.booleans(),
    resolution=st.sampled_from(["", "resolved"]),
)


def any_evidence(kinds: tuple[str, ...]) -> st.SearchStrategy[Evidence]:
    return st.builds(
        Evidence,
        id=ids,
        kind=st.sampled_from(kinds),
        supports=st.lists(questions, max_size=6).map(tuple),
        opposes=st.lists(questions, max_size=2).map(tuple),
        source=st.sampled_from(["", "somebody"]),
        digest=st.sampled_from(["", "ab" * 32]),
        finding=st.sampled_from(["", *LICENSE]),
    )


@settings(max_examples=600, deadline=None)
@given(st.lists(any_answer, max_size=12), st.lists(any_evidence(("context", "denial")), max_size=5))
def test_context_alone_or_together_never_links(answers: list[Answer], evidence: list[Evidence]) -> None:
    found = decide(NORM, {a.question: a for a in answers}, evidence)
    assert found.label == "independent"
    assert not found.exclusions  # and it establishes no exclusion either


@settings(max_examples=300, deadline=None)
@given(st.lists(any_answer, max_size=12), st.lists(any_evidence(KINDS), max_size=3, unique_by=lambda e: e.id))
def test_the_verdict_does_not_depend_on_order(answers: list[Answer], evidence: list[Evidence]) -> None:
    table = {a.question: a for a in answers}
    first = decide(NORM, table, evidence)
    for order in itertools.permutations(evidence):
        assert decide(NORM, dict(reversed(table.items())), order) == first


@settings(max_examples=300, deadline=None)
@given(
    st.lists(any_answer, max_size=12),
    st.sampled_from(["shared-initialisation", "common-origin-unresolved", "no-correspondence", "not-comparable"]),
    st.lists(questions, max_size=8).map(tuple),
)
def test_a_finding_that_licenses_nothing_never_links(
    answers: list[Answer], finding: str, supports: tuple[str, ...]
) -> None:
    items = [Evidence(i, "b", supports, source="tool", finding=finding, record="cd" * 32) for i in ("E1", "E2", "E3")]
    assert decide(NORM, {a.question: a for a in answers}, items).label == "independent"


def comparison(finding: str, **more: str) -> Evidence:
    return Evidence(
        "E1", "b", tuple(NORM.questions), source="tool", finding=finding, record="cd" * 32, **more
    )  # it claims to support everything


def test_a_common_ancestor_prints_both_readings() -> None:
    found = verdict(
        met("c5", basis="common-trained-ancestor"), met("3.2"), evidence=(comparison("shared-trained-ancestor"),)
    )
    assert found.label == "linked"
    assert found.basis == "common-trained-ancestor"
    assert any("a chain from A to B or B to A not established" in s for s in found.statements)


def test_a_comparison_alone_does_not_carry_direct_descent() -> None:
    found = verdict(met("c1"), evidence=(comparison("shared-trained-ancestor"),))
    assert found.label == "independent"
    assert any("rests on comparisons alone" in c for c in found.conflicts)


def test_a_rounding_conversion_is_not_identity() -> None:
    rounded = verdict(met("c4"), evidence=(comparison("reformatted", locator="rounding"),))
    assert rounded.label == "independent"
    assert rounded.conflicts
    assert verdict(met("c4"), met("3.1"), evidence=(comparison("reformatted", locator="lossless"),)).label == "linked"
    assert verdict(met("c3"), met("3.7"), evidence=(comparison("reformatted", locator="rounding"),)).label == "linked"


def test_a_denial_stands_beside_documents_and_falls_to_checkpoint_verification() -> None:
    denial = Evidence("D", "denial", source="the author")
    alone = verdict(met("c1"), met("3.2"), evidence=(PAPER, denial))
    assert alone.label == "independent"
    assert "denial" in alone.statements[0]
    checked = Evidence("E2", "b", ("c1",), source="script", digest="ab" * 32)
    answer = Answer("c1", "met", "reproduced", ("E1", "E2"))
    assert verdict(answer, met("3.2"), evidence=(PAPER, denial, checked)).label == "linked"


def test_an_exclusion_beside_a_condition_blocks_until_resolved_on_both_sides() -> None:
    documented = Evidence("E1", "a", ("c1", "3.2", "4.1"), source="release notes")
    both = verdict(met("c1"), met("3.2"), met("4.1"), evidence=(documented,))
    assert both.label == "linked"
    assert any("4.1" in c for c in both.conflicts)
    resolved = verdict(met("c1", resolution="x"), met("3.2"), met("4.1", resolution="y"), evidence=(documented,))
    assert not resolved.conflicts


def test_a_mechanism_must_serve_a_condition_that_holds() -> None:
    found = verdict(met("c1"), met("3.5"))
    assert found.mechanisms == ()
    assert any("3.5 cannot serve" in c for c in found.conflicts)
    assert "no mechanism is named for the conditions that hold" in found.gaps


def test_met_without_support_counts_as_undetermined_and_is_told() -> None:
    found = verdict(Answer("c1", "met", "I am sure"), evidence=(PAPER,))
    assert found.label == "independent"
    assert any("no admissible evidence" in c for c in found.conflicts)


def test_checkpoint_verification_without_a_record_supports_nothing() -> None:
    empty = Evidence("E1", "b", ("c3",), source="somebody says so")
    assert verdict(met("c3"), met("3.7"), evidence=(empty,)).label == "independent"


@pytest.mark.parametrize(
    ("hops", "fault"),
    [
        ((), "without a basis"),
        ((Hop("A", "B", "c1"),), "without a basis"),
        ((Hop("A", "X", "c1"), Hop("Y", "B", "c1")), "do not join"),
        ((Hop("A", "X", "c5"), Hop("X", "B", "c1")), "each hop is one of"),
    ],
)
def test_broken_chains(hops: tuple[Hop, ...], fault: str) -> None:
    documented = Evidence("E1", "a", ("c5",), source="release notes")
    found = verdict(met("c5", basis="chain", hops=hops), evidence=(documented,))
    assert found.label == "independent"
    assert any(fault in c for c in found.conflicts)


def test_a_whole_chain_links() -> None:
    documented = Evidence("E1", "a", ("c5", "3.2"), source="release notes")
    hops = (Hop("A", "X", "c1"), Hop("X", "B", "c3"))
    found = verdict(met("c5", basis="chain", hops=hops), met("3.2"), evidence=(documented,))
    assert found.label == "linked"
    assert "Chain of links: A - X - B." in found.statements


def test_direction_only_with_documents() -> None:
    found = verdict(met("c1", direction_documented=True), met("3.2"))
    assert any("direction is documented" in s for s in found.statements)
    checked = Evidence("E1", "b", ("c3", "3.7"), source="script", digest="ab" * 32)
    found = verdict(met("c3", direction_documented=True), met("3.7"), evidence=(checked,))
    assert any("No direction is stated" in s for s in found.statements)


def test_outside_the_scope_there_is_no_verdict() -> None:
    found = verdict(met("c1"), met("3.2"), in_scope=False)
    assert (found.label, found.conditions) == ("none", ())


def test_partial_evidence_never_establishes_an_exclusion() -> None:
    documented = Evidence("E1", "a", ("4.1",), source="release notes")
    assert verdict(met("4.1"), evidence=(documented,), partial=True).exclusions == ()


def test_records_survive_their_plain_form() -> None:
    answer = met("c5", basis="chain", hops=(Hop("A", "X", "c1"), Hop("X", "B", "c3")))
    assert Answer.from_record(answer.as_record()) == answer
    assert Evidence.from_record(PAPER.as_record()) == PAPER


@pytest.mark.parametrize(
    "change",
    [{"answer": "yes"}, {"basis": "x"}, {"hops": [["a", "b"]]}, {"evidence": [1]}, {"reason": None}, {"extra": 1}],
)
def test_hostile_answers_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        Answer.from_record({**met("c1").as_record(), **change})


def test_the_norm_is_whole_and_known_by_its_digest() -> None:
    assert list(NORM.conditions) == ["c1", "c2", "c3", "c4", "c5"]
    assert list(NORM.mechanisms) == [f"3.{n}" for n in range(1, 10)]
    assert list(NORM.exclusions) == [f"4.{n}" for n in range(1, 9)]
    assert len(NORM.data["known_gaps"]) == 10
    assert all(len(NORM.item(q).title) <= 50 for q in NORM.questions)  # type: ignore[union-attr]
    assert by_digest("1.0.0", NORM.digest).digest == NORM.digest
    with pytest.raises(UnsupportedError):
        by_digest("1.0.0", bytes(32))
    with pytest.raises(UnsupportedError):
        load("9.9.9")
