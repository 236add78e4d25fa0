"""A table that draws only the rows in view, so that 200,000 tensors scroll as easily as five artifacts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from mpk_tui.tui import keys, safe


def shown(value: Any) -> str:
    """A value as text; a dash for none."""
    return value if isinstance(value, str) else "–" if value is None else str(value)


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: Our own words.
        width: Cells; 0 takes what is left, at least 12.
        right: Numbers stand to the right.
        name: Too long a name loses its middle: both ends of a tensor's name or a path tell.
        show: A value of this column as text.
        number: A value as a number, or None; without it the column holds words.  Sorts and filters go by it.
        least: The column is left out where the table has fewer cells than this.
    """

    title: str
    width: int = 0
    right: bool = False
    name: bool = False
    show: Callable[[Any], str] = shown
    number: Callable[[Any], float | None] | None = None
    least: int = 0


class RowTable(ScrollView, can_focus=True):
    """Rows of plain text with a cursor that is a character, not a colour."""

    DEFAULT_CSS = """
    RowTable { height: 1fr; min-height: 3; background: $surface; }
    RowTable > .row--head { text-style: bold; color: $text-muted; }
    RowTable > .row--cursor { text-style: bold; background: $block-cursor-blurred-background; }
    RowTable:focus > .row--cursor { text-style: reverse; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row--head", "row--cursor", "row--plain"}
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("table")]
    cursor: reactive[int] = reactive(0)

    class OnRow(Message):
        """Something happened on a row.

        Handlers of a message are called for its subclasses too: what is told of a row must not be one of another.
        """

        def __init__(self, table: RowTable, index: int) -> None:
            super().__init__()
            self.table, self.index = table, index

        @property
        def control(self) -> RowTable:
            """The table."""
            return self.table

    class Picked(OnRow):
        """Enter, or a click on the row under the cursor."""

    class Marked(OnRow):
        """Space on a row."""

    class Moved(OnRow):
        """The cursor came to another row."""

    def __init__(self, columns: Sequence[Column], *, empty: str = "Nothing here yet.", id: str | None = None) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.rows: Sequence[Sequence[Any]] = ()
        self._empty = empty

    def show(self, rows: Sequence[Sequence[Any]], columns: Sequence[Column] | None = None) -> None:
        """Replace all rows; the cursor stays on its number where it can."""
        self.rows = rows
        if columns is not None:
            self.columns = tuple(columns)
        self.cursor = max(0, min(self.cursor, len(rows) - 1))
        self._measure()
        self.refresh()

    def say_empty(self, text: str) -> None:
        """What stands there while there are no rows."""
        self._empty = text
        self.refresh()

    @property
    def index(self) -> int | None:
        """Row under the cursor, None in an empty table."""
        return self.cursor if self.rows else None

    def _layout(self) -> list[tuple[int, Column, int]]:
        """Columns for which there is room: place in a row, column, width in cells."""
        across = self.scrollable_content_region.width
        shown = [(n, c) for n, c in enumerate(self.columns) if c.least <= across]
        fixed = sum(c.width or 0 for _, c in shown) + 2 * len(shown)
        flexible = sum(not c.width for _, c in shown)
        room = max(0, across - fixed)
        return [(n, c, c.width or max(12, room // max(1, flexible))) for n, c in shown]

    def _measure(self) -> None:
        layout = self._layout()
        width = sum(w for _, _, w in layout) + 2 * len(layout)
        self.virtual_size = Size(max(width, self.scrollable_content_region.width), len(self.rows) + 1)

    def on_resize(self, _: events.Resize) -> None:
        """Share the new width among the columns."""
        self._measure()
        self._keep_in_view()

    def render_line(self, y: int) -> Strip:
        """One line of what is in view; the first is always the head."""
        scroll_x, scroll_y = self.scroll_offset
        width = self.size.width
        layout = self._layout()
        if y == 0:
            text = "  " + "  ".join(_cell(c.title, w, c) for _, c, w in layout)
            style = self.get_component_rich_style("row--head")
        else:
            row = y - 1 + scroll_y
            style = self.get_component_rich_style("row--plain")
            if not self.rows:
                text = "  " + self._empty if row == 0 else ""
            elif row >= len(self.rows):
                text = ""
            else:
                values = self.rows[row]
                cells = (_cell(safe.shown(c.show(values[n])), w, c) for n, c, w in layout)
                here = row == self.cursor
                text = ("› " if here else "  ") + "  ".join(cells)
                if here:
                    style = self.get_component_rich_style("row--cursor")
        strip = Strip([Segment(text, style)], cell_len(text))
        return strip.crop_extend(scroll_x, scroll_x + width, style)

    def watch_cursor(self, old: int, new: int) -> None:
        """Keep the cursor in view and tell the screen."""
        self._keep_in_view()
        self.refresh()
        if old != new and self.rows:
            self.post_message(self.Moved(self, new))

    def _keep_in_view(self) -> None:
        if self.is_mounted:
            # Row r is drawn one line below the head, which itself takes a line of the window.
            top, height = int(self.scroll_y), max(1, self.scrollable_content_region.height - 1)
            if self.cursor < top:
                self.scroll_to(y=self.cursor, animate=False)
            elif self.cursor >= top + height:
                self.scroll_to(y=self.cursor - height + 1, animate=False)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.cursor = max(0, min(len(self.rows) - 1, self.cursor + by)) if self.rows else 0

    def action_page(self, by: int) -> None:
        """Move by a window."""
        self.action_move(by * max(1, self.scrollable_content_region.height - 2))

    def action_edge(self, end: int) -> None:
        """First or last row."""
        self.cursor = max(0, len(self.rows) - 1) if end else 0

    def action_pick(self) -> None:
        """Enter."""
        if self.rows:
            self.post_message(self.Picked(self, self.cursor))

    def action_mark(self) -> None:
        """Space."""
        if self.rows:
            self.post_message(self.Marked(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        """First click moves the cursor, a click on the cursor picks."""
        row = event.y - 1 + int(self.scroll_y)
        if event.y >= 1 and 0 <= row < len(self.rows):
            if row == self.cursor:
                self.action_pick()
            else:
                self.cursor = row

    def scroll_visible_row(self) -> Region:
        """Where the cursor's row is, in the widget's own coordinates."""
        return Region(0, self.cursor + 1 - int(self.scroll_y), self.size.width, 1)


def _cell(text: str, width: int, column: Column) -> str:
    length = cell_len(text)
    if length > width:
        # Cutting by cells from the end of a string of wide characters may fall one short; set_cell_size pads.
        head = (width - 1) // 3 if column.name else width - 1
        tail = text[len(text) - (width - 1 - head) :] if head < width - 1 else ""
        while cell_len(tail) > width - 1 - head:
            tail = tail[1:]
        return set_cell_size(set_cell_size(text, head) + "…" + tail, width)
    return " " * (width - length) + text if column.right else text + " " * (width - length)
