"""One question of the constitution a screen: its words, what counts, what the tool proposes, the answer, the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, ClassVar

from textual import events, on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.constitution.answers import MET
from mpk_tui.tui import glyphs, keys, wording
from mpk_tui.tui.safe import shown
from mpk_tui.tui.screens.aside import aside
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.session.looking import Measured
from mpk_tui.tui.widgets.choice import Choice
from mpk_tui.tui.widgets.draft import DraftArea
from mpk_tui.tui.widgets.form import Field, Form
from mpk_tui.tui.widgets.table import Column, RowTable
from mpk_tui.tui.wording import Question


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
        self._before: set[str] = set()
        self._reading = False
        self._of_question = ""

    def body(self) -> Iterable[Widget]:
        """Strip, text, answer, reason, evidence."""
        yield Static("", id="strip", classes="text")
        with VerticalScroll(id="start", classes="pane"):
            yield Static("", id="question", classes="text")
        yield Choice(wording.answers(), id="answer", focusable=False)
        yield Static("", id="reason-label", classes="text")
        yield DraftArea(id="reason")
        yield Static("", id="picks-label", classes="text")
        yield RowTable(
            [Column("", 3), Column("id", 5), Column("kind", 8), Column("supports", 12), Column("source")],
            empty=f"No evidence yet: {keys.way_to('evidence')} adds some.",
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
                Content(f"There is no pair yet. Add a subject and a reference first: {keys.way_to('artifacts')}.")
            )
            return
        todo = session.unread()
        if todo is not None and not self._reading:
            self._reading = True
            aside(self, "Reading the comparison…", lambda _: todo(), self._read, self._unreadable)
        given = session.answer(q.id)
        beside = self.extra()
        if given is not None and given.resolution:
            beside.append(Content.assemble(("Resolution: ", "bold"), shown(given.resolution, 1200)))
        if session.drafts.get(f"{self._key}/resolution/text") is not None:
            key = keys.name_of("question", "resolve")
            beside.append(Content.assemble(("Resolution: ", "bold"), f"typed and kept, not entered ({key} goes on)"))
        text = wording.question_text(
            q, beside, session.proposed(q.id), session.numbers(q.id), take=keys.name_of("question", "take")
        )
        self.query_one("#question", Static).update(Content("\n").join([*self._against(), text, *self.after()]))
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
                (
                    "[x]" if e.id in self._picked else "[ ]",
                    e.id,
                    wording.kind(e.kind),
                    wording.bears(e),
                    wording.origin(e),
                )
                for e in session.evidence
            ]
        )

    def _read(self, found: Measured) -> None:
        self._reading = False
        self.session.take_measured(found)
        self.show_state()

    def _unreadable(self, fault: str) -> None:
        self._reading = False
        self.bench.say(fault, bad=True)

    def extra(self) -> list[Content]:
        """Further lines of a question, for a subclass."""
        return []

    def after(self) -> list[Content]:
        """Lines below everything else, for a subclass."""
        return []

    def _against(self) -> list[Content]:
        """What contradicts this answer, and what can be done about it, above everything else."""
        session, q = self.session, self.question
        key = keys.name_of("question", "resolve")
        lines = []
        for found in session.contradictions(q.id):
            others = [i.upper() for i in found.questions if i != q.id]
            way, beside = "", f" [also at {', '.join(others)}]" if others else ""
            if found.in_writing:  # its sentence names all that take part
                left = [i.upper() for i in found.questions if not session.resolution(i)]
                way, beside = f" ({key})", f" [not yet on {', '.join(left)}]" if left else ""
            lines.append(Content.styled(shown(f"! {wording.named(found.sentence)}{way}{beside}", 800), "bold"))
        refused = session.refused(q.id)
        if refused:
            lines.append(Content.styled(shown(f"Not offered: {refused}", 600), "bold"))
        return lines

    def _strip(self) -> Content:
        parts = []
        closed = self.session.not_offered() if self.session.pair is not None else {}
        against = {i for c in self.session.contradictions() for i in c.questions}
        for i, q in enumerate(self.questions):
            given = self.session.answer(q.id)
            mark = wording.short_answer(given.answer if given is not None else None)
            text = f"{q.number} {mark}" if given is not None or q.id not in closed else f"{q.number} n/o"
            text += "!" if q.id in against and given is not None else ""
            parts.append(Content.styled(f"[{text}]", "bold") if i == self.at else Content(f" {text} "))
        return Content(" ").join(parts)

    def _labels(self) -> None:
        given = self.session.answer(self.question.id)
        reason = self.query_one("#reason", DraftArea)
        state, leave, key = "", keys.name_of("everywhere", "leave"), partial(keys.name_of, "question")
        if given is None:
            state = " · not answered yet"
            if reason.text or self._picked:
                state = f" · kept, but entered only with an answer: {wording.answer_keys()}"
        elif reason.dirty:
            state = f" · {leave} enters it"
        if self._pending:
            state = f" · {leave} enters it, with {wording.words(self._pending)}"
        elif reason.has_focus and not state.startswith(" · kept"):
            state = f" · {leave} enters it"
        mark_here = glyphs.glyph("cursor")
        name = f"{mark_here}Reason, typing" if reason.has_focus else f"Reason ({key('reason')})"
        self.query_one("#reason-label", Static).update(Content(f"{name}{state}"))
        picked, mark = ", ".join(self._picked) or "none marked", keys.name_of("table", "mark")
        name = f"Evidence ({key('pick')}, then {mark} marks)"
        if self.query_one("#picks").has_focus:
            name = f"{mark_here}Evidence, choosing · {mark} marks, {leave} goes back"
        self.query_one("#picks-label", Static).update(Content(f"{name}: {picked}"))

    # -- what is answered -------------------------------------------------------------------------------------------

    def action_answer(self, answer: str) -> None:
        """Journal an answer with the reason and the evidence that stand here."""
        field = self.focused
        if isinstance(field, DraftArea) and not field.read_only:
            # Typed faster than the field could take the focus (keys arrive in bursts over a slow line): the key was
            # meant for the text, and must not become an answer.
            key = keys.name_of("question", wording.ANSWER_ROWS[answer])
            field.insert(key if len(key) == 1 else "")
            return
        if self.session.pair is None:
            self.bench.say("There is no pair to answer for.")
            return
        if not self.bench.attempt(self.session.must_write):
            return
        refused = self.session.refused(self.question.id)
        if answer == MET and refused:
            self._say_here(f"Not entered. {refused}")
            return
        why = self._needs_reason(answer)
        given, offered = self.query_one("#reason", DraftArea).value.strip(), self.session.proposed(self.question.id)
        theirs = (offered.reason.strip(), wording.offer(offered, self.session.numbers(self.question.id)).strip())
        borrowed = given in theirs and answer != offered.answer
        if why and (not given or borrowed):
            self._pending = answer
            whose = f" of your own; this one is the tool's, for {wording.words(offered.answer)}" if given else ""
            leave = keys.name_of("everywhere", "leave")
            self.bench.say(f"{why} needs a reason{whose}: write it, then {leave} enters both.")
            self.action_reason()
            if given:
                self.query_one("#reason", DraftArea).select_all()
            return
        self._enter(answer)

    def _needs_reason(self, answer: str) -> str:
        """What about an answer asks for a reason, or empty."""
        if answer == MET:
            return "Met"
        offered = self.session.proposed(self.question.id).answer
        if offered and offered != answer:
            return f"The tool proposes {wording.words(offered)}; another answer"
        return ""

    def action_take(self) -> None:
        """Take the proposal over: its answer, its reason unless one stands here, the comparison as evidence."""
        reason = self.query_one("#reason", DraftArea)
        if self.session.pair is None:
            self.bench.say("There is no pair to answer for.")
            return
        offered, number = self.session.proposed(self.question.id), self.question.number
        if not offered.answer and not self.session.numbers(self.question.id):
            self.bench.say(f"Nothing is proposed for {number}. {offered.reason}")
            return
        if not offered.answer:
            self.bench.say(f"No finding proposes an answer to {number}.")
            return
        own = reason.value.strip()

        def act() -> None:
            self.session.take_over(self.question.id, reason.value if own else "", self._picked)

        if self._done(act):
            cited = self.session.answer(self.question.id)
            told = "your reason" if own else "its reason, now yours to change"
            self.bench.say(
                f"Taken over: {wording.words(cited.answer) if cited else ''}, with {told}, citing "
                f"{', '.join(cited.evidence) if cited and cited.evidence else 'nothing'}."
            )
            self._say_contradictions()

    def _enter(self, answer: str, **more: Any) -> None:
        reason = self.query_one("#reason", DraftArea)

        def act() -> None:
            self.session.set_answer(self.question.id, answer, reason=reason.value, evidence=self._picked, **more)

        if self._done(act):
            self._say_contradictions()

    def _done(self, act: Callable[[], None]) -> bool:
        """Do what enters the answer that stands here; afterwards nothing of it is a draft any more."""
        self._before = {c.sentence for c in self.session.contradictions(self.question.id)}
        if not self.bench.attempt(act):
            return False
        self._pending = ""
        self.hush()
        self.query_one("#reason", DraftArea).settled()
        self.session.drafts.drop(f"{self._key}/evidence")
        self.bench.changed()
        return True

    def _say_contradictions(self) -> None:
        """What the answer just given contradicts; it also stands above the question from now on."""
        fresh = [c.sentence for c in self.session.contradictions(self.question.id) if c.sentence not in self._before]
        if fresh:
            self._say_here(f"Contradiction: {'; '.join(map(wording.named, fresh))}")

    def _say_here(self, text: str) -> None:
        """A fault of this question, which goes when another is turned to."""
        self.bench.say(text, bad=True)
        self._of_question = self._fault

    def flush(self) -> None:
        """Enter a reason that was changed after its answer; before any answer it stays a draft."""
        if self.session.pair is None or self.session.read_only:
            return
        reason = self.query_one("#reason", DraftArea)
        if self._pending and not (reason.value.strip() and reason.dirty):
            self.bench.say(f"Not entered: {wording.words(self._pending)} has no reason of its own yet.")
            self._pending = ""
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
        if not 0 <= self.at + by < len(self.questions):
            end, key = "first" if by < 0 else "last", keys.name_of("case", "next_gap")
            self.bench.say(f"This is the {end} of the {self.GROUP}; {key} goes to the next gap.")
            return
        if self._fault in ("", self._of_question):
            self.hush()  # it was said of another question
        self.flush()
        self._pending = ""
        self.session.at[self.GROUP] = self.at + by
        self.query_one("#start", VerticalScroll).scroll_home(animate=False)
        self.show_state()

    def action_resolve(self) -> None:
        """Resolve a contradiction that this answer takes part in."""
        given = self.session.answer(self.question.id)
        if given is None or self.session.read_only:
            self.bench.say("Answer the question first.")
            return
        against = self.session.contradictions(self.question.id)
        if not any(c.in_writing for c in against) and not given.resolution:
            self.bench.say(
                "What contradicts this answer is resolved by other answers or evidence, not in writing."
                if against
                else "Nothing contradicts this answer."
            )
            return

        def accept(values: dict[str, str]) -> str | None:
            self.session.set_answer(self.question.id, given.answer, resolution=values["text"].strip())
            return None

        form = Form(
            f"{self.question.number}: resolution in writing",
            [Field("text", "Why this answer stands beside what contradicts it", "lines", given.resolution)],
            accept,
            note="\n".join(wording.named(c.sentence) for c in against) or "Nothing contradicts this answer now.",
            drafts=self.session.drafts,
            name=f"{self._key}/resolution",
            keeps=True,
        )
        self.bench.push_screen(form, lambda _: self.bench.changed())

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
