"""Where each model of a family graph stands when it is drawn as trees: the order of lines in a terminal.

A tree needs one line to every model but the first; a graph has more.  Documented arrows come first: a model stands
below what it is documented as made from.  Others hang on what they share most with: from the models that stand already
the strongest line is taken, then the next (Prim 1957, a spanning tree).  What is left over is a cross edge, listed
below the trees.  No place in a tree says anything: only an arrow does.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from mpk_tui.family.graph import CLAIMED, CONTEXT, FINDING, PART, QUERY, SAYS, Edge, Family

DEEPEST = 8
"""Levels below a root; what would stand deeper begins a tree of its own, and its line is a cross edge."""


@dataclass(frozen=True)
class Twig:
    """A model in a tree.

    Attributes:
        node: Its id.
        edge: What it hangs on; None for a root.
        depth: Levels below the root.
        last: For each level down to its own, whether no other follows there.
    """

    node: str
    edge: Edge | None
    depth: int
    last: tuple[bool, ...]


def trees(graph: Family) -> tuple[tuple[Twig, ...], tuple[Edge, ...]]:
    """Models in the order of lines, each with the edge that it hangs on, and the edges that no line of a tree draws."""
    order = [n.id for n in graph.nodes]
    below: dict[str, list[tuple[str, Edge]]] = {id: [] for id in order}
    above: dict[str, str] = {}
    used: set[int] = set()
    for n, e in enumerate(graph.edges):
        if e.directed and e.b not in above:
            above[e.b] = e.a
            below[e.a].append((e.b, e))
            used.add(n)
    beside: dict[str, list[tuple[str, int]]] = {id: [] for id in order}
    for n, e in enumerate(graph.edges):
        if n not in used and not e.directed:
            beside[e.a].append((e.b, n))
            beside[e.b].append((e.a, n))
    asked = {n.id for n in graph.nodes if n.kind == QUERY}
    tops = [id for id in order if id not in above]
    # Documented trees first, then the model that is asked about; the rest hangs on these where it can.
    tops.sort(key=lambda id: (not below[id], id not in asked))
    top_set, placed, roots, turn = set(tops), set[str](), [], count()
    for start in tops:
        if start in placed:
            continue
        roots.append(start)
        placed.add(start)
        new, weak = deque([start]), deque[tuple[str, Iterator[tuple[str, int]]]]()
        strong: list[tuple[int, float, int, str, str, int]] = []
        while new or strong or weak:
            if new:
                here = new.popleft()
                documented = [id for id, _ in below[here]]
                placed.update(documented)
                new.extend(documented)
                for there, n in beside[here]:
                    if _firm(graph.edges[n]):
                        heapq.heappush(strong, (*_weakness(graph.edges[n]), next(turn), here, there, n))
                weak.append((here, iter([(there, n) for there, n in beside[here] if not _firm(graph.edges[n])])))
                continue
            if strong:
                *_, here, there, n = heapq.heappop(strong)
            else:
                # What was found goes before what is only said: a claim holds a model where nothing else does.
                here, rest = weak[0]
                there, n = next(rest, ("", -1))
                if not there:
                    weak.popleft()
                    continue
            if there in top_set and there not in placed:
                placed.add(there)
                below[here].append((there, graph.edges[n]))
                used.add(n)
                new.append(there)
    out: list[Twig] = []
    waiting = deque(roots)
    broken: list[Edge] = []
    while waiting:
        _walk(waiting.popleft(), below, out, waiting, broken)
    cross = [*broken, *(e for n, e in enumerate(graph.edges) if n not in used)]
    return tuple(out), tuple(cross)


def _firm(e: Edge) -> bool:
    return e.kind not in (CLAIMED, CONTEXT)


_RANK = {finding: n for n, finding in enumerate(SAYS)}


def _weakness(e: Edge) -> tuple[int, float]:
    """What sorts the strongest line first: by what was found, then by the correlation; documents in dispute last."""
    if e.kind != FINDING:
        return len(_RANK), 0.0
    rank = _RANK.get(e.finding, len(_RANK))
    return max(rank, _RANK[PART]) if e.part else rank, -(e.rho or 0.0)


def _walk(
    root: str, below: dict[str, list[tuple[str, Edge]]], out: list[Twig], more: deque[str], broken: list[Edge]
) -> None:
    """One tree, depth first, without recursion."""
    stack: list[Twig] = [Twig(root, None, 0, ())]
    while stack:
        twig = stack.pop()
        out.append(twig)
        under = below[twig.node]
        if twig.depth == DEEPEST:
            broken.extend(e for _, e in under)
            more.extend(id for id, _ in under)
            continue
        made = [Twig(id, e, twig.depth + 1, (*twig.last, n == len(under) - 1)) for n, (id, e) in enumerate(under)]
        stack.extend(reversed(made))
