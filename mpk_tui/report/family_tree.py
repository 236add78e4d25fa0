"""Where each model of a family graph stands when it is drawn as trees: the order of lines in a terminal.

A tree needs one line to every model but the first; a graph has more.  Documented arrows come first: a model stands
below what it is documented as made from.  Others hang on whatever they share something with.  What is left over is a
cross edge, listed below the trees.  No place in a tree says anything: only an arrow does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from mpk_tui.family.graph import CLAIMED, CONTEXT, QUERY, Edge, Family

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
    top_set, placed, roots = set(tops), set[str](), []
    for start in tops:
        if start in placed:
            continue
        roots.append(start)
        placed.add(start)
        strong, weak = deque([start]), deque[str]()
        while strong or weak:
            # What was found goes before what is only said: a claim holds a model where nothing else does.
            firm = bool(strong)
            here = strong.popleft() if firm else weak.popleft()
            if firm:
                weak.append(here)
                strong.extend(id for id, _ in below[here])
                placed.update(id for id, _ in below[here])
            for there, n in beside[here]:
                e = graph.edges[n]
                if (e.kind not in (CLAIMED, CONTEXT)) is firm and there in top_set and there not in placed:
                    placed.add(there)
                    below[here].append((there, e))
                    used.add(n)
                    strong.append(there)
                    if not firm:
                        weak.appendleft(here)
                        break
    out: list[Twig] = []
    waiting = deque(roots)
    broken: list[Edge] = []
    while waiting:
        _walk(waiting.popleft(), below, out, waiting, broken)
    cross = [*broken, *(e for n, e in enumerate(graph.edges) if n not in used)]
    return tuple(out), tuple(cross)


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
