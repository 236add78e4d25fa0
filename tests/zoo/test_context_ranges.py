"""The script behind the context ranges: which pairs it takes, what it writes."""

from __future__ import annotations

from pathlib import Path

import context_ranges
import pytest

import mpk_tui.demo
from mpk_tui.lineage.similarity import MEASURES

TABLE = """a\tb\ttruth\tmechanism\tconcealment
base\ttwin\tindependent\t4.1\tnone
twin\tbase\tindependent\t4.1\tnone
base\tfine-tune\tlinked\t3.2\tnone
fine-tune\ttwin\tindependent\t4.4\tnone
fine-tune\tbase\tindependent\t4.4\tunits permuted
base\tbase\tindependent\t4.1\tnone
"""
# The fine-tune and the twin only pretend to share a seed, and the table to be of four relations.


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "pairs.tsv").write_text(TABLE)
    return tmp_path / "pairs.tsv"


def test_only_independent_pairs_are_taken_each_once(table: Path) -> None:
    assert context_ranges.read_pairs(table) == [
        ("base", "twin", "independent"),
        ("fine-tune", "twin", "same-seed"),
    ]


def test_bases_that_begin_with_equal_embeddings_are_left_out(tmp_path: Path) -> None:
    assert context_ranges.begin_alike("gpt2-a-1+llama-a-1")
    for group in ("gpt2-a-1+llama-a-2", "gpt2-a-1+llama-b-1", "gpt2-a-1", "", "x+y"):
        assert not context_ranges.begin_alike(group)
    (tmp_path / "pairs.tsv").write_text(
        "a\tb\ttruth\tmechanism\tgroup\nx\ty\tindependent\t4.6\tgpt2-a-1+llama-a-1\nx\tz\tindependent\t4.6\tgpt2-a-1+llama-a-2\n"
    )
    assert context_ranges.read_pairs(tmp_path / "pairs.tsv") == [("x", "z", "independent")]


def test_a_draw_is_fixed_and_bounded_by_truth() -> None:
    pairs = [(str(i), "x", "independent") for i in range(50)] + [("s", "x", "same-seed")]
    drawn = context_ranges.thinned(pairs, 10)
    assert drawn == context_ranges.thinned(pairs, 10)
    assert len(drawn) == 11
    assert drawn[-1] == ("s", "x", "same-seed")


def test_ranges_of_the_demo(table: Path) -> None:
    found = context_ranges.measure(context_ranges.read_pairs(table), Path(mpk_tui.demo.__file__).parent)
    data = context_ranges.summary([("demo", "the demo's models", found)], "2026-01-01")
    assert sorted(data["measures"]) == sorted(m.name for m in MEASURES)
    assert data["measures"]["vocabulary-overlap"]["independent"]["demo"] == {
        "pairs": 1, "low": 1.0, "median": 1.0, "high": 1.0,
    }  # fmt: skip
    assert data["measures"]["norm-gain-cosine"]["same-seed"]["demo"]["pairs"] == 1
