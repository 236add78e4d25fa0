"""Rows of the context panel against the published schema of a comparison."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest

import mpk_tui.demo
from mpk_tui.lineage.context import context
from mpk_tui.lineage.sides import open_side
from mpk_tui.progress import CancelToken, silent
from mpk_tui.report.schemas import COMPARE

DEMO = Path(mpk_tui.demo.__file__).parent


@pytest.mark.parametrize("other", ["fine-tune", "twin"])
def test_rows_follow_the_schema(other: str) -> None:
    cancel = CancelToken()
    with open_side(DEMO / "base", silent, cancel) as a, open_side(DEMO / other, silent, cancel) as b:
        rows = context(a, b, None)
    jsonschema.validate(rows, COMPARE["properties"]["context"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([{**rows[0], "value": "high"}], COMPARE["properties"]["context"])
