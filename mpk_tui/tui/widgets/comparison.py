"""A comparison to look at: overview, tables, all tensors, figures.  Read-only; a case and a stranger's bundle share it.

A screen mounts `ComparisonView` and gives it a record with `show`; the widget brings its own keys (scope
``comparison`` of the key map).  A screen that names that scope among its own also inherits
`mpk_tui.tui.screens.shows_comparison.ShowsComparison`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

from textual import on
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from mpk_tui.text import clean
from mpk_tui.tui import keys
from mpk_tui.tui.arrange import Arrangement
from mpk_tui.tui.safe import plain, shown
from mpk_tui.tui.tables import Table, count, words
from mpk_tui.tui.views import OVERVIEW, TENSORS, Place, Tensors, View, place_of_row, place_of_view, row_lines, views
from mpk_tui.tui.widgets.figure import FigureView
from mpk_tui.tui.widgets.figure_pane import FigurePane
from mpk_tui.tui.widgets.figure_plot import Cursor
from mpk_tui.tui.widgets.figure_words import measured
from mpk_tui.tui.widgets.form import Page
from mpk_tui.tui.widgets.sheet import Sheet

AT_ONCE = 2000
"""Tensors up to which views are made between two keys; more of them in a thread."""


@dataclass
class Look:
    """How a comparison is looked at; kept by whoever wants to come back to it.

    Attributes:
        view: Id of the view.
        how: Order and filter by view.
        row: Row under the cursor by view.
        at: Cursor of each figure.
        numbers: Figures show their numbers as a table over the whole width.
    """

    view: str = OVERVIEW
    how: dict[str, Arrangement] = field(default_factory=dict)
    row: dict[str, int] = field(default_factory=dict)
    at: dict[str, Cursor] = field(default_factory=dict)
    numbers: bool = False


class ComparisonView(Vertical):
    """Everything that a comparison record says, and what both fingerprints say of its tensors.

    Args:
        record: What to show from the start; see `show`.
        tensors: As of `show`.
        id: As of any widget.
    """

    DEFAULT_CSS = """
    ComparisonView { height: 1fr; }
    ComparisonView.-picture .comparison--head { max-height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    ComparisonView.-picture .comparison--below { max-height: 3; }
    ComparisonView .comparison--below { height: auto; max-height: 4; padding: 0 1; border-top: solid $panel; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("comparison")]

    def __init__(
        self, record: Mapping[str, Any] | None = None, tensors: Tensors | None = None, *, id: str | None = "comparison"
    ) -> None:
        super().__init__(id=id)
        self._first = None if record is None else (record, tensors)
        self._record: Mapping[str, Any] | None = None
        self._tensors: Tensors | None = None
        self._views: tuple[View, ...] = ()
        self._look = Look()
        self._notes: tuple[str, ...] = ()

    def compose(self) -> Iterable[Widget]:
        """What is shown, its head, rows or picture, and what it means."""
        yield Static("", classes="text comparison--head")
        yield Static("", classes="text comparison--lead")
        yield Sheet(id="sheet")
        yield FigurePane(id="pane")
        with VerticalScroll(classes="comparison--below"):
            yield Static("", classes="comparison--about")

    def on_mount(self) -> None:
        """Show what it was made with."""
        if self._first is not None:
            self.show(*self._first)

    # -- what it is about -------------------------------------------------------------------------------------------

    def show(
        self,
        record: Mapping[str, Any],
        tensors: Tensors | None = None,
        *,
        look: Look | None = None,
        notes: Iterable[str] = (),
    ) -> None:
        """Show a record; the same one again changes nothing.

        Args:
            record: A comparison record (``mpk-tui/compare/1``), from anywhere; nothing about its shape is assumed.
            tensors: Tensors of A's and of B's fingerprint, or None where they are not at hand.
            look: How it was looked at before; this view goes on writing into it.
            notes: Sentences to stand in the overview, e.g. why no fingerprints are at hand.
        """
        notes = tuple(notes)
        if record is self._record and tensors is self._tensors and notes == self._notes:
            return
        self.keep_place()
        if look is not None:
            self._look = look
        if record is not self._record:
            self._views = ()  # what is still on the screen is of another pair: nothing of it may be cited any more
        self._record, self._tensors, self._notes = record, tensors, notes
        amount = _amount(record, tensors)
        if amount <= AT_ONCE:
            self.workers.cancel_group(self, "views")
            self._take(views(record, tensors))
            return
        if not self._views:
            self._blank(f"Reading {amount:,} tensors…")
        work = partial(_without_pauses, record, tensors)
        self.run_worker(work, thread=True, exclusive=True, group="views", exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """The thread is through."""
        if event.worker.group != "views":
            return
        event.stop()
        if event.state == WorkerState.SUCCESS and event.worker.result is not None:
            self._take(event.worker.result)
        elif event.state == WorkerState.ERROR:
            self._blank(f"! The tables could not be made ({type(event.worker.error).__name__}); please report.")

    @property
    def ready(self) -> bool:
        """Whether there is something to look at."""
        return bool(self._views)

    @property
    def views(self) -> tuple[View, ...]:
        """Everything there is to look at."""
        return self._views

    @property
    def view(self) -> View:
        """What is looked at."""
        return next((v for v in self._views if v.id == self._look.view), self._views[0])

    @property
    def sheet(self) -> Sheet:
        """The rows."""
        return self.query_one(Sheet)

    @property
    def figure(self) -> FigureView:
        """The picture."""
        return self.query_one(FigureView)

    @property
    def _as_picture(self) -> bool:
        return self._views != () and self.view.figure is not None and not self._look.numbers

    def _take(self, made: tuple[View, ...]) -> None:
        self._views = made
        self._draw()

    # -- moving about -----------------------------------------------------------------------------------------------

    def keep_place(self) -> None:
        """Remember order, filter and cursor of what is shown."""
        if not self._views or not self.is_mounted:
            return
        at = self.view.id
        if self._as_picture:
            self._look.at[at] = self.figure.at
            return
        self._look.how[at] = self.sheet.how
        row = self.sheet.row
        if row is not None:
            self._look.row[at] = row

    def go_to(self, view: str) -> None:
        """Show a view by its id."""
        if self._views:
            self.keep_place()
            self._look.view = view
            self._draw()
            self.focus_view()

    def turn(self, by: int) -> None:
        """The next view, or the one before."""
        if self._views:
            ids = [v.id for v in self._views]
            self.go_to(ids[(ids.index(self.view.id) + by) % len(ids)])

    def turn_numbers(self) -> bool:
        """Of a figure: picture, or its numbers over the whole width; False where there is no figure."""
        if not self._views or self.view.figure is None:
            return False
        self.keep_place()
        self._look.numbers = not self._look.numbers
        self._draw()
        self.focus_view()
        return True

    def focus_view(self) -> None:
        """Put the focus onto what is shown."""
        self.screen.set_focus(self.figure if self._as_picture else self.sheet.rows)

    @property
    def place(self) -> Place | None:
        """What is under the cursor, as evidence names it."""
        if self._record is None or not self._views:
            return None
        view = self.view
        if self._as_picture:
            whole, here = place_of_view(view), self.figure.words
            if whole is None or not here or view.figure is None or not measured(view.figure, self.figure.at):
                return None
            at, series = self.figure.at, view.figure.series
            named = [series[at.series].name] if at.series < len(series) else []
            named.append(here.split(": ")[0])
            return Place("figure", clean(f"{whole.locator} / {', '.join(named)}", 400), f"{view.figure.title}. {here}")
        row = self.sheet.row
        if row is None:
            return None
        return place_of_view(self._views[row + 1]) if view.id == OVERVIEW else place_of_row(self._record, view, row)

    # -- drawing ----------------------------------------------------------------------------------------------------

    def _head(self, text: str) -> None:
        self.query_one(".comparison--head", Static).update(plain(text, 600, "bold"))

    def _blank(self, text: str) -> None:
        """A sentence, and nothing else."""
        self._head(text)
        self.sheet.display = self.query_one(FigurePane).display = False
        self.query_one(".comparison--lead").display = self.query_one(".comparison--below").display = False

    def _draw(self) -> None:
        record, view = self._record, self.view
        assert record is not None
        at = next(n for n, v in enumerate(self._views) if v is view)
        lead = self.query_one(".comparison--lead", Static)
        lead.display = view.id == OVERVIEW
        if view.id == OVERVIEW:
            self._head(f"{words(record.get('finding'))}: {words(record.get('sentence'))}")
            lead.update(Content("\n".join(_side(n, record.get(n)) for n in ("a", "b"))))
        else:
            self._head(f"{at}/{len(self._views) - 1} {view.says if view.figure is None else view.table.title}")
        picture = self._as_picture
        self.sheet.display = not picture
        pane = self.query_one(FigurePane)
        pane.display = picture
        self.set_class(picture, "-picture")
        if picture and view.figure is not None:
            pane.show(view.figure, self._look.at.get(view.id))
        else:
            how = self._look.how.get(view.id, view.arranged)
            self.sheet.show(view.table, how, self._look.row.get(view.id, 0))
        self.query_one(".comparison--below").display = True
        self.query_one(".comparison--about", Static).update(Content("\n".join(shown(t, 1200) for t in self._about())))
        self.query_one(".comparison--below").scroll_home(animate=False)

    def _about(self) -> list[str]:
        view, record = self.view, self._record or {}
        if view.id != OVERVIEW:
            return [*(self._notes if view.id == TENSORS else ()), view.table.about]
        limits, notices = (record.get(k) for k in ("limits", "notices"))
        return [
            *self._notes,
            *(f"Limit: {x}" for x in (limits if isinstance(limits, list | tuple) else ()) if isinstance(x, str)),
            *(f"Notice: {x}" for x in (notices if isinstance(notices, list | tuple) else ()) if isinstance(x, str)),
        ]

    @on(Sheet.Picked)
    def _picked(self, event: Sheet.Picked) -> None:
        """A line of the overview opens; any other row is shown in full."""
        event.stop()
        if self.view.id == OVERVIEW:
            self.go_to(self._views[event.row + 1].id)
        else:
            self._details(self.view.table, event.row)

    def _details(self, table: Table, row: int) -> None:
        """A row in full: names are long and windows are narrow."""
        lines = row_lines(self._record or {}, table, row)
        parts = [Content.assemble((f"{shown(k, 60)}: ", "bold"), shown(v, 12_000)) for k, v in lines]
        self.app.push_screen(Page(shown(table.title, 70), Content("\n").join(parts)))

    # -- keys: rows of the scope ``comparison`` ----------------------------------------------------------------------

    def action_view(self, by: int) -> None:
        """The next view or the one before."""
        self.turn(by)

    def action_overview(self) -> None:
        """What there is to look at."""
        self.go_to(OVERVIEW)

    def action_tensors(self) -> None:
        """All tensors."""
        self.go_to(TENSORS)

    def action_numbers(self) -> None:
        """A figure's numbers as a table, and back."""
        if self._views and not self.turn_numbers():
            key = keys.name_of("comparison", "next_view")
            self._hint(f"Only a figure has a picture and numbers; {key} goes to the next view.")

    def action_sort(self) -> None:
        """Sort by the next column."""
        if self._has_rows():
            self.sheet.sort(1)

    def action_flip(self) -> None:
        """Turn the order round."""
        if self._has_rows():
            self.sheet.flip()

    def action_filter(self) -> None:
        """Type a filter."""
        if self._has_rows():
            self.sheet.ask_filter()

    def _has_rows(self) -> bool:
        if self._as_picture:
            key = keys.name_of("comparison", "numbers")
            self._hint(f"This is a picture; {key} shows its numbers as a table, which can be sorted and filtered.")
        return self.ready and not self._as_picture

    def _hint(self, text: str) -> None:
        say = getattr(self.app, "say", None)
        if say is not None:
            say(text)

    def leave_field(self) -> bool:
        """Out of the filter line, back to the rows; False where it was not open."""
        if not self.sheet.leave_filter():
            return False
        self.focus_view()
        return True

    @on(Sheet.Left)
    def _back_to_rows(self, event: Sheet.Left) -> None:
        event.stop()
        self.focus_view()


def _without_pauses(record: Mapping[str, Any], tensors: Tensors | None) -> tuple[View, ...]:
    """The views of very many tensors, for a thread.

    A collection over millions of objects stops every thread for a sixth of a second, again and again.  None of these
    objects stand in cycles, so the collector need not look at them.
    """
    gc.disable()
    try:
        return views(record, tensors)
    finally:
        gc.freeze()
        gc.enable()


def _amount(record: Mapping[str, Any], tensors: Tensors | None) -> int:
    identity = record.get("identity")
    lists = [identity.get(k) for k in ("differing", "only_a", "only_b")] if isinstance(identity, Mapping) else []
    named = sum(len(x) for x in lists if isinstance(x, list | tuple))
    return named + (0 if tensors is None else len(tensors[0]) + len(tensors[1]))


def _side(name: str, side: Any) -> str:
    of: Mapping[str, Any] = side if isinstance(side, Mapping) else {}
    return clean(
        f"{name.upper()}: {clean(words(of.get('label')), 24)} · {words(of.get('kind'))} · {words(of.get('family'))} · "
        f"{count(of.get('parameters'))} parameters · root {words(of.get('root'))[:8]}…",
        200,
    )
