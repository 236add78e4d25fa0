"""Jobs: everything that runs, waits or ended in this run of the program, from anywhere by one key."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.text import size
from mpk_tui.tui import keys
from mpk_tui.tui.jobs import PAUSED, Job, remaining, share
from mpk_tui.tui.safe import shown
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.widgets.table import Column, RowTable

PLACE_OF = {"intake": "artifacts", "rehash": "artifacts", "sign": "review", "endorse": "verify", "report": "verify"}
"""Where a kind of job is started, if the screen is not called as the job."""


class JobsScreen(StepScreen):
    """The list, and the job under the cursor in full."""

    NAME = "jobs"
    SCOPES = ("jobs",)
    BINDINGS: ClassVar[list[Any]] = keys.bindings("jobs")

    def body(self) -> Iterable[Widget]:
        """Jobs above, the one under the cursor below."""
        yield RowTable(
            [
                Column("job", 3, right=True), Column("what"), Column("state", 8), Column("done", 20, right=True),
                Column("rate", 11, right=True), Column("left", 11, right=True),
            ],
            empty="No job was started. Fingerprints, comparisons and verifications show here.",
            id="start",
        )  # fmt: skip
        with VerticalScroll(id="detail", classes="below"):
            yield Static("", id="detail-text")

    def _here(self) -> Job | None:
        index = self.query_one("#start", RowTable).index
        rows = list(self.bench.jobs.all.values())
        return rows[index] if index is not None and index < len(rows) else None

    def show(self) -> None:
        """All jobs, oldest first."""
        self.query_one("#start", RowTable).show([_row(job) for job in self.bench.jobs.all.values()])
        job = self._here()
        text = Content("" if job is None else "\n".join(shown(line, 1200) for line in self._about(job)))
        self.query_one("#detail-text", Static).update(text)

    def _about(self, job: Job) -> list[str]:
        out = [f"Job {job.number}, {job.title}: {job.line()}"]
        if job.live and job.progress is not None and job.progress.item:
            out.append(f"At: {job.progress.item}")
        out.append(f"Of the case in {Path(job.root).absolute()}" if job.root else "Of no case")
        return out

    def show_jobs(self) -> None:
        """The list instead of the lines that other screens have."""
        self.query_one("#jobs", Static).display = False
        self.show()

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.show()

    @on(RowTable.Picked)
    def _picked(self) -> None:
        self.action_to()

    # -- keys -------------------------------------------------------------------------------------------------------

    def action_pause(self) -> None:
        """Pause the job under the cursor, or let it go on."""
        job = self._here()
        if job is None or not job.live:
            self.bench.say("It is over; there is nothing to pause." if job else "There is no job.")
            return
        self.bench.jobs.turn(job)
        self.bench.show_jobs()

    def action_cancel(self) -> None:
        """Stop the job under the cursor."""
        job = self._here()
        if job is None or not job.live:
            self.bench.say("It is over; there is nothing to stop." if job else "There is no job.")
            return
        self.bench.jobs.cancel(job)
        self.bench.show_jobs()

    def action_pause_all(self) -> None:
        """Pause all, or resume all."""
        if not self.bench.jobs.live:
            self.bench.say("Nothing runs.")
            return
        paused = self.bench.jobs.turn_all()
        self.bench.say("All jobs are paused." if paused else "All jobs go on, as their turn comes.")
        self.bench.show_jobs()

    def action_cancel_all(self) -> None:
        """Stop all."""
        asked = self.bench.jobs.cancel_all()
        count = f"{len(asked)} {'job is' if len(asked) == 1 else 'jobs are'} being stopped."
        self.bench.say(count if asked else "Nothing runs.")
        self.bench.show_jobs()

    def action_clear(self) -> None:
        """Take the jobs that are over off the list."""
        self.bench.jobs.clear()
        self.show()

    def action_to(self) -> None:
        """To the screen where the job was started."""
        job = self._here()
        if job is not None:
            self.bench.go(PLACE_OF.get(job.what, job.what))

    def action_leave(self) -> None:
        """Back to where one came from."""
        self.bench.go_back()


def _row(job: Job) -> tuple[str, ...]:
    p = job.progress
    rate = left = ""
    if job.live and job.state != PAUSED and p is not None:
        rate = f"{size(int(p.rate))}/s" if p.unit == "bytes" else ""
        left = remaining(p)
    return str(job.number), job.title, job.word, share(p) if p is not None else "", rate, left
