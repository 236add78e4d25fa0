"""Records of a family graph: models, what lies between them, and what it is made from.  Pure, standard library.

Texts of nodes and edges come from strangers (names, quotations) and stay as they are: whoever draws escapes them.
What becomes an edge, and which edge has an arrow, is decided in `mpk_tui.family.building`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SCHEMA = "mpk-tui/family/1"
QUERY, REFERENCE, NAMED = "query", "reference", "named only"
NODES = (QUERY, REFERENCE, NAMED)
"""A model that is asked about, one that is known, and one that is known by its name in a document alone."""
DOCUMENTED, FINDING, CLAIMED, CONTEXT = "documented", "finding", "claimed", "context"
EDGES = (DOCUMENTED, FINDING, CLAIMED, CONTEXT)
BASES = ("a", "b", "c")
"""Kinds of evidence that can document a direction (constitution 1.0.0, evidence standard)."""
EQUAL = frozenset({"identical", "reformatted"})
PART = "component-shared"
OPEN = frozenset({"shared-initialisation", "common-origin-unresolved"})
"""Findings of something in common that is no trained ancestor, or not known to be one."""
NOTHING = frozenset({"no-correspondence", "not-comparable"})
"""Findings that draw nothing."""
SAYS = {
    "identical": "identical weights",
    "reformatted": "the same numbers in another form",
    "near-identical": "nearly identical weights",
    "shared-trained-ancestor": "a shared trained ancestor",
    PART: "a shared part",
    "shared-initialisation": "a shared starting point only",
    "common-origin-unresolved": "a common origin, not resolved",
}
"""Findings in the few words that fit a line of a graph."""
MECHANISMS = {
    "3.1": "copy or reformatting", "3.2": "fine-tuning", "3.3": "continued pretraining", "3.4": "other vocabulary",
    "3.5": "distillation", "3.6": "other structure, weights kept", "3.7": "quantization or compression",
    "3.8": "adapter", "3.9": "merge",
}  # fmt: skip
"""Mechanisms of the constitution in the few words that fit a line of a graph."""


@dataclass(frozen=True)
class Node:
    """A model.

    Attributes:
        id: Within the graph; ours, ``[a-z0-9.:_-]`` and so on, chosen by whoever asks for the graph.
        label: What it is called; untrusted.
        kind: One of `NODES`.
        facts: A few short facts to be printed with it; untrusted.
    """

    id: str
    label: str
    kind: str
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edge:
    """Something between two models.

    Attributes:
        a: A node; of a documented or claimed edge the one that the other is said to be made from.
        b: Another node.
        kind: One of `EDGES`.
        finding: Of a comparison, or empty.
        label: What it is, in our words.
        directed: The order of the two is documented and nothing that is documented contradicts it.
        mechanism: Numbers of mechanisms that documents name, ``3.2``; several with a comma between.
        basis: Kinds of the evidence, ``a``, ``b`` and ``c``; several with a comma between.
        evidence: Its words, or a digest; untrusted.
        source: Where it stands; untrusted.
        p: Of the finding, or None.
        bound: Whether p is an upper bound.
        rho: Of the finding, or None.
        part: Only a part of the two is meant.
        note: What must be said beside it, in our words.
    """

    a: str
    b: str
    kind: str
    finding: str = ""
    label: str = ""
    directed: bool = False
    mechanism: str = ""
    basis: str = ""
    evidence: str = ""
    source: str = ""
    p: float | None = None
    bound: bool = False
    rho: float | None = None
    part: bool = False
    note: str = ""

    @property
    def line(self) -> str:
        """How it is drawn: ``arrow``, ``double``, ``solid``, ``dashed``, ``open``, ``dotted`` or ``thin``."""
        if self.kind == DOCUMENTED:
            return "arrow" if self.directed else "double"
        if self.kind == FINDING:
            return "dashed" if self.part else "open" if self.finding in OPEN else "solid"
        return "dotted" if self.kind == CLAIMED else "thin"

    def numbers(self) -> str:
        """ρ̂ and p as they may be quoted, or empty."""
        out = [f"rho {correlation(self.rho)}"] if self.rho is not None else []
        if self.p is not None:
            out.append("p < 1e-12" if self.p <= 1e-12 else f"p {'<=' if self.bound else '='} {self.p:.2g}")
        return ", ".join(out)

    def words(self) -> str:
        """All of it in one line of words."""
        return "; ".join(t for t in (self.label, self.numbers(), self.note) if t)


def correlation(rho: float) -> str:
    """A correlation as it is printed: what is nearly one is not rounded to one."""
    return f"{rho:.3f}" if not 0.9995 <= abs(rho) < 1 else f"{min(max(rho, -0.99999), 0.99999):.5f}"


@dataclass(frozen=True)
class Siblings:
    """Models that are documented as made from the same one."""

    ancestor: str
    members: tuple[str, ...]


@dataclass(frozen=True)
class Merged:
    """A model that is documented as made from several."""

    model: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """The graph.

    Attributes:
        nodes: In the order in which they were given, those that are named only behind them.
        edges: In the order of their nodes.
        components: Ids of nodes that hang together by what is drawn, context aside; in the order of nodes.
        siblings: Models of one documented ancestor.
        merges: Models of several documented ancestors.
        notes: What must be said beside the picture; holds names, quoted and cleaned.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...] = ()
    components: tuple[tuple[str, ...], ...] = ()
    siblings: tuple[Siblings, ...] = ()
    merges: tuple[Merged, ...] = ()
    notes: tuple[str, ...] = ()

    def node(self, id: str) -> Node:
        """A node by its id."""
        return next(n for n in self.nodes if n.id == id)


