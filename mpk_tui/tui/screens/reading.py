"""The second person's read-through: every answer with its reason, evidence and numbers, then what they say of it."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from mpk_tui.case.custody import same_person
from mpk_tui.case.reviewing import AGREES, DISSENTS, READ, review
from mpk_tui.tui import keys, wording
from mpk_tui.tui.app import workbench
from mpk_tui.tui.safe import plain, shown, told
from mpk_tui.tui.screens.step import StepScreen
from mpk_tui.tui.session import Session
from mpk_tui.tui.widgets.form import Field, Form

_OUTCOMES = ((READ, "read, no opinion"), (AGREES, "agrees"), (DISSENTS, "dissents"))
GROUPS = ("conditions", "mechanisms", "exclusions")


def read_through(screen: StepScreen) -> None:
    """Ask who reads, then show everything that was answered."""
    session, bench = screen.session, screen.bench
    examiner = session.case.state.examiner

    def accept(values: dict[str, str]) -> str | None:
        if not values["who"].strip():
            return "A review names who read. Give your name as the journal and the bundle will show it."
        if same_person(values["who"], examiner):
            return f"{examiner} is the examiner of this case; a review is another person's."
        return None

    def begin(values: dict[str, str] | None) -> None:
        if values:
            reading = Reading(session, values["who"].strip(), values["pair"])
            bench.push_screen(reading, lambda _: bench.changed())

    pairs = (("", "the whole case"), *((p, p) for p in session.pairs))
    form = Form(
        "Read-through by a second person: who are you?",
        [
            Field("who", "Your name (not the examiner's)"),
            Field("pair", "You read", "choice", options=pairs if len(pairs) > 2 else pairs[:1]),
        ],
        accept,
        note=f"Answers, reasons, evidence and numbers are shown read-only, as {examiner} gave them. At the end you say "
        "whether you read, agree or dissent. It is journalled, travels in the bundle, and cannot be taken back.",
        button="read",
    )
    bench.push_screen(form, begin)


class Reading(ModalScreen[None]):
    """Pages to read, one a question.

    Args:
        session: The case; without one there is nothing to read (for listings of keys).
        who: The reader.
        pair: The pair that is read; empty for all.
    """

    SCOPES: ClassVar[tuple[str, ...]] = ("reading",)
    BINDINGS: ClassVar[list[Any]] = keys.bindings("reading")
    AUTO_FOCUS: ClassVar[str | None] = "#page-text"

    def __init__(self, session: Session | None = None, who: str = "", pair: str = "") -> None:
        super().__init__()
        self._session, self._who, self._pair = session, who, pair
        self._back = session.pair if session is not None else None
        self._pages = pages(session, (pair,) if pair else session.pairs) if session is not None else []
        self._at = 0
        self._seen: set[int] = set()

    def compose(self) -> ComposeResult:
        """Title, page, keys."""
        with Vertical(id="form"):
            yield Static("", id="form-title")
            with VerticalScroll(id="page-text"):
                yield Static("", id="reading-text")
            yield Static("", id="form-fault")
            yield Static(self._keys(), id="form-keys")

    def _keys(self) -> Content:
        parts: list[Any] = []
        for row in keys.keys_for("reading"):
            parts += [(row.name, "bold"), f" {row.label}  "]
        return Content.assemble(*parts)

    def on_mount(self) -> None:
        """The first page."""
        self.query_one("#page-text").styles.height = max(6, self.app.size.height - 8)
        self._show()

    def _show(self) -> None:
        if self._session is None or not self._pages:
            return
        pair, question = self._pages[self._at]
        self._session.look_at(pair)
        self._seen.add(self._at)
        title = f"{self._who} reads {self._session.named(pair)}: {self._at + 1} of {len(self._pages)}"
        self.query_one("#form-title", Static).update(plain(title, 200, "bold"))
        lines = answer_page(self._session, question) if question else verdict_page(self._session)
        self.query_one("#reading-text", Static).update(Content("\n").join(lines))
        self.query_one("#page-text", VerticalScroll).scroll_home(animate=False)
        left = len(self._pages) - len(self._seen)
        end = keys.name_of("reading", "conclude")
        said = f"{left} not seen yet." if left else f"All seen: {end} says what you think of it."
        self.query_one("#form-fault", Static).update(Content(said))

    def action_turn(self, by: int) -> None:
        """The next or previous page."""
        self._at = max(0, min(len(self._pages) - 1, self._at + by))
        self._show()

    def action_conclude(self) -> None:
        """Read, agrees or dissents, with words."""
        session = self._session
        if session is None:
            return
        left = len(self._pages) - len(self._seen)

        def accept(values: dict[str, str]) -> str | None:
            if left and values["outcome"] != DISSENTS:
                return (
                    f"{left} of {len(self._pages)} pages were not shown yet; read them first. A dissent need not wait."
                )
            review(session.case, who=self._who, outcome=values["outcome"], text=values["text"].strip(), pair=self._pair)
            return None

        def done(values: dict[str, str] | None) -> None:
            if values:
                bench = workbench(self)
                self.action_close()
                bench.call_later(bench.say, f"Journalled: {self._who} {values['outcome']}.")

        form = Form(
            f"{self._who} on {self._pair or 'the whole case'}",
            [
                Field("outcome", "You", "choice", options=_OUTCOMES),
                Field("text", "In your own words (a dissent needs some)", "lines"),
            ],
            accept,
            button="enter",
        )
        self.app.push_screen(form, done)

    def action_close(self) -> None:
        """Stop reading; nothing is journalled by looking."""
        if self._session is not None and self._back:
            self._session.look_at(self._back)
        self.dismiss(None)


def pages(session: Session, pairs: tuple[str, ...]) -> list[tuple[str, str]]:
    """Pair and question of every page; the first page of a pair has no question and shows its verdict."""
    out = []
    for pair in pairs:
        out.append((pair, ""))
        answers = session.case.state.answers.get(pair, {})
        out += [(pair, q) for q in session.norm.questions if q in answers or q in session.norm.conditions]
    return out


def verdict_page(session: Session) -> list[Content]:
    """What the pair amounts to."""
    found, state, pair = session.verdict(), session.case.state, session.pair or ""
    made = state.comparisons.get(pair)
    titles = {g["id"]: g["title"] for g in session.norm.data["known_gaps"]}
    rows = [
        ("Finding", f"{made.finding}: {made.sentence}" if made else "not compared"),
        ("Verdict", found.display),
        *(("", s) for s in found.statements),
        ("Mechanisms", ", ".join(found.mechanisms) or "none named"),
        *(("Conflict", wording.named(c)) for c in found.conflicts),
        *(("Beside it", s) for s in session.resolved(pair)),
        *(("Open", g.text) for g in session.gaps() if g.blocking and g.pair == pair),
        ("Rationale", session.rationale or "none yet"),
        *(("Known gap", f"{g} {titles.get(g, '')}") for g in session.named_gaps),
        ("Evidence", ", ".join(f"{e.id} {wording.kind(e.kind)}" for e in session.evidence) or "none"),
    ]
    return [Content.assemble((f"{k}: " if k else "  ", "bold"), told(v)) for k, v in rows]


def answer_page(session: Session, question: str) -> list[Content]:
    """One answer with everything that it rests on."""
    item = session.norm.item(question)
    assert item is not None
    q, given = wording.question(item, session.norm), session.answer(question)
    lines = [Content.styled(shown(f"{q.number} {q.title}"), "bold"), Content(shown(q.text, 2000))]

    def row(name: str, text: str) -> None:
        lines.append(Content.assemble((f"{name}: ", "bold"), told(text)))

    for c in session.contradictions(question):
        lines.append(Content.styled(shown(f"! {wording.named(c.sentence)}", 800), "bold"))
    if given is None:
        row("Answer", "none, which counts as undetermined")
    else:
        row("Answer", wording.words(given.answer))
        row("Reason", given.reason or "none given")
        if question == "c5":
            row("Basis", given.basis.replace("-", " ") or "not named")
            row("Hops", "; ".join(f"{h.a} ~ {h.b} by {h.condition.upper()}" for h in given.hops) or "none named")
        if given.direction_documented:
            row("Direction", "said to be documented")
        if given.resolution:
            row("Resolution", given.resolution)
    offered = session.proposed(question)
    numbers = session.numbers(question)
    row("The tool proposes", f"{wording.words(offered.answer) or 'nothing'}. {wording.offer(offered, numbers)}")
    lines += [Content(shown(f"  · {n}", 600)) for n in numbers]
    cited = {e.id: e for e in session.evidence}
    for i in given.evidence if given is not None else ():
        if i in cited:
            lines += [Content(f"  {told(text)}") for text in wording.evidence_lines(cited[i])]
        else:
            lines.append(Content(shown(f"  {i}: taken back since", 200)))
    if given is not None and not given.evidence:
        row("Evidence", "none cited")
    row("Counts", q.counts)
    row("Does not count", q.not_counts)
    return lines
