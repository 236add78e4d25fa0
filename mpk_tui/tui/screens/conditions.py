"""Step 6: the conditions, one a screen, in the constitution's order; C5 has a basis and hops."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.content import Content

from mpk_tui.constitution.answers import CHAIN, COMMON_ANCESTOR, Answer
from mpk_tui.text import clean
from mpk_tui.tui.screens.question import QuestionScreen
from mpk_tui.tui.screens.step import case_bindings
from mpk_tui.tui.widgets.form import Field, Form

_BASES = {"": "not named", COMMON_ANCESTOR: "common trained ancestor", CHAIN: "a chain of hops"}


class Conditions(QuestionScreen):
    """Conditions C1 to C5."""

    NAME = "conditions"
    GROUP: ClassVar[str] = "conditions"
    SCOPES: ClassVar[tuple[str, ...]] = ("question", "conditions", "case")
    BINDINGS: ClassVar[list[Any]] = case_bindings("question", "conditions")

    def extra(self) -> list[Content]:
        """Basis and hops of C5, and the direction."""
        given = self.session.answer(self.question.id)
        if given is None:
            return []
        out = []
        if given.question == "c5":
            out.append(Content.assemble(("Basis (b): ", "bold"), _BASES[given.basis]))
            hops = "; ".join(f"{h.a} ~ {h.b} by {h.condition.upper()}" for h in given.hops) or "none named"
            out.append(Content.assemble(("Hops (h): ", "bold"), clean(hops, 1200)))
        if given.direction_documented:
            out.append(Content("Direction: you say that documents establish it (d takes this back)."))
        return out

    def _given(self, only: str = "") -> Answer | None:
        """The answer to change, or None with a sentence why not."""
        given = self.session.answer(self.question.id)
        if only and self.question.id != only:
            self.bench.say(f"This belongs to {only.upper()}.")
            return None
        if given is None:
            self.bench.say("Answer the question first: m, n or u.")
        return given

    def action_basis(self) -> None:
        """The other basis."""
        given = self._given("c5")
        if given is not None:
            basis = CHAIN if given.basis == COMMON_ANCESTOR else COMMON_ANCESTOR
            self._enter(given.answer, basis=basis)

    def action_direction(self) -> None:
        """Whether documents establish the direction."""
        given = self._given()
        if given is not None:
            self._enter(given.answer, direction_documented=not given.direction_documented)

    def action_hops(self) -> None:
        """The hops of the chain."""
        given = self._given("c5")
        if given is None or not self.bench.attempt(self.session.must_write):
            return
        session = self.session

        def accept(values: dict[str, str]) -> str | None:
            hops = session.parse_hops(values["hops"])
            session.set_answer("c5", given.answer, hops=hops, basis=CHAIN if hops else given.basis)
            return None

        text = "\n".join(f"{h.a}, {h.b}, {h.condition}" for h in given.hops)
        form = Form(
            "C5: the hops of the chain",
            [Field("hops", "One hop a line: model, model, condition", "lines", text)],
            accept,
            note="Each hop begins where the one before ended, and is one of C1 to C4. For example:\n"
            "suspect, model M, c1\nmodel M, reference, c3",
            drafts=session.drafts,
            name=f"{self._key}/hops",
        )
        self.bench.push_screen(form, lambda values: self.bench.changed() if values else None)
