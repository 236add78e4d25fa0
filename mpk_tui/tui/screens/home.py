"""Home: open a case, begin one, or verify a bundle that somebody else made."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui import __version__
from mpk_tui.tui import keys, recent
from mpk_tui.tui.app import is_long, read_session
from mpk_tui.tui.safe import plain
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.widgets.form import Field, Form, Later
from mpk_tui.tui.widgets.table import Column, RowTable

JOURNAL = "journal.mpkj"
"""`case.store.JOURNAL`, written again because Home is drawn before the code of a case is loaded; a test compares."""
MOST = 200
_NEEDED = (("folder", "the folder"), ("id", "a case number"), ("title", "a title"), ("examiner", "who you are"))


def cases_in(folder: Path) -> list[Path]:
    """Case folders in a folder and one level below, sorted."""
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
        yield Static("", id="what", classes="text")
        yield Static(
            f"Cases: opened lately, and in this folder ({keys.name_of('table', 'pick')} opens)", classes="section"
        )
        yield RowTable(
            [Column("Folder", 22), Column("found", 8), Column("Path", name=True)],
            empty=f"None yet. {keys.name_of('home', 'new')} begins one.",
            id="start",
        )

    def opened(self) -> None:
        """The form at once, if that is what was asked."""
        if self._new:
            self.action_new()

    def show(self) -> None:
        """The cases found."""
        key = keys.name_of
        lines = [
            "Offline: it opens no connection, runs nothing from a checkpoint and writes into none.",
            f"{key('home', 'open')} opens a case by its folder, {key('home', 'new')} begins one, "
            f"{key('home', 'verify')} checks a bundle, {key('home', 'library')} shows reference fingerprints.",
            f"{key('everywhere', 'help')} tells every key, {key('everywhere', 'quit')} leaves. To look around first: "
            "mpk-tui demo makes a whole case on small models that come along, in mpk-demo/case.",
        ]
        self.query_one("#what", Static).update(Content("\n".join(lines)))
        lately = recent.recent()
        here = [p for p in cases_in(Path.cwd()) if p.absolute() not in lately]
        self._found = [*lately, *here]
        rows = [(p.name, "lately" if n < len(lately) else "here", str(p)) for n, p in enumerate(self._found)]
        self.query_one("#start", RowTable).show(rows)

    @on(RowTable.Picked)
    def _picked(self, event: RowTable.Picked) -> None:
        self.bench.open_soon(self._found[event.index])

    def action_forget(self) -> None:
        """Take the case under the cursor off the list of cases opened lately; the case stays where it is."""
        at = self.query_one("#start", RowTable).index
        lately = recent.recent()
        if at is None or at >= len(lately):
            self.bench.say("This one is found here, not remembered; there is nothing to forget.")
            return
        if self.bench.attempt(lambda: recent.forget(lately[at])):
            self.bench.say(f"Forgotten here: {lately[at]}. The case itself stays where it is.")
            self.show()

    def action_forget_all(self) -> None:
        """Empty the list of cases opened lately."""
        if self.bench.attempt(recent.forget):
            self.bench.say("No case is remembered any more. The cases themselves stay where they are.")
            self.show()

    def action_open(self) -> None:
        """Ask for a folder."""

        def accept(values: dict[str, str]) -> str | Later | None:
            if not values["folder"].strip():
                return "Type the folder of a case."
            folder, look = Path(values["folder"].strip()).expanduser(), values["how"] == "read"
            if is_long(folder):
                return Later(
                    "Reading the journal…",
                    lambda _: read_session(folder, read_only=look),
                    lambda session: self.bench.take_session(session, folder),
                )
            self.bench.open_case(folder, read_only=look)
            return None

        form = Form(
            "Open a case",
            [
                Field("folder", "Folder", hint="path of the case's folder"),
                Field("how", "How", "choice", options=(("write", "to work on"), ("read", "to look at, read-only"))),
            ],
            accept,
            button="open",
        )
        self.bench.push_screen(form, lambda values: self.bench.go("case") if values else None)

    def action_new(self) -> None:
        """Ask what a new case needs."""

        def accept(values: dict[str, str]) -> str | None:
            for name, words in _NEEDED:
                if not values[name].strip():
                    return f"Give {words}."
            from mpk_tui.tui.session import begin

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

    def action_library(self) -> None:
        """To the Library screen."""
        self.bench.go("library")
