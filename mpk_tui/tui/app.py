"""The application: which case is open, which screen is shown, which jobs run.  Screens own everything else."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import App
from textual.binding import BindingType
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.filter import LineFilter, NoColor
from textual.screen import Screen

from mpk_tui.errors import MpkError
from mpk_tui.progress import CancelToken, Report
from mpk_tui.text import clean
from mpk_tui.tui import keys
from mpk_tui.tui.jobs import Job, JobEnded, JobProgress, Jobs
from mpk_tui.tui.safe import SafeLines
from mpk_tui.tui.screens import make
from mpk_tui.tui.session import Gap, Session

FEW_COLOURS = ("linux", "vt100", "vt220", "ansi", "screen", "tmux")


class Actions(Provider):
    """The palette: places and the keys of the screen below."""

    def _all(self) -> list[tuple[str, str, Callable[[], Any]]]:
        app = self.app
        assert isinstance(app, Workbench)
        out: list[tuple[str, str, Callable[[], Any]]] = [
            (f"Go to {p.title}", f"g {p.digit}", partial(app.go, p.name)) for p in keys.PLACES
        ]
        scopes = getattr(self.screen, "SCOPES", ())
        for key in keys.keys_for(*scopes, "everywhere"):
            if key.action not in ("screen.leave", "command_palette"):
                out.append((key.help.rstrip("."), key.name, partial(app.run_bound, key.action)))
        return out

    async def discover(self) -> Hits:
        """Everything, while nothing is typed."""
        for title, key, call in self._all():
            yield DiscoveryHit(title, call, help=key)

    async def search(self, query: str) -> Hits:
        """What fits the words typed."""
        matcher = self.matcher(query)
        for title, key, call in self._all():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), call, help=key)


class Workbench(App[None]):
    """The terminal workbench.

    Args:
        case: Folder of a case to open, or None for Home.
        new: Begin with the form for a new case.
        read_only: Change nothing, take no lock.
    """

    TITLE = "mpk-tui"
    CSS_PATH = Path(__file__).with_name("workbench.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings("everywhere")]
    COMMANDS: ClassVar = {Actions}
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-nav"), (140, "-wide")]  # noqa: RUF012
    ENABLE_COMMAND_PALETTE = True

    def __init__(self, case: Path | None = None, *, new: bool = False, read_only: bool = False) -> None:
        super().__init__()
        self._first, self._new, self._read_only = case, new, read_only
        self.session: Session | None = None
        self.jobs = Jobs(self)
        self.unsaid: list[str] = []
        self._fence = SafeLines()
        self._grey = NoColor()
        if self.no_color or os.environ.get("TERM", "") in FEW_COLOURS:
            self.theme = "ansi-dark"
        else:
            self.theme = "textual-dark"

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The last fence before the terminal stands first here: nothing is painted that could steer it."""
        grey = (self._grey,) if self.no_color else ()
        return [self._fence, *super().get_line_filters(), *grey]

    def on_mount(self) -> None:
        """Open the case that was named, or Home."""
        if self._first is not None and not self._new:
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
        """However it ends, what was typed is entered and the lock released."""
        self.close_case()

    # -- the case ---------------------------------------------------------------------------------------------------

    def open_case(self, folder: Path, *, read_only: bool = False) -> None:
        """Open a case in place of the one that is open.

        Raises:
            MpkError: It cannot be opened at all; one that somebody else writes opens read-only.
        """
        session = Session.open(folder, read_only=read_only)
        self.close_case()
        self.session = session
        self.unsaid += session.notices

    def close_case(self) -> None:
        """Enter what was typed, stop jobs, release the lock."""
        self.jobs.cancel_all()
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
        line = ("! " if bad else "") + clean(text, 600)
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
        self.switch_screen(make(name, **where))

    def jump(self, gap: Gap) -> None:
        """To where a gap can be closed."""
        if self.session is not None:
            self.session.look_at(gap.pair)
            question = self.session.question_of(gap)
            self.go(gap.step, **({"question": question} if question else {}))

    def action_go(self) -> None:
        """The Go overlay."""
        if type(self.screen).__name__ != "Go":
            self.push_screen(make("go"), lambda name: self.go(name) if name else None)

    def action_help(self) -> None:
        """Keys and rules."""
        if type(self.screen).__name__ != "Page":
            self.push_screen(make("help", scopes=getattr(self.screen, "SCOPES", ())))

    async def run_bound(self, action: str) -> None:
        """Run an action as its key would, from the palette."""
        await self.run_action(action if hasattr(self, f"action_{action}") else f"screen.{action}")

    def action_leave_app(self) -> None:
        """Quit; a live job is named first and needs a second key."""
        live = self.jobs.live
        if live and not all(j.token.cancelled for j in live):
            self.jobs.cancel_all()
            self.say("Jobs are being stopped; press ^q again to close.")
            return
        self.close_down()

    def close_down(self) -> None:
        """Leave at once and in order: typed text entered, jobs stopped, terminal restored."""
        self.close_case()
        self.exit()

    # -- jobs -------------------------------------------------------------------------------------------------------

    def start_job(
        self,
        what: str,
        subject: str,
        title: str,
        work: Callable[[Report, CancelToken], Any],
        finish: Callable[[Any], None],
    ) -> Job:
        """Run work in a thread; ``finish`` journals its result here, on the interface's thread."""
        job = self.jobs.start(what, subject, title, work, finish, self._root())
        self._show_jobs()
        return job

    def _root(self) -> str:
        return str(self.session.case.root) if self.session is not None else ""

    @on(JobProgress)
    def _progress(self, message: JobProgress) -> None:
        if self.jobs.progressed(message) is not None:
            self._show_jobs()

    @on(JobEnded)
    def _ended(self, message: JobEnded) -> None:
        job = self.jobs.ended(message)
        if job is None:
            return
        if message.state == "done" and job.root == self._root():
            if not self.attempt(partial(job.finish, message.result)):
                job.state, job.error = "failed", "its result could not be journalled"
            self.changed()
        elif job.error:
            self.say(f"{job.title}: {job.error}", bad=True)
        self._show_jobs()

    def _show_jobs(self) -> None:
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

    def _fatal_error(self) -> None:
        """Say what broke and where, without the values of any variable: one of them may be a passphrase."""
        self.bell()
        self._exit_renderables.append(Text(fault_report(self._exception)))
        self._close_messages_no_wait()


def fault_report(error: BaseException | None) -> str:
    """A traceback of places only: no locals, no messages of foreign exceptions, which may quote what was typed."""
    frames: Iterable[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__) if error else ()
    places = [f"  {Path(f.filename).name}:{f.lineno} in {f.name}" for f in frames]
    return "\n".join(
        [
            f"mpk-tui ended on a fault of its own: {type(error).__name__}",
            *places[-12:],
            "Everything that was answered is in the case's journal. Please report the lines above.",
        ]
    )


def workbench(screen: Screen[Any]) -> Workbench:
    """The application of a screen, with its type."""
    app = screen.app
    assert isinstance(app, Workbench)
    return app
