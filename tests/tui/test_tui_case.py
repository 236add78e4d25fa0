"""A case by keys alone: every step, both sizes, every change in the journal when it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static, TextArea
from tiny_models import checkpoint, weights
from tui_driver import LONG, SMALL, WIDE, drive, keys, paste, picture, settled, until

from mpk_tui.case import actions, artifacts, create_case, open_case
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.drafts import FILE


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    """A base and a copy of it with a readme."""
    base = checkpoint(tmp_path / "base", weights(1))
    copy = checkpoint(tmp_path / "copy", weights(1))
    (copy / "README.md").write_text("# mine")
    return base, copy


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A new case."""
    create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim").close()
    return tmp_path / "case"


def begun(case: Path, models: tuple[Path, Path], *, compared: bool = True) -> None:
    """Fill a case up to the comparison without the interface."""
    with open_case(case) as c:
        artifacts.add_artifact(c, models[1], role="subject", label="suspect")
        artifacts.add_artifact(c, models[0], role="reference", label="base")
        if compared:
            for artifact in ("S1", "R1"):
                artifacts.fingerprint_artifact(c, artifact)
            actions.compare_pair(c)


def acts(case: Path) -> list[str]:
    """Acts in the journal on disk, read beside the running interface."""
    with open_case(case, read_only=True) as c:
        return [e.act for e in c.entries]


@pytest.mark.parametrize("size", [SMALL, pytest.param(WIDE, marks=LONG)])
def test_a_whole_case_by_keys(tmp_path: Path, models: tuple[Path, Path], size: tuple[int, int]) -> None:
    base, copy = models
    folder = tmp_path / "case"
    app = Workbench()

    async def add(pilot: Pilot[Any], path: Path, label: str) -> None:
        await keys(pilot, "a", "tab")
        await paste(pilot, str(path))
        await keys(pilot, "tab")
        await paste(pilot, label)
        await keys(pilot, "ctrl+s")
        await settled(pilot)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "n")
        for text in (str(folder), "T-1", "Test case", "Kim", "EX-1", "court", "provenance"):
            await paste(pilot, text)
            await keys(pilot, "tab")
        await keys(pilot, "ctrl+s")
        assert "T-1 Test case" in picture(app)
        await keys(pilot, "t")
        await paste(pilot, "the disk came sealed")
        await keys(pilot, "ctrl+s")
        await keys(pilot, "c", "i")
        await paste(pilot, "the clerk")
        await keys(pilot, "tab")
        await paste(pilot, "Kim")
        await keys(pilot, "ctrl+s")
        assert "from the clerk; to Kim" in picture(app)
        assert acts(folder) == ["open", "note", "intake"]

        await keys(pilot, "g", "2")
        await add(pilot, copy, "suspect")
        await add(pilot, base, "")
        assert [a.label for a in app.session.artifacts] == ["suspect", "base"]  # type: ignore[union-attr]
        assert "S1 suspect ~ R1 base" in picture(app)

        await keys(pilot, "g", "3", "A")
        await until(pilot, lambda: not app.jobs.live)
        assert picture(app).count("done") >= 2
        await keys(pilot, "g", "4", "c")
        await until(pilot, lambda: not app.jobs.live)
        await pilot.pause()
        assert "identical: All 21 tensors are equal byte for byte" in picture(app)
        await keys(pilot, "b")
        assert "E1, kind (b), supports c4, 3.1." in picture(app)

        await keys(pilot, "g", "6")
        shown = picture(app)
        assert "C4 Identity" in shown
        assert "The tool proposes: met. All 21 tensors" in shown
        await keys(pilot, "e", "space", "m")  # no reason yet: the field opens, the answer waits for it
        assert isinstance(app.focused, TextArea)
        assert "answer" not in acts(folder)
        await paste(pilot, "every tensor is equal")
        await keys(pilot, "escape")
        assert "(o) met (m)" in picture(app)
        assert acts(folder)[-1] == "answer"
        for _ in range(4):
            await keys(pilot, "right", "u")
        assert "C4 met" in picture(app)
        await keys(pilot, "g", "7", "r")
        await paste(pilot, "nothing but the readme differs")
        await keys(pilot, "escape", "e", "space", "m")
        assert "[3.1 met]" in picture(app)
        await keys(pilot, "g", "8", "n")
        assert "[4.1 not met]" in picture(app)
        await keys(pilot, "g", "9")
        shown = picture(app)
        assert "S1:R1: linked" in shown
        assert "1 to close before a signature" in shown
        await keys(pilot, "enter")
        await paste(pilot, "two copies")
        await keys(pilot, "ctrl+s")
        assert "Nothing blocks a signature" in picture(app)
        await keys(pilot, "g", "h")
        assert "rationale" in picture(app)

    drive(app, script, size)
    with open_case(folder) as c:
        assert c.state.answers["S1:R1"]["c4"].evidence == ("E1",)
        assert c.state.answers["S1:R1"]["c4"].proposed == "met"
        assert not c.read_only  # leaving released the lock
    assert not (folder / FILE).exists()


def test_answers_keep_their_reason_and_evidence(case: Path, models: tuple[Path, Path]) -> None:
    begun(case, models)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "6", "n")  # the tool proposes met: another answer waits for its reason
        assert "The tool proposes met; another answer needs a reason" in picture(app)
        assert "answer" not in acts(case)
        await paste(pilot, "hashes differ")
        await keys(pilot, "escape")
        given = app.session.answer("c4")  # type: ignore[union-attr]
        assert given is not None
        assert (given.answer, given.reason) == ("not-met", "hashes differ")
        await keys(pilot, "u")
        given = app.session.answer("c4")  # type: ignore[union-attr]
        assert given is not None
        assert (given.answer, given.reason) == ("undetermined", "hashes differ")
        await keys(pilot, "z")
        assert "(o) not met" in picture(app)
        assert "Taken back" in picture(app)
        await keys(pilot, "y")
        assert "(o) undetermined" in picture(app)

    drive(app, script)


