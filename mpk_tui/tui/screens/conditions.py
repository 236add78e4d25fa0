"""Step 6: the conditions, one a screen, in the constitution's order; C5 has a basis and hops."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.content import Content

from mpk_tui.constitution.answers import CHAIN, COMMON_ANCESTOR, MET, Answer, Hop
from mpk_tui.errors import UsageError
from mpk_tui.tui import keys, wording
from mpk_tui.tui.safe import shown
from mpk_tui.tui.screens.hops import Hops, hops_text
from mpk_tui.tui.screens.question import QuestionScreen
from mpk_tui.tui.screens.step import case_bindings

_NOT_YET = "It counts only with cited evidence of kind (a) that supports this question."
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
        out = []
        if self.question.id == "c5":
            basis = given.basis if given is not None else ""
            key = keys.name_of("conditions", "basis")
            out.append(Content.assemble((f"Basis ({key}): ", "bold"), _BASES[basis]))
            hops = self._kept_hops()
            kept = ""
            if hops:
                key = keys.name_of("conditions", "hops")
                kept = " (kept, but entered only with an answer)"
                if given is not None:
                    kept = f" (not entered yet: {key}, then {keys.name_of('hops', 'accept')})"
            elif given is not None:
                hops = given.hops
            chain = "; ".join(f"{h.a} ~ {h.b} by {h.condition.upper()}" for h in hops) or "none named"
            key = keys.name_of("conditions", "hops")
            out.append(Content.assemble((f"Hops ({key}): ", "bold"), shown(f"{chain}{kept}", 1200)))
        if given is not None and given.direction_documented:
            key = keys.name_of("conditions", "direction")
            counts = "" if self._documented() else f" {_NOT_YET}"
            out.append(Content(f"Direction: you say that documents establish it ({key} takes this back).{counts}"))
        elif given is not None and given.answer == MET and self._documented():
            key = keys.name_of("conditions", "direction")
            out.append(
                Content(f"Direction ({key}): not stated. {key} states that the documents cited here establish it.")
            )
        return out

    def _documented(self) -> bool:
        """Whether the answer cites what can document a direction: kind (a), in support of this question."""
        given = self.session.answer(self.question.id)
        cited = given.evidence if given is not None else ()
        return any(e.kind == "a" and e.id in cited and self.question.id in e.supports for e in self.session.evidence)

    def _given(self, only: str = "") -> Answer | None:
        """The answer to change, or None with a sentence why not."""
        given = self.session.answer(self.question.id)
        if only and self.question.id != only:
            self.bench.say(f"This belongs to {only.upper()}.")
            return None
        if given is None:
            self.bench.say(f"Answer the question first: {wording.answer_keys()}.")
        return given

    def _enter(self, answer: str, **more: Any) -> None:
        """Hops that were named before the answer are entered with it."""
        hops = self._kept_hops() if self.question.id == "c5" else ()
        if hops and "hops" not in more:
            more |= {"hops": hops, "basis": CHAIN}
        super()._enter(answer, **more)
        given = self.session.answer(self.question.id)
        if hops and given is not None and given.hops == hops:
            self.session.drafts.drop(f"{self._key}/hops")

    def action_basis(self) -> None:
        """The other basis."""
        given = self._given("c5")
        if given is not None:
            basis = CHAIN if given.basis == COMMON_ANCESTOR else COMMON_ANCESTOR
            self._enter(given.answer, basis=basis)

    def action_direction(self) -> None:
        """Whether documents establish the direction."""
        given = self._given()
        if given is None:
            return
        if given.answer != MET and not given.direction_documented:
            self.bench.say("A direction belongs to a condition that is met.")
            return
        self._enter(given.answer, direction_documented=not given.direction_documented)

    def _kept_hops(self) -> tuple[Hop, ...]:
        """Hops that were named before there was an answer to enter them with."""
        try:
            return self.session.parse_hops(self.session.drafts.get(f"{self._key}/hops") or "")
        except UsageError:
            return ()

    def action_hops(self) -> None:
        """The hops of the chain."""
        session = self.session
        if self.question.id != "c5":
            self.bench.say("This belongs to C5.")
            return
        if session.pair is None or not self.bench.attempt(session.must_write):
            return
        self.flush()
        given = session.answer("c5")
        kept = self._kept_hops()
        entered = given.hops if given is not None else kept

        def taken(hops: tuple[Hop, ...] | None) -> None:
            if hops is None or hops == entered:
                return
            if given is None:
                self.bench.attempt(lambda: session.drafts.keep(f"{self._key}/hops", hops_text(hops)))
                self.bench.say(f"The hops are kept; they are entered with your answer: {wording.answer_keys()}.")
                self.bench.changed()
                return
            session.drafts.drop(f"{self._key}/hops")
            self._enter(given.answer, hops=hops, basis=CHAIN if hops else given.basis)

        self.bench.push_screen(Hops(session, kept or entered), taken)
