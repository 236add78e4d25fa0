"""The Scan screen: an artifact held against a library in a process apart, its relatives into the case, hostile records."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from golden_case import GOLDEN, fingerprint
from textual.pilot import Pilot
from tui_driver import SMALL, WIDE, drive, keys, picture, until

from mpk_tui.case import create_case
from mpk_tui.case.artifacts import add_artifact, record_fingerprint
from mpk_tui.fingerprint.record import write
from mpk_tui.library.catalogue import open_library
from mpk_tui.library.entry import Facts, Parent
from mpk_tui.library.scan_apart import Asked
from mpk_tui.tui import scanning
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.scanning import VIEWS
from mpk_tui.tui.screens.scan import Desk
from mpk_tui.tui.widgets.form import Form, Page

EVIL = "[/][b]\x1b[2J\u202e\x9b31m\r\n" + "A" * 500
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
RECORD: dict[str, Any] = json.loads((GOLDEN / "scanned.json").read_text("utf-8"))


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A case with one fingerprinted subject, and a library that holds it, its documented ancestor and a name of EVIL."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    base, chat = fingerprint("base"), fingerprint("fine-tune")
    with open_library(tmp_path / "mpk-tui" / "library", write=True, create=True) as library:
        parent = Parent(
            "helix/base", fingerprint=base.digest, mechanism="3.2", kind="a", evidence="tuned", source="card"
        )
        made = [(base, Facts("helix/base")), (chat, Facts("helix/chat", parents=(parent,)))]
        library.add(made, who="test", at=0)
    write(tmp_path / "suspect.mpkf", chat)
    with create_case(tmp_path / "c", id="C-1", title="t", examiner="e") as c:
        add_artifact(c, tmp_path / "suspect.mpkf", role="subject", label="suspect")
        record_fingerprint(c, "S1", chat)
    return tmp_path / "c"


def said(app: Workbench) -> str:
    return " ".join(picture(app).replace("│", " ").split())


async def rest(pilot: Pilot[Any], app: Workbench) -> None:
    await pilot.pause()
    await until(pilot, lambda: not app.jobs.live and not any(w.is_running for w in app.workers), 60)
    await pilot.pause()


def test_an_artifact_is_scanned_and_a_relative_becomes_a_reference_of_the_case(case: Path) -> None:
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "2")
        await keys(pilot, "s")
        await rest(pilot, app)
        assert "suspect holds the very tensors of helix/chat" in said(app)
        await keys(pilot, "enter")
        assert isinstance(app.screen, Page)
        assert "All 39 tensors are equal byte for byte" in said(app)
        await keys(pilot, "escape", "v", "v")
        assert "══▶" in picture(app)
        await keys(pilot, "a")
        assert "No model of the library is under the cursor." in said(app)
        await keys(pilot, "v", "v", "a")
        await rest(pilot, app)
        assert "R1 is helix/chat, a reference of this case. g 4 compares the pair." in said(app)
        session = app.session
        assert session is not None
        assert session.pair == "S1:R1"
        assert session.case.state.artifacts["R1"].fingerprint == fingerprint("fine-tune").digest.hex()
        await keys(pilot, "a")
        assert "R1 has this fingerprint already." in said(app)
        await keys(pilot, "e")
        (item,) = session.evidence
        assert (item.kind, item.supports) == ("context", ())
        kept = json.loads((case / "attachments" / item.digest).read_bytes())
        assert kept["schema"] == "mpk-tui/scan/1"
        await keys(pilot, "g", "4")
        await keys(pilot, "c")
        await rest(pilot, app)
        assert session.case.state.comparisons["S1:R1"]
        await keys(pilot, "g", "s")
        assert "suspect holds the very tensors" in said(app)

    drive(app, script)


def test_a_path_is_scanned_by_a_form_and_faults_are_sentences(case: Path) -> None:
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "s", "v")
        assert "Nothing was scanned yet." in said(app)
        await keys(pilot, "e", "w", "x", "a", "s")
        await until(pilot, lambda: isinstance(app.screen, Form) and bool(app.screen.query("#f-path")))
        path, library = (app.screen.query_one(f"#f-{name}") for name in ("path", "library"))
        for typed, folder, told in (
            ("", "", "Type the path of a model."), (str(case.parent / "none"), "", "There is nothing at this path."),
            (str(case.parent / "suspect.mpkf"), str(case.parent / "none"), "There is no such library"),
        ):  # fmt: skip
            path.value, library.value = typed, folder  # type: ignore[attr-defined]
            await keys(pilot, "ctrl+s")
            assert told in said(app)
        library.value = str(case)  # type: ignore[attr-defined]
        await keys(pilot, "ctrl+s")
        await rest(pilot, app)
        assert "! " in picture(app)
        assert "there is no library here yet" in said(app)
        await keys(pilot, "e")
        assert "Nothing was scanned yet." in said(app)

    drive(app, script)


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_a_hostile_record_is_shown_and_steers_nothing(size: tuple[int, int], case: Path, tmp_path: Path) -> None:
    def spoil(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: v if k in ("finding", "kind", "schema") else spoil(v) for k, v in value.items()}
        return [spoil(v) for v in value] if isinstance(value, list) else EVIL if isinstance(value, str) else value

    app = Workbench(case)
    app.kept["scan"] = Desk(Asked(tmp_path, tmp_path / "mpk-tui" / "library"), record=spoil(RECORD))

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "s")
        seen = ""
        for _ in VIEWS:
            for _ in range(2):
                await keys(pilot, "enter")
                seen += picture(app)
                if isinstance(app.screen, Page):
                    await keys(pilot, "pagedown")
                    seen += picture(app)
                    await keys(pilot, "escape")
                await keys(pilot, "down")
                seen += picture(app)
            await keys(pilot, "v")
        await keys(pilot, "a")
        await rest(pilot, app)
        await keys(pilot, "e")
        seen += picture(app)
        assert not STEERING.search(seen)
        assert "\\x1b[2J" in seen
        assert "[/][b]" in seen

    drive(app, script, size)


def test_a_record_of_another_shape_is_shown_as_far_as_it_goes() -> None:
    for junk in (None, 1, "x", [], [None], {}, [{"entry": 1}], True):
        for key in RECORD:
            for view in VIEWS:
                for row in scanning.rows({**RECORD, key: junk}, view):
                    assert all(isinstance(c, str) for c in row.cells)
            assert scanning.answer({**RECORD, key: junk})


def test_the_scan_and_its_graph_are_written_by_the_files_ending(tmp_path: Path) -> None:
    for ending in scanning.ENDINGS:
        scanning.write(RECORD, str(tmp_path / f"a{ending}"))
    assert json.loads((tmp_path / "a.json").read_text()) == RECORD
    assert json.loads((tmp_path / "a.family.json").read_text())["schema"] == "mpk-tui/family/1"
    assert ET.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "a.dot").read_text().startswith("digraph")
    assert "══▶" in (tmp_path / "a.txt").read_text()
    app = Workbench()
    app.kept["scan"] = Desk(record=RECORD)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "s", "w")
        for typed, told in (("a.png", "no ending that tells a format"), ("a.svg", "exists; it is not overwritten")):
            app.screen.query_one("#f-out").value = str(tmp_path / typed)  # type: ignore[attr-defined]
            await keys(pilot, "ctrl+s")
            assert told in said(app)
        app.screen.query_one("#f-out").value = str(tmp_path / "b.svg")  # type: ignore[attr-defined]
        await keys(pilot, "ctrl+s")
        assert (tmp_path / "b.svg").exists()

    drive(app, script)
