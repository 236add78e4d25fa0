"""Reference models of a library: the entries of its catalogue, and fingerprint files that merely lie in the folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from mpk_tui.case.store import FINGERPRINTS
from mpk_tui.library import shelf
from mpk_tui.library.adding import change_here, this_person
from mpk_tui.library.listing import Listing
from mpk_tui.progress import CancelToken, Report
from mpk_tui.text import clean
from mpk_tui.tui import cataloguing, keys
from mpk_tui.tui.cataloguing import Row
from mpk_tui.tui.jobs import Job
from mpk_tui.tui.safe import plain, shown
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.widgets.form import Field, Form, Page
from mpk_tui.tui.widgets.table import RowTable

KEPT = "library"


@dataclass
class Desk:
    """What stays while another screen is shown.

    Attributes:
        folder: The library.
        found: What is in it, or None before it was read.
        job: The newest reading.
        row: Row under the cursor.
        text: What the list is narrowed to.
        rows: What is shown.
        who: Who changes the library, as was said last.
    """

    folder: Path
    found: Listing | None = None
    job: Job | None = None
    row: int = 0
    text: str = ""
    rows: list[Row] = field(default_factory=list)
    who: str = ""


class Library(StepScreen):
    """A library, read whole; every change is a job of its own."""

    NAME = "library"
    SCOPES = ("library",)
    BINDINGS: ClassVar[list[Any]] = keys.bindings("library")

    @property
    def desk(self) -> Desk:
        """What is kept between two visits."""
        made = self.bench.kept.get(KEPT)
        if not isinstance(made, Desk):
            made = self.bench.kept[KEPT] = Desk(shelf.default_folder())
        return made

    def body(self) -> Iterable[Widget]:
        """Folder, filter, entries and files, the one under the cursor."""
        yield Static("", id="folder", classes="text")
        yield Input(
            value=self.desk.text, id="filter", compact=True, select_on_focus=False,
            placeholder=f"name, source, licence, family, pack, digest; "
            f"{keys.name_of('everywhere', 'leave')} goes back to the list",
        )  # fmt: skip
        yield RowTable(cataloguing.COLUMNS, empty="Nothing is here.", id="start")
        yield Static("", id="one", classes="below")

    def opened(self) -> None:
        """Read the library, if that was not done."""
        if self.desk.found is None:
            self.action_again()

    def show(self) -> None:
        """What is in the library."""
        desk = self.desk
        filter_ = self.query_one("#filter", Input)
        filter_.display = bool(desk.text) or filter_.has_focus
        desk.rows = cataloguing.rows_of(desk.found, desk.text) if desk.found is not None else []
        self._say_folder()
        table = self.query_one("#start", RowTable)
        fresh = not table.rows
        table.say_empty("Nothing has these words." if desk.text else "Nothing is here.")
        table.show([row.cells() for row in desk.rows])
        if fresh:
            table.cursor = min(desk.row, max(0, len(desk.rows) - 1))
        self._say_one()

    def _say_folder(self) -> None:
        desk = self.desk
        line = self.query_one("#folder", Static)
        if desk.job is not None and desk.job.live:
            line.update(plain(f"{desk.folder}: {desk.job.line()}", 600))
        elif desk.job is not None and desk.job.error:
            line.update(plain(f"! {desk.job.error}", 600))
        elif desk.found is None:
            line.update(plain(f"{desk.folder}: not read yet", 600))
        else:
            line.update(plain(cataloguing.head(desk.found, len(desk.rows)), 600))

    def _say_one(self) -> None:
        row = self._here()
        one = self.query_one("#one", Static)
        one.display = self.desk.found is not None
        if row is None and not self.desk.text:
            one.update(
                plain(
                    f"{keys.name_of('library', 'take')} takes a checkpoint or a fingerprint file into the catalogue of "
                    f"this folder; {keys.name_of('library', 'open')} names another folder. A signed pack is taken in "
                    "by mpk-tui library import.",
                    600,
                )
            )
        else:
            one.update(plain(cataloguing.brief(row) if row is not None else "", 1200))

    def _here(self) -> Row | None:
        at = self.query_one("#start", RowTable).index
        return self.desk.rows[at] if at is not None and at < len(self.desk.rows) else None

    def show_jobs(self) -> None:
        """A library that is being read says so."""
        super().show_jobs()
        self._say_folder()

    # -- the list --------------------------------------------------------------------------------------------------

    @on(RowTable.Moved, "#start")
    def _moved(self, event: RowTable.Moved) -> None:
        self.desk.row = event.index
        self._say_one()

    @on(RowTable.Picked, "#start")
    def _picked(self, event: RowTable.Picked) -> None:
        """One in full; its file is read again, in a thread."""
        row = self._here()
        if row is None:
            return
        bench, folder = self.bench, self.desk.folder
        if row.file is not None and row.file.fault:
            bench.push_screen(Page(clean(row.name, 70), plain(row.file.fault, 4000)))
            return

        def work(report: Report, cancel: CancelToken) -> list[Content]:
            if row.entry is not None:
                return cataloguing.entry_page(folder, row.entry)
            assert row.file is not None
            return cataloguing.file_page(row.file, shelf.one(row.file.path))

        def finish(lines: list[Content]) -> None:
            bench.push_screen(Page(shown(row.name, 70), Content("\n").join(lines)))

        bench.start_job("library", f"{folder} {row.name}", f"read {row.name}", work, finish)

    def action_filter(self) -> None:
        """Into the filter field."""
        filter_ = self.query_one("#filter", Input)
        filter_.display = True
        self.set_focus(filter_)

    @on(Input.Changed, "#filter")
    def _filtered(self, event: Input.Changed) -> None:
        if event.value != self.desk.text:
            self.desk.text, self.desk.row = event.value, 0
            self.query_one("#start", RowTable).cursor = 0
            self.show()

    @on(Input.Submitted, "#filter")
    def _leave_filter(self) -> None:
        self.set_focus(self.query_one("#start"))
        self.show()

    def action_leave(self) -> None:
        """From the field to the list; from the list, the filter is given up."""
        filter_ = self.query_one("#filter", Input)
        if not filter_.has_focus:
            filter_.value = ""
        super().action_leave()
        self.show()

    def action_again(self) -> None:
        """Read the library."""
        desk, bench = self.desk, self.bench
        if desk.job is not None and desk.job.live:
            bench.jobs.cancel(desk.job)

        def finish(found: Listing) -> None:
            if found.folder == desk.folder:
                desk.found = found

        work = cataloguing.listing(desk.folder)
        subject = f"{desk.folder} {len(bench.jobs.all)}"
        desk.job = bench.start_job("library", subject, f"library {desk.folder}", work, finish)
        self.show_state()

    def action_open(self) -> None:
        """Ask for a folder."""

        def accept(values: dict[str, str]) -> str | None:
            if not values["folder"].strip():
                return "Type the path of a folder."
            folder = Path(values["folder"].strip()).expanduser()
            if not folder.is_dir():
                return "There is no such folder."
            self.desk.folder, self.desk.found, self.desk.row, self.desk.text = folder, None, 0, ""
            self.query_one("#filter", Input).value = ""
            self.action_again()
            return None

        asked = Field("folder", "Folder", value=str(self.desk.folder), hint="a library, or fingerprint files")
        self.bench.push_screen(Form("Open a library", [asked], accept, button="open"))

    def action_scan(self) -> None:
        """Name a model to be held against this library."""
        self.bench.go("scan", library=self.desk.folder)

    def action_cancel(self) -> None:
        """Stop reading."""
        job = self.desk.job
        if job is not None and job.live:
            self.bench.jobs.cancel(job)
            self.show_jobs()
        else:
            self.bench.say("Nothing is being read.")

    # -- changes ---------------------------------------------------------------------------------------------------

    def _may_write(self) -> bool:
        if self.desk.found is not None and self.desk.found.read_only:
            self.bench.say("This folder is read-only: nothing can be changed in it.")
            return False
        return True

    def _entry_here(self) -> Row | None:
        """The entry under the cursor; anything else is said to be none."""
        row = self._here()
        if row is None:
            self.bench.say("Nothing is under the cursor.")
        elif row.entry is None:
            take = keys.name_of("library", "take")
            self.bench.say(f"This file is not in the catalogue; {take} takes it in.")
        else:
            return row
        return None

    def _who(self) -> str:
        session = self.bench.session
        return self.desk.who or (session.case.state.examiner if session is not None else "") or this_person()

    def _change(self, title: str, work: cataloguing.Work, said: str, paths: tuple[Path, ...] = ()) -> None:
        """Start a change; when it is done, the library is read again."""
        desk, bench = self.desk, self.bench
        folder = desk.folder

        def finish(_: object) -> None:
            bench.say(said)
            if desk.folder != folder:
                return
            desk.found = None
            for screen in bench.screen_stack:
                if isinstance(screen, Library):
                    screen.action_again()

        bench.start_job("library change", title, title, work, finish, paths)

    def action_take(self) -> None:
        """Ask for a model to be added: a path, or an artifact of the open case."""
        if not self._may_write():
            return
        session, row, desk = self.bench.session, self._here(), self.desk
        artifacts = session.artifacts if session is not None else []
        kept = session.case.root / FINGERPRINTS if session is not None else None
        path = str(row.file.path) if row is not None and row.file is not None and not row.file.fault else ""

        def accept(values: dict[str, str]) -> str | None:
            if not values["path"].strip():
                return "Type the path of a checkpoint or of a fingerprint file."
            if not values["who"].strip():
                return "Say who adds it; the history keeps it."
            if values["kind"] and not values["parent"].strip():
                return "Evidence belongs to a parent; name it."
            given = Path(values["path"].strip()).expanduser()
            if not given.exists():
                return "There is nothing at this path."
            work = cataloguing.adding(desk.folder, values, artifacts, kept)
            desk.who = values["who"].strip()
            self._change(f"take in {given.name}", work, f"{given.name} is in the library.", (given,))
            return None

        fields = cataloguing.adding_fields(path, artifacts, self._who())
        self.bench.push_screen(Form("Take a model into the library", fields, accept, button="take in"))

    def action_alter(self) -> None:
        """Say something else of the entry under the cursor."""
        row, desk = self._entry_here(), self.desk
        if row is None or row.entry is None or not self._may_write():
            return
        entry = row.entry

        def accept(values: dict[str, str]) -> str | None:
            if not values["who"].strip():
                return "Say who you are; the history keeps it."
            facts = change_here(entry, cataloguing.facts_of(values, entry.facts))
            if facts == entry.facts:
                return "Nothing was changed."
            desk.who = values["who"].strip()
            work = cataloguing.changing(desk.folder, entry, facts, desk.who)
            self._change(f"change {entry.name}", work, "Changed; the history keeps what was said before.")
            return None

        fields = cataloguing.changing_fields(entry.facts, self._who())
        self.bench.push_screen(Form("What is said of this entry", fields, accept, button="change"))

    def action_remove(self) -> None:
        """Take the entry under the cursor out, with a reason."""
        row, desk = self._entry_here(), self.desk
        if row is None or row.entry is None or not self._may_write():
            return
        entry = row.entry

        def accept(values: dict[str, str]) -> str | None:
            if not values["reason"].strip() or not values["who"].strip():
                return "Say why, and who you are; the history keeps it."
            desk.who = values["who"].strip()
            work = cataloguing.removing(desk.folder, entry, values["reason"], desk.who)
            self._change(f"remove {entry.name}", work, "Taken out; its fingerprint file is gone too.")
            return None

        fields = [Field("reason", "Why"), Field("who", "Who takes it out", value=self._who())]
        note = f"{entry.name}\n{entry.fingerprint.hex()}"
        self.bench.push_screen(Form("Take an entry out of the library", fields, accept, note=note, button="take out"))

    def action_add(self) -> None:
        """The one under the cursor becomes a reference of the open case."""
        from mpk_tui.checkpoint.open import PLAIN

        row, bench = self._here(), self.bench
        session = bench.session
        if row is None or session is None:
            bench.say("Nothing is under the cursor." if row is None else "Open or begin a case first.")
            return
        if row.fault:
            bench.say("This entry was revoked." if row.entry is not None else "This file cannot be used.")
            return
        label = row.name.rsplit("/", 1)[-1]
        path = row.path(self.desk.folder)
        said: list[str] = []

        def add() -> None:
            made = session.add_artifact(path, "reference", label, "from the library", PLAIN)
            said.append(
                f"{made.id} is {label}, a reference of this case. Fingerprint it under {keys.way_to('fingerprint')}."
            )

        if bench.attempt(add) and said:
            bench.changed()
            bench.say(said[0])
