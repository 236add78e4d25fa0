"""The application: which case is open, which screen is shown, which jobs run.  Screens own everything else."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import App
from textual.binding import BindingType
from textual.command import Provider
from textual.filter import LineFilter, NoColor
from textual.screen import Screen

from mpk_tui.errors import MpkError
from mpk_tui.progress import CancelToken, Report
from mpk_tui.text import clean
from mpk_tui.tui import glyphs, keys, recent
from mpk_tui.tui.jobs import Job, JobEnded, JobProgress, Jobs, told_of
from mpk_tui.tui.safe import GlyphLines, SafeLines, shown
from mpk_tui.tui.screens import make
from mpk_tui.tui.settings import Looks, Settings, keep
from mpk_tui.tui.themes import OPAQUE, OURS, TEXTUAL

if TYPE_CHECKING:
    from rich.console import RenderableType

    from mpk_tui.tui.session import Gap, Session


def palette() -> type[Provider]:
    """What the palette finds; imported when it is first opened."""
    from mpk_tui.tui.palette import Actions

    return Actions


class Workbench(App[None]):
    """The terminal workbench.

    Args:
        case: Folder of a case to open, or None for Home.
        new: Begin with the form for a new case.
        read_only: Change nothing, take no lock.
        looks: Theme, characters, mouse and keys, decided by `settings.gather`.
    """

    TITLE = "mpk-tui"
    CSS_PATH = Path(__file__).with_name("workbench.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("everywhere")]
    COMMANDS: ClassVar = {palette}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-nav"), (140, "-wide")]  # noqa: RUF012
    ENABLE_COMMAND_PALETTE = True

    def __init__(
        self, case: Path | None = None, *, new: bool = False, read_only: bool = False, looks: Looks | None = None
    ) -> None:
        super().__init__()
        self.looks = looks or Looks()
        glyphs.set_charset(self.looks.charset)
        keys.use(self.looks.own_keys or {})
        self.set_keymap(keys.textual_keymap())
        self._first, self._new, self._read_only = case, new, read_only
        self.session: Session | None = None
        self.jobs = Jobs(self)
        self._came_from = ""
        self.kept: dict[str, Any] = {}  # what screens keep while another one is shown, by the screen's name
        self.unsaid: list[str] = list(self.looks.notices)
        self._fence, self._cells, self._grey = SafeLines(), GlyphLines(), NoColor()
        for theme in OURS:
            self.register_theme(theme)
        self._dress("ansi" if self.no_color else self.looks.theme)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The last fence before the terminal stands first here: nothing is painted that could steer it."""
        grey = (self._grey,) if self.no_color else ()
        return [self._fence, self._cells, *super().get_line_filters(), *grey]

    # -- looks ------------------------------------------------------------------------------------------------------

    def wear(self, theme: str) -> None:
        """Change the theme, from now on and for this run."""
        if self.no_color:
            self.say("NO_COLOR is set, so there is no theme to choose.")
            return
        self.looks = replace(self.looks, theme=theme)
        self._dress(theme)
        self.say(f"Theme {theme}. The palette can keep it for the next start.")

    def _dress(self, theme: str) -> None:
        self.theme = TEXTUAL[theme]
        self.set_class(theme in OPAQUE, "-opaque")
        self.set_class(bool(self.no_color), "-grey")

    def draw_with(self, charset: str) -> None:
        """Change the repertoire of characters, from now on and for this run."""
        self.looks = replace(self.looks, charset=charset)
        glyphs.set_charset(charset)
        self._cells = GlyphLines()  # strips remember what a filter made of them
        self.changed()
        for screen in self.screen_stack:
            for widget in screen.walk_children():
                widget.refresh(layout=True)
        self.say(f"Drawn in {charset} from now on. The palette can keep it for the next start.")

    def keep_looks(self) -> None:
        """Write theme, characters and mouse into the settings file."""
        looks = self.looks
        wishes = Settings(looks.theme, {glyphs.ASCII: True, glyphs.UNICODE: False}.get(looks.charset), looks.mouse)
        self.attempt(lambda: self.say(f"Kept in {keep(wishes)}"))

    def on_mount(self) -> None:
        """Open the case that was named, or Home."""
        if self._first is not None and not self._new:
            if is_long(self._first):
                self.push_screen(make("home"))
                self.call_later(self.open_soon, self._first, read_only=self._read_only)
                return
            try:
                self.open_case(self._first, read_only=self._read_only)
            except MpkError as error:
                self.unsaid.append(f"! {error.diagnosis()}")
                self.push_screen(make("home"))
            else:
                self.push_screen(make("case"))
            return
        self.push_screen(make("home", new=self._new, folder=str(self._first or "")))

    def on_unmount(self) -> None:
        """However it ends, what was typed is entered, jobs are stopped and the lock is released."""
        self.jobs.cancel_all()
        self.close_case()

    # -- the case ---------------------------------------------------------------------------------------------------

    def open_case(self, folder: Path, *, read_only: bool = False) -> None:
        """Open a case in place of the one that is open.

        Raises:
            MpkError: It cannot be opened at all; one that somebody else writes opens read-only.
        """
        self.take_session(read_session(folder, read_only=read_only), folder)

    def take_session(self, session: Session, folder: Path) -> None:
        """Put a case that was opened in place of the one that is open."""
        self.close_case()
        self.session = session
        self.unsaid += session.notices
        recent.remember(folder)

    def open_soon(self, folder: Path, *, read_only: bool = False) -> None:
        """Open a case and show it; a long journal is read by a thread, so that keys and clocks go on meanwhile."""
        if not is_long(folder):
            if self.attempt(partial(self.open_case, folder, read_only=read_only)):
                self.go("case")
            return

        def show() -> None:
            self.take_session(opened[0], folder)
            self.go("case")

        def work() -> None:
            try:
                opened.append(read_session(folder, read_only=read_only))
            except MpkError as error:
                self.call_later(self.say, error.diagnosis(), bad=True)
            else:
                self.call_later(show)

        opened: list[Session] = []
        self.say(f"Reading the journal of {folder.name}…")
        Thread(target=work, name="open-case", daemon=True).start()

    def close_case(self) -> None:
        """Enter what was typed, stop the case's jobs and say so, release the lock."""
        stopped = self.jobs.cancel_case(self._root())
        if stopped:
            self.unsaid.append(f"Stopped with their case: {told_of(stopped)}")
        if self.session is not None:
            self.enter_typed()
            self.session.close()
            self.session = None

    def enter_typed(self) -> None:
        """Let every screen journal what was typed into it."""
        if not self._screen_stacks:
            return
        for screen in self.screen_stack:
            flush = getattr(screen, "flush", None)
            if flush is not None and screen.is_mounted:
                self.attempt(flush)

    def attempt(self, act: Callable[[], Any]) -> bool:
        """Do something that may be refused; a refusal becomes a sentence.  Whether it was done."""
        try:
            act()
        except MpkError as error:
            self.say(error.diagnosis(), bad=True)
            return False
        except OSError as error:
            self.say(f"{error.filename or 'the case'}: {error.strerror or error}", bad=True)
            return False
        return True

    def changed(self) -> None:
        """The case holds something new: let the screens below any dialog show it."""
        for screen in self.screen_stack:
            show = getattr(screen, "show_state", None)
            if show is not None and screen.is_mounted:
                show()

    def say(self, text: str, *, bad: bool = False) -> None:
        """A line above the keys, or a toast over a dialog; never markup.  A fault says so in words and stays longer."""
        line = ("! " if bad else "") + shown(text, 600)
        seconds = 20.0 if bad else 6.0
        hear = getattr(self.screen, "hear", None)
        if hear is not None and self.screen.is_mounted:
            hear(line, seconds)
        else:
            self.notify(line, severity="error" if bad else "information", timeout=seconds, markup=False)

    # -- moving about -----------------------------------------------------------------------------------------------

    def go(self, name: str, **where: Any) -> None:
        """Show a screen."""
        place = next((p for p in keys.PLACES if p.name == name), None)
        if place is not None and place.needs_case and self.session is None:
            self.say("Open or begin a case first.")
            return
        self.enter_typed()
        if name == "jobs":
            self._came_from = getattr(self.screen, "NAME", "")
        self.switch_screen(make(name, **where))

    def go_back(self) -> None:
        """From the list of jobs to where one came from."""
        name = self._came_from or ("case" if self.session is not None else "home")
        known = next((p for p in keys.PLACES if p.name == name), None)
        self.go("home" if known is None or (known.needs_case and self.session is None) else name)

    def action_jobs(self) -> None:
        """The list of jobs, and back."""
        if getattr(self.screen, "NAME", "") == "jobs":
            self.go_back()
        elif hasattr(self.screen, "NAME"):
            self.go("jobs")

    def jump(self, gap: Gap) -> None:
        """To where a gap can be closed."""
        if self.session is not None:
            self.session.look_at(gap.pair)
            self.session.aim = gap
            question = self.session.question_of(gap)
            self.go(gap.step, **({"question": question} if question else {}))

    def action_go(self) -> None:
        """The Go overlay."""
        if type(self.screen).__name__ != "Go":
            self.push_screen(make("go"), lambda name: self.go(name) if name else None)

    def action_help(self) -> None:
        """Keys and rules."""
        if type(self.screen).__name__ != "Page":
            screen = self.screen
            self.push_screen(make("help", scopes=getattr(screen, "SCOPES", ()), screen=getattr(screen, "NAME", "")))

    async def run_bound(self, action: str) -> None:
        """Run an action as its key would, from the palette."""
        await self.run_action(action if hasattr(self, f"action_{action}") else f"screen.{action}")

    _warned_of: Sequence[int] = ()

    def action_leave_app(self) -> None:
        """Quit; a live job is named first and needs a second key.  It runs on until then."""
        live = [j for j in self.jobs.live if not j.token.cancelled]
        names = [j.number for j in live]
        if live and self._warned_of != names:
            self._warned_of = names
            titles = ", ".join(j.title for j in live[:3]) + (f" and {len(live) - 3} more" if len(live) > 3 else "")
            self.say(f"Under way: {titles}. {keys.name_of('everywhere', 'quit')} again stops that and closes.")
            return
        self.close_down()

    def close_down(self) -> None:
        """Leave at once and in order: typed text entered, jobs stopped, terminal restored."""
        stopped = self.jobs.cancel_all()
        self.close_case()
        self.exit(message=Text(clean(f"Stopped: {told_of(stopped)}", 600)) if stopped else None)

    # -- jobs -------------------------------------------------------------------------------------------------------

    def start_job(
        self,
        what: str,
        subject: str,
        title: str,
        work: Callable[[Report, CancelToken], Any],
        finish: Callable[[Any], None],
        paths: Iterable[Path] = (),
    ) -> Job:
        """Run work in a thread; ``finish`` journals its result here, on the interface's thread.

        Args:
            what: Kind of job.
            subject: What it is for; the same work is not started twice.
            title: For people.
            work: For the thread; it touches no widget.
            finish: For this thread, with the result.
            paths: What it reads at length; one that names nothing is light and waits for no other.
        """
        job = self.jobs.start(what, subject, title, work, finish, self._root(), paths)
        self.show_jobs()
        return job

    def _root(self) -> str:
        return str(self.session.case.root) if self.session is not None else ""

    @on(JobProgress)
    def _progress(self, message: JobProgress) -> None:
        if self.jobs.progressed(message) is not None:
            self.show_jobs()

    @on(JobEnded)
    def _ended(self, message: JobEnded) -> None:
        job = self.jobs.ended(message)
        if job is None:
            return
        if message.state == "done" and job.root in ("", self._root()):
            if not self.attempt(partial(job.finish, message.result)):
                job.state, job.error = "failed", "its result could not be journalled"
            self.changed()
        elif job.error:
            self.say(f"{job.title}: {job.error}", bad=True)
        self.show_jobs()

    def show_jobs(self) -> None:
        """Let every screen show how the jobs stand."""
        for screen in self.screen_stack:
            show = getattr(screen, "show_jobs", None)
            if show is not None and screen.is_mounted:
                show()

    # -- faults of ours ---------------------------------------------------------------------------------------------

    def _handle_exception(self, error: Exception) -> None:
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._fatal_error()

    def panic(self, *renderables: RenderableType) -> None:
        """A fault in a thread of the library: said as one of ours, without its traceback and its values."""
        self._return_code = 1
        stacks = [s for r in renderables for s in getattr(getattr(r, "trace", None), "stacks", ())]
        kinds = ", ".join(str(s.exc_type) for s in stacks) or "in the library that draws"
        self._exit_renderables.append(Text(fault_report(None, kinds)))
        self._close_messages_no_wait()

    def _fatal_error(self) -> None:
        """Say what broke and where, without the values of any variable: one of them may be a passphrase."""
        self.bell()
        self._exit_renderables.append(Text(fault_report(self._exception)))
        self._close_messages_no_wait()


