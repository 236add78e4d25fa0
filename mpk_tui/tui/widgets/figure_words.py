"""The value at the cursor of a figure in words, with where it stands to bands and edges.  Pure."""

from __future__ import annotations

from mpk_tui.report.figure import Figure, Grid, number
from mpk_tui.text import clean
from mpk_tui.tui.widgets.figure_plot import MARKS, Cursor, sign, values
from mpk_tui.tui.widgets.figure_scale import finite


def size(figure: Figure, at: Cursor) -> tuple[int, int]:
    """How many series (or rows) the cursor can go through, and how many values there are where it is."""
    if figure.grid is not None:
        return len(figure.grid.values), max(map(len, figure.grid.values), default=0)
    lengths = [len(values(s)) for s in figure.series]
    return len(lengths), lengths[at.series] if 0 <= at.series < len(lengths) else 0


def reading(figure: Figure, at: Cursor) -> str:
    """The value at the cursor, one sentence; names in it are untrusted text, escaped."""
    if figure.grid is not None:
        return _cell(figure, figure.grid, at)
    if not 0 <= at.series < len(figure.series) or not (points := values(figure.series[at.series])):
        return ""
    x, y = points[min(at.index, len(points) - 1)]
    where = "".join(f", {text}" for text in _against(figure, x, y))
    parts = [f"{_name(figure, at.series)} {_value(figure, y)}{where}"]
    if len(figure.series) <= MARKS:
        for n, series in enumerate(figure.series):
            if n != at.series and (found := [v for u, v in values(series) if u == x]):
                parts.append(f"{_name(figure, n)} {_value(figure, found[0])}")
    return f"{clean(figure.x, 80)} {number(x)}: {'; '.join(parts)}"


def measured(figure: Figure, at: Cursor) -> bool:
    """Whether there is a number under the cursor: what was not measured is no evidence of anything."""
    if figure.grid is not None:
        row = figure.grid.values[at.series] if 0 <= at.series < len(figure.grid.values) else ()
        value = row[at.index] if 0 <= at.index < len(row) else None
    else:
        points = values(figure.series[at.series]) if 0 <= at.series < len(figure.series) else []
        value = points[min(max(0, at.index), len(points) - 1)][1] if points else None
    return bool(finite((value,)))


def _name(figure: Figure, n: int) -> str:
    return clean(figure.series[n].name, 80)


def _value(figure: Figure, y: float | None) -> str:
    if y is None:
        return "not measured"
    return f"{number(y)} (not drawn)" if figure.y_log and y <= 0 else number(y)


def _against(figure: Figure, x: float, y: float | None) -> list[str]:
    """Where a value stands to what has a meaning."""
    out = []
    if y is not None:
        for band in figure.bands:
            word = "below" if y < band.low else "above" if y > band.high else "inside"
            out.append(f"{word} the band ({_brief(band.name)})")
    for edge in figure.edges:
        value = y if edge.on == "y" else x
        if value is not None:
            word = "at" if value == edge.at else "above" if value > edge.at else "below"
            out.append(f"{word} {_brief(edge.name)} ({number(edge.at)})")
    return out


def _brief(name: str) -> str:
    """A name up to its explanation; the legend has the rest."""
    return clean(name.split(":")[0], 60)


def beside(figure: Figure, at: Cursor, most: int) -> tuple[tuple[str, ...], list[tuple[str, ...]], int]:
    """The numbers that stand beside a picture: heads, rows, and the row of the cursor.

    Args:
        figure: With something to draw.
        at: Where the cursor is.
        most: Series for which there is room; the one at the cursor is always among them.
    """
    if figure.grid is not None:
        line = figure.grid.values[at.series] if at.series < len(figure.grid.values) else ()
        cells: list[tuple[str, ...]] = [(_column(figure.grid, n), _number(v)) for n, v in enumerate(line)]
        return ("column", "value"), cells, at.index
    chosen = list(range(len(figure.series)))
    at = Cursor(max(0, min(at.series, len(chosen) - 1)), at.index)
    if len(chosen) > most:
        rest = [n for n in chosen if n != at.series]
        chosen = sorted([at.series, *rest[: most - 1]]) if len(figure.series) <= MARKS else [at.series]
    points = [values(figure.series[n]) for n in chosen]
    places = sorted({x for found in points for x, _ in found})
    by_place = [dict(found) for found in points]
    rows = [(number(x), *(_number(found[x]) if x in found else "" for found in by_place)) for x in places]
    here = values(figure.series[at.series]) if at.series < len(figure.series) else []
    row = places.index(here[min(at.index, len(here) - 1)][0]) if here else 0
    return ("at", *(sign(figure, n, at) for n in chosen)), rows, row


def _number(value: float | None) -> str:
    return "–" if value is None or not finite((value,)) else number(value)


def _cell(figure: Figure, grid: Grid, at: Cursor) -> str:
    if not 0 <= at.series < len(grid.values):
        return ""
    row = grid.values[at.series]
    value = row[at.index] if at.index < len(row) else None
    name = clean(grid.rows[at.series], 60) if at.series < len(grid.rows) else str(at.series)
    column = _column(grid, at.index)
    shown = "not measured" if value is None or not finite((value,)) else number(value)
    text = f"{clean(figure.y, 60)} {name}, {clean(figure.x, 60)} {column}: {shown}"
    known = [(v, n) for n, v in enumerate(row) if v is not None and finite((v,))]
    if not known:
        return text
    best, where = max(known, key=lambda p: p[0])
    return (
        f"{text}; greatest of this row"
        if where == at.index
        else (f"{text}; the row's greatest is {number(best)} at {_column(grid, where)}")
    )


def _column(grid: Grid, n: int) -> str:
    return clean(grid.columns[n], 60) if n < len(grid.columns) else str(n)
