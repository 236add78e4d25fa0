"""Review: the second person's reading, hashing again, custody and history, a further signature."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from judged_case import begun, documented
from textual.pilot import Pilot
from tiny_models import checkpoint, weights
from tui_driver import WIDE, drive, keys, paste, picture, until

from mpk_tui.case import actions, artifacts, create_case, open_case
from mpk_tui.tui.app import Workbench


def shown(app: Workbench) -> str:
    return " ".join(picture(app).replace("│", " ").split())


def state(app: Workbench) -> Any:
    assert app.session is not None
    return app.session.case.state


def test_a_second_person_reads_every_answer_and_says_what_they_think(tmp_path: Path) -> None:
    case = begun(tmp_path, compared=True)
    with open_case(case) as c:
        documented(c, "S1:R1", "c1")
        actions.set_rationale(c, "S1:R1", "named [/]\x1b[2J")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "9", "v")
        await paste(pilot, " kim ")
        await keys(pilot, "ctrl+s")
        assert "Kim is the examiner of this case" in shown(app)
        await keys(pilot, "escape", "escape", "v")
        await paste(pilot, "Bo Lind")
        await keys(pilot, "ctrl+s")
        said = shown(app)
        assert "Bo Lind reads S1 suspect ~ R1 ref1: 1 of 6" in said
        assert "Rationale: named [/]\\x1b[2J" in said
        await keys(pilot, "n", "n")
        said = shown(app)
        assert "Answer: met" in said
        assert "E1 (a) supports: c1" in said
        await keys(pilot, "o", "ctrl+s")
        assert "3 of 6 pages were not shown yet" in shown(app)
        await keys(pilot, "escape", "n", "n", "n", "o", "right", "right", "ctrl+s")
        assert "a dissent says what it dissents from" in shown(app)
        await keys(pilot, "tab")
        await paste(pilot, "The card is not theirs.")
        await keys(pilot, "ctrl+s")
        assert "nothing to agree or disagree with while the case is not complete" in shown(app)
        await keys(pilot, "shift+tab", "left", "left", "ctrl+s")
        said = shown(app)
        assert "Journalled: Bo Lind read." in said
        assert "“The card is not theirs.”" in said
        assert "before the last change" not in said
        await keys(pilot, "r")
        await paste(pilot, " more")
        await keys(pilot, "ctrl+s")
        assert "before the last change" in shown(app)

    drive(app, script, WIDE)
    with open_case(case) as c:
        (review,) = c.state.reviews
        assert (review.who, review.outcome, review.stale) == ("Bo Lind", "read", True)


def test_hashing_again_tells_what_changed(tmp_path: Path) -> None:
    models = [checkpoint(tmp_path / name, weights(n)) for n, name in enumerate(("s", "r"))]
    with create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim") as c:
        for path, role in zip(models, ("subject", "reference"), strict=True):
            artifacts.add_artifact(c, path, role=role)
        for name in ("S1", "R1"):
            artifacts.fingerprint_artifact(c, name)
    (models[1] / "config.json").write_text((models[1] / "config.json").read_text() + " ")
    app = Workbench(tmp_path / "case")

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "9")
        assert "S1 hashed again after the analysis: not yet" in shown(app)
        await keys(pilot, "h")
        await until(pilot, lambda: not app.jobs.live, 60)
        await pilot.pause()
        said = shown(app)
        assert "S1 hashed again after the analysis: unchanged" in said
        assert "R1 hashed again after the analysis: CHANGED, 1 file with other bytes" in said
        await keys(pilot, "g", "2")
        assert "Hashed again after the analysis: unchanged" in shown(app)

    drive(app, script, WIDE)
    with open_case(tmp_path / "case") as c:
        assert {e.params["id"]: e.result for e in c.entries if e.act == "hash_after"} == {"S1": "same", "R1": "changed"}


def test_custody_by_its_fields_is_a_chain_that_is_shown(tmp_path: Path) -> None:
    case = begun(tmp_path)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "c", "t")
        await paste(pilot, "a stranger [/]")
        await keys(pilot, "ctrl+s")
        assert "needs text, or From and To" in shown(app)
        await keys(pilot, "tab")
        await paste(pilot, "Kim")
        await keys(pilot, "tab")
        await paste(pilot, "noon")
        await keys(pilot, "ctrl+s")
        assert "When (UTC): 'noon' is not a time" in shown(app)
        for _ in range(4):
            await pilot.press("backspace")
        await paste(pilot, "2025-11-25 09:00")
        await keys(pilot, "ctrl+s")
        assert "2025-11-25 09:00:00 transfer all from a stranger [/]; to Kim" in shown(app)
        await keys(pilot, "c", "t")
        await paste(pilot, "somebody else")
        await keys(pilot, "tab")
        await paste(pilot, "Bo")
        await keys(pilot, "ctrl+s")
        assert "transfer from somebody else, but Kim held it last" in shown(app)
        await keys(pilot, "enter")
        assert "It cannot be taken back; state a correction." in shown(app)
        await keys(pilot, "escape", "x")
        assert "Open before a signature: Enter goes there (x: custody, 2 stated)" in shown(app)
        await keys(pilot, "c", "escape")

    drive(app, script, WIDE)
    with open_case(case) as c:
        assert [s.fields.get("when", "") for s in c.state.custody] == ["2025-11-25T09:00:00Z", ""]


def test_history_filters_and_tells_what_undo_would_take_back(tmp_path: Path) -> None:
    case = begun(tmp_path)
    with open_case(case) as c:
        actions.note(c, "first note")
        actions.note(c, "second note \x1b[2J")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "h")
        assert "z takes back entry 4, note, second note \\x1b[2J" in shown(app)
        await keys(pilot, "slash")
        await paste(pilot, "NOTE second")
        said = shown(app)
        assert "1 of 5 entries" in said
        assert "first note" not in said
        await keys(pilot, "enter", "z")
        said = shown(app)
        assert "(taken back) s" in said
        assert "y restores entry 4" in said
        await keys(pilot, "down", "enter")
        assert "Entry 4" in shown(app)
        assert "This was taken back; the journal keeps it." in shown(app)
        await keys(pilot, "escape", "escape")
        assert "6 entries" in shown(app)
        await keys(pilot, "e")
        assert "Chain head" in shown(app)

    drive(app, script, WIDE)


def test_home_remembers_cases_and_forgets_them(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    case = begun(tmp_path)
    app = Workbench(case)
    kept = tmp_path / "data" / "mpk-tui" / "recent.json"

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "0")
        assert "case lately" in shown(app)
        assert kept.stat().st_mode & 0o777 == 0o600
        assert str(case) in kept.read_text()
        await keys(pilot, "D")
        assert "The case itself stays where it is." in shown(app)
        assert not kept.exists()
        await keys(pilot, "D")
        assert "nothing to forget" in shown(app)

    drive(app, script, WIDE)
    for junk in (b"{", b'{"cases": [1, "relative", "/nowhere"]}', b"[]", b"\xff"):
        kept.write_bytes(junk)
        from mpk_tui.tui.recent import recent

        assert recent() == []
