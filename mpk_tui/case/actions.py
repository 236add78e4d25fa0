"""Everything that can be done in a case, as plain functions: the command line and the terminal UI call these."""

from __future__ import annotations

from dataclasses import replace

from mpk_tui.case.artifacts import find_artifact
from mpk_tui.case.comparing import (
    compare_pair,
    measure_comparison,
    record_comparison,
    split_pair,
    stored_comparison,
)
from mpk_tui.case.custody import act_of, checked
from mpk_tui.case.evidence import (
    MAX_ATTACHMENT,
    add_evidence,
    attach,
    evidence_from_comparison,
    evidence_from_row,
    known_questions,
    remove_evidence,
)
from mpk_tui.case.journal import Entry
from mpk_tui.case.lengths import HOPS, within
from mpk_tui.case.proposing import proposed_by
from mpk_tui.case.state import FACTS, UNDOABLE, undone_entries
from mpk_tui.case.store import Case
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import ANSWERS, BASES, Answer, Hop
from mpk_tui.errors import UsageError

__all__ = [
    "MAX_ATTACHMENT", "accept_proposals", "add_evidence", "answer", "attach", "compare_pair", "custody",
    "evidence_from_comparison", "evidence_from_row", "measure_comparison", "note", "proposals", "record_comparison",
    "redo", "remove_evidence", "set_facts", "set_known_gaps", "set_rationale", "split_pair", "stored_comparison",
    "undo",
]  # fmt: skip


def set_facts(case: Case, **facts: str) -> Entry:
    """Change title, examiner, exhibit, authority or purpose."""
    unknown = facts.keys() - set(FACTS)
    if unknown:
        raise UsageError(f"unknown field {sorted(unknown)[0]!r}", hint=f"Known: {', '.join(FACTS)}")
    for name in ("title", "examiner"):
        if name in facts and not facts[name].strip():
            raise UsageError(f"{name} cannot be empty")
    for name, value in facts.items():
        within(name, value)
    return case.append("facts", facts)


def answer(
    case: Case,
    question: str,
    given: str,
    *,
    pair: str = "",
    reason: str = "",
    evidence: tuple[str, ...] = (),
    basis: str = "",
    hops: tuple[Hop, ...] = (),
    direction_documented: bool = False,
    resolution: str = "",
) -> Answer:
    """Answer a question about a pair.

    Raises:
        UsageError: Unknown question, answer or evidence; a met answer without a reason.
    """
    pair, _, _ = split_pair(case, pair)
    question = question.lower()
    known_questions(case, (question,))
    if given not in ANSWERS:
        raise UsageError(f"answer {given!r}; known are {', '.join(ANSWERS)}")
    if given == "met" and not reason.strip():
        raise UsageError("an answer 'met' needs a reason", hint="Give --reason")
    if basis not in BASES:
        raise UsageError(f"basis {basis!r}; known are {', '.join(b for b in BASES if b)}")
    if question != "c5" and (basis or hops):
        raise UsageError("a basis and hops belong to C5 only")
    if len(hops) > HOPS:
        raise UsageError(f"{len(hops)} hops (at most {HOPS})")
    for hop in hops:
        within("a model's name in a hop", max(hop.a, hop.b, key=len))
    missing = [e for e in evidence if e not in case.state.evidence.get(pair, {})]
    if missing:
        raise UsageError(f"no evidence {missing[0]!r} for {pair}", hint="Add it first, or check the id")
    made = Answer(
        question, given, reason, tuple(evidence), proposals(case, pair).get(question, Answer(question, "")).answer,
        basis, hops, direction_documented, resolution,
    )  # fmt: skip
    case.append("answer", {"pair": pair, "answer": made.as_record()})
    return made


def proposals(case: Case, pair: str) -> dict[str, Answer]:
    """What the recorded comparison proposes, by question; the analyst confirms or overrides."""
    record = stored_comparison(case, pair)
    if record is None:
        return {}
    return proposed_by(record, case.state.comparisons[pair], case.state.evidence.get(pair, {}).values())


def accept_proposals(case: Case, pair: str = "") -> list[Answer]:
    """Confirm every proposed answer as the analyst's own, the comparison cited as evidence of kind (b)."""
    pair, _, _ = split_pair(case, pair)
    evidence_from_comparison(case, pair)
    taken = []
    for proposed in proposals(case, pair).values():
        given = replace(proposed)
        case.append("answer", {"pair": pair, "answer": given.as_record()})
        taken.append(given)
    return taken


def set_rationale(case: Case, pair: str, text: str) -> Entry:
    """The analyst's reasoning for a pair, in their own words."""
    pair, _, _ = split_pair(case, pair)
    return case.append("rationale", {"pair": pair, "text": text})


def set_known_gaps(case: Case, pair: str, gaps: tuple[str, ...]) -> Entry:
    """Known gaps of the constitution that bear on a verdict."""
    pair, _, _ = split_pair(case, pair)
    known = {g["id"] for g in norm.load(case.state.norm).data["known_gaps"]}
    wrong = [g for g in gaps if g not in known]
    if wrong:
        raise UsageError(f"no known gap {wrong[0]!r}", hint=f"Known: {', '.join(sorted(known))}")
    return case.append("known_gaps", {"pair": pair, "gaps": list(gaps)})


def note(case: Case, text: str, *, id: str = "") -> Entry:
    """A free note, about an artifact if one is named.

    Raises:
        UsageError: It is empty, or there is no such artifact.
    """
    if not text.strip():
        raise UsageError("a note needs text")
    if id:
        find_artifact(case, id)
    return case.append("note", {"id": id} if id else {}, note=text)


def custody(case: Case, act: str, text: str = "", *, id: str = "", **fields: str) -> Entry:
    """A statement of custody: ``intake``, ``transfer``, ``seal_check`` or ``mount``; cannot be taken back.

    Args:
        case: Open for writing.
        act: One of `mpk_tui.case.custody.ACTS`.
        text: Free text; may be empty where the needed fields say enough.
        id: The artifact concerned; empty for all.
        fields: As the table names them for this act (``**{"from": ...}``); empty ones are left out.

    Raises:
        UsageError: The act, the artifact or a field is unknown or cannot be used, or too little is said.
    """
    about = act_of(act)
    named = checked(about, text, fields)
    if id:
        find_artifact(case, id)
    return case.append(about.name, {"id": id, **named}, note=text)


def undo(case: Case) -> Entry:
    """Take back the last act of judgement that still stands.

    Raises:
        UsageError: There is none.
    """
    target = next_undo(case)
    if target is None:
        raise UsageError("there is nothing to undo")
    return case.append("undo", {"seq": target.seq})


def redo(case: Case) -> Entry:
    """Restore what the last undo took back, unless something was judged since.

    Raises:
        UsageError: There is nothing to redo.
    """
    target = next_redo(case)
    if target is None:
        raise UsageError("there is nothing to redo")
    return case.append("redo", {"seq": target.seq})


def next_undo(case: Case) -> Entry | None:
    """The act that an undo would take back now."""
    undone = undone_entries(list(case.entries))
    return next((e for e in reversed(case.entries) if e.act in UNDOABLE and e.seq not in undone), None)


def next_redo(case: Case) -> Entry | None:
    """The act that a redo would restore now."""
    entries = case.entries
    undone = undone_entries(list(entries))
    for entry in reversed(entries):
        if entry.act in UNDOABLE and entry.seq not in undone:
            return None
        target = entry.params.get("seq")
        if entry.act == "undo" and isinstance(target, int) and target in undone:
            return entries[target]
    return None
