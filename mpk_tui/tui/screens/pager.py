"""An attached file as lines with their numbers, to read and to quote from; nothing in it is run, drawn or followed."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from mpk_tui.case.quoting import Lines, Quote, attachment_lines, quote_lines
from mpk_tui.case.store import Case
from mpk_tui.errors import MpkError
from mpk_tui.tui import keys
from mpk_tui.tui.safe import plain, shown
from mpk_tui.tui.widgets.table import Column, RowTable

PAGE = 500
"""Lines that are read at a time; more come as the cursor nears the end."""


class Pager(ModalScreen[Quote | None]):
    """Lines of an attachment; closes with the marked lines as a quote, or None.

    Args:
        case: The case that keeps the file; without one the pager is empty (for listings of keys).
        digest: SHA-256 of the file, hex.
        name: Its name, for display; untrusted text.
    """

    SCOPES: ClassVar[tuple[str, ...]] = ("pager",)
    BINDINGS: ClassVar[list[Any]] = keys.bindings("pager")
    AUTO_FOCUS: ClassVar[str | None] = "#start"

    def __init__(self, case: Case | None = None, digest: str = "", name: str = "") -> None:
        super().__init__()
        self._case, self._digest, self._called = case, digest, name
        self._lines: list[str] = []
        self._following = 0
        self._more = True
        self._reading = False
        self._anchor: int | None = None
        self._fault = ""

    def compose(self) -> ComposeResult:
        """Title, lines, the line under the cursor in full, what is marked, keys."""
        with Vertical(id="form"):
            yield Static(plain(self._called, 200, "bold"), id="form-title")
            yield RowTable([Column("line", 7, right=True), Column("")], empty="Reading…", id="start")
            with VerticalScroll(id="pager-line", can_focus=False):
                yield Static("", id="pager-text")
            yield Static("", id="form-fault")
            yield Static(self._keys(), id="form-keys")

    def _keys(self) -> Content:
        parts: list[Any] = []
        for row in keys.keys_for("pager"):
            parts += [(row.name, "bold"), f" {row.label}  "]
        return Content.assemble(*parts)

    def on_mount(self) -> None:
        """Room for lines, and the first of them."""
        self.query_one("#start", RowTable).styles.height = max(5, self.app.size.height - 12)
        self.query_one("#pager-line").styles.height = 4
        self._read()

    def _read(self) -> None:
        """The next lines, in a thread: a file may lie on a slow or a dying disk."""
        if self._reading or not self._more or self._case is None:
            return
        self._reading = True
        case, start, offset = self._case, len(self._lines) + 1, self._following

        def run() -> None:
            found: Lines | None = None
            fault = ""
            try:
                found = attachment_lines(case, self._digest, start, PAGE, offset=offset)
            except MpkError as error:
                fault = error.diagnosis()
            except OSError as error:
                fault = f"the file: {error.strerror or error}"
            self.app.call_later(self._came, found, fault)

        self.run_worker(run, thread=True, exit_on_error=False, group="pager")

    def _came(self, found: Lines | None, fault: str) -> None:
        if not self.is_mounted:
            return
        self._reading = False
        if found is None:
            self._more, self._fault = False, f"! {fault}"
        else:
            self._lines += found.lines
            self._following, self._more = found.following, found.more
        self._show()

    def _marked(self) -> tuple[int, int] | None:
        """First and last marked line, from 0."""
        at = self.query_one("#start", RowTable).index
        if self._anchor is None or at is None:
            return None
        return min(self._anchor, at), max(self._anchor, at)

    def _show(self) -> None:
        table = self.query_one("#start", RowTable)
        marked = self._marked()
        inside = range(marked[0], marked[1] + 1) if marked is not None else range(0)
        table.say_empty("The file is empty." if not self._fault else "Nothing could be read.")
        table.show([(f"{'*' if n in inside else ''}{n + 1}", line) for n, line in enumerate(self._lines)])
        at = table.index
        text = self._lines[at] if at is not None and at < len(self._lines) else ""
        self.query_one("#pager-text", Static).update(Content(shown(text, 4000)))
        mark = keys.name_of("pager", "mark")
        if marked is None:
            said = f"{mark} begins a quote at the line under the cursor."
        else:
            said = f"Marked: lines {marked[0] + 1} to {marked[1] + 1}. {keys.name_of('pager', 'accept')} quotes them."
        more = " More lines follow." if self._more else ""
        self.query_one("#form-fault", Static).update(plain(self._fault or f"{said}{more}", 600))

    @on(RowTable.Moved)
    def _moved(self, event: RowTable.Moved) -> None:
        if event.index > len(self._lines) - PAGE // 4:
            self._read()
        self._show()

    @on(RowTable.Marked)
    def action_mark(self) -> None:
        """Begin a quote here, or give the mark up."""
        self._anchor = self.query_one("#start", RowTable).index if self._anchor is None else None
        self._fault = ""
        self._show()

    @on(RowTable.Picked)
    def action_accept(self) -> None:
        """The marked lines, or the one under the cursor, as a quote with their place."""
        at = self.query_one("#start", RowTable).index
        if at is None or self._case is None:
            return
        first, last = self._marked() or (at, at)
        case = self._case

        def run() -> None:
            found: Quote | None = None
            fault = ""
            try:
                found = quote_lines(case, self._digest, first + 1, last + 1)
            except MpkError as error:
                fault = error.diagnosis()
            except OSError as error:
                fault = f"the file: {error.strerror or error}"
            self.app.call_later(self._quoted, found, fault)

        self.run_worker(run, thread=True, exit_on_error=False, group="pager")

    def _quoted(self, found: Quote | None, fault: str) -> None:
        if not self.is_mounted:
            return
        if found is not None:
            self.dismiss(found)
            return
        self._fault = f"! {fault}"
        self._show()

    def action_close(self) -> None:
        """Quote nothing; a mark is given up first."""
        if self._anchor is not None:
            self._anchor = None
            self._show()
            return
        self.dismiss(None)
