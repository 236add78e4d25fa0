"""What happened in the case, as its journal has it: custody, second readings, the log itself, notes, documents.

All of it is a claim of whoever signed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.custody import TITLES, Custody, Reviewed, Taken, asks, chronicle, taken
from mpk_tui.bundle.wording import when
from mpk_tui.text import size
from mpk_tui.tui.screens.verify.part import Lines, Part, Rows, Table, counted, one_line, withheld
from mpk_tui.tui.widgets.table import Column

ASKED, LISTS = 40, 50
"""Causes to ask above the table, and hash lists in a row's details, that are listed at most."""


def parts(contents: Contents) -> list[Part]:
    """Custody and readings, the log, notes and documents."""
    log = contents.sections.get("log")
    if log is None:
        out = [Part("log", "Log", "withheld", text=lambda: withheld("log"))]
    else:
        told = sorted((*chronicle(log), *taken(log)), key=lambda t: t.seq)
        odd = asks(log)
        hidden = sum(isinstance(e, Withheld) for e in log)
        said = sum(isinstance(t, Custody) for t in told)
        state = f"{counted(len(odd), 'cause')} to ask; " * bool(odd)
        state += f"{said:,} of custody, {counted(sum(isinstance(t, Reviewed) for t in told), 'reading')}"
        held = sum(isinstance(t, Taken) for t in told)
        state += f", {held:,} taken in" * bool(held)
        out = [
            Part(
                "custody", "Custody and readings",
                state + (f"; {counted(hidden, 'log entry', 'log entries')} withheld" if hidden else ""),
                "As the journal has them: claims of those who wrote them.",
                text=(lambda: _asks(odd)) if odd else None, table=lambda: _chronicle(told),
            ),
            Part(
                "log", "Log", counted(len(log), "entry", "entries") + (f", {hidden:,} withheld" if hidden else ""),
                "The case's journal. The chain shows that nothing was changed or dropped after it was signed.",
                table=lambda: _log(log),
            ),
        ]  # fmt: skip
    notes = contents.sections.get("notes")
    if notes:
        out.append(Part("notes", "Notes", f"{len(notes):,}", table=lambda: _notes(notes)))
    docs = contents.sections.get("docs")
    if docs:
        out.append(
            Part(
                "docs", "Documents", f"{len(docs):,}",
                "Nothing is opened. mpk-tui bundle extract writes them into a folder, under their ids.",
                table=lambda: _docs(docs),
            )
        )  # fmt: skip
    return out


def _asks(odd: Sequence[str]) -> Lines:
    """What the rule of a case asks about this chain; the words of the statements are strangers'."""
    out = Lines().head("Cause to ask, found here by rule from what was stated; nothing of it was examined")
    for sentence in odd[:ASKED]:
        out.line(f"? {sentence}")
    return out.line(f"and {len(odd) - ASKED:,} more") if len(odd) > ASKED else out


def _chronicle(told: Sequence[Custody | Reviewed | Taken]) -> Table:
    def row(_: int, t: Custody | Reviewed | Taken) -> Sequence[str]:
        written = when(t.at)[:16]
        if isinstance(t, Custody):
            event = t.event.replace("T", " ").removesuffix("Z")[:16]
            return (str(t.seq), TITLES[t.act], event or "not stated", written, t.who, t.beside)
        act = "Taken in" if isinstance(t, Taken) else "Reading"
        said = f"{t.artifact}: {t.sentence}" if isinstance(t, Taken) else t.sentence
        return (str(t.seq), act, "–", written, t.who, said)

    def details(n: int) -> list[tuple[str, str]]:
        t = told[n]
        written = f"{when(t.at)} by the machine's clock (a claim)"
        rows = [("Log entry", str(t.seq)), ("Entry written", written), ("Who", t.who)]
        if isinstance(t, Custody):
            rows = [("Act", TITLES[t.act]), ("Time of the event, as stated", t.event or "not stated"), *rows]
            rows += [("Artifact", t.artifact or "all")]
            named = ((k.replace("_", " ").capitalize(), v) for k, v in t.fields.items() if k != "when")
            return [*rows, *named, ("Text", t.text or "–")]
        if isinstance(t, Taken):
            rows = [("Act", "Taken in"), *rows, ("Artifact", t.artifact)]
            rows += [("Held against a hash list, as the tool recorded", s) for s in t.lists[:LISTS]]
            rows += [("Contradictions accepted, because", t.accepted)] * bool(t.accepted)
            return [*rows, ("Note at intake", t.text or "–"), ("Taken back later", "yes" if t.gone else "no")]
        rows += [("What they said", t.sentence), ("Pair", t.pair or "the whole case")]
        rows.append(("Verdict at that moment, as the journal says", t.verdict or "–"))
        return [*rows, ("Changed after it", "yes" if t.stale else "no"), ("In their words", t.text or "–")]

    return Table(
        (Column("entry", 5, right=True), Column("act", 10), Column("event, stated", 16),
         Column("entry written", 16, least=100), Column("who", 14), Column("what")),
        Rows(told, row), details, "The journal has no statement of custody and no second reading.",
    )  # fmt: skip


