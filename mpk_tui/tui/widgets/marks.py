"""A list in which rows are marked, as text: ``[x] 10.3 Chains of many hops``."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.message import Message

from mpk_tui.tui import keys
from mpk_tui.tui.widgets.at_once import act_at_once
from mpk_tui.tui.widgets.table import Column, RowTable


class Marks(RowTable):
    """Rows with marks; space goes through the marks of the row under the cursor.

    Args:
        options: Value and label of each row; values hold no blank and begin with no sign.
        states: Words of the marks; the first, empty one for none.
        value: As in `value`.
    """

    DEFAULT_CSS = """
    Marks { height: auto; min-height: 2; max-height: 5; }
    Marks:focus { max-height: 9; }
    """

    class Changed(Message):
        """Another mark was set by the person."""

        def __init__(self, marks: Marks) -> None:
            super().__init__()
            self.marks = marks

        @property
        def control(self) -> Marks:
            """The widget."""
            return self.marks

    def __init__(
        self, options: Sequence[tuple[str, str]], states: Sequence[str], value: str = "", *, id: str | None = None
    ) -> None:
        width = max(len(s) for s in states) + 2
        super().__init__(
            [Column("", width), Column(f"{keys.name_of('table', 'mark')} marks")],
            empty="Nothing to choose from.",
            id=id,
        )
        self.options = tuple(options)
        self._states = tuple(states)
        self._marked: dict[str, int] = {}
        self._read(value)

    def _read(self, value: str) -> None:
        known = {v for v, _ in self.options}
        self._marked = {}
        for word in value.split():
            state = len(word) - len(word.lstrip("-")) + 1
            if word.lstrip("-") in known and state < len(self._states):
                self._marked[word.lstrip("-")] = state

    @property
    def value(self) -> str:
        """Marked values in their order with blanks between; ``-`` before one with the second mark, and so on."""
        return " ".join("-" * (self._marked[v] - 1) + v for v, _ in self.options if self._marked.get(v))

    @value.setter
    def value(self, value: str) -> None:
        self._read(value)
        self._redraw()

    def with_mark(self, state: int) -> tuple[str, ...]:
        """Values that carry one of the marks, counted from 1."""
        return tuple(v for v, _ in self.options if self._marked.get(v) == state)

    def on_mount(self) -> None:
        """First picture."""
        self._redraw()

    def _redraw(self) -> None:
        width = max(len(s) for s in self._states)
        self.show([(f"[{self._states[self._marked.get(v, 0)]:<{width}}]", label) for v, label in self.options])

    async def on_key(self, event: events.Key) -> None:
        """Its own keys, in their turn."""
        await act_at_once(self, event)

    def action_mark(self) -> None:
        """The next mark for the row under the cursor."""
        if not self.options:
            return
        value = self.options[self.cursor][0]
        self._marked[value] = (self._marked.get(value, 0) + 1) % len(self._states)
        self._redraw()
        self.post_message(self.Changed(self))

    def action_pick(self) -> None:
        """Enter goes on, as in any field of a form."""
        self.screen.focus_next()
