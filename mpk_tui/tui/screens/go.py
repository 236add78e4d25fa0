"""The Go overlay: one key from anywhere to anywhere."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from mpk_tui.tui import keys


class Go(ModalScreen[str | None]):
    """Wait for the digit or letter of a place; ``q`` quits, for lines on which no control key arrives."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,g", "dismiss(None)", show=False),
        Binding("q", "quit", show=False),
        *(Binding(p.digit, f"place('{p.name}')", show=False) for p in keys.PLACES),
    ]

    def compose(self) -> ComposeResult:
        """The list of places."""
        lines = [Content.assemble((p.digit, "bold"), f"  {p.title}") for p in keys.PLACES]
        lines.append(Content.assemble(("q", "bold"), "  Quit          ", ("Esc", "bold"), "  close this"))
        yield Static(Content("\n").join([Content.styled("Go to", "bold"), *lines]), id="go")

    def action_place(self, name: str) -> None:
        """Go there."""
        self.dismiss(name)

    async def action_quit(self) -> None:
        """Close the workbench."""
        self.dismiss(None)
        await self.app.run_action("leave_app")

    def on_click(self, event: events.Click) -> None:
        """A click beside the list closes it."""
        if event.widget is self:
            self.dismiss(None)
