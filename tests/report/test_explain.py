"""The page of plain words: every finding honest, short, free of words that accuse, and safe to print."""

from __future__ import annotations

import re
from typing import Any

import pytest
from records import idle, record, row, side

from mpk_tui.errors import UnsupportedError
from mpk_tui.lineage.findings import FINDINGS, P_FLOOR, P_NOTHING, P_ORIGIN
from mpk_tui.report import explain as page
from mpk_tui.report.comparison import from_record
from mpk_tui.report.lines import WIDTH, columns, wrap
from mpk_tui.report.wording import WORDS

HEADINGS = (
    "WHAT WAS ASKED", "WHAT WAS COMPARED", "WHAT WAS FOUND", "HOW SURE THAT IS", "WHICH TESTS RAN", "WHAT IT DOES NOT SAY",
    "HOW TO CHECK IT",
)  # fmt: skip
FORBIDDEN = re.compile(
    r"\b(copied|stolen|infring\w*|prov(es|en|ed)|certified|compliant|cleared|original|unrelated|parent|child|confiden\w*)\b",
    re.I,
)


def lines(value: dict[str, Any]) -> list[str]:
    return page.explain(from_record(value, "r"))


def text(value: dict[str, Any]) -> str:
    return re.sub(r"\s+", " ", " ".join(lines(value)))


def section(value: dict[str, Any], heading: str) -> str:
    out: list[str] = []
    inside = False
    for line in lines(value):
        if line and not line.startswith(" "):
            inside = line.startswith(heading)
        elif inside:
            out.append(line)
    return re.sub(r"\s+", " ", " ".join(out))


def test_every_finding_of_the_engine_has_words_and_no_other_has() -> None:
    assert set(WORDS) == set(FINDINGS)
    assert (page._ORIGIN, page._NOTHING) == (P_ORIGIN, P_NOTHING)
    assert P_FLOOR == P_ORIGIN


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_page_has_all_sections_fits_and_holds_no_forbidden_word(finding: str) -> None:
    found = lines(record(finding))
    assert [h for h in HEADINGS if any(line.startswith(h) for line in found)] == list(HEADINGS)
    assert len(found) <= page.LINES
    assert max(map(columns, found)) <= WIDTH
    assert not FORBIDDEN.search(" ".join(found))
    assert "licences" in section(record(finding), "WHAT IT DOES NOT SAY")
    assert "intent" in section(record(finding), "WHAT IT DOES NOT SAY")


@pytest.mark.parametrize("finding", FINDINGS)
def test_what_counts_is_said_as_the_constitution_has_it(finding: str) -> None:
    found = section(record(finding), "WHAT WAS FOUND")
    linked = finding in ("identical", "reformatted", "near-identical", "shared-trained-ancestor", "component-shared")
    assert ("counts as linked" in found) == linked
    if finding == "component-shared":
        assert "counts as linked in the named part" in found
    elif not linked:
        assert "counts as independent" in found


def test_findings_differ_in_meaning_and_in_what_they_do_not_say() -> None:
    assert len({w.meaning for w in WORDS.values()}) == len(WORDS)
    for finding in ("no-correspondence", "not-comparable"):
        assert "made independently. Training on another model's answers" in section(
            record(finding), "WHAT IT DOES NOT SAY"
        )
    for finding in ("near-identical", "shared-trained-ancestor", "component-shared"):
        assert "Which of the two came first" in section(record(finding), "WHAT IT DOES NOT SAY")
    assert "must not be said" in section(record("common-origin-unresolved"), "WHAT IT DOES NOT SAY")
    assert "exclusion 4.4" in text(record("shared-initialisation"))


def test_the_p_value_is_told_as_what_it_bounds() -> None:
    sure = section(record("shared-trained-ancestor"), "HOW SURE")
    assert "fewer than 1 in 1,000,000,000,000 cases (p < 1e-12)" in sure
    assert "It is not the probability that the models are independent" in sure
    assert "raised 6-fold" in sure
    assert "raised" not in section(record("shared-trained-ancestor", families=1), "HOW SURE")
    assert "no sign of one; about 62 in 100 cases" in section(record("no-correspondence"), "HOW SURE")
    assert "too weak a sign, one in a million is asked for; about 1 in 3,300 cases" in section(
        record("no-correspondence", p=3e-4), "HOW SURE"
    )


