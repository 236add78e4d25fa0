"""The family of some models as a graph, from pairwise findings and from what documents say.  Pure, standard library.

An edge has an arrow only where evidence of kind (a), (b) or (c) says which model was made from which.  Weights show no
direction, so no finding, and no mix of findings, gives one.  What is said without such evidence is a claim; documents
that contradict each other about the order, two of them or many in a ring, are told, and none of them draws an arrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mpk_tui.family.graph import (
    BASES,
    CLAIMED,
    CONTEXT,
    DOCUMENTED,
    EDGES,
    EQUAL,
    FINDING,
    MECHANISMS,
    NAMED,
    OPEN,
    PART,
    QUERY,
    REFERENCE,
    SAYS,
    Alike,
    Edge,
    Family,
    Found,
    Merged,
    Model,
    Node,
    Siblings,
    Stated,
    as_record,
)
from mpk_tui.text import clean, folded_name

__all__ = [
    "Alike",
    "Edge",
    "Family",
    "Found",
    "Model",
    "Node",
    "Stated",
    "around",
    "as_record",
    "family",
    "family_of_scan",
]
_NAME = 60
_HEX = 8
"""Hex digits of a digest that tell models of one name apart."""


def family(
    models: Iterable[Model],
    found: Iterable[Found] = (),
    stated: Iterable[Stated] = (),
    alike: Iterable[Alike] = (),
    notes: Iterable[str] = (),
) -> Family:
    """The graph of some models.

    Args:
        models: Those at hand; of two with one id the first is taken.
        found: Findings about pairs of them.
        stated: What documents and people say; may name models that are not at hand.
        alike: Context to be drawn; leave it out, for it says nothing, unless a person asks for it.
        notes: Sentences to be kept beside the graph.

    Returns:
        The same graph whatever the order of ``found``, ``stated`` and ``alike``.
    """
    at_hand = {m.id: m for m in reversed(list(models))}
    at_hand = dict(reversed(at_hand.items()))
    names = Counter(m.label for m in at_hand.values() if m.kind != QUERY)
    shared = {name for name, n in names.items() if n > 1}
    nodes = {m.id: Node(m.id, _told_apart(m, shared), m.kind, m.facts) for m in at_hand.values()}
    said = list(notes)
    edges, pairs = _findings(found, nodes)
    edges += _statements(stated, at_hand, nodes, pairs, said)
    edges += [
        Edge(min(x.a, x.b), max(x.a, x.b), CONTEXT, label=f"context only: {x.what}")
        for x in alike
        if x.a != x.b and {x.a, x.b} <= nodes.keys()
    ]
    return _grown(tuple(nodes.values()), edges, tuple(said))


def _told_apart(m: Model, shared: Collection[str]) -> str:
    """A model's label; where another one is called the same, with the beginning of its fingerprint."""
    digest = m.fingerprint or m.root
    return f"{m.label} {clean(digest[:_HEX], _HEX)}" if m.kind != QUERY and m.label in shared and digest else m.label


def around(graph: Family, ids: Collection[str]) -> Family:
    """What is drawn of some models: their edges, and the models at the other ends; the notes of the whole graph stay.

    Args:
        graph: A graph.
        ids: Models of it.
    """
    edges = [e for e in graph.edges if e.a in ids or e.b in ids]
    touched = {id for e in edges for id in (e.a, e.b)}
    return _grown(tuple(n for n in graph.nodes if n.id in touched), edges, graph.notes)


def _grown(nodes: tuple[Node, ...], drawn: Iterable[Edge], notes: tuple[str, ...]) -> Family:
    """A graph of its nodes and edges, in order, with what follows from them."""
    place = {n.id: k for k, n in enumerate(nodes)}
    edges = sorted(set(drawn), key=lambda e: (_ends(e, place), EDGES.index(e.kind), e.label, repr(e)))
    made, into = _documented(edges, place)
    return Family(
        nodes,
        tuple(e if e.kind in (DOCUMENTED, CLAIMED) else _in_order(e, place) for e in edges),
        _components(place, edges),
        tuple(Siblings(a, tuple(b)) for a, b in made.items() if len(b) > 1),
        tuple(Merged(b, tuple(a)) for b, a in into.items() if len(a) > 1),
        notes,
    )


def _ends(e: Edge, place: Mapping[str, int]) -> tuple[int, int]:
    low, high = sorted((place[e.a], place[e.b]))
    return low, high


def _in_order(e: Edge, place: Mapping[str, int]) -> Edge:
    return e if place[e.a] <= place[e.b] else replace(e, a=e.b, b=e.a)


