"""Step 3: hashes and features of each artifact, made in the background, with bytes, rate and what is left."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from mpk_tui.text import hex_groups, size
from mpk_tui.tui import keys
from mpk_tui.tui.safe import plain, shown
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.widgets.table import Column, RowTable

if TYPE_CHECKING:
    from mpk_tui.fingerprint.record import Fingerprint


class FingerprintScreen(StepScreen):
    """All artifacts with the state of their fingerprints."""

    NAME = "fingerprint"
    SCOPES = ("fingerprint", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("fingerprint")

    def __init__(self) -> None:
        super().__init__()
        self._lines: dict[bytes, list[str]] = {}
        self._asked: set[str] = set()

    def body(self) -> Iterable[Widget]:
        """Artifacts above, the record of the one under the cursor below."""
        yield RowTable(
            [Column("id", 5), Column("label", 22), Column("state")],
            empty=f"No artifacts yet: {keys.way_to('artifacts')} adds some.",
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
        self._show_states()
        table = self.query_one("#start", RowTable)
        text = Content(_keys())
        if table.index is not None:
            here = self.session.artifacts[table.index].id
            made = self.session.at_hand(here)
            if made is not None:
                text = Content("\n".join(shown(x, 600) for x in [*self._kept_of(here), *self._about(made)]))
            elif here in self.session.faults:
                text = plain(self.session.faults[here], 600)
            elif self._has(here):
                text = Content("Reading its record…")
                self._read(here)
        self.query_one("#record-text", Static).update(text)

    def _show_states(self) -> None:
        rows = [(a.id, a.label, self._state(a.id)) for a in self.session.artifacts]
        self.query_one("#start", RowTable).show(rows)

    def _about(self, made: Fingerprint) -> list[str]:
        """A record in words, made once: some have 100,000 tensors."""
        if made.digest not in self._lines:
            total = sum(t.nbytes for t in made.tensors)
            self._lines[made.digest] = [
                f"{made.format} · {made.family} · {made.scope} · {made.parameters:,} parameters",
                f"{len(made.tensors)} tensors, {size(total)}; {len(made.files)} files; features: "
                f"{', '.join(sorted(made.features)) or 'none'}",
                f"tensor root  {hex_groups(made.root)}",
                f"fingerprint  {hex_groups(made.digest)}",
                *(f"Notice: {n}" for n in made.notices),
            ]
        return self._lines[made.digest]

    def _kept_of(self, artifact: str) -> list[str]:
        """What its journal entry says of an interrupted run."""
        entries = [e for e in self.session.entries if e.act == "hash_before" and e.params.get("id") == artifact]
        said = entries[-1].params.get("resumed") if entries else None
        return [f"Notice: {said}"] if said else []

    def _read(self, artifact: str) -> None:
        """Let a thread read a record: it may take a second, and keys must not wait for it."""
        digest = self.session.case.state.artifacts[artifact].fingerprint
        if digest not in self._asked:
            self._asked.add(digest)
            work = self.session.reading_fingerprint(artifact)
            self.run_worker(work, thread=True, group="read", exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What a thread read."""
        if event.worker.group == "read" and event.state == WorkerState.SUCCESS:
            self.session.take_fingerprint(*event.worker.result)  # type: ignore[misc]
            self.show()

    def show_jobs(self) -> None:
        """Progress in the table too."""
        super().show_jobs()
        if self.bench.session is not None:
            self._show_states()

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.show()

    def _start(self, artifact: str, *, afresh: bool = False) -> None:
        session, bench = self.session, self.bench
        if not bench.attempt(session.must_write):
            return

        self.begun()

        def finish(made: Any) -> None:
            said = session.record_fingerprint(artifact, made)
            if said:
                bench.say(f"{artifact}: {said}")

        bench.attempt(
            lambda: bench.start_job(
                "fingerprint",
                artifact,
                f"fingerprint {artifact}{' afresh' if afresh else ''}",
                session.fingerprinting(artifact, afresh=afresh),
                finish,
                session.paths_of(artifact),
            )
        )

    def _here(self) -> str:
        index = self.query_one("#start", RowTable).index
        return self.session.artifacts[index].id if index is not None else ""

    def action_start(self, afresh: bool = False) -> None:
        """Fingerprint the artifact under the cursor; an interrupted run goes on where it stopped."""
        artifact = self._here()
        if not artifact:
            self.bench.say(f"No artifacts yet: {keys.way_to('artifacts')} adds some.")
            return
        if self._has(artifact):
            self.bench.say(f"{artifact} is being fingerprinted anew; the journal keeps both.")
        self._start(artifact, afresh=afresh)

    def action_start_afresh(self) -> None:
        """Fingerprint it and read every file, whatever an interrupted run had finished."""
        self.action_start(afresh=True)

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

    def _with_job(self, act: Any) -> None:
        """Do something to the job of the artifact under the cursor, or to the one that runs."""
        live = [j for j in self.bench.jobs.live if j.what == "fingerprint"]
        here = self._here()
        job = next((j for j in live if j.subject == here), live[0] if live else None)
        if job is None:
            self.bench.say("No fingerprint is being made.")
            return
        act(job)
        self.bench.show_jobs()

    def action_pause(self) -> None:
        """Pause it, or let it go on."""
        self._with_job(self.bench.jobs.turn)

    def action_cancel(self) -> None:
        """Stop it."""
        self._with_job(self.bench.jobs.cancel)


def _keys() -> str:
    name = partial(keys.name_of, "fingerprint")
    return (
        f"{name('start')} fingerprints the artifact under the cursor, {name('start_all')} all that have none; "
        f"{name('pause')} pauses, {name('cancel')} stops. A run that was cut off goes on where it stopped, and says "
        f"which finished files it takes from then; {name('start_afresh')} reads every file again."
    )
