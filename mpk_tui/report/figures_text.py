"""A figure as lines of text: its sentences, the lines and bands that it draws, and the table of its numbers.

Nothing is escaped here: records may hold untrusted names.
"""

from __future__ import annotations

from mpk_tui.report.figure import Figure, number
from mpk_tui.report.lines import columns, wrap


def lines_of(figure: Figure) -> list[str]:
    """The figure without its picture.

    Args:
        figure: Any figure; one with nothing to draw says why.

    Returns:
        Lines of prose of at most 78 columns, and one line a row of the table, however wide.
    """
    out = wrap(f"FIGURE {figure.id}: {figure.title}", "", "  ")
    if figure.missing:
        out += wrap(f"Nothing to draw: {figure.missing}.", "  ", "  ")
    else:
        out += wrap(figure.about, "  ", "  ")
    for edge in figure.edges:
        out += wrap(f"{edge.name}: {edge.on} = {number(edge.at)}", "  ", "    ")
    for band in figure.bands:
        out += wrap(f"{band.name}: {number(band.low)} to {number(band.high)}", "  ", "    ")
    return out + [f"  {line}" for line in _table(figure)]


def _table(figure: Figure) -> list[str]:
    """Columns as wide as their widest cell; numbers stand to the right."""
    if not figure.rows:
        return []
    cells = [figure.columns, *figure.rows]
    count = max(len(row) for row in cells)
    cells = [(*row, *[""] * (count - len(row))) for row in cells]
    widths = [max(columns(row[k]) for row in cells) for k in range(count)]
    left = [all(not row[k][:1].isdigit() for row in cells[1:]) for k in range(count)]
    lines = []
    for row in cells:
        padded = [
            cell + " " * (width - columns(cell)) if flush else " " * (width - columns(cell)) + cell
            for cell, width, flush in zip(row, widths, left, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return lines
