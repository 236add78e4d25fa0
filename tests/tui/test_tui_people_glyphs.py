"""Characters: every glyph is one cell in every repertoire, and in ASCII nothing else is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.pilot import Pilot
from tui_driver import LONG, NARROW, SMALL, WIDE, drive, keys, picture

from mpk_tui.case import actions, artifacts, create_case
from mpk_tui.tui import glyphs
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.settings import Looks

STRANGE = "модель-模型-naïve-🤖-ρ"


@pytest.fixture(autouse=True)
def _unicode_again() -> Iterator[None]:
    yield
    glyphs.set_charset(glyphs.UNICODE)


@pytest.mark.parametrize("at", range(3))
def test_every_glyph_is_one_cell(at: int) -> None:
    for name, signs in glyphs.GLYPHS.items():
        assert cell_len(signs[at]) == len(signs[at]) == 1, name
    for name, ramps in glyphs.RAMPS.items():
        assert all(cell_len(c) == 1 for c in ramps[at]), name
        assert len(set(ramps[at])) == len(ramps[at]) >= 3, name
        assert ramps[at][0] == " ", name


def test_each_repertoire_holds_what_it_promises() -> None:
    for signs in (*glyphs.GLYPHS.values(), *glyphs.RAMPS.values()):
        assert signs[2].isascii()
        glyphs.set_charset(glyphs.CONSOLE)
        assert glyphs.fit(signs[1]) == signs[1]
    for charset in glyphs.CHARSETS:
        glyphs.set_charset(charset)
        frame = "".join(vars(glyphs.frame()).values())
        assert glyphs.fit(frame) == frame
        assert len(frame) == 11
        for name in glyphs.GLYPHS:
            assert glyphs.fit(glyphs.glyph(name)) == glyphs.glyph(name)


def test_marks_of_series_differ() -> None:
    for charset in glyphs.CHARSETS:
        glyphs.set_charset(charset)
        assert len({glyphs.glyph(f"mark_{n}") for n in range(1, 5)}) == 4
        assert len({glyphs.glyph(n) for n in ("yes", "no", "cursor")}) == 3


def test_a_ramp_never_draws_something_as_nothing() -> None:
    for charset in glyphs.CHARSETS:
        glyphs.set_charset(charset)
        for name in glyphs.RAMPS:
            assert glyphs.step(name, 0) == " "
            assert glyphs.step(name, 1e-9) != " "
            assert glyphs.step(name, 1) == glyphs.step(name, 7) == glyphs.ramp(name)[-1]
            assert glyphs.step(name, -1) == " "


@given(st.text())
@pytest.mark.parametrize("charset", [glyphs.ASCII, glyphs.CONSOLE])
def test_what_is_fitted_keeps_its_width_and_leaves_the_repertoire_nowhere(charset: str, text: str) -> None:
    glyphs.set_charset(charset)
    try:
        fitted = glyphs.fit(text)
        assert fitted.isascii() or charset == glyphs.CONSOLE
        assert glyphs.fit(fitted) == fitted
        assert sum(map(cell_len, fitted)) == sum(map(cell_len, text))
        assert glyphs.spelled(text).isascii() or charset == glyphs.CONSOLE
    finally:
        glyphs.set_charset(glyphs.UNICODE)


@pytest.mark.parametrize(
    ("text", "fitted", "spelled"),
    [
        ("Hashing …", "Hashing..", "Hashing ..."),
        ("of the dr…  S1", "of the dr~  S1", "of the dr...  S1"),
        ("cut…   ", "cut... ", "cut...   "),
        ("lay…norm", "lay~norm", "lay...norm"),
        ("ρ ≥ 0.9 · 2 × 3", "r > 0.9 - 2 x 3", "rho >= 0.9 - 2 x 3"),
        ("“model”", '"model"', '"model"'),
        ("╭──╮│╰──╯", "+--+|+--+", "+--+|+--+"),
        ("模 é 🤖", "?? ? ??", "\\u6a21 \\xe9 \\U0001f916"),
    ],
)
def test_ascii_reads_well(text: str, fitted: str, spelled: str) -> None:
    assert glyphs.fit(text) == glyphs.spelled(text) == text
    glyphs.set_ascii(True)
    assert glyphs.ascii_only()
    assert (glyphs.fit(text), glyphs.spelled(text)) == (fitted, spelled)


def test_an_unknown_repertoire_is_refused() -> None:
    with pytest.raises(KeyError):
        glyphs.set_charset("latin-1")
    assert glyphs.charset() == glyphs.UNICODE


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case with names that no ASCII terminal can show."""
    for model in (STRANGE, "two"):
        (tmp_path / model).mkdir()
    with create_case(tmp_path / "case", id="T-1", title=f"Fall {STRANGE} – „A“", examiner="Ödön Kovács") as c:
        artifacts.add_artifact(c, tmp_path / STRANGE, role="subject")
        artifacts.add_artifact(c, tmp_path / "two", role="reference")
        actions.answer(c, "c4", "not-met", reason=f"{STRANGE} … “quoted”")
    return tmp_path / "case"


WALK: tuple[tuple[str, ...], ...] = (
    ("g", "1"), ("e",), ("escape", "g", "2"), ("a",), ("escape", "g", "3"), ("g", "4"), ("g", "5"), ("a",),
    ("escape", "g", "6"), ("m",), ("r",), ("escape", "g", "7"), ("g", "8"), ("g", "9"), ("s",),
    ("escape", "g", "h"), ("g", "j"), ("g", "l"), ("g", "v"), ("g", "0"), ("f1",), ("escape", "ctrl+p"), ("escape", "g"),
)  # fmt: skip


@pytest.mark.parametrize("size", [SMALL, pytest.param(NARROW, marks=LONG), pytest.param(WIDE, marks=LONG)])
def test_no_screen_leaves_ascii(case: Path, size: tuple[int, int]) -> None:
    app = Workbench(case, looks=Looks(charset=glyphs.ASCII))
    left = {}

    async def script(pilot: Pilot[Any]) -> None:
        for pressed in WALK:
            await keys(pilot, *pressed)
            shown = picture(app)
            if not shown.isascii():
                left["".join(pressed)] = {c for c in shown if not c.isascii()}
            assert all(cell_len(line) <= size[0] for line in shown.splitlines())

    drive(app, script, size)
    assert left == {}


def test_names_are_shown_by_their_code_points_in_ascii(case: Path) -> None:
    app = Workbench(case, looks=Looks(charset=glyphs.ASCII))

    async def script(pilot: Pilot[Any]) -> None:
        assert "\\xd6d\\xf6n Kov\\xe1cs" in picture(app)
        await keys(pilot, "g", "2")
        assert "\\u6a21" in picture(app)

    drive(app, script, WIDE)


def test_the_linux_console_gets_its_own_characters(case: Path) -> None:
    app = Workbench(case, looks=Looks("ansi", glyphs.CONSOLE))

    async def script(pilot: Pilot[Any]) -> None:
        for pressed in WALK:
            await keys(pilot, *pressed)
            shown = picture(app)
            assert glyphs.fit(shown) == shown
            for c in shown:
                assert c.isascii() or c in glyphs._CONSOLE_SIGNS or c.encode("cp437")

    drive(app, script, SMALL)
