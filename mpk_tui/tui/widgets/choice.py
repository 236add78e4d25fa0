"""One of a few values, shown as text: ``(o) met  ( ) not met``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from mpk_tui.tui import keys
from mpk_tui.tui.widgets.at_once import act_at_once


class Choice(Widget, can_focus=True):
    """A row of options; arrows or space move the mark."""

    DEFAULT_CSS = """
    Choice { height: auto; width: 1fr; }
    Choice:focus { text-style: bold; background: $boost; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("choice")]
    value: reactive[str] = reactive("", layout=True)

    class Changed(Message):
        """Another option was chosen by the person."""

        def __init__(self, choice: Choice, value: str) -> None:
            super().__init__()
            self.choice, self.value = choice, value

        @property
        def control(self) -> Choice:
            """The widget."""
            return self.choice

    def __init__(
        self,
        options: Sequence[tuple[str, str]],
        value: str = "",
        *,
        id: str | None = None,
        focusable: bool = True,
    ) -> None:
        super().__init__(id=id)
        self.options = tuple(options)
        self.can_focus = focusable
        self.set_reactive(Choice.value, value)

    def _parts(self) -> list[tuple[str, str]]:
        return [(v, f"({'o' if v == self.value else ' '}) {label}") for v, label in self.options]

    def _lines(self, width: int) -> list[list[tuple[str, str]]]:
        """Options over as many lines as the width needs."""
        lines: list[list[tuple[str, str]]] = [[]]
        used = 0
        for value, text in self._parts():
            need = cell_len(text) + 3
            if lines[-1] and used + need - 3 > width:
                lines.append([])
                used = 0
            lines[-1].append((value, text))
            used += need
        return lines

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """Lines at a width."""
        return len(self._lines(width))

    def render(self) -> Content:
        """The options; the chosen one is bold and carries an o, and is reversed while the field has the focus."""
        lines = []
        chosen = "bold reverse" if self.has_focus else "bold"  # seen without colour too
        for line in self._lines(self.size.width or 80):
            parts = [Content.styled(t, chosen) if v == self.value else Content(t) for v, t in line]
            lines.append(Content("   ").join(parts))
        return Content("\n").join(lines)

    def action_turn(self, by: int) -> None:
        """Next or previous option."""
        values = [v for v, _ in self.options]
        at = values.index(self.value) if self.value in values else -1 if by > 0 else 0
        self._choose(values[(at + by) % len(values)])

    async def on_key(self, event: events.Key) -> None:
        """Its own keys, in their turn."""
        await act_at_once(self, event)

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked."""
        lines = self._lines(self.size.width or 80)
        if 0 <= event.y < len(lines):
            x = 0
            for value, text in lines[event.y]:
                if x <= event.x < x + cell_len(text):
                    self._choose(value)
                x += cell_len(text) + 3

    def _choose(self, value: str) -> None:
        if value != self.value:
            self.value = value
            self.post_message(self.Changed(self, value))
