"""Step 4: what the weights of a pair have in common, the sentence first and every number behind it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.text import clean
from mpk_tui.tui.safe import plain
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.tables import Table, tables
from mpk_tui.tui.widgets.form import Page
from mpk_tui.tui.widgets.table import Column, RowTable


class Compare(StepScreen):
    """Finding, tables, limits of the pair that is looked at."""

    NAME = "compare"
    SCOPES = ("compare", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("compare")

    def body(self) -> Iterable[Widget]:
        """Sentence, table, limits."""
        yield Static("", id="finding", classes="lead")
        yield Static("", id="sides", classes="text")
        yield Static("", id="table-title", classes="section")
        yield RowTable([Column("")], empty="No rows.", id="start")
        with VerticalScroll(id="limits", classes="below"):
            yield Static("", id="limits-text")

    def _tables(self) -> list[Table]:
        record = self.session.comparison
        return tables(record) if record is not None else []

    def _at(self, all_tables: list[Table]) -> int:
        """The table shown: the one looked at last, at first the first that has rows."""
        with_rows = next((i for i, t in enumerate(all_tables) if t.rows), 0)
        return self.session.at.get(f"table/{self.session.pair}", with_rows)

    def show(self) -> None:
        """The record of this pair, or how to get one."""
        session = self.session
        record = session.comparison
        finding = self.query_one("#finding", Static)
        has = record is not None
        for name in ("sides", "table-title", "start", "limits"):
            self.query_one(f"#{name}").display = has
        if record is None:
            self._say_why(finding)
            return
        finding.update(plain(f"{record['finding']}: {record['sentence']}", 1200))
        self.query_one("#sides", Static).update(Content("\n".join(_side(n, record[n]) for n in ("a", "b"))))
        all_tables = self._tables()
        at = self._at(all_tables)
        table = all_tables[at]
        self.query_one("#table-title", Static).update(plain(f"{at + 1}/{len(all_tables)} {table.title}", 600))
        self.query_one("#start", RowTable).show(table.rows, table.columns)
        lines = [table.about, *(f"Limit: {x}" for x in record["limits"]), *(f"Notice: {x}" for x in record["notices"])]
        self.query_one("#limits-text", Static).update(Content("\n".join(clean(x, 1200) for x in lines)))

    def _say_why(self, finding: Static) -> None:
        session = self.session
        if session.pair is None:
            finding.update(Content("A comparison needs a pair: add a subject and a reference (g 2)."))
            return
        job = self.bench.jobs.find("compare", session.pair)
        if job is not None and (job.live or job.error):
            finding.update(plain(f"Comparison: {job.line()}", 800))
        elif session.pair in session.faults:
            finding.update(plain(session.faults[session.pair], 800))
        else:
            finding.update(plain(f"{session.pair_name}: not compared yet. c compares; x stops."))

    def show_jobs(self) -> None:
        """Progress also stands where the result will be."""
        super().show_jobs()
        if self.bench.session is not None and self.session.comparison is None:
            self._say_why(self.query_one("#finding", Static))

    def action_start(self) -> None:
        """Compare this pair in a thread."""
        session = self.session
        pair = session.pair
        if pair is None:
            self.bench.say("A comparison needs a pair.")
            return
        if not self.bench.attempt(session.must_write):
            return
        work = session.comparing(pair)
        self.bench.start_job("compare", pair, f"compare {pair}", work, lambda r: session.record_comparison(pair, r))

    def action_cancel(self) -> None:
        """Stop the comparison."""
        job = self.bench.jobs.find("compare", self.session.pair or "")
        if job is not None and job.live:
            self.bench.jobs.cancel(job)
            self.show_jobs()
        else:
            self.bench.say("No comparison is running.")

    def action_test(self) -> None:
        """The next table."""
        all_tables = self._tables()
        if not all_tables:
            return
        self.session.at[f"table/{self.session.pair}"] = (self._at(all_tables) + 1) % len(all_tables)
        self.query_one("#start", RowTable).cursor = 0
        self.show()

    def action_evidence(self) -> None:
        """Keep this comparison as an item of evidence."""
        said: list[str] = []
        if self.bench.attempt(lambda: said.append(self.session.comparison_as_evidence())):
            self.bench.say(said[0])
            self.bench.changed()

    @on(RowTable.Picked)
    def _row(self, event: RowTable.Picked) -> None:
        """A row in full: names are long and windows are narrow."""
        record = self.session.comparison
        if record is None:
            return
        all_tables = self._tables()
        table = all_tables[self._at(all_tables)]
        parts = []
        for column, cell in zip(table.columns, table.rows[event.index], strict=True):
            parts.append(Content.assemble((f"{column.title}: ", "bold"), clean(cell, 4000)))
        self.bench.push_screen(Page(clean(table.title, 70), Content("\n").join(parts)))


def _side(name: str, side: dict[str, Any]) -> str:
    return clean(
        f"{name.upper()}: {clean(side['label'], 24)} · {side['kind']} · {side['family']} · "
        f"{side['parameters']:,} parameters · root {side['root'][:8]}…",
        200,
    )
