"""A family graph as a static SVG picture: black on white, told apart by lines and words, every text escaped.

No script, no style sheet, no reference, no colour that says anything.  Bounded in size: so many models, the rest is
counted.  The same graph gives the same bytes.
"""

from __future__ import annotations

from html import escape

from mpk_tui.family.graph import NAMED, QUERY, Edge, Family, Node
from mpk_tui.report.family_layout import BOX, LABEL, Placed, layout
from mpk_tui.report.family_text import MEANS, cut
from mpk_tui.report.lines import wrap
from mpk_tui.report.untrusted import shown

MARGIN = 14.0
NARROWEST = 640.0
MOST_NOTES = 12
_NAME, _FACTS, _WORDS = 24, 34, 38
"""Columns of a box's two lines, and of the words at a line."""
_FONT = 'font-family="sans-serif" font-size="12" fill="#000000"'
_SMALL = 'font-family="sans-serif" font-size="10" fill="#000000"'
_STROKES = {
    "arrow": 'stroke-width="2.2"', "double": 'stroke-width="1.2"', "solid": 'stroke-width="1.2"',
    "dashed": 'stroke-width="1.4" stroke-dasharray="8 5"', "open": 'stroke-width="1.2" stroke-dasharray="10 3 2 3"',
    "dotted": 'stroke-width="1.6" stroke-dasharray="2 4"', "thin": 'stroke-width="0.6" stroke-dasharray="1 5"',
}  # fmt: skip


def svg(graph: Family, uid: str, *, notes: bool = False) -> str:
    """The picture, to stand in a page; empty if there is no model.

    Args:
        graph: What to draw.
        uid: Ours, unique within the page: the picture's title and description get ids from it.
        notes: Put the graph's notes below the picture; leave it out where they stand beside it.
    """
    if not graph.nodes:
        return ""
    placed = layout(graph)
    nodes = {n.id: n for n in graph.nodes}
    inside = [_line(line) for line in placed.lines]
    inside += [_box(nodes[id], x, y, height) for id, x, y, height in placed.boxes]
    width = max(NARROWEST, placed.width) + 2 * MARGIN
    y = placed.height + 2 * MARGIN
    for kind in (k for k in MEANS if any(line.edge.line == k for line in placed.lines)):
        y += 18
        sample = Placed(Edge("", "", ""), ((0.0, y - 4), (44.0, y - 4)))
        inside.append(_stroke(sample, kind) + _text(54, y, MEANS[kind], 200, _SMALL))
    for kind, words in ((QUERY, "double frame: a model that is examined"), (NAMED, "dashed frame: named only")):
        if any(nodes[id].kind == kind for id, *_ in placed.boxes):
            y += 18
            inside.append(_frame(0, y - 9, 44, 12, kind) + _text(54, y, words, 200, _SMALL))
    said = []
    if placed.left_out:
        said.append(f"{placed.left_out:,} of {len(graph.nodes):,} models are not drawn.")
    if placed.lines_left_out:
        said.append(f"{placed.lines_left_out:,} lines are not drawn.")
    said += list(graph.notes[:MOST_NOTES]) if notes else []
    if notes and len(graph.notes) > MOST_NOTES:
        said.append(f"{len(graph.notes) - MOST_NOTES:,} more notes are not printed here.")
    columns = int((width - 2 * MARGIN) / 6.2)
    for line in (part for text in said for part in wrap(shown(text, 600), width=columns)):
        y += 16
        inside.append(_text(0, y, line, 700, _SMALL))
    height = y + 2 * MARGIN
    arrows = sum(e.directed for e in graph.edges)
    about = (
        f"{len(graph.nodes):,} models and {len(graph.edges):,} lines between them, {arrows:,} of them arrows. An arrow "
        "stands only where documents say which was made from which."
    )
    return (
        f'<svg class="figure" role="img" viewBox="{_n(-MARGIN)} {_n(-MARGIN)} {_n(width)} {_n(height)}" '
        f'aria-labelledby="{uid}-t {uid}-d"><title id="{uid}-t">Family graph</title><desc id="{uid}-d">{about}</desc>'
        f'<rect x="{_n(-MARGIN)}" y="{_n(-MARGIN)}" width="{_n(width)}" height="{_n(height)}" fill="#ffffff"/>'
        f"{''.join(inside)}</svg>"
    )


def file(graph: Family) -> str:
    """The picture as a file of its own, with its notes."""
    picture = svg(graph, "family", notes=True) or '<svg viewBox="0 0 10 10"></svg>'
    box = picture.partition('viewBox="')[2].partition('"')[0].split()
    size = f'width="{box[2]}" height="{box[3]}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{picture.removeprefix("<svg")}\n'


def _line(line: Placed) -> str:
    """A line with its words at its right, level end."""
    e = line.edge
    x, y = line.points[-1]
    at = x - LABEL + 4
    below = "; ".join(filter(None, (e.numbers(), e.note)))
    words = _text(at, y - 4, cut(shown(e.label, 300), _WORDS), 300, _SMALL)
    words += _text(at, y + 11, cut(shown(below, 300), _WORDS), 300, _SMALL) if below else ""
    return _stroke(line, e.line) + words


def _stroke(line: Placed, kind: str) -> str:
    if kind == "double":
        return _polyline(line.points, -1.6, _STROKES[kind]) + _polyline(line.points, 1.6, _STROKES[kind])
    if kind != "arrow":
        return _polyline(line.points, 0, _STROKES[kind])
    x, y = line.points[-1]
    head = f"{_n(x - 11)},{_n(y - 5)} {_n(x)},{_n(y)} {_n(x - 11)},{_n(y + 5)}"
    shaft = (*line.points[:-1], (x - 9, y))
    return _polyline(shaft, 0, _STROKES[kind]) + f'<polygon points="{head}" fill="#000000" stroke="none"/>'


def _polyline(points: tuple[tuple[float, float], ...], by: float, stroke: str) -> str:
    listed = " ".join(f"{_n(x)},{_n(y + by)}" for x, y in points)
    return f'<polyline points="{listed}" fill="none" stroke="#000000" {stroke}/>'


def _box(node: Node, x: float, y: float, height: float) -> str:
    name, facts = cut(shown(node.label, 300), _NAME), cut(shown(", ".join(node.facts), 300), _FACTS)
    return (
        _frame(x, y - height / 2, BOX, height, node.kind)
        + _text(x + 9, y - 3, name, 300, _FONT)
        + _text(x + 9, y + 12, facts, 300, _SMALL)
    )


def _frame(x: float, y: float, width: float, height: float, kind: str) -> str:
    stroke = 'stroke-width="1.2" stroke-dasharray="5 3"' if kind == NAMED else 'stroke-width="1.2"'
    out = _rect(x, y, width, height, stroke)
    return out + _rect(x + 3, y + 3, width - 6, height - 6, 'stroke-width="1"') if kind == QUERY else out


def _rect(x: float, y: float, width: float, height: float, stroke: str) -> str:
    return (
        f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}" fill="#ffffff" stroke="#000000" '
        f"{stroke}/>"
    )


def _text(x: float, y: float, text: str, limit: int, font: str) -> str:
    return f'<text x="{_n(x)}" y="{_n(y)}" text-anchor="start" {font}>{escape(text[: 2 * limit])}</text>'


def _n(value: float) -> str:
    """A coordinate: one digit is more than a printer has."""
    text = f"{value:.1f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
