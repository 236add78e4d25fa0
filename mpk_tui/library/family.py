"""The family graph of a library: from documented parents alone, nothing is compared for it."""

from __future__ import annotations

from dataclasses import replace

from mpk_tui.family.building import around, family
from mpk_tui.family.graph import REFERENCE, Family, Model, Stated
from mpk_tui.library.entry import Entry
from mpk_tui.library.reading import Reader


def family_of_library(library: Reader, *, text: str = "", revoked: bool = False) -> Family:
    """Entries of which a parent is named, or which are named as one, and what is said of them.

    Args:
        library: Open.
        text: Only entries that hold it, what they name as a parent, and entries that name them.
        revoked: With entries that were revoked.

    Returns:
        The graph; entries of which nothing is said are counted in a note and not drawn.

    Raises:
        MpkError: The catalogue cannot be read.
    """
    with library.moment():
        entries = list(library.entries(revoked=revoked))
        asked = {f"entry:{e.id}" for e in (library.entries(text=text, revoked=revoked) if text else entries)}
    graph = family(map(model_of, entries), stated=[s for e in entries for s in stated_of(e)])
    drawn = around(graph, asked)
    alone = len(asked - {n.id for n in drawn.nodes})
    if not alone:
        return drawn
    note = f"Nothing is said of {alone:,} further {'entry' if alone == 1 else 'entries'}; not drawn."
    return replace(drawn, notes=(*drawn.notes, note))


def model_of(entry: Entry) -> Model:
    """An entry as a graph takes it."""
    facts = (entry.family, f"{entry.parameters:,} parameters", *(["REVOKED"] if entry.revoked else []))
    names = (entry.name, *entry.facts.aliases)
    return Model(f"entry:{entry.id}", entry.name, REFERENCE, facts, names, entry.fingerprint.hex(), entry.root.hex())


def stated_of(entry: Entry) -> list[Stated]:
    """What is said of an entry's parents."""
    return [
        Stated(
            f"entry:{entry.id}", p.name, p.fingerprint.hex(), p.root.hex(), p.mechanism, p.kind, p.evidence, p.source
        )
        for p in entry.facts.parents
    ]
