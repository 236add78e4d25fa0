"""From answers and evidence to a verdict: one pure function, and nobody types its result.

Rules (readings that the public summary leaves open are recorded in docs/adr/0003-constitution-readings.md):

1. Outside transformer language models there is no verdict.
2. A condition holds if it is answered *met* and at least one admissible item (kind a, b or c) that the answer cites
   supports it.  A comparison cited as kind (b) supports only what its finding licenses (`LICENSE`).
3. A denial stands unless an item of kind (b) supports a condition that holds.
4. Linked if at least one condition holds; otherwise independent, whatever else was offered.
5. An exclusion is established only by admissible evidence; otherwise independent is the default, and is shown so.
6. An exclusion that is answered *met* beside a condition that holds is a conflict, and blocks a signature until both
   sides are resolved in writing.
7. A mechanism must be able to serve a condition that holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mpk_tui.constitution import hops
from mpk_tui.constitution.answers import (
    CHAIN,
    COMMON_ANCESTOR,
    MET,
    UNDETERMINED,
    Answer,
    Evidence,
)
from mpk_tui.constitution.norm import Norm
from mpk_tui.records import dataclass

LINKED, INDEPENDENT, NO_VERDICT = "linked", "independent", "none"
DISPLAY_LINKED = "linked"
DISPLAY_EXCLUDED = "exclusion established"
DISPLAY_DEFAULT = "provenance not established (default)"
DISPLAY_OUT = "out of scope"

LICENSE: Mapping[str, frozenset[str]] = {
    "identical": frozenset({"c4", "c3", "c5", "3.1"}),
    "reformatted": frozenset({"c4", "c3", "c5", "3.1", "3.7"}),
    "near-identical": frozenset({"c1", "c3", "c5"}) | frozenset(f"3.{n}" for n in (2, 3, 4, 6, 7, 8, 9)),
    "shared-trained-ancestor": frozenset({"c1", "c3", "c5"}) | frozenset(f"3.{n}" for n in (2, 3, 4, 6, 7, 8, 9)),
    "component-shared": frozenset({"c5", "3.5", "3.6", "3.9"}),
    "shared-initialisation": frozenset({"4.4"}),
    "common-origin-unresolved": frozenset(),
    "no-correspondence": frozenset(),
    "not-comparable": frozenset(),
}
"""What a comparison may support as checkpoint verification, by its finding."""
_SHOW_ANCESTOR = frozenset(f for f, licensed in LICENSE.items() if "c5" in licensed)
_ALONE = frozenset({"c1"})
"""Conditions that a comparison alone cannot carry: weights show a common ancestor, not a direct step."""


PARTIAL = (
    "The evidence is partial: only the parts that were at hand were examined, so that no exclusion is established and "
    "identity is not stated."
)


@dataclass(frozen=True)
class Verdict:
    """What follows from the answers and the evidence.

    Attributes:
        label: ``linked``, ``independent`` or ``none``.
        display: How the label is shown.
        conditions: Conditions that hold, in the constitution's order.
        mechanisms: Mechanisms answered met that serve a condition that holds.
        exclusions: Exclusions that are established.
        basis: Basis of c5 where it is among the conditions, else empty.
        statements: Sentences to print with the label.
        conflicts: What blocks a signature until it is resolved in writing.
        gaps: What is still open; a signature waits for these too.
    """

    label: str
    display: str
    conditions: tuple[str, ...]
    mechanisms: tuple[str, ...]
    exclusions: tuple[str, ...]
    basis: str
    statements: tuple[str, ...]
    conflicts: tuple[str, ...]
    gaps: tuple[str, ...]

    def as_record(self) -> dict[str, Any]:
        """Plain form, as it is signed."""
        return {
            "label": self.label, "display": self.display, "conditions": list(self.conditions),
            "mechanisms": list(self.mechanisms), "exclusions": list(self.exclusions), "basis": self.basis,
            "statements": list(self.statements),
        }  # fmt: skip


def decide(
    norm: Norm,
    answers: Mapping[str, Answer],
    evidence: Iterable[Evidence],
    *,
    in_scope: bool = True,
    partial: bool = False,
) -> Verdict:
    """Compute the verdict for one pair.

    Args:
        norm: Version of the constitution.
        answers: By question id; a question without one is undetermined.
        evidence: All items about this pair, in any order.
        in_scope: Both models are transformer language models.
        partial: Evidence covers only part of a checkpoint; then no exclusion is established.
    """
    if not in_scope:
        text = "The constitution speaks of transformer language models; for this pair there are findings, no verdict."
        return Verdict(NO_VERDICT, DISPLAY_OUT, (), (), (), "", (text,), (), ())
    items = {e.id: e for e in evidence}
    conflicts: list[str] = []
    gaps: list[str] = []
    parts = (PARTIAL,) if partial else ()
    held = [c for c in norm.order if _holds(norm, answers.get(c), items, conflicts, gaps)]
    denials = sorted(e.id for e in items.values() if e.kind == "denial")
    if denials and held and not _checkpoint_support(held, answers, items):
        said = ", ".join(c.upper() for c in held)
        statements = [
            f"{said} answered met, but an author's denial ({', '.join(denials)}) stands: no checkpoint verification "
            "(b) contradicts it."
        ]
        held = []
    else:
        statements = []
    mechanisms = _mechanisms(norm, answers, items, held, conflicts, gaps)
    claimed = [x for x in norm.exclusions if _answered(answers, x) == MET]
    established = [x for x in claimed if _supported(norm, answers[x], items) and not partial]
    if held:
        conflicts += _clashes(norm, answers, held, claimed)
        return _linked(norm, answers, items, held, mechanisms, [*statements, *parts], conflicts, gaps)
    gaps += [
        f"exclusion {x} is answered met, but no admissible evidence supports it"
        for x in claimed
        if x not in established and not partial
    ]
    if partial and claimed:
        gaps.append(f"exclusion {claimed[0]} is answered met, but the evidence is partial and establishes none")
    statements += parts
    if established:
        names = "; ".join(f"{x} {norm.exclusions[x].title.lower()}" for x in established)
        return Verdict(
            INDEPENDENT, DISPLAY_EXCLUDED, (), (), tuple(established), "",
            (*statements, f"Exclusion established: {names}."), tuple(conflicts), tuple(gaps),
        )  # fmt: skip
    statements.append(
        "Provenance was not established with evidence that counts, so the pair is independent by default. This does "
        "not say that no relation exists: distillation without inherited weights, for one, could not have been seen."
    )
    return Verdict(INDEPENDENT, DISPLAY_DEFAULT, (), (), (), "", tuple(statements), tuple(conflicts), tuple(gaps))


def directed(
    norm: Norm, answers: Mapping[str, Answer], evidence: Iterable[Evidence], held: Iterable[str]
) -> tuple[str, ...]:
    """Conditions, of those that hold, whose direction is documented: said so, and supported by evidence of kind (a)."""
    items = {e.id: e for e in evidence}
    return tuple(
        c
        for c in held
        if answers[c].direction_documented and any(e.kind == "a" for e in _supported(norm, answers[c], items))
    )


def _written(text: str) -> bool:
    """Whether there is more than ASCII white space; stated so exactly because other verifiers must agree."""
    return bool(text.strip(" \t\n\v\f\r"))


def _answered(answers: Mapping[str, Answer], question: str) -> str:
    answer = answers.get(question)
    return answer.answer if answer else UNDETERMINED


def _licensed(item: Evidence, question: str) -> bool:
    """A cited comparison supports only what its finding licenses; other items support what they say."""
    if question not in item.supports:
        return False
    if item.kind == "b" and item.finding:
        return question in LICENSE.get(item.finding, frozenset())
    return not (item.kind == "b" and not (item.source and item.digest))


def _supported(norm: Norm, answer: Answer, items: Mapping[str, Evidence]) -> list[Evidence]:
    """Admissible cited items that support an answer."""
    cited = [items[i] for i in answer.evidence if i in items]
    return [e for e in cited if e.kind in norm.admissible and _licensed(e, answer.question)]


def _holds(
    norm: Norm, answer: Answer | None, items: Mapping[str, Evidence], conflicts: list[str], gaps: list[str]
) -> bool:
    if answer is None or answer.answer != MET:
        return False
    name = answer.question.upper()
    support = _supported(norm, answer, items)
    if not support:
        conflicts.append(
            f"{name} is answered met, but no admissible evidence that it cites supports it; it counts as undetermined"
        )
        return False
    if answer.question in _ALONE and all(e.kind == "b" and e.finding for e in support):
        conflicts.append(
            f"{name} rests on comparisons alone; weights show a common trained ancestor, not that one model was "
            "initialised from the other: cite documentation, or answer C5"
        )
        return False
    if answer.question == "c4" and any(e.finding == "reformatted" for e in support) and not _numerically_equal(support):
        conflicts.append("C4 rests on a conversion that rounds; that is C3")
        return False
    if answer.question == "c5" and not _chain(norm, answer, support, conflicts):
        return False
    if not _written(answer.reason):
        gaps.append(f"{name} is answered met without a reason")
    return True


def _numerically_equal(support: list[Evidence]) -> bool:
    return any(e.finding != "reformatted" or "lossless" in e.locator for e in support)


def _chain(norm: Norm, answer: Answer, support: list[Evidence], conflicts: list[str]) -> bool:
    if answer.basis == COMMON_ANCESTOR:
        if any(not e.finding or e.finding in _SHOW_ANCESTOR for e in support):
            return True
        conflicts.append("C5 by common ancestor needs a finding or documentation that shows the ancestor")
        return False
    found = hops.faults(norm, answer.hops if answer.basis == CHAIN else ())
    conflicts.extend(found[:1])
    return not found


def _checkpoint_support(held: list[str], answers: Mapping[str, Answer], items: Mapping[str, Evidence]) -> bool:
    return any(items[i].kind == "b" and _licensed(items[i], c) for c in held for i in answers[c].evidence if i in items)


def _mechanisms(
    norm: Norm,
    answers: Mapping[str, Answer],
    items: Mapping[str, Evidence],
    held: list[str],
    conflicts: list[str],
    gaps: list[str],
) -> list[str]:
    claimed = [m for m in norm.mechanisms if _answered(answers, m) == MET]
    fitting = [m for m in claimed if set(norm.mechanisms[m].conditions) & set(held)]
    if held:
        conflicts += [
            f"mechanism {m} cannot serve the conditions that hold ({', '.join(c.upper() for c in held)})"
            for m in claimed
            if m not in fitting
        ]
        by_ancestor = held == ["c5"] and answers["c5"].basis == COMMON_ANCESTOR
        if not fitting and not by_ancestor:
            gaps.append("no mechanism is named for the conditions that hold")
    return fitting


def _clashes(norm: Norm, answers: Mapping[str, Answer], held: list[str], claimed: list[str]) -> list[str]:
    out = []
    for x in claimed:
        resolved = _written(answers[x].resolution) and all(_written(answers[c].resolution) for c in held)
        if not resolved:
            beside = ", ".join(c.upper() for c in held)
            out.append(f"exclusion {x} is answered met beside {beside}: resolve it in writing on both")
    return out


def _linked(
    norm: Norm,
    answers: Mapping[str, Answer],
    items: Mapping[str, Evidence],
    held: list[str],
    mechanisms: list[str],
    statements: list[str],
    conflicts: list[str],
    gaps: list[str],
) -> Verdict:
    basis = answers["c5"].basis if "c5" in held else ""
    names = "; ".join(f"{c.upper()} {norm.conditions[c].title.lower()}" for c in held)
    statements = [*statements, f"Linked by {names}."]
    if held == ["c5"] and basis == COMMON_ANCESTOR:
        statements.append("Common trained ancestor established; a chain from A to B or B to A not established.")
    elif basis == CHAIN:
        chain = " - ".join([answers["c5"].hops[0].a, *(h.b for h in answers["c5"].hops)])
        statements.append(f"Chain of links: {chain}.")
    if any(e.finding == "component-shared" for c in held for e in _supported(norm, answers[c], items)):
        statements.append("The finding holds for a component only, not for the whole model.")
    statements.append(
        "The direction is documented by evidence of kind (a)."
        if directed(norm, answers, items.values(), held)
        else "No direction is stated: weights do not show one, and none is documented."
    )
    return Verdict(
        LINKED,
        DISPLAY_LINKED,
        tuple(held),
        tuple(mechanisms),
        (),
        basis,
        tuple(statements),
        tuple(conflicts),
        tuple(gaps),
    )
