"""The wizard's questions of the constitution about one pair, and what the answers amount to."""

from __future__ import annotations

from functools import partial
from typing import Any

from mpk_tui.case import Case, actions, review
from mpk_tui.case.rows import summary
from mpk_tui.cli.wizard.asking import Asking
from mpk_tui.cli.wizard.step import Step
from mpk_tui.constitution import hops, norm
from mpk_tui.constitution.answers import CHAIN, COMMON_ANCESTOR, MET, NOT_MET, UNDETERMINED, Answer, Hop
from mpk_tui.constitution.contradictions import Contradiction, contradictions
from mpk_tui.constitution.norm import Item, Norm
from mpk_tui.constitution.offers import not_offered

_KEYS = {"m": MET, "n": NOT_MET, "u": UNDETERMINED}


def steps(case: Case, to: Asking, pair: str) -> list[Step]:
    """Conditions in the constitution's order, mechanisms that they allow, exclusions, gaps, rationale, verdict."""
    current = norm.load(case.state.norm)
    answers = case.state.answers.get(pair, {})
    found = {q for c in _contradictions(case, current, pair) for q in c.questions}
    closed = not_offered(current, answers)
    questions = [*current.order, *(m for m in current.mechanisms if m not in closed or m in answers)]
    out = [Step(f"numbers {pair}", partial(_numbers, case, to, pair), all(q in answers for q in current.order))]
    for q in (*questions, *current.exclusions):
        out.append(Step(f"{pair} {q}", partial(_question, case, to, pair, q), q in answers and q not in found))
        if any(c.in_writing and q in c.questions for c in _contradictions(case, current, pair)):
            out.append(Step(f"resolve {pair} {q}", partial(_resolve, case, to, pair, q)))
    state = case.state
    out.append(Step(f"gaps {pair}", partial(_gaps, case, to, pair), pair in state.known_gaps))
    written = bool(state.rationale.get(pair, "").strip())
    return [*out, Step(f"rationale {pair}", partial(_rationale, case, to, pair), written)]


def _contradictions(case: Case, current: Norm, pair: str) -> tuple[Contradiction, ...]:
    state = case.state
    return contradictions(
        current, state.answers.get(pair, {}), state.evidence.get(pair, {}).values(), review.verdict_of(state, pair)
    )


def _numbers(case: Case, to: Asking, pair: str) -> None:
    record = actions.stored_comparison(case, pair)
    if record is None:
        return
    to.say(f"Pair {pair}. Finding: {record['finding']}. {record['sentence']}")
    for line in summary(record):
        to.say(f"  {line}")
    to.ask("The questions follow. Enter goes on", more=("Proposals come from these numbers; the answers are yours.",))


def _question(case: Case, to: Asking, pair: str, q: str) -> None:
    current = norm.load(case.state.norm)
    about = current.item(q)
    assert about is not None
    old = case.state.answers.get(pair, {}).get(q)
    offered = actions.proposals(case, pair).get(q)
    optional = q not in current.order
    _head(case, to, pair, about, offered)
    keys = {"m": "met", "n": "not met", "u": "undetermined", **({"": "leaves it open"} if optional and not old else {})}
    default = (old.answer if old else offered.answer if offered else "" if optional else UNDETERMINED)[:1]
    if default:
        keys.pop("", None)
    key = to.choose("  Your answer", keys, default, more=(f"Counts: {about.what_counts}", "Undetermined is an answer."))
    if not key:
        return
    given = _KEYS[key]
    said = old.reason if old and old.answer == given else offered.reason if offered and offered.answer == given else ""
    overrides = offered is not None and offered.answer != given
    reason = to.ask(
        "  Reason", said, needed=overrides or given != UNDETERMINED,
        more=("Your own words. An answer other than the proposed one says why.",),
    )  # fmt: skip
    evidence = _cited(case, to, pair, q, given, old, offered)
    basis, chain = _basis(case, to, old, offered) if q == "c5" and given == MET else ("", ())
    items = case.state.evidence.get(pair, {})
    documented = False
    if given == MET and q in current.conditions and any(items[i].kind == "a" for i in evidence if i in items):
        documented = to.yes("  Does the documentation say which came first", bool(old and old.direction_documented))
    new = Answer(
        q, given, reason, evidence, old.proposed if old else "", basis, chain, documented, old.resolution if old else ""
    )
    if new != old:
        actions.answer(
            case, q, given, pair=pair, reason=reason, evidence=evidence, basis=basis, hops=chain,
            direction_documented=documented, resolution=new.resolution,
        )  # fmt: skip
    for c in _contradictions(case, current, pair):
        if q in c.questions:
            to.say(f"  CONTRADICTION: {c.sentence}.{'' if c.in_writing else ' b goes back to an answer.'}")


