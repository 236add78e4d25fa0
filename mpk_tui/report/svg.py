"""A figure as an inline SVG picture: black, white and grey, told apart by shapes and dashes, labelled where it stands.

No script, no style sheet, no reference to anything outside the picture; every text is escaped.  The numbers stand in
the table that the report prints beside each picture.  The same figure gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise

from mpk_tui.report.figure import Figure, Grid, Series
from mpk_tui.report.untrusted import shown

WIDTH, HEIGHT = 680, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 500, 16, 282
_LEGEND = 516
_SERIES = 12
"""Series that are drawn; a thirteenth could not be told apart any more."""
_POINTS = 500
"""Points of one series that are drawn: more than the picture has places."""
_CELLS = 64
"""Rows and columns of a heatmap that are drawn."""
_NUMBERED = 12
"""Up to so many rows and columns a heatmap has its numbers in its cells."""
_DASHES = ("", "7 3", "2 3", "9 3 2 3", "12 4", "4 2 1 2")
_EDGE = 'stroke-width="1.8" stroke-dasharray="10 3 2 3"'
_FILLS = ("#ffffff", "#8c8c8c", "#d9d9d9", "#404040")


def svg(figure: Figure, uid: str) -> str:
    """The picture; empty if the figure has nothing to draw.

    Args:
        figure: What to draw.
        uid: Ours, unique within the page: the picture's title and description get ids from it.
    """
    inside = _grid(figure.grid) if figure.grid is not None else _axes(figure)
    if not inside:
        return ""
    title, about = _text(figure.title, 300), _text(figure.about, 800)
    head = (
        f'<svg class="figure" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'aria-labelledby="{uid}-t {uid}-d"><title id="{uid}-t">{title}</title><desc id="{uid}-d">{about}</desc>'
        f'<rect x="0" y="0" width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    )
    names = _label((_LEFT + _RIGHT) / 2, HEIGHT - 8, figure.x, "middle", 60) + (
        f'<text x="14" y="{_n((_TOP + _BOTTOM) / 2)}" text-anchor="middle" '
        f'transform="rotate(-90 14 {_n((_TOP + _BOTTOM) / 2)})" {_FONT}>{_text(figure.y, 48)}</text>'
    )
    return f"{head}{names}{inside}</svg>"


_FONT = 'font-family="sans-serif" font-size="12" fill="#000000"'
_SMALL = 'font-family="sans-serif" font-size="11" fill="#000000"'


def _text(text: str, limit: int) -> str:
    return escape(shown(text, limit))


def _n(value: float) -> str:
    """A coordinate: two digits are more than a printer has."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _label(x: float, y: float, text: str, anchor: str = "start", limit: int = 24, font: str = _FONT) -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}" {font}>{_text(text, limit)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, more: str = "") -> str:
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" stroke="#000000" {more}/>'


# ---------------------------------------------------------------------------------------------------- axes


class _Scale:
    """From values to coordinates."""

    def __init__(self, low: float, high: float, start: float, end: float, *, log: bool = False) -> None:
        self.log, self.start, self.end = log, start, end
        self.low, self.high = (math.log10(low), math.log10(high)) if log else (low, high)
        if self.high - self.low < 1e-12 * max(1.0, abs(self.low), abs(self.high)):
            spread = max(1e-9, abs(self.low) * 1e-3) if not log else 0.5
            self.low, self.high = self.low - spread, self.high + spread

    def at(self, value: float) -> float:
        """Where a value stands; values beyond the ends stand at the ends."""
        if self.log:
            value = math.log10(value) if value > 0 else self.low
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self) -> list[tuple[float, str]]:
        """Coordinates and labels of round values."""
        if self.log:
            first, last = math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9)
            step = max(1, math.ceil((last - first + 1) / 8))
            if last > first:
                return [
                    (self.at(10.0**k), f"1e{k}" if abs(k) > 3 else f"{10.0**k:g}") for k in range(first, last + 1, step)
                ]
            values = [10**self.low, 10 ** ((self.low + self.high) / 2), 10**self.high]
            return [(self.at(v), f"{v:.3g}") for v in values]
        size = _step((self.high - self.low) / 5)
        n = math.ceil(self.low / size - 1e-9)
        out: list[tuple[float, str]] = []
        while n * size <= self.high + 1e-9 * size and len(out) < 20:
            out.append((self.at(n * size), f"{n * size:.6g}"))
            n += 1
        return out


