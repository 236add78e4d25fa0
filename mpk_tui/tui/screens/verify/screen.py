"""A bundle from somebody else: the verdict first, in words; whom it rests on; then every part of it, each in full."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.bundle.outcome import MEANING, ON_REQUEST, Outcome, Word
from mpk_tui.progress import CancelToken, Report
from mpk_tui.text import clean
from mpk_tui.tui import keys
from mpk_tui.tui.endorsing import endorsing
from mpk_tui.tui.jobs import Job
from mpk_tui.tui.safe import plain, shown, told
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.screens.verify import forms, found, said
from mpk_tui.tui.screens.verify.part import LONG, Lines, Part, Table, spread_table
from mpk_tui.tui.screens.verify.view import misshapen
from mpk_tui.tui.verifying import Opened, checking, compared_with, request_of
from mpk_tui.tui.widgets.comparison import ComparisonView, Look
from mpk_tui.tui.widgets.form import Form, Page
from mpk_tui.tui.widgets.table import Column, RowTable

KEPT = "verify"
INTACT = "signature and contents intact; this does not endorse the conclusion."
"""What VALID means, as briefly as it can be said (`mpk_tui.bundle.outcome.MEANING` is the whole of it)."""


@dataclass
class Desk:
    """What stays while another screen is shown.

    Attributes:
        opened: The bundle that is looked at, or None.
        parts: Its parts.
        job: The newest check.
        typed: What was typed into the form that opens a bundle.
        compared: What was typed into the form that compares.
        unsaid: What was typed into the form that endorses and was not signed yet, without the passphrase.
        row: Row of the list of parts.
        part: Id of the part that is open, or empty for the list.
        looks: How each comparison was looked at.
    """

    opened: Opened | None = None
    parts: tuple[Part, ...] = ()
    job: Job | None = None
    typed: dict[str, str] | None = None
    compared: dict[str, str] | None = None
    unsaid: dict[str, str] = field(default_factory=dict)
    row: int = 0
    part: str = ""
    looks: dict[str, Look] = field(default_factory=dict)


def parts_of(opened: Opened) -> tuple[Part, ...]:
    """All parts of a bundle: what was found, what it says as far as that may be shown, its sections."""
    contents = opened.outcome.shown(untrusted=opened.untrusted)
    inside = said.parts(opened.outcome, contents) if contents is not None else []
    return (*found.parts(opened), *inside, *found.section_part(opened.outcome))


def in_words(outcome: Outcome) -> str:
    """What the verdict means, the meaning of VALID first: what does not fit a small window comes after it."""
    words = outcome.words.replace(MEANING, "").strip()
    return f"{INTACT} {words}" if outcome.verdict is Word.VALID else words


class Verify(StepScreen):
    """Verification of one bundle; needs no case.

    Args:
        bundle: A path to begin the form with.
    """

    NAME = "verify"
    SCOPES = ("verify",)
    BINDINGS: ClassVar[list[Any]] = keys.bindings("verify")
    DEFAULT_CSS = """
    Verify #word { max-height: 4; }
    Verify #rests { max-height: 3; }
    Verify #part-title { height: auto; padding: 0 1; }
    Verify #part-about { height: auto; max-height: 3; padding: 0 1; }
    Verify #part-scroll { height: 1fr; padding: 0 1; }
    Verify #part-scroll.above { height: auto; max-height: 45%; }
    Verify #part-view { height: 1fr; }
    """

    def __init__(self, bundle: str = "") -> None:
        super().__init__()
        self._bundle = bundle
        self._table = Table((), (), lambda _: [])
        self._listed = 0
        self._drawn: tuple[int, str] | None = None

    @property
    def desk(self) -> Desk:
        """What is kept between two visits."""
        made = self.bench.kept.setdefault(KEPT, Desk())
        assert isinstance(made, Desk)
        return made

    # -- the picture ------------------------------------------------------------------------------------------------

    def body(self) -> Iterable[Widget]:
        """The word, whom it rests on, then the list of parts or one part."""
        yield Static("", id="word", classes="lead")
        yield Static("", id="rests", classes="text")
        yield Static("", id="list-title", classes="section")
        yield RowTable([Column("part", 30), Column("in short")], empty="No bundle is open.", id="start")
        yield Static("", id="part-title")
        yield Static("", id="part-about")
        with VerticalScroll(id="part-scroll", classes="pane"):
            yield Static("", id="part-text")
        yield RowTable([Column("")], id="part-table")
        with Vertical(id="part-view"):
            yield ComparisonView()

    def opened(self) -> None:
        """A path that came along is asked about at once."""
        if self._bundle:
            self.action_open()

    def show(self) -> None:
        """The bundle as far as it is open."""
        desk = self.desk
        self._say_word()
        here = self._part()
        for name, on_list in (("list-title", True), ("start", True), ("part-title", False), ("part-about", False)):
            self.query_one(f"#{name}").display = on_list is (here is None)
        table, scroll, view = (self.query_one(f"#part-{n}") for n in ("table", "scroll", "view"))
        if here is None:
            table.display = scroll.display = view.display = False
            self.query_one("#list-title", Static).update(
                Content(f"{len(desk.parts)} parts · {keys.name_of('table', 'pick')} opens one" if desk.parts else "")
            )
            self.query_one("#list-title").display = bool(desk.parts)
            start = self.query_one("#start", RowTable)
            fresh = not start.rows or self._listed != id(desk.parts) or self._drawn is not None
            start.show([(p.title, p.state) for p in desk.parts])
            self._listed = id(desk.parts)
            if fresh:
                start.cursor = min(desk.row, max(0, len(desk.parts) - 1))
            self._drawn = None
            return
        self._draw(here)

    def _part(self) -> Part | None:
        return next((p for p in self.desk.parts if p.id == self.desk.part), None) if self.desk.part else None

    def _say_word(self) -> None:
        desk = self.desk
        word, rests = self.query_one("#word", Static), self.query_one("#rests", Static)
        opened, job = desk.opened, desk.job
        rests.display = True
        if job is not None and job.live:
            word.update(plain(f"Checking {job.title.removeprefix('verify ')}: {job.line()}", 600))
            rests.display = False
        elif job is not None and job.error and opened is None:
            word.update(plain(f"Not verified: {job.error}", 1200))
            rests.display = False
        elif opened is None:
            word.update(Content("No bundle is open."))
            rests.update(
                Content(
                    f"{keys.name_of('verify', 'open')} names a bundle (.mpkb) and whom you believe: a trust store or "
                    "one public key (PEM). Without either, your own store counts; a signer whom it does not hold is "
                    "untrusted."
                )
            )
        else:
            outcome = opened.outcome
            banner = ""
            if opened.untrusted and outcome.verdict in ON_REQUEST:
                banner = f"*** {outcome.verdict}: what follows is not to be relied on ***  "
            across = self.app.size.width  # the body has no size yet when the screen is first shown
            width = max(40, across - 2 - (28 if across >= 100 else 0) - (44 if across >= 140 else 0))
            lead = f"{banner}{outcome.verdict}: {in_words(outcome)}"
            word.update(plain(lead, (2 if desk.part else 4) * width - 24))
            rests.update(plain(opened.trust_brief(), 300))
            rests.display = not desk.part

    def _draw(self, part: Part) -> None:
        """One part; drawn again only if it is another one, so that nobody loses their place."""
        desk = self.desk
        at = desk.parts.index(part)
        now = (id(desk.parts), part.id)
        if self._drawn == now:
            return
        self._drawn = now
        signed = ", as signed" if part.claim else ""
        on, back = keys.name_of("verify", "next_part"), keys.name_of("verify", "previous_part")
        leave = keys.name_of("everywhere", "leave")
        self.query_one("#part-title", Static).update(
            Content.assemble(
                (clean(f"{at + 1}/{len(desk.parts)} {part.title}{signed}", 60), "bold"),
                (f"   {on} next, {back} previous, {leave} list", "dim"),
            )
        )
        about = self.query_one("#part-about", Static)
        about.update(plain(part.about, 600))
        scroll, table = self.query_one("#part-scroll", VerticalScroll), self.query_one("#part-table", RowTable)
        tensors = part.tensors() if part.tensors is not None else None
        text = part.text() if part.text is not None else None
        made = part.table() if part.table is not None else None
        if part.record is not None:
            why = misshapen(part.record, tensors)
            if why:
                text, made = Lines().line(why), spread_table(part.record)
        scroll.display, table.display = text is not None, made is not None
        scroll.set_class(made is not None, "above")
        view = self.query_one(ComparisonView)
        as_comparison = part.record is not None and made is None
        self.query_one("#part-view").display = as_comparison
        focus: Widget = scroll
        if text is not None:
            self.query_one("#part-text", Static).update(text.content())
            scroll.scroll_home(animate=False)
        if made is not None:
            self._table = made
            table.say_empty(made.empty)
            table.cursor = 0
            table.show(made.rows, made.columns)
            focus = table
        if as_comparison and part.record is not None:
            notes = () if tensors is not None else ("A list of tensors is withheld: what the record names is listed.",)
            view.show(part.record, tensors, look=desk.looks.setdefault(part.id, Look()), notes=notes)
            if view.ready:
                self.call_after_refresh(view.focus_view)
            return
        self.set_focus(focus)

    def context(self) -> Content:
        """The bundle in a narrow column."""
        opened = self.desk.opened
        if opened is None:
            return super().context()
        outcome = opened.outcome
        rows: list[Content] = [Content.styled("Bundle", "bold"), plain(str(opened.request.bundle), 200)]
        rows += [Content.styled(f"\n{outcome.verdict}", "bold")]
        rows += [plain(f"{s.state}: {s.person or s.id}", 120) for s in outcome.signers[:12]]
        shown = outcome.shown(untrusted=opened.untrusted)
        for pair in outcome.pairs[:12] if shown is not None else ():
            seen = pair.recomputed if pair.recomputed is not None else pair.signed
            rows.append(plain(f"{pair.pair}: {'withheld' if seen is None else seen['display']}", 160))
        return Content("\n").join(rows)

    def on_resize(self, _: events.Resize) -> None:
        """As many words as fit now."""
        if self.query("#word"):
            self._say_word()

    def show_jobs(self) -> None:
        """A bundle that is being read says so where its verdict will stand."""
        super().show_jobs()
        self._say_word()

    # -- going about ------------------------------------------------------------------------------------------------

    @on(RowTable.Moved, "#start")
    def _moved(self, event: RowTable.Moved) -> None:
        if not self.desk.part:
            self.desk.row = event.index

    @on(RowTable.Picked, "#start")
    def _picked(self, event: RowTable.Picked) -> None:
        self.desk.row = event.index
        self.desk.part = self.desk.parts[event.index].id
        self.show_state()

    @on(RowTable.Picked, "#part-table")
    def _row(self, event: RowTable.Picked) -> None:
        """A row in full: names are long and windows are narrow."""
        rows = self._table.details(event.index)
        lines = [Content.assemble((f"{shown(k, 80)}: ", "bold"), told(v, LONG)) for k, v in rows]
        here = self._part()
        self.bench.push_screen(Page(shown(here.title if here else "", 70), Content("\n").join(lines)))

    def action_leave(self) -> None:
        """Out of a filter line; from a part back to the list."""
        if self.query_one(ComparisonView).leave_field():
            return
        if self.desk.part:
            self.desk.part = ""
            self.show_state()
            self.set_focus(self.query_one("#start"))
        else:
            super().action_leave()

    def action_turn(self, by: int) -> None:
        """The next or previous part."""
        desk = self.desk
        if not desk.parts:
            self.bench.say("No bundle is open.")
            return
        desk.row = (desk.row + by) % len(desk.parts) if desk.part else desk.row
        desk.part = desk.parts[desk.row].id
        self.show_state()

    # -- checks -----------------------------------------------------------------------------------------------------

    def action_open(self) -> None:
        """Ask for a bundle and for whom to believe."""
        typed = dict(self.desk.typed or {})
        if self._bundle:
            typed["bundle"], self._bundle = self._bundle, ""

        self.bench.push_screen(Form("Verify a bundle", forms.opening(typed), self.begin, button="verify"))

    def begin(self, values: dict[str, str]) -> None:
        """Check the bundle that a form named.

        Args:
            values: Of the fields of `forms.opening`.

        Raises:
            UsageError: They do not fit together.
        """
        request, whom = request_of(values)
        self.desk.typed, self.desk.compared = values, None
        self._forget()
        self._start(str(request.bundle), checking(request, whom))

    def action_compare(self) -> None:
        """Hold the bundle against what is on this machine."""
        opened = self._opened()
        if opened is None:
            return
        if opened.outcome.shown(untrusted=opened.untrusted) is None:
            self.bench.say("What may not be shown is not compared either.")
            return

        fields = forms.comparing(self.desk.compared or {})
        form = Form("Compare with what is here", fields, self.compare, note=forms.COMPARING_NOTE, button="compare")
        self.bench.push_screen(form)

    def compare(self, values: dict[str, str]) -> None:
        """Check the open bundle again, against what a form named.

        Args:
            values: Of the fields of `forms.comparing`.

        Raises:
            UsageError: Nothing was named.
        """
        opened = self.desk.opened
        assert opened is not None
        request = compared_with(opened.request, values, opened.untrusted)
        self.desk.compared = values
        self._start(str(request.bundle), checking(request, opened.whom, opened.untrusted))

    def action_untrusted(self) -> None:
        """Show what is not to be relied on, under a banner; or hide it again."""
        opened = self._opened()
        if opened is None:
            return
        if opened.outcome.verdict not in ON_REQUEST:
            self.bench.say(
                "Nothing is kept back."
                if opened.outcome.contents is not None
                else f"Under {opened.outcome.verdict} there is nothing that could be shown."
            )
            return
        turned = replace(opened, untrusted=not opened.untrusted)
        # No new check is made, but parts of a large bundle take a moment to be put together.
        self._start(str(opened.request.bundle), lambda report, cancel: turned, "show")

    def action_cancel(self) -> None:
        """Stop the check."""
        job = self.desk.job
        if job is not None and job.live:
            self.bench.jobs.cancel(job)
            self.show_jobs()
        else:
            self.bench.say("No check is running.")

    def _opened(self) -> Opened | None:
        opened = self.desk.opened
        if opened is None:
            self.bench.say("Open a bundle first.")
        return opened

    def _forget(self) -> None:
        desk = self.desk
        desk.opened, desk.parts, desk.part, desk.row = None, (), "", 0
        desk.looks, desk.unsaid = {}, {}

    def _start(self, path: str, work: Any, verb: str = "verify") -> None:
        """Run a check in a thread, and put the parts together there as well."""
        bench, desk = self.bench, self.desk
        if desk.job is not None and desk.job.live:
            bench.jobs.cancel(desk.job)

        def whole(report: Report, cancel: CancelToken) -> tuple[Opened, tuple[Part, ...]]:
            opened = work(report, cancel)
            return opened, parts_of(opened)

        def finish(result: tuple[Opened, tuple[Part, ...]]) -> None:
            desk.opened, desk.parts = result
            if desk.part not in {p.id for p in desk.parts}:
                desk.part = ""

        subject = f"{path} {len(bench.jobs.all)}"
        desk.job = bench.start_job("verify", subject, f"{verb} {path}", whole, finish)
        self.show_state()

    # -- what comes of it -------------------------------------------------------------------------------------------

    def action_endorse(self) -> None:
        """Put a signed statement beside the bundle, into a new file."""
        opened = self._opened()
        if opened is None:
            return
        if opened.outcome.shown(untrusted=opened.untrusted) is None or opened.checked.data is None:
            self.bench.say("What may not be shown is not signed.")
            return
        bench, desk = self.bench, self.desk

        def accept(values: dict[str, str]) -> str | None:
            work, path = endorsing(opened, values)
            # A wrong passphrase shows only once the form is gone; nobody must write a dissent twice.
            desk.unsaid = {name: value for name, value in values.items() if name != "passphrase"}

            def whole(report: Report, cancel: CancelToken) -> tuple[Path, Opened, tuple[Part, ...]]:
                written = work(report, cancel)
                # The new file is read again and checked as anybody would, before anything is said of it.
                again = checking(replace(opened.request, bundle=written), opened.whom, opened.untrusted)(report, cancel)
                return written, again, parts_of(again)

            def finish(result: tuple[Path, Opened, tuple[Part, ...]]) -> None:
                written, desk.opened, desk.parts = result
                desk.unsaid = {}
                desk.part = "endorsements"
                desk.row = next(n for n, p in enumerate(desk.parts) if p.id == desk.part)
                desk.typed = forms.after_redirect(written, desk.typed or {})
                bench.say(f"Wrote {written}; what you see is that file, checked again.")

            title = f"endorse {path.name}"
            desk.job = bench.start_job("endorse", str(path), title, whole, finish)
            return None

        note = forms.endorsing_note(opened)
        fields = forms.endorsing(opened, desk.unsaid)
        bench.push_screen(Form("Endorse or dissent", fields, accept, note=note, button="sign"))

    def action_report(self) -> None:
        """Write a report from the bundle as it was checked."""
        from mpk_tui.report.exports import known
        from mpk_tui.tui.reporting import reporting

        opened = self._opened()
        if opened is None:
            return
        if opened.outcome.shown(untrusted=opened.untrusted) is None:
            self.bench.say("What may not be shown is not reported.")
            return
        bench = self.bench

        def accept(values: dict[str, str]) -> str | None:
            work, path = reporting(opened, values)
            done = partial(_say_written, bench, path)
            bench.start_job("report", str(path), f"report {path.name}", work, done)
            return None

        note = forms.reporting_note(known())
        bench.push_screen(Form("Make a report", forms.reporting(opened), accept, note=note, button="write"))


def _say_written(bench: Any, path: Path, notes: tuple[str, ...]) -> None:
    bench.say(" ".join((f"Wrote {path}.", *(f"Note: {n}." for n in notes[:3]))))
