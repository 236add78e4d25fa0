"""Rows of a recorded comparison by name, with their numbers in words: what one item of evidence can cite.

A name is a table of the record and a row of it, with ``/`` between: ``identity / model.norm.weight``,
``tests / ffn.aligned``, ``tests / ffn.aligned / 3``, ``components / NAME``, ``mechanisms / 3.2``, ``context / NAME``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mpk_tui.errors import UsageError

_SHOWN = 20
"""Names of rows that a message lists."""


@dataclass(frozen=True)
class Row:
    """One row of a comparison record.

    Attributes:
        part: The table, as the record names it.
        locator: Table and row, with `` / `` between.
        excerpt: Its numbers, in words.
    """

    part: str
    locator: str
    excerpt: str


def find_row(record: Mapping[str, Any], name: str) -> Row:
    """The row of a record that a name means; blanks around ``/`` do not matter.

    Args:
        record: A comparison record of our own (schema ``mpk-tui/compare/1``).
        name: Table and row.

    Raises:
        UsageError: There is none; lists tables, or rows of the table.
    """
    part, _, rest = name.partition("/")
    part, wanted = part.strip(), rest.strip()
    listing = _TABLES.get(part)
    if listing is None:
        raise UsageError(f"a comparison has no table {part[:80]!r}", hint=f"Known: {', '.join(_TABLES)}")
    known = []
    for row, excerpt in listing(record):
        if row == wanted:
            return Row(part, f"{part} / {row}", excerpt)
        known.append(row)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    raise UsageError(
        f"table {part} of the comparison has no row {wanted[:200]!r}",
        hint=f"Known: {', '.join(known[:_SHOWN]) or 'none'}{more}"
        + (". Tensors that are equal have no row" if part == "identity" else ""),
    )


def _identity(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    found = record["identity"]
    for d in found["differing"]:
        other = f" (in B {d['b']})" if d["b"] != d["a"] else ""
        read = (
            f": {d['changed']} of {d['elements']} elements changed, relative change {d['relative']}, "
            f"cosine {d['cosine']}"
            if d["changed"] is not None
            else f", {d['elements']} elements"
        )
        yield d["a"], f"{d['a']}{other}: {d['state']}{read}"
    for side, names in (("A", found["only_a"]), ("B", found["only_b"])):
        for name in names:
            yield name, f"{name}: in {side} only"


def _tests(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for t in record["tests"]:
        if not t["ran"]:
            yield t["name"], f"{t['name']} was not run: {t['reason']}"
        elif t["name"] == "retention":
            ways = [f"{d['of'].upper()} ratio {d['ratio']} (lower quartile {d['lower_quartile']})"
                    for d in t.get("directions", ())]  # fmt: skip
            yield t["name"], f"retention of learned structure, reading {t.get('reading')!r}: {'; '.join(ways)}"
        else:
            yield t["name"], f"{t['name']}: {_p(t)}, z {t['z']}, rho {t['rho']}, {len(t['layers'])} layers"
            for r in t["layers"]:
                expert = f", experts {r['expert_a']} and {r['expert_b']}" if "expert_a" in r else ""
                row = f"{t['name']} / {r['a']}-{r['b']}" if r["a"] != r["b"] else f"{t['name']} / {r['a']}"
                row += f" expert {r['expert_a']}-{r['expert_b']}" if expert else ""
                yield (
                    row,
                    (
                        f"{t['name']}, layers A {r['a']} and B {r['b']}{expert}: {_p(r)}, z {r['z']}, rho {r['rho']}, "
                        f"{r['units']} units"
                    ),
                )


def _p(row: Mapping[str, Any]) -> str:
    return f"p {'< ' if row['p_is_bound'] else ''}{row['p']}"


def _components(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for c in record["components"]:
        yield c["name"], f"{c['name']}: {c['finding']}. {c['sentence']}"


def _mechanisms(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for m in record["mechanisms"]:
        against = f"; against it: {'; '.join(m['against'])}" if m["against"] else ""
        yield m["number"], f"{m['number']} {m['title']}: for it: {'; '.join(m['for']) or 'nothing'}{against}"


def _context(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for c in record["context"]:
        yield c["name"], f"{c['name']}: {c['reason'] or c['sentence']}"


_TABLES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]]] = {
    "identity": _identity, "tests": _tests, "components": _components, "mechanisms": _mechanisms, "context": _context,
}  # fmt: skip


def summary(record: Mapping[str, Any]) -> list[str]:
    """The numbers behind a proposal, a line a test and one for identity."""
    found = record["identity"]
    tensors = (
        f"identity: {found['equal']} of {found['pairs']} tensors equal, {found['converted']} after a conversion, "
        f"{len(found['differing'])} differ, {len(found['only_a'])} in A only, {len(found['only_b'])} in B only"
    )
    return [tensors, *(excerpt for row, excerpt in _tests(record) if " / " not in row)]
