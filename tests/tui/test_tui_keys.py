"""The key map is data without contradictions, and everything in it exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot
from tui_driver import SMALL, WIDE, drive, picture, until

from mpk_tui.case import create_case
from mpk_tui.case.store import JOURNAL
from mpk_tui.tui import keymap, keys
from mpk_tui.tui.about import ABOUT
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.keynames import SAME, SWALLOWED, to_people, to_textual, types_text
from mpk_tui.tui.screens import home, make
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.widgets.choice import Choice
from mpk_tui.tui.widgets.form import Form, Page
from mpk_tui.tui.widgets.table import RowTable


def test_no_key_means_two_things_in_one_place() -> None:
    assert [c.sentence for c in keymap.contradictions(keys.KEYS)] == []


def test_the_check_covers_the_scopes_of_every_screen() -> None:
    together = keymap.combinations()
    for place in keys.PLACES:
        assert ("everywhere", "table", *make(place.name).SCOPES) in together  # type: ignore[attr-defined]
    assert {scope for each in together for scope in each} == {row.scope for row in keys.KEYS}


def test_the_check_sees_two_meanings_of_one_key() -> None:
    one, other = keys.Key("s", "a", "one", "One", "One."), keys.Key("s", "f1,a", "other", "Other", "Other.")
    found = keymap.contradictions([one, other], together=[("s",)])
    assert [c.sentence for c in found] == [
        "a would be both [s] other (Other) and [s] one (One), which work in the same place"
    ]
    assert keymap.contradictions([one, other], together=[("t",)]) == []


def test_every_row_of_the_map_has_its_action() -> None:
    for place in keys.PLACES:
        screen = make(place.name)
        assert isinstance(screen, StepScreen)
        assert place.name == screen.NAME
        for row in keys.keys_for(*screen.SCOPES):
            assert hasattr(screen, f"action_{row.action.split('(')[0]}"), row
    owners: dict[str, type[Any]] = {
        "everywhere": Workbench,
        "table": RowTable,
        "form": Form,
        "choice": Choice,
        "page": Page,
    }
    for scope, owner in owners.items():
        for row in keys.keys_for(scope):
            where, _, action = row.action.partition("(")[0].rpartition(".")
            assert hasattr({"screen": StepScreen, "app": Workbench, "": owner}[where], f"action_{action}"), row


def test_rows_have_names_of_their_own() -> None:
    names = [(row.scope, row.id) for row in keys.KEYS]
    assert sorted({n for n in names if names.count(n) > 1}) == []
    for _, name in names:
        assert name.replace("_", "").isalnum(), name


def test_no_action_hangs_on_a_key_that_may_not_arrive() -> None:
    for row in keys.KEYS:
        assert not all(key in SWALLOWED for key in row.each), row
        assert not set(row.each) & set(SAME), row
        if row.in_fields:
            assert not all(types_text(key) for key in row.each), row


def test_names_of_keys_are_read_as_they_are_written() -> None:
    for row in keys.KEYS:
        for key in row.each:
            assert to_textual(to_people(key)) == key, key


@pytest.mark.parametrize("character", [chr(c) for c in range(0x21, 0x7F)])
def test_signs_are_called_as_textual_calls_them(character: str) -> None:
    assert to_textual(character) == _character_to_key(character)
    assert to_people(_character_to_key(character)) == character
    assert types_text(_character_to_key(character))


@pytest.mark.parametrize(
    "name", ["F0", "F25", "^", "^1", "Meta+x", "", "ab", "\x1b", "\u202e", "ctrl+", "Ctrl+Shift+x"]
)
def test_names_that_are_no_key(name: str) -> None:
    known = {"^": "circumflex_accent"}
    assert to_textual(name) == known.get(name)


def test_sentences_name_keys_that_exist() -> None:
    package = Path(keys.__file__).parent
    named = set()
    for module in package.rglob("*.py"):
        named |= set(re.findall(r"name_of\(\s*[\"'](\w+)[\"'],\s*[\"'](\w+)[\"']", module.read_text("utf-8")))
    assert named
    assert named - {(row.scope, row.id) for row in keys.KEYS} == set()


def test_the_documents_hold_the_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "keys-of-the-workbench.md").read_text("utf-8")
    made = keymap.as_markdown(keys.KEYS)
    assert made in page, "stale; run: python docs/make_screenshots.py --keys"


def test_every_screen_says_what_one_does_on_it() -> None:
    assert {place.name for place in keys.PLACES} == set(ABOUT)
    for sentences in ABOUT.values():
        assert len(sentences) == 4
        assert all(s.endswith(".") for s in sentences)


def test_home_knows_a_case_by_its_journal() -> None:
    assert home.JOURNAL == JOURNAL


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
