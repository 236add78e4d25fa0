"""The wizard's questions about evidence for one pair."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mpk_tui.case import Case, actions, quoting
from mpk_tui.case.proposing import cites
from mpk_tui.case.rows import find_row
from mpk_tui.cli.wizard.asking import Asking
from mpk_tui.cli.wizard.step import Step
from mpk_tui.constitution import norm
from mpk_tui.constitution.answers import KINDS

_KEYS = {"a": "a", "b": "b", "c": "c", "x": "context", "d": "denial"}


def steps(case: Case, to: Asking, pair: str) -> list[Step]:
    """The comparison as an item, then whatever else there is."""
    made = case.state.comparisons.get(pair)
    items = case.state.evidence.get(pair, {}).values()
    out = []
    if made is not None:
        kept = any(cites(e, made.digest) for e in items)
        out.append(Step(f"evidence {pair} comparison", partial(_comparison, case, to, pair), kept))
    return [*out, Step(f"evidence {pair}", partial(_more, case, to, pair))]


def _comparison(case: Case, to: Asking, pair: str) -> None:
    made = case.state.comparisons[pair]
    to.say(f"Pair {pair}. Finding: {made.finding}. {made.sentence}")
    if to.yes("Keep the comparison as evidence", True, more=("It supports what its finding licenses, nothing else.",)):
        item = actions.evidence_from_comparison(case, pair)
        to.say(f"  {item.id}, kind {item.kind}, supports {', '.join(item.supports) or 'nothing'}.")


def _more(case: Case, to: Asking, pair: str) -> bool:
    items = case.state.evidence.get(pair, {})
    for e in items.values():
        against = f", against {', '.join(e.opposes)}" if e.opposes else ""
        about = f"for {', '.join(e.supports) or 'nothing'}{against}"
        to.say(f"  {e.id} ({e.kind}) {about}: {e.source} {e.locator}".rstrip())
    current = norm.load(case.state.norm)
    titles = {e["kind"]: str(e["title"]).lower() for e in current.data["evidence"]}
    options = {key: titles[kind] for key, kind in _KEYS.items()}
    if pair in case.state.comparisons:
        options["r"] = "a row of the comparison"
    if items:
        options["t"] = "take one out"
    key = to.choose(
        f"Evidence about {pair}", {**options, "": "goes on"},
        more=tuple(f"({e['kind']}) {e['title']}: {e['what']}" for e in current.data["evidence"]),
    )  # fmt: skip
    if not key:
        return False
    if key == "t":
        actions.remove_evidence(case, pair, to.ask("  Id of the item to take out", needed=True))
    elif key == "r":
        _row(case, to, pair)
    else:
        _add(case, to, pair, _KEYS[key])
    return True


def _row(case: Case, to: Asking, pair: str) -> None:
    name = to.ask(
        "  Which row", needed=True,
        more=("identity / TENSOR, tests / ffn.aligned, tests / ffn.aligned / 3, components / NAME, mechanisms / 3.2",),
    )  # fmt: skip
    record = actions.stored_comparison(case, pair)
    assert record is not None
    row = find_row(record, name)
    item = actions.evidence_from_row(case, pair, part=row.part, locator=row.locator, excerpt=row.excerpt)
    to.say(f"  {item.id}, kind {item.kind}: {item.excerpt}")


def _add(case: Case, to: Asking, pair: str, kind: str) -> None:
    assert kind in KINDS
    source = to.ask("  Source: who says so, and where", needed=True)
    speaks = kind not in ("context", "denial")
    about = ("Ids of questions with blanks between, e.g. c1 3.2.",)
    supports = to.ask("  Questions it speaks for", more=about).lower().split() if speaks else []
    opposes = to.ask("  Questions it speaks against", more=about).lower().split()
    name = to.ask("  File to attach (a path); Enter for none", needed=kind == "b")
    file = Path(name).expanduser() if name else None
    locator = excerpt = ""
    if file is not None:
        text = to.ask("  Quote from it, or its lines as 12-14; Enter for none")
        if text:
            found = _quoted(file, text)
            locator, excerpt = found.locator, found.excerpt
            to.say(f"  {locator}: “{excerpt}”")
    if not excerpt:
        locator = to.ask("  Place in the source: page, section, address")
        excerpt = to.ask("  Its words or numbers", lines=True)
    item = actions.add_evidence(
        case, pair, kind=kind, source=source, supports=tuple(supports), opposes=tuple(opposes), file=file,
        locator=locator, excerpt=excerpt,
    )  # fmt: skip
    to.say(f"  {item.id} is recorded.")


def _quoted(file: Path, text: str) -> quoting.Quote:
    if text.replace("-", "").replace("–", "").strip().isdigit():
        return quoting.lines_of(file, *quoting.parse_lines(text))
    return quoting.find(file, text)
