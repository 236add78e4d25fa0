"""What a case amounts to: its verdicts, and what a signature still waits for."""

from __future__ import annotations

from dataclasses import dataclass

from mpk_tui.case.actions import split_pair
from mpk_tui.case.custody import normal
from mpk_tui.case.state import CaseState
from mpk_tui.case.store import Case
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import UNDETERMINED
from mpk_tui.constitution.verdict import Verdict, decide

IN_SCOPE = "transformer-lm"
STEPS = (
    "Case", "Artifacts", "Fingerprint", "Compare", "Evidence", "Conditions", "Mechanism", "Exclusions",
    "Review & sign",
)  # fmt: skip


@dataclass(frozen=True)
class Gap:
    """Something that a signature waits for.

    Attributes:
        step: 1 to 9, as on the screens.
        pair: The pair it concerns, or empty.
        sentence: What is missing.
        blocking: A signature waits for it; the rest is a reminder.
    """

    step: int
    pair: str
    sentence: str
    blocking: bool = True


def in_scope(state: CaseState, pair: str) -> bool:
    """Both models are transformer language models, as far as their fingerprints say."""
    return all(state.artifacts[i].scope in ("", IN_SCOPE) for i in pair.split(":"))


def verdict(case: Case, pair: str = "") -> Verdict:
    """The verdict of a pair as things stand."""
    pair, _, _ = split_pair(case, pair)
    return verdict_of(case.state, pair)


def verdict_of(state: CaseState, pair: str) -> Verdict:
    """The verdict of a pair from a state alone."""
    return decide(
        norm.load(state.norm),
        state.answers.get(pair, {}),
        state.evidence.get(pair, {}).values(),
        in_scope=in_scope(state, pair),
        partial=not all(state.artifacts[i].complete for i in pair.split(":")),
    )


def status(case: Case) -> list[Gap]:
    """All gaps, by step."""
    state = case.state
    out: list[Gap] = []
    for name in ("exhibit", "authority", "purpose"):
        if not state.facts.get(name):
            out.append(Gap(1, "", f"No {name} is stated", False))
    roles = [a.role for a in state.artifacts.values()]
    for role in ("subject", "reference"):
        if role not in roles:
            out.append(Gap(2, "", f"There is no {role}"))
    out += [Gap(3, "", f"{a.id} has no fingerprint") for a in state.artifacts.values() if not a.fingerprint]
    for pair in state.pairs:
        out += _pair_gaps(state, pair)
    out += _readers(state)
    return sorted(out, key=lambda g: (g.step, g.pair))


def _readers(state: CaseState) -> list[Gap]:
    """Whether a second person read the case as it stands: a reminder, never a bar."""
    if not state.reviews:
        return [Gap(9, "", "No second analyst has read this case", False)]
    out = []
    if all(r.stale for r in state.reviews):
        last = state.reviews[-1]
        out.append(Gap(9, last.pair, f"The case was changed after {last.who} had read it", False))
    latest = {(normal(r.who), r.pair): r for r in state.reviews}
    out += [
        Gap(9, r.pair, f"{r.who} dissents{' (from an earlier state)' if r.stale else ''}: {r.text}", False)
        for r in latest.values()
        if r.outcome == "dissents"
    ]
    return out


def _pair_gaps(state: CaseState, pair: str) -> list[Gap]:
    out: list[Gap] = []
    made = state.comparisons.get(pair)
    if made is None:
        out.append(Gap(4, pair, "The two models were not compared"))
    elif any(
        state.artifacts[i].fingerprint and state.artifacts[i].fingerprint != f
        for i, f in zip(pair.split(":"), made.fingerprints, strict=True)
    ):
        out.append(Gap(4, pair, "The comparison was made with another fingerprint; compare again"))
    cited = "" if made is None else made.digest
    out += [
        Gap(5, pair, f"{e.id} cites a comparison that was made again since: take it out, and cite the one that stands")
        for e in state.evidence.get(pair, {}).values()
        if e.record and e.record != cited
    ]
    if not in_scope(state, pair):
        return out
    current = norm.load(state.norm)
    answers = state.answers.get(pair, {})
    for c in current.order:
        if c not in answers:
            out.append(Gap(6, pair, f"{c.upper()} was not answered (undetermined is an answer)"))
        elif answers[c].answer != UNDETERMINED and not answers[c].reason.strip():
            out.append(Gap(6, pair, f"{c.upper()} has no reason"))
        elif answers[c].proposed and answers[c].answer != answers[c].proposed and not answers[c].reason.strip():
            out.append(Gap(6, pair, f"{c.upper()} overrides the proposal without a reason"))
    found = verdict_of(state, pair)
    for sentence in found.conflicts:
        out.append(Gap(_step_of(sentence), pair, sentence))
    for sentence in found.gaps:
        out.append(Gap(_step_of(sentence), pair, sentence))
    if not state.rationale.get(pair, "").strip():
        out.append(Gap(9, pair, "There is no rationale in your own words"))
    return out


def _step_of(sentence: str) -> int:
    return 7 if sentence.startswith(("mechanism", "no mechanism")) else 8 if sentence.startswith("exclusion") else 6


def ready(case: Case) -> bool:
    """No gap blocks a signature."""
    return bool(case.state.pairs) and not any(g.blocking for g in status(case))