def test_the_empirical_step_comes_with_its_denominator_where_it_carries_the_finding() -> None:
    rate = page.error_rate()
    sure = section(record("shared-trained-ancestor"), "HOW SURE")
    assert f"Of {rate.pairs:,} pairs" in sure
    assert f"at most {100 * rate.upper:.1f} %" in sure
    assert "no p-value exists for this step" in sure
    for finding in ("shared-initialisation", "common-origin-unresolved"):
        other = section(record(finding), "HOW SURE")
        assert "no p-value exists for this step" in other
        assert "at most" not in other
    assert "no second step" in section(record("no-correspondence"), "HOW SURE")


def test_equality_is_not_told_as_statistics() -> None:
    for finding in ("identical", "reformatted", "near-identical"):
        sure = section(record(finding), "HOW SURE")
        assert "rests on equality" in sure
        assert "p-value" not in sure


def test_a_step_that_did_not_run_stays_open() -> None:
    value = record("common-origin-unresolved")
    value["tests"][-1] = idle("retention", "retention", "needs the weights of both models")
    assert "did not run, so this question stays open" in section(value, "HOW SURE")
    assert "Did not run: Learning that is kept (second step). Reason: needs" in section(value, "WHICH TESTS")
    assert "needs the weights of both models" in section(value, "WHICH TESTS")


def test_an_unresolved_origin_says_on_what_it_rests() -> None:
    for more in ({"p": 0.4}, {"p": 1.0, "families": 0}):
        found = text(record("common-origin-unresolved", p_is_bound=False, **more))
        assert "equal byte for byte; the statistical tests show no likeness" in found
    assert "The likeness is weak" in text(record("common-origin-unresolved", p=1e-9, p_is_bound=False))
    plain = record("common-origin-unresolved")
    assert "weak" not in text(plain)
    assert "word tables that correspond" not in text(plain)
    for test in plain["tests"]:
        if test["ran"] and test["name"] not in ("residual.embeddings", "retention"):
            test["p"] = 0.3
    assert "word tables that correspond; no layer does" in text(plain)


def test_a_lossless_conversion_is_told_from_a_rounding_one() -> None:
    value = record("reformatted")
    assert "Digits are lost" in text(value)
    assert "F32 rounded to BF16" in text(value)
    value["identity"] |= {"lossless": True, "conversions": ["BF16 to F32"]}
    assert "No digit is lost" in text(value)


def test_differing_tables_of_a_near_identical_pair_are_named() -> None:
    assert "Not equal: layer.0.weight, layer.1.weight." in text(record("near-identical"))


def test_components_are_named_with_their_own_finding() -> None:
    value = record("component-shared")
    assert "- attention of layers 0-3: a common trained ancestor - token embeddings: a common origin that is" in text(
        value
    )
    assert "for other models, and for parts of models, the rate may differ" in section(value, "HOW SURE")
    value["components"] = [{"name": f"expert {i}", "finding": "something-new"} for i in range(9)]
    found = text(value)
    assert "expert 0: something-new" in found
    assert "and 6 further parts" in found
    value["components"] = [{}]
    assert lines(value)


def test_experts_are_counted_as_blocks_and_parts_of_a_whole_stay_in_the_record() -> None:
    value = record("shared-trained-ancestor", components=record("component-shared")["components"])
    for layer in value["tests"][0]["layers"]:
        layer |= {"expert_a": 0, "expert_b": 0}
    assert "Inner units, weight by weight: 16 of 16 blocks match" in text(value)
    assert "Inner units, by shared words: 16 of 16 layers match" in text(value)
    assert "Parts with findings of their own: 2, all in the record." in text(value)
    assert len(lines(value)) <= page.LINES


def test_a_shared_part_outside_the_layers_is_no_link_and_rests_on_equality() -> None:
    value = record("component-shared", p=0.7, p_is_bound=False)
    value["components"] = [
        {
            "name": "equal tensors",
            "kind": "tensors",
            "finding": "component-shared",
            "equal": ["embed", "tower.0", "tower.1"],
        }
    ]
    found = section(value, "WHAT WAS FOUND")
    assert "equal tensors: a common trained ancestor (3 tables)" in found
    assert "counts as independent by default: what is shared lies outside the layers" in found
    sure = section(value, "HOW SURE")
    assert "rests on equality" in sure
    assert "p-value" not in sure


def test_a_mechanism_goes_by_the_title_of_the_constitution() -> None:
    value = record("shared-trained-ancestor")
    value["mechanisms"] = [
        {"number": "3.3", "title": "THEFT", "for": [], "against": ["x"]},
        {"number": "3.2", "title": "THEFT", "for": [], "against": []},
    ]
    assert "fine-tuning fits best" in text(value)
    assert "THEFT" not in text(value)
    value["mechanisms"] = [{"number": "9.9", "title": "THEFT"}]
    assert "fits best" not in text(value)


