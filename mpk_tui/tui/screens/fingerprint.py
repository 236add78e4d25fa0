"""Step 3: hashes and features of each artifact, made in a thread, with bytes, rate and what is left."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.text import clean, hex_groups, size
from mpk_tui.tui.safe import plain
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.widgets.table import Column, RowTable


class FingerprintScreen(StepScreen):
    """All artifacts with the state of their fingerprints."""

    NAME = "fingerprint"
    SCOPES = ("fingerprint", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("fingerprint")

    def body(self) -> Iterable[Widget]:
        """Artifacts above, the record of the one under the cursor below."""
        yield RowTable(
            [Column("id", 5), Column("label", 22), Column("state")],
            empty="No artifacts yet: g 2 adds some.",
            id="start",
        )
        with VerticalScroll(id="record", classes="below"):
            yield Static("", id="record-text")

    def _state(self, artifact: str) -> str:
        job = self.bench.jobs.find("fingerprint", artifact)
        if job is not None and job.live:
            return job.line()
        if self._has(artifact):
            return "done"
        if job is not None and job.state != "done":
            return job.line()
        return "not yet"

    def _has(self, artifact: str) -> bool:
        return bool(self.session.case.state.artifacts[artifact].fingerprint)

    def show(self) -> None:
        """States and the record under the cursor."""
        artifacts = self.session.artifacts
        table = self.query_one("#start", RowTable)
        table.show([(a.id, a.label, self._state(a.id)) for a in artifacts])
        text = Content("f fingerprints the artifact under the cursor, A all that have none, x stops.")
        if table.index is not None:
            here = artifacts[table.index].id
            made = self.session.fingerprint(here)
            if made is None and here in self.session.faults:
                text = plain(self.session.faults[here], 600)
            if made is not None:
                total = sum(t.nbytes for t in made.tensors)
                lines = [
                    f"{made.format} · {made.family} · {made.scope} · {made.parameters:,} parameters",
                    f"{len(made.tensors)} tensors, {size(total)}; {len(made.files)} files; features: "
                    f"{', '.join(sorted(made.features)) or 'none'}",
                    f"tensor root  {hex_groups(made.root)}",
                    f"fingerprint  {hex_groups(made.digest)}",
                    *(f"Notice: {n}" for n in made.notices),
                ]
                text = Content("\n".join(clean(x, 600) for x in lines))
        self.query_one("#record-text", Static).update(text)

    def show_jobs(self) -> None:
        """Progress in the table too."""
        super().show_jobs()
        if self.bench.session is not None:
            self.show()

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.show()

    def _start(self, artifact: str) -> None:
        session = self.session
        if not self.bench.attempt(session.must_write):
            return
        self.bench.start_job(
            "fingerprint",
            artifact,
            f"fingerprint {artifact}",
            session.fingerprinting(artifact),
            lambda made: session.record_fingerprint(artifact, made),
        )

    def action_start(self) -> None:
        """Fingerprint the artifact under the cursor."""
        table = self.query_one("#start", RowTable)
        if table.index is None:
            self.bench.say("No artifacts yet: g 2 adds some.")
            return
        artifact = self.session.artifacts[table.index].id
        if self._has(artifact):
            self.bench.say(f"{artifact} is being fingerprinted anew; the journal keeps both.")
        self._start(artifact)

    @on(RowTable.Picked)
    def _picked(self) -> None:
        self.action_start()

    def action_start_all(self) -> None:
        """Fingerprint what has none."""
        todo = [a.id for a in self.session.artifacts if not a.fingerprint]
        for artifact in todo:
            self._start(artifact)
        if not todo:
            self.bench.say("Every artifact has a fingerprint.")

    def action_cancel(self) -> None:
        """Stop the job of the artifact under the cursor, or the one that runs."""
        live = [j for j in self.bench.jobs.live if j.what == "fingerprint"]
        table = self.query_one("#start", RowTable)
        here = self.session.artifacts[table.index].id if table.index is not None else ""
        job = next((j for j in live if j.subject == here), live[0] if live else None)
        if job is None:
            self.bench.say("No fingerprint is being made.")
            return
        self.bench.jobs.cancel(job)
        self.show_jobs()
