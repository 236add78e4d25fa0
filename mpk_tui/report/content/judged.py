"""One pair: what follows by rule, what the analyst answered and why, and the evidence that they chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.bundle.left_open import WHICH, direction, not_established
from mpk_tui.bundle.outcome import PairReport
from mpk_tui.constitution.answers import CHAIN, COMMON_ANCESTOR, UNDETERMINED
from mpk_tui.report.content.view import View, cut, statement, verdict_of
from mpk_tui.report.document import Block, Cell, Facts, Items, Para, Quote, Run, Section, Standing, Table, Text
from mpk_tui.report.untrusted import cell, code, joined, norm, say

ANSWERS = {"met": "MET", "not-met": "not met", "undetermined": "undetermined", "": "none"}
"""Answers as they are printed; what is met must not be overlooked."""
BASES = {COMMON_ANCESTOR: "common trained ancestor", CHAIN: "a chain of links"}
BESIDE = 20
"""Items and answers that are listed beside a verdict."""
ITEMS = 100
"""Items of evidence that are listed for a pair."""
_NOT_PROPOSED = "–"


def sections(view: View, p: PairReport, prefix: str) -> tuple[Section, Section, Section]:
    """What follows by rule; the answers; the evidence."""
    return _rule(view, p, prefix), _answers(view, p, prefix), _evidence(view, p, prefix)


def _rule(view: View, p: PairReport, prefix: str) -> Section:
    shown, how = verdict_of(p)
    if shown is None:
        text = "The verdict is withheld, and so are answers or evidence: nothing can be said by rule."
        return Section(f"{prefix}-rule", "What follows by rule", (Para(say(text)),), standing=Standing.RULE)
    fresh = p.recomputed is not None
    rows: list[tuple[str, Cell]] = [
        ("Label", cell(statement(view, shown["label"], fresh=fresh))),
        ("Shown as", cell(statement(view, shown["display"], fresh=fresh))),
        ("How it came", cell(how)),
        ("Conditions that hold", (joined(view.questions(shown["conditions"])),)),
        ("Mechanisms", (joined(view.questions(shown["mechanisms"])),)),
        ("Exclusions established", (joined(view.questions(shown["exclusions"])),)),
    ]
    if shown["basis"]:
        rows.append(("Basis of C5", cell(BASES.get(shown["basis"], "") or view.purse.name(shown["basis"], 64))))
    sentences = tuple(say(statement(view, s, fresh=fresh)) for s in shown["statements"][:20])
    blocks: list[Block] = [Facts(tuple(rows)), Items(sentences), *left_open(view, p)]
    contradictions = [c for c in view.outcome.contradictions if c.startswith(f"{p.pair}: ")]
    if p.agrees is False and p.signed is not None:
        blocks.append(
            Para(say("Signed was: ", view.purse.tool(p.signed["display"], 128), ", which the rules do not give."), True)
        )
    if contradictions:
        blocks += [
            Para(say("Contradictions:"), strong=True),
            Items(tuple(say(view.purse.tool(c, 600)) for c in contradictions[:20])),
        ]
    blocks.append(
        Para(
            say(
                "A condition holds if it is answered met and an item of evidence that counts (kinds a, b, c) and that "
                "the answer cites supports it; a comparison supports only what its finding licenses. Without a "
                "condition that holds, a pair is independent, whatever else was offered."
            )
        )
    )
    return Section(f"{prefix}-rule", "What follows by rule", tuple(blocks), standing=Standing.RULE)


def left_open(view: View, p: PairReport) -> list[Block]:
    """Beside a verdict's sentences: the evidence that a direction stands in, and what is met and not established."""
    out: list[Block] = []
    items = direction(view.contents, p)
    if items is not None:
        out.append(Para(say(f"{WHICH}{':' if items else ', which is withheld.'}")))
        first, more = cut(list(items), BESIDE)
        listed = [_quoted(view, e) for e in first] + ([say(f"and {more} more")] if more else [])
        out += [Items(tuple(listed))] if listed else []
    answers, more = cut(list(not_established(view.contents, p)), BESIDE)
    for a in answers:
        resolution = view.purse.lines(a["resolution"], 2000, 20)
        who = say("Answered met, not established: ", view.question(a["question"]))
        if resolution:
            out.append(Quote((*who, Run("; resolved in writing, in the analyst's words")), resolution))
        else:
            out.append(Para((*who, Run("; no resolution was written."))))
    if more:
        out.append(Para(say(f"and {more} more answers that are met and not established")))
    return out