def test_outside_the_scope_no_verdict_is_promised() -> None:
    found = section(record("identical", a=side("x", scope="speech model")), "WHAT WAS FOUND")
    assert "gives no verdict" in found
    assert "speech model" in found
    assert "counts as" not in found


def test_a_fingerprint_side_is_told() -> None:
    assert "weights not at hand" in section(
        record("no-correspondence", a=side("x.mpkf", kind="fingerprint")), "WHAT WAS COMPARED"
    )


def test_tests_of_later_versions_are_shown_by_their_family() -> None:
    value = record("shared-trained-ancestor")
    value["tests"] += [row(f"moments.{i}", f"moments of kind {i}", 1e-8) for i in range(3)]
    value["tests"] += [{}, idle("x", "", ""), idle("y", "experts", ""), {"name": "bare"}]
    found = section(value, "WHICH TESTS")
    assert "moments of kind 0: 16 of 16 layers match, p = 1e-08." in found
    assert "Learning that is kept (second step): speaks for a trained ancestor." in found
    assert "Columns of the layers' tables: p < 1e-12." in found
    assert "and 2 more, in the record" in found
    assert "a test without a name" in found
    assert "the record gives no reason" in found
    assert len(lines(value)) <= page.LINES + 5


def test_context_is_mentioned_as_what_it_is() -> None:
    assert "none of them counted" in text(record("no-correspondence", context=[{"name": "x"}]))
    assert "none of them counted" not in text(record("no-correspondence"))


def test_hostile_text_moves_no_cursor_and_stays_on_the_page() -> None:
    nasty = "\x1b[2J\u202eevil\nname\x07\u2028 " + "w" * 500 + "\ud800" + "漢" * 200
    value = record("near-identical", a=side(nasty, scope=nasty, root=nasty), b=side(nasty))
    value["tests"] = [
        row(nasty, nasty, 0.5),
        idle(nasty, nasty, nasty),
        row("retention", nasty, None, reading=nasty, reason=nasty),
    ]
    value["identity"]["differing"] = [{"a": nasty}]
    value["tool"] = {"version": nasty, "numpy": nasty}
    value["components"] = [{"name": nasty, "finding": nasty}]
    for finding in FINDINGS:
        found = lines(value | {"finding": finding})
        assert max(map(columns, found)) <= WIDTH
        joined = "".join(found)
        assert all(c not in joined for c in "\x1b\x07\u202e\u2028\n\ud800")
        assert "\\x1b" in joined


def test_a_finding_without_words_is_unsupported() -> None:
    with pytest.raises(UnsupportedError, match="something-else"):
        lines(record("something-else"))


@pytest.mark.parametrize(
    ("p", "bound", "words"),
    [
        (1.0, False, "about 100 in 100 cases (p = 1)"),
        (0.013, False, "about 1 in 100 cases"),
        (0.004, False, "about 1 in 250 cases"),
        (1e-4, True, "at most 1 in 10,000 cases"),
        (3e-8, False, "about 1 in 33,000,000 cases (p = 3e-08)"),
        (1.1e-12, True, "at most 1 in 910,000,000,000 cases"),
        (1e-12, True, "fewer than 1 in 1,000,000,000,000 cases (p < 1e-12)"),
        (0.0, False, "fewer than 1 in 1,000,000,000,000 cases (p < 1e-12)"),
    ],
)
def test_odds(p: float, bound: bool, words: str) -> None:
    assert words in page.odds(p, bound).replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("wrong", "pairs", "upper"), [(0, 22, 0.128), (0, 63, 0.047), (1, 20, 0.217), (0, 1, 0.95), (3, 3, 1.0)]
)
def test_upper_limits_of_a_rate(wrong: int, pairs: int, upper: float) -> None:
    # Clopper and Pearson: 1 - 0.05**(1/n) without errors; one in twenty from the published tables (0.216).
    assert page.upper_limit(wrong, pairs) == pytest.approx(upper, abs=0.0011)
    assert page.upper_limit(wrong, pairs) >= (1 - 0.05 ** (1 / pairs) if not wrong else 0)


def test_wrapping_counts_columns_and_cuts_long_words() -> None:
    assert wrap("one two three", "- ", "  ", 9) == ["- one two", "  three"]
    assert wrap("漢" * 6, "", "", 5) == ["漢漢", "漢漢", "漢漢"]
    assert wrap("p\u00a0<\u00a01 x", "", "", 7) == ["p < 1 x"]
    assert wrap("aaa p\u00a0<\u00a01", "", "", 7) == ["aaa", "p < 1"]
    assert wrap("") == [""]
