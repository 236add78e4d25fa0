"""A signed verdict that does not follow from norm, answers and evidence is never VALID."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import workshop as w

from mpk_tui import canonical, hashtree
from mpk_tui.bundle import consistency
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.trust import TrustStore

Sections = dict[str, Any]


def changed(change: Callable[[Sections], Any]) -> Contents:
    made = w.contents()
    sections = dict(made.sections)
    change(sections)
    return Contents(made.case, made.seq, made.prev, made.created, made.tool, sections)


def verdict(s: Sections) -> dict[str, Any]:
    row: dict[str, Any] = s["verdict"]["pairs"][0]
    return row


def unlink(s: Sections) -> None:
    verdict(s).update(
        label="independent", display="provenance not established (default)", conditions=[], basis="",
        statements=["Nothing was found."],
    )  # fmt: skip


def another_finding(s: Sections) -> None:
    """The comparison found nothing; the evidence still claims a shared trained ancestor."""
    record = w.comparison("no-correspondence")
    digest = hashtree.sha256(canonical.encode(record))
    s["findings"][0].update(record=record, digest=digest)
    s["evidence"][0]["record"] = digest


def other_models(s: Sections) -> None:
    record = {**w.comparison(), "a": {"root": "00" * 32}}
    digest = hashtree.sha256(canonical.encode(record))
    s["findings"][0].update(record=record, digest=digest)
    s["evidence"][0]["record"] = digest


def said_identical(s: Sections) -> None:
    """Correctly cited, and the bundle's own lists of tensors say otherwise."""
    record = w.comparison("identical")
    digest = hashtree.sha256(canonical.encode(record))
    s["findings"][0].update(record=record, digest=digest)
    s["evidence"][0].update(record=digest, finding="identical")


def conflict(s: Sections) -> None:
    from mpk_tui.constitution.answers import Answer

    item = {**s["evidence"][1], "id": "E3", "kind": "a", "supports": ["4.4"], "source": "paper"}
    s["evidence"].append(item)
    s["answers"].append(consistency.answer_record(w.PAIR, Answer("4.4", "met", "A shared seed.", ("E3",))))


CASES: dict[str, Callable[[Sections], Any]] = {
    "label": lambda s: verdict(s).update(label="independent"),
    "display": lambda s: verdict(s).update(display="exclusion established"),
    "linked said to be independent": unlink,
    "condition added": lambda s: verdict(s).update(conditions=["c4", "c5"]),
    "mechanism added": lambda s: verdict(s).update(mechanisms=["3.1"]),
    "exclusion added": lambda s: verdict(s).update(exclusions=["4.4"]),
    "basis": lambda s: verdict(s).update(basis="chain"),
    "answer taken away": lambda s: s["answers"].pop(),
    "answer turned": lambda s: s["answers"][-1].update(answer="not-met"),
    "evidence taken away": lambda s: s["evidence"].pop(0),
    "evidence made context": lambda s: s["evidence"][0].update(kind="context"),
    "evidence of another finding": another_finding,
    "evidence that claims without a comparison": lambda s: s["evidence"][0].update(record=None),
    "evidence that cites what is not there": lambda s: s["evidence"][0].update(record=bytes(32)),
    "comparison that is not its digest": lambda s: s["findings"][0]["record"].update(sentence="x"),
    "comparison of other models": other_models,
    "identical, with other tensors": said_identical,
    "no verdict on the pair": lambda s: s["verdict"]["pairs"][0].update(pair="R1:S1"),
    "answers on a pair that is none": lambda s: s["answers"][0].update(pair="S1:S1"),
    "model out of scope": lambda s: s["artifacts"][0].update(scope="speech"),
    "conflict left open": conflict,
}


@pytest.mark.parametrize("name", CASES)
def test_contradictions_are_inconsistent(name: str) -> None:
    outcome = w.check(w.sealed(changed(CASES[name])))
    assert outcome.verdict is Word.INCONSISTENT, outcome.words
    assert outcome.code == 22
    assert outcome.contradictions
    assert outcome.contents is not None  # shown, with the contradiction first


def test_what_follows_is_valid_and_carries_both_readings() -> None:
    outcome = w.check(w.sealed())
    assert outcome.verdict is Word.VALID
    (pair,) = outcome.pairs
    assert pair.agrees is True
    assert pair.recomputed is not None
    assert any("a chain from A to B or B to A not established" in s for s in pair.recomputed["statements"])