def _quoted(view: View, e: Mapping[str, Any]) -> Text:
    """An item of evidence in one paragraph: id, source, where in it, excerpt."""
    out = [*view.item(e["pair"], e["id"]), Run(": ")]
    out.append(view.purse.said(e["source"], 600) if e["source"] else Run("source not stated"))
    if e["locator"]:
        out += [Run(", at "), view.purse.said(e["locator"], 400)]
    if e["excerpt"].strip():
        out += [Run(", says "), view.purse.said(e["excerpt"], 1500)]
    return tuple(out)


def _answers(view: View, p: PairReport, prefix: str) -> Section:
    blocks: list[Block] = []
    if view.section("answers") is None:
        blocks.append(Para(say(view.absent("answers"))))
    else:
        blocks += _answer_tables(view, p.pair)
    signed = p.signed
    if signed is not None:
        blocks += _words(view, signed)
    return Section(f"{prefix}-answers", "The analyst's judgement", tuple(blocks), standing=Standing.JUDGED)


def _answer_tables(view: View, pair: str) -> list[Block]:
    given = {row["question"]: row for row in view.contents.rows("answers", pair)}
    if view.norm is None:
        groups: list[tuple[str, list[str]]] = [("Answers", list(given)[:64])]
    else:
        groups = [
            ("Conditions, in the constitution's order", list(view.norm.order)),
            ("Mechanisms", list(view.norm.mechanisms)),
            ("Exclusions", list(view.norm.exclusions)),
        ]
        known = frozenset(view.norm.questions)
        other = [q for q in given if q not in known]
        if other:
            groups.append(("Answers to questions that the norm does not ask", other[:40]))
    out: list[Block] = []
    overridden = 0
    for title, questions in groups:
        rows = []
        for q in questions:
            row = given.get(q)
            rows.append(_answer_row(view, pair, q, row))
            overridden += row is not None and _overrides(row)
        columns = ("Question", "Answer", "Proposed by the tool", "Evidence", "Reason")
        out.append(Table(title, columns, tuple(rows)))
    asked = "" if view.norm is None else f" of {len(view.norm.questions)}"
    told = f"Questions answered: {len(given)}{asked}; the others count as undetermined, and so as independent."
    if overridden:
        told += f" Answers that override what the tool proposed: {overridden}; each is marked OVERRIDES."
    out.append(Para(say(told)))
    resolved = [row for row in given.values() if row["resolution"].strip()]
    for row in resolved[:20]:
        who = say("Resolution of a conflict, on ", view.question(row["question"]), ", in the analyst's words")
        out.append(Quote(who, view.purse.lines(row["resolution"], 4000, 40)))
    return out


def _overrides(row: Mapping[str, Any]) -> bool:
    return bool(row["proposed"]) and row["proposed"] != row["answer"]


def _answer_row(view: View, pair: str, question: str, row: Mapping[str, Any] | None) -> tuple[Cell, ...]:
    if row is None:
        return cell(view.question(question)), cell("not answered"), cell(_NOT_PROPOSED), cell("–"), cell("–")
    answer: list[Text] = [say(ANSWERS[row["answer"]])]
    if _overrides(row):
        answer.append(say("OVERRIDES"))
    if row["basis"]:
        answer.append(say(f"basis: {BASES.get(row['basis'], row['basis'])}"))
    if row["direction_documented"]:
        answer.append(say("direction documented"))
    for a, b, condition in row["hops"][:20]:
        answer.append(say(view.purse.name(a, 80), " – ", view.purse.name(b, 80), ": ", view.purse.name(condition, 16)))
    cited, more = cut(list(row["evidence"]), 20)
    evidence: list[Run] = []
    for e in cited:
        evidence += [*([Run(", ")] if evidence else []), *view.item(pair, e)]
    evidence += [Run(f" and {more} more")] if more else []
    proposed = ANSWERS[row["proposed"]] if row["proposed"] else _NOT_PROPOSED
    reason = view.purse.told(row["reason"], 2000) if row["reason"].strip() else cell("–")
    if not row["reason"].strip() and row["answer"] != UNDETERMINED:
        reason = cell("no reason given")
    listed = tuple(evidence) or (Run("–"),)
    return cell(view.question(question)), tuple(answer), cell(proposed), (listed,), reason


