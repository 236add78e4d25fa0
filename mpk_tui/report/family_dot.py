"""A family graph in the DOT language, for Graphviz and what reads it.

No edge has an arrow head by default; the documented ones set their own.  Every text is a quoted string, in which a
quotation mark and a backslash are escaped, so that neither the string ends nor an escape of a label (``\\N``, ``\\l``)
is read, and an ampersand, so that no entity is (Graphviz, "The DOT Language" and the attribute type escString).
"""

from __future__ import annotations

from mpk_tui.family.graph import NAMED, QUERY, Edge, Family, Node
from mpk_tui.report.family_text import MEANS
from mpk_tui.report.untrusted import shown

_STYLES = {
    "arrow": 'dir=forward, style="bold"', "double": 'style="bold", color="black:black"', "solid": 'style="solid"',
    "dashed": 'style="dashed"', "open": 'style="dashed", penwidth="0.6"', "dotted": 'style="dotted"',
    "thin": 'style="dotted", penwidth="0.4", constraint="false"',
}  # fmt: skip
_SHAPES = {QUERY: ', peripheries="2"', NAMED: ', style="dashed"'}


def dot(graph: Family, title: str = "Family graph") -> str:
    """The graph as one DOT file: every node and edge, ids ``n1``, ``n2`` and so on, ASCII and UTF-8 alike.

    Args:
        graph: What to write.
        title: Ours.
    """
    number = {n.id: f"n{k}" for k, n in enumerate(graph.nodes, 1)}
    out = [
        "digraph family {",
        f'  graph [rankdir="LR", charset="UTF-8", label={_quoted(title)}];',
        '  node [shape="box", fontname="sans-serif"];',
        '  edge [dir=none, fontname="sans-serif", fontsize="10"];',
        *(f"  // {line}" for line in _comments(graph)),
    ]
    out += [f"  {number[n.id]} [label={_label(n)}{_SHAPES.get(n.kind, '')}];" for n in graph.nodes]
    out += [_edge(e, number) for e in graph.edges]
    return "\n".join([*out, "}"]) + "\n"


def _comments(graph: Family) -> list[str]:
    """What the lines mean and what must be said beside them; a comment ends with its line, so each is one line."""
    kinds = {e.line for e in graph.edges}
    meant = [f"{kind}: {text}" for kind, text in MEANS.items() if kind in kinds]
    return [*meant, *(shown(f"note: {note}", 600).replace("\\", "/") for note in graph.notes[:100])]


def _label(n: Node) -> str:
    return _quoted(n.label, *n.facts)


def _edge(e: Edge, number: dict[str, str]) -> str:
    words = [e.label, e.numbers(), e.note]
    return f"  {number[e.a]} -> {number[e.b]} [{_STYLES[e.line]}, label={_quoted(*filter(None, words))}];"


def _quoted(*texts: str) -> str:
    """Texts as a quoted string, a line each."""
    lines = (shown(t, 300).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for t in texts)
    return '"' + "\\n".join(lines) + '"'
