"""docs/format-annotated.md is what the script writes, and leaves no byte out."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from annotate import page, tokens
from test_mutations import small

from mpk_tui.bundle import dsse, envelope

ROOT = Path(__file__).parents[2]


def test_the_page_is_fresh_and_about_the_frozen_bundle() -> None:
    data = small()
    assert (ROOT / "bundles" / "annotated" / "bundle.mpkb").read_bytes() == data
    text = (ROOT / "docs" / "format-annotated.md").read_text(encoding="utf-8")
    assert text == page(data), "stale; run: python tests/bundle/annotate.py docs/format-annotated.md"
    assert dsse.bundle_id(envelope.parse(data).payload).hex() in text


def test_every_byte_is_in_exactly_one_line() -> None:
    data = small()
    found = tokens(data)
    assert found[0].start == 0
    assert all(a.end == b.start for a, b in pairwise(found))
    assert found[-1].end == len(data)
