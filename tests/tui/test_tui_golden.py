"""Screens as plain text beside this file; to renew them: MPK_TUI_GOLDEN=write pytest tests/tui/test_tui_golden.py."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from tui_driver import NARROW, SMALL, WIDE, drive, keys, picture

from mpk_tui.case import actions, artifacts, create_case
from mpk_tui.tui.app import Workbench

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    ("name", "pressed", "size"),
    [
        ("question_80x24", ("g", "6"), SMALL),
        ("question_150x45", ("g", "6"), WIDE),
        ("evidence_100x30", ("g", "5"), NARROW),
        ("go_80x24", ("g", "8", "g"), SMALL),
    ],
)
def test_screen(name: str, pressed: tuple[str, ...], size: tuple[int, int], tmp_path: Path) -> None:
    for model in ("one", "two"):
        (tmp_path / model).mkdir()
    with create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim", exhibit="E", purpose="P") as c:
        artifacts.add_artifact(c, tmp_path / "one", role="subject")
        artifacts.add_artifact(c, tmp_path / "two", role="reference")
        actions.answer(c, "c4", "not-met", reason="the hashes differ")
    app = Workbench(tmp_path / "case")

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, *pressed)
        shown = picture(app) + "\n"
        file = GOLDEN / f"{name}.txt"
        if os.environ.get("MPK_TUI_GOLDEN") == "write":
            GOLDEN.mkdir(exist_ok=True)
            file.write_text(shown, "utf-8")
        assert shown == file.read_text("utf-8")

    drive(app, script, size)
