"""A family graph as lines of a terminal or of an e-mail: trees, cross edges below them, what the lines mean.

Nothing in a name can move a cursor, reorder a line or break out of it: every text is one clean piece, cut where the
line ends.  In ASCII every other character of a name is spelled out.
"""

from __future__ import annotations

from mpk_tui.family.graph import Edge, Family, Node
from mpk_tui.report.family_tree import Twig, trees
from mpk_tui.report.lines import columns, simple, wrap
from mpk_tui.report.untrusted import shown

WIDTH = 80
MOST = 200
"""Models that are listed; the rest is counted."""
MOST_CROSS = 100
_LINES = {
    "arrow": ("══▶", "==>"), "double": ("═══", "==="), "solid": ("───", "---"), "dashed": ("╌╌╌", "- -"),
    "open": ("─·─", "-.-"), "dotted": ("···", "..."), "thin": ("~~~", "~~~"),
}  # fmt: skip
MEANS = {
    "arrow": "documented: what the arrow points to was made from the other",
    "double": "documented, but documents contradict each other: no order",
    "solid": "found in the weights, which show no order",
    "dashed": "found in a part of the weights only",
    "open": "something in common that is no trained ancestor, or not resolved",
    "dotted": "claimed, not documented",
    "thin": "context only: says nothing about where a model comes from",
}
"""What each line means."""
_NAME = 200


def lines(graph: Family, *, width: int = WIDTH, ascii: bool = False, most: int = MOST) -> list[str]:
    """The graph as lines of at most ``width`` columns.

    Args:
        graph: What to draw.
        width: Columns, at least 60.
        ascii: Use nothing but ASCII.
        most: Models that are listed.
    """
    width = max(width, 60)
    twigs, cross = trees(graph)
    listed, cut = twigs[:most], twigs[most:]
    number = {t.node: n for n, t in enumerate(listed, 1)}
    nodes = {n.id: n for n in graph.nodes}
    out: list[str] = []
    for n, t in enumerate(listed):
        goes_on = n + 1 < len(listed) and listed[n + 1].depth == t.depth + 1
        out += _twig(t, nodes[t.node], number[t.node], width, ascii=ascii, more=goes_on)
    if cut:
        out.append(f"and {len(cut):,} more models")
    drawn = [e for e in cross if e.a in number and e.b in number]
    if drawn:
        out += ["", "Lines between these trees:" if len(graph.components) > 1 else "Further lines:"]
        for e in drawn[:MOST_CROSS]:
            ends = f"[{number[e.a]}] {_line(e, ascii=ascii)} [{number[e.b]}]  "
            out += wrap(_said(e.words(), ascii=ascii), f"  {ends}", " " * (2 + columns(ends)), width)
        if len(drawn) > MOST_CROSS:
            out.append(f"  and {len(drawn) - MOST_CROSS:,} more")
    out += _groups(graph, number, width)
    for note in graph.notes[:20]:
        out += wrap(_said(note, ascii=ascii, limit=600), "Note: ", "      ", width)
    if len(graph.notes) > 20:
        out.append(f"and {len(graph.notes) - 20:,} more notes")
    if graph.edges:
        out += ["", *legend(graph, width, ascii=ascii)]
    return [line.rstrip() for line in out]


def legend(graph: Family, width: int = WIDTH, *, ascii: bool = False) -> list[str]:
    """What the lines that occur mean."""
    kinds = {e.line for e in graph.edges}
    out = []
    for kind, text in MEANS.items():
        if kind in kinds:
            out += wrap(text, f"{_LINES[kind][ascii]}  ", "     ", width)
    return out


def _twig(t: Twig, node: Node, number: int, width: int, *, ascii: bool, more: bool) -> list[str]:
    """A model: its name, then what it hangs on and its facts, below each other where they do not fit."""
    bar, tee, corner = ("|", "|", "`") if ascii else ("│", "├", "└")
    rails = "".join("     " if last else f"{bar}    " for last in t.last[:-1])
    head = ""
    if t.edge is not None:
        head = f"{rails}{corner if t.last[-1] else tee}{_line(t.edge, ascii=ascii)} "
    under = ("" if t.edge is None else rails + ("     " if t.last[-1] else f"{bar}    ")) + (bar if more else " ")
    under = under.ljust(columns(under) + 3)
    mark = f"[{number}] "
    name = _name(node.label, width - columns(head) - columns(mark), ascii=ascii)
    facts = _said(", ".join(node.facts), ascii=ascii)
    said = _said(t.edge.words(), ascii=ascii) if t.edge is not None else ""
    first = f"{head}{mark}{name}"
    room = width - columns(first)
    if facts and columns(facts) + 4 <= room:
        first, facts = f"{first}  ({facts})", ""
    out = [first]
    for text in filter(None, (said, f"({facts})" if facts else "")):
        out += wrap(text, under, under, width)
    return out


def _groups(graph: Family, number: dict[str, int], width: int) -> list[str]:
    out: list[str] = []
    for s in graph.siblings:
        members = [f"[{number[m]}]" for m in s.members if m in number]
        if s.ancestor in number and len(members) > 1:
            out += wrap(f"{', '.join(members)}: documented as made from one and the same, [{number[s.ancestor]}]",
                        "  ", "  ", width)  # fmt: skip
    for m in graph.merges:
        sources = [f"[{number[s]}]" for s in m.sources if s in number]
        if m.model in number and len(sources) > 1:
            out += wrap(f"[{number[m.model]}]: documented as made from {', '.join(sources)}", "  ", "  ", width)
    return ["", "Documented groups:", *out] if out else []


def _line(e: Edge, *, ascii: bool) -> str:
    return _LINES[e.line][ascii]


def _name(label: str, room: int, *, ascii: bool) -> str:
    """A name, in quotation marks where somebody could take it for words of ours."""
    text = _said(label, ascii=ascii, limit=_NAME)
    if simple(text):
        return cut(text, room, ascii=ascii)
    inner = cut(text.translate(_MARKS), room - 2, ascii=ascii)
    return f"'{inner}'" if ascii else f"‘{inner}’"


_MARKS = str.maketrans("‘’", "''")


def _said(text: str, *, ascii: bool, limit: int = 400) -> str:
    out = shown(text, limit)
    return out.encode("ascii", "backslashreplace").decode("ascii") if ascii else out


def cut(text: str, room: int, *, ascii: bool = False) -> str:
    """A name in so many columns: what is too long loses its middle, for both ends of a name tell."""
    if columns(text) <= room:
        return text
    dots = "..." if ascii else "…"
    left = max(1, (room - len(dots)) // 2)
    right = max(1, room - len(dots) - left)
    return f"{_fitting(text, left)}{dots}{_fitting(text[::-1], right)[::-1]}"


def _fitting(text: str, room: int) -> str:
    used = 0
    for n, c in enumerate(text):
        used += columns(c)
        if used > room:
            return text[:n]
    return text