def _findings(found: Iterable[Found], nodes: Mapping[str, Node]) -> tuple[list[Edge], dict[frozenset[str], set[str]]]:
    """Edges of findings, none of them directed, and which findings there are about each pair."""
    out: list[Edge] = []
    pairs: dict[frozenset[str], set[str]] = {}
    for f in found:
        if f.a == f.b or not {f.a, f.b} <= nodes.keys():
            continue
        pairs.setdefault(frozenset((f.a, f.b)), set()).add(f.finding)
        if f.finding not in SAYS:  # also what a later version may find: it is not drawn as something that it is not
            continue
        part = f.part or f.finding == PART
        label = SAYS[f.finding]
        if part:
            named = ", ".join(clean(p, _NAME) for p in f.parts[:4])
            label = f"a shared part{f': {named}' if named else ''}"
            label += "" if f.finding == PART else f" ({SAYS[f.finding]})"
        a, b = sorted((f.a, f.b))
        # What is equal was looked at and not tested: there is no chance to quote.
        p, rho = (None, None) if f.finding in EQUAL else (_chance(f.p), _finite(f.rho))
        out.append(Edge(a, b, FINDING, f.finding, label, p=p, bound=f.bound, rho=rho, part=part, note=f.note))
    return out, pairs


def _chance(p: float | None) -> float | None:
    """A p-value as it may be quoted, never below 1e-12."""
    return max(p, 1e-12) if p is not None and 0 <= p <= 1 else None


def _finite(rho: float | None) -> float | None:
    return rho if rho is not None and abs(rho) < 1e300 else None


def _statements(
    stated: Iterable[Stated],
    models: Mapping[str, Model],
    nodes: dict[str, Node],
    pairs: Mapping[frozenset[str], set[str]],
    notes: list[str],
) -> list[Edge]:
    """Edges of what is said; what is named and not at hand becomes a node."""
    order, at_hand = {id: n for n, id in enumerate(models)}, _Known(models.values())
    sayings = sorted((s for s in stated if s.of in models), key=lambda s: (order[s.of], repr(s)))
    groups: dict[tuple[str, str], list[tuple[Stated, str]]] = {}
    known: dict[tuple[str, str, str], str] = {}
    called = {m.label for m in models.values() if m.kind != QUERY}
    for s in sayings:
        meant, how = at_hand.meant(s)
        if not meant:
            key = (s.name, s.fingerprint, s.root)
            if key not in known:
                known[key] = f"named:{len(known) + 1}"
                digest = s.fingerprint or s.root
                label = s.name or f"weights {(s.root or s.fingerprint)[:16]}"
                label = f"{label} {clean(digest[:_HEX], _HEX)}" if digest and label in called else label
                called.add(label)
                nodes[known[key]] = Node(known[key], label, NAMED, ("named in a document only",))
            meant = known[key]
        if meant == s.of:
            notes.append(f"{_quoted(nodes[meant])} is said to be made from itself; that draws nothing.")
            continue
        groups.setdefault((meant, s.of), []).append((s, how))
    documented = {ends for ends, said in groups.items() if any(s.documented for s, _ in said)}
    rings = _rings(documented)
    for ring in rings:
        names = ", ".join(_quoted(nodes[id]) for id in sorted(ring, key=list(nodes).index)[:8])
        more = f" and {len(ring) - 8} more" if len(ring) > 8 else ""
        notes.append(f"Documents contradict each other about the order of {names}{more}: no arrow between them.")
    out = []
    for (a, b), said in groups.items():
        counts = [(s, how) for s, how in said if s.documented]
        torn = any({a, b} <= ring for ring in rings)
        edge = _saying(a, b, counts or said, documented=bool(counts), torn=torn)
        if not counts:
            kinds = sorted({s.kind for s, _ in said if s.kind in BASES})
            if kinds:
                notes.append(
                    f"For {_quoted(nodes[b])} from {_quoted(nodes[a])}, kind ({', '.join(kinds)}) is given without "
                    "words and without a place: a claim."
                )
            if (b, a) in documented:
                notes.append(f"A claim about {_quoted(nodes[a])} and {_quoted(nodes[b])} contradicts a document.")
        elif pairs.get(frozenset((a, b)), set()) == {"no-correspondence"}:
            notes.append(
                f"{_quoted(nodes[b])} is documented as made from {_quoted(nodes[a])}; their comparison found no "
                "correspondence."
            )
        out.append(edge)
    return out