AT_ONCE = 256 << 10
"""Bytes of a journal, some 500 entries, that are read between two keys."""


def is_long(folder: Path) -> bool:
    """Whether reading a case takes longer than a key may wait."""
    from mpk_tui.case.store import JOURNAL  # as above

    try:
        return (folder / JOURNAL).stat().st_size > AT_ONCE
    except OSError:
        return False  # opening it says what is wrong


def read_session(folder: Path, *, read_only: bool = False) -> Session:
    """Open a case, from whichever thread.

    Raises:
        MpkError: It cannot be opened at all.
    """
    from mpk_tui.tui.session import Session  # not before: Home is drawn without it

    return Session.open(folder, read_only=read_only)


def fault_report(error: BaseException | None, kind: str = "") -> str:
    """A traceback of places only: no locals, no messages of foreign exceptions, which may quote what was typed."""
    frames: Iterable[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__) if error else ()
    places = [f"  {Path(f.filename).name}:{f.lineno} in {f.name}" for f in frames]
    return "\n".join(
        [
            f"mpk-tui ended on a fault of its own: {kind or type(error).__name__}",
            *places[-12:],
            "Everything that was answered is in the case's journal. Please report the lines above.",
        ]
    )


def workbench(screen: Screen[Any]) -> Workbench:
    """The application of a screen, with its type."""
    app = screen.app
    assert isinstance(app, Workbench)
    return app
