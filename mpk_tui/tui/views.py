"""What there is to look at in a comparison: an overview, its tables, all tensors, the eight figures.  Pure.

The record, and the tensors of both sides where they are at hand, may come from a stranger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.report.figure import Figure
from mpk_tui.report.figures import figures
from mpk_tui.report.tensors import STATES, TensorRow, account, listed
from mpk_tui.text import clean
from mpk_tui.tui import keys
from mpk_tui.tui.arrange import Arrangement
from mpk_tui.tui.tables import Table, count, dimensions, number, tables, tensor_table, words
from mpk_tui.tui.widgets.table import Column

OVERVIEW, TENSORS = "overview", "tensors"

EXCERPT = 1200
"""Characters of the numbers in an item of evidence."""
NAME = 4096
"""Characters of a row's name in an item of evidence."""

Tensors = tuple[Sequence[TensorHash], Sequence[TensorHash]]
"""The tensors of A's and of B's fingerprint."""


@dataclass(frozen=True)
class View:
    """One thing to look at.

    Attributes:
        id: ``overview``, ``tensors``, a test's name, ``figure/cosine`` and so on.
        name: A word or two.
        says: What it shows, with its numbers; untrusted text.
        table: Its rows; of a figure, the numbers beside it.
        figure: What is drawn.
    """

    id: str
    name: str
    says: str
    table: Table
    figure: Figure | None = None

    @property
    def arranged(self) -> Arrangement:
        """How its table is shown at first."""
        return Arrangement(column=1) if self.id == TENSORS else Arrangement()


@dataclass(frozen=True)
class Place:
    """A row, tensor or figure as evidence names it.

    Attributes:
        part: The part of the record that it comes from, or ``figure``.
        locator: Which row of it; untrusted text.
        excerpt: Its numbers in words; untrusted text.
    """

    part: str
    locator: str
    excerpt: str


def views(record: Mapping[str, Any], tensors: Tensors | None = None) -> tuple[View, ...]:
    """All views of a record, the overview first.

    Args:
        record: A comparison record; nothing about its shape is taken for granted.
        tensors: Both fingerprints' tensors, or None where they are not at hand.
    """
    rows = listed(record) if tensors is None else account(record, *tensors)
    found: list[View] = []
    for table in tables(record):
        made = tensor_table(record, rows, whole=tensors is not None) if table.id == "identity" else table
        found.append(View(made.id, made.id, made.title, made))
    for figure in figures(record):
        says = f"not drawn: {figure.missing}" if figure.missing else figure.title
        found.append(View(f"figure/{figure.id}", f"figure {figure.id}", says, _numbers(figure), figure))
    # Two tests of one name, in a record from a stranger, must not hide each other.
    seen: dict[str, int] = {}
    unique = []
    for view in found:
        n = seen[view.id] = seen.get(view.id, 0) + 1
        unique.append(view if n == 1 else View(f"{view.id}#{n}", view.name, view.says, view.table, view.figure))
    return (View(OVERVIEW, "overview", "what was found, and what there is to look at", _overview(unique)), *unique)


def _overview(found: Sequence[View]) -> Table:
    return Table(
        OVERVIEW, "overview", "What there is to look at",
        f"{keys.name_of('table', 'pick')} opens a line; {keys.name_of('comparison', 'next_view')} and "
        f"{keys.name_of('comparison', 'previous_view')} go from one to the next.",
        (Column("look at", 19), Column("what it says")),
        [(v.name, v.says.removeprefix(f"{v.name}: ")) for v in found],
    )  # fmt: skip


def _numbers(figure: Figure) -> Table:
    """The numbers beside a figure; cells that read as numbers sort as numbers."""
    columns = []
    for n, title in enumerate(figure.columns):
        cells = [row[n] for row in figure.rows if n < len(row)]
        numeric = bool(cells) and sum(_as_number(c) is not None for c in cells) * 2 >= len(cells)
        width = min(24, max([len(title), *(len(c) for c in cells[:500])]) + 1)
        columns.append(
            Column(title, width, right=numeric, name=not numeric, number=_as_number if numeric else None, show=words)
        )
    wide = len(columns)
    rows = [(*row, *[""] * (wide - len(row)))[:wide] for row in figure.rows]
    return Table(figure.id, "figure", figure.title, figure.about, tuple(columns), rows, tuple(range(min(3, wide))))


def _as_number(cell: object) -> float | None:
    """A cell such as ``0.93``, ``< 1e-12``, ``1,024``, ``12 to 15`` as the number that it begins with."""
    if not isinstance(cell, str):
        return None
    text = cell.lstrip("<>=~ ").split(" ")[0].split("-" if cell[:1].isdigit() and "e-" not in cell else " ")[0]
    try:
        found = float(text.replace(",", "").rstrip("%"))
    except ValueError:
        return None
    return found if found - found == 0 else None


