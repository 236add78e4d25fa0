"""docs/formats.md says what really happens."""

from __future__ import annotations

from pathlib import Path

from formats_table import DOCUMENT, generated, table


def test_the_table_of_formats_is_what_happens(tmp_path: Path) -> None:
    assert generated(DOCUMENT.read_text()) == table(tmp_path)
