"""Step 5: what speaks for or against each question, and of which kind it is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.case.evidence import KeptFile
from mpk_tui.case.quoting import Quote
from mpk_tui.constitution.answers import Evidence
from mpk_tui.text import size
from mpk_tui.tui import keys, wording
from mpk_tui.tui.safe import shown
from mpk_tui.tui.screens.aside import aside
from mpk_tui.tui.screens.pager import Pager
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.widgets.form import MARKS, Field, Form, Later, Page
from mpk_tui.tui.widgets.table import Column, RowTable

_SAID = ("", "for", "against")
_REVISED = ("It is taken out and entered again under its id, as two entries; answers that cite it go on citing it.",)


class EvidenceScreen(StepScreen):
    """Items of evidence of the pair that is looked at."""

    NAME = "evidence"
    SCOPES = ("evidence", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("evidence")

    def body(self) -> Iterable[Widget]:
        """Items above, the one under the cursor below."""
        yield RowTable(
            [Column("id", 5), Column("kind", 8), Column("supports", 14), Column("opposes", 10), Column("source")],
            empty="None yet. The keys below add one, each of its kind.",
            id="start",
        )
        with VerticalScroll(id="detail", classes="below"):
            yield Static("", id="detail-text")

    def show(self) -> None:
        """Rows and details."""
        items = self.session.evidence
        table = self.query_one("#start", RowTable)
        table.show(
            [
                (e.id, wording.kind(e.kind), ", ".join(e.supports), ", ".join(e.opposes), wording.origin(e))
                for e in items
            ]
        )
        if table.index is None:
            text = "\n".join(wording.evidence_rules(self.session.norm))
        else:
            text = "\n".join(self._about(items[table.index]))
        self.query_one("#detail-text", Static).update(Content("\n".join(shown(x, 4000) for x in text.split("\n"))))

    def _about(self, item: Evidence) -> list[str]:
        lines = wording.evidence_lines(item)
        name = self.session.file_name(item) if item.digest else ""
        if name:
            quote, whole = keys.name_of("evidence", "quote"), keys.name_of("evidence", "details")
            lines.append(f"File: {name} ({quote} opens it to quote, {whole} checks it against its SHA-256)")
        cited = self.session.cited_by(item.id)
        lines.append(f"Cited by: {', '.join(q.upper() for q in cited) or 'no answer'}")
        return lines

    def foot_rows(self) -> list[keys.Key]:
        """What can be done with an item comes first where there is one."""
        rows = super().foot_rows()
        return sorted(rows, key=lambda k: k.id not in ("quote", "edit")) if self._here() is not None else rows

    @on(RowTable.Moved)
    def _moved(self) -> None:
        self.show()

    def _here(self) -> Evidence | None:
        at = self.query_one("#start", RowTable).index
        return None if at is None else self.session.evidence[at]

    # -- adding and changing ----------------------------------------------------------------------------------------

    def action_add(self, kind: str) -> None:
        """Ask for one item of a kind."""
        session = self.session
        if session.pair is None:
            self.bench.say(f"Evidence belongs to a pair: add a subject and a reference ({keys.way_to('artifacts')}).")
            return
        if not self.bench.attempt(session.must_write):
            return

        def enter(values: dict[str, Any], attached: str) -> None:
            made = session.add_evidence(kind=kind, attached=attached, **values)
            told = f" {keys.name_of('evidence', 'quote')} quotes from its file." if attached else ""
            self.bench.call_later(self._added, f"{made.id} was added.{told}")

        titles = {e["kind"]: e["title"] for e in session.norm.data["evidence"]}
        shown = f"{wording.kind(kind)} {titles[kind].lower()}" if kind in ("a", "b", "c") else titles[kind].lower()
        self._form(f"Evidence: {shown}", kind, Evidence("", kind), enter, f"evidence/{session.pair}/{kind}")

    def _added(self, said: str) -> None:
        """Go to the new item, so that the next key is meant for it."""
        self.show()
        self.query_one("#start", RowTable).action_edge(1)
        self.bench.say(said)

    def action_edit(self) -> None:
        """Change the item under the cursor: it is taken out and entered again under its id."""
        item = self._here()
        if item is None or not self.bench.attempt(self.session.must_write):
            return
        if item.record:
            self.bench.say(f"{item.id} is taken from a comparison; its words are the record's. Take it out instead.")
            return

        def enter(values: dict[str, Any], attached: str) -> None:
            self.session.revise_evidence(item.id, attached=attached, **values)
            self.bench.call_later(self._say_revised, item.id)

        self._form(f"{item.id}, kind {wording.kind(item.kind)}", item.kind, item, enter, f"evidence/{item.id}")

    def _say_revised(self, item: str) -> None:
        undo = keys.name_of("case", "undo")
        self.bench.say(f"{item} was taken out and entered again, as two entries; {undo} twice restores what it said.")

    def _form(self, title: str, kind: str, item: Evidence, enter: Any, name: str) -> None:
        session = self.session

        def accept(values: dict[str, str]) -> str | Later | None:
            if not values["source"].strip():
                return "Say where it comes from: a document, a page, a paper, a person."
            marked = values["bears"].split()
            said = {
                "source": values["source"].strip(),
                "supports": tuple(q for q in marked if not q.startswith("-")),
                "opposes": tuple(q.lstrip("-") for q in marked if q.startswith("-")),
                "locator": values["locator"].strip(),
                "excerpt": values["excerpt"].strip(),
            }
            if not values["file"].strip():
                enter(said, "")
                return None
            file = Path(values["file"].strip()).expanduser()

            def then(kept: KeptFile) -> None:
                enter(said, session.record_attached(kept))

            return Later("Copying and hashing the file…", session.keeping(file), then)

        begun = " ".join([*item.supports, *(f"-{q}" for q in item.opposes)])
        kept = f"a file is kept ({item.digest[:8]}…); a path replaces it" if item.digest else "path; copied and hashed"
        needs = " (needed: the record itself)" if kind == "b" and not item.digest else ""
        form = Form(
            title,
            [
                Field("source", "Source (document, page, paper, person)", value=item.source),
                Field("bears", "Speaks for or against", MARKS, begun, session.offers(), states=_SAID),
                Field("locator", "Where in it (page, section, line)", value=item.locator),
                Field("excerpt", "Excerpt, word for word", "lines", item.excerpt),
                Field("file", f"File to keep in the case{needs}", hint=kept),
            ],
            accept,
            note="\n".join([wording.CARRIES[kind], *_REVISED[: bool(item.id)]]),
            button="enter",
            drafts=session.drafts,
            name=name,
        )
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)

    def action_comparison(self) -> None:
        """The comparison becomes an item of kind (b)."""
        said: list[str] = []
        if self.bench.attempt(lambda: said.append(self.session.comparison_as_evidence())):
            self.bench.say(said[0])
            self.bench.changed()

    def action_remove(self) -> None:
        """Take the item under the cursor back; z restores it."""
        item = self._here()
        if item is None:
            return
        cited = self.session.cited_by(item.id)
        if self.bench.attempt(lambda: self.session.remove_evidence(item.id)):
            still = f" Still cited by {', '.join(q.upper() for q in cited)}, where it counts no more." if cited else ""
            self.bench.say(f"{item.id} was taken back; {keys.name_of('case', 'undo')} restores it.{still}")
            self.bench.changed()

    # -- looking ----------------------------------------------------------------------------------------------------

    @on(RowTable.Picked)
    def action_details(self) -> None:
        """The item in full; its file is read again and held against its digest."""
        item = self._here()
        if item is None:
            return
        lines = self._about(item)

        def show(*more: str) -> None:
            said = "\n".join((*lines, *more, wording.CARRIES[item.kind]))
            text = Content("\n".join(shown(x, 20_000) for x in said.split("\n")))
            self.bench.push_screen(Page(f"Evidence {item.id}", text))

        if not item.digest:
            show()
            return
        aside(
            self, "Hashing the file…", self.session.checking_file(item),
            lambda n: show(f"The stored file ({size(n)}) matches its SHA-256."),
            lambda fault: show(f"! The stored file does not match: {fault}"),
        )  # fmt: skip

    def action_quote(self) -> None:
        """Open the file of the item under the cursor, and take marked lines as excerpt and place."""
        item = self._here()
        if item is None:
            return
        if item.record:
            self.bench.say(f"{item.id} is taken from a comparison; the record is its file, and its words are quoted.")
            return
        if not item.digest:
            self.bench.say(f"{item.id} has no file. {keys.name_of('evidence', 'edit')} gives it one.")
            return
        self.bench.push_screen(
            Pager(self.session.case, item.digest, self.session.file_name(item) or item.digest),
            lambda found: self._quoted(item, found),
        )

    def _quoted(self, item: Evidence, found: Quote | None) -> None:
        if found is None:
            return
        act = lambda: self.session.revise_evidence(item.id, locator=found.locator, excerpt=found.excerpt)  # noqa: E731
        if self.bench.attempt(self.session.must_write) and self.bench.attempt(act):
            self.bench.changed()
            self._say_revised(item.id)
