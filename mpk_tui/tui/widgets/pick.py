"""A dialog that asks for one of a few things: by its letter, or by cursor and Enter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from mpk_tui.tui import keys
from mpk_tui.tui.safe import plain, prose
from mpk_tui.tui.widgets.table import Column, RowTable


@dataclass(frozen=True)
class Option:
    """One thing to choose: its letter, its value, what it is called and what it is for."""

    letter: str
    value: str
    label: str
    about: str = ""


class Pick(ModalScreen[str | None]):
    """Closes with the value that was chosen, or None.

    Args:
        title: Our words.
        options: At least one.
        note: A paragraph above; may hold untrusted text.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("pick")]
    SCOPES: ClassVar[tuple[str, ...]] = ("pick",)
    AUTO_FOCUS: ClassVar[str | None] = "#start"

    def __init__(self, title: str = "", options: Sequence[Option] = (), note: str = "") -> None:
        super().__init__()
        self._title, self._options, self._note = title, tuple(options), note

    def compose(self) -> ComposeResult:
        """Title, list, keys."""
        with Vertical(id="form"):
            yield Static(plain(self._title, style="bold"), id="form-title")
            if self._note:
                yield Static(prose(self._note), id="form-note")
            width = max((len(o.label) for o in self._options), default=8)
            yield RowTable([Column("", 2), Column("", width), Column("")], id="start")
            close, choose = keys.name_of("pick", "close"), keys.name_of("table", "pick")
            yield Static(
                Content.assemble((f"letter or {choose}", "bold"), " chooses   ", (close, "bold"), " closes"),
                id="form-keys",
            )

    def on_mount(self) -> None:
        """The rows."""
        table = self.query_one("#start", RowTable)
        table.styles.height = len(self._options) + 1
        table.show([(o.letter, o.label, o.about) for o in self._options])

    def on_key(self, event: events.Key) -> None:
        """A letter chooses."""
        found = next((o for o in self._options if o.letter == event.character), None)
        if found is not None:
            event.stop()
            self.dismiss(found.value)

    @on(RowTable.Picked)
    def _picked(self, event: RowTable.Picked) -> None:
        self.dismiss(self._options[event.index].value)

    def action_close(self) -> None:
        """Choose nothing."""
        self.dismiss(None)
