"""Step 1: what the case is, what is open, and what its keeper has to say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.text import clean
from mpk_tui.tui import wording
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.widgets.form import Field, Form
from mpk_tui.tui.widgets.table import Column, RowTable


class CaseScreen(StepScreen):
    """The case's own facts above, what is still open below."""

    NAME = "case"
    SCOPES = ("case_form", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("case_form")

    def body(self) -> Iterable[Widget]:
        """Facts and gaps."""
        with VerticalScroll(id="facts", classes="pane"):
            yield Static("", id="facts-text", classes="text")
        yield Static("Open before a signature (Enter goes there)", classes="section")
        yield RowTable(
            [Column("step", 11), Column("pair", 9), Column("what is missing")], empty="Nothing: g 9 signs.", id="start"
        )

    def show(self) -> None:
        """Facts and gaps."""
        session = self.session
        lines = [Content.assemble((f"{k:<12}", "bold"), clean(v, 600)) for k, v in session.facts()]
        self.query_one("#facts-text", Static).update(Content("\n").join(lines))
        self._gaps = session.gaps()
        self.query_one("#start", RowTable).show(
            [(g.step, g.pair, g.text if g.blocking else f"{g.text} (a reminder)") for g in self._gaps]
        )

    @on(RowTable.Picked)
    def _jump(self, event: RowTable.Picked) -> None:
        self.bench.jump(self._gaps[event.index])

    def _ask(self, title: str, fields: list[Field], act: Any, name: str) -> None:
        session = self.session
        if not self.bench.attempt(session.must_write):
            return

        def accept(values: dict[str, str]) -> str | None:
            if not any(v.strip() for v in values.values()):
                return "Nothing was typed."
            act(values)
            return None

        form = Form(title, fields, accept, drafts=session.drafts, name=name)
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)

    def action_edit(self) -> None:
        """Change the case's facts."""
        facts = self.session.editable()
        self._ask("The case", [Field(n, label, value=v) for n, label, v in facts], self.session.edit, "case")

    def action_note(self) -> None:
        """A note for the journal."""
        self._ask("Note", [Field("text", "Note", "lines")], lambda v: self.session.note(v["text"].strip()), "note")

    def action_custody(self) -> None:
        """A custody statement."""
        self._ask(
            "Custody statement: who asserts it is you",
            [
                Field("act", "What happened", "choice", options=wording.CUSTODY),
                Field("text", "Statement (seal number, from whom to whom, how it is write-protected …)", "lines"),
            ],
            lambda v: self.session.custody(v["act"], v["text"].strip()),
            "custody",
        )