def _words(view: View, signed: Mapping[str, Any]) -> list[Block]:
    out: list[Block] = []
    if signed["rationale"].strip():
        out.append(Quote(say("Rationale, in the analyst's words"), view.purse.lines(signed["rationale"])))
    for title, name in (
        ("Alternatives that were considered", "alternatives"),
        ("Limitations as signed", "limitations"),
    ):
        listed, more = cut(list(signed[name]), 40)
        if listed:
            items = [say(view.purse.said(t, 1000)) for t in listed] + ([say(f"and {more} more")] if more else [])
            out += [Para(say(f"{title}:")), Items(tuple(items))]
    gaps = _gaps(view)
    named = [norm(f"{g} {gaps[g]}") if g in gaps else view.purse.name(g, 40) for g in list(signed["known_gaps"])[:20]]
    if named:
        out += [Para(say("Known gaps of the constitution that the analyst names:")), Items(tuple((n,) for n in named))]
    else:
        out.append(Para(say("Known gaps of the constitution that the analyst names: none.")))
    return out


def _gaps(view: View) -> dict[str, str]:
    return {} if view.norm is None else {g["id"]: g["title"] for g in view.norm.data["known_gaps"]}


def _evidence(view: View, p: PairReport, prefix: str) -> Section:
    title = "Evidence"
    if view.section("evidence") is None:
        return Section(f"{prefix}-evidence", title, (Para(say(view.absent("evidence"))),), standing=Standing.JUDGED)
    rows = view.contents.rows("evidence", p.pair)
    kinds = (
        [(k["kind"], k["title"], k["admissible"]) for k in view.norm.data["evidence"]]
        if view.norm is not None
        else [(k, k, False) for k in ("a", "b", "c", "context", "denial")]
    )
    docs = {d["sha256"]: d for d in view.section("docs") or ()}
    left, blocks = ITEMS, list[Block]()
    for kind, name, counts in kinds:
        mine = [r for r in rows if r["kind"] == kind]
        if not mine:
            continue
        says = "counts for a label" if counts else "never supports a label"
        short = f"({kind}) " if len(kind) == 1 else ""
        blocks.append(Para(say(f"{short}", norm(name), f": {len(mine):,}; {says}."), strong=True))
        for row in mine[: max(0, left)]:
            blocks.append(_item(view, row, docs))
        if len(mine) > max(0, left):
            blocks.append(Para(say(f"and {len(mine) - max(0, left):,} more of this kind, in the bundle")))
        left -= len(mine)
    if not rows:
        blocks.append(Para(say("No evidence is recorded for this pair.")))
    return Section(f"{prefix}-evidence", title, tuple(blocks), standing=Standing.JUDGED)


def _item(view: View, row: Mapping[str, Any], docs: Mapping[bytes, Mapping[str, Any]]) -> Facts:
    out: list[tuple[str, Cell]] = [("Item", (view.item(row["pair"], row["id"]),))]
    out.append(("Supports", (joined(view.questions(row["supports"][:32])),)))
    if row["opposes"]:
        out.append(("Opposes", (joined(view.questions(row["opposes"][:32])),)))
    out.append(("Source", cell(view.purse.said(row["source"], 600)) if row["source"] else cell("not stated")))
    if row["locator"]:
        out.append(("Where in it", cell(view.purse.said(row["locator"], 400))))
    if row["excerpt"].strip():
        out.append(("Excerpt", view.purse.told(row["excerpt"], 1500)))
    if row["finding"]:
        out.append(("Finding that it cites", cell(view.purse.name(row["finding"], 64))))
    if row["record"]:
        out.append(("SHA-256 of that record", cell(code(row["record"].hex()))))
    if row["digest"]:
        doc = docs.get(row["digest"])
        name = say("; attached as ", view.purse.name(doc["name"], 160)) if doc else ()
        out.append(("SHA-256 of the file", ((code(row["digest"].hex()), *name),)))
    return Facts(tuple(out))
