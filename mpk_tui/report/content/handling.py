"""How the exhibits were handled: intake, transfer, seals and mounts, second readings, notes, and the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.custody import OUTCOMES, Custody, Reviewed, chronicle
from mpk_tui.bundle.wording import when
from mpk_tui.report.content.view import View, cut
from mpk_tui.report.document import Block, Cell, Facts, Para, Quote, Run, Section, Standing, Table
from mpk_tui.report.untrusted import cell, code, joined, say

CUSTODY_ROWS = 300
LOG_ROWS = 300
NOTES = 60
REVIEWS = 40
_ACTS = {"intake": "Intake", "transfer": "Transfer", "seal_check": "Seal check", "mount": "Mount"}
_LABELS = {
    "open": "case opened", "facts": "facts of the case", "artifact": "model added", "artifact_removed": "model removed",
    "hash_before": "hashed at intake", "hash_after": "hashed again after the analysis", "analyse": "compared",
    "evidence": "evidence added", "evidence_removed": "evidence removed", "answer": "answered",
    "rationale": "rationale written", "known_gaps": "known gaps named", "attach": "file attached", "note": "note",
    "undo": "undone", "redo": "redone", "export": "this bundle made", "bundle": "bundle sealed", "review": "review",
    **{k: v.lower() for k, v in _ACTS.items()},
}  # fmt: skip


def section(view: View) -> Section:
    """Custody, second readings and notes."""
    parts = (_custody(view), _hashes(view), _reviews(view), _notes(view))
    return Section("handling", "Custody and review", parts=parts, new_page=True)


def _chronicle(view: View) -> tuple[Custody | Reviewed, ...]:
    return chronicle(view.section("log") or ())


def _custody(view: View) -> Section:
    blocks: list[Block] = []
    rows, more = cut([c for c in _chronicle(view) if isinstance(c, Custody)], CUSTODY_ROWS)
    if rows:
        table = tuple(
            (
                cell(f"{c.seq}"), cell(when(c.at)), cell(view.purse.name(c.who, 120)), cell(_ACTS.get(c.act, c.act)),
                cell(view.purse.name(c.artifact, 64)) if c.artifact else cell("all"),
                _statement(view, c),
            )
            for c in rows
        )  # fmt: skip
        columns = ("Entry", "Written down", "By", "Act", "Model", "Statement")
        blocks.append(Table("Statements of custody", columns, table, more))
    elif view.section("log") is None:
        blocks.append(Para(say(view.absent("log"))))
    else:
        blocks.append(Para(say("The log holds no statement on intake, transfer, seals or mounts.")))
    blocks.append(
        Para(say("Statements are those of the person who made them. The times of writing are of the machine's clock."))
    )
    return Section("custody", "Custody", tuple(blocks), standing=Standing.RECORDED)


def _statement(view: View, c: Custody) -> Cell:
    """Named fields, then the free text."""
    named = [say(f"{name.replace('_', ' ')}: ", view.purse.said(value, 500)) for name, value in c.fields.items()]
    return (*named, *view.purse.told(c.text, 1000)) or cell("–")


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
    return Section("integrity", "Integrity during the examination", (table,), standing=Standing.MEASURED)


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