def test_other_wording_is_a_notice_and_the_recomputed_words_are_shown() -> None:
    made = changed(lambda s: verdict(s).update(statements=["Certified original."]))
    outcome = w.check(w.sealed(made))
    assert outcome.verdict is Word.VALID
    assert any("worded in another way" in n for n in outcome.notices)
    from mpk_tui.bundle import wording

    assert not any("Certified" in line for line in wording.lines(outcome))


def test_trust_comes_before_consistency() -> None:
    bad = w.sealed(changed(CASES["label"]))
    assert w.check(bad, TrustStore()).verdict is Word.UNTRUSTED
    assert any("signed label" in n for n in w.check(bad, TrustStore()).notices)


def test_a_contradiction_quotes_nothing_where_content_is_not_shown() -> None:
    from mpk_tui.bundle import wording

    bad = w.sealed(changed(lambda s: verdict(s).update(display="proven by a court")))
    for store, shown in ((TrustStore(), False), (None, True)):
        outcome = w.check(bad, store)
        told = "\n".join(wording.lines(outcome)) + str(wording.as_record(outcome))
        assert ("proven by a court" in told) is shown
    assert "proven by a court" in "\n".join(wording.lines(w.check(bad, TrustStore()), untrusted=True))


def test_findings_withheld_means_partial_and_says_what_was_not_checked() -> None:
    outcome = w.check(w.without_blob(w.sealed(), "findings"))
    assert outcome.verdict is Word.PARTIAL
    assert any("could not be checked" in n for n in outcome.notices)
    wrong = w.without_blob(w.sealed(changed(CASES["label"])), "findings")
    assert w.check(wrong).verdict is Word.INCONSISTENT


def test_out_of_scope_pair_has_findings_and_no_verdict() -> None:
    def out(s: Sections) -> None:
        s["artifacts"][0].update(scope="speech")
        verdict(s).update(label="none", display="out of scope", conditions=[], basis="", statements=[])

    outcome = w.check(w.sealed(changed(out)))
    assert outcome.verdict is Word.VALID
    assert outcome.pairs[0].recomputed is not None
    assert outcome.pairs[0].recomputed["label"] == "none"


def test_partial_evidence_establishes_no_exclusion() -> None:
    def partial(s: Sections) -> None:
        s["answers"] = [a for a in s["answers"] if a["question"] != "c5"]
        item = {**s["evidence"][1], "id": "E3", "kind": "a", "supports": ["4.1"], "source": "paper"}
        s["evidence"] = [item]
        from mpk_tui.constitution.answers import Answer

        s["answers"].append(consistency.answer_record(w.PAIR, Answer("4.1", "met", "Documented.", ("E3",))))
        verdict(s).update(
            label="independent", display="exclusion established", conditions=[], basis="", exclusions=["4.1"]
        )

    assert w.check(w.sealed(changed(partial))).verdict is Word.VALID

    def incomplete(s: Sections) -> None:
        partial(s)
        s["artifacts"][0]["complete"] = False

    assert w.check(w.sealed(changed(incomplete))).verdict is Word.INCONSISTENT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"passed": False}, "failed its self-test (it does not say where)"),
        (
            {"checks": [{"name": n, "expected": "1", "found": "2", "passed": False} for n in "abcde"], "passed": False},
            "failed its self-test (a, b, c and 2 more)",
        ),
        # It may not call itself good with a failed check in it.
        ({"checks": [{"name": "a", "expected": "1", "found": "2", "passed": False}]}, "failed its self-test (a)"),
        ({"checks": [{"name": "a", "expected": "", "found": "not run", "passed": None}]}, None),
        ({"code_sha256": bytes(32)}, "is of other code (0000000000000000…) than made it"),
    ],
)
def test_a_self_test_that_gives_no_reason_to_rely_on_it_is_told(change: dict[str, Any], said: str | None) -> None:
    plain = w.contents()
    outcome = w.check(w.sealed(w.contents(selftest={**plain.sections["selftest"], **change})))
    assert outcome.verdict is Word.VALID
    told = [n for n in outcome.notices if "self-test" in n]
    assert [said in n for n in told] == ([True] if said else []), told


def test_a_norm_of_another_name_is_unsupported() -> None:
    def renamed(s: Sections) -> None:
        s["norm"]["id"] = "iso-27037"

    assert w.check(w.sealed(changed(renamed))).verdict is Word.UNSUPPORTED
