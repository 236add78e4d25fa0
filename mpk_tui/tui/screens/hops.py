"""The editor for the hops of C5: a table of links, each checked as it is entered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from mpk_tui.constitution.answers import Hop
from mpk_tui.tui import keys
from mpk_tui.tui.app import workbench
from mpk_tui.tui.safe import plain, shown
from mpk_tui.tui.session import Session
from mpk_tui.tui.widgets.form import Field, Form
from mpk_tui.tui.widgets.table import Column, RowTable


def hops_text(hops: Sequence[Hop]) -> str:
    """Hops as they can be typed: one a line, ``model, model, condition``."""
    return "\n".join(f"{h.a}, {h.b}, {h.condition}" for h in hops)


class Hops(ModalScreen[tuple[Hop, ...] | None]):
    """Hops in their order; closes with them, or with None.

    Args:
        session: The case; without one the editor is empty (for listings of keys).
        hops: To begin with; untrusted text.
    """

    SCOPES: ClassVar[tuple[str, ...]] = ("hops",)
    BINDINGS: ClassVar[list[Any]] = keys.bindings("hops")
    AUTO_FOCUS: ClassVar[str | None] = "#start"

    def __init__(self, session: Session | None = None, hops: Sequence[Hop] = ()) -> None:
        super().__init__()
        self._session, self._hops, self._begun = session, list(hops), tuple(hops)
        self._warned = False

    def compose(self) -> ComposeResult:
        """Title, table, what is wrong, keys."""
        with Vertical(id="form"):
            yield Static(plain("C5: the hops of the chain", style="bold"), id="form-title")
            yield Static(
                Content("Each hop begins where the one before ended, and is one of C1 to C4."), classes="form-label"
            )
            yield RowTable(
                [Column("no.", 4, right=True), Column("from"), Column("by", 4), Column("to")],
                empty=f"None yet: {keys.name_of('hops', 'add')} adds the first.",
                id="start",
            )
            yield Static("", id="form-fault")
            yield Static(self._keys(), id="form-keys")

    def _keys(self) -> Content:
        parts: list[Any] = []
        for row in keys.keys_for("hops"):
            parts += [(row.name, "bold"), f" {row.label}  "]
        return Content.assemble(*parts)

    def on_mount(self) -> None:
        """First picture."""
        self.query_one("#start", RowTable).styles.height = 8
        self._show()

    def _show(self) -> None:
        self.query_one("#start", RowTable).show(
            [(str(n), h.a, h.condition.upper(), h.b) for n, h in enumerate(self._hops, 1)]
        )
        lines = []
        if self._session is not None:
            lines = [f"! {f}" for f in self._session.hop_faults(self._hops)] if self._hops else []
            if not lines and self._hops:
                lines.append(f"The hops join: {self._hops[0].a} to {self._hops[-1].b}.")
                ends = {self._hops[0].a, self._hops[-1].b}
                if not ends & set(self._session.models()):
                    lines.append("Note: neither end is the label of a model of this case.")
        self.query_one("#form-fault", Static).update(Content("\n".join(shown(x, 600) for x in lines)))

    # -- one hop ----------------------------------------------------------------------------------------------------

    def _ask(self, title: str, hop: Hop, place: int | None) -> None:
        session = self._session
        if session is None:
            return
        names = tuple((m, m) for m in dict.fromkeys((*session.models(), *(x for h in self._hops for x in (h.a, h.b)))))

        def accept(values: dict[str, str]) -> str | None:
            a, b = values["a"].strip(), values["b"].strip()
            if not a or not b:
                return "Name both models."
            if a == b:
                return "A hop goes from one model to another."
            if any("," in x or "\n" in x for x in (a, b)):
                return "A name in a hop holds no comma."
            made = Hop(a, b, values["condition"])
            if place is None:
                self._hops.append(made)
            else:
                self._hops[place] = made
            return None

        conditions = tuple(
            (c, f"{c.upper()} {session.norm.conditions[c].title.lower()}") for c in session.norm.conditions if c != "c5"
        )
        form = Form(
            title,
            [
                Field("a", "From (^n offers the models of this case)", value=hop.a, options=names),
                Field("condition", "By", "choice", hop.condition, options=conditions),
                Field("b", "To (^n offers)", value=hop.b, options=names),
            ],
            accept,
            button="take",
        )
        self.app.push_screen(form, lambda values: self._taken(place) if values else None)

    def _taken(self, place: int | None) -> None:
        self._show()
        self.query_one("#start", RowTable).cursor = len(self._hops) - 1 if place is None else place

    def action_add(self) -> None:
        """A hop at the end."""
        models = self._session.models() if self._session is not None else ()
        begins = self._hops[-1].b if self._hops else models[0] if models else ""
        ends = models[1] if self._hops and len(models) > 1 and models[1] != begins else ""
        self._ask("A hop", Hop(begins, ends, "c1"), None)

    @on(RowTable.Picked)
    def action_change(self) -> None:
        """The hop under the cursor."""
        at = self.query_one("#start", RowTable).index
        if at is not None:
            self._ask(f"Hop {at + 1}", self._hops[at], at)

    def action_remove(self) -> None:
        """Take the hop under the cursor out."""
        at = self.query_one("#start", RowTable).index
        if at is not None:
            del self._hops[at]
            self._show()

    def action_shift(self, by: int) -> None:
        """Move the hop under the cursor up or down."""
        table = self.query_one("#start", RowTable)
        at = table.index
        if at is not None and 0 <= at + by < len(self._hops):
            self._hops[at], self._hops[at + by] = self._hops[at + by], self._hops[at]
            self._show()
            table.cursor = at + by

    def action_typed(self) -> None:
        """All hops as text."""
        session = self._session
        if session is None:
            return

        def accept(values: dict[str, str]) -> str | None:
            self._hops = list(session.parse_hops(values["hops"]))
            return None

        form = Form(
            "C5: the hops as text",
            [Field("hops", "One hop a line: model, model, condition", "lines", hops_text(self._hops))],
            accept,
            note="For example:\nsuspect, model M, c1\nmodel M, reference, c3",
            button="take",
        )
        self.app.push_screen(form, lambda values: self._show() if values else None)

    # -- the end ----------------------------------------------------------------------------------------------------

    def action_accept(self) -> None:
        """Hand the hops over; ones that make no chain too: they stay undetermined until they do."""
        self.dismiss(tuple(self._hops))

    def action_close(self) -> None:
        """Give up; changes go only on the second Esc."""
        if tuple(self._hops) != self._begun and not self._warned:
            self._warned = True
            workbench(self).say(f"{keys.name_of('hops', 'close')} again closes without keeping the hops.")
            return
        self.dismiss(None)
