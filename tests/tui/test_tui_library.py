"""The Library screen: entries and loose files, read in a thread; taken in, changed, taken out; into the open case."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from tui_driver import SMALL, WIDE, drive, keys, picture, until

from mpk_tui.case import create_case
from mpk_tui.case.artifacts import add_artifact, fingerprint_artifact
from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.fingerprint.record import Fingerprint, write
from mpk_tui.library.catalogue import open_library
from mpk_tui.library.entry import Facts, Origin, Parent
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


def run_together(app: Workbench) -> str:
    """The picture without any space: a path breaks anywhere, by how long the folder of this run is."""
    return re.sub(r"[\s│]+", "", picture(app))


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
        assert "0 entries; 3 files beside the catalogue, 1 cannot be used" in said(app)
        assert "3,000" in shown
        assert PLAIN.root.hex() in re.sub(r"[\s│]+", "", shown)
        await keys(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, Page))
        await pilot.pause()
        assert "500 tensors" in picture(app)
        await keys(pilot, "escape", "down", "enter")
        await until(pilot, lambda: isinstance(app.screen, Page))
        await pilot.pause()
        assert "torn.mpkf" in run_together(app)
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
        assert "n takes a checkpoint or a fingerprint file into the catalogue" in said(app)
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
        assert "other:0entries" in run_together(app)
        write(other / "new.mpkf", PLAIN)
        await keys(pilot, "r")
        await settled(pilot, app)
        assert "0 entries; 1 file beside the catalogue" in said(app)
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


@pytest.fixture
def catalogue(shelf: Path) -> Path:
    """The same folder with a catalogue of two, one of whose texts are a stranger's."""
    evil = Facts(
        f"evil {EVIL}", (EVIL,), EVIL, EVIL, EVIL, EVIL, (Parent(EVIL, kind="a", evidence=EVIL), Parent("rumour"))
    )
    with open_library(shelf, write=True, create=True) as library:
        library.add([(replace(PLAIN, notices=("one",)), Facts("base", licence="MIT"))], who="Ann", at=1_700_000_000_000)
        library.add(
            [(replace(PLAIN, family=EVIL), evil)], who=EVIL, at=1_700_000_000_000, origin=Origin(bytes(32), EVIL, 2)
        )
    return shelf


def entries(folder: Path) -> list[str]:
    with open_library(folder) as library:
        return [e.name for e in library.entries()]


async def filled(pilot: Pilot[Any], app: Workbench, **values: str) -> None:
    """Fill some fields of the form on top and accept it."""
    for name, text in values.items():
        field: Any = app.screen.query_one(f"#f-{name}")
        field.value = text
    await keys(pilot, "ctrl+s")
    await until(pilot, lambda: not app.jobs.live, 30)
    await pilot.pause()
    await settled(pilot, app)


def test_entries_are_shown_narrowed_changed_and_taken_out(catalogue: Path, tmp_path: Path) -> None:
    create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim").close()
    app = Workbench(tmp_path / "case")

    async def script(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: app.session is not None)
        await keys(pilot, "g", "l")
        await settled(pilot, app)
        assert "2 entries; 2 files beside the catalogue, 1 cannot be used" in said(app)
        assert "base; licence MIT; added 2023-11-14 by Ann" in said(app)
        seen = picture(app)
        await keys(pilot, "down")
        assert "documented parent (a): [/][b]" in said(app)
        await keys(pilot, "enter")
        await until(pilot, lambda: isinstance(app.screen, Page))
        await pilot.pause()
        seen += picture(app)
        await keys(pilot, "escape", "slash", *"MIT", "enter")
        assert "1 shown" in said(app)
        assert app.kept["library"].rows[0].name == "base"
        await keys(pilot, "e")
        await until(pilot, lambda: isinstance(app.screen, Form))
        await filled(pilot, app)
        assert "Nothing was changed." in picture(app)
        await filled(pilot, app, name="first", aliases="uno; eins")
        assert "first (uno, eins); licence MIT" in said(app)
        await keys(pilot, "a")
        assert "R1 is first, a reference of this case." in said(app)
        await keys(pilot, "escape", "down", "e")
        await until(pilot, lambda: isinstance(app.screen, Form))
        await filled(pilot, app, licence="mine")
        assert "its licence is what those say who signed it" in said(app)
        await keys(pilot, "escape", "escape", "D")
        await until(pilot, lambda: isinstance(app.screen, Form))
        seen += picture(app)
        await filled(pilot, app)
        assert "Say why" in picture(app)
        await filled(pilot, app, reason="a test")
        assert "1 entry;" in said(app)
        assert not {"\x1b", "\u202e"} & set(seen + picture(app))

    drive(app, script)
    assert entries(catalogue) == ["first"]
    with open_library(catalogue) as library:
        assert [(a.act, a.who) for a in library.acts()][:2] == [("removed", "Kim"), ("changed", "Kim")]
        assert library.entry("uno").facts == Facts("first", ("uno", "eins"), licence="MIT")


def test_a_file_and_an_artifact_are_taken_in(shelf: Path, tmp_path: Path) -> None:
    write(tmp_path / "model.mpkf", replace(PLAIN, notices=("artifact",)))
    case = create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim")
    add_artifact(case, tmp_path / "model.mpkf", role="subject", label="The suspect")
    fingerprint_artifact(case, "S1")
    case.close()
    (tmp_path / "model.mpkf").write_bytes(b"gone")
    app = Workbench(tmp_path / "case")

    async def script(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: app.session is not None)
        await keys(pilot, "g", "l")
        await settled(pilot, app)
        await keys(pilot, "D")
        assert "This file is not in the catalogue; n takes it in." in said(app)
        await keys(pilot, "n")
        await until(pilot, lambda: isinstance(app.screen, Form))
        await filled(pilot, app, evidence="x", kind="a")
        assert "Evidence belongs to a parent" in said(app)
        await filled(pilot, app, parent="Grand:3.2", licence="MIT")
        assert "1 entry; 2 files beside the catalogue" in said(app)
        await keys(pilot, "n")
        await until(pilot, lambda: isinstance(app.screen, Form))
        await filled(pilot, app, path=str(tmp_path / "none"))
        assert "There is nothing at this path." in said(app)
        await filled(pilot, app, path=str(tmp_path / "model.mpkf"))
        assert "2 entries" in said(app)
        await keys(pilot, "n")
        await until(pilot, lambda: isinstance(app.screen, Form))
        await filled(pilot, app, path=str(tmp_path / "model.mpkf"), name="again")
        assert "in the library already, as The suspect" in said(app)

    drive(app, script)
    assert entries(shelf) == ["llama", "The suspect"]
    with open_library(shelf) as library:
        (parent,) = library.entry("llama").facts.parents
        assert (parent.name, parent.mechanism, parent.kind, parent.evidence) == ("Grand", "3.2", "a", "x")
        assert library.acts(1)[0].who == "Kim"


def test_what_cannot_be_written_or_read_is_said(catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, *_, **__: Path(path) != catalogue)
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "l")
        await settled(pilot, app)
        assert "(read-only): 2 entries" in said(app)
        for key in ("n", "e", "D"):
            await keys(pilot, key)
            assert "This folder is read-only" in said(app)
        (catalogue / "catalogue.sqlite3").write_bytes(b"no database")
        await keys(pilot, "r")
        await settled(pilot, app)
        assert "is no SQLite database" in said(app)

    drive(app, script)
