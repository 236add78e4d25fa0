"""Tables of a comparison record: values to sort and filter by, and how they read; never below the record's floor.

A record may come from a stranger: a field that is missing or of the wrong type reads as a dash and never as a fault.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, overload

from mpk_tui.report.tensors import TensorRow
from mpk_tui.tui import keys
from mpk_tui.tui.widgets.table import Column

Values = Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Table:
    """One table of a comparison.

    Attributes:
        id: Which one, for keys and locators: the test's name, ``identity``, ``tensors`` and so on.
        part: What the record calls the place that it comes from: ``tests``, ``identity``, ``components``, …
        title: A line above it, with the test's own numbers.
        about: What it tests and against what; a paragraph.
        columns: Heads, and how a value of each reads.
        values: Cells as values; names of tensors are untrusted text.
        name: The columns that together name a row.
        tensors: For a table of tensors: what is known of each row.
    """

    id: str
    part: str
    title: str
    about: str
    columns: tuple[Column, ...]
    values: Values
    name: tuple[int, ...] = (0,)
    tensors: Sequence[TensorRow] = ()

    @property
    def rows(self) -> Sequence[Sequence[str]]:
        """Cells as text, made when they are looked at."""
        return _Text(self.values, self.columns)


class _Text(Sequence[Sequence[str]]):
    """Rows of values read as text one by one: a hundred thousand are never built at once."""

    def __init__(self, values: Values, columns: Sequence[Column]) -> None:
        self._values, self._columns = values, columns

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, at: int) -> Sequence[str]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Sequence[str]]: ...
    def __getitem__(self, at: int | slice) -> Sequence[str] | Sequence[Sequence[str]]:
        if isinstance(at, slice):
            return [self[i] for i in range(*at.indices(len(self)))]
        return tuple(c.show(v) for c, v in zip(self._columns, self._values[at], strict=True))


# -- how values read and sort ----------------------------------------------------------------------------------------


def measured(value: object) -> float | None:
    """A finite number of a record, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        out = float(value)
    except OverflowError:
        return None
    return out if math.isfinite(out) else None


def number(value: object, digits: int = 3) -> str:
    """A measured number, or a dash."""
    found = measured(value)
    return "–" if found is None else f"{found:.{digits}f}" if abs(found) < 1e9 else f"{found:.{digits}g}"


def count(value: object) -> str:
    """A whole number with its thousands apart, or a dash."""
    found = measured(value)
    return "–" if found is None else f"{found:,.0f}" if abs(found) < 1e15 else f"{found:.3g}"


def p_value(p: object, bound: object) -> str:
    """A p-value as it may be quoted: bounded ones and tiny ones as ``< 1e-12``."""
    found = measured(p)
    if found is None:
        return "–"
    if found <= 1e-12:
        return "< 1e-12"
    return f"{'< ' if bound is True else ''}{found:.2g}"


def words(value: object) -> str:
    """Text of a record, or a dash; several pieces with semicolons between."""
    if isinstance(value, str):
        return value or "–"
    if isinstance(value, list | tuple):
        return "; ".join(v for v in value if isinstance(v, str)) or "–"
    return "–"


def _layer_number(value: object) -> float | None:
    """``12`` and, with an expert, ``12.3`` as a number to sort by."""
    layer, expert = value if isinstance(value, tuple) else (value, None)
    found = measured(layer)
    return None if found is None else found + (measured(expert) or 0.0) / 1e6


def _layer(value: object) -> str:
    """Number of a layer, with its expert; the whole model where a test does not tell layers apart."""
    layer, expert = value if isinstance(value, tuple) else (value, None)
    found, of = measured(layer), measured(expert)
    if found is None:
        return "–"
    return "all" if found < 0 else f"{found:.0f}" if of is None or of < 0 else f"{found:.0f}.{of:.0f}"


def _place(value: object) -> str:
    """Number of a layer, or a dash for what is outside layers."""
    found = measured(value)
    return "–" if found is None else f"{found:.0f}"


def _numbers(title: str, width: int, digits: int, least: int = 0) -> Column:
    return Column(title, width, right=True, show=partial(number, digits=digits), number=measured, least=least)


def _counts(title: str, width: int, least: int = 0) -> Column:
    return Column(title, width, right=True, show=count, number=measured, least=least)


def _layers(title: str) -> Column:
    return Column(title, 8, right=True, show=_layer, number=_layer_number)


_P = Column("p", 9, right=True, show=lambda v: p_value(*v), number=lambda v: measured(v[0]))


def _maps(value: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list | tuple):
        yield from (v for v in value if isinstance(v, Mapping))


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, list | tuple):
        yield from (v for v in value if isinstance(v, str))


# -- the tables ------------------------------------------------------------------------------------------------------


