"""Figures in character cells: they keep to their size, read without colour, and say the value at the cursor."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from tui_driver import drive, picture

from mpk_tui.report.figure import Band, Edge, Figure, Grid, Series
from mpk_tui.report.figures import figures
from mpk_tui.tui import glyphs
from mpk_tui.tui.widgets.figure import FigureView, drawn
from mpk_tui.tui.widgets.figure_grid import steps
from mpk_tui.tui.widgets.figure_plot import Cursor, values
from mpk_tui.tui.widgets.figure_scale import Scale, label, rounded, scale_of
from mpk_tui.tui.widgets.figure_words import beside, measured, reading, size

HOSTILE = "bad[/]\x1b[31m\x9b2J\u202egnp.exe\u200b[bold]\n\ttail 漢字" + "x" * 10_000


@pytest.fixture(autouse=True)
def _own_charset() -> Iterator[None]:
    before = glyphs.charset()
    yield
    glyphs.set_charset(before)


def lines(*series: Series, **more: Any) -> Figure:
    return Figure("rho", "t", "a", "layer of A", "rho", series=series, **more)


LINE = lines(
    Series("one", "line", (0.0, 1.0, 2.0, 3.0), (0.1, 0.9, None, 0.5)),
    Series("two", "dot", (0.0, 3.0), (0.9, 0.5)),
    bands=(Band("null: wide", -0.1, 0.1),),
    edges=(Edge("half", 0.5, "y"),),
)
BARS = lines(
    Series("tensors", "bar", (-2.0, -1.5, -1.0), (10.0, 50.0, 40.0)),
    Series("parameters", "bar", (-2.0, -1.5, -1.0), (0.0, 90.0, 10.0)),
    edges=(Edge("1.41", 0.15, "x"),),
)
LOG = lines(
    *(Series(f"m{n}", "line", (0.0, 1.0), (10.0**n, 0.0 if n == 5 else 0.01)) for n in range(6)),
    y_log=True, edges=(Edge("rounding edge", 1.0, "y"),),
)  # fmt: skip
GRID = Figure(
    "layers", "t", "a", "layer of B", "layer of A",
    grid=Grid(tuple("012"), tuple("012"), ((9.0, 0.0, None), (0.0, 8.0, 1.0), (0.5, 0.0, 10.0)), 0.0, 10.0),
)  # fmt: skip
BIG = Figure(
    "layers", "t", "a", "layer of B", "layer of A",
    grid=Grid(tuple(map(str, range(64))), tuple(map(str, range(64))),
              tuple(tuple(float(i == j) for j in range(64)) for i in range(64)), 0.0, 1.0),
)  # fmt: skip
ODD = [
    lines(Series(HOSTILE, "line", (0.0,), (1.0,)), bands=(Band(HOSTILE, 0, 1),), edges=(Edge(HOSTILE, 5, "x"),)),
    lines(Series("x", "line", (math.nan, math.inf, 1.0), (1.0, 2.0, math.nan))),
    lines(Series("x", "dot", (1.0,), (None,))),
    lines(Series("x", "bar", (1.0, 2.0), (-5.0, 5.0))),
    lines(Series("x", "line", (0.0, 1.0), (1e299, -1e299)), bands=(Band("b", -math.inf, math.nan),)),
    lines(Series("x", "line", (5.0, 5.0, 5.0), (1.0, 1.0, 1.0)), y_log=True),
    lines(Series("x", "dot", (0.0,), (-1.0,)), y_log=True, bands=(Band("b", -1, 0),), edges=(Edge("e", 0, "y"),)),
    lines(Series("x", "odd", (0.0,), (-1.0,)), Series("y", "line", (), ())),
    Figure("x", HOSTILE, HOSTILE, HOSTILE, HOSTILE, grid=Grid((HOSTILE,), (), ((1.0, None), ()), 1.0, 1.0)),
    Figure("x", "t", "a", "x", "y", grid=Grid((), (), ((math.nan, math.inf, 0.0),), 5.0, -5.0)),
    Figure("x", "t", "a", "x", "y", grid=Grid((), (), (), 0.0, 1.0)),
    Figure("x", "t", "a", "x", "y", grid=Grid((), (), ((),), 0.0, 1.0)),
    Figure("x", "t", "a", "x", "y", missing=HOSTILE),
    Figure("x", "t", "a", "x", "y"),
]


@pytest.mark.parametrize("charset", glyphs.CHARSETS)
@pytest.mark.parametrize("which", range(5 + len(ODD)))
def test_a_figure_keeps_to_its_size_and_its_characters(which: int, charset: str) -> None:
    figure = [LINE, BARS, LOG, GRID, BIG, *ODD][which]
    glyphs.set_charset(charset)
    for across, down in ((20, 6), (46, 12), (78, 15), (120, 36), (300, 80)):
        for at in (Cursor(), Cursor(1, 2), Cursor(0, 63), Cursor(999, 999)):
            out = drawn(figure, across, down, at)
            assert len(out) <= down
            assert all(cell_len(line) <= across for line in out)
            text = "\n".join(out)
            assert not any(c in text for c in "\x1b\x9b\u202e\u200b\t")
            if charset == glyphs.ASCII:
                assert figure in ODD or text.isascii()
            beside(figure, at, 2)


def test_marks_tell_series_apart_and_gaps_stay_gaps() -> None:
    shown = drawn(LINE, 46, 15, Cursor())
    text = "\n".join(shown)
    assert "● one" in text
    assert "○ two" in text
    assert text.count("●") == 3 + 1 - 1  # three values, one of them shared, and the legend
    assert "&" in text
    assert "░ -0.1 to 0.1: null: wide" in text
    assert "┄┄ 0.5: half" in text
    assert "> layer of A 0: one 0.1, inside the band (null), below half (0.5); two 0.9" in " ".join(
        line.strip() for line in shown[-2:]
    )
    # Nothing joins the second value to the fourth across the one that was not measured.
    top = next(line for line in shown if "●" in line)
    assert "·" not in top.split("●")[1]


def test_bars_stand_on_zero_in_eighths_or_in_whole_cells() -> None:
    shown = "\n".join(drawn(BARS, 66, 15, Cursor(0, 1)))
    assert "█ tensors   ▓ parameters" in shown
    assert any(c in shown for c in "▁▂▃▄▅▆▇")
    assert "> layer of A -1.5: tensors 50, below 1.41 (0.15); parameters 90" in shown
    glyphs.set_ascii(True)
    shown = "\n".join(drawn(BARS, 66, 15, Cursor(0, 1)))
    assert "# tensors   + parameters" in shown
    assert ":" in shown


def test_of_many_series_the_one_at_the_cursor_has_its_mark() -> None:
    shown = "\n".join(drawn(LOG, 66, 16, Cursor(3, 0)))
    assert "● m3" in shown
    assert "the other 5: up and down" in shown
    assert "> layer of A 0: m3 1000, above rounding edge (1)" in shown
    assert "0 (not drawn)" in reading(LOG, Cursor(5, 1))


def test_a_heatmap_reads_without_colour_in_every_repertoire() -> None:
    shown = drawn(GRID, 66, 12, Cursor(2, 2))
    assert shown[1].startswith(" 0│▓█▓█▓█      ·")
    assert shown[3].startswith(">2│")
    assert shown[3].endswith("██████")
    assert "······" in shown[1]
    assert "^^^^^^" in shown[4]
    assert shown[-1] == "> layer of A 2, layer of B 2: 10; greatest of this row"
    glyphs.set_ascii(True)
    shown = drawn(GRID, 66, 12, Cursor(0, 1))
    assert shown[1].startswith(">0|")
    assert "%%%%%%" in shown[1]
    assert "??????" in shown[1]
    assert shown[-1] == "> layer of A 0, layer of B 1: 0; the row's greatest is 9 at 0"
    for wide in (1, 2, 6):
        assert len(set(steps(wide))) == len(steps(wide)) >= 5


def test_a_large_heatmap_shows_the_greatest_of_each_block_and_says_so() -> None:
    shown = drawn(BIG, 66, 14, Cursor(63, 63))
    assert "a cell: greatest of 10 x 2" in "\n".join(shown)
    cells = [line.split("│")[1] for line in shown if "│" in line]
    # Each block of rows holds its own piece of the diagonal and nothing else.
    assert [c.count("█") for c in cells] == [5] * 6 + [2]
    assert "> layer of A 63, layer of B 63: 1; greatest of this row" in "\n".join(shown)


def test_what_is_missing_says_why() -> None:
    assert drawn(Figure("x", "t", "a", "x", "y", missing="no weights at hand"), 46, 12, Cursor()) == [
        "Not drawn: no weights at hand"
    ]
    assert drawn(lines(), 46, 12, Cursor()) == ["Not drawn: there is nothing to draw"]


def test_numbers_beside_a_picture_follow_the_cursor() -> None:
    assert beside(LINE, Cursor(0, 1), 4) == (
        ("at", "●", "○"), [("0", "0.1", "0.9"), ("1", "0.9", ""), ("2", "–", ""), ("3", "0.5", "0.5")], 1,
    )  # fmt: skip
    assert beside(LOG, Cursor(4, 1), 2)[0] == ("at", "●")
    assert beside(GRID, Cursor(1, 2), 2) == (("column", "value"), [("0", "0"), ("1", "8"), ("2", "1")], 2)


def test_axes_have_round_values_that_are_not_rounded_away() -> None:
    assert [label(t, 0.25) for t in (0.0, 0.25, 0.75)] == ["0", "0.25", "0.75"]
    assert Scale(0.0, 1.0).ticks(6) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert Scale(0.01, 1000.0, True).ticks(3) == pytest.approx([0.01, 1.0, 100.0])
    assert rounded(Scale(0.0, 0.98), 6) == Scale(0.0, pytest.approx(1.0))
    assert scale_of([None, math.nan]) == Scale(0.0, 1.0)
    assert scale_of([3.0]).share(3.0) == pytest.approx(0.5)
    assert scale_of([3.0, 4.0], zero=True).low == 0
    assert Scale(1.0, 10.0, True).share(0.0) is None
    assert values(Series("x", "line", (2.0, 1.0), (5.0, math.inf))) == [(1.0, None), (2.0, 5.0)]


def test_the_cursor_walks_values_and_series_and_stays_inside() -> None:
    class FigureApp(App[None]):
        def compose(self) -> ComposeResult:
            yield FigureView(id="figure")

        def on_mount(self) -> None:
            self.query_one(FigureView).show(LINE)

    app = FigureApp()

    async def script(pilot: Pilot[Any]) -> None:
        view = app.query_one(FigureView)
        view.focus()
        await pilot.press("right")
        assert view.words.startswith("layer of A 1: one 0.9")
        assert "> layer of A 1: one 0.9" in picture(app)
        await pilot.press("end")
        assert view.at == Cursor(0, 3)
        await pilot.press("right")
        assert view.at == Cursor(0, 3)
        await pilot.press("down")
        assert view.at == Cursor(1, 1)
        assert view.words.startswith("layer of A 3: two 0.5, above the band (null), at half (0.5); one 0.5")
        await pilot.press("down", "home", "up", "up", "left", "pageup")
        assert view.at == Cursor(0, 0)
        await pilot.press("pagedown")
        assert view.at == Cursor(0, 3)
        view.show(GRID, Cursor(2, 99))
        assert view.at == Cursor(2, 2)
        assert size(GRID, view.at) == (3, 3)
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert "██████" in picture(app)

    drive(app, script)


def test_all_eight_figures_of_an_empty_record_say_why() -> None:
    for figure in figures({}):
        out = drawn(figure, 78, 15, Cursor())
        assert out[0].startswith("Not drawn: ")


def test_only_what_was_measured_can_be_cited() -> None:
    figure = Figure("rho", "Rho", "About.", "layer", "rho", series=(Series("one", "line", (0.0, 1.0), (0.5, None)),))
    assert measured(figure, Cursor(0, 0))
    assert not measured(figure, Cursor(0, 1))
    assert not measured(figure, Cursor(7, 0))
    grid = Grid(("0",), ("0", "1", "2"), ((1.0, None, float("nan")),), 0.0, 1.0)
    cells = Figure("layers", "Layers", "About.", "b", "a", grid=grid)
    assert [measured(cells, Cursor(0, n)) for n in range(4)] == [True, False, False, False]
