"""A figure drawn in character cells with a cursor that says the value under it in words."""

from __future__ import annotations

import textwrap
from typing import ClassVar

from rich.cells import set_cell_size
from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from mpk_tui.report.figure import Figure
from mpk_tui.text import clean
from mpk_tui.tui import keys
from mpk_tui.tui.glyphs import glyph
from mpk_tui.tui.widgets.figure_grid import heatmap
from mpk_tui.tui.widgets.figure_plot import Cursor, plot, values
from mpk_tui.tui.widgets.figure_words import reading, size

_WORDS = 3
"""Most lines of the reading."""


def drawable(figure: Figure) -> bool:
    """Whether a figure has anything to draw."""
    return any(map(len, figure.grid.values)) if figure.grid is not None else any(map(values, figure.series))


def drawn(figure: Figure, width: int, height: int, at: Cursor) -> list[str]:
    """A figure and the value at its cursor as lines; exactly ``height`` of them at most, each ``width`` cells at most.

    Args:
        figure: Any; one without data says why.
        width: Cells.
        height: Lines.
        at: Where the cursor is.
    """
    if figure.missing or not drawable(figure):
        why = clean(figure.missing, 600) or "there is nothing to draw"
        lines = textwrap.wrap(f"Not drawn: {why}", max(20, width)) or [""]
    else:
        words = textwrap.wrap(
            f"> {reading(figure, at)}", max(20, width), subsequent_indent="  ", max_lines=_WORDS,
            placeholder=f" {glyph('ellipsis')}",
        )  # fmt: skip
        draw = plot if figure.grid is None else heatmap
        lines = [*draw(figure, width, height - len(words), at), *words]
    return [set_cell_size(line, width).rstrip() for line in lines[:height]]


class FigureView(Widget, can_focus=True):
    """The picture; arrows move over values and series."""

    DEFAULT_CSS = """
    FigureView { width: 1fr; height: 1fr; min-height: 6; text-wrap: nowrap; padding: 0 1; }
    FigureView:focus { background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("figure")]
    at: reactive[Cursor] = reactive(Cursor())

    class Moved(Message):
        """The cursor came to another value."""

        def __init__(self, view: FigureView, at: Cursor) -> None:
            super().__init__()
            self.view, self.at = view, at

    class Picked(Message):
        """Enter: all of its numbers."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.figure: Figure | None = None

    def show(self, figure: Figure, at: Cursor | None = None) -> None:
        """Draw another figure."""
        self.figure = figure
        self.at = self._within(at or Cursor())
        self.refresh()

    def render(self) -> Content:
        """The picture at the size that there is."""
        if self.figure is None:
            return Content("")
        across, down = self.content_size
        return Content("\n".join(drawn(self.figure, max(20, across), max(6, down), self.at)))

    @property
    def words(self) -> str:
        """The value at the cursor in words."""
        return "" if self.figure is None or self.figure.missing else reading(self.figure, self.at)

    def watch_at(self, old: Cursor, new: Cursor) -> None:
        """Tell whoever shows the numbers beside it."""
        if old != new and self.figure is not None:
            self.post_message(self.Moved(self, new))

    def on_resize(self, _: events.Resize) -> None:
        """Draw anew at the new size."""
        self.refresh()

    def _within(self, at: Cursor) -> Cursor:
        if self.figure is None:
            return Cursor()
        series = max(0, min(at.series, size(self.figure, at)[0] - 1))
        index = max(0, min(at.index, size(self.figure, Cursor(series))[1] - 1))
        return Cursor(series, index)

    def action_value(self, by: int) -> None:
        """Another value of the same series or row."""
        self.at = self._within(Cursor(self.at.series, self.at.index + by))

    def action_series(self, by: int) -> None:
        """Another series, or another row of a grid."""
        self.at = self._within(Cursor(max(0, self.at.series + by), self.at.index))

    def action_end(self, last: int) -> None:
        """The first or last value."""
        self.at = self._within(Cursor(self.at.series, 1 << 40 if last else 0))

    def action_pick(self) -> None:
        """All of its numbers."""
        self.post_message(self.Picked())