def tables(record: Mapping[str, Any]) -> list[Table]:
    """All tables of a record, tests first; at least two."""
    out = [_retention(t) if t.get("name") == "retention" else _units(t) for t in _maps(record.get("tests"))]
    if parts := list(_maps(record.get("components"))):
        out.append(_parts(parts))
    if way := _map(record.get("trajectory")):
        out.append(_trajectory(way))
    if scores := list(_maps(record.get("context"))):
        out.append(_context(scores))
    out.append(identity_table(record))
    out.append(_mechanisms(record))
    return out


def _test(test: Mapping[str, Any], head: str, columns: tuple[Column, ...], values: Values) -> Table:
    name = words(test.get("name"))
    if test.get("ran") is not True:
        head = f"{name}: not run, {words(test.get('reason'))}"
    about = words(test.get("statement"))
    return Table(name, "tests", head, about, columns, values, (0, 1))


def _units(test: Mapping[str, Any]) -> Table:
    rows = list(_maps(test.get("layers")))
    layers = f"{len(rows)} layer{'' if len(rows) == 1 else 's'}"
    if len(rows) == 1 and rows[0].get("a") == -1:
        layers = "over the whole model"
    head = (
        f"{words(test.get('name'))}: p {p_value(test.get('p'), test.get('p_is_bound'))}, z {number(test.get('z'), 1)}, "
        f"rho {number(test.get('rho'))}, {layers}"
    )
    made = _test(
        test,
        head,
        (_layers("layer A"), _layers("layer B"), _numbers("z", 9, 1), _numbers("rho", 7, 3), _P, _counts("units", 7)),
        [
            (
                (r.get("a"), r.get("expert_a")), (r.get("b"), r.get("expert_b")), r.get("z"), r.get("rho"),
                (r.get("p"), r.get("p_is_bound")), r.get("units"),
            )
            for r in rows
        ],
    )  # fmt: skip
    about = f"{made.about} Assumes: {words(test.get('assumption'))}."
    return Table(made.id, made.part, made.title, about, made.columns, made.values, made.name)


_READS = {
    "for": "for a trained ancestor", "against": "against a trained ancestor", "seed": "for a common initialisation",
    "abstains": "decides nothing",
}  # fmt: skip


def _retention(test: Mapping[str, Any]) -> Table:
    ways = ""
    for d in _maps(test.get("directions")):
        one = words(d.get("of")).upper()
        other = {"A": "B", "B": "A"}.get(one, "the other")
        counts = "" if d.get("counts") else " (does not count)"
        ways += f"{', ' if ways else ''}{one}{'' if ways else ' kept'} in {other} {number(d.get('ratio'), 2)}{counts}"
    reading = words(test.get("reading"))
    made = _test(
        test,
        f"retention: {_READS.get(reading, reading)}; {ways or 'nothing measured'}",
        (
            _layers("layer A"), _layers("layer B"), Column("role", 12, show=words), _numbers("A kept in B", 12, 2),
            _numbers("B kept in A", 12, 2),
        ),
        [
            (r.get("a"), r.get("b"), r.get("role"), r.get("a_in_b"), r.get("b_in_a"))
            for r in _maps(test.get("layers"))
        ],
    )  # fmt: skip
    about = f"{made.about} A ratio of 1 keeps what was learned as well as the rest."
    return Table(made.id, made.part, made.title, about, made.columns, made.values, (0, 1, 2))


def _parts(parts: Sequence[Mapping[str, Any]]) -> Table:
    return Table(
        "parts", "components",
        f"Parts with findings of their own: {len(parts)}",
        "Blocks that correspond where the whole does not, each with its own discriminator.",
        (Column("part", 30, show=words), Column("finding", 20, show=words), _P, _numbers("rho", 7, 3),
         Column("in words", show=words, least=110)),
        [(p.get("name"), p.get("finding"), (p.get("p"), p.get("p_is_bound")), p.get("rho"), p.get("sentence"))
         for p in parts],
    )  # fmt: skip


def _trajectory(way: Mapping[str, Any]) -> Table:
    return Table(
        "trajectory",
        "trajectory",
        f"Along A's training: {words(way.get('reading'))}",
        words(way.get("reason")),
        (Column("checkpoint", name=True, show=words), _numbers("with A", 8, 3), _numbers("with B", 8, 3)),
        [(p.get("label"), p.get("with_a"), p.get("with_b")) for p in _maps(way.get("points"))],
    )


def _context(rows: Sequence[Mapping[str, Any]]) -> Table:
    def between(value: object) -> str:
        low, high = value if isinstance(value, tuple) else (None, None)
        return "–" if measured(low) is None else f"{number(low)} to {number(high)}"

    return Table(
        "context", "context",
        "Context: similarity scores that never decide",
        "Scores in the manner of other tools, each beside what independently trained models score.",
        (Column("score", 24, show=words), _numbers("value", 8, 3), Column("independent", 16, show=between),
         Column("in words", show=words)),
        [
            (r.get("name"), r.get("value"), (r.get("independent_low"), r.get("independent_high")),
             r.get("reason") or r.get("sentence"))
            for r in rows
        ],
    )  # fmt: skip


