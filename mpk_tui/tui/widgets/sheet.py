"""A long table that can be sorted and filtered while keys are still heard: rows, a filter line, a line of counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any, overload

from textual import on
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from mpk_tui.text import clean
from mpk_tui.tui import arrange
from mpk_tui.tui.arrange import Arrangement
from mpk_tui.tui.glyphs import glyph
from mpk_tui.tui.safe import shown
from mpk_tui.tui.tables import Table
from mpk_tui.tui.widgets.table import Column, RowTable

AT_ONCE = 2000
"""Rows that are arranged between two keys; more of them in slices."""
SLICE = 0.01
"""Seconds of arranging before keys are looked at again."""


class Ordered(Sequence[Sequence[Any]]):
    """Some rows of a table, in another order; nothing is copied."""

    def __init__(self, values: Sequence[Sequence[Any]], order: Sequence[int]) -> None:
        self._values, self._order = values, order

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, at: int) -> Sequence[Any]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Sequence[Any]]: ...
    def __getitem__(self, at: int | slice) -> Sequence[Any]:
        if isinstance(at, slice):
            return [self._values[i] for i in self._order[at]]
        return self._values[self._order[at]]


class Sheet(Vertical):
    """A table with its filter and its order.

    Args:
        id: As of any widget.
        rows: Id of the table within.
    """

    DEFAULT_CSS = """
    Sheet { height: 1fr; min-height: 4; }
    Sheet > .sheet--filter { display: none; height: 1; border: none; padding: 0 1; background: $boost; }
    Sheet > .sheet--count { height: auto; max-height: 3; padding: 0 1; color: $text-muted; }
    """

    class Picked(Message):
        """Enter on a row; its number is that of the table, whatever the order shown."""

        def __init__(self, sheet: Sheet, row: int) -> None:
            super().__init__()
            self.sheet, self.row = sheet, row

    class Left(Message):
        """The filter line was left by Enter: the rows want the focus."""

    def __init__(self, *, id: str | None = None, rows: str = "rows") -> None:
        super().__init__(id=id)
        self._rows = rows
        self._table: Table | None = None
        self._how = Arrangement()
        self._order: Sequence[int] = ()
        self._wanted = 0
        self._working = False
        self._fault = ""
        self._refused = ""

    def compose(self) -> Iterable[Widget]:
        """Filter line, rows, counts."""
        yield Input(placeholder="words and conditions: mlp state=different change>0.1", compact=True,
                    classes="sheet--filter")  # fmt: skip
        yield RowTable([Column("")], empty="No rows.", id=self._rows)
        yield Static("", classes="sheet--count")

    # -- what is shown ----------------------------------------------------------------------------------------------

    def show(self, table: Table, how: Arrangement, row: int = 0) -> None:
        """Show a table.

        Args:
            table: Its values are read where they are; nothing is copied.
            how: Order and filter to begin with; a filter that does not fit this table is dropped.
            row: The row of the table under the cursor, if it is shown at all.
        """
        self._table, self._order, self._wanted = table, range(len(table.values)), row
        how = replace(how, filter=arrange.sound(how.filter, table.columns)[0])
        self._fault = ""
        self._field.value = how.filter
        self._field.display = False
        self._arrange(how)

    @property
    def how(self) -> Arrangement:
        """Order and filter in force."""
        return self._how

    @property
    def row(self) -> int | None:
        """The row of the table under the cursor; None where nothing is shown."""
        at = self.rows.index
        return None if at is None or at >= len(self._order) else self._order[at]

    @property
    def rows(self) -> RowTable:
        """The rows."""
        return self.query_one(RowTable)

    @property
    def _field(self) -> Input:
        return self.query_one(Input)

    @property
    def busy(self) -> bool:
        """Whether an order is being worked out."""
        return self._working

    # -- what people do ---------------------------------------------------------------------------------------------

    def sort(self, by: int) -> None:
        """Sort by the next column; beyond the last one stands the order of the record."""
        if self._table is not None:
            places = len(self._table.columns) + 1
            column = (self._how.column + 1 + by) % places - 1
            self._keep_place()
            self._arrange(replace(self._how, column=column, falling=False))

    def flip(self) -> None:
        """The other end first."""
        self._keep_place()
        self._arrange(replace(self._how, falling=not self._how.falling))

    def ask_filter(self) -> None:
        """Open the filter line."""
        self._refused = ""
        self._field.display = True
        self._field.focus()

    def leave_filter(self) -> bool:
        """Close the filter line; the filter stays in force.  Whether it was open."""
        if not self._field.display:
            return False
        self._field.display = False
        # What could not be understood must not stand there as if it held.
        self._field.value, self._fault = self._how.filter, ""
        self._say()
        return True

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if self._table is None or (event.value == self._how.filter and not self._fault):
            return
        good, self._fault = arrange.sound(event.value, self._table.columns)
        if good == self._how.filter:
            self._say()
            return
        self._keep_place()
        self._arrange(replace(self._how, filter=good))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        fault, typed = self._fault, event.value
        self.leave_filter()
        self._refused = f"! not applied: {clean(typed, 80)} ({fault})" if fault else ""
        self._say()
        self.post_message(self.Left())

    @on(RowTable.Picked)
    def _picked(self, event: RowTable.Picked) -> None:
        event.stop()
        row = self.row
        if row is not None:
            self.post_message(self.Picked(self, row))

    @on(RowTable.Marked)
    def _marked(self, event: RowTable.Marked) -> None:
        event.stop()

    @on(RowTable.Moved)
    def _moved(self, event: RowTable.Moved) -> None:
        event.stop()
        self._say()

    # -- arranging --------------------------------------------------------------------------------------------------

    def _keep_place(self) -> None:
        row = self.row
        self._wanted = self._wanted if row is None else row

    def _arrange(self, how: Arrangement) -> None:
        assert self._table is not None
        self._how, self._refused = how, ""
        steps = arrange.arrange(self._table.values, self._table.columns, how)
        if len(self._table.values) <= AT_ONCE:
            self.workers.cancel_node(self)
            self._take(arrange.run(steps))
            return
        self._working = True
        if not self.rows.rows or self.rows.columns != self._heads():
            self._draw()
        self._say()
        self.run_worker(self._in_slices(steps), exclusive=True, group="arrange", exit_on_error=True)

    async def _in_slices(self, steps: Generator[None, None, list[int]]) -> None:
        begun = time.monotonic()
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                self._take(stop.value)
                return
            if time.monotonic() - begun > SLICE:
                # Not sleep(0): other tasks, timers and the painting of the screen get their turn as well.
                await asyncio.sleep(0.001)
                begun = time.monotonic()

    def _take(self, order: Sequence[int]) -> None:
        self._working = False
        self._order = order
        self._draw()
        self._say()

    def _heads(self) -> tuple[Column, ...]:
        assert self._table is not None
        columns = list(self._table.columns)
        at = self._how.column
        if 0 <= at < len(columns):
            arrow = glyph("down" if self._how.falling else "up")
            columns[at] = replace(columns[at], title=f"{columns[at].title}{arrow}")
        return tuple(columns)

    def _draw(self) -> None:
        assert self._table is not None
        rows = self.rows
        rows.show(Ordered(self._table.values, self._order), self._heads())
        try:
            # A range answers at once; a list of 100,000 in a millisecond.
            rows.cursor = self._order.index(self._wanted)
        except ValueError:
            rows.cursor = 0
        if rows.cursor == 0:
            rows.scroll_to(y=0, animate=False)

    def _say(self) -> None:
        table = self._table
        if table is None:
            return
        of, at = len(table.values), self.rows.index
        parts = [f"! {self._fault}"] if self._fault else [self._refused] if self._refused else []
        here = "" if at is None else f"row {at + 1:,} of "
        parts.append(f"{here}{len(self._order):,}{f' out of {of:,}' if self._how.filter else ''}")
        if 0 <= self._how.column < len(table.columns):
            way = "falling" if self._how.falling else "rising"
            parts.append(f"by {table.columns[self._how.column].title}, {way}")
        elif self._how.falling:
            parts.append("in the record's order, last first")
        if self._how.filter:
            parts.append(f"filter: {clean(self._how.filter, 80)}")
        if self._working:
            parts.append("working…")
        self.query_one(".sheet--count", Static).update(Content(shown(f" {glyph('dot')} ".join(parts), 600)))
