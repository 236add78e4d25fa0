"""The constitution's questions about the pair that is looked at: asked, proposed, answered, contradicted, decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mpk_tui.case import actions, merging, review
from mpk_tui.case.proposing import proposed_by
from mpk_tui.case.taking import take_over
from mpk_tui.constitution import hops
from mpk_tui.constitution.answers import MET, Answer, Hop
from mpk_tui.constitution.contradictions import Contradiction, contradictions
from mpk_tui.constitution.offers import not_offered
from mpk_tui.constitution.verdict import Verdict
from mpk_tui.errors import UsageError
from mpk_tui.tui import keys, wording
from mpk_tui.tui.session.looking import Looking, Measured
from mpk_tui.tui.wording import Proposal, Question

GROUPS = ("conditions", "mechanisms", "exclusions")


class Judging(Looking):
    """Questions and answers."""

    @property
    def question_ids(self) -> tuple[str, ...]:
        """All questions of the norm."""
        return self.norm.questions

    def questions(self, group: str) -> Sequence[Question]:
        """Questions of a group, conditions in the constitution's order."""
        rows = getattr(self.norm, group)
        ids = self.norm.order if group == "conditions" else rows
        return [wording.question(rows[i], self.norm) for i in ids]

    def offers(self) -> tuple[tuple[str, str], ...]:
        """Every question with its number and title, for lists to choose from."""
        out = []
        for q in self.norm.questions:
            item = self.norm.item(q)
            out.append((q, f"{q.upper()} {item.title if item else ''}"))
        return tuple(out)

    # -- answers ----------------------------------------------------------------------------------------------------

    @property
    def answers(self) -> dict[str, Answer]:
        """The analyst's answers for the pair that is looked at."""
        return dict(self.case.state.answers.get(self.pair or "", {}))

    def answer(self, question: str) -> Answer | None:
        """One of them."""
        return self.answers.get(question)

    def set_answer(self, question: str, given: str, **fields: Any) -> None:
        """Answer; what is not named stays as it was.  A c5 that is met takes the proposed basis, if none was named.

        Raises:
            UsageError: A mechanism that the conditions answered met leave no room for, answered met.
        """
        refused = self.refused(question) if given == MET else ""
        if refused:
            raise UsageError(
                f"{question} is not offered: {refused.rstrip('.')}",
                hint=f"Conditions come first: {keys.way_to('conditions')}",
            )
        old = self.answer(question) or Answer(question, given)
        new = replace(old, **fields)
        if question == "c5" and given == MET and not new.basis:
            new = replace(new, basis=self.proposed("c5").basis)
        actions.answer(
            self.case, question, given, pair=self.pair or "", reason=new.reason, evidence=new.evidence, basis=new.basis,
            hops=new.hops, direction_documented=new.direction_documented, resolution=new.resolution,
        )  # fmt: skip

    def take_over(self, question: str, reason: str = "", evidence: tuple[str, ...] = ()) -> Answer:
        """The proposal becomes the analyst's answer, with its reason unless they wrote one, and its evidence."""
        offered = self.proposed(question)
        refused = self.refused(question) if offered.answer == MET else ""
        if refused:
            raise UsageError(
                f"{question} is not offered: {refused.rstrip('.')}",
                hint=f"Conditions come first: {keys.way_to('conditions')}",
            )
        if not reason and offered.answer:
            reason = wording.offer(offered, self.numbers(question))  # what was read becomes the reason, to the letter
        return take_over(self.case, question, pair=self.pair or "", reason=reason, evidence=evidence)

    def refused(self, question: str) -> str:
        """Why a mechanism cannot be answered met now, or empty."""
        return not_offered(self.norm, self.answers).get(question, "")

    def not_offered(self) -> dict[str, str]:
        """All such mechanisms with their reasons."""
        return not_offered(self.norm, self.answers)

    # -- what the tool says -----------------------------------------------------------------------------------------

    def proposed(self, question: str) -> Proposal:
        """What the recorded comparison proposes."""
        pair = self.pair or ""
        found = self.measured()
        if found is None:
            compared = pair in self.case.state.comparisons
            not_yet = f"The pair was not compared yet ({keys.way_to('compare')})."
            return Proposal("", "The comparison is being read." if compared else not_yet)
        record = found.record
        if record is None:
            return Proposal("", f"The comparison cannot be read: {found.fault}")
        made, items = self.case.state.comparisons[pair], self.case.state.evidence.get(pair, {})
        offered = proposed_by(record, made, items.values()).get(question)
        if offered is None or not offered.answer:
            return Proposal("", "No finding bears on this question.")
        return Proposal(offered.answer, offered.reason, offered.basis)

    def unread(self) -> Callable[[], Measured] | None:
        """Work for a thread, where a comparison is too long to be read between two keys; then `take_measured`."""
        if self.pair not in self.case.state.comparisons or self.measured() is not None:
            return None
        todo = self.reading()
        return None if todo is None else todo[1]

    def numbers(self, question: str) -> list[str]:
        """The numbers behind a proposal."""
        found = self.measured()
        record = found.record if found is not None else None
        if record is None:
            return []
        key = (self.case.state.comparisons[self.pair or ""].digest, question)
        if key not in self._numbers:
            self._numbers[key] = wording.numbers(record, question)
        return self._numbers[key]

    def resolution(self, question: str) -> str:
        """How a contradiction that an answer takes part in was resolved in writing, or empty."""
        given = self.answer(question)
        return given.resolution.strip() if given is not None else ""

    def resolved(self, pair: str) -> list[str]:
        """Exclusions that are answered met beside conditions that hold, and were resolved in writing on all sides."""
        found, answers = self.verdict(pair), self.case.state.answers.get(pair, {})
        met = [x for x in self.norm.exclusions if x in answers and answers[x].answer == MET]
        open_ones = "\n".join(found.conflicts)
        beside = ", ".join(c.upper() for c in found.conditions)
        return [
            f"{x} is answered met and not established beside {beside}; resolved in writing: “{answers[x].resolution}”"
            for x in met
            if found.conditions and f"exclusion {x} " not in open_ones
        ]

    def contradictions(self, question: str = "") -> list[Contradiction]:
        """What contradicts what; of one question, or of all."""
        if self.pair is None:
            return []
        found = contradictions(self.norm, self.answers, self.evidence, self.verdict())
        return [c for c in found if not question or question in c.questions]

    # -- c5 and merges ----------------------------------------------------------------------------------------------

    def parse_hops(self, text: str) -> tuple[Hop, ...]:
        """Hops as typed, one a line: ``model, model, condition``.

        Raises:
            UsageError: A line is not of that form.
        """
        out = []
        for line in text.splitlines():
            if not line.strip():
                continue
            parts = [p.strip() for p in line.split(",")]
            if len(parts) != 3 or not all(parts):
                raise UsageError(f"a hop is written: model, model, condition; not {line.strip()!r}")
            out.append(Hop(parts[0], parts[1], parts[2].lower()))
        return tuple(out)

    def hop_faults(self, given: Sequence[Hop]) -> tuple[str, ...]:
        """What keeps hops from being a chain."""
        return hops.faults(self.norm, given)

    def models(self) -> tuple[str, ...]:
        """Names of models to offer where one is asked for: labels of the artifacts, the pair's first."""
        ids = (self.pair or "").split(":")
        known = sorted(self.artifacts, key=lambda a: (a.id not in ids, ids.index(a.id) if a.id in ids else 0))
        return tuple(dict.fromkeys(a.label for a in known))

    def merge_parts(self) -> tuple[merging.MergePart, ...]:
        """The references of the subject that is looked at, and what is said of them under 3.9."""
        return merging.parts(self.case.state, (self.pair or "").partition(":")[0])

    def answer_merge(self, pairs: Sequence[str], reason: str) -> int:
        """Answer 3.9 met for several pairs; the number of answers."""
        return len(merging.answer_merge(self.case, pairs, reason))

    # -- the verdict ------------------------------------------------------------------------------------------------

    def verdict(self, pair: str = "") -> Verdict:
        """The verdict as things stand."""
        return review.verdict(self.case, pair or self.pair or "")

    @property
    def rationale(self) -> str:
        """The analyst's own words about the pair."""
        return self.case.state.rationale.get(self.pair or "", "")

    def set_rationale(self, text: str) -> None:
        """Enter them."""
        actions.set_rationale(self.case, self.pair or "", text)

    def set_known_gaps(self, gaps: tuple[str, ...]) -> None:
        """Known gaps of the constitution that bear on the verdict."""
        actions.set_known_gaps(self.case, self.pair or "", gaps)

    @property
    def named_gaps(self) -> tuple[str, ...]:
        """Known gaps that were named for the pair."""
        return self.case.state.known_gaps.get(self.pair or "", ())
