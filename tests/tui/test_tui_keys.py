"""The key map is data without contradictions, and everything in it exists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textual import events
from textual.pilot import Pilot
from tui_driver import SMALL, WIDE, drive, picture, until

from mpk_tui.case import create_case
from mpk_tui.tui import keys
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.screens import _WHERE, make
from mpk_tui.tui.screens.step import StepScreen


def test_no_key_means_two_things_in_one_place() -> None:
    assert keys.conflicts() == []


def test_every_row_of_the_map_has_its_action() -> None:
    for row in keys.KEYS:
        name = f"action_{row.action.split('(')[0].removeprefix('screen.')}"
        if row.scope == "everywhere":
            assert hasattr(Workbench, name) or hasattr(StepScreen, name), row
    for place in keys.PLACES:
        screen = make(place.name)
        assert isinstance(screen, StepScreen)
        assert place.name == screen.NAME
        for row in keys.keys_for(*screen.SCOPES):
            assert hasattr(screen, f"action_{row.action.split('(')[0]}"), row


def test_every_scope_belongs_to_a_screen() -> None:
    reached = {"everywhere"}
    for name in _WHERE:
        reached |= set(getattr(make(name), "SCOPES", ()))
    assert {row.scope for row in keys.KEYS} <= reached


def test_help_is_made_from_the_map() -> None:
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("f1")
        await pilot.pause()
        shown = picture(app)
        for row in keys.keys_for("home"):
            assert row.help in shown
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.NAME == "home"  # type: ignore[attr-defined]

    drive(app, script, WIDE)


def test_palette_runs_an_action() -> None:
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("ctrl+p")
        await pilot.pause()
        for c in "verify":
            await pilot.press(c)
        await pilot.pause(0.3)
        await pilot.press("down", "enter")
        await pilot.pause(0.3)
        assert app.screen.NAME == "verify"  # type: ignore[attr-defined]

    drive(app, script)


def test_go_refuses_case_steps_without_a_case() -> None:
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await pilot.press("g", "6")
        await pilot.pause()
        assert "Open or begin a case first." in picture(app)
        await pilot.press("g", "v")
        await pilot.pause()
        assert app.screen.NAME == "verify"  # type: ignore[attr-defined]

    drive(app, script, SMALL)


def test_keys_typed_faster_than_screens_open(tmp_path: Path) -> None:
    create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim").close()
    app = Workbench(tmp_path / "case")

    async def script(pilot: Pilot[Any]) -> None:
        for key in "g6g4g9":
            pressed = events.Key(key, key)
            pressed.set_sender(app)
            app.post_message(pressed)
        await until(pilot, lambda: getattr(app.screen, "NAME", "") == "review")

    drive(app, script)