def _step(raw: float) -> float:
    """A round step of at least ``raw``."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next((m * power for m in (1, 2, 2.5, 5) if m * power >= raw * 0.999), 10 * power)


def _thin(s: Series) -> list[tuple[float, float | None]]:
    points = list(zip(s.xs, s.ys, strict=False))
    every = math.ceil(len(points) / _POINTS) or 1
    return points[::every]


def _axes(figure: Figure) -> str:
    series = [(s, _thin(s)) for s in figure.series[:_SERIES]]
    drawn = [(x, y) for _, points in series for x, y in points if y is not None and (y > 0 or not figure.y_log)]
    if not drawn:
        return ""
    bars = sum(s.mark == "bar" for s, _ in series)
    xs = [x for x, _ in drawn] + [e.at for e in figure.edges if e.on == "x"]
    ys = [y for _, y in drawn] + [e.at for e in figure.edges if e.on == "y" and (e.at > 0 or not figure.y_log)]
    ys += [v for b in figure.bands for v in (b.low, b.high) if v > 0 or not figure.y_log]
    if bars and not figure.y_log:
        ys.append(0.0)
    margin = _spacing(series) / 2 if bars else 0.03 * (max(xs) - min(xs)) or 0.5
    across = _Scale(min(xs) - margin, max(xs) + margin, _LEFT, _RIGHT)
    low, high = min(ys), max(ys)
    pad = 0.0 if figure.y_log else 0.05 * (high - low)
    floor = low if bars and low == 0 else low - pad
    up = _Scale(low / 1.3 if figure.y_log else floor, high * 1.3 if figure.y_log else high + pad, _BOTTOM, _TOP,
                log=figure.y_log)  # fmt: skip
    drawing = _bands(figure, up) + _frame(across, up) + _drawn(series, across, up, bars)
    return drawing + _edges(figure, across, up) + _legend(figure, series)


def _spacing(series: Sequence[tuple[Series, list[tuple[float, float | None]]]]) -> float:
    """Smallest distance between bars."""
    xs = sorted({x for s, points in series if s.mark == "bar" for x, _ in points})
    return min((b - a for a, b in pairwise(xs)), default=1.0)


def _frame(across: _Scale, up: _Scale) -> str:
    out = [
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{_BOTTOM - _TOP}" fill="none" '
        'stroke="#000000"/>'
    ]
    for x, text in across.ticks():
        out.append(_line(x, _BOTTOM, x, _BOTTOM + 5) + _label(x, _BOTTOM + 18, text, "middle", font=_SMALL))
    for y, text in up.ticks():
        out.append(_line(_LEFT - 5, y, _LEFT, y) + _label(_LEFT - 8, y + 4, text, "end", font=_SMALL))
        out.append(_line(_LEFT, y, _RIGHT, y, 'stroke-width="0.3" stroke-dasharray="1 3"'))
    return "".join(out)


def _bands(figure: Figure, up: _Scale) -> str:
    out = []
    for band in figure.bands[:4]:
        top, bottom = up.at(max(band.low, band.high)), up.at(min(band.low, band.high))
        out.append(f'<rect x="{_LEFT}" y="{_n(top)}" width="{_RIGHT - _LEFT}" height="{_n(max(1.0, bottom - top))}" '
                   'fill="#e6e6e6"/>')  # fmt: skip
        out += [_line(_LEFT, y, _RIGHT, y, 'stroke-width="0.8" stroke-dasharray="2 2"') for y in (top, bottom)]
    return "".join(out)


def _edges(figure: Figure, across: _Scale, up: _Scale) -> str:
    out = []
    for edge in figure.edges[:6]:
        if edge.on == "x":
            x = across.at(edge.at)
            out.append(_line(x, _TOP, x, _BOTTOM, _EDGE))
        else:
            y = up.at(edge.at)
            out.append(_line(_LEFT, y, _RIGHT, y, _EDGE))
    return "".join(out)


# --------------------------------------------------------------------------------------------------- marks


def _circle(x: float, y: float) -> str:
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="3" fill="#ffffff" stroke="#000000"/>'


def _path(*points: tuple[float, float], fill: str = "#ffffff") -> Callable[[float, float], str]:
    def mark(x: float, y: float) -> str:
        listed = " ".join(f"{_n(x + dx)},{_n(y + dy)}" for dx, dy in points)
        return f'<polygon points="{listed}" fill="{fill}" stroke="#000000"/>'

    return mark


def _cross(x: float, y: float) -> str:
    return _line(x - 3, y - 3, x + 3, y + 3) + _line(x - 3, y + 3, x + 3, y - 3)


def _disc(x: float, y: float) -> str:
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="3" fill="#000000"/>'


_SQUARE = ((-3.0, -3.0), (3.0, -3.0), (3.0, 3.0), (-3.0, 3.0))
_TRIANGLE = ((0.0, -4.0), (3.6, 3.0), (-3.6, 3.0))
_MARKS: tuple[Callable[[float, float], str], ...] = (
    _circle, _path(*_SQUARE), _path(*_TRIANGLE), _cross, _disc, _path(*_SQUARE, fill="#000000"),
    _path(*_TRIANGLE, fill="#000000"), _path((0.0, -4.0), (4.0, 0.0), (0.0, 4.0), (-4.0, 0.0)),
)  # fmt: skip
"""Shapes that stay apart in black and white."""


def _drawn(
    series: Sequence[tuple[Series, list[tuple[float, float | None]]]], across: _Scale, up: _Scale, bars: int
) -> str:
    out, bar = [], 0
    for n, (s, points) in enumerate(series):
        if s.mark == "bar":
            out.append(_bars(points, across, up, bar, bars, _spacing(series)))
            bar += 1
            continue
        known = [(across.at(x), up.at(y)) if y is not None and (y > 0 or not up.log) else None for x, y in points]
        if s.mark == "line":
            out += _polylines(known, _DASHES[n % len(_DASHES)])
        # Marks would paint over each other where points stand close.
        every = math.ceil(len(known) / 40) if s.mark == "line" else 1
        mark = _MARKS[n % len(_MARKS)]
        out += [mark(*p) for p in known[::every] if p is not None]
    return "".join(out)


def _polylines(points: Sequence[tuple[float, float] | None], dash: str) -> list[str]:
    out, run = [], list[str]()
    for p in (*points, None):
        if p is not None:
            run.append(f"{_n(p[0])},{_n(p[1])}")
            continue
        if len(run) > 1:
            pattern = f' stroke-dasharray="{dash}"' if dash else ""
            out.append(f'<polyline points="{" ".join(run)}" fill="none" stroke="#000000" stroke-width="1.2"{pattern}/>')
        run = []
    return out


def _bars(
    points: list[tuple[float, float | None]], across: _Scale, up: _Scale, which: int, of: int, spacing: float
) -> str:
    out = []
    whole = abs(across.at(across.low + spacing) - across.at(across.low)) * 0.86
    width = whole / max(1, of)
    zero = up.at(0.0) if not up.log else _BOTTOM
    for x, y in points:
        if y is None or (up.log and y <= 0):
            continue
        left, top = across.at(x) - whole / 2 + which * width, up.at(y)
        out.append(
            f'<rect x="{_n(left)}" y="{_n(min(top, zero))}" width="{_n(max(0.5, width))}" '
            f'height="{_n(abs(zero - top))}" fill="{_FILLS[which % len(_FILLS)]}" stroke="#000000" stroke-width="0.8"/>'
        )
    return "".join(out)


def _legend(figure: Figure, series: Sequence[tuple[Series, list[tuple[float, float | None]]]]) -> str:
    out, y, bar = [], _TOP + 8.0, 0
    for n, (s, _) in enumerate(series):
        if s.mark == "bar":
            fill = _FILLS[bar % len(_FILLS)]
            out.append(f'<rect x="{_LEGEND}" y="{_n(y - 6)}" width="20" height="10" fill="{fill}" stroke="#000000"/>')
            bar += 1
        else:
            if s.mark == "line":
                dash = _DASHES[n % len(_DASHES)]
                out.append(_line(_LEGEND, y, _LEGEND + 22, y, f'stroke-dasharray="{dash}"' if dash else ""))
            out.append(_MARKS[n % len(_MARKS)](_LEGEND + 11, y))
        out += _wrapped(s.name, y)
        y += 14.0 * max(1, len(_folded(s.name))) + 4
    for band in figure.bands[:4]:
        out.append(f'<rect x="{_LEGEND}" y="{_n(y - 6)}" width="20" height="10" fill="#e6e6e6" stroke="#000000" '
                   'stroke-dasharray="2 2"/>')  # fmt: skip
        out += _wrapped(band.name, y)
        y += 14.0 * max(1, len(_folded(band.name))) + 4
    for edge in figure.edges[:6]:
        name = f"{edge.name}: {edge.on} = {edge.at:.3g}"
        out.append(_line(_LEGEND, y, _LEGEND + 22, y, _EDGE))
        out += _wrapped(name, y)
        y += 14.0 * len(_folded(name)) + 4
    if len(figure.series) > _SERIES:
        out.append(
            _label(_LEGEND, y + 4, f"and {len(figure.series) - _SERIES} more in the table", limit=40, font=_SMALL)
        )
    return "".join(out)


def _folded(text: str, width: int = 23, most: int = 5) -> list[str]:
    """A legend's text in short lines."""
    lines = [""]
    for word in shown(text, 110).split(" "):
        for piece in [word[k : k + width] for k in range(0, len(word), width)] or [""]:
            if lines[-1] and len(lines[-1]) + 1 + len(piece) > width:
                lines.append(piece)
            else:
                lines[-1] = f"{lines[-1]} {piece}".strip()
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][: width - 1] + "…"]