class _Known:
    """Models by what a statement may name them by."""

    def __init__(self, models: Iterable[Model]) -> None:
        self._by: dict[tuple[str, str], list[Model]] = {}
        # A query comes last: what is said of a model is rather meant of one that is known by name.
        for m in sorted(models, key=lambda m: m.kind == QUERY):
            keys = {("fingerprint", m.fingerprint), ("weights", m.root)} | {("name", folded_name(n)) for n in m.names}
            for key in keys:
                if key[1]:
                    self._by.setdefault(key, []).append(m)

    def meant(self, s: Stated) -> tuple[str, str]:
        """The model that a statement means, and by what: its fingerprint, its weights or its name; else empty.

        A digest decides where there is one: a model that bears the name and has another digest is not the one meant.
        A name that several bear means none of them.
        """
        if s.fingerprint or s.root:
            for how, digest in (("fingerprint", s.fingerprint), ("weights", s.root)):
                listed = self._by.get((how, digest), [])
                if listed:
                    return min(listed, key=lambda m: (m.id == s.of, s.name not in m.names)).id, how
            return "", ""
        named = self._by.get(("name", folded_name(s.name)), [])
        return (named[0].id, "name") if len(named) == 1 else ("", "")


def _saying(a: str, b: str, said: Sequence[tuple[Stated, str]], *, documented: bool, torn: bool) -> Edge:
    """One edge of all that is said of one order of two models."""
    bases = sorted({s.kind for s, _ in said}) if documented else []
    numbers = sorted({s.mechanism for s, _ in said if s.mechanism})
    ways = ", ".join(f"{n} {MECHANISMS[n]}" if n in MECHANISMS else clean(n, 20) for n in numbers)
    first = min(said, key=lambda x: (x[0].kind, repr(x[0])))[0]
    word = f"documented ({', '.join(bases)})" if documented else "claimed"
    notes = []
    if torn and documented:
        word = f"contradicted ({', '.join(bases)})"
    if all(how == "name" for _, how in said):
        notes.append("matched by name alone")
    if len(said) > 1:
        notes.append(f"{len(said)} statements")
    return Edge(
        a, b, DOCUMENTED if documented else CLAIMED, label=f"{word}: {ways}" if ways else word,
        directed=documented and not torn, mechanism=",".join(numbers), basis=",".join(bases),
        evidence=first.evidence, source=first.source, note=", ".join(notes),
    )  # fmt: skip


def _rings(ordered: Iterable[tuple[str, str]]) -> list[frozenset[str]]:
    """Sets of models of which each is, over some way, before every other: their order is contradicted.

    Tarjan's algorithm for strongly connected components (1972), without recursion.
    """
    after: dict[str, list[str]] = {}
    for a, b in sorted(ordered):
        after.setdefault(a, []).append(b)
        after.setdefault(b, [])
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on: set[str] = set()
    out: list[frozenset[str]] = []
    for start in after:
        if start in index:
            continue
        work = [(start, iter(after[start]))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on.add(start)
        while work:
            here, rest = work[-1]
            deeper = False
            for there in rest:
                if there not in index:
                    index[there] = low[there] = len(index)
                    stack.append(there)
                    on.add(there)
                    work.append((there, iter(after[there])))
                    deeper = True
                    break
                if there in on:
                    low[here] = min(low[here], index[there])
            if deeper:
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[here])
            if low[here] == index[here]:
                ring = set()
                while True:
                    top = stack.pop()
                    on.discard(top)
                    ring.add(top)
                    if top == here:
                        break
                if len(ring) > 1:
                    out.append(frozenset(ring))
    return out


