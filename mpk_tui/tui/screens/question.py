"""One question of the constitution a screen: its words, what counts, what the tool proposes, the answer, the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual import events, on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.constitution.answers import MET, NOT_MET, UNDETERMINED
from mpk_tui.text import clean
from mpk_tui.tui import wording
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.widgets.choice import Choice
from mpk_tui.tui.widgets.draft import DraftArea
from mpk_tui.tui.widgets.form import Field, Form
from mpk_tui.tui.widgets.table import Column, RowTable
from mpk_tui.tui.wording import ANSWERS, Question

_KEYS = {MET: "m", NOT_MET: "n", UNDETERMINED: "u"}
"""The single keys of the answers, as the key map has them."""


class QuestionScreen(StepScreen):
    """Questions of one group, one at a time, for the pair that is looked at.

    Args:
        question: Which one to show; without it the one looked at last.
    """

    GROUP: ClassVar[str] = ""
    SCOPES: ClassVar[tuple[str, ...]] = ("question", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("question")

    def __init__(self, question: str = "") -> None:
        super().__init__()
        self._asked = question
        self._pending = ""
        self._picked: tuple[str, ...] = ()

    def body(self) -> Iterable[Widget]:
        """Strip, text, answer, reason, evidence."""
        yield Static("", id="strip", classes="text")
        with VerticalScroll(id="start", classes="pane"):
            yield Static("", id="question", classes="text")
        yield Choice(ANSWERS, id="answer", focusable=False)
        yield Static("", id="reason-label", classes="text")
        yield DraftArea(id="reason")
        yield Static("", id="picks-label", classes="text")
        yield RowTable(
            [Column("", 3), Column("id", 5), Column("kind", 8), Column("supports", 12), Column("source")],
            empty="No evidence yet: g 5 adds some.",
            id="picks",
        )

    # -- what is asked ----------------------------------------------------------------------------------------------

    @property
    def questions(self) -> Sequence[Question]:
        """All questions of this group, in the constitution's order."""
        return self.session.questions(self.GROUP)

    @property
    def at(self) -> int:
        """Number of the question shown; kept while other screens are visited."""
        ids = [q.id for q in self.questions]
        if self._asked in ids:
            self.session.at[self.GROUP], self._asked = ids.index(self._asked), ""
        return min(self.session.at.get(self.GROUP, 0), len(ids) - 1)

    @property
    def question(self) -> Question:
        """The question shown."""
        return self.questions[self.at]

    @property
    def _key(self) -> str:
        return f"{self.session.pair}/{self.question.id}"

    def show(self) -> None:
        """Everything that the question shows."""
        session, q = self.session, self.question
        self.query_one("#strip", Static).update(self._strip())
        no_pair = session.pair is None
        for name in ("answer", "reason-label", "reason", "picks-label", "picks"):
            self.query_one(f"#{name}").display = not no_pair
        if no_pair:
            self.query_one("#question", Static).update(
                Content("There is no pair yet. Add a subject and a reference first: g 2, then a.")
            )
            return
        given = session.answer(q.id)
        beside = self.extra()
        if given is not None and given.resolution:
            beside.append(Content.assemble(("Resolution: ", "bold"), clean(given.resolution, 1200)))
        lines = [wording.question_text(q, beside, session.proposed(q.id), session.numbers(q.id))]
        found = session.conflicts(q.id)
        lines[:0] = [
            Content.styled(clean(f"! {c}{' (key w)' if 'in writing' in c else ''}", 600), "bold") for c in found
        ]
        self.query_one("#question", Static).update(Content("\n").join(lines))
        self.query_one("#answer", Choice).value = given.answer if given is not None else ""
        reason = self.query_one("#reason", DraftArea)
        restored = reason.bind_to(
            session.drafts, f"{self._key}/reason", given.reason if given else "", locked=session.read_only
        )
        if restored:
            self.bench.say("A reason that was typed and not entered was put back.")
        kept = session.drafts.get(f"{self._key}/evidence")
        if given is not None:
            self._picked = tuple(given.evidence)
        else:
            known = {e.id for e in session.evidence}
            self._picked = tuple(i for i in (kept or "").split() if i in known)
        self._labels()
        self.query_one("#picks", RowTable).show(
            [
                ("[x]" if e.id in self._picked else "[ ]", e.id, wording.kind(e.kind), wording.bears(e), e.source)
                for e in session.evidence
            ]
        )

    def extra(self) -> list[Content]:
        """Further lines of a question, for a subclass."""
        return []

    def _strip(self) -> Content:
        parts = []
        for i, q in enumerate(self.questions):
            given = self.session.answer(q.id)
            mark = wording.short_answer(given.answer if given is not None else None)
            text = f"{q.number} {mark}"
            parts.append(Content.styled(f"[{text}]", "bold") if i == self.at else Content(f" {text} "))
        return Content(" ").join(parts)

    def _labels(self) -> None:
        given = self.session.answer(self.question.id)
        reason = self.query_one("#reason", DraftArea)
        state = ""
        if given is None:
            state = " · not answered yet"
            if reason.text or self._picked:
                state = " · kept, but entered only with an answer: m, n or u"
        elif reason.dirty:
            state = " · Esc enters it"
        if reason.has_focus and not state.startswith(" · kept"):
            state = " · Esc enters it"
        name = "Reason, typing" if reason.has_focus else "Reason (r)"
        self.query_one("#reason-label", Static).update(Content(f"{name}{state}"))
        self.query_one("#picks-label", Static).update(
            Content(f"Evidence (e, then space marks): {', '.join(self._picked) or 'none marked'}")
        )

    # -- what is answered -------------------------------------------------------------------------------------------

    def action_answer(self, answer: str) -> None:
        """Journal an answer with the reason and the evidence that stand here."""
        field = self.focused
        if isinstance(field, DraftArea) and not field.read_only:
            # Typed faster than the field could take the focus (keys arrive in bursts over a slow line): the key was
            # meant for the text, and must not become an answer.
            field.insert(_KEYS[answer])
            return
        if self.session.pair is None:
            self.bench.say("There is no pair to answer for.")
            return
        if answer == MET and not self.query_one("#reason", DraftArea).value.strip():
            self._pending = answer
            self.bench.say("Met needs a reason: write it, then Esc enters both.")
            self.action_reason()
            return
        self._enter(answer)

    def _enter(self, answer: str, **more: Any) -> None:
        reason = self.query_one("#reason", DraftArea)

        def act() -> None:
            self.session.set_answer(self.question.id, answer, reason=reason.value, evidence=self._picked, **more)

        if self.bench.attempt(act):
            self._pending = ""
            self.hush()
            reason.settled()
            self.session.drafts.drop(f"{self._key}/evidence")
            self.bench.changed()

    def flush(self) -> None:
        """Enter a reason that was changed after its answer; before any answer it stays a draft."""
        if self.session.pair is None or self.session.read_only:
            return
        reason = self.query_one("#reason", DraftArea)
        if not reason.dirty:
            return
        given = self.session.answer(self.question.id)
        if self._pending and reason.value.strip():
            self._enter(self._pending)
        elif given is None:
            reason.save_draft()
        else:
            self._enter(given.answer)

    def reload(self) -> None:
        """After an undo the journal's words count."""
        self.query_one("#reason", DraftArea).settled()

    def action_turn(self, by: int) -> None:
        """Next or previous question."""
        self.flush()
        self._pending = ""
        self.session.at[self.GROUP] = (self.at + by) % len(self.questions)
        self.query_one("#start", VerticalScroll).scroll_home(animate=False)
        self.show_state()

    def action_resolve(self) -> None:
        """Resolve a contradiction that this answer takes part in."""
        given = self.session.answer(self.question.id)
        if given is None or self.session.read_only:
            self.bench.say("Answer the question first.")
            return

        def accept(values: dict[str, str]) -> str | None:
            self.session.set_answer(self.question.id, given.answer, resolution=values["text"].strip())
            return None

        form = Form(
            f"{self.question.number}: resolution in writing",
            [Field("text", "Why this answer stands beside what contradicts it", "lines", given.resolution)],
            accept,
            note="\n".join(self.session.verdict().conflicts) or "Nothing contradicts this answer now.",
            drafts=self.session.drafts,
            name=f"{self._key}/resolution",
        )
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)

    def action_reason(self) -> None:
        """Into the reason field."""
        self.set_focus(self.query_one("#reason"))  # at once: the next key belongs to the field

    def action_pick(self) -> None:
        """Into the evidence list."""
        self.set_focus(self.query_one("#picks"))

    @on(RowTable.Marked, "#picks")
    @on(RowTable.Picked, "#picks")
    def _toggle(self, event: RowTable.Picked) -> None:
        item = self.session.evidence[event.index].id
        marked = tuple(i for i in self._picked if i != item)
        self._picked = marked if item in self._picked else (*self._picked, item)
        given = self.session.answer(self.question.id)
        if given is not None:
            self._enter(given.answer)
        elif self.bench.attempt(lambda: self.session.drafts.keep(f"{self._key}/evidence", " ".join(self._picked))):
            self.show()

    @on(DraftArea.Changed, "#reason")
    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _typing(self) -> None:
        if self.session.pair is not None:
            self._labels()

    @on(Choice.Changed, "#answer")
    def _clicked(self, event: Choice.Changed) -> None:
        self._enter(event.value)
