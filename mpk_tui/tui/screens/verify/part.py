"""One part of a bundle as a screen shows it: a text, a table of any length, or a comparison.

Everything in a part may come from a stranger.  Cells and lines are raw text here; `RowTable` and `Lines` escape them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from textual.content import Content

from mpk_tui.bundle.listing import plain
from mpk_tui.text import clean_lines
from mpk_tui.tui.safe import shown
from mpk_tui.tui.widgets.table import Column

LONG = 20_000
"""Characters of one stranger's text that are shown; the rest is counted."""
MOST_ROWS = 5_000
"""Rows of a record that is spread out."""


T = TypeVar("T")


class Rows(Sequence[T]):
    """Rows made when they are looked at, so that a million tensors cost nothing before.

    Args:
        items: What the rows are of.
        make: Number and item to a row.
    """

    def __init__(self, items: Sequence[Any], make: Callable[[int, Any], T]) -> None:
        self._items, self._make = items, make

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...
    def __getitem__(self, at: int | slice) -> Any:
        """One row, or rows."""
        if isinstance(at, slice):
            return [self._make(n, self._items[n]) for n in range(*at.indices(len(self._items)))]
        number = at + len(self._items) if at < 0 else at
        return self._make(number, self._items[number])

    def __iter__(self) -> Iterator[T]:
        return (self._make(n, item) for n, item in enumerate(self._items))


@dataclass(frozen=True)
class Table:
    """A table of a part.

    Attributes:
        columns: Heads.
        rows: Cells.
        details: Number of a row to its names and values, in full.
        empty: What stands there if there are none.
    """

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[str]]
    details: Callable[[int], list[tuple[str, str]]]
    empty: str = "None."


@dataclass
class Lines:
    """Text of a part, put together line by line; what strangers say is escaped here."""

    made: list[Content] = field(default_factory=list)

    def head(self, text: str) -> Lines:
        """A heading."""
        self.made.append(Content.styled(shown(text, 400), "bold"))
        return self

    def line(self, text: str, style: str = "") -> Lines:
        """One line; a long one wraps."""
        self.made.append(Content.styled(shown(text, LONG), style) if style else Content(shown(text, LONG)))
        return self

    def fact(self, name: str, value: str) -> Lines:
        """A name of ours and a value; nothing where there is none."""
        if value:
            self.made.append(Content.assemble((f"{name}: ", "bold"), shown(value, LONG)))
        return self

    def quote(self, name: str, text: str) -> Lines:
        """A stranger's paragraphs under a name of ours; every line of theirs is set in and passes for none of ours."""
        if text:
            self.made.append(Content.styled(name, "bold"))
            self.made += [Content(f"  | {row}") for row in clean_lines(text, LONG).split("\n")]
            if len(text) > LONG:
                self.made.append(Content(f"  … ({len(text):,} characters)"))
        return self

    def gap(self) -> Lines:
        """An empty line."""
        self.made.append(Content(""))
        return self

    def content(self) -> Content:
        """All of it."""
        return Content("\n").join(self.made)


@dataclass(frozen=True)
class Part:
    """One part.

    Attributes:
        id: Unique within a bundle.
        title: Our words, and ids.
        state: What the list says beside the title; may hold a stranger's text.
        about: A sentence above the content, or empty.
        text: Makes the text, if it is one.
        table: Makes the table, if it has one; it stands below the text.
        record: A comparison record, if it is one; of any shape.
        tensors: Tensors of both its sides, where the bundle lists them.
        claim: What a stranger says, and not something that was found here.
    """

    id: str
    title: str
    state: str = ""
    about: str = ""
    text: Callable[[], Lines] | None = None
    table: Callable[[], Table] | None = None
    record: Mapping[str, Any] | None = None
    tensors: Callable[[], Any] | None = None
    claim: bool = True


def withheld(name: str) -> Lines:
    """The text of a part whose section is withheld."""
    return Lines().line(f"Section {name} is withheld: its size and digest are under Sections.")


def number(value: object, digits: int = 3) -> str:
    """A measured number, or a dash."""
    return f"{value:.{digits}f}" if isinstance(value, (int, float)) and not isinstance(value, bool) else "–"


def counted(n: int, one: str, many: str = "") -> str:
    """``1 reading``, ``2 readings``.

    Args:
        n: How many.
        one: Our own word for one.
        many: For none or several; ``one`` with an s by default.
    """
    return f"{n:,} {one if n == 1 else many or f'{one}s'}"


def one_line(value: Any) -> str:
    """A value of a record in one line: digests as hex."""
    said = plain(value)
    return said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, default=str)


def spread(record: Any, most: int = MOST_ROWS) -> list[tuple[str, str]]:
    """A record of any shape as rows of place and value, in its own order.

    Args:
        record: Decoded canonical data; its depth is bounded by the format.
        most: Rows; a last one says how many values were left out.
    """
    out: list[tuple[str, str]] = []
    left = 0
    stack: list[tuple[str, Any]] = [("", record)]
    while stack:
        place, value = stack.pop()
        if isinstance(value, Mapping) and value:
            stack += [(f"{place}.{k}" if place else str(k), v) for k, v in reversed(list(value.items()))]
        elif isinstance(value, (list, tuple)) and value and not all(isinstance(v, (int, float, str)) for v in value):
            stack += [(f"{place}[{n}]", v) for n, v in reversed(list(enumerate(value)))]
        elif len(out) < most:
            out.append((place, one_line(value)))
        else:
            left += 1
    if left:
        out.append(("…", f"{left:,} more values; mpk-tui bundle show --json prints all of them"))
    return out


def spread_table(record: Any, empty: str = "Empty.") -> Table:
    """A record of any shape as a table."""
    rows = spread(record)
    return Table((Column("field", 34, name=True), Column("value")), rows, lambda n: [rows[n]], empty)


def sentences(texts: Sequence[str], title: str, empty: str = "None.") -> Table:
    """Any number of sentences as a table."""
    return Table(
        (Column("no.", 5, right=True), Column(title)),
        Rows(texts, lambda n, text: (str(n + 1), text)),
        lambda n: [(f"{title} {n + 1}", texts[n])],
        empty,
    )
