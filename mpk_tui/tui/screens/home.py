"""Home: open a case, begin one, or verify a bundle that somebody else made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui import __version__
from mpk_tui.tui import keys
from mpk_tui.tui.safe import plain
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.session import JOURNAL, begin
from mpk_tui.tui.widgets.form import Field, Form
from mpk_tui.tui.widgets.table import Column, RowTable

MOST = 200


def cases_in(folder: Path) -> list[Path]:
    """Case folders in a folder and one level below, sorted; nothing is remembered between runs."""
    try:
        below = sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink())
    except OSError:
        below = []
    return [p for p in (folder, *below) if (p / JOURNAL).is_file()][:MOST]


class Home(StepScreen):
    """The first screen.

    Args:
        new: Ask for a new case at once.
        folder: Folder for it.
    """

    NAME = "home"
    SCOPES = ("home",)
    BINDINGS: ClassVar[list[Any]] = keys.bindings("home")

    def __init__(self, new: bool = False, folder: str = "") -> None:
        super().__init__()
        self._new, self._folder = new, folder
        self._found: list[Path] = []

    def body(self) -> Iterable[Widget]:
        """What it is, and the cases at hand."""
        yield Static(
            plain(f"mpk-tui {__version__}: a workbench for the provenance of model checkpoints"), classes="lead"
        )
        yield Static(
            "Offline: it opens no connection, runs nothing from a checkpoint and writes into none.\n"
            "o opens a case by its folder, n begins one, v checks a bundle.",
            classes="text",
        )
        yield Static("Cases in this folder", classes="section")
        yield RowTable([Column("Folder"), Column("Path", name=True)], empty="None here. Press o or n.", id="start")

    def opened(self) -> None:
        """The form at once, if that is what was asked."""
        if self._new:
            self.action_new()

    def show(self) -> None:
        """The cases found."""
        self._found = cases_in(Path.cwd())
        self.query_one("#start", RowTable).show([(p.name, str(p)) for p in self._found])

    @on(RowTable.Picked)
    def _picked(self, event: RowTable.Picked) -> None:
        if self.bench.attempt(lambda: self.bench.open_case(self._found[event.index])):
            self.bench.go("case")

    def action_open(self) -> None:
        """Ask for a folder."""

        def accept(values: dict[str, str]) -> str | None:
            if not values["folder"].strip():
                return "Type the folder of a case."
            self.bench.open_case(Path(values["folder"].strip()).expanduser(), read_only=values["how"] == "read")
            return None

        form = Form(
            "Open a case",
            [
                Field("how", "How", "choice", options=(("write", "to work on"), ("read", "to look at, read-only"))),
                Field("folder", "Folder", hint="path of the case's folder"),
            ],
            accept,
            button="open",
        )
        self.bench.push_screen(form, lambda values: self.bench.go("case") if values else None)

    def action_new(self) -> None:
        """Ask what a new case needs."""

        def accept(values: dict[str, str]) -> str | None:
            for name, words in (("folder", "the folder"), ("id", "a case number"), ("examiner", "who you are")):
                if not values[name].strip():
                    return f"Give {words}."
            folder = begin(values)
            self.bench.open_case(folder)
            return None

        form = Form(
            "A new case",
            [
                Field(
                    "folder", "Folder (it is made)", value=self._folder, hint="path of a folder that does not exist yet"
                ),
                Field("id", "Case number", hint="e.g. 2025-014"),
                Field("title", "Title"),
                Field("examiner", "Examiner (name, as the journal and the bundle will show it)"),
                Field("exhibit", "Exhibit number, if there is one"),
                Field("authority", "Authority: who asked, by which order"),
                Field("purpose", "Purpose of the examination"),
            ],
            accept,
            button="begin",
        )
        self.bench.push_screen(form, lambda values: self.bench.go("case") if values else None)

    def action_verify(self) -> None:
        """To the Verify screen."""
        self.bench.go("verify")
