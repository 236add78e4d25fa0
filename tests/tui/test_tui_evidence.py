"""Evidence by kind, with its file: chosen from a list, quoted from, said anew, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from judged_case import begun, documented
from textual.pilot import Pilot
from textual.widgets import Input
from tui_driver import NARROW, SMALL, WIDE, drive, keys, paste, picture, settled, until

from mpk_tui.case import actions, open_case
from mpk_tui.tui.app import Workbench

CARD = "Model card\x1b[2J\n\nThis model was fine-tuned from base.\n[/]License: none\n"


def shown(app: Workbench) -> str:
    return " ".join(picture(app).replace("│", " ").split())


def items(case: Path) -> dict[str, Any]:
    with open_case(case, read_only=True) as c:
        return dict(c.state.evidence.get("S1:R1", {}))


@pytest.mark.parametrize(
    ("key", "kind", "carries"),
    [
        ("a", "a", "It is the only kind that documents a direction"),
        ("c", "c", "It gives way to an author's denial"),
        ("x", "context", "It never carries a label"),
        ("d", "denial", "It is respected"),
    ],
)
def test_each_kind_has_a_key_and_says_what_it_carries(tmp_path: Path, key: str, kind: str, carries: str) -> None:
    case = begun(tmp_path)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "5", key)
        assert carries in shown(app)
        await keys(pilot, "ctrl+s")
        assert "Say where it comes from" in shown(app)
        await paste(pilot, "source [/]")
        await keys(pilot, "tab", "down", "space", "down", "space", "space", "ctrl+s")

    drive(app, script, SMALL)
    item = items(case)["E1"]
    assert (item.kind, item.supports, item.opposes, item.source) == (kind, ("c1",), ("c2",), "source [/]")


def test_a_file_is_kept_quoted_from_and_checked(tmp_path: Path) -> None:
    case = begun(tmp_path)
    (tmp_path / "card.md").write_text(CARD)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "5", "q", "f")
        await paste(pilot, "script")
        await keys(pilot, "ctrl+s")
        assert "needs a file with its record" in shown(app)
        app.screen.query_one("#f-file", Input).value = str(tmp_path / "nowhere")
        await keys(pilot, "ctrl+s")
        await settled(pilot)
        assert "cannot be read" in shown(app)
        app.screen.query_one("#f-file", Input).value = str(tmp_path / "card.md")
        await keys(pilot, "ctrl+s")
        await settled(pilot)
        assert "E1 was added. q quotes from its file." in shown(app)
        await keys(pilot, "q")
        await until(pilot, lambda: "3 This model was" in shown(app))
        assert "\x1b" not in picture(app)
        assert "Model card\\x1b[2J" in shown(app)
        await keys(pilot, "down", "enter")  # an empty line is no quote
        await until(pilot, lambda: "these lines are empty" in shown(app))
        await keys(pilot, "down", "space", "down")
        assert "Marked: lines 3 to 4." in shown(app)
        await keys(pilot, "enter")
        await until(pilot, lambda: "taken out and entered again" in shown(app))
        item = app.session.evidence[0]  # type: ignore[union-attr]
        assert item.excerpt == "This model was fine-tuned from base.\n[/]License: none"
        assert item.locator.startswith("lines 3–4, bytes ")
        await keys(pilot, "enter")
        await until(pilot, lambda: "matches its SHA-256" in shown(app))
        await keys(pilot, "escape")
        (case / "attachments" / item.digest).write_text("another")
        await keys(pilot, "enter")
        await until(pilot, lambda: "! The stored file does not match" in shown(app))

    drive(app, script, NARROW)
    with open_case(case, read_only=True) as c:
        assert [e.act for e in c.entries][-4:] == ["attach", "evidence", "evidence_removed", "evidence"]


def test_an_item_is_said_anew_and_answers_go_on_citing_it(tmp_path: Path) -> None:
    case = begun(tmp_path, compared=True)
    with open_case(case) as c:
        documented(c, "S1:R1", "c1")
        actions.evidence_from_comparison(c, "S1:R1")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "5", "e")
        assert app.screen.query_one("#f-source", Input).value == "card"
        await until(pilot, lambda: "answers that cite it go on citing it" in shown(app))
        await paste(pilot, ", second edition")
        await keys(pilot, "ctrl+s")
        said = shown(app)
        assert "card, second edition" in said
        assert "z twice restores what it said" in said
        assert "Cited by: C1" in said
        await keys(pilot, "down", "e")
        assert "its words are the record's" in shown(app)
        await keys(pilot, "q")
        assert "E2 is taken from a comparison; the record is its file" in shown(app)
        await keys(pilot, "up", "D")
        assert "Still cited by C1, where it counts no more." in shown(app)
        await keys(pilot, "z", "z", "z")
        assert app.session.evidence[0].source == "card"  # type: ignore[union-attr]

    drive(app, script, SMALL)


def test_the_cursor_goes_to_what_was_added(tmp_path: Path) -> None:
    case = begun(tmp_path, compared=True)
    (tmp_path / "card.md").write_text("one line\n")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "4", "b", "g", "5", "a")
        await paste(pilot, "card")
        app.screen.query_one("#f-file", Input).value = str(tmp_path / "card.md")
        await keys(pilot, "ctrl+s")
        await settled(pilot)
        assert "› E2" in shown(app)
        await keys(pilot, "q")
        await until(pilot, lambda: "one line" in shown(app))

    drive(app, script, SMALL)


def test_a_read_only_case_keeps_its_evidence(tmp_path: Path) -> None:
    case = begun(tmp_path)
    app = Workbench(case, read_only=True)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "5", "a")
        assert "open for reading only" in shown(app)

    drive(app, script, WIDE)
    assert items(case) == {}