def test_a_key_typed_for_the_reason_never_becomes_an_answer(case: Path, models: tuple[Path, Path]) -> None:
    begun(case, models)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "6")
        screen: Any = app.screen
        before = acts(case)
        # Over a slow line r and m arrive in one burst: m is resolved as a binding while the field has the focus already.
        screen.action_reason()
        screen.action_answer("met")
        screen.action_answer("not-met")
        await pilot.pause()
        assert screen.query_one("#reason", TextArea).text.endswith("mn")
        assert acts(case) == before

    drive(app, script)


def test_typed_text_outlives_a_kill(case: Path, models: tuple[Path, Path]) -> None:
    begun(case, models)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "6", "e", "space", "r")
        await paste(pilot, "half a rea")
        await pilot.pause(0.7)
        assert "half a rea" in (case / FILE).read_text()  # on disk while the field still has the focus

    drive(app, script)
    assert "answer" not in acts(case)
    again = Workbench(case)

    async def look(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "6")
        assert "half a rea" in picture(again)
        assert "was put back" in picture(again)
        assert "[x]" not in picture(again)  # there is no evidence in this case, so nothing could be marked
        await keys(pilot, "n")
        given = again.session.answer("c4")  # type: ignore[union-attr]
        assert given is not None
        assert given.reason == "half a rea"

    drive(again, look)
    assert not (case / FILE).exists()


def test_second_opening_is_read_only_and_says_so(case: Path, models: tuple[Path, Path]) -> None:
    begun(case, models)
    with open_case(case) as first:
        app = Workbench(case)

        async def script(pilot: Pilot[Any]) -> None:
            shown = picture(app)
            assert "The case is open elsewhere" in shown
            assert "READ ONLY" in shown
            before = len(acts(case))
            await keys(pilot, "g", "6", "n")
            assert "open for reading only" in picture(app).replace("\n", "")
            await keys(pilot, "g", "2", "a")
            assert "open for reading only" in picture(app).replace("\n", "")
            assert len(acts(case)) == before

        drive(app, script, WIDE)
        assert not first.read_only


def test_resize_keeps_the_screen_and_shows_panes(case: Path, models: tuple[Path, Path]) -> None:
    begun(case, models)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "6", "right")
        assert "2 Artifacts" not in picture(app)
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
        assert "2 Artifacts" in picture(app)
        assert "Verdict as things stand" not in picture(app)
        await pilot.resize_terminal(150, 45)
        await pilot.pause()
        assert "Verdict as things stand" in picture(app)
        for size in ((40, 10), (20, 5), (80, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        assert "C1 Direct descent" in picture(app)

    drive(app, script)


def test_several_pairs_turn_with_brackets(case: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    begun(case, models, compared=False)
    with open_case(case) as c:
        artifacts.add_artifact(c, checkpoint(tmp_path / "other", weights(2)), role="reference", label="other")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "6", "n", "right_square_bracket")
        assert "R2 other 2/2" in picture(app)
        assert "(o)" not in picture(app)
        await keys(pilot, "left_square_bracket")
        assert "(o) not met" in picture(app)

    drive(app, script, (100, 24))


def test_damaged_comparison_file_is_a_sentence(case: Path, models: tuple[Path, Path]) -> None:
    begun(case, models)
    (case / "comparisons" / "S1-R1.mpkc").write_bytes(b"\x90")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "4")
        assert "is not the file that the journal names" in picture(app).replace("\n", "")
        await keys(pilot, "g", "6", "n")
        assert app.is_running

    drive(app, script, SMALL)


def test_one_path_in_both_roles_is_told_and_taken(case: Path, models: tuple[Path, Path]) -> None:
    with open_case(case) as c:
        artifacts.add_artifact(c, models[0], role="subject", label="suspect")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "2", "a", "tab")
        await paste(pilot, str(models[0]))
        await keys(pilot, "ctrl+s")
        await settled(pilot)
        said = " ".join(picture(app).split())
        assert "R1 was taken in." in said
        assert said.count("R1 has the same path as S1: what is compared with itself is identical") == 2
        await keys(pilot, "D")
        assert "has the same path" not in str(app.screen.query_one("#detail-text", Static).content)

    drive(app, script)


def test_a_wrong_path_keeps_the_form_open(case: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "2", "a", "tab")
        await paste(pilot, str(tmp_path / "nowhere"))
        await keys(pilot, "ctrl+s")
        await settled(pilot)
        assert "there is nothing at this path" in picture(app).replace("\n", "")
        app.screen.query_one("#f-path", Input).value = str(tmp_path / "empty")
        await keys(pilot, "ctrl+s")
        await settled(pilot)
        assert "! " in picture(app)
        assert "artifact" not in acts(case)

    drive(app, script)


def test_a_damaged_case_is_told_on_home(case: Path) -> None:
    data = (case / "journal.mpkj").read_bytes()
    (case / "journal.mpkj").write_bytes(data * 3)
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        assert "! " in picture(app)
        assert "chain" in picture(app)
        await keys(pilot, "g", "6")
        shown = picture(app)
        assert "chain" in shown  # a fault is not pushed away by what comes after it
        assert "Open or begin a case first." in shown

    drive(app, script)