def _log(log: Sequence[Any]) -> Table:
    def row(n: int, e: Any) -> Sequence[str]:
        if isinstance(e, Withheld):
            return (str(n), "–", "–", "withheld", e.digest.hex())
        return (str(e["seq"]), when(e["at"])[:16], e["who"], e["act"], _in_short(e))

    def details(n: int) -> list[tuple[str, str]]:
        e = log[n]
        if isinstance(e, Withheld):
            return [("Entry", str(n)), ("State", "withheld"), ("SHA-256 of the entry", e.digest.hex())]
        clock = e["clock"]
        trusted = "trusted" if clock["trusted"] else "not trusted"
        return [
            ("Entry", str(e["seq"])), ("When", f"{when(e['at'])} (a claim)"),
            ("Clock", f"{clock['source']}, offset {clock['utc_offset']} s, {trusted}"), ("Who", e["who"]),
            ("Role", e["role"]), ("Act", e["act"]), ("Object", e["obj"].hex() if e["obj"] else "–"),
            *((k, one_line(v)) for k, v in e["params"].items()),
            ("Result", "–" if e["result"] is None else one_line(e["result"])), ("Note", e["note"] or "–"),
            ("Tool", e["tool"]),
        ]  # fmt: skip

    return Table(
        (Column("entry", 6, right=True), Column("when (UTC)", 16), Column("who", 14), Column("act", 14),
         Column("what")),
        Rows(log, row), details,
    )  # fmt: skip


def _in_short(e: Mapping[str, Any]) -> str:
    """What an entry is about; its parameters may be of any shape."""
    p = e["params"]
    answer, item = p.get("answer"), p.get("item")
    if e["act"] == "answer" and isinstance(answer, Mapping):
        return f"{p.get('pair')} {str(answer.get('question')).upper()}: {answer.get('answer')}"
    if e["act"] == "evidence" and isinstance(item, Mapping):
        return f"{p.get('pair')} {item.get('id')} ({item.get('kind')}) {item.get('source')}"
    return e["note"] or ", ".join(f"{k} {one_line(v)[:120]}" for k, v in list(p.items())[:8])


def _notes(notes: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        (Column("when (UTC)", 16), Column("who", 16), Column("note")),
        Rows(notes, lambda _, r: (when(r["at"])[:16], r["who"], r["text"])),
        lambda n: [("When", when(notes[n]["at"])), ("Who", notes[n]["who"]), ("Note", notes[n]["text"])],
    )


def _docs(docs: Sequence[Mapping[str, Any]]) -> Table:
    def details(n: int) -> list[tuple[str, str]]:
        d = docs[n]
        return [
            ("Document", d["id"]), ("Called (never used as a path)", d["name"]), ("Type, as declared", d["media_type"]),
            ("SHA-256", d["sha256"].hex()), ("Size", f"{d['size']:,} bytes"), ("Supplied by", d["supplied_by"] or "–"),
            ("Supplied", "–" if d["supplied_at"] is None else when(d["supplied_at"])), ("Relation", d["relation"]),
        ]  # fmt: skip

    return Table(
        (Column("document", 10), Column("size", 9, right=True), Column("called", 24), Column("relation")),
        Rows(docs, lambda _, d: (d["id"], size(d["size"]), d["name"], d["relation"])),
        details,
    )
