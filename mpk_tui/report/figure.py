"""What a figure of a comparison is: numbers with their meaning, drawn elsewhere (in cells, or as SVG).

Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Series:
    """Numbers of one kind.

    Attributes:
        name: What they are.
        mark: ``line``, ``bar`` or ``dot``.
        xs: Places.
        ys: One value a place; None where none was measured.
    """

    name: str
    mark: str
    xs: tuple[float, ...]
    ys: tuple[float | None, ...]


@dataclass(frozen=True)
class Band:
    """A range of y that has a meaning, such as what a null gives.

    Attributes:
        name: The meaning.
        low: From.
        high: To.
    """

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Edge:
    """A line at one value.

    Attributes:
        name: What it marks.
        at: The value.
        on: ``x`` or ``y``: the axis that the value is on.
    """

    name: str
    at: float
    on: str


@dataclass(frozen=True)
class Grid:
    """A table of numbers drawn as shades.

    Attributes:
        rows: Names of the rows, from the top.
        columns: Names of the columns.
        values: One tuple a row; None where none was measured.
        low: Value of the lightest shade; what is lower is drawn like it.
        high: Value of the darkest shade.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    low: float
    high: float


@dataclass(frozen=True)
class Figure:
    """One figure and the numbers printed beside it.

    Attributes:
        id: ``cosine``, ``layers``, ``change``, ``singular``, ``retention``, ``embeddings``, ``rho`` or ``z``.
        title: What is drawn, one sentence without a final stop.
        about: How to read it and what it does not show.
        x: Title of the horizontal axis, with the unit.
        y: Title of the vertical axis, with the unit.
        y_log: The vertical axis is logarithmic; values of 0 and below are not drawn.
        series: Numbers to draw.
        bands: Ranges of y with a meaning.
        edges: Lines at one value.
        grid: A heatmap, instead of series.
        columns: Heads of the table.
        rows: Cells of the table, as text.
        missing: Why there is nothing to draw; then series and grid are empty.
    """

    id: str
    title: str
    about: str
    x: str
    y: str
    y_log: bool = False
    series: tuple[Series, ...] = ()
    bands: tuple[Band, ...] = ()
    edges: tuple[Edge, ...] = ()
    grid: Grid | None = None
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    missing: str = ""


def number(value: float | None, digits: int = 4) -> str:
    """A number for a table; a dash where none was measured."""
    if value is None:
        return "-"
    # What is nearly one must not be rounded to one.
    if 0.999 <= abs(value) < 1:
        return f"{value:.7f}".rstrip("0")
    return f"{value:.{digits}g}"
