"""A heatmap in character cells: a ramp that reads without colour, the cursor shown by signs in the margins.  Pure.

Where the grid is larger than the room, each cell stands for a block and shows its greatest value, so that a diagonal
stays a diagonal; the cursor still goes from value to value.
"""

from __future__ import annotations

from rich.cells import cell_len

from mpk_tui.report.figure import Figure, Grid, number
from mpk_tui.tui.glyphs import ascii_only, frame, glyph, ramp
from mpk_tui.tui.safe import shown
from mpk_tui.tui.widgets.figure_plot import Cursor, fold, one_line
from mpk_tui.tui.widgets.figure_scale import finite

_MARGIN = 8
"""Most cells of a row's name."""


def heatmap(figure: Figure, width: int, height: int, at: Cursor) -> list[str]:
    """A figure with a grid as lines of text, the last one a legend.

    Args:
        figure: With a grid of at least one value.
        width: Cells of a line; less than 24 is drawn as 24.
        height: Lines.
        at: Row and column of the cursor.
    """
    grid = figure.grid
    assert grid is not None
    width, height = max(width, 24), max(height, 7)
    rows, columns = len(grid.values), max(map(len, grid.values), default=0)
    left = min(_MARGIN, max((cell_len(shown(r, 40)) for r in grid.rows), default=1)) + 1
    room = width - left - 2
    wide = max(1, min(6, room // max(1, columns)) // 2 * 2)  # an even number of cells, or one
    across = -(-columns * wide // room)  # values that share a cell
    down = -(-rows // max(1, height - 6))
    legend = _legend(grid, wide, down, across, width)
    if len(legend) > 1:  # one line less for the rows
        down = -(-rows // max(1, height - 5 - len(legend)))
        legend = _legend(grid, wide, down, across, width)
    f = frame()
    out = [one_line(f"{figure.y}, from the top", width)]
    for top in range(0, rows, down):
        here = top <= at.series < top + down
        name = one_line(shown(grid.rows[top], 40) if top < len(grid.rows) else "", left - 1)
        cells = (_cell(_block(grid, top, down, start, across), grid, wide) for start in range(0, columns, across))
        pad = " " * (left - 1 - cell_len(name))
        out.append(f"{'>' if here else ' '}{pad}{name}{f.upright}{''.join(cells)}")
    places = -(-columns // across)
    axis = [f.across] * (places * wide)
    pointed = min(at.index, columns - 1) // across * wide
    axis[pointed : pointed + wide] = "^" * wide
    out.append(" " * left + f.bottom_left + "".join(axis))
    out.append(" " * (left + 1) + _names(grid, columns, across, wide))
    out.append(one_line(" " * (left + 1) + figure.x, width))
    return [*out, *legend]


def _block(grid: Grid, top: int, down: int, start: int, across: int) -> float | None:
    """The greatest value of a block, or None where nothing of it was measured."""
    known = finite(v for row in grid.values[top : top + down] for v in row[start : start + across])
    return max(known) if known else None


def _cell(value: float | None, grid: Grid, wide: int) -> str:
    if value is None:
        return _nothing() * wide
    span = grid.high - grid.low
    share = min(max((value - grid.low) / span, 0.0), 1.0) if span > 0 else float(value >= grid.high)
    signs = steps(wide)
    return signs[max(round(share * (len(signs) - 1)), 1 if share > 0 else 0)]


def steps(wide: int) -> list[str]:
    """What a cell of this width can look like, from nothing to full; two shades side by side make one in between."""
    if ascii_only():
        return [sign * wide for sign in ramp("fine")]
    signs = ramp("shade")
    if wide == 1:
        return list(signs)
    return [(signs[n // 2] + signs[(n + 1) // 2]) * (wide // 2) for n in range(2 * len(signs) - 1)]


def _names(grid: Grid, columns: int, across: int, wide: int) -> str:
    """Names of columns below them, as many as stand without touching."""
    cells = [" "] * (-(-columns // across) * wide)
    free = 0
    for n in range(0, min(columns, len(grid.columns)), across):
        name = shown(grid.columns[n], 12)
        start = n // across * wide
        if start >= free and start + len(name) <= len(cells) and name.isascii():
            cells[start : start + len(name)] = name
            free = start + len(name) + 2
    return "".join(cells)


def _legend(grid: Grid, wide: int, down: int, across: int, width: int) -> list[str]:
    shades = "".join(steps(min(wide, 2)))
    parts = [f"{number(grid.low, 3)} [{shades}] {number(grid.high, 3)}", f"{_nothing()} none"]
    if down * across > 1:
        parts.append(f"a cell: greatest of {down} x {across}")
    return fold(parts, width)


def _nothing() -> str:
    """What a value that was not measured looks like; unlike any shade in every repertoire."""
    return "?" if ascii_only() else glyph("missing")
