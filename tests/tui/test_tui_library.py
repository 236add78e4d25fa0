"""The Library screen: a shelf of fingerprint files, looked through in a thread; one of them into the open case."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from tui_driver import SMALL, WIDE, drive, keys, picture, until

from mpk_tui.case import create_case
from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.fingerprint.record import Fingerprint, write
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.widgets.form import Form, Page

EVIL = "[/][b]\x1b[2J\u202e" + "A" * 150
PLAIN = Fingerprint(
    "mpk-tui 0", "safetensors", "llama", "transformer-lm", (),
    tuple(TensorHash(f"{n:04}.weight", "F32", (2, 3), 24, bytes(32)) for n in range(500)),
    {"layers": 2, "claims": [["model_type", EVIL]]}, {"kind": EVIL}, {}, {}, (EVIL,),
)  # fmt: skip


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "mpk-tui" / "library"
    folder.mkdir(parents=True)
    write(folder / "llama.mpkf", PLAIN)
    write(folder / f"z{EVIL.replace('/', '')}.mpkf", replace(PLAIN, family=EVIL))
    (folder / "torn.mpkf").write_bytes(PLAIN.to_bytes()[:-1])
    return folder


def said(app: Workbench) -> str:
    """The picture in one line, as sentences break across lines."""
    return " ".join(picture(app).replace("│", " ").split())


async def settled(pilot: Pilot[Any], app: Workbench) -> None:
    await until(pilot, lambda: "library" in app.kept and not app.jobs.live, 30)
    await pilot.pause()


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_lists_and_shows_in_full(size: tuple[int, int], shelf: Path) -> None:
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "l")
        await settled(pilot, app)
        shown = picture(app)
        assert "3 fingerprint files, 1 cannot be used" in said(app)
        assert "3,000" in shown
        assert PLAIN.root.hex() in re.sub(r"[\s│]+", "", shown)
        await keys(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, Page))
        await pilot.pause()
        assert "500 tensors" in picture(app)
        await keys(pilot, "escape", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, Page))
        assert "torn.mpkf" in picture(app)
        await keys(pilot, "escape", "down")
        shown += picture(app)
        await keys(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, Page))
        await pilot.pause()
        shown += picture(app)
        assert not {"\x1b", "\u202e"} & set(shown)

    drive(app, script, size)


def test_an_empty_library_says_how_to_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "l")
        await settled(pilot, app)
        assert "mpk-tui fingerprint MODEL -o FILE.mpkf" in said(app)
        await keys(pilot, "a")
        assert "Nothing is under the cursor." in picture(app)

    drive(app, script)
    assert not (tmp_path / "mpk-tui" / "library").exists()


def test_another_folder_can_be_named_and_read_again(shelf: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "l")
        await settled(pilot, app)
        await keys(pilot, "o")
        await until(pilot, lambda: isinstance(app.screen, Form) and bool(app.screen.query("#f-folder")))
        field: Any = app.screen.query_one("#f-folder")
        field.value = str(tmp_path / "none")
        await keys(pilot, "ctrl+s")
        assert "There is no such folder." in picture(app)
        field.value = str(other)
        await keys(pilot, "ctrl+s")
        await settled(pilot, app)
        assert "0 fingerprint files" in said(app)
        write(other / "new.mpkf", PLAIN)
        await keys(pilot, "r")
        await settled(pilot, app)
        assert "1 fingerprint file" in said(app)
        await keys(pilot, "g", "0")
        await keys(pilot, "g", "l")
        assert "new" in picture(app)

    drive(app, script)


def test_one_becomes_a_reference_of_the_open_case(shelf: Path, tmp_path: Path) -> None:
    create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim").close()
    before = {p: p.stat().st_mtime_ns for p in shelf.iterdir()}
    app = Workbench(tmp_path / "case")

    async def script(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: app.session is not None)
        await keys(pilot, "g", "l")
        await settled(pilot, app)
        await keys(pilot, "a")
        assert "R1 is llama, a reference of this case." in said(app)
        assert app.session is not None
        made = app.session.case.state.artifacts["R1"]
        assert (made.role, made.label) == ("reference", "llama")
        await keys(pilot, "down", "a")
        assert "This file cannot be used." in picture(app)
        assert list(app.session.case.state.artifacts) == ["R1"]

    drive(app, script)
    assert {p: p.stat().st_mtime_ns for p in shelf.iterdir()} == before


def test_without_a_case_nothing_is_added(shelf: Path) -> None:
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "l")
        await settled(pilot, app)
        await keys(pilot, "a")
        assert "Open or begin a case first." in picture(app)

    drive(app, script)
