"""Step 1: what the case is, what its keeper states of custody, and what is still open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from mpk_tui.case import custody
from mpk_tui.errors import UsageError
from mpk_tui.tui import keys, wording
from mpk_tui.tui.safe import shown
from mpk_tui.tui.screens.step import StepScreen, case_bindings
from mpk_tui.tui.session import Gap
from mpk_tui.tui.widgets.form import Field, Form, Page
from mpk_tui.tui.widgets.pick import Option, Pick
from mpk_tui.tui.widgets.table import Column, RowTable

_OPEN = [Column("step", 11), Column("pair", 9), Column("what is missing")]
_CHAIN = [Column("entry", 5, right=True), Column("event (entry), UTC", 22), Column("act", 10), Column("of", 4),
          Column("statement"), Column("stated by", 14, least=100)]  # fmt: skip

NOTES = 50
"""Notes that stand here, the last ones: laying out thousands of them would hold up every key."""
_LETTERS = {"intake": "i", "transfer": "t", "seal_check": "s", "mount": "m"}


class CaseScreen(StepScreen):
    """The case's own facts above; below, in turn, what is open and the chain of custody."""

    NAME = "case"
    SCOPES = ("case_form", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("case_form")

    def body(self) -> Iterable[Widget]:
        """Facts and a table."""
        with VerticalScroll(id="facts", classes="pane"):
            yield Static("", id="facts-text", classes="text")
        yield Static("", id="table-title", classes="section")
        yield RowTable(_OPEN, id="start")

    @property
    def _custody(self) -> bool:
        return bool(self.session.at.get("case/custody"))

    def show(self) -> None:
        """Facts, then gaps or custody."""
        session = self.session
        rows = session.facts()
        rows += session.bundles()
        rows += [("To clarify", n) for n in session.custody_notices()]
        notes = session.notes()
        if len(notes) > NOTES:
            rows.append(("Notes", f"{len(notes) - NOTES} earlier ones are in the history"))
        rows += [(f"Note {e.seq}", f"{e.note} ({e.who}, {wording.utc(e.at)} UTC)") for e in notes[-NOTES:]]
        lines = [Content.assemble((f"{k:<12}", "bold"), shown(v, 1000)) for k, v in rows]
        self.query_one("#facts-text", Static).update(Content("\n").join(lines))
        self._gaps = session.gaps()
        count, other = len(session.statements), keys.name_of("case_form", "turn_table")
        table, title = self.query_one("#start", RowTable), self.query_one("#table-title", Static)
        if self._custody:
            title.update(Content(f"Chain of custody, as stated ({other}: what is open)"))
            table.show([self._stated(s) for s in session.statements], _CHAIN)
            table.say_empty(f"Nothing stated yet: {keys.name_of('case_form', 'custody')} records intake, transfer, "
                            "seal or mount.")  # fmt: skip
        else:
            pick = keys.name_of("table", "pick")
            title.update(Content(f"Open before a signature: {pick} goes there ({other}: custody, {count} stated)"))
            table.show([_row(g) for g in self._gaps], _OPEN)
            table.say_empty(f"Nothing: {keys.way_to('review')} signs.")
        table.styles.height, table.styles.max_height = max(len(table.rows), 1) + 1, "50%"

    def _stated(self, s: custody.Statement) -> tuple[str, ...]:
        when = s.fields.get("when", "").replace("T", " ").rstrip("Z") or f"not said ({wording.utc(s.at)[5:16]})"
        words = custody.in_words({k: v for k, v in s.fields.items() if k != "when"}, s.text)
        return str(s.seq), when, custody.ACTS[s.act].title.lower(), s.artifact or "all", words, s.who

    def land(self, gap: Gap) -> None:
        """A fact of the case that is missing opens the form."""
        if gap.what and not self.session.read_only:
            self._edit(gap.what)

    @on(RowTable.Picked)
    def _picked(self, event: RowTable.Picked) -> None:
        if not self._custody:
            self.bench.jump(self._gaps[event.index])
            return
        s = self.session.statements[event.index]
        act = custody.ACTS[s.act]
        rows = [
            ("Act", act.title), ("Concerns", s.artifact or "all artifacts"),
            *((f.label, s.fields[f.name]) for f in act.fields if f.name in s.fields), ("Text", s.text or "–"),
            ("Stated by", s.who), ("Entered", f"{wording.utc(s.at)} UTC (this machine's clock), entry {s.seq}"),
        ]  # fmt: skip
        lines = [Content.assemble((f"{k}: ", "bold"), shown(v, 4000)) for k, v in rows]
        lines.append(Content("A claim of the person who states it. It cannot be taken back; state a correction."))
        self.bench.push_screen(Page(f"Custody, entry {s.seq}", Content("\n").join(lines)))

    def action_turn_table(self) -> None:
        """What is open, or the chain of custody."""
        self.session.at["case/custody"] = 0 if self._custody else 1
        self.query_one("#start", RowTable).cursor = 0
        self.show()

    def _ask(self, title: str, fields: list[Field], act: Any, name: str, note: str = "") -> None:
        session = self.session
        if not self.bench.attempt(session.must_write):
            return

        def accept(values: dict[str, str]) -> str | None:
            if not any(v.strip() for v in values.values()):
                return "Nothing was typed."
            act(values)
            return None

        form = Form(title, fields, accept, drafts=session.drafts, name=name, note=note)
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)

    def action_edit(self) -> None:
        """Change the case's facts."""
        self._edit()

    def _edit(self, first: str = "") -> None:
        facts = sorted(self.session.editable(), key=lambda f: f[0] != first)
        self._ask("The case", [Field(n, label, value=v) for n, label, v in facts], self.session.edit, "case")

    def action_note(self) -> None:
        """A note for the journal."""
        self._ask("Note", [Field("text", "Note", "lines")], lambda v: self.session.note(v["text"].strip()), "note")

    def action_custody(self) -> None:
        """A custody statement: first of which kind, then its fields."""
        if self.bench.attempt(self.session.must_write):
            options = [Option(_LETTERS[a.name], a.name, a.title, a.about) for a in custody.ACTS.values()]
            self.bench.push_screen(Pick("A statement of custody: which?", options), self._state)

    def _state(self, name: str | None) -> None:
        if name is None:
            return
        act, session = custody.ACTS[name], self.session

        def enter(values: dict[str, str]) -> None:
            fields = {f.name: values[f"f_{f.name}"].strip() for f in act.fields}
            try:
                session.custody(name, values["text"].strip(), artifact=values["artifact"], **fields)
            except UsageError as error:
                raise UsageError(error.what, where=_label(act, error.where), hint=error.hint) from None
            session.at["case/custody"] = 1

        artifacts = (("", "all"), *((a.id, f"{a.id} {a.label}") for a in session.artifacts))
        fields = [_field(f) for f in act.fields]
        fields.append(Field("text", "In your own words", "lines"))
        if len(artifacts) > 1:
            fields.append(Field("artifact", "Concerns", "choice", options=artifacts))
        note = f"{act.about} Who states it is you, {session.case.state.examiner}. It cannot be taken back. "
        note += "Fields with * are needed, or words of your own."
        title = f"Custody: {act.title.lower()}"
        self._ask(title, fields, lambda v: enter({"artifact": "", **v}), f"custody/{name}", note)


def _row(gap: Gap) -> tuple[str, str, str]:
    return gap.step, gap.pair, gap.text if gap.blocking else f"{gap.text} (a reminder)"


def _field(f: custody.Field) -> Field:
    label = f"{f.label}{' *' if f.needed else ''}"
    if f.kind == custody.CHOICE:
        return Field(f"f_{f.name}", label, "choice", options=(("", "not stated"), *((o, o) for o in f.options)))
    return Field(f"f_{f.name}", label, hint=f.about)


def _label(act: custody.Act, where: str | None) -> str | None:
    """The field's label in place of its name, in a message about it."""
    name = (where or "").rpartition(", ")[2]
    found = act.field(name)
    return found.label if found is not None else where
