"""Where the models and lines of a family graph stand in a picture: columns from left to right, no line over a box.

A layered drawing after Sugiyama, Tagawa and Toda (1981): every model gets a column so that each line goes from left to
right; a line that crosses a column gets a place of its own in it; places in a column are ordered by the mean of their
neighbours, then moved to where their lines are straightest (least squares under distances, by pooling adjacent
violators).  The column of a model says nothing about which came first; only an arrow does.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from mpk_tui.family.graph import QUERY, Edge, Family

MOST_NODES = 60
MOST_EDGES = 200
MOST_COLUMNS = 8
BOX, FAN, LABEL = 184.0, 54.0, 210.0
"""Widths: of a box, of the space where lines change their height, and of the level end of a line, with its words."""
TALL, ROW, THIN, GAP = 42.0, 34.0, 12.0, 12.0
"""Heights: of a box, of each line that ends at it, of a line's place in a column that it crosses; and between them."""
_SWEEPS = 6


@dataclass
class Slot:
    """A place in a column: a model, or where a line goes through.

    Attributes:
        column: From 0.
        node: Id of the model, or empty.
        height: Pixels.
        y: Middle.
        left: Slots of the column before, with the line's number.
        right: Slots of the column behind.
    """

    column: int
    node: str = ""
    height: float = THIN
    y: float = 0.0
    left: list[tuple[int, Slot]] = field(default_factory=list)
    right: list[tuple[int, Slot]] = field(default_factory=list)

    @property
    def x(self) -> float:
        """Left side of the box."""
        return self.column * (BOX + FAN + LABEL)

    @property
    def end(self) -> float:
        """Right side of the box."""
        return self.x + BOX

    def port(self, edge: int) -> float:
        """Height at which a line from the left ends."""
        at = next((n for n, (e, _) in enumerate(self.left) if e == edge), 0)
        return self.y + (at - (len(self.left) - 1) / 2) * ROW if self.node else self.y

    def leaving(self, edge: int) -> float:
        """Height at which a line to the right begins."""
        at = next((n for n, (e, _) in enumerate(self.right) if e == edge), 0)
        room = min(8.0, (self.height - 12) / max(1, len(self.right) - 1))
        return self.y + (at - (len(self.right) - 1) / 2) * room if self.node else self.y


@dataclass(frozen=True)
class Placed:
    """A line.

    Attributes:
        edge: What it draws.
        points: From left to right; the last piece is level and carries the words.
    """

    edge: Edge
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Layout:
    """A picture.

    Attributes:
        boxes: Models with the left side, middle and height of their boxes.
        lines: Lines.
        width: Pixels.
        height: Pixels.
        left_out: Models that are not drawn.
        lines_left_out: Lines between models that are drawn, which are not.
    """

    boxes: tuple[tuple[str, float, float, float], ...]
    lines: tuple[Placed, ...]
    width: float
    height: float
    left_out: int = 0
    lines_left_out: int = 0


