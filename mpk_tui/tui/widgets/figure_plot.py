"""Lines, dots and bars in character cells, with bands, edges and a cursor.  Pure: a figure and a size give lines.

Series are told apart by their marks, never by colour.  Where there are more series than marks, the one at the cursor
has its mark and the others are small dots.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len, set_cell_size

from mpk_tui.report.figure import Edge, Figure, Series, number
from mpk_tui.tui.glyphs import ascii_only, frame, glyph, ramp
from mpk_tui.tui.safe import shown
from mpk_tui.tui.widgets.figure_scale import finite, label, rounded, scale_of

MARKS = 4
_BOTH = "&"
"""Two series in one cell."""


@dataclass(frozen=True)
class Cursor:
    """Where a figure is looked at.

    Attributes:
        series: Number of the series, or of the row of a grid.
        index: Number of the value in it.
    """

    series: int = 0
    index: int = 0


def values(series: Series) -> list[tuple[float, float | None]]:
    """Places and values that can be drawn, in order of their places."""
    pairs = zip(series.xs, series.ys, strict=False)
    known = [(float(x), y if y is None or finite((y,)) else None) for x, y in pairs if finite((x,))]
    return sorted(known, key=lambda p: p[0])


def plot(figure: Figure, width: int, height: int, at: Cursor) -> list[str]:
    """A figure of series as lines of text, the last ones a legend.

    Args:
        figure: With at least one series.
        width: Cells of a line; less than 24 is drawn as 24.
        height: Lines; the legend has what the picture leaves.
        at: Where the cursor is.
    """
    return _Plot(figure, max(width, 24), max(height, 6), at).lines()


class _Plot:
    def __init__(self, figure: Figure, width: int, height: int, at: Cursor) -> None:
        self.figure, self.width, self.at = figure, width, at
        self.series = [values(s) for s in figure.series]
        self.bars = any(s.mark == "bar" for s in figure.series)
        self.few = len(figure.series) <= MARKS
        self.legend = fold(list(self._legend()), width)[: max(1, height // 3)]
        self.rows = max(3, height - len(self.legend) - 4)
        self.places = sorted({x for points in self.series for x, _ in points})
        on_y = [e.at for e in figure.edges if e.on == "y"]
        limits = [v for b in figure.bands for v in (b.low, b.high)]
        ys = [y for points in self.series for _, y in points]
        most = max(3, self.rows // 2)
        self.y = rounded(scale_of([*ys, *on_y, *limits], log=figure.y_log, zero=self.bars), most)
        self.ticks = self.y.ticks(most)
        step = abs(self.ticks[1] - self.ticks[0]) if len(self.ticks) > 1 and not figure.y_log else 0.0
        self.names = [label(t, step) for t in self.ticks]
        self.left = max([4, *(len(n) for n in self.names)]) + 1
        self.columns = max(8, width - self.left - 1)
        on_x = [e.at for e in figure.edges if e.on == "x"]
        self.x = scale_of([*self.places, *on_x])
        self.cells = [[" "] * self.columns for _ in range(self.rows)]

    def lines(self) -> list[str]:
        """Title of y, picture, axis with the cursor, places, title of x, legend."""
        self._draw_bands()
        self._draw_edges()
        if self.bars:
            self._draw_bars()
        self._draw_marks()
        f = frame()
        out = [one_line(self.figure.y, self.width)]
        labels = {self._row(t): n for t, n in zip(self.ticks, self.names, strict=True)}
        for n, cells in enumerate(self.cells):
            name = labels.get(n, "")
            out.append(f"{name:>{self.left}}{f.joint_left if name else f.upright}{''.join(cells)}")
        axis = [f.across] * self.columns
        if (here := self._here()) is not None:
            axis[here] = "^"
        out.append(" " * self.left + f.bottom_left + "".join(axis))
        out.append(" " * (self.left + 1) + self._place_labels())
        out.append(one_line(" " * (self.left + 1) + self.figure.x, self.width))
        return out + self.legend

    # -- where things stand -----------------------------------------------------------------------------------------

    def _row(self, value: float) -> int | None:
        cell = self.y.cell(value, self.rows)
        return None if cell is None else self.rows - 1 - cell

    def _column(self, x: float) -> int:
        if self.bars:
            return self._slot(x)
        cell = self.x.cell(x, self.columns)
        return 0 if cell is None else cell

    def _slot(self, x: float) -> int:
        """Middle of the bars of one place; what lies between two places stands between their bars."""
        if len(self.places) < 2:
            return self.columns // 2
        low, high = self.places[0], self.places[-1]
        share = min(max((x - low) / (high - low), 0.0), 1.0)
        half = self.columns / len(self.places) / 2
        return min(self.columns - 1, int(half + share * (self.columns - 2 * half)))

    def _here(self) -> int | None:
        if not 0 <= self.at.series < len(self.series) or not self.series[self.at.series]:
            return None
        points = self.series[self.at.series]
        return self._column(points[min(self.at.index, len(points) - 1)][0])

    def _place_labels(self) -> str:
        cells = [" "] * self.columns
        whole = all(x == int(x) for x in self.places)
        ticks = self.x.ticks(max(2, self.columns // 10)) if not self.bars else self.places
        if whole and not self.bars:
            ticks = sorted({float(round(t)) for t in ticks})
        step = abs(ticks[1] - ticks[0]) if len(ticks) > 1 else 0.0
        free = 0
        for tick in ticks:
            text = label(tick, 1.0 if whole and abs(tick) < 1e6 else step)
            start = min(max(0, self._column(tick) - len(text) // 2), max(0, self.columns - len(text)))
            if start >= free:
                cells[start : start + len(text)] = text
                free = start + len(text) + 1
        return "".join(cells[: self.columns])

    # -- drawing ----------------------------------------------------------------------------------------------------

    def _draw_bands(self) -> None:
        for band in self.figure.bands:
            if not finite((band.low, band.high)):
                continue
            bottom = self._row(band.low)
            top = self._row(band.high)
            if top is None:
                continue
            for n in range(top, (self.rows - 1 if bottom is None else bottom) + 1):
                self.cells[n] = [glyph("band")] * self.columns

    def _draw_edges(self) -> None:
        for edge in self.figure.edges:
            if not finite((edge.at,)):
                continue
            if edge.on == "y":
                row = self._row(edge.at)
                if row is not None:
                    self.cells[row] = [glyph("edge")] * self.columns
            else:
                column = self._column(edge.at)
                for cells in self.cells:
                    cells[column] = glyph("edge_vertical")

    def _draw_bars(self) -> None:
        sets = [(n, s) for n, s in enumerate(self.series) if self.figure.series[n].mark == "bar"]
        room = self.columns / max(1, len(self.places))
        wide = max(1, min(6, int((room - (room >= 3)) / max(1, len(sets)))))
        zero = self.y.share(0.0) or 0.0
        eighths = ramp("column")
        for which, (n, points) in enumerate(sets):
            shade = ramp("shade")[-1 - which % 3]
            for x, y in points:
                share = None if y is None else self.y.share(y)
                if share is None:
                    continue
                start = self._slot(x) - (wide * len(sets)) // 2 + which * wide
                low, high = min(zero, share) * self.rows, max(zero, share) * self.rows
                for column in range(max(0, start), min(self.columns, start + wide)):
                    self._upright(column, low, high, shade, eighths if n == sets[0][0] else "")

    def _upright(self, column: int, low: float, high: float, full: str, partial: str) -> None:
        for n in range(self.rows):
            floor = float(self.rows - 1 - n)
            filled = min(high, floor + 1) - max(low, floor)
            if filled >= 1 - 1e-9 or (not partial and filled >= 0.5):
                self.cells[n][column] = full
            elif partial and filled > 1e-9 and low <= floor:
                self.cells[n][column] = partial[max(1, round(filled * (len(partial) - 1)))]

    def _draw_marks(self) -> None:
        others = [n for n in range(len(self.series)) if n != self.at.series]
        drawn: dict[tuple[int, int], int] = {}
        for n in [*others, *([self.at.series] if self.at.series < len(self.series) else [])]:
            if self.figure.series[n].mark == "bar":
                continue
            here = n == self.at.series
            if self.figure.series[n].mark == "line" and (self.few or here):
                self._join(self.series[n])
            mark = sign(self.figure, n, self.at)
            for x, y in self.series[n]:
                row = None if y is None else self._row(y)
                if row is None:
                    continue
                column = self._column(x)
                other = drawn.get((row, column), n)
                self.cells[row][column] = _BOTH if self.few and other != n else mark
                drawn[row, column] = n

    def _join(self, points: list[tuple[float, float | None]]) -> None:
        """Small dots from mark to mark; a gap where nothing was measured."""
        for (x, y), (u, v) in pairwise(points):
            if y is None or v is None:
                continue
            a, b = self.y.share(y), self.y.share(v)
            if a is None or b is None:
                continue
            start, stop = self._column(x), self._column(u)
            for column in range(start + 1, stop):
                share = a + (b - a) * (column - start) / (stop - start)
                row = self.rows - 1 - round(min(max(share, 0.0), 1.0) * (self.rows - 1))
                self.cells[row][column] = small_dot()

    # -- the legend -------------------------------------------------------------------------------------------------

    def _legend(self) -> Iterator[str]:
        for n, series in enumerate(self.figure.series):
            if self.few or self.bars or n == self.at.series:
                yield f"{sign(self.figure, n, self.at)} {shown(series.name, 60)}"
        if not self.few and not self.bars:
            yield f"{small_dot()} the other {len(self.figure.series) - 1}: up and down"
        if self.few and sum(s.mark != "bar" for s in self.figure.series) > 1:
            yield f"{_BOTH} several in one cell"
        for band in self.figure.bands:
            yield f"{glyph('band')} {number(band.low, 3)} to {number(band.high, 3)}: {shown(band.name, 80)}"
        yield from map(_edge, self.figure.edges)


def sign(figure: Figure, n: int, at: Cursor) -> str:
    """What a series is drawn with: its mark, or the shade of its bars."""
    if figure.series[n].mark == "bar":
        before = sum(s.mark == "bar" for s in figure.series[:n])
        return ramp("shade")[-1 - before % 3]
    if len(figure.series) <= MARKS:
        return glyph(f"mark_{n + 1}")
    return glyph("mark_1") if n == at.series else small_dot()


def small_dot() -> str:
    """What joins marks, and stands for series that are not looked at; unlike any edge or band in every repertoire."""
    return "'" if ascii_only() else glyph("dot")


def _edge(edge: Edge) -> str:
    line = glyph("edge") * 2 if edge.on == "y" else glyph("edge_vertical")
    return f"{line} {number(edge.at, 3)}: {shown(edge.name, 80)}"


def fold(entries: list[str], width: int) -> list[str]:
    """Entries side by side where there is room."""
    lines: list[str] = []
    for entry in entries:
        if lines and cell_len(lines[-1]) + 3 + cell_len(entry) <= width:
            lines[-1] += f"   {entry}"
        else:
            lines.append(one_line(entry, width))
    return lines


def one_line(text: str, width: int) -> str:
    """Text cleaned and cut to a width."""
    text = shown(text, 400)
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + glyph("ellipsis")
