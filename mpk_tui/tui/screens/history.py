"""Who did what, when: the journal, newest first, and undo and redo as records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from mpk_tui.case.journal import Entry
from mpk_tui.text import hex_groups
from mpk_tui.tui import keys, wording
from mpk_tui.tui.safe import shown
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.widgets.form import Page
from mpk_tui.tui.widgets.table import Column, RowTable


class History(StepScreen):
    """The entries of the journal."""

    NAME = "history"
    SCOPES = ("history", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("history")

    def __init__(self) -> None:
        super().__init__()
        self._shown: list[Entry] = []

    def body(self) -> Iterable[Widget]:
        """Head, filter and table."""
        yield Static("", id="chain", classes="text")
        yield Input(
            placeholder=f"words of act, person or text; {keys.name_of('everywhere', 'leave')} goes back to the list",
            id="filter",
            compact=True,
        )
        yield RowTable(_columns(frozenset()), empty="No entry has these words.", id="start")

    def show(self) -> None:
        """Entries, newest first."""
        session = self.session
        entries = session.entries
        field = self.query_one("#filter", Input)
        words = field.value.lower().split()
        field.display = bool(words) or field.has_focus
        undone = session.undone
        self._shown = list(reversed(entries))
        if words:
            self._shown = [e for e in self._shown if _has(e, words, undone)]
        count = f"{len(self._shown)} of {len(entries)}" if words else str(len(entries))
        back, again = session.could_undo(), session.could_redo()
        leave = keys.name_of("everywhere", "leave")
        parts = [f"{count} entries{f' ({leave} shows all)' if words else ''}"]
        if session.read_only:
            parts.append("open for reading only: nothing can be taken back")
            again = ""
        else:
            parts.append(f"{keys.name_of('case', 'undo')} takes back {back}" if back else "nothing to take back")
        if again:
            parts.append(f"{keys.name_of('case', 'redo')} restores {again}")
        self.query_one("#chain", Static).update(Content("\n".join(shown(p, 150) for p in parts)))
        # A cell is the entry itself, put into words when it comes into view: a case may have ten thousand.
        columns = _columns(undone)
        self.query_one("#start", RowTable).show([(e,) * len(columns) for e in self._shown], columns)

    def action_filter(self) -> None:
        """Into the filter field."""
        field = self.query_one("#filter", Input)
        field.display = True
        self.set_focus(field)

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self.query_one("#start", RowTable).cursor = 0
        self.show()

    @on(Input.Submitted, "#filter")
    def _leave_filter(self) -> None:
        self.set_focus(self.query_one("#start"))
        self.show()

    def action_leave(self) -> None:
        """From the field to the list; from the list, the filter is given up."""
        field = self.query_one("#filter", Input)
        if not field.has_focus:
            field.value = ""
        super().action_leave()
        self.show()

    @on(RowTable.Picked)
    def _picked(self, event: RowTable.Picked) -> None:
        self.action_details()

    def action_details(self) -> None:
        """The whole record."""
        at = self.query_one("#start", RowTable).index
        if at is None:
            return
        entry = self._shown[at]
        lines = [Content.assemble((f"{k}: ", "bold"), shown(v, 4000)) for k, v in wording.entry_fields(entry)]
        if entry.seq in self.session.undone:
            lines.insert(0, Content.styled("This was taken back; the journal keeps it.", "bold"))
        self.bench.push_screen(Page(f"Entry {entry.seq}", Content("\n").join(lines)))

    def action_export(self) -> None:
        """How to take the journal elsewhere."""
        root = self.session.case.root
        lines = [
            f"Journal     {root / 'journal.mpkj'}",
            f"Entries     {len(self.session.entries)}",
            f"Chain head  {hex_groups(self.session.case.head)}",
            "",
            f"mpk-tui case log {root}          all of it as text",
            f"mpk-tui case log {root} --json   the same for programs",
            "Every bundle of the case carries the journal whole, as section log; its signature covers each entry.",
        ]
        self.bench.push_screen(Page("The journal elsewhere", Content("\n".join(shown(x, 600) for x in lines))))


def _columns(undone: frozenset[int]) -> tuple[Column, ...]:
    return (
        Column("seq", 5, right=True, show=lambda e: str(e.seq)),
        Column("when (UTC)", 19, show=lambda e: wording.utc(e.at)),
        Column("who", 12, show=_who),
        Column("act", 14, show=lambda e: str(e.act)),
        Column("what", show=lambda e: wording.entry_line(e, undone)),
    )


def _has(entry: Entry, words: list[str], undone: frozenset[int]) -> bool:
    text = f"{entry.act} {entry.who} {entry.role} {wording.entry_line(entry, undone)}".lower()
    return all(w in text for w in words)


def _who(entry: Entry) -> str:
    return entry.who if entry.role == "analyst" else f"{entry.who} ({entry.role})"
