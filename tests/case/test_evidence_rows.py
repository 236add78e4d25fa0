"""Rows of a comparison as evidence: same record, same finding, their own place and numbers; never more than the whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_models import write_model

from mpk_tui.case import Case, actions, artifacts, create_case, review
from mpk_tui.case.rows import find_row, summary
from mpk_tui.errors import UsageError

PAIR = "S1:R1"


def compared(tmp_path: Path, **changes: Any) -> Case:
    case = create_case(tmp_path / "case", id="C-1", title="Copy?", examiner="Ada Roth")
    for role, name in (("subject", "s"), ("reference", "r")):
        artifacts.add_artifact(case, write_model(tmp_path / name, "x"), role=role)
        artifacts.fingerprint_artifact(case, "S1" if name == "s" else "R1")
    record = actions.compare_pair(case)
    if changes:
        actions.record_comparison(case, PAIR, {**record, **changes})
    return case


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with compared(tmp_path) as made:
        yield made


def row(
    case: Case, part: str = "identity", locator: str = "lm_head.weight", excerpt: str = "equal", **more: Any
) -> Any:
    return actions.evidence_from_row(case, PAIR, part=part, locator=locator, excerpt=excerpt, **more)


def test_a_row_cites_the_record_of_the_comparison(case: Case) -> None:
    whole = actions.evidence_from_comparison(case, PAIR)
    made = row(case)
    assert (made.kind, made.record, made.finding, made.supports) == ("b", whole.record, "identical", whole.supports)
    assert (made.locator, made.excerpt) == ("identity / lm_head.weight", "equal")
    assert case.entries[-1].obj == bytes.fromhex(made.record)
    assert row(case, locator="identity / lm_head.weight") == made, "taken once"
    assert row(case, "figure", "figure cosine", "1, 1, 1").locator == "figure cosine"
    assert len(case.state.evidence[PAIR]) == 3


def test_the_whole_comparison_is_still_an_item_of_its_own(case: Case) -> None:
    made = row(case)
    proposed = actions.proposals(case, PAIR)
    assert all(made.id not in a.evidence for a in proposed.values())
    whole = actions.evidence_from_comparison(case, PAIR)
    assert whole.id != made.id
    assert actions.evidence_from_comparison(case, PAIR) == whole
    assert actions.proposals(case, PAIR)["c4"].evidence == (whole.id,)


def test_scores_that_never_decide_become_context(case: Case) -> None:
    for part, locator in (("context", "body-cosine"), ("context", "context / x"), ("x", "context / y")):
        made = row(case, part, locator)
        if part == "context":
            assert (made.kind, made.supports) == ("context", ())
    actions.answer(case, "c4", "met", reason="cosine", evidence=("E1",))
    assert review.verdict(case).label == "independent"


def test_a_row_can_support_less_and_never_more(case: Case) -> None:
    assert row(case, supports=("c4",)).supports == ("c4",)
    with pytest.raises(UsageError, match="cannot support c2"):
        row(case, locator="model.norm.weight", supports=("c2",))


@pytest.mark.parametrize("field", ["part", "locator", "excerpt"])
def test_a_row_needs_table_name_and_numbers(case: Case, field: str) -> None:
    count = len(case.entries)
    with pytest.raises(UsageError, match="needs its table"):
        row(case, **{field: " "})
    with pytest.raises(UsageError, match="characters"):
        row(case, locator="x" * 5000)
    assert len(case.entries) == count


def test_before_a_comparison_there_are_no_rows(tmp_path: Path) -> None:
    with create_case(tmp_path / "c", id="C", title="t", examiner="e") as case:
        with pytest.raises(UsageError, match="0 pairs"):
            actions.evidence_from_row(case, "", part="identity", locator="x", excerpt="y")
        for role in ("subject", "reference"):
            artifacts.add_artifact(case, write_model(tmp_path / role, "x"), role=role)
        with pytest.raises(UsageError, match="not compared yet"):
            row(case)


def test_no_name_of_a_tensor_makes_a_conversion_lossless(tmp_path: Path) -> None:
    conversion = {"finding": "reformatted"}
    with compared(tmp_path, **conversion) as case:
        record = actions.stored_comparison(case, PAIR)
        assert record is not None
        rounding = {**record, "identity": {**record["identity"], "lossless": False}}
        actions.record_comparison(case, PAIR, rounding)
        with pytest.raises(UsageError, match="lossless"):
            row(case, locator="lossless.weight")
        made = row(case)
        assert not {"c4", "3.1"} & set(made.supports)
        actions.answer(case, "c4", "met", reason="x", evidence=(made.id,))
        assert review.verdict(case).label == "independent"


RECORD = {
    "identity": {
        "pairs": 3, "equal": 1, "converted": 0, "only_a": ["lost"], "only_b": ["new"],
        "differing": [
            {"a": "w", "b": "v.w", "state": "different", "elements": 9, "changed": 4, "relative": 0.5, "cosine": 0.9},
            {"a": "u", "b": "u", "state": "unread", "elements": 9, "changed": None, "relative": None, "cosine": None},
        ],
    },
    "tests": [
        {"name": "ffn.aligned", "ran": True, "reason": "", "p": 1e-12, "p_is_bound": True, "z": 9.0, "rho": 0.5,
         "layers": [{"a": 0, "b": 1, "p": 0.01, "p_is_bound": False, "z": 2.0, "rho": 0.4, "units": 8},
                    {"a": 1, "b": 1, "expert_a": 0, "expert_b": 2, "p": 0.5, "p_is_bound": False, "z": 0.1, "rho": 0.0,
                     "units": 8}]},
        {"name": "attn.heads", "ran": False, "reason": "one head"},
        {"name": "retention", "ran": True, "reason": "", "reading": "for", "layers": [],
         "directions": [{"of": "a", "ratio": 1.0, "lower_quartile": 0.9}]},
    ],
    "components": [{"name": "vision", "finding": "component-shared", "sentence": "It corresponds."}],
    "mechanisms": [{"number": "3.2", "title": "fine-tuning", "for": ["small"], "against": ["wide"]}],
    "context": [{"name": "score", "reason": "", "sentence": "0.9; decides nothing."}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "locator", "words"),
    [
        (
            "identity/w",
            "identity / w",
            "w (in B v.w): different: 4 of 9 elements changed, relative change 0.5, cosine 0.9",
        ),
        ("identity / u", "identity / u", "u: unread, 9 elements"),
        ("identity / lost", "identity / lost", "lost: in A only"),
        ("identity / new", "identity / new", "new: in B only"),
        ("tests / ffn.aligned", "tests / ffn.aligned", "ffn.aligned: p < 1e-12, z 9.0, rho 0.5, 2 layers"),
        (
            "tests / ffn.aligned / 0-1",
            "tests / ffn.aligned / 0-1",
            "ffn.aligned, layers A 0 and B 1: p 0.01, z 2.0, rho 0.4, 8 units",
        ),
        ("tests / ffn.aligned / 1 expert 0-2", "tests / ffn.aligned / 1 expert 0-2", "experts 0 and 2"),
        ("tests / attn.heads", "tests / attn.heads", "attn.heads was not run: one head"),
        ("tests / retention", "tests / retention", "A ratio 1.0 (lower quartile 0.9)"),
        ("components / vision", "components / vision", "vision: component-shared. It corresponds."),
        ("mechanisms / 3.2", "mechanisms / 3.2", "for it: small; against it: wide"),
        ("context / score", "context / score", "decides nothing"),
    ],
)
def test_rows_are_found_by_name_and_put_into_words(name: str, locator: str, words: str) -> None:
    found = find_row(RECORD, name)
    assert found.locator == locator
    assert found.part == locator.partition(" ")[0]
    assert words in found.excerpt


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("", "Known: identity"),
        ("rows / x", "Known: identity"),
        ("tests", "ffn.aligned"),
        ("identity / same", "equal have no row"),
        ("\x1b[2J/x", "Known"),
    ],
)
def test_names_that_mean_no_row_are_told_what_there_is(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        find_row(RECORD, name)


def test_a_summary_has_a_line_for_each_test() -> None:
    lines = summary(RECORD)
    assert len(lines) == 4
    assert lines[0].startswith("identity: 1 of 3 tensors equal")
