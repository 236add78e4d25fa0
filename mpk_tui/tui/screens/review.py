"""Step 9: what the case amounts to, what is still open, and the signature."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.text import clean
from mpk_tui.tui import signing
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.widgets.form import Field, Form
from mpk_tui.tui.widgets.table import Column, RowTable


class Review(StepScreen):
    """Verdicts above, gaps below; s signs once no gap blocks."""

    NAME = "review"
    SCOPES = ("review", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("review")

    def body(self) -> Iterable[Widget]:
        """Verdicts, gaps, what would be signed."""
        with VerticalScroll(id="verdicts", classes="pane"):
            yield Static("", id="verdict-text", classes="text")
        yield Static("", id="gaps-title", classes="section")
        yield RowTable([Column("step", 11), Column("pair", 9), Column("what is missing")], empty="Nothing.", id="start")

    def show(self) -> None:
        """Verdict of every pair, then the gaps."""
        session = self.session
        parts: list[Content] = []
        for pair in session.pairs:
            found = session.verdict(pair)
            mark = "›" if pair == session.pair else " "
            parts.append(Content.styled(clean(f"{mark}{pair}: {found.display}"), "bold"))
            parts += [Content(clean(f"  {s}", 800)) for s in found.statements]
            if found.mechanisms:
                parts.append(Content(f"  Mechanism: {', '.join(found.mechanisms)}"))
            parts += [Content(clean(f"  ! {c}", 600)) for c in found.conflicts]
            rationale = session.case.state.rationale.get(pair, "")
            parts.append(Content(clean(f"  Rationale: {rationale or 'none yet (r writes it)'}", 2000)))
            known = session.case.state.known_gaps.get(pair, ())
            if known:
                parts.append(Content(clean(f"  Known gaps named: {', '.join(known)}")))
        if not parts:
            parts.append(Content("There is no pair yet, so there is no verdict."))
        parts.append(Content.styled("A signature would cover", "bold"))
        parts += [Content(clean(f"  {line}", 300)) for line in session.to_be_signed()]
        self.query_one("#verdict-text", Static).update(Content("\n").join(parts))
        self._gaps = session.gaps()
        blocking = sum(g.blocking for g in self._gaps)
        title = (
            f"{blocking} to close before a signature (Enter goes there)"
            if blocking
            else "Nothing blocks a signature: s"
        )
        self.query_one("#gaps-title", Static).update(Content(title))
        self.query_one("#start", RowTable).show(
            [(g.step, g.pair, g.text if g.blocking else f"{g.text} (a reminder)") for g in self._gaps]
        )

    @on(RowTable.Picked)
    def _picked(self, event: RowTable.Picked) -> None:
        gap = self._gaps[event.index]
        if gap.step == self.NAME:
            self.session.look_at(gap.pair)
            self.action_rationale()
        else:
            self.bench.jump(gap)

    def action_jump(self) -> None:
        """To where the gap under the cursor is closed."""
        self.query_one("#start", RowTable).action_pick()

    def _ready(self) -> bool:
        if self.session.pair is None:
            self.bench.say("There is no pair yet.")
            return False
        return self.bench.attempt(self.session.must_write)

    def action_rationale(self) -> None:
        """The analyst's own words."""
        if not self._ready():
            return
        session = self.session

        def accept(values: dict[str, str]) -> str | None:
            if not values["text"].strip():
                return "Say in your own words why the verdict stands."
            session.set_rationale(values["text"].strip())
            return None

        form = Form(
            f"Rationale for {session.pair_name}",
            [Field("text", "In your own words; quoted as yours", "lines", session.rationale)],
            accept,
            note="\n".join(session.verdict().statements),
            drafts=session.drafts,
            name=f"rationale/{session.pair}",
        )
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)

    def action_known_gaps(self) -> None:
        """Known gaps of the constitution that bear on this verdict."""
        if not self._ready():
            return
        session = self.session
        rows = session.norm.data["known_gaps"]

        def accept(values: dict[str, str]) -> str | None:
            session.set_known_gaps(tuple(values["gaps"].split()))
            return None

        form = Form(
            f"Known gaps that bear on {session.pair_name}",
            [Field("gaps", "Numbers, with blanks between", value=" ".join(session.named_gaps))],
            accept,
            note="\n".join(f"{g['id']}  {g['title']}" for g in rows),
        )
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)

    def action_sign(self) -> None:
        """Show what would be signed, ask for a key, then build, sign and write the bundle."""
        if not self._ready():
            return
        session = self.session
        blocking = [g for g in self._gaps if g.blocking]
        if blocking:
            self.bench.say(f"Not yet: {len(blocking)} to close first. Enter goes to the one under the cursor.")
            return

        def accept(values: dict[str, str]) -> str | None:
            work, path = signing.prepare(session.case, values)

            def finish(sealed: signing.Sealed) -> None:
                signing.record(session.case, sealed)
                self.bench.say(f"Signed and written: {sealed.path}")

            self.bench.start_job("sign", str(path), f"sign {path.name}", work, finish)
            return None

        form = Form(
            signing.title(session.case),
            [
                Field("key", "Private key file", hint="path of KEY.pem"),
                Field("signer", "Signs as", value=session.case.state.examiner),
                Field("out", "Bundle (a new file)", value=str(signing.proposed_path(session.case))),
                Field("passphrase", "Passphrase", "secret"),
            ],
            accept,
            note="\n".join(signing.preview_lines(session.case)),
            button="sign",
        )
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)
