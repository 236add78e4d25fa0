"""Tables of a comparison record, as rows of text; the numbers as the record has them, never below its floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mpk_tui.tui.widgets.table import Column


@dataclass(frozen=True)
class Table:
    """One table of a comparison.

    Attributes:
        title: A line above it, with the test's own numbers.
        about: What it tests and against what; a paragraph.
        columns: Heads.
        rows: Cells; names of tensors are untrusted text.
    """

    title: str
    about: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[str]]


def number(value: object, digits: int = 3) -> str:
    """A measured number, or a dash."""
    return f"{value:.{digits}f}" if isinstance(value, (int, float)) and not isinstance(value, bool) else "–"


def p_value(p: object, bound: object) -> str:
    """A p-value as it may be quoted: bounded ones and tiny ones as ``< 1e-12``."""
    if not isinstance(p, (int, float)):
        return "–"
    if p <= 1e-12:
        return "< 1e-12"
    return f"{'< ' if bound else ''}{p:.2g}"


def tables(record: dict[str, Any]) -> list[Table]:
    """All tables of a record, tests first; at least one."""
    out = [_retention(t) if t.get("name") == "retention" else _units(t) for t in record.get("tests", ())]
    if record.get("components"):
        out.append(_parts(record["components"]))
    if record.get("trajectory"):
        out.append(_trajectory(record["trajectory"]))
    if record.get("context"):
        out.append(_context(record["context"]))
    identity = record.get("identity") or {}
    out.append(_identity(identity))
    out.append(
        Table(
            "Mechanisms that the numbers fit",
            "A proposal by the constitution's numbers; never a direction.",
            (Column("no.", 4), Column("mechanism", 30), Column("for"), Column("against")),
            [
                (m["number"], m["title"], "; ".join(m["for"]) or "–", "; ".join(m["against"]) or "–")
                for m in record.get("mechanisms", ())
            ],
        )
    )
    return out


def _units(test: dict[str, Any]) -> Table:
    if not test.get("ran"):
        head = f"{test['name']}: not run, {test.get('reason') or 'no reason recorded'}"
    else:
        head = (
            f"{test['name']}: p {p_value(test['p'], test['p_is_bound'])}, z {number(test['z'], 1)}, "
            f"rho {number(test['rho'])}, {len(test['layers'])} layers"
        )
    return Table(
        head,
        f"{test.get('statement', '')} Assumes: {test.get('assumption', '–')}.",
        (
            Column("layer A", 8, right=True), Column("layer B", 8, right=True), Column("z", 9, right=True),
            Column("rho", 7, right=True), Column("p", 9, right=True), Column("units", 7, right=True),
        ),
        [
            (
                _layer(r, "a"), _layer(r, "b"), number(r["z"], 1), number(r["rho"]),
                p_value(r["p"], r["p_is_bound"]), str(r["units"]),
            )
            for r in test["layers"]
        ],
    )  # fmt: skip


def _layer(row: dict[str, Any], side: str) -> str:
    """Number of a layer, with its expert; the whole model where a test does not tell layers apart."""
    if row[side] < 0:
        return "all"
    expert = row.get(f"expert_{side}", -1)
    return str(row[side]) if expert < 0 else f"{row[side]}.{expert}"


def _retention(test: dict[str, Any]) -> Table:
    if not test.get("ran"):
        head = f"retention: not run, {test.get('reason') or 'no reason recorded'}"
    else:
        ways = ", ".join(
            f"{d['of'].upper()} {number(d['ratio'], 2)}{'' if d['counts'] else ' (does not count)'}"
            for d in test.get("directions", ())
        )
        head = f"retention: reads {test.get('reading', '–')}; kept of {ways}"
    return Table(
        head,
        f"{test.get('statement', '')} A ratio of 1 keeps what was learned as well as the rest.",
        (
            Column("layer A", 8, right=True), Column("layer B", 8, right=True), Column("role", 12),
            Column("A kept in B", 12, right=True), Column("B kept in A", 12, right=True),
        ),
        [
            (str(r["a"]), str(r["b"]), str(r["role"]), number(r["a_in_b"], 2), number(r["b_in_a"], 2))
            for r in test["layers"]
        ],
    )  # fmt: skip


def _parts(parts: Sequence[dict[str, Any]]) -> Table:
    return Table(
        f"Parts with findings of their own: {len(parts)}",
        "Blocks that correspond where the whole does not, each with its own discriminator.",
        (Column("part", 36), Column("finding", 26), Column("p", 9, right=True), Column("rho", 7, right=True),
         Column("in words")),
        [(p["name"], p["finding"], p_value(p["p"], p["p_is_bound"]), number(p["rho"]), p["sentence"]) for p in parts],
    )  # fmt: skip


def _trajectory(way: dict[str, Any]) -> Table:
    return Table(
        f"Along A's training: {way['reading']}",
        way["reason"],
        (Column("checkpoint", 30), Column("with A", 8, right=True), Column("with B", 8, right=True)),
        [(p["label"], number(p["with_a"]), number(p["with_b"])) for p in way["points"]],
    )


def _context(rows: Sequence[dict[str, Any]]) -> Table:
    return Table(
        "Context: similarity scores that never decide",
        "Scores in the manner of other tools, each beside what independently trained models score.",
        (Column("score", 28), Column("value", 8, right=True), Column("independent", 18), Column("in words")),
        [
            (
                r["name"], number(r["value"]),
                "–" if r["independent_low"] is None
                else f"{number(r['independent_low'])} to {number(r['independent_high'])}",
                r["reason"] or r["sentence"],
            )
            for r in rows
        ],
    )  # fmt: skip


def _identity(identity: dict[str, Any]) -> Table:
    rows: list[tuple[str, ...]] = [
        (d["state"], d["a"] if d["a"] == d["b"] else f"{d['a']} / {d['b']}", f"{number(d['relative'])}",
         number(d["cosine"], 5), f"{d['changed'] if d['changed'] is not None else '–'}/{d['elements']}")
        for d in identity.get("differing", ())
    ]  # fmt: skip
    rows += [("only in A", name, "–", "–", "–") for name in identity.get("only_a", ())]
    rows += [("only in B", name, "–", "–", "–") for name in identity.get("only_b", ())]
    conversions = "; ".join(identity.get("conversions", ()))
    return Table(
        f"Tensors: {identity.get('equal', 0)} of {identity.get('pairs', 0)} pairs equal byte for byte, "
        f"{identity.get('converted', 0)} after a conversion, {len(rows)} {'row' if len(rows) == 1 else 'rows'} below",
        f"Conversions found: {conversions or 'none'}. {identity.get('renamed', 0)} under another name, "
        f"{identity.get('unread', 0)} compared by hash only.",
        (
            Column("state", 9), Column("tensor", name=True), Column("change", 7, right=True),
            Column("cosine", 8, right=True), Column("elements", 13, right=True),
        ),
        rows,
    )  # fmt: skip
