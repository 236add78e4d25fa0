"""Step 4: what the weights of a pair have in common, the sentence first and every number behind it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

from textual.widget import Widget
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from mpk_tui.tui import keys
from mpk_tui.tui.safe import plain
from mpk_tui.tui.screens.shows_comparison import ShowsComparison
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.session.looking import Key, Measured
from mpk_tui.tui.widgets.comparison import ComparisonView, Look


class Compare(ShowsComparison, StepScreen):
    """The comparison of the pair that is looked at, and how to make one."""

    NAME = "compare"
    SCOPES = ("compare", "comparison", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("compare")
    # The context pane says what the overview says; pictures and tables need its room.
    CSS = "Compare.-wide #context { display: none; }"
    AUTO_FOCUS: ClassVar[str | None] = ""
    _reading: tuple[Key, bool] | None = None

    def body(self) -> Iterable[Widget]:
        """How it stands with the comparison, then the comparison itself."""
        yield Static("", id="finding", classes="lead")
        yield ComparisonView()

    def show(self) -> None:
        """The record of this pair, or how to get one."""
        session, view = self.session, self.comparison
        measured = session.measured()
        to_read = session.reading()
        record = None if measured is None else measured.record
        if to_read is not None and self._reading != (to_read[0], record is None):
            self._reading = to_read[0], record is None
            self.run_worker(to_read[1], thread=True, exclusive=True, group="read", exit_on_error=False)
        finding = self.query_one("#finding", Static)
        finding.display, view.display = record is None, record is not None
        if measured is None or record is None:
            self._say_why(finding)
            return
        look = session.looks.setdefault(session.pair or "", Look())
        view.show(record, measured.tensors, look=look, notes=measured.notes)
        if self.focused is None or not self.focused.is_on_screen:
            self.call_after_refresh(view.focus_view)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What a thread read from the case's folder, if the pair is still the one that is looked at."""
        if event.worker.group != "read":
            return
        if event.state == WorkerState.SUCCESS and isinstance(event.worker.result, Measured):
            self.session.take_measured(event.worker.result)
            self.show()
            self._foot()
        elif event.state == WorkerState.ERROR:
            fault = f"the comparison could not be read ({type(event.worker.error).__name__}); please report"
            self.bench.say(fault, bad=True)

    def _say_why(self, finding: Static) -> None:
        session = self.session
        if session.pair is None:
            finding.update(
                plain(f"A comparison needs a pair: add a subject and a reference ({keys.way_to('artifacts')}).")
            )
            return
        job = self.bench.jobs.find("compare", session.pair)
        if job is not None and (job.live or job.error):
            finding.update(plain(f"Comparison: {job.line()}", 800))
        elif session.pair in session.faults:
            finding.update(plain(session.faults[session.pair], 800))
        elif session.pair in session.case.state.comparisons:
            finding.update(plain(f"{session.pair_name}: reading the comparison…"))
        else:
            start, stop = (keys.name_of("compare", row) for row in ("start", "cancel"))
            finding.update(plain(f"{session.pair_name}: not compared yet. {start} compares; {stop} stops."))

    def foot_scopes(self) -> tuple[str, ...]:
        """How to make a comparison until there is one; then how to look at it."""
        return ("comparison", "compare", "case") if self.comparison.display else self.SCOPES

    def foot_rows(self) -> list[keys.Key]:
        """What makes a comparison is named last where there is one."""
        rows, made = super().foot_rows(), self.comparison.display
        return sorted(rows, key=lambda k: made and k.scope == "compare" and k.id in ("start", "cancel"))

    def show_jobs(self) -> None:
        """Progress also stands where the result will be."""
        super().show_jobs()
        if self.bench.session is not None and self.query_one("#finding").display:
            self._say_why(self.query_one("#finding", Static))

    def flush(self) -> None:
        """Remember where each table and figure was left."""
        self.comparison.keep_place()

    def action_leave(self) -> None:
        """Out of the filter line; from the rows, back to the overview."""
        if self.comparison.ready and not self.comparison.leave_field():
            self.action_overview()

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
        self.begun()
        self.bench.start_job(
            "compare",
            pair,
            f"compare {pair}",
            work,
            lambda made: session.record_comparison(pair, made),
            session.paths_of(*pair.split(":")),
        )

    def action_pause(self) -> None:
        """Pause the comparison, or let it go on."""
        job = self.bench.jobs.find("compare", self.session.pair or "")
        if job is not None and job.live:
            self.bench.jobs.turn(job)
            self.bench.show_jobs()
        else:
            self.bench.say("No comparison is running.")

    def action_cancel(self) -> None:
        """Stop the comparison."""
        job = self.bench.jobs.find("compare", self.session.pair or "")
        if job is not None and job.live:
            self.bench.jobs.cancel(job)
            self.show_jobs()
        else:
            self.bench.say("No comparison is running.")

    def action_evidence(self) -> None:
        """Keep the whole comparison as an item of evidence."""
        self._keep(self.session.comparison_as_evidence)

    def action_row_evidence(self) -> None:
        """Keep the row, tensor or value under the cursor as an item of evidence."""
        place = self.comparison.place if self.comparison.display else None
        if place is None:
            whole = keys.name_of("compare", "evidence")
            self.bench.say(f"Nothing that can be cited is under the cursor; {whole} cites the whole comparison.")
            return
        self._keep(partial(self.session.place_as_evidence, place.part, place.locator, place.excerpt))

    def _keep(self, act: Any) -> None:
        said: list[str] = []
        if self.bench.attempt(lambda: said.append(act())):
            self.bench.say(said[0])
            self.bench.changed()