def _wrapped(text: str, y: float) -> list[str]:
    return [_label(_LEGEND + 28, y + 4 + 14 * k, line, limit=40, font=_SMALL) for k, line in enumerate(_folded(text))]


# ------------------------------------------------------------------------------------------------ heatmaps


def _grid(grid: Grid) -> str:
    every_row = math.ceil(len(grid.rows) / _CELLS) or 1
    every_column = math.ceil(len(grid.columns) / _CELLS) or 1
    values = [row[::every_column] for row in grid.values[::every_row]]
    rows, columns = grid.rows[::every_row], grid.columns[::every_column]
    if not values or not columns:
        return ""
    width, height = (_RIGHT - _LEFT) / len(columns), (_BOTTOM - _TOP) / len(rows)
    numbered = len(rows) <= _NUMBERED and len(columns) <= _NUMBERED
    out = []
    for i, row in enumerate(values[: len(rows)]):
        for j, value in enumerate(row[: len(columns)]):
            x, y = _LEFT + j * width, _TOP + i * height
            out.append(_cell(x, y, width, height, value, grid, numbered=numbered))
    out.append(f'<rect x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" height="{_BOTTOM - _TOP}" fill="none" '
               'stroke="#000000"/>')  # fmt: skip
    step_row, step_column = math.ceil(len(rows) / 16), math.ceil(len(columns) / 16)
    for i in range(0, len(rows), step_row):
        out.append(_label(_LEFT - 8, _TOP + (i + 0.5) * height + 4, rows[i], "end", 8, _SMALL))
    for j in range(0, len(columns), step_column):
        out.append(_label(_LEFT + (j + 0.5) * width, _BOTTOM + 16, columns[j], "middle", 8, _SMALL))
    return "".join(out) + _ramp(grid)


