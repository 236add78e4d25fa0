"""A model held against a library: what it is related to, why not to others, as a tree; relatives into the open case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.checkpoint.opening import Opening
from mpk_tui.errors import UsageError
from mpk_tui.fingerprint.record import SUFFIX
from mpk_tui.library.scan_apart import Asked, reference_file, scan_apart
from mpk_tui.library.shelf import default_folder
from mpk_tui.tui import keys, scanning
from mpk_tui.tui.jobs import Job
from mpk_tui.tui.safe import plain, shown
from mpk_tui.tui.scanning import BESIDES, COLUMNS, NEAR, RELATIVES, TREE, VIEWS, Row
from mpk_tui.tui.screens.aside import aside
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.widgets.form import Field, Form, Page
from mpk_tui.tui.widgets.table import RowTable

KEPT = "scan"
_EMPTY = {
    RELATIVES: "No relative was found. That does not say that there is none: see the limits under the view besides.",
    NEAR: "No near miss is told.", TREE: "Nothing to draw.", BESIDES: "Nothing besides.",
}  # fmt: skip


@dataclass
class Desk:
    """What stays while another screen is shown.

    Attributes:
        asked: What was asked for last.
        artifact: Id of the artifact of the case that it is, or empty.
        root: Folder of that case.
        record: The newest scan.
        job: The newest job.
        view: The view.
        at: Where each view was left.
    """

    asked: Asked | None = None
    artifact: str = ""
    root: str = ""
    record: Mapping[str, Any] | None = None
    job: Job | None = None
    view: str = RELATIVES
    at: dict[str, int] = field(default_factory=dict)


class Scan(StepScreen):
    """Scans.

    Args:
        artifact: Scan this artifact of the open case at once.
        library: Ask for a model to be held against this library.
    """

    NAME = "scan"
    SCOPES = ("scan",)
    BINDINGS: ClassVar[list[Any]] = keys.bindings("scan")
    # The context pane speaks of the pair that is looked at; the table needs its room.
    CSS = "Scan.-wide #context { display: none; }"

    def __init__(self, artifact: str = "", library: Path | None = None) -> None:
        super().__init__()
        self._artifact, self._library = artifact, library
        self._rows: list[Row] = []

    @property
    def desk(self) -> Desk:
        """What is kept between two visits."""
        made = self.bench.kept.get(KEPT)
        if not isinstance(made, Desk):
            made = self.bench.kept[KEPT] = Desk()
        return made

    def body(self) -> Iterable[Widget]:
        """The answer, a table, what it says of the row under the cursor."""
        yield Static("", id="answer-text", classes="lead")
        yield Static("", id="view", classes="text")
        yield RowTable(COLUMNS[RELATIVES], empty="Nothing was scanned yet.", id="start")
        yield Static("", id="one", classes="below")

    def opened(self) -> None:
        """Begin with what the screen was opened for."""
        if self._artifact:
            self.begin_artifact(self._artifact)
        elif self._library is not None:
            self.action_scan()

    def show(self) -> None:
        """The record in the view that was chosen."""
        desk, table = self.desk, self.query_one("#start", RowTable)
        self._say_answer()
        record = desk.record
        self._rows = [] if record is None else scanning.rows(record, desk.view, max(60, self._room() - 4))
        table.show([r.cells for r in self._rows], COLUMNS[desk.view])
        table.cursor = min(desk.at.get(desk.view, 0), max(0, len(self._rows) - 1))
        self._say_one()

    def _room(self) -> int:
        return self.query_one("#start", RowTable).size.width or self.size.width

    def on_resize(self, event: events.Resize) -> None:
        """A tree is drawn for the width that there is."""
        super().on_resize(event)
        if self.is_mounted and self.desk.view == TREE:
            self.call_after_refresh(self.show)

    def _say_answer(self) -> None:
        desk, line, view = self.desk, self.query_one("#answer-text", Static), self.query_one("#view", Static)
        view.display = desk.record is not None
        live = desk.job is not None and desk.job.live
        yet = "A scan is under way." if live else "Nothing was scanned yet."
        self.query_one("#start", RowTable).say_empty(yet if desk.record is None else _EMPTY[desk.view])
        if desk.job is not None and desk.job.live:
            line.update(plain(f"{desk.job.title}: {desk.job.line()}", 600))
        elif desk.job is not None and desk.job.error:
            line.update(plain(f"! {desk.job.error}", 600))
        elif desk.record is None:
            name = keys.name_of
            line.update(
                plain(
                    f"{name('scan', 'scan')} holds a model, by its path, against a library of reference fingerprints; "
                    f"under Artifacts ({keys.way_to('artifacts')}) {name('artifacts', 'scan')} does so with the one "
                    "under the cursor.",
                    600,
                )
            )
        else:
            line.update(plain(scanning.answer(desk.record), 900))
        if desk.record is not None:
            parts: list[Any] = []
            for v in VIEWS:
                count = "" if v in (TREE, BESIDES) else f" {len(scanning.rows(desk.record, v))}"
                parts += [(f"[{v}{count}]", "bold") if v == desk.view else f" {v}{count} ", " "]
            view.update(Content.assemble(*parts))

    def _say_one(self) -> None:
        row, one = self._here(), self.query_one("#one", Static)
        one.display = row is not None and bool(row.below)
        if row is not None:
            one.update(plain(row.below, 900))

    def _here(self) -> Row | None:
        at = self.query_one("#start", RowTable).index
        return self._rows[at] if at is not None and at < len(self._rows) else None

    def show_jobs(self) -> None:
        """A scan under way says how far it is."""
        super().show_jobs()
        self._say_answer()

    @on(RowTable.Moved, "#start")
    def _moved(self, event: RowTable.Moved) -> None:
        self.desk.at[self.desk.view] = event.index
        self._say_one()

    @on(RowTable.Picked, "#start")
    def _picked(self, event: RowTable.Picked) -> None:
        row = self._here()
        if row is not None and (row.page or row.below):
            lines = row.page or (row.below,)
            title = row.cells[0] if self.desk.view == NEAR else row.cells[1] if len(row.cells) > 1 else ""
            self.bench.push_screen(Page(shown(title, 70), Content("\n".join(shown(x, 2000) for x in lines))))

    def action_view(self, by: int) -> None:
        """The next view or the one before."""
        if self.desk.record is None:
            self.bench.say("Nothing was scanned yet.")
            return
        self.desk.view = VIEWS[(VIEWS.index(self.desk.view) + by) % len(VIEWS)]
        self.show()

    # -- scanning ---------------------------------------------------------------------------------------------------

    def begin_artifact(self, artifact: str) -> None:
        """Scan an artifact of the case: by its recorded fingerprint where there is one, else by its files."""
        session = self.session
        known = session.case.state.artifacts[artifact]
        folder = self.desk.asked.library if self.desk.asked is not None else default_folder()
        if known.fingerprint:
            asked = Asked(session.fingerprint_file(artifact), folder, known.label, fingerprint=known.fingerprint)
            self._begin(asked, artifact, ())
        else:
            how = Opening(known.model, known.partial, Path(known.base) if known.base else None, isolate=True)
            self._begin(Asked(Path(known.path), folder, known.label, how), artifact, session.paths_of(artifact))

    def _begin(self, asked: Asked, artifact: str, paths: Iterable[Path]) -> None:
        desk, bench = self.desk, self.bench
        if desk.job is not None and desk.job.live:
            bench.jobs.cancel(desk.job)
        desk.asked, desk.artifact, desk.record, desk.at = asked, artifact, None, {}
        desk.root = str(bench.session.case.root) if bench.session is not None else ""

        def finish(record: dict[str, Any]) -> None:
            desk.record, desk.view = record, RELATIVES

        name = asked.label or asked.path.name
        desk.job = bench.start_job(
            "scan", f"{asked.path} {asked.library} {len(bench.jobs.all)}", f"scan {name}", partial(scan_apart, asked),
            finish, paths,
        )  # fmt: skip
        self.show_state()

    def action_scan(self) -> None:
        """Ask for a path and a library."""
        before = self.desk.asked
        folder = self._library or (before.library if before is not None else default_folder())

        def accept(values: dict[str, str]) -> str | None:
            said = {k: v.strip() for k, v in values.items()}
            if not said["path"]:
                return "Type the path of a model."
            path, library = Path(said["path"]).expanduser(), Path(said["library"]).expanduser()
            if not path.exists():
                return "There is nothing at this path."
            if not library.is_dir():
                way, take = keys.way_to("library"), keys.name_of("library", "take")
                return f"There is no such library. Under Library ({way}) {take} takes a first model in."
            how = Opening(said["model"], said["parts"] == "partial", isolate=True)
            self._begin(Asked(path, library, how=how), "", () if path.name.endswith(SUFFIX) else (path,))
            return None

        fields = [
            Field("path", "Model", hint="folder, .safetensors, .gguf or .mpkf"),
            Field("library", "Library", value=str(folder), hint="a folder with a catalogue"),
            Field("model", "Name (which one, where a folder holds several)"),
            Field("parts", "Evidence", "choice", value="whole",
                  options=(("whole", "whole: a missing part is an error"), ("partial", "partial: take what is there"))),
        ]  # fmt: skip
        self.bench.push_screen(Form("Scan a model", fields, accept, button="scan"))

    def action_cancel(self) -> None:
        """Stop the scan."""
        job = self.desk.job
        if job is not None and job.live:
            self.bench.jobs.cancel(job)
            self.show_jobs()
        else:
            self.bench.say("No scan is under way.")

    # -- into the case ----------------------------------------------------------------------------------------------

    def action_add(self) -> None:
        """The model under the cursor becomes a reference of the open case, and its fingerprint is read at once."""
        row, desk, session = self._here(), self.desk, self.bench.session
        if row is None or row.entry is None or desk.asked is None:
            self.bench.say("No model of the library is under the cursor.")
            return
        if session is None:
            self.bench.say("Open or begin a case first.")
            return
        if not self.bench.attempt(session.must_write):
            return
        entry, library = row.entry, desk.asked.library
        same = (a for a in session.artifacts if a.role == "reference" and a.fingerprint == entry["fingerprint"])
        twin = next((a for a in same if a.fingerprint), None)
        if twin is not None:
            self.bench.say(f"{twin.id} has this fingerprint already. {self._way(twin.id)}")
            return
        work = partial(reference_file, library, entry["fingerprint"])
        aside(self, "Looking it up in the library…", lambda _: work(), partial(self._add, entry))

    def _add(self, entry: Mapping[str, Any], path: Path) -> None:
        session, bench = self.session, self.bench
        note = f"from the library, entry {entry['id']}, fingerprint {entry['fingerprint']}"
        made = session.add_artifact(path, "reference", entry["name"], note, Opening())

        def finish(measured: Any) -> None:
            session.record_fingerprint(made.id, measured)
            bench.say(f"{made.id} is {entry['name']}, a reference of this case. {self._way(made.id)}")

        bench.start_job("fingerprint", made.id, f"fingerprint {made.id}", session.fingerprinting(made.id), finish)
        bench.changed()

    def _way(self, reference: str) -> str:
        """How to go on with a reference; the pair of the model that was scanned is the one that is looked at then."""
        session, desk = self.session, self.desk
        if desk.artifact and str(session.case.root) == desk.root:
            session.look_at(f"{desk.artifact}:{reference}")
        if not session.pairs:
            return f"Add the model itself as a subject ({keys.way_to('artifacts')}) to compare the two."
        return f"{keys.way_to('compare')} compares the pair."

    def action_keep(self) -> None:
        """Attach the scan to the case; where there is a pair, as an item of context about it."""
        desk, session = self.desk, self.bench.session
        if desk.record is None:
            self.bench.say("Nothing was scanned yet.")
            return
        if session is None:
            self.bench.say("Open or begin a case first.")
            return
        record, said = desk.record, list[str]()
        if self.bench.attempt(lambda: said.append(session.keep_scan(record))):
            self.bench.say(said[0])
            self.bench.changed()

    def action_write(self) -> None:
        """Ask for a file."""
        record = self.desk.record
        if record is None:
            self.bench.say("Nothing was scanned yet.")
            return

        def accept(values: dict[str, str]) -> str | None:
            try:
                path = scanning.write(record, values["out"])
            except UsageError as error:
                return error.diagnosis()
            self.bench.say(f"Written: {path}")
            return None

        note = (
            "The ending tells the format: .svg and .dot draw the graph, .txt is its tree, .family.json its data; "
            ".json is the scan itself."
        )
        self.bench.push_screen(Form("Write the scan", [Field("out", "File")], accept, note=note, button="write"))
