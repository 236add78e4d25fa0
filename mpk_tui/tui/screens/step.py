"""What all steps share: head, navigation from 100 columns, context from 140, foot line, jobs line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.tui import keys
from mpk_tui.tui.app import Workbench, workbench
from mpk_tui.tui.safe import plain, shown
from mpk_tui.tui.screens.go import Go
from mpk_tui.tui.widgets.table import RowTable

if TYPE_CHECKING:  # Home is drawn without the code of a case
    from mpk_tui.tui.session import Gap, Session


class Nav(Static):
    """The steps with what is open in each; a click goes there."""

    def on_click(self, event: events.Click) -> None:
        """Go to the step under the pointer."""
        if 0 <= event.y < len(keys.PLACES):
            app = self.app
            assert isinstance(app, Workbench)
            app.go(keys.PLACES[event.y].name)


class StepScreen(Screen[None]):
    """A screen with the frame of the workbench; subclasses give `body` and `show`."""

    NAME: ClassVar[str] = ""
    SCOPES: ClassVar[tuple[str, ...]] = ()
    AUTO_FOCUS: ClassVar[str | None] = "#start"
    _silence: Timer | None = None
    _fault: str = ""
    _announced: Gap | None = None

    @property
    def bench(self) -> Workbench:
        """The application."""
        return workbench(self)

    @property
    def session(self) -> Session:
        """The open case."""
        session = self.bench.session
        assert session is not None
        return session

    def compose(self) -> ComposeResult:
        """The frame around the body."""
        with Horizontal(id="head"):
            yield Static("", id="head-left")
            yield Static("", id="head-right")
        with Horizontal(id="frame"):
            yield Nav("", id="nav")
            with Vertical(id="body"):
                yield from self.body()
            with VerticalScroll(id="context", can_focus=False):
                yield Static("", id="context-text")
        yield Static("", id="jobs")
        yield Static("", id="said")
        yield Static("", id="foot")

    def body(self) -> Iterable[Widget]:
        """The screen's own widgets."""
        return ()

    def show(self) -> None:
        """Bring the body up to date with the case."""

    def foot_scopes(self) -> tuple[str, ...]:
        """Scopes whose keys the foot line names, the most wanted ones first."""
        return self.SCOPES

    def foot_rows(self) -> list[keys.Key]:
        """Keys that the foot line names while there is room, the most wanted ones first."""
        return [k for k in keys.keys_for(*self.foot_scopes(), "everywhere") if k.foot]

    def context(self) -> Content:
        """Text of the right pane; what the case says of the current pair."""
        session = self.bench.session
        return session.summary() if session is not None else Content("")

    def flush(self) -> None:
        """Enter what was typed and not yet entered."""

    def on_mount(self) -> None:
        """First picture.  Textual calls this for every class of the line, so screens extend `opened` instead."""
        self.show_state()
        if self.bench.unsaid:
            self.hear(shown("  ".join(self.bench.unsaid), 600), 20.0)
            self.bench.unsaid.clear()
        self.opened()
        gap = self.bench.session.take_aim() if self.bench.session is not None else None
        if gap is not None and gap.step == self.NAME:
            self._announced = gap
            self.land(gap)

    def opened(self) -> None:
        """Once, after the first picture."""

    def land(self, gap: Gap) -> None:
        """Come to where a gap can be closed; by default to the row that it is about."""
        if not gap.what:
            return
        for table in self.query("#start").results(RowTable):
            table.cursor = next((n for n, row in enumerate(table.rows) if str(row[0]) == gap.what), table.cursor)

    def show_state(self) -> None:
        """Bring everything up to date."""
        self.show()
        self._frame()
        self.show_jobs()
        self._forget_gap()

    def begun(self) -> None:
        """Work on the gap that was announced has begun: it is not said any longer."""
        if self._announced is not None:
            self._announced = None
            self.hush()

    def _forget_gap(self) -> None:
        """A gap that was announced and is closed by now is not said any longer."""
        if self._announced is None or self.bench.session is None:
            return
        if self._announced not in self.session.gaps():
            self._announced = None
            self.hush()

    def on_resize(self, _: events.Resize) -> None:
        """The foot line says what fits."""
        self._foot()

    def on_key(self, event: events.Key) -> None:
        """A digit typed so soon after ``g`` that it still arrived here belongs to the Go overlay."""
        top = self.app.screen
        place = next((p for p in keys.PLACES if p.digit == event.key), None)
        if isinstance(top, Go) and place is not None:
            event.stop()
            top.call_later(top.action_place, place.name)

    def _frame(self) -> None:
        place = next((p for p in keys.PLACES if p.name == self.NAME), None)
        session = self.bench.session
        title = f"{place.digit} {place.title}" if place and place.digit.isdigit() else place.title if place else ""
        left: list[Any] = [(f" {title} ", "bold"), " mpk-tui"]
        if session is not None:
            left = [(f" {title} ", "bold"), f" {session.name}"]
            if session.read_only:
                left.append((" READ ONLY", "bold"))
        self.query_one("#head-left", Static).update(Content.assemble(*left))
        self.query_one("#head-right", Static).update(plain(session.pair_name if session is not None else "", 60))
        lines = []
        open_steps = session.open_steps() if session is not None else {}
        for p in keys.PLACES:
            here = p.name == self.NAME
            mark = "›" if here else " "
            count = open_steps.get(p.name, 0)
            text = f"{mark}{p.digit} {p.title:<14}{f'{count} open' if count else ''}"
            usable = session is not None or not p.needs_case
            lines.append(Content.styled(text, "bold" if here else "" if usable else "dim"))
        self.query_one("#nav", Static).update(Content("\n").join(lines))
        self.query_one("#context-text", Static).update(self.context())
        self._foot()

    def _foot(self) -> None:
        rows = self.foot_rows()
        tail = [k for k in rows if k.scope == "everywhere"]
        # A blank before the first key; there are none behind the last one.
        room = self.size.width + 1 - sum(len(k.name) + len(k.label) + 3 for k in tail)
        shown = []
        for k in rows:
            need = len(k.name) + len(k.label) + 3
            if k in tail:
                shown.append(k)
            elif need <= room:
                room -= need
                shown.append(k)
        parts: list[Any] = [" "]
        for k in shown:
            parts += [(k.name, "bold"), f" {k.label}  " if k is not shown[-1] else f" {k.label}"]
        try:
            self.query_one("#foot", Static).update(Content.assemble(*parts))
        except NoMatches:  # a resize before the first compose
            return

    def show_jobs(self) -> None:
        """One line a live job, on every step."""
        live = self.bench.jobs.live
        lines = [shown(f" job {j.number} {j.title}: {j.line()}", 200) for j in live[:2]]
        if len(live) > 2:
            lines[-1] += f"  (+{len(live) - 2} more)"
        line = self.query_one("#jobs", Static)
        line.display = bool(lines)
        line.update(Content("\n".join(lines)))

    def hear(self, line: str, seconds: float) -> None:
        """Show a sentence above the keys for a while; it covers nothing, and does not push a fault away."""
        said = self.query_one("#said", Static)
        standing = self._fault if said.display and self._fault != line else ""
        self._fault = line if line.startswith("! ") else standing
        said.display = True
        said.update(Content("\n".join(text for text in (standing, line) if text)))
        if self._silence is not None:
            self._silence.stop()
        self._silence = self.set_timer(seconds, self.hush)

    def hush(self) -> None:
        """Take the sentence away."""
        self._fault = ""
        self.query_one("#said", Static).display = False

    # -- keys that all steps have -----------------------------------------------------------------------------------

    def action_leave(self) -> None:
        """Leave a field: its text is entered, and single keys work again."""
        self.flush()
        start = self.query("#start")
        if start and self.focused is not start.first():
            self.set_focus(start.first(Widget))

    def action_pair(self, by: int) -> None:
        """Another pair of models."""
        self.flush()
        if self.session.turn_pair(by):
            self.show_state()
        else:
            self.bench.say("This case has one pair." if self.session.pairs else "Add a subject and a reference first.")

    def action_next_gap(self) -> None:
        """To the next thing that a signature waits for."""
        self.flush()
        gap = self.session.next_gap(self.NAME)
        if gap is None:
            self.bench.say(f"Nothing blocks a signature: {keys.way_to('review')} signs.")
            return
        self.bench.unsaid.append(f"{gap.pair + ': ' if gap.pair else ''}{gap.text}")  # said by the screen that comes
        self.bench.jump(gap)

    def action_undo(self) -> None:
        """Take back the last change."""
        self._again(self.session.undo, "Taken back")

    def action_redo(self) -> None:
        """Restore what was taken back."""
        self._again(self.session.redo, "Restored")

    def _again(self, act: Callable[[], str], word: str) -> None:
        self.flush()
        said: list[str] = []
        if self.bench.attempt(lambda: said.append(act())):
            following = self.session.could_undo()
            then = f" Next to take back: {following.rstrip('.')}." if following else " Nothing else can be taken back."
            self.bench.say(f"{word}: {said[0].rstrip('.')}.{then}")
            self.reload()
            self.bench.changed()

    def reload(self) -> None:
        """Forget what fields hold, after an undo."""


def case_bindings(*scopes: str) -> list[Any]:
    """Bindings of a step: its own and those of every step."""
    return list(keys.bindings("case", *scopes))
