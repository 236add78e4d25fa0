"""Untrusted text never steers a terminal, and stays readable."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpk_tui.text import clean, clean_lines, composed, folded, folded_name, hex_groups, size

HARMFUL = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}


def harmful(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) in HARMFUL]


@given(st.text(max_size=600))
def test_nothing_that_controls_or_hides_comes_through(text: str) -> None:
    assert harmful(clean(text)) == []
    # Spelled-out characters are longer than what they stand for: twice the limit is where they are cut as well.
    assert len(clean(text, 50)) <= 2 * 50


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=400))
def test_plain_text_is_left_alone(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("\x9b2J", "\\x9b2J"),
        ("layer\u202egnp.exe", "layer\\u202egnp.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("a\u3164b\ufe0fc\U000e0100d\u2800e", "a\\u3164b\\ufe0fc\\U000e0100d\\u2800e"),
        ("naïve — 模型 ✓", "naïve — 模型 ✓"),
    ],
)
def test_what_was_there_can_be_seen(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_a_long_name_is_cut_and_says_how_long_it_was() -> None:
    assert clean("x" * 400) == "x" * 400
    assert clean("x" * 401) == "x" * 400 + "… (401 characters)"
    assert clean("\x1b" * 10_000, 40).endswith("… (10000 characters)")


@given(st.text(max_size=300))
def test_paragraphs_keep_their_lines_and_nothing_else(text: str) -> None:
    shown = clean_lines(text)
    assert shown.count("\n") == text.replace("\r\n", "\n").count("\n")
    assert harmful(shown.replace("\n", "")) == []


@pytest.mark.parametrize(
    ("n", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (4_100_000_000, "4.1 GB"), (5 * 10**15, "5000.0 TB")],
)
def test_sizes_are_decimal(n: int, shown: str) -> None:
    assert size(n) == shown


def test_digests_are_grouped_for_reading_aloud() -> None:
    assert hex_groups(bytes(range(6))) == "0001 0203 0405"
    assert hex_groups(bytes(range(6)), 2) == "0001 0203"


@given(st.text(max_size=300), st.integers(0, 120))
def test_a_folded_line_is_the_line_and_no_part_of_it_starts_at_the_margin(text: str, columns: int) -> None:
    shown = clean(text)
    first, *others = folded(shown, columns).split("\n")
    assert all(part.startswith("    | ") for part in others)
    assert first + "".join(part.removeprefix("    | ") for part in others) == shown
    if shown.isascii():
        assert all(len(part) < max(columns, 20) for part in (first, *others))


def test_wide_characters_take_two_columns() -> None:
    assert folded("模" * 20, 21).split("\n") == ["模" * 10, "    | " + "模" * 7, "    | " + "模" * 3]


def test_names_are_composed_unless_nothing_but_marks() -> None:
    assert composed("e\u0301.bin") == "é.bin"
    assert folded_name("E\u0301.BIN") == "é.bin"
    assert composed("a" + "\u0315\u0300" * 15) == unicodedata.normalize("NFC", "a" + "\u0315\u0300" * 15)
    heaped = "a" + "\u0315\u0300" * 200_000  # in order this would take minutes
    assert composed(heaped) == heaped