@dataclass(frozen=True)
class Model:
    """A model that is at hand, by which names and digests others may mean it.

    Attributes:
        id: For the graph.
        label: What it is called.
        kind: ``query`` or ``reference``.
        facts: Short facts.
        names: All that it is called; a query, whose name nobody vouches for, has none.
        fingerprint: SHA-256 of its fingerprint record, hex, or empty.
        root: Its tensor root, hex, or empty.
    """

    id: str
    label: str
    kind: str = REFERENCE
    facts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    fingerprint: str = ""
    root: str = ""


@dataclass(frozen=True)
class Found:
    """What a comparison of two models found.

    Attributes:
        a: Id of a model.
        b: Id of another.
        finding: As in the comparison record.
        p: Of the finding, or None.
        rho: Of the finding, or None.
        bound: Whether p is an upper bound.
        parts: Names of the parts that are shared, where it is parts alone.
        part: Only parts are shared, whatever the finding is called.
        note: What must be said beside it, in our words.
    """

    a: str
    b: str
    finding: str
    p: float | None = None
    rho: float | None = None
    bound: bool = False
    parts: tuple[str, ...] = ()
    part: bool = False
    note: str = ""


@dataclass(frozen=True)
class Stated:
    """What somebody says that a model was made from.

    Attributes:
        of: Id of the model.
        name: Of what it was made from; untrusted.
        fingerprint: Its fingerprint digest, hex, or empty.
        root: Its tensor root, hex, or empty.
        mechanism: Number of a mechanism, or empty.
        kind: Kind of evidence, ``a``, ``b`` or ``c``; anything else makes it a claim.
        evidence: Words or digest.
        source: Where that stands.
    """

    of: str
    name: str
    fingerprint: str = ""
    root: str = ""
    mechanism: str = ""
    kind: str = ""
    evidence: str = ""
    source: str = ""

    @property
    def documented(self) -> bool:
        """Whether it names evidence of a kind that counts: a kind without words and without a place names none."""
        return self.kind in BASES and bool(self.evidence.strip() or self.source.strip())


@dataclass(frozen=True)
class Alike:
    """Two models that something says nothing about: the same tokenizer, the same configuration."""

    a: str
    b: str
    what: str


def as_record(graph: Family) -> dict[str, Any]:
    """The plain form, schema ``mpk-tui/family/1``; texts as they are."""
    return {
        "schema": SCHEMA,
        "nodes": [{"id": n.id, "label": n.label, "kind": n.kind, "facts": list(n.facts)} for n in graph.nodes],
        "edges": [
            {
                "a": e.a, "b": e.b, "kind": e.kind, "finding": e.finding or None, "label": e.label,
                "directed": e.directed, "mechanism": e.mechanism, "basis": e.basis, "evidence": e.evidence,
                "source": e.source, "p": e.p, "p_is_bound": e.bound, "rho": e.rho, "part": e.part, "note": e.note,
            }
            for e in graph.edges
        ],
        "components": [list(c) for c in graph.components],
        "siblings": [{"ancestor": s.ancestor, "members": list(s.members)} for s in graph.siblings],
        "merges": [{"model": m.model, "sources": list(m.sources)} for m in graph.merges],
        "notes": list(graph.notes),
    }  # fmt: skip