def _share(value: float, grid: Grid) -> float:
    spread = grid.high - grid.low
    return min(1.0, max(0.0, (value - grid.low) / spread)) if spread > 0 else 0.0


def _shade(share: float) -> str:
    level = round(255 - 215 * share)
    return f"#{level:02x}{level:02x}{level:02x}"


def _cell(x: float, y: float, width: float, height: float, value: float | None, grid: Grid, *, numbered: bool) -> str:
    if value is None:
        # Not measured: white with a stroke through it, unlike any shade.
        return _line(x, y + height, x + width, y, 'stroke-width="0.4"')
    share = _share(value, grid)
    # Cells overlap by a hair, so that no printer leaves white lines between them.
    out = (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width + 0.3)}" height="{_n(height + 0.3)}" fill="{_shade(share)}"/>'
    )
    if numbered:
        ink = "#ffffff" if share > 0.5 else "#000000"
        out += (
            f'<text x="{_n(x + width / 2)}" y="{_n(y + height / 2 + 4)}" text-anchor="middle" font-family="sans-serif" '
            f'font-size="10" fill="{ink}">{escape(f"{value:.3g}")}</text>'
        )
    return out


def _ramp(grid: Grid) -> str:
    out = []
    for k in range(10):
        y = _TOP + 20 + (9 - k) * 18
        out.append(
            f'<rect x="{_LEGEND}" y="{y}" width="24" height="18.3" fill="{_shade((k + 0.5) / 10)}" stroke="none"/>'
        )
    out.append(f'<rect x="{_LEGEND}" y="{_TOP + 20}" width="24" height="180" fill="none" stroke="#000000"/>')
    out.append(_label(_LEGEND + 30, _TOP + 30, f"{grid.high:.3g} and above", limit=24, font=_SMALL))
    out.append(_label(_LEGEND + 30, _TOP + 200, f"{grid.low:.3g} and below", limit=24, font=_SMALL))
    if any(v is None for row in grid.values for v in row):
        out.append(_line(_LEGEND, _TOP + 234, _LEGEND + 24, _TOP + 216, 'stroke-width="0.4"'))
        out.append(_label(_LEGEND + 30, _TOP + 230, "not measured", font=_SMALL))
    return "".join(out)
