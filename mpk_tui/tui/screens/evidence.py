"""Step 5: what speaks for or against each question, and of which kind it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
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


class EvidenceScreen(StepScreen):
    """Items of evidence of the pair that is looked at."""

    NAME = "evidence"
    SCOPES = ("evidence", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("evidence")

    def body(self) -> Iterable[Widget]:
        """Items above, the one under the cursor below."""
        yield RowTable(
            [Column("id", 5), Column("kind", 8), Column("supports", 14), Column("opposes", 10), Column("source")],
            empty="None yet. a adds an item, b takes the comparison of this pair.",
            id="start",
        )
        with VerticalScroll(id="detail", classes="below"):
            yield Static("", id="detail-text")

    def show(self) -> None:
        """Rows and details."""
        items = self.session.evidence
        table = self.query_one("#start", RowTable)
        table.show([(e.id, wording.kind(e.kind), ", ".join(e.supports), ", ".join(e.opposes), e.source) for e in items])
        if table.index is None:
            text = "\n".join(wording.evidence_rules(self.session.norm))
        else:
            text = "\n".join(wording.evidence_lines(items[table.index]))
        self.query_one("#detail-text", Static).update(Content("\n".join(clean(x, 4000) for x in text.split("\n"))))

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.show()

    def action_add(self) -> None:
        """Ask for one item."""
        session = self.session
        if session.pair is None:
            self.bench.say("Evidence belongs to a pair: add a subject and a reference first (g 2).")
            return
        if not self.bench.attempt(session.must_write):
            return

        def accept(values: dict[str, str]) -> str | None:
            supports, opposes = values["supports"].split(), values["opposes"].split()
            known = session.question_ids
            strange = [q for q in (*supports, *opposes) if q.lower() not in known]
            if strange:
                return f"{strange[0]!r} is no question; write c1…c5, 3.1…3.9 or 4.1…4.8, with blanks between."
            if not values["source"].strip():
                return "Say where it comes from: a document, a page, a paper, a person."
            file = Path(values["file"].strip()).expanduser() if values["file"].strip() else None
            session.add_evidence(
                kind=values["kind"],
                source=values["source"].strip(),
                supports=tuple(q.lower() for q in supports),
                opposes=tuple(q.lower() for q in opposes),
                locator=values["locator"].strip(),
                excerpt=values["excerpt"].strip(),
                file=file,
            )
            return None

        form = Form(
            f"Evidence for {session.pair_name}",
            [
                Field("kind", "Kind", "choice", options=wording.KINDS),
                Field("source", "Source (document, page, paper, person)"),
                Field("supports", "Speaks for (e.g. c1 3.2)"),
                Field("opposes", "Speaks against (e.g. c2)"),
                Field("locator", "Where in it (page, section, line)"),
                Field("excerpt", "Excerpt, word for word", "lines"),
                Field("file", "File to keep in the case; kind (b) needs one", hint="path; it is copied and hashed"),
            ],
            accept,
            button="add",
            drafts=session.drafts,
            name=f"evidence/{session.pair}",
        )
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)

    def action_comparison(self) -> None:
        """The comparison becomes an item of kind (b)."""
        said: list[str] = []
        if self.bench.attempt(lambda: said.append(self.session.comparison_as_evidence())):
            self.bench.say(said[0])
            self.bench.changed()

    def action_remove(self) -> None:
        """Take the item under the cursor back; z restores it."""
        table = self.query_one("#start", RowTable)
        if table.index is None:
            return
        item = self.session.evidence[table.index].id
        if self.bench.attempt(lambda: self.session.remove_evidence(item)):
            self.bench.say(f"{item} was taken back; z restores it.")
            self.bench.changed()
