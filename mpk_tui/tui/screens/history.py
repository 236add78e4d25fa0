"""Who did what, when: the journal, newest first, and undo and redo as records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.text import clean
from mpk_tui.tui import wording
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.widgets.form import Page
from mpk_tui.tui.widgets.table import Column, RowTable


class History(StepScreen):
    """The entries of the journal."""

    NAME = "history"
    SCOPES = ("history", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("history")

    def body(self) -> Iterable[Widget]:
        """Head and table."""
        yield Static("", id="chain", classes="text")
        yield RowTable(
            [
                Column("seq", 5, right=True),
                Column("when (UTC)", 19),
                Column("who", 12),
                Column("act", 14),
                Column("what"),
            ],
            id="start",
        )

    def show(self) -> None:
        """Entries, newest first."""
        session = self.session
        entries = session.entries
        self.query_one("#chain", Static).update(Content(f"{len(entries)} entries · z takes back, y restores"))
        self.query_one("#start", RowTable).show(
            [
                (str(e.seq), wording.utc(e.at), e.who, e.act, wording.entry_line(e, session.undone))
                for e in reversed(entries)
            ]
        )

    @on(RowTable.Picked)
    def _picked(self, event: RowTable.Picked) -> None:
        self.action_details()

    def action_details(self) -> None:
        """The whole record."""
        table = self.query_one("#start", RowTable)
        if table.index is None:
            return
        entry = self.session.entries[len(self.session.entries) - 1 - table.index]
        lines = [Content.assemble((f"{k}: ", "bold"), clean(v, 4000)) for k, v in wording.entry_fields(entry)]
        self.bench.push_screen(Page(f"Entry {entry.seq}", Content("\n").join(lines)))
