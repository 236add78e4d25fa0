"""A scan record as tables and pages for the screen; pure, and nothing about the record's shape is taken for granted.

All of it may hold texts of strangers: names of entries, paths, what documents say.  Tables and pages escape them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.errors import UsageError
from mpk_tui.family.building import family_of_scan
from mpk_tui.family.graph import EQUAL, SAYS, correlation
from mpk_tui.files import write_file
from mpk_tui.report import family_files, family_text
from mpk_tui.report.untrusted import Loose, chance
from mpk_tui.report.wording import WORDS
from mpk_tui.tui import glyphs
from mpk_tui.tui.verifying import new_file
from mpk_tui.tui.widgets.table import Column

RELATIVES, NEAR, TREE, BESIDES = "relatives", "near misses", "tree", "besides"
VIEWS = (RELATIVES, NEAR, TREE, BESIDES)
COLUMNS = {
    RELATIVES: (
        Column("", 3, right=True), Column("model", name=True), Column("what was found", 29), Column("p", 8, right=True),
        Column("rho", 7, right=True, least=88), Column("equal", 9, right=True, least=98),
        Column("group", 5, right=True, least=106),
        Column("parameters", 15, right=True, least=124),
    ),
    NEAR: (Column("model", 30, name=True), Column("in common", 15), Column("why it is no relative")),
    TREE: (Column("lines of findings have no arrow; an arrow is documented"),),
    BESIDES: (Column("", 9), Column("what it says")),
}  # fmt: skip
"""Heads of each view's table."""
ENDINGS = {".svg": "svg", ".dot": "dot", ".txt": "text", ".family.json": "json", ".json": "scan"}
"""Formats by the ending of a file; the longest that fits."""
MOST_LINES = 600


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        cells: As the columns want them.
        below: What the pane below the table says of it.
        entry: Of the library, for what stands for a model.
        page: Title and lines of its page; empty where there is no more to say.
    """

    cells: tuple[str, ...]
    below: str = ""
    entry: Mapping[str, Any] | None = None
    page: tuple[str, ...] = ()


def answer(record: Mapping[str, Any]) -> str:
    """What the scan found, in a sentence."""
    r = Loose(record)
    said = r.text("answer")
    if said:
        return said
    rows, models = r.items("relatives"), r.count("comparisons")
    if not rows:
        return f"No relative among {models:,} models. That does not say that there is none."
    first = rows[0]
    what = SAYS.get(first.text("finding"), first.text("finding"))
    return f"{len(rows):,} of {models:,} models are relatives; first {first.inner('entry').text('name')}: {what}."


def rows(record: Mapping[str, Any], view: str, width: int = 78) -> list[Row]:
    """Lines of a view.

    Args:
        record: Of a scan.
        view: One of `VIEWS`.
        width: Columns that the tree may take.
    """
    r = Loose(record)
    if view == RELATIVES:
        related = r.items("relatives")
        names = [row.inner("entry").text("name") for row in related]
        return [_relative(row, record, names.count(name) > 1) for row, name in zip(related, names, strict=True)]
    if view == NEAR:
        return [_near(row, record) for row in r.items("near_misses")]
    if view == TREE:
        ascii = glyphs.charset() != glyphs.UNICODE
        graph = family_of_scan(record)
        return [Row((line,)) for line in family_text.lines(graph, width=max(60, width), ascii=ascii)[:MOST_LINES]]
    return _besides(r)


def _relative(row: Loose, record: Mapping[str, Any], shared: bool) -> Row:
    """A relative; where others have its name too (``shared``), the beginning of its fingerprint tells them apart."""
    entry = row.inner("entry")
    name = entry.text("name") or "no name"
    finding = row.text("finding")
    what = SAYS.get(finding, finding)
    rho = row.number("rho")
    of = row.count("of")
    equal = f"{row.count('equal'):,}/{of:,}" if of else "–"
    group = row.count("group")
    cells = (
        str(row.count("rank") or "–"), f"{entry.text('fingerprint')[:8]} {name}" if shared else name, what, _p(row),
        "–" if rho is None else correlation(rho), equal, str(group) if group else "–", f"{entry.count('parameters'):,}",
    )  # fmt: skip
    resolve = row.text("would_resolve")
    return Row(cells, _with(row.text("sentence"), resolve), _map(row, "entry"), tuple(_page(row, entry, record)))


def _near(row: Loose, record: Mapping[str, Any]) -> Row:
    entry = row.inner("entry")
    sentence, resolve = row.text("sentence"), row.text("would_resolve")
    cells = (entry.text("name") or "no name", row.text("what"), sentence)
    return Row(cells, _with(sentence, resolve), _map(row, "entry"),
               tuple(_page(row, entry, record)))  # fmt: skip


def _with(sentence: str, resolve: str) -> str:
    return f"{sentence.rstrip('.')}. To resolve it: {resolve.rstrip('.')}." if resolve else sentence


def _p(row: Loose) -> str:
    p = None if row.text("finding") in EQUAL else row.chance("p")
    return chance(p, bound=row.flag("p_is_bound"))


def _map(row: Loose, key: str) -> Mapping[str, Any]:
    inner = row.inner(key)
    return {k: inner.text(k) for k in ("name", "fingerprint", "root", "source", "licence", "location")} | {
        "id": inner.count("id")
    }


def _page(row: Loose, entry: Loose, record: Mapping[str, Any]) -> list[str]:
    """All that a scan says of one entry."""
    finding = row.text("finding")
    words = WORDS.get(finding)
    out = [row.text("sentence")]
    if "A in B" in out[0]:
        out.append(f"(A is {Loose(record).inner('query').text('label') or 'the model'}, B the entry.)")
    if words is not None:
        out += ["", f"{words.title}: {words.meaning}", "It does not mean:", *(f"  - {t}" for t in words.not_meant)]
        out.append(f"Under the constitution it {words.weighs}")
    numbers, parts = Loose(record).count("comparisons"), row.items("components")[:20]
    facts = [
        (f"p, over {numbers:,} models looked at", _p(row)), ("rho", _number(row, "rho")),
        ("form of test", row.text("form")),
        ("closeness of matrices", _number(row, "closeness")),
        ("telling tensors that are equal", f"{row.count('equal'):,} of {row.count('of'):,}" if row.count("of") else ""),
        ("to resolve it", row.text("would_resolve")),
        ("parts", "; ".join(f"{c.text('name')}: {c.text('sentence') or c.text('finding')}" for c in parts)),
        ("source", entry.text("source")), ("licence", entry.text("licence")),
        ("location, as stated", entry.text("location")),
        ("format", ", ".join(filter(None, (entry.text("format"), entry.text("family"), entry.text("scope"))))),
        ("parameters", f"{entry.count('parameters'):,}"), ("tensor root", entry.text("root")),
        ("fingerprint", entry.text("fingerprint")),
        ("added by", entry.text("added_by")),
        ("signed by the keys", ", ".join(entry.inner("origin").texts("issuers"))),
        ("came with pack", f"{entry.inner('origin').text('pack_name')} {entry.inner('origin').text('pack')}".strip()),
    ]  # fmt: skip
    out += ["", *(f"{name}: {value}" for name, value in facts if value)]
    number = entry.count("id")
    for stated in Loose(record).items("parents"):
        if stated.inner("entry").count("id") == number:
            out += ["", "What is said of what it was made from:"]
            for p in stated.items("parents")[:40]:
                kind = f"documented, kind ({p.text('kind')})" if p.text("kind") else "a claim, not documented"
                said = ": ".join(filter(None, (p.text("source"), p.text("evidence"))))
                out.append(
                    f"  {p.text('name')} ({kind}{', ' + p.text('mechanism') if p.text('mechanism') else ''}) {said}"
                )
    return out


def _number(row: Loose, key: str) -> str:
    value = row.number(key)
    return "" if value is None else f"{value:.4f}"


def _besides(r: Loose) -> list[Row]:
    """What a scan says besides its tables."""
    exact = r.inner("exact")
    library, screened = r.inner("library"), r.inner("screened")
    said = [
        ("library", f"{library.text('folder')}: {library.count('entries'):,} models looked at, {r.count('compared'):,} "
                    f"compared in full, {screened.count('left_out'):,} left out, {library.count('revoked'):,} revoked"),
        *(("group", f"{g.count('id') or ''}: {g.text('sentence')}") for g in r.items("groups")),
        *(("sources", s.text("sentence")) for s in r.items("sources")),
        *(("file", f"{f.text('path')} is {f.text('theirs') or 'a file'} of {f.text('name')}, byte for byte"
                   + ("" if f.flag("weights") else " (no weights: context)")) for f in exact.items("files")),
        *(("tensors", f"{t.count('equal'):,} of {t.count('of'):,} telling tensors equal those of {t.text('name')}")
          for t in exact.items("tensors")),
        *(("not run", f"{n.inner('entry').text('name')} was worth a comparison and had no place")
          for n in screened.items("next")),
        *(("limit", t) for t in r.texts("limits")), *(("notice", t) for t in r.texts("notices")),
    ]  # fmt: skip
    return [Row((kind, text), text) for kind, text in said]


def context_source(record: Mapping[str, Any]) -> str:
    """What the item of evidence says where it comes from."""
    r = Loose(record)
    tool, library = r.inner("tool"), r.inner("library")
    return (
        f"{tool.text('name') or 'mpk-tui'} {tool.text('version')} scan of {r.inner('query').text('label')[:200]} "
        f"against {library.count('entries'):,} reference models, list {library.text('digest')[:16]}"
    )


def as_json(record: Mapping[str, Any]) -> bytes:
    """The record as the command line prints it."""
    return json.dumps(record, indent=2, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def write(record: Mapping[str, Any], typed: str) -> Path:
    """Write the record or its graph to a new file, in the format that its ending tells.

    Raises:
        UsageError: The ending tells no format.
        StorageError: The file exists or cannot be written.
    """
    path = new_file(typed)
    ending = next((e for e in sorted(ENDINGS, key=len, reverse=True) if path.name.endswith(e)), "")
    if not ending:
        raise UsageError(f"{path.name!r} has no ending that tells a format", hint=f"Use {', '.join(ENDINGS)}")
    if ENDINGS[ending] == "scan":
        write_file(path, as_json(record))
    else:
        family_files.write(family_of_scan(record), path, ENDINGS[ending])
    return path