def _documented(edges: Iterable[Edge], place: Mapping[str, int]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Of each model, what is documented as made from it, and what it is documented as made from."""
    made: dict[str, list[str]] = {}
    into: dict[str, list[str]] = {}
    for e in edges:
        if e.directed:
            made.setdefault(e.a, []).append(e.b)
            into.setdefault(e.b, []).append(e.a)
    for listed in (made, into):
        for ids in listed.values():
            ids.sort(key=place.__getitem__)
    return dict(sorted(made.items(), key=lambda x: place[x[0]])), dict(sorted(into.items(), key=lambda x: place[x[0]]))


def _components(nodes: Iterable[str], edges: Iterable[Edge]) -> tuple[tuple[str, ...], ...]:
    above = {id: id for id in nodes}

    def top(id: str) -> str:
        while above[id] != id:
            above[id] = above[above[id]]
            id = above[id]
        return id

    for e in edges:
        if e.kind != CONTEXT:
            above[top(e.a)] = top(e.b)
    groups: dict[str, list[str]] = {}
    for id in above:
        groups.setdefault(top(id), []).append(id)
    return tuple(tuple(g) for g in groups.values())


def _quoted(node: Node) -> str:
    name, half = node.label, _NAME // 2
    if len(name) <= _NAME:
        return f"“{clean(name, _NAME)}”"
    return f"“{clean(name[:half], half)}…{clean(name[-half:], half)}”"  # its end tells models of one name apart


def family_of_scan(record: Mapping[str, Any], *, context: bool = False) -> Family:
    """The graph of a scan record (schema ``mpk-tui/scan/1``): the model that was scanned, its relatives, documents.

    Args:
        record: Of a scan; nothing about its shape is taken for granted, what does not fit is left out.
        context: Draw the near misses too, with thin lines that say nothing.
    """
    query = _inner(record, "query")
    facts = ("scanned", *_model_facts(query))
    models = [Model("query", _text(query, "label") or "no label", QUERY, facts, (), _hex(query, "fingerprint"),
                    _hex(query, "root"))]  # fmt: skip
    found: list[Found] = []
    alike: list[Alike] = []
    for row in _rows(record, "relatives"):
        model = _entry(row)
        if model is None:
            continue
        models.append(model)
        found.append(_compared("query", model.id, row))
    found += [_compared(_id({"id": r.get("a")}), _id({"id": r.get("b")}), r) for r in _rows(record, "pairs")]
    for row in _rows(record, "near_misses") if context else ():
        model = _entry(row)
        if model is not None:
            models.append(model)
            alike.append(Alike("query", model.id, clean(_text(row, "what") or "a near miss", _NAME)))
    return family(models, found, _stated(record, models), alike)


def _compared(a: str, b: str, row: Mapping[str, Any]) -> Found:
    """What a row of a scan record says of two models."""
    finding, scope = _text(row, "finding"), _text(row, "scope")
    parts = tuple(_text(c, "name") for c in _rows(row, "components") if _text(c, "finding") in SAYS)
    return Found(a, b, finding, _number(row, "p"), _number(row, "rho"), row.get("p_is_bound") is True,
                 tuple(filter(None, parts)), scope == "part" and finding not in OPEN)  # fmt: skip


def _stated(record: Mapping[str, Any], models: Sequence[Model]) -> Iterable[Stated]:
    """What is said of the entries of a scan record, flat or by entry."""
    known = {m.id for m in models}
    for row in _rows(record, "parents"):
        inner = row.get("entry")
        of = _id(inner if isinstance(inner, Mapping) else {"id": inner})
        for p in _rows(row, "parents") or [row]:
            if of in known and (_text(p, "name") or _hex(p, "fingerprint") or _hex(p, "root")):
                yield Stated(of, _text(p, "name"), _hex(p, "fingerprint"), _hex(p, "root"), _text(p, "mechanism"),
                             _text(p, "kind"), _text(p, "evidence"), _text(p, "source"))  # fmt: skip


def _entry(row: Mapping[str, Any]) -> Model | None:
    entry = _inner(row, "entry")
    id = _id(entry)
    if not id:
        return None
    name = _text(entry, "name")
    aliases = entry.get("aliases")
    names = (name, *(a for a in aliases if isinstance(a, str))) if isinstance(aliases, list | tuple) else (name,)
    facts = ("reference", *_model_facts(entry))
    return Model(id, name or "no name", REFERENCE, facts, tuple(n for n in names if n), _hex(entry, "fingerprint"),
                 _hex(entry, "root"))  # fmt: skip


def _model_facts(row: Mapping[str, Any]) -> tuple[str, ...]:
    parameters = row.get("parameters")
    counted = isinstance(parameters, int) and not isinstance(parameters, bool) and 0 < parameters < 10**18
    return tuple(
        filter(None, (_text(row, "family"), f"{parameters:,} parameters" if counted else "", _text(row, "licence")))
    )


def _id(entry: Mapping[str, Any]) -> str:
    value = entry.get("id")
    if isinstance(value, bool) or not isinstance(value, int | str) or len(str(value)) > 128:
        return ""
    return f"entry:{value}"


def _inner(row: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = row.get(key)
    return value if isinstance(value, Mapping) else {}


def _rows(row: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = row.get(key)
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list | tuple) else []


def _text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""


def _hex(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    return value.hex() if isinstance(value, bytes) else value if isinstance(value, str) else ""


def _number(row: Mapping[str, Any], key: str) -> float | None:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        return None
    return float(value)
