"""Bundles for tests of the report: every kind of verdict, custody and second readings, redactions, and hostile content."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))

import workshop as w
from records import record, side

from mpk_tui import canonical, hashtree
from mpk_tui.bundle import consistency
from mpk_tui.bundle.envelope import Envelope
from mpk_tui.bundle.outcome import Outcome
from mpk_tui.bundle.verify import verify
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import Answer, Evidence
from mpk_tui.constitution.verdict import decide
from mpk_tui.report.compose import compose
from mpk_tui.report.document import Document
from mpk_tui.report.source import Source

PAIR = w.PAIR
DOCUMENT = w.sha("attached").hex()


def finding(name: str, **more: Any) -> dict[str, Any]:
    """A comparison record of the two models of the workshop."""
    sides = {"a": side("suspect", root=w.root("S1").hex()), "b": side("reference", root=w.root("R1").hex())}
    return record(name, **{**sides, **more})


def bundle(
    compared: dict[str, Any],
    answers: Sequence[Answer],
    evidence: Sequence[Evidence],
    *,
    scope: str = "transformer-lm",
    rationale: str = "As the layers show.",
    gaps: Sequence[str] = (),
    **sections: Any,
) -> Envelope:
    """A consistent bundle about one pair."""
    artifacts = w.contents().sections["artifacts"]
    for a in artifacts:
        a["scope"] = scope
    verdict = decide(norm.load(), {a.question: a for a in answers}, evidence, in_scope=scope == "transformer-lm")
    row = {"pair": PAIR, **verdict.as_record(), "rationale": rationale, "alternatives": [],
           "limitations": ["No weights but these were seen."], "known_gaps": [*gaps]}  # fmt: skip
    digest = hashtree.sha256(canonical.encode(compared))
    return w.sealed(
        w.contents(
            artifacts=artifacts,
            findings=[{"pair": PAIR, "digest": digest, "record": compared}],
            evidence=[consistency.evidence_record(PAIR, e) for e in evidence],
            answers=[consistency.answer_record(PAIR, a) for a in answers],
            verdict={"pairs": [row], "decided_by": "Anna", "decided_at": w.CREATED},
            **sections,
        )
    )


def cited(compared: dict[str, Any], *supports: str) -> Evidence:
    """The comparison as an item of kind (b)."""
    digest = hashtree.sha256(canonical.encode(compared)).hex()
    source = "mpk-tui 0.1.0 comparison of S1:R1"
    return Evidence("E1", "b", supports, (), source, "", "", compared["sentence"], compared["finding"], digest)


def linked() -> Envelope:
    """A common trained ancestor: two sentences belong together."""
    compared = finding("shared-trained-ancestor")
    answers = [
        Answer("c4", "not-met", "Every tensor differs.", proposed="not-met"),
        Answer("c1", "undetermined", "", proposed="undetermined"),
        Answer("c5", "met", "Every layer was tested.", ("E1",), "met", "common-trained-ancestor"),
        Answer("3.2", "met", "It looks fine-tuned.", ("E1",), "undetermined"),
    ]
    return bundle(compared, answers, [cited(compared, "c5", "3.2")], gaps=("10.1", "10.5"))


def default() -> Envelope:
    """Nothing was established."""
    compared = finding("no-correspondence")
    context = Evidence("E1", "context", (), (), "model card", "", "page 1", "same family")
    return bundle(compared, [Answer("c5", "not-met", "Nothing speaks for it.")], [context])


def excluded() -> Envelope:
    """An exclusion is established by documentation."""
    compared = finding("no-correspondence")
    paper = Evidence("E2", "a", ("4.1",), (), "makers' report", DOCUMENT, "page 3", "trained from scratch")
    return bundle(compared, [Answer("4.1", "met", "Documented as trained from scratch.", ("E2",))], [paper])


def out_of_scope() -> Envelope:
    """A pair that the constitution does not speak of."""
    return bundle(finding("not-comparable"), [], [], scope="vision")


def entry(
    seq: int, act: str, note: str = "", /, who: str = "Anna", role: str = "analyst", **params: Any
) -> dict[str, Any]:
    """A log entry."""
    return {**w.log_entry(seq, act, w.CREATED, **params), "who": who, "role": role, "note": note}


def disputed() -> Envelope:
    """A denial, a conflict that was resolved in writing, a second reader who dissents, and a dissent after the signature."""
    compared = finding("shared-trained-ancestor")
    answers = [
        Answer(
            "c5",
            "met",
            "Every layer was tested.",
            ("E1",),
            "met",
            "common-trained-ancestor",
            resolution="Not the seed.",
        ),
        Answer("4.4", "met", "The seed is the same.", ("E3",), resolution="The ancestor was trained."),
    ]
    evidence = [
        cited(compared, "c5"),
        Evidence("E2", "denial", (), ("c5",), "the makers", "", "", "We deny that it was copied."),
        Evidence("E3", "a", ("4.4",), (), "training log", DOCUMENT, "line 1", "seed 1"),
    ]
    log = [
        entry(0, "open", id="case-1"),
        entry(1, "intake", "Sealed bag.", **{"from": "Court", "to": "Anna", "seal": "A-77", "id": "S1"}),
        entry(2, "seal_check", "", seal="A-77", intact="yes"),
        entry(3, "mount", "", device="disk 3", read_only="write blocker"),
        entry(
            4, "review", "I would not go so far.", "Bert", "reviewer", outcome="dissents", pair=PAIR, verdict="linked"
        ),
        entry(5, "export", seq=0),
    ]
    made = bundle(compared, answers, evidence, rationale="The unrelated child was copied.\nSo I am confident.", log=log)
    made = w.endorsed(made, w.BERT, "dissent", statement="I read it otherwise.")
    return w.endorsed(made, w.STRANGER, "concur", statement="Certified by me.")


def directed() -> Envelope:
    """A documented direction, an exclusion that was resolved, a chain of custody that gives cause to ask, a hash list."""
    compared = finding("shared-trained-ancestor")
    answers = [
        Answer("c1", "met", "As documented.", ("E1", "E2"), "", direction_documented=True, resolution="The post errs."),
        Answer("3.2", "met", "It looks fine-tuned.", ("E1",)),
        Answer("4.1", "met", "A post says so.", ("E3",), resolution="A post without a source."),
    ]
    evidence = [
        cited(compared, "c1", "3.2"),
        Evidence("E2", "a", ("c1",), (), "model card", DOCUMENT, "line 6", "fine-tuned from base"),
        Evidence("E3", "context", ("4.1",), (), "forum post", "", "", "from scratch"),
    ]
    listed = {"list": "acq.sha256", "sentence": "2 of 3 lines match"}
    taken = {
        **entry(1, "artifact", id="S1", note="from image I-3"),
        "result": {"hash_lists": [listed], "accepted_mismatch": "The card was mended."},
    }
    log = [
        entry(0, "open", id="case-1"),
        taken,
        entry(2, "intake", **{"from": "Court", "to": "Anna", "seal": "A-7", "when": "2023-01-02T03:04:00Z"}),
        entry(3, "transfer", **{"from": "Cy Dunn", "to": "Bert"}),
        entry(4, "seal_check", seal="A-9", intact="yes"),
        entry(5, "export", seq=0),
    ]
    return bundle(compared, answers, evidence, log=log)


CASES = {
    "directed": directed,
    "linked": linked,
    "default": default,
    "excluded": excluded,
    "out of scope": out_of_scope,
    "disputed": disputed,
}


def checked(made: Envelope | bytes) -> Outcome:
    """The check with Anna and Bert as trusted."""
    return verify(made if isinstance(made, bytes) else made.to_bytes(), w.DEFAULT_STORE, w.NOW)


def source(given: Envelope | bytes, *, untrusted: bool = False, **options: Any) -> Source:
    """A verified bundle, as a report is made from it."""
    data = given if isinstance(given, bytes) else given.to_bytes()
    outcome = checked(data)
    contents = outcome.shown(untrusted=untrusted)
    assert contents is not None, outcome.words
    assert outcome.manifest is not None
    return Source(data, options.pop("name", "b.mpkb"), outcome, outcome.manifest, contents, w.NOW, **options)


def document(given: Envelope | bytes, **options: Any) -> Document:
    """The neutral document."""
    return compose(source(given, **options))
