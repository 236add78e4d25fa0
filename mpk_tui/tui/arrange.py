"""Sorting and filtering of long tables in slices: pure generators that stop often enough for keys to be heard.

A filter is words and conditions, all of which must hold: ``mlp state=different change>0.1``.  A word is looked for in
every column that holds text.  ``=`` and ``!=`` compare whole cells, ``~`` looks for a part of one; numbers also take
``<``, ``<=``, ``>``, ``>=``.  ``change=none`` finds rows without a number.  Quotes hold spaces together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from mpk_tui.errors import UsageError
from mpk_tui.text import clean
from mpk_tui.tui.widgets.table import Column

SLICE = 1000
"""Rows looked at between two stops."""
_RUN = 2000
_TOKEN = re.compile(r'(?:"[^"]*"?|[^\s"])+')
_CONDITION = re.compile(r'([^<>=!~"\s]*)(>=|<=|!=|=|~|>|<)(.*)', re.DOTALL)
_DIGITS = re.compile(r"\d+")
_NONE = ("none", "–", "-")

Values = Sequence[Sequence[Any]]
Test = Callable[[Sequence[Any]], bool]


@dataclass(frozen=True)
class Arrangement:
    """How a table is looked at.

    Attributes:
        column: What it is sorted by; -1 leaves the order of the record.
        falling: Greatest first.
        filter: As typed.
    """

    column: int = -1
    falling: bool = False
    filter: str = ""


def predicates(text: str, columns: Sequence[Column]) -> tuple[Test, ...]:
    """A filter as predicates over rows of values.

    Raises:
        UsageError: It names no column of this table, or compares words as numbers.
    """
    return tuple(_test(token, columns) for token in _TOKEN.findall(text))


def sound(text: str, columns: Sequence[Column]) -> tuple[str, str]:
    """What of a filter can be understood, and what is wrong with the first part that cannot; empty if nothing is."""
    good, fault = [], ""
    for token in _TOKEN.findall(text):
        try:
            _test(token, columns)
            good.append(token)
        except UsageError as error:
            fault = fault or error.what
    return " ".join(good) if fault else text, fault


def arrange(values: Values, columns: Sequence[Column], how: Arrangement) -> Generator[None, None, list[int]]:
    """Numbers of the rows that are shown, in order; yields after every slice of bounded work.

    Raises:
        UsageError: From the first step on, a filter that cannot be understood.
    """
    wanted = predicates(how.filter, columns)
    kept: list[int] = []
    if not wanted:
        kept = list(range(len(values)))
    else:
        for start in range(0, len(values), SLICE):
            stop = min(start + SLICE, len(values))
            kept += [i for i in range(start, stop) if all(test(values[i]) for test in wanted)]
            yield
    if not 0 <= how.column < len(columns):
        return kept[::-1] if how.falling else kept
    at, key = how.column, _key(columns[how.column])
    keys: dict[int, Any] = {}
    without: list[int] = []
    for n, i in enumerate(kept):
        k = key(values[i][at])
        if k is None:
            without.append(i)
        else:
            keys[i] = k
        if n % SLICE == SLICE - 1:
            yield
    having = yield from _sorted(list(keys), keys)
    # What has no value stands last whichever way the rest is turned.
    return (having[::-1] if how.falling else having) + without


def run(steps: Generator[None, None, list[int]]) -> list[int]:
    """All slices at once, where nobody waits for keys."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            out: list[int] = stop.value
            return out


def _sorted(items: list[int], keys: dict[int, Any]) -> Generator[None, None, list[int]]:
    """A stable sort: short runs, then pairs of runs; the sort of the language merges two sorted runs in one pass."""
    runs = []
    for start in range(0, len(items), _RUN):
        runs.append(sorted(items[start : start + _RUN], key=keys.__getitem__))
        yield
    while len(runs) > 1:
        merged = []
        for at in range(0, len(runs), 2):
            pair = [*runs[at], *(runs[at + 1] if at + 1 < len(runs) else ())]
            pair.sort(key=keys.__getitem__)
            merged.append(pair)
            yield
        runs = merged
    return runs[0] if runs else []


def _key(column: Column) -> Callable[[Any], Any]:
    if column.number is not None:
        return column.number
    show = column.show
    return lambda v: _DIGITS.sub(_padded, show(v)[:400].casefold())


def _padded(digits: re.Match[str]) -> str:
    """Layer 10 stands after layer 9."""
    return digits[0].zfill(12)


def columns_of(columns: Sequence[Column]) -> dict[str, int]:
    """What a filter calls the columns of a table."""
    return {_plain(c.title): n for n, c in enumerate(columns)}


def _plain(title: str) -> str:
    return "".join(c for c in title.casefold() if c.isalnum())


def _test(token: str, columns: Sequence[Column]) -> Test:
    found = None if token.startswith('"') else _CONDITION.fullmatch(token)
    if found is None:
        return _word(token.replace('"', ""), columns)
    named, op, given = found[1], found[2], found[3].replace('"', "")
    at = _column(named, op, columns)
    column = columns[at]
    if not given:
        raise UsageError(f"nothing stands after {named}{op}")
    if column.number is not None and op != "~":
        return _number(at, column, op, given)
    if op not in ("=", "!=", "~"):
        raise UsageError(f"{column.title!r} holds words: use =, != or ~ with it, not {op}")
    wanted, show = given.casefold(), column.show
    if op == "~":
        return lambda row: wanted in show(row[at]).casefold()
    if op == "=":
        return lambda row: show(row[at]).casefold() == wanted
    return lambda row: show(row[at]).casefold() != wanted


def _column(named: str, op: str, columns: Sequence[Column]) -> int:
    known = columns_of(columns)
    wanted = _plain(named)
    if not wanted:
        raise UsageError(f"a column's name must stand before {op}: {', '.join(known)}")
    if wanted in known:
        return known[wanted]
    fits = [name for name in known if name.startswith(wanted)]
    if len(fits) == 1:
        return known[fits[0]]
    if fits:
        raise UsageError(f"{clean(named, 40)!r} may be {' or '.join(fits)}")
    raise UsageError(f"no column {clean(named, 40)!r} here; columns: {', '.join(known)}")


def _word(word: str, columns: Sequence[Column]) -> Test:
    wanted = word.casefold()
    where = [(n, c.show) for n, c in enumerate(columns) if c.number is None]
    if len(where) == 1:
        at, show = where[0]
        return lambda row: wanted in show(row[at]).casefold()
    return lambda row: any(wanted in show(row[at]).casefold() for at, show in where)


def _number(at: int, column: Column, op: str, given: str) -> Test:
    number = column.number
    assert number is not None
    if given.casefold() in _NONE:
        if op not in ("=", "!="):
            raise UsageError(f"{given} goes with = and != only")
        wanted_none = op == "="
        return lambda row: (number(row[at]) is None) == wanted_none
    try:
        share = given.endswith("%")
        limit = float(given.rstrip("%").replace(",", "")) / (100 if share else 1)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise UsageError(f"{column.title!r} holds numbers, and {clean(given, 40)!r} is none")
    near = max(abs(limit) * 1e-9, 1e-300)
    compare: dict[str, Callable[[float], bool]] = {
        ">": lambda v: v > limit, ">=": lambda v: v >= limit, "<": lambda v: v < limit, "<=": lambda v: v <= limit,
        "=": lambda v: abs(v - limit) <= near, "!=": lambda v: abs(v - limit) > near,
    }  # fmt: skip
    holds = compare[op]

    def test(row: Sequence[Any]) -> bool:
        v = number(row[at])
        return v is not None and holds(v)

    return test
