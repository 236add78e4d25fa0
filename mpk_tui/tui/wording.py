"""How records read on a screen: pure functions from the core's records to text.  State is always words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from textual.content import Content

from mpk_tui.case.custody import ACTS, in_words
from mpk_tui.case.journal import Entry
from mpk_tui.constitution.answers import Evidence
from mpk_tui.constitution.norm import Item, Norm
from mpk_tui.tui import keys
from mpk_tui.tui.safe import shown
from mpk_tui.tui.tables import identity_table, tables

CARRIES = {
    "a": "It can carry a condition by itself: the releasing organisation names parent and method. It is the only kind "
    "that documents a direction. Not enough: a model card of somebody else, a blog, a leaderboard, a name.",
    "b": "It can carry a condition by itself, and stands against an author's denial: hashes, a layer-by-layer "
    "comparison, or a derivation script that can be repeated. It needs the file with the record. Not enough: "
    "similarity of weights as a score.",
    "c": "It can carry a condition by itself: analysis by others that was published after peer review. It gives way "
    "to an author's denial. Not enough: a preprint, a forum, a thread.",
    "context": "It never carries a label, alone or together with other context: names, architecture, tokenizer, "
    "configuration, benchmark scores, folklore.",
    "denial": "The author says that there is no such relation. It is respected, so that the pair is independent, "
    "unless checkpoint verification (b) contradicts it.",
}
"""What an item of a kind can and cannot carry."""
FACTS = (
    ("title", "Title"),
    ("examiner", "Examiner"),
    ("exhibit", "Exhibit"),
    ("authority", "Authority"),
    ("purpose", "Purpose"),
)
ANSWER_ROWS = {"met": "answer_met", "not-met": "answer_not_met", "undetermined": "answer_undetermined"}
"""Rows of the key map that give the answers."""
_ON_BOTH = re.compile(
    r"(exclusion (4\.[1-9]) is answered met beside (C[1-5](?:, C[1-5])*): resolve it in writing on) both"
)
_NO_FINDING = "No finding bears on this question."
NEITHER = "The finding neither shows nor excludes it."
_SHORT = {"met": "met", "not-met": "not met", "undetermined": "undet.", None: "–"}


@dataclass(frozen=True)
class Question:
    """One question of the constitution, in our words.

    Attributes:
        id: ``c1``, ``3.2``, ``4.4``.
        number: As shown, ``C1``, ``3.2``.
        title: Its name.
        text: The question or definition.
        counts: What would show it.
        not_counts: What would not.
        serves: For a mechanism: the conditions that it can serve.
    """

    id: str
    number: str
    title: str
    text: str
    counts: str
    not_counts: str
    serves: str = ""


@dataclass(frozen=True)
class Proposal:
    """What the tool proposes for a question, or why it proposes nothing.

    Attributes:
        answer: ``met``, ``not-met``, ``undetermined`` or empty (no proposal).
        reason: Why.
        basis: For c5.
    """

    answer: str
    reason: str
    basis: str = ""


def offer(proposal: Proposal, numbers: Sequence[str]) -> str:
    """The reason of a proposal as a sentence; one that denies any finding gives way where a finding stands below it."""
    if numbers and proposal.reason == _NO_FINDING:
        return NEITHER if proposal.answer else "The finding proposes no answer to it."
    return capital(proposal.reason)


def capital(text: str) -> str:
    """A sentence begins with a capital letter; a word that is a name with digits or dots stays as it is."""
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text


def named(sentence: str) -> str:
    """A conflict of the verdict with every answer named on which it wants a resolution in writing."""

    def all_of(found: re.Match[str]) -> str:
        *first, last = [str(found[2]), *str(found[3]).split(", ")]
        return f"{found[1]} {', '.join(first)} and {last}"

    return _ON_BOTH.sub(all_of, sentence)


def answers() -> tuple[tuple[str, str], ...]:
    """The answers, each with the key that gives it."""
    return tuple((id, f"{words(id)} ({keys.name_of('question', row)})") for id, row in ANSWER_ROWS.items())


def answer_keys() -> str:
    """The keys that answer, for a sentence: ``m, n or u``."""
    *first, last = (keys.name_of("question", row) for row in ANSWER_ROWS.values())
    return f"{', '.join(first)} or {last}"


def origin(item: Evidence) -> str:
    """Where an item comes from, for a list: items of one comparison are told apart by their place in it."""
    return f"comparison: {item.locator}" if item.record and item.locator else item.source


def question(item: Item, version: Norm) -> Question:
    """A question of the norm as shown."""
    number = item.id.upper()
    not_counts = item.what_does_not_count
    if item.id in version.conditions:
        not_counts += f" Never, by itself or together: {', '.join(version.data['never_counts'])}."
    serves = ", ".join(c.upper() for c in item.conditions)
    return Question(item.id, number, item.title, item.question, item.what_counts, not_counts, serves)


def short_answer(answer: str | None) -> str:
    """An answer in one word; a dash where none was given."""
    return _SHORT.get(answer, "?")


def kind(name: str) -> str:
    """A kind of evidence as written in the norm."""
    return f"({name})" if name in ("a", "b", "c") else name


def bears(item: Evidence) -> str:
    """What an item bears on."""
    against = [f"not {q}" for q in item.opposes]
    return ", ".join([*item.supports, *against]) or "–"


def question_text(
    q: Question, given: Sequence[Content], proposal: Proposal, numbers: Sequence[str], *, take: str = ""
) -> Content:
    """Everything to read before answering; what was given beside the answer stands below the question.

    Args:
        q: The question.
        given: Contradictions, hops and the like.
        proposal: Of the tool.
        numbers: Behind the proposal.
        take: The key that takes the proposal over, or empty where none does.
    """
    parts: list[Content] = [
        Content.styled(shown(f"{q.number} {q.title}"), "bold"),
        Content(shown(q.text, 2000)),
        *given,
    ]
    if proposal.answer:
        basis = f" ({shown(proposal.basis)})" if proposal.basis else ""
        parts.append(
            Content.assemble(
                ("The tool proposes: ", "bold"),
                f"{words(proposal.answer)}{basis}. ",
                shown(offer(proposal, numbers), 1200),
                (f" ({take} takes it over)" if take else "", "bold"),
            )
        )
    else:
        parts.append(Content.assemble(("The tool proposes nothing. ", "bold"), shown(offer(proposal, numbers), 1200)))
    parts += [Content(shown(f"  · {n}", 600)) for n in numbers]
    parts.append(Content.assemble(("Counts: ", "bold"), shown(q.counts, 1200)))
    parts.append(Content.assemble(("Does not count: ", "bold"), shown(q.not_counts, 1200)))
    if q.serves:
        parts.append(Content.assemble(("Can serve: ", "bold"), q.serves))
    return Content("\n").join(parts)


def words(answer: str) -> str:
    """An answer in words."""
    return {"not-met": "not met"}.get(answer, answer)


def evidence_lines(item: Evidence) -> list[str]:
    """One item of evidence in full."""
    return [
        f"{item.id} {kind(item.kind)}  supports: {', '.join(item.supports) or 'nothing'}  "
        f"opposes: {', '.join(item.opposes) or 'nothing'}",
        f"Source: {item.source}",
        *([f"Where: {item.locator}"] if item.locator else []),
        *([f"Excerpt: “{item.excerpt}”"] if item.excerpt else []),
        *([f"SHA-256 of the file: {item.digest}"] if item.digest else []),
        *([f"Comparison record: {item.record}"] if item.record else []),
    ]


def evidence_rules(version: Norm) -> list[str]:
    """Kinds of evidence and what never counts, from the norm."""
    named = [(f"({e['kind']}) " if e["admissible"] else "", e) for e in version.data["evidence"]]
    rows = [f"{letter}{e['title']}: {e['what']}" for letter, e in named]
    return [*rows, f"Never enough, by itself or together: {', '.join(version.data['never_counts'])}."]


def utc(at: int) -> str:
    """Milliseconds since 1970 as ``2025-11-23 14:05:09`` in UTC."""
    try:
        return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return str(at)


def plain_value(value: Any) -> str:
    """A value of a record on one line; digests as hex."""

    def known(v: Any) -> Any:
        if isinstance(v, bytes):
            return v.hex()
        if isinstance(v, dict):
            return {str(k): known(x) for k, x in v.items()}
        if isinstance(v, (list, tuple)):
            return [known(x) for x in v]
        return v

    return value if isinstance(value, str) else json.dumps(known(value), ensure_ascii=False, default=str)


def numbers(record: dict[str, Any], question_id: str) -> list[str]:
    """The lines of a comparison that bear on a question."""
    if question_id in ("c2", "3.5"):
        return []
    shown = tables(record)
    tests = [t.title for t, made in zip(shown, record["tests"], strict=False) if made["ran"]]
    identity = identity_table(record).title.rsplit(", ", 1)[0]  # without how many rows stand below it there
    out = [f"finding {record['finding']}"]
    if question_id in ("c4", "3.1", "3.7"):
        out.append(identity)
    elif question_id in ("c3",) or question_id.startswith("3."):
        out += [identity, *tests]
    elif question_id in ("c1", "c5", "4.4"):
        out += tests or [identity]
    for m in record["mechanisms"]:
        if m["number"] == question_id:
            out += [f"for: {x}" for x in m["for"]] + [f"against: {x}" for x in m["against"]]
    return out


def entry_line(entry: Entry, undone: frozenset[int]) -> str:
    """What an act was about, on one line."""
    p = entry.params
    if entry.act == "answer" and isinstance(p.get("answer"), dict):
        a = p["answer"]
        text = f"{p.get('pair')} {str(a.get('question')).upper()}: {words(str(a.get('answer')))}"
    elif entry.act == "evidence" and isinstance(p.get("item"), dict):
        text = f"{p.get('pair')} {p['item'].get('id')} {kind(str(p['item'].get('kind')))} {p['item'].get('source')}"
    elif entry.act in ("undo", "redo"):
        text = f"entry {p.get('seq')}"
    elif entry.act == "rationale":
        text = f"{p.get('pair')}: {p.get('text')}"
    elif entry.act == "known_gaps":
        text = f"{p.get('pair')}: {', '.join(str(g) for g in p.get('gaps') or ()) or 'none'}"
    elif entry.act == "analyse":
        text = f"{p.get('pair')}: {p.get('finding')}"
    elif entry.act == "hash_after":
        text = f"{p.get('id')}: {'unchanged' if entry.result == 'same' else 'CHANGED'}"
    elif entry.act == "review":
        text = f"{p.get('pair') or 'the whole case'}: {p.get('outcome')}{f', {entry.note}' if entry.note else ''}"
    elif entry.note and entry.act not in ACTS:
        text = entry.note
    else:
        text = _named(entry)
    return f"(taken back) {text}" if entry.seq in undone else text


def _named(entry: Entry) -> str:
    """An act by what it names: the artifact first, no field that is empty."""
    p = {k: v for k, v in entry.params.items() if v not in ("", None, [], {})}
    if entry.act in ACTS:
        return f"{p.pop('id', 'all')}: {in_words({k: plain_value(v) for k, v in p.items()}, entry.note)}"
    if entry.act == "open":
        facts = p.get("facts")
        return f"{p.get('id')} {facts.get('title', '') if isinstance(facts, Mapping) else ''}"
    if entry.act == "artifact":
        return f"{p.get('id')}, {p.get('role')}: {p.get('label')}"
    if entry.act == "attach":
        return f"{p.get('name')}, {p.get('size')} bytes"
    first = plain_value(p.pop("id")) if "id" in p else ""
    rest = ", ".join(f"{k} {plain_value(v)}" for k, v in p.items())
    return ": ".join(part for part in (first, rest) if part)


def entry_fields(entry: Entry) -> list[tuple[str, str]]:
    """All of an entry, for people."""
    return [
        ("number", str(entry.seq)), ("when", f"{utc(entry.at)} UTC (this machine's clock)"), ("who", entry.who),
        ("role", entry.role), ("act", entry.act), ("object", entry.obj.hex() if entry.obj else "–"),
        *((k, plain_value(v)) for k, v in entry.params.items()),
        ("result", plain_value(entry.result) if entry.result is not None else "–"), ("note", entry.note or "–"),
    ]  # fmt: skip