def layout(graph: Family) -> Layout:
    """Places for at most `MOST_NODES` models; the query and what was given first are drawn first."""
    order = [n.id for n in graph.nodes]
    first = sorted(graph.nodes, key=lambda n: n.kind != QUERY)
    drawn = {n.id for n in first[:MOST_NODES]}
    queries = {n.id for n in graph.nodes if n.kind == QUERY}
    edges = [e for e in graph.edges if e.a in drawn and e.b in drawn]
    column = _columns([id for id in order if id in drawn], edges, queries)
    drawn = {id for id in drawn if column[id] < MOST_COLUMNS}
    known = [e for e in edges if e.a in drawn and e.b in drawn]
    edges = known[:MOST_EDGES]
    touched = {id for e in edges for id in (e.a, e.b)}
    boxes: list[tuple[str, float, float, float]] = []
    lines: list[Placed] = []
    top = 0.0
    for component in graph.components:
        ids = [id for id in component if id in touched]
        if ids:
            inside = set(ids)
            top = _component(ids, [e for e in edges if e.a in inside], column, top, boxes, lines) + 2 * GAP
    alone = [id for id in order if id in drawn and id not in touched]
    across = max(1, max((column[id] for id in touched), default=1) + 1) if touched else 3
    for n, id in enumerate(alone):
        step = (BOX + FAN + LABEL) if touched else BOX + 2 * GAP
        boxes.append((id, n % across * step, top + n // across * (TALL + GAP) + TALL / 2, TALL))
    if alone:
        top += -(-len(alone) // across) * (TALL + GAP) + GAP
    width = max([x + BOX for _, x, _, _ in boxes], default=BOX)
    left_out = len(graph.nodes) - len(drawn)
    return Layout(tuple(boxes), tuple(lines), width, max(0.0, top - GAP), left_out, len(known) - len(edges))


def _columns(ids: Sequence[str], edges: Sequence[Edge], queries: set[str]) -> dict[str, int]:
    """Longest way to each model when every line goes on in one order: that of documents, else that of nearness."""
    beside: dict[str, list[str]] = {id: [] for id in ids}
    before: dict[str, int] = dict.fromkeys(ids, 0)
    after: dict[str, list[str]] = {id: [] for id in ids}
    for e in edges:
        beside[e.a].append(e.b)
        beside[e.b].append(e.a)
        if e.directed:
            after[e.a].append(e.b)
            before[e.b] += 1
    near: dict[str, int] = {}
    for start in sorted(ids, key=lambda id: id not in queries):
        queue = deque([start] * (start not in near))
        while queue:
            here = queue.popleft()
            if here not in near:
                near[here] = len(near)
                queue.extend(id for id in beside[here] if id not in near)
    ready = [(near[id], id) for id in ids if not before[id]]
    heapq.heapify(ready)
    order: dict[str, int] = {}
    while ready:
        _, here = heapq.heappop(ready)
        order[here] = len(order)
        for id in after[here]:
            before[id] -= 1
            if not before[id]:
                heapq.heappush(ready, (near[id], id))
    column = dict.fromkeys(ids, 0)
    for here in order:  # arrows go round in no ring: every model has its turn
        for id in beside[here]:
            if order[id] > order[here]:
                column[id] = max(column[id], column[here] + 1)
    return column


def _component(
    ids: Iterable[str],
    edges: Sequence[Edge],
    column: dict[str, int],
    top: float,
    boxes: list[tuple[str, float, float, float]],
    lines: list[Placed],
) -> float:
    """Place what hangs together below ``top``; returns where it ends."""
    slots = {id: Slot(column[id], id, TALL) for id in ids}
    columns: dict[int, list[Slot]] = {}
    for slot in slots.values():
        columns.setdefault(slot.column, []).append(slot)
    ways: list[list[Slot]] = []
    for n, e in enumerate(edges):
        a, b = sorted((slots[e.a], slots[e.b]), key=lambda s: s.column)
        way = [a, *(Slot(c) for c in range(a.column + 1, b.column)), b]
        for slot in way[1:-1]:
            columns.setdefault(slot.column, []).append(slot)
        for one, other in pairwise(way):
            one.right.append((n, other))
            other.left.append((n, one))
        ways.append(way)
    listed = [columns[c] for c in sorted(columns)]
    for slot in slots.values():
        slot.height = max(TALL, ROW * len(slot.left) + 12)
    for sweep in range(_SWEEPS):
        _sort(listed if sweep % 2 == 0 else listed[::-1], from_left=sweep % 2 == 0)
    for slot in (s for c in listed for s in c):
        slot.left.sort(key=lambda x: (x[1].y, x[0]))
        slot.right.sort(key=lambda x: (x[1].y, x[0]))
    for sweep in range(_SWEEPS):
        for c in listed if sweep % 2 else listed[::-1]:
            _straighten(c, from_left=bool(sweep % 2))
    high = min(s.y - s.height / 2 for c in listed for s in c)
    for slot in (s for c in listed for s in c):
        slot.y += top - high
    boxes += [(id, s.x, s.y, s.height) for id, s in slots.items()]
    lines += [Placed(e, _points(n, way)) for n, (e, way) in enumerate(zip(edges, ways, strict=True))]
    return max(s.y + s.height / 2 for c in listed for s in c)


def _sort(columns: Sequence[list[Slot]], *, from_left: bool) -> None:
    """Order each column by the mean place of what stands before it."""
    for c in columns:
        keys = {}
        for n, slot in enumerate(c):
            beside = [s.y for _, s in (slot.left if from_left else slot.right)]
            keys[id(slot)] = (sum(beside) / len(beside) if beside else slot.y, n)
        c.sort(key=lambda s: keys[id(s)])
        y = 0.0
        for slot in c:
            slot.y = y + slot.height / 2
            y += slot.height + GAP


def _straighten(c: Sequence[Slot], *, from_left: bool) -> None:
    """Move a column, in its order, as near as it gets to the mean height of its lines' other ends."""
    wanted = []
    for slot in c:
        other = slot.left if from_left else slot.right
        ends = [s.y for _, s in other] or [s.y for _, s in (slot.right if from_left else slot.left)]
        wanted.append(sum(ends) / len(ends) if ends else slot.y)
    offset, least = 0.0, []
    for n, slot in enumerate(c):
        if n:
            offset += c[n - 1].height / 2 + GAP + slot.height / 2
        least.append(offset)
    pools: list[tuple[float, int]] = []
    for want, away in zip(wanted, least, strict=True):
        total, count = want - away, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            more, others = pools.pop()
            total, count = total + more, count + others
        pools.append((total, count))
    level = [total / count for total, count in pools for _ in range(count)]
    for slot, at, away in zip(c, level, least, strict=True):
        slot.y = at + away


def _points(n: int, way: Sequence[Slot]) -> tuple[tuple[float, float], ...]:
    """A line's corners: it changes its height in the free space behind a column, and is level elsewhere."""
    out = [(way[0].end, way[0].leaving(n))]
    for slot in way[1:]:
        y = slot.port(n)
        out.append((slot.x - LABEL, y))
        out.append((slot.end if not slot.node else slot.x, y))
    return tuple(out)
