"""How the exhibits were handled: intake, transfer, seals and mounts, second readings, notes, and the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.custody import OUTCOMES, TITLES, Custody, Reviewed, asks, chronicle, taken
from mpk_tui.bundle.wording import when
from mpk_tui.report.content.view import View, cut
from mpk_tui.report.document import Block, Cell, Facts, Items, Para, Quote, Run, Section, Standing, Table
from mpk_tui.report.untrusted import cell, code, joined, say

CUSTODY_ROWS = 300
LOG_ROWS = 300
NOTES = 60
REVIEWS = 40
ASKS = 100
LISTS = 20
"""Acquisition hash lists that are told of one model."""
_LABELS = {
    "open": "case opened", "facts": "facts of the case", "artifact": "model added", "artifact_removed": "model removed",
    "hash_before": "hashed at intake", "hash_after": "hashed again after the analysis", "analyse": "compared",
    "evidence": "evidence added", "evidence_removed": "evidence removed", "answer": "answered",
    "rationale": "rationale written", "known_gaps": "known gaps named", "attach": "file attached", "note": "note",
    "undo": "undone", "redo": "redone", "export": "this bundle made", "bundle": "bundle sealed", "review": "review",
    **{k: v.lower() for k, v in TITLES.items()},
}  # fmt: skip


def section(view: View) -> Section:
    """Custody, second readings and notes."""
    parts = (_custody(view), _asks(view), _hashes(view), _reviews(view), _notes(view))
    return Section("handling", "Custody and review", parts=parts, new_page=True)


def _chronicle(view: View) -> tuple[Custody | Reviewed, ...]:
    return chronicle(view.section("log") or ())


def _custody(view: View) -> Section:
    blocks: list[Block] = []
    rows, more = cut([c for c in _chronicle(view) if isinstance(c, Custody)], CUSTODY_ROWS)
    if rows:
        table = tuple(
            (
                cell(f"{c.seq}"), cell(TITLES[c.act]),
                cell(view.purse.said(c.event, 40)) if c.event else cell("not stated"),
                cell(view.purse.name(c.artifact, 64)) if c.artifact else cell("all"), _statement(view, c),
                cell(view.purse.name(c.who, 120)), cell(when(c.at)),
            )
            for c in rows
        )  # fmt: skip
        columns = ("Entry", "Act", "Time of the event, as stated", "Model", "Statement", "Stated by", "Entry written")
        blocks.append(Table("Statements of custody", columns, table, more))
    elif view.section("log") is None:
        blocks.append(Para(say(view.absent("log"))))
    else:
        blocks.append(Para(say("The log holds no statement on intake, transfer, seals or mounts.")))
    said, more = cut([t for t in taken(view.section("log") or ()) if t.text], CUSTODY_ROWS)
    if said:
        notes = tuple(
            (cell(f"{t.seq}"), _taken(view, t.artifact, gone=t.gone), view.purse.told(t.text, 2000),
             cell(view.purse.name(t.who, 120)), cell(when(t.at)))
            for t in said
        )  # fmt: skip
        heads = ("Entry", "Model", "Note", "Written by", "Entry written")
        blocks.append(Table("Notes on the models as they were taken in", heads, notes, more))
    blocks.append(
        Para(say("Statements are those of the person who made them. The times of writing are of the machine's clock."))
    )
    return Section("custody", "Custody", tuple(blocks), standing=Standing.RECORDED)


def _statement(view: View, c: Custody) -> Cell:
    """Named fields but for the time of the event, then the free text."""
    named = [
        say(f"{name.replace('_', ' ')}: ", view.purse.said(value, 500))
        for name, value in c.fields.items()
        if name != "when"
    ]
    return (*named, *view.purse.told(c.text, 1000)) or cell("–")


def _taken(view: View, artifact: str, *, gone: bool) -> Cell:
    """A model as it was taken in; one that was taken back is no longer in the bundle, or is there by a later entry."""
    return (view.model(artifact), *((say("taken back later"),) if gone else ()))


def _asks(view: View) -> Section:
    """What the chain gives cause to ask, computed here from the statements above."""
    log = view.section("log")
    found, more = cut(list(asks(log or ())), ASKS)
    blocks: list[Block] = []
    if found:
        items = [say(view.purse.tool(t, 600)) for t in found] + ([say(f"and {more:,} more")] if more else [])
        blocks += [Para(say("Found by rule from what was stated:"), strong=True), Items(tuple(items))]
    else:
        blocks.append(Para(say(view.absent("log") if log is None else "Nothing that was stated does, by these rules.")))
    hidden = sum(isinstance(e, Withheld) for e in log or ())
    if hidden:
        blocks.append(Para(say(f"Entries of the log that are withheld and could not be looked at: {hidden:,}.")))
    blocks.append(
        Para(
            say(
                "Asked is where somebody hands over what another held last, a seal is not the one that it travelled "
                "under or is not intact, an event is later than its entry, or events are out of order. Nothing but the "
                "statements was looked at; a question has no bearing on any verdict."
            )
        )
    )
    return Section("custody-asks", "What the custody gives cause to ask", tuple(blocks), standing=Standing.CHECKED)


def _hashes(view: View) -> Section:
    """Per artifact: mounted how, stated how, and whether its files were the same after the analysis."""
    rows = []
    artifacts, more = cut(list(view.contents.artifacts))
    for a in artifacts:
        row = view.section(f"checkpoint.{a['id']}")
        files = row["files"]
        again = [f for f in files if f["after"] is not None]
        changed = sum(f["after"] != f["sha256"] for f in again)
        told = "not hashed again" if not again else f"{len(again):,} files hashed again: "
        told += "" if not again else "unchanged" if not changed else f"{changed:,} CHANGED"
        block = row["write_block"]
        stated = (
            say(view.purse.said(block["statement"], 500), ", by ", view.purse.name(block["by"], 120)) if block else ()
        )
        rows.append(
            (
                view_model(view, a["id"]), cell(view.purse.tool(row["mount"]["observed"], 200)),
                (stated,) if stated else cell("none"), cell(told),
            )
        )  # fmt: skip
    columns = ("Model", "Mount, as observed", "Write block, as stated", "Hashes after the analysis")
    table = Table("Integrity of the models during the examination", columns, tuple(rows), more)
    blocks = (table, *_lists(view))
    return Section("integrity", "Integrity during the examination", blocks, standing=Standing.MEASURED)


def _lists(view: View) -> list[Block]:
    """What the tool found as it held files against acquisition hash lists, and what was accepted all the same."""
    if view.section("log") is None:
        return [Para(say("Whether files were held against acquisition hash lists stands in the log. ",
                         view.absent("log")))]  # fmt: skip
    held, more = cut([t for t in taken(view.section("log")) if t.lists or t.accepted])
    if not held:
        return [Para(say("The log records no acquisition hash list that files were held against at intake."))]
    rows = []
    for t in held:
        lists, left = cut(list(t.lists), LISTS)
        said = [say(view.purse.tool(s, 600)) for s in lists] + ([say(f"and {left:,} more lists")] if left else [])
        accepted = view.purse.told(t.accepted, 1000) or cell("–")
        rows.append((cell(f"{t.seq}"), _taken(view, t.artifact, gone=t.gone), tuple(said) or cell("–"), accepted))
    columns = ("Entry", "Model", "Result, as recorded", "Contradictions accepted, because")
    return [Table("Files held against acquisition hash lists at intake", columns, tuple(rows), more)]


def view_model(view: View, artifact: str) -> Cell:
    """A model as a cell."""
    return (view.model(artifact),)


def _reviews(view: View) -> Section:
    blocks: list[Block] = []
    reviews, more = cut([r for r in _chronicle(view) if isinstance(r, Reviewed)], REVIEWS)
    for r in reviews:
        outcome = OUTCOMES.get(r.outcome)
        who = say(
            view.purse.name(r.who, 120), " ", outcome or view.purse.name(r.outcome, 40),
            *((", pair ", view.purse.name(r.pair, 130)) if r.pair else ("",)), f", {when(r.at)}, entry {r.seq}",
            "; the case was changed after it" if r.stale else "",
        )  # fmt: skip
        lines = view.purse.lines(r.text, 4000, 60)
        blocks.append(Quote(who, lines) if lines else Para(who, strong=r.outcome == "dissents"))
    if more:
        blocks.append(Para(say(f"and {more} more, in the log")))
    if not reviews:
        blocks.append(Para(say("The log records no reading by a second person.")))
    blocks.append(
        Para(say("These are readings before the signature, as the log records them. What others signed afterwards, "
                 "agreement or dissent, stands under “Endorsements and dissents”."))
    )  # fmt: skip
    return Section("reviews", "Second readings", tuple(blocks), standing=Standing.RECORDED)


def _notes(view: View) -> Section:
    notes, more = cut(list(view.section("notes") or ()), NOTES)
    blocks: list[Block] = []
    for n in notes:
        blocks.append(
            Quote(say(view.purse.name(n["who"], 120), f", {when(n['at'])}"), view.purse.lines(n["text"], 4000, 60))
        )
    if more:
        blocks.append(Para(say(f"and {more} more, in the bundle")))
    if not notes:
        blocks.append(Para(say(view.absent("notes") if view.section("notes") is None else "No note was written.")))
    return Section("notes", "Notes of the examiner", tuple(blocks), standing=Standing.RECORDED)


def log(view: View) -> Section:
    """The log entry by entry, as far as it fits, with its signed head."""
    entries = list(view.section("log") or ())
    entry = view.source.manifest.section("log")
    blocks: list[Block] = []
    if entry is not None:
        blocks.append(
            Facts(
                (
                    ("Entries", cell(f"{entry.count:,}")),
                    ("Signed head of the hash chain", cell(code(entry.digest.hex()))),
                )
            )
        )
    if view.section("log") is None:
        blocks.append(Para(say(view.absent("log"))))
    else:
        blocks.append(_by_act(entries))
        half = LOG_ROWS // 2
        listed = list(enumerate(entries))
        if len(listed) > LOG_ROWS:
            listed = listed[:half] + listed[-half:]
        rows = tuple(_entry(view, n, e) for n, e in listed)
        caption = "Entries" if len(entries) <= LOG_ROWS else f"The first and the last {half} entries"
        columns = ("No.", "Time", "Who", "Role", "Act", "About")
        blocks.append(Table(caption, columns, rows, len(entries) - len(rows)))
    return Section("log", "The log", tuple(blocks), standing=Standing.RECORDED, appendix=True)


def _by_act(entries: list[Any]) -> Para:
    counts: dict[str, int] = {}
    for e in entries:
        act = "withheld" if isinstance(e, Withheld) else _LABELS.get(e["act"], "other acts")
        counts[act] = counts.get(act, 0) + 1
    return Para(say("; ".join(f"{name} {n:,}" for name, n in sorted(counts.items())) + "."))


def _entry(view: View, n: int, e: Any) -> tuple[Cell, ...]:
    if isinstance(e, Withheld):
        return cell(f"{n}"), cell("–"), cell("–"), cell("–"), cell("withheld"), cell(code(e.digest.hex()))
    return (
        cell(f"{n}"), cell(when(e["at"])), cell(view.purse.name(e["who"], 80)), cell(view.purse.name(e["role"], 40)),
        cell(_LABELS.get(e["act"], "") or view.purse.name(e["act"], 64)), (_about(view, e),),
    )  # fmt: skip


def _about(view: View, e: Mapping[str, Any]) -> tuple[Run, ...]:
    """What an entry is about: ids and the note; the contents themselves stand in their own sections."""
    params = e["params"]
    told: list[Run] = []
    for key in ("pair", "id", "question", "kind", "name", "finding"):
        value = params.get(key)
        if not isinstance(value, str):
            inner = params.get("answer") if key == "question" else params.get("item") if key == "id" else None
            value = inner.get(key) if isinstance(inner, Mapping) else None
        if isinstance(value, str) and value:
            told.append(view.purse.name(value, 130))
    out = joined(told, " ", "") if told else ()
    if e["note"]:
        out = (*out, Run(" " if out else ""), view.purse.said(e["note"], 200))
    resumed = params.get("resumed")  # hashes that an interrupted run left: a reader must see that they were believed
    if isinstance(resumed, str) and resumed:
        out = (*out, Run("; " if out else ""), view.purse.name(resumed, 300))
    if isinstance(e["result"], str) and e["result"]:
        out = (*out, Run(" → " if out else ""), view.purse.name(e["result"], 80))
    return out or (Run("–"),)