def _head(case: Case, to: Asking, pair: str, about: Item, offered: Answer | None) -> None:
    to.say(f"{about.id.upper()} {about.title}, pair {pair}: {about.question}")
    to.say(f"  Counts: {about.what_counts}")
    to.say(f"  Does not count: {about.what_does_not_count}")
    record = actions.stored_comparison(case, pair)
    for m in record["mechanisms"] if record is not None else ():
        if m["number"] == about.id:
            for way in ("for", "against"):
                to.say(f"  Numbers {way} it: {'; '.join(m[way]) or 'none'}")
    if offered is not None:
        to.say(f"  Proposed: {offered.answer}. {offered.reason}")
    else:
        to.say("  Nothing is proposed: no finding bears on it.")


def _cited(
    case: Case, to: Asking, pair: str, q: str, given: str, old: Answer | None, offered: Answer | None
) -> tuple[str, ...]:
    items = case.state.evidence.get(pair, {})
    if given == UNDETERMINED or not items:
        return ()
    if old is not None and old.answer == given:
        before = old.evidence
    elif given == MET:
        before = tuple(e.id for e in items.values() if q in e.supports)
    else:
        before = offered.evidence if offered and offered.answer == given else ()
    named = "; ".join(f"{e.id} for {', '.join(e.supports) or 'nothing'}" for e in items.values())
    text = to.ask(
        "  Evidence it rests on: ids with blanks between, - for none", " ".join(i for i in before if i in items),
        more=(f"There is: {named}",),
    )  # fmt: skip
    return () if text == "-" else tuple(text.split())


def _basis(case: Case, to: Asking, old: Answer | None, offered: Answer | None) -> tuple[str, tuple[Hop, ...]]:
    known = (old.basis if old else "") or (offered.basis if offered else "")
    key = to.choose(
        "  On what basis", {"1": "a common trained ancestor", "2": "a chain of links"},
        {COMMON_ANCESTOR: "1", CHAIN: "2"}.get(known, ""),
        more=("A chain names each hop: two models and the condition (c1 to c4) between them.",),
    )  # fmt: skip
    if key == "1":
        return COMMON_ANCESTOR, ()
    chain: list[Hop] = []
    before = list(old.hops) if old else []
    while True:
        kept = before[len(chain)] if len(chain) < len(before) else None
        shown = f"{kept.a}, {kept.b}, {kept.condition}" if kept else ""
        ends = "" if shown else "; Enter ends the chain"
        text = to.ask(f"  Hop {len(chain) + 1}: model, model, condition{ends}", shown, more=("- ends the chain.",))
        if text in ("", "-"):
            break
        parts = [p.strip() for p in text.rsplit(",", 2)]
        if len(parts) != 3 or not all(parts):
            to.say("  A hop is written: model, model, condition.")
            continue
        chain.append(Hop(parts[0], parts[1], parts[2].lower()))
    for fault in hops.faults(norm.load(case.state.norm), chain):
        to.say(f"  {fault}.")
    return CHAIN, tuple(chain)


def _resolve(case: Case, to: Asking, pair: str, q: str) -> None:
    """One text on every answer that takes part in a contradiction."""
    for c in _contradictions(case, norm.load(case.state.norm), pair):
        if not c.in_writing or q not in c.questions:
            continue
        to.say(f"CONTRADICTION: {c.sentence}.")
        text = to.ask(
            "  How it is resolved, in your own words; Enter leaves it open", lines=True,
            more=("A signature waits for it. b goes back to change an answer instead.",),
        )  # fmt: skip
        for question in c.questions if text else ():
            a = case.state.answers[pair][question]
            if not a.resolution.strip():
                actions.answer(
                    case, question, a.answer, pair=pair, reason=a.reason, evidence=a.evidence, basis=a.basis,
                    hops=a.hops, direction_documented=a.direction_documented, resolution=text,
                )  # fmt: skip
        return


def _gaps(case: Case, to: Asking, pair: str) -> None:
    rows: list[dict[str, Any]] = norm.load(case.state.norm).data["known_gaps"]
    named = " ".join(case.state.known_gaps.get(pair, ()))
    text = to.ask(
        f"Known gaps of the constitution that bear on {pair}: numbers with blanks between, - for none", named or "-",
        more=tuple(f"{g['id']} {g['title']}" for g in rows),
    )  # fmt: skip
    gaps = () if text == "-" else tuple(text.split())
    if gaps != case.state.known_gaps.get(pair, ()):
        actions.set_known_gaps(case, pair, gaps)


def _rationale(case: Case, to: Asking, pair: str) -> None:
    found = review.verdict(case, pair)
    to.say(f"Verdict for {pair} as things stand: {found.label} ({found.display})")
    for sentence in (*found.statements, *found.conflicts, *found.gaps):
        to.say(f"  {sentence}")
    old = case.state.rationale.get(pair, "")
    if old:
        to.say(f"  Written so far: {old}")
    text = to.ask(
        "Why, in your own words; quoted as yours", lines=True,
        more=("A signature waits for it." if not old else "An empty line leaves it as it is.",),
    )  # fmt: skip
    if text:
        actions.set_rationale(case, pair, text)
