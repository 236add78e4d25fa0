"""Step 9: what the case amounts to, what is still open, what a second person said, and the signature."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.tui import keys, wording
from mpk_tui.tui.safe import shown
from mpk_tui.tui.screens.merge import ask_merge, merge_lines
from mpk_tui.tui.screens.reading import read_through
from mpk_tui.tui.screens.rehash import rehash
from mpk_tui.tui.screens.sealing import ask_cosign, ask_signature
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.session import Gap
from mpk_tui.tui.widgets.form import MARKS, Field, Form
from mpk_tui.tui.widgets.table import Column, RowTable


class Review(StepScreen):
    """Verdicts above, gaps below; s signs once no gap blocks."""

    NAME = "review"
    SCOPES = ("review", "merge", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("review", "merge")

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
            parts += self._verdict(pair)
        if not parts:
            parts.append(Content("There is no pair yet, so there is no verdict."))
        else:
            parts += merge_lines(session)
        parts += self._reviews()
        signed = session.bundles()
        if signed:
            parts.append(Content.styled("Signed so far", "bold"))
            parts += [Content(shown(f"  {name}: {what}", 600)) for name, what in signed]
        hashed = [a.id for a in session.artifacts if a.fingerprint]
        if hashed:
            key = keys.name_of("review", "rehash")
            parts.append(Content.styled(f"Before a signature ({key} hashes again)", "bold"))
            parts += [Content(shown(f"  {a} hashed again after the analysis: {session.rehashed(a)}")) for a in hashed]
        parts.append(Content.styled("A signature would cover", "bold"))
        parts += [Content(shown(f"  {line}", 300)) for line in session.to_be_signed()]
        self.query_one("#verdict-text", Static).update(Content("\n").join(parts))
        self._gaps = session.gaps()
        blocking = sum(g.blocking for g in self._gaps)
        title = (
            f"{blocking} to close before a signature ({keys.name_of('review', 'jump')} goes there)"
            if blocking
            else f"Nothing blocks a signature: {keys.name_of('review', 'sign')} signs"
        )
        if signed:
            what = signed[-1][0]
            title += f"; {what.lower()} exists" if blocking else f" the next bundle; {what.lower()} exists"
        self.query_one("#gaps-title", Static).update(Content(title))
        table = self.query_one("#start", RowTable)
        table.show([(g.step, g.pair, g.text if g.blocking else f"{g.text} (a reminder)") for g in self._gaps])
        table.styles.height, table.styles.max_height = max(len(self._gaps), 1) + 1, "40%"

    def _verdict(self, pair: str) -> list[Content]:
        session = self.session
        state = session.case.state
        found = session.verdict(pair)
        mark = "›" if pair == session.pair else " "
        parts = [Content.styled(shown(f"{mark}{pair}: {found.display}"), "bold")]
        parts += [Content(shown(f"  {s}", 800)) for s in found.statements]
        if found.mechanisms:
            parts.append(Content(f"  Mechanism: {', '.join(found.mechanisms)}"))
        parts += [Content(shown(f"  ! {wording.named(c)}", 600)) for c in found.conflicts]
        parts += [Content(shown(f"  {s}", 2000)) for s in session.resolved(pair)]
        rationale = state.rationale.get(pair, "")
        kept = state.rationale.get(pair, "") == "" and session.drafts.get(f"rationale/{pair}/text") is not None
        how = "is kept as a draft, not entered; {} goes on" if kept else "none yet ({} writes it)"
        write = how.format(keys.name_of("review", "rationale"))
        parts.append(Content(shown(f"  Rationale: {rationale or write}", 2000)))
        titles = {g["id"]: g["title"] for g in session.norm.data["known_gaps"]}
        for known in state.known_gaps.get(pair, ()):
            parts.append(Content(shown(f"  Known gap: {known} {titles.get(known, '')}")))
        return parts

    def _reviews(self) -> list[Content]:
        """What second persons said; an older word says so."""
        reviews = self.session.case.state.reviews
        if not reviews:
            return []
        parts = [Content.styled("Read by others", "bold")]
        for r in reviews:
            old = ", before the last change" if r.stale else ""
            of = f" {r.pair}" if r.pair else ""
            said = f": “{r.text}”" if r.text else ""
            parts.append(Content(shown(f"  {r.who} {r.outcome}{of}, {wording.utc(r.at)} UTC{old}{said}", 2000)))
        return parts

    def land(self, gap: Gap) -> None:
        """The rationale is written here, and a second person reads here."""
        if gap.what == "reader":
            self.action_read_through()
            return
        self.session.look_at(gap.pair)
        self.show_state()
        self.action_rationale()

    @on(RowTable.Picked)
    def _picked(self, event: RowTable.Picked) -> None:
        gap = self._gaps[event.index]
        if gap.step == self.NAME:
            self.land(gap)
        else:
            self.bench.jump(gap)

    def action_jump(self) -> None:
        """To where the gap under the cursor is closed."""
        self.query_one("#start", RowTable).action_pick()

    def ready(self) -> bool:
        """Whether there is a pair and the case can be written to; says so if not."""
        if self.session.pair is None:
            self.bench.say("There is no pair yet.")
            return False
        return self.bench.attempt(self.session.must_write)

    def action_rationale(self) -> None:
        """The analyst's own words."""
        if not self.ready():
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
            keeps=True,
        )
        self.bench.push_screen(form, lambda _: self.bench.changed())

    def action_known_gaps(self) -> None:
        """Known gaps of the constitution that bear on this verdict."""
        if not self.ready():
            return
        session = self.session
        rows = session.norm.data["known_gaps"]

        def accept(values: dict[str, str]) -> str | None:
            session.set_known_gaps(tuple(values["gaps"].split()))
            return None

        form = Form(
            f"Known gaps that bear on {session.pair_name}",
            [
                Field(
                    "gaps",
                    "What the constitution itself says it does not settle",
                    MARKS,
                    " ".join(session.named_gaps),
                    options=tuple((g["id"], f"{g['id']:<6} {g['title']}") for g in rows),
                )
            ],
            accept,
            note="Named with the verdict and printed beside it; they change nothing in it.",
        )
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)

    def action_merge(self) -> None:
        """Answer 3.9 for several references at once."""
        ask_merge(self)

    def action_rehash(self) -> None:
        """Hash every artifact again: are they still what was fingerprinted?"""
        rehash(self, [a.id for a in self.session.artifacts])

    def action_read_through(self) -> None:
        """A second person reads every answer, and says what they think of it."""
        if self.ready():
            read_through(self)

    def action_sign(self) -> None:
        """Show what would be signed, ask for a key, then build, sign and write the bundle."""
        if not self.ready():
            return
        blocking = [g for g in self._gaps if g.blocking]
        if blocking:
            jump = keys.name_of("review", "jump")
            self.bench.say(f"Not yet: {len(blocking)} to close first. {jump} goes to the one under the cursor.")
            return
        ask_signature(self)

    def action_cosign(self) -> None:
        """Add the signature of a declared signer to a bundle that waits for it."""
        ask_cosign(self)
