"""Schemas on disk are the ones that the code builds."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpk_tui.report.schemas import all_schemas, render

FOLDER = Path(__file__).parent.parent / "schemas"


@pytest.mark.parametrize("name", sorted(all_schemas()))
def test_schema_file_is_fresh(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="ascii") == render(all_schemas()[name]), (
        "stale; run: python -m mpk_tui.report.schemas schemas"
    )


def test_no_schema_file_is_left_over() -> None:
    assert {p.name for p in FOLDER.glob("*.json")} == set(all_schemas())
