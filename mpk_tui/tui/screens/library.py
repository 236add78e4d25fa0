"""Reference fingerprints on a shelf: which files there are, what each describes, and one of them into the open case."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library import shelf
from mpk_tui.library.shelf import Shelf, Shelved
from mpk_tui.progress import CancelToken, Report
from mpk_tui.text import clean, size
from mpk_tui.tui import keys, wording
from mpk_tui.tui.jobs import Job
from mpk_tui.tui.safe import plain, shown
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.widgets.form import Field, Form, Page
from mpk_tui.tui.widgets.table import Column, RowTable

KEPT = "library"
MOST_LINES = 200
"""Files, tensors or facts of one fingerprint that its page lists; the rest is counted."""


@dataclass
class Desk:
    """What stays while another screen is shown.

    Attributes:
        folder: The shelf.
        found: What is on it, or None before it was read.
        job: The newest reading.
        row: Row under the cursor.
    """

    folder: Path
    found: Shelf | None = None
    job: Job | None = None
    row: int = 0


class Library(StepScreen):
    """The fingerprint files of a folder; read-only."""

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
        """Folder, files, what is wrong with the one under the cursor."""
        yield Static("", id="folder", classes="text")
        yield RowTable(
            [
                Column("name", name=True), Column("format", 11), Column("family", 12),
                Column("parameters", 15, right=True), Column("layers", 6, right=True),
                Column("tensors", 8, right=True, least=100), Column("size", 9, right=True, least=90),
                Column("root", 9, least=110), Column("file of", 10, least=130),
            ],
            empty="Nothing is here.", id="start",
        )  # fmt: skip
        yield Static("", id="one", classes="below")

    def opened(self) -> None:
        """Read the shelf, if that was not done."""
        if self.desk.found is None:
            self.action_again()

    def show(self) -> None:
        """What is on the shelf."""
        desk = self.desk
        self._say_folder()
        table = self.query_one("#start", RowTable)
        found = desk.found.rows if desk.found is not None else ()
        fresh = not table.rows
        table.show([_row(r) for r in found])
        if fresh:
            table.cursor = min(desk.row, max(0, len(found) - 1))
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
            faulty = sum(bool(r.fault) for r in desk.found.rows)
            count = len(desk.found.rows)
            text = f"{desk.folder}: {count} fingerprint {'file' if count == 1 else 'files'}"
            text += f", {faulty} cannot be used" if faulty else ""
            line.update(plain("; ".join((text, *desk.found.notices[:3])), 600))

    def _say_one(self) -> None:
        row = self._here()
        one = self.query_one("#one", Static)
        one.display = self.desk.found is not None
        if row is None:
            one.update(
                plain(
                    "A fingerprint file is made by: mpk-tui fingerprint MODEL -o FILE.mpkf. Put it into this folder, "
                    f"or name another folder with {keys.name_of('library', 'open')}.",
                    600,
                )
            )
        else:
            said = f"cannot be used: {row.fault}" if row.fault else f"root {row.root}"
            one.update(plain(f"{row.name}: {said}", 600))

    def _here(self) -> Shelved | None:
        at = self.query_one("#start", RowTable).index
        found = self.desk.found
        return found.rows[at] if found is not None and at is not None and at < len(found.rows) else None

    def show_jobs(self) -> None:
        """A shelf that is being read says so."""
        super().show_jobs()
        self._say_folder()

    @on(RowTable.Moved, "#start")
    def _moved(self, event: RowTable.Moved) -> None:
        self.desk.row = event.index
        self._say_one()

    @on(RowTable.Picked, "#start")
    def _picked(self, event: RowTable.Picked) -> None:
        """One file in full; it is read again, in a thread."""
        row = self._here()
        if row is None:
            return
        if row.fault:
            self.bench.push_screen(Page(clean(row.name, 70), plain(row.fault, 4000)))
            return
        bench = self.bench

        def work(report: Report, cancel: CancelToken) -> list[Content]:
            return page_lines(row, shelf.one(row.path))

        def finish(lines: list[Content]) -> None:
            bench.push_screen(Page(shown(row.name, 70), Content("\n").join(lines)))

        bench.start_job("library", str(row.path), f"read {row.name}", work, finish)

    def action_again(self) -> None:
        """Look through the folder."""
        desk, bench = self.desk, self.bench
        if desk.job is not None and desk.job.live:
            bench.jobs.cancel(desk.job)

        def finish(found: Shelf) -> None:
            desk.found = found

        work = partial(shelf.look, desk.folder)
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
            self.desk.folder, self.desk.found, self.desk.row = folder, None, 0
            self.action_again()
            return None

        field = Field("folder", "Folder", value=str(self.desk.folder), hint="with fingerprint files, also in folders")
        self.bench.push_screen(Form("Open a folder of fingerprints", [field], accept, button="open"))

    def action_cancel(self) -> None:
        """Stop reading."""
        job = self.desk.job
        if job is not None and job.live:
            self.bench.jobs.cancel(job)
            self.show_jobs()
        else:
            self.bench.say("Nothing is being read.")

    def action_add(self) -> None:
        """The one under the cursor becomes a reference of the open case."""
        from mpk_tui.checkpoint.open import PLAIN

        row, bench = self._here(), self.bench
        session = bench.session
        if row is None or session is None:
            bench.say("Nothing is under the cursor." if row is None else "Open or begin a case first.")
            return
        if row.fault:
            bench.say("This file cannot be used.")
            return
        label = row.name.rsplit("/", 1)[-1]
        said: list[str] = []

        def add() -> None:
            made = session.add_artifact(row.path, "reference", label, "from the library", PLAIN)
            said.append(
                f"{made.id} is {label}, a reference of this case. Fingerprint it under {keys.way_to('fingerprint')}."
            )

        if bench.attempt(add) and said:
            bench.changed()
            bench.say(said[0])


def _row(row: Shelved) -> tuple[str, ...]:
    day = wording.utc(row.changed)[:10]
    if row.fault:
        return (row.name, "unusable", "–", "–", "–", "–", size(row.size), "–", day)
    layers = "–" if row.layers is None else str(row.layers)
    return (
        row.name, row.format, row.family, f"{row.parameters:,}", layers, f"{row.tensors:,}", size(row.size),
        row.root[:8], day,
    )  # fmt: skip


def page_lines(row: Shelved, made: Fingerprint) -> list[Content]:
    """A fingerprint in full, as far as a page should be long.

    Args:
        row: Its place on the shelf.
        made: Read from there; untrusted.
    """
    out: list[Content] = []

    def fact(name: str, value: str) -> None:
        out.append(Content.assemble((f"{name}: ", "bold"), shown(value, 4000)))

    def listed(name: str, lines: list[str]) -> None:
        out.append(Content.styled(f"\n{name}: {len(lines):,}", "bold"))
        out.extend(Content(f"  {shown(line, 600)}") for line in lines[:MOST_LINES])
        if len(lines) > MOST_LINES:
            out.append(Content(f"  and {len(lines) - MOST_LINES:,} more"))

    fact("File", str(row.path))
    fact("Size", f"{row.size:,} bytes, written {wording.utc(row.changed)} UTC")
    fact("Made by", made.tool)
    fact("Format", f"{made.format}, {made.family}, {made.scope}")
    fact("Parameters", f"{row.parameters:,} in {len(made.tensors):,} tensors")
    fact("Tensor root", made.root.hex())
    fact("Fingerprint (SHA-256 of the record)", row.fingerprint)
    out.append(Content("A fingerprint holds no name of its model; what the configuration states is a claim."))
    for sentence in made.missing[:MOST_LINES]:
        fact("Missing", sentence)
    listed("Notices", list(made.notices))
    listed("Configuration, as stated", [f"{k}: {wording.plain_value(v)}" for k, v in made.config.items()])
    listed("Tokenizer", [f"{k}: {wording.plain_value(v)}" for k, v in made.tokenizer.items()])
    listed(
        "Features",
        [f"{f.id}, version {f.version}, {f.dtype} {'×'.join(map(str, f.shape))}" for f in made.features.values()],
    )
    listed("Files", [f"{f.sha256.hex() if f.sha256 else f.kind}  {f.path}" for f in made.files])
    listed("Tensors", [f"{t.name}  {t.dtype}  {'×'.join(map(str, t.shape)) or 'scalar'}" for t in made.tensors])
    return out