def _mechanisms(record: Mapping[str, Any]) -> Table:
    return Table(
        "mechanisms", "mechanisms",
        "Mechanisms that the numbers fit",
        "A proposal by the constitution's numbers; never a direction.",
        (Column("no.", 4, show=words), Column("mechanism", 26, show=words), Column("for", show=words),
         Column("against", show=words)),
        [(m.get("number"), m.get("title"), m.get("for"), m.get("against"))
         for m in _maps(record.get("mechanisms"))],
    )  # fmt: skip


def identity_table(record: Mapping[str, Any]) -> Table:
    """Tensors that the record names: the differing ones and those without a counterpart."""
    identity = _map(record.get("identity"))
    rows: list[tuple[Any, ...]] = [
        (words(d.get("state")), _both(d.get("a"), d.get("b")), d.get("relative"), d.get("cosine"), d.get("changed"),
         d.get("elements"))
        for d in _maps(identity.get("differing"))
    ]  # fmt: skip
    rows += [("only A", name, None, None, None, None) for name in _texts(identity.get("only_a"))]
    rows += [("only B", name, None, None, None, None) for name in _texts(identity.get("only_b"))]
    conversions = "; ".join(_texts(identity.get("conversions")))
    return Table(
        "identity", "identity",
        f"Tensors: {count(identity.get('equal', 0))} of {count(identity.get('pairs', 0))} pairs equal byte for byte, "
        f"{count(identity.get('converted', 0))} after a conversion, {len(rows):,} "
        f"{'row' if len(rows) == 1 else 'rows'} below",
        f"Conversions found: {conversions or 'none'}. {count(identity.get('renamed', 0))} under another name, "
        f"{count(identity.get('unread', 0))} compared by hash only.",
        (
            Column("state", 9), Column("tensor", name=True), _numbers("change", 7, 3), _numbers("cosine", 8, 5),
            _counts("changed", 13, 90), _counts("elements", 13, 74),
        ),
        rows,
        (1,),
    )  # fmt: skip


def _both(a: object, b: object) -> str:
    return words(a) if a == b or not isinstance(b, str) else f"{words(a)} / {b}"


def tensor_table(record: Mapping[str, Any], rows: Sequence[TensorRow], *, whole: bool) -> Table:
    """All tensors of both sides, by name.

    Args:
        record: For the counts in the title.
        rows: From `mpk_tui.report.tensors`.
        whole: The fingerprints were at hand; else only what the record names is here.
    """
    identity = _map(record.get("identity"))
    title = (
        f"All tensors of both sides: {len(rows):,} rows; {count(identity.get('equal', 0))} of "
        f"{count(identity.get('pairs', 0))} pairs equal byte for byte"
        if whole
        else f"Tensors that the record names: {len(rows):,}; the fingerprints are not at hand, equal ones have no name"
    )
    return Table(
        "tensors", "identity", title,
        "Both fingerprints joined with the record's numbers. change is ||A - B|| / ||A||, cosine that of the flattened "
        f"values. {keys.name_of('table', 'pick')} shows everything that is known of a tensor.",
        (
            Column("state", 9, show=words), Column("tensor", name=True, show=words), _numbers("change", 8, 4),
            _numbers("cosine", 8, 5), Column("layer", 5, right=True, show=_place, number=measured, least=68),
            Column("type", 9, show=words, least=92), Column("shape", 14, show=words, least=110),
            _counts("bytes", 13, 132), Column("role", 12, show=words, least=150),
        ),
        list(map(_tensor_values, rows)),
        (1,),
        rows,
    )  # fmt: skip


def _tensor_values(row: TensorRow) -> tuple[Any, ...]:
    found: Mapping[str, Any] = row.found or {}
    layer = measured(found.get("layer"))
    layer = None if layer is None or layer < 0 else layer
    one = row.a or row.b
    kind = shape = "–"
    if one is not None:
        kind, shape = one.dtype, dimensions(one.shape)
        if row.a is not None and row.b is not None:
            kind = kind if row.b.dtype == kind else f"{kind} / {row.b.dtype}"
            shape = shape if row.b.shape == one.shape else f"{shape} / {dimensions(row.b.shape)}"
    return (
        row.state, row.name, found.get("relative"), found.get("cosine"), layer, kind, shape,
        None if one is None else one.nbytes, found.get("role"),
    )  # fmt: skip


@lru_cache(maxsize=4096)
def dimensions(shape: tuple[int, ...]) -> str:
    """A shape as ``4096 x 1024``; a single number has no dimensions."""
    return " x ".join(map(str, shape)) or "scalar"
