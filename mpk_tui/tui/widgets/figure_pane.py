"""A picture with its numbers beside it; both follow one cursor."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events, on
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget

from mpk_tui.report.figure import Figure
from mpk_tui.tui import keys
from mpk_tui.tui.safe import shown
from mpk_tui.tui.widgets.figure import FigureView, drawable
from mpk_tui.tui.widgets.figure_plot import Cursor
from mpk_tui.tui.widgets.figure_words import beside
from mpk_tui.tui.widgets.form import Page
from mpk_tui.tui.widgets.table import Column, RowTable

ROOM = 110
"""Cells from which numbers of more than two series stand beside a picture."""
FEW, MORE = 2, 4
ROWS = 200
"""Rows that a page of text lists."""


class Numbers(RowTable, can_focus=False):
    """The numbers; they follow the cursor of the picture."""


class FigurePane(Horizontal):
    """One figure: picture, cursor, numbers; Enter shows all there is to read."""

    DEFAULT_CSS = """
    FigurePane { height: 1fr; min-height: 6; }
    FigurePane > Numbers { height: 1fr; }
    """

    def compose(self) -> Iterable[Widget]:
        """Picture and numbers."""
        yield FigureView(id="figure")
        yield Numbers([Column("")], empty="", id="numbers")

    @property
    def picture(self) -> FigureView:
        """The picture, which takes the keys."""
        return self.query_one(FigureView)

    def show(self, figure: Figure, at: Cursor | None = None) -> None:
        """Draw another figure."""
        self.picture.show(figure, at)
        self._draw_numbers()

    def _draw_numbers(self) -> None:
        figure, numbers = self.picture.figure, self.query_one(Numbers)
        numbers.display = figure is not None and not figure.missing and drawable(figure)
        if figure is None or not numbers.display:
            return
        heads, rows, at = beside(figure, self.picture.at, MORE if self.size.width >= ROOM else FEW)
        first = min(14, max([5, len(heads[0]), *(len(r[0]) for r in rows[:500])]))
        numbers.styles.width = 4 + first + 11 * (len(heads) - 1)
        numbers.show(rows, [Column(heads[0], first, right=True), *(Column(h, 9, right=True) for h in heads[1:])])
        numbers.cursor = at

    @on(FigureView.Moved)
    def _moved(self, event: FigureView.Moved) -> None:
        event.stop()
        self._draw_numbers()

    def on_resize(self, _: events.Resize) -> None:
        """More numbers where there is more room."""
        self._draw_numbers()

    @on(FigureView.Picked)
    def _read(self, event: FigureView.Picked) -> None:
        """How to read it, the value at the cursor, all numbers."""
        event.stop()
        figure = self.picture.figure
        if figure is None:
            return
        lines = [figure.about, figure.missing or f"At the cursor: {self.picture.words}"]
        lines += [", ".join(f"{c} {v}" for c, v in zip(figure.columns, r, strict=False)) for r in figure.rows[:ROWS]]
        if len(figure.rows) > ROWS:
            key = keys.name_of("comparison", "numbers")
            lines.append(f"{len(figure.rows) - ROWS:,} more rows: {key} shows all of them as a table.")
        self.app.push_screen(Page(shown(figure.title, 200), Content("\n").join(Content(shown(x, 1200)) for x in lines)))