# -- one row ---------------------------------------------------------------------------------------------------------


def row_lines(record: Mapping[str, Any], table: Table, row: int) -> list[tuple[str, str]]:
    """A row in full: what each cell is, and its value; untrusted text."""
    if table.tensors:
        return list(_tensor_lines(record, table.tensors[row]))
    return [(c.title, c.show(v)) for c, v in zip(table.columns, table.values[row], strict=True)]


def place_of_row(record: Mapping[str, Any], view: View, row: int) -> Place:
    """A row as an item of evidence names it; rows of the record's own tables by the names that `mpk_tui.case.rows` has.

    Args:
        record: The record.
        view: With the row's table.
        row: Its number in the table.
    """
    table = view.table
    if table.tensors:
        found = table.tensors[row]
        said = (line for line in _tensor_lines(record, found) if line[0] not in ("Tensor", "Means"))
        excerpt = "; ".join(f"{k} {v}" for k, v in said if v not in ("–", "– of –"))
        return Place("identity", _name(found.name_a or found.name_b), clean(excerpt, EXCERPT))
    cells = [c.show(v) for c, v in zip(table.columns, table.values[row], strict=True)]
    excerpt = clean("; ".join(f"{c.title} {text}" for c, text in zip(table.columns, cells, strict=True)), EXCERPT)
    if view.figure is not None:
        named = ", ".join(f"{table.columns[n].title} {cells[n]}" for n in table.name)
        return Place("figure", _name(f"figure {table.id} / {named}"), clean(f"{table.title}: {excerpt}", EXCERPT))
    if table.part == "tests":
        return Place("tests", _name(f"{table.id} / {_blocks(table.values[row])}"), f"{clean(table.id)}: {excerpt}")
    return Place(table.part, _name(cells[0]), excerpt)


def place_of_view(view: View) -> Place | None:
    """A whole view as an item of evidence names it: a figure with its numbers, or a test; None for anything else."""
    if view.figure is not None:
        if view.figure.missing:
            return None
        numbers = "; ".join(", ".join(row) for row in view.figure.rows[:200])
        heads = ", ".join(view.figure.columns)
        return Place("figure", f"figure {view.figure.id}", clean(f"{view.figure.title}. {heads}: {numbers}", EXCERPT))
    return Place("tests", _name(view.table.id), clean(view.says, EXCERPT)) if view.table.part == "tests" else None


def _name(text: str) -> str:
    """A name as it is, so that it can be found again; cut only where an item of evidence cannot hold it."""
    return text if len(text) <= NAME else clean(text, NAME)


def _blocks(values: Sequence[Any]) -> str:
    """``3`` or ``3-4`` for layers, with experts where they are told apart, and a matrix's role."""
    (a, expert_a), (b, expert_b) = (v if isinstance(v, tuple) else (v, None) for v in values[:2])
    text = f"{a}" if a == b else f"{a}-{b}"
    if expert_a is not None or expert_b is not None:
        text += f" expert {expert_a}-{expert_b}"
    role = values[2] if len(values) > 2 else None
    return f"{text} {role}" if isinstance(role, str) else text


def _tensor_lines(record: Mapping[str, Any], row: TensorRow) -> Iterator[tuple[str, str]]:
    """Everything that both fingerprints and the record say of a tensor."""
    found: Mapping[str, Any] = row.found or {}
    if row.name_a == row.name_b:
        yield "Tensor", row.name_a
    else:
        yield "In A", row.name_a or "–"
        yield "In B", row.name_b or "–"
    yield "State", row.state
    yield "Means", STATES.get(row.state, "a state that this version does not know")
    if row.a is not None and row.b is not None:
        yield "Digests", "equal" if row.a.sha256 == row.b.sha256 else "not equal"
    yield "Change ||A - B|| / ||A||", number(found.get("relative"), 6)
    yield "Cosine", number(found.get("cosine"), 8)
    yield "Changed elements", f"{count(found.get('changed'))} of {count(found.get('elements'))}"
    yield "Role", words(found.get("role"))
    layer = found.get("layer")
    yield "Layer of A", "outside layers" if layer == -1 else count(layer)
    for side, of in (("A", row.a), ("B", row.b)):
        if of is None:
            yield f"In {side}'s fingerprint", "nothing of this name"
            continue
        yield f"Type in {side}", of.dtype
        yield f"Shape in {side}", dimensions(of.shape)
        yield f"Bytes in {side}", f"{of.nbytes:,}"
        yield f"SHA-256 in {side}", of.sha256.hex()
    identity = record.get("identity")
    conversions = identity.get("conversions") if isinstance(identity, Mapping) else None
    if row.state not in ("equal", "different", "only A", "only B"):
        yield "Conversions that the record names", words(conversions)
