"""What a model is related to, of all that a library holds: exact look-ups, a screen, full comparisons, one record.

Every entry that was not revoked is looked at, by its digests and, where it has features in common with the model, by
its screen.  So their number N is in the significance of every finding: p-values are multiplied by N, which is dividing
the level by N, whether or not an entry was then compared in full.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mpk_tui import __version__
from mpk_tui.errors import UsageError
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.library import answering, near
from mpk_tui.library.answering import whence
from mpk_tui.library.catalogue import Catalogue
from mpk_tui.library.entry import Entry, spelled
from mpk_tui.library.exact import Exact, look_up, withdrawn
from mpk_tui.library.groups import groups
from mpk_tui.library.judging import Judged, contradicts, judge
from mpk_tui.library.pairs import compared_pairs
from mpk_tui.library.ranking import counted, entry_record, ranked, relative
from mpk_tui.library.screen import screens_of
from mpk_tui.library.search import WORTH, Seen, look
from mpk_tui.library.several import sources
from mpk_tui.lineage.sides import Side
from mpk_tui.progress import CancelToken, Meter, Report, silent

SCHEMA = "mpk-tui/scan/1"
MOST = 24
"""Entries that are compared in full unless a person says otherwise; a library of so many is compared whole."""
BETWEEN = 6
"""Best relatives that are compared with each other where a graph of the family is drawn."""
MOST_FULL = 200
"""Entries that can be compared in full at most: the fingerprints of relatives wait in memory, some 4 MB each."""
CONTEXT = 4
"""Entries with the same vocabulary file that are compared besides, so that what they have in common can be told."""


@dataclass(frozen=True)
class _Chosen:
    """What is compared in full.

    Attributes:
        entries: Best candidates first.
        left_out: Entries that were worth a comparison and had no place.
        worth: Number of entries that were worth one by their screen.
    """

    entries: tuple[Entry, ...]
    left_out: Mapping[int, Seen]
    worth: int


def scan(
    catalogue: Catalogue,
    query: Side | Fingerprint,
    *,
    most: int = MOST,
    given: Mapping[int, Side] | None = None,
    pairs: int = 0,
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """Look a model up in a library.

    Args:
        catalogue: The library.
        query: The model: a fingerprint, or a side with its weights.
        most: Entries that are compared in full.
        given: Sides with weights that stand in for the fingerprints of entries, by number.
        pairs: So many of the best relatives are compared with each other, too.
        report: Progress.
        cancel: Polled within every step.

    Returns:
        The record (schema ``mpk-tui/scan/1``): JSON- and canonical-msgpack-able, the same on every run.

    Raises:
        MpkError: The library cannot be read; an entry that cannot be used becomes a notice.
    """
    side = query if isinstance(query, Side) else Side("fingerprint", query, None)
    side = replace(side, label=spelled(side.label))
    most = min(max(1, most), MOST_FULL)
    cancel = cancel or CancelToken()
    given = given or {}
    failed: list[str] = []
    with catalogue.moment():
        total, revoked, listed = catalogue.census()
        n = total - revoked
        exact = look_up(catalogue, side)
        screens = screens_of(side.fingerprint) if n else []
        meter = Meter(report, "looking through", n, "models")
        seen = look(screens, catalogue.screens({s.key for s in screens}), cancel) if screens else {}
        meter.add(n, "")
        chosen = _choose(catalogue, exact, seen, given, n, most)
        judged = list(
            judge(
                catalogue, side, chosen.entries, max(1, n), exact, seen, given,
                lambda entry, error: failed.append(f"{entry.name} was not compared: {error.diagnosis()}"),
                report, cancel,
            )
        )  # fmt: skip
        exact, odd = _counted_again(exact, judged)
        best = ranked(side, judged)
        between = compared_pairs(catalogue, best[: max(0, pairs)], max(1, n), report, cancel)
        left = {e.id: e for e in _by_ids(catalogue, near.best_of(chosen.left_out))}
        gone = withdrawn(catalogue, side)
        known = {e.id: e for e in (*chosen.entries, *left.values())}
        known |= {
            e.id: e for e in _by_ids(catalogue, [*list(exact.tensors)[:100], *(f.entry for f in exact.files[:100])])
        }
    grouped = groups(best)
    rows = [relative(rank, side, j, exact.telling) for rank, j in enumerate(best, 1)]
    for g in grouped:
        for row in rows:
            if row["entry"]["id"] in g["members"]:
                row["group"] = g["id"]
    missed = near.near_misses(side, judged, n)
    screened = {
        "entries": len(seen), "worth": chosen.worth, "from": WORTH, "left_out": len(chosen.left_out),
        "blind": n - len(seen), "whole": n <= most,
        "next": near.unlooked(chosen.left_out, left),
    }  # fmt: skip
    shown = [*(j.entry for j in best), *(e for e in chosen.entries if any(m["entry"]["id"] == e.id for m in missed))]
    several = sources(side, best, report, cancel)
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "tool": {"name": "mpk-tui", "version": __version__, "numpy": _numpy()},
        "query": _query(side),
        "library": {
            "folder": answering.path(catalogue.folder), "entries": n, "revoked": revoked, "digest": listed.hex(),
        },
        "comparisons": n,
        "exact": exact.as_record({i: e.name for i, e in known.items()}),
        "relatives": rows,
        "groups": grouped,
        "sources": several,
        "near_misses": missed,
        "pairs": between,
        "screened": screened,
        "compared": len(judged),
        "parents": [
            {"entry": {"id": e.id, "name": e.name}, "parents": [p.as_record() for p in e.facts.parents]}
            for e in shown if e.facts.parents
        ],
        "notices": [
            spelled(text)
            for text in (*side.fingerprint.notices, *(said for _, said in gone), *failed, *odd, *_forged(side, best))
        ],
    }  # fmt: skip
    return {**found, "answer": answering.answer(found, [name for name, _ in gone]), "limits": answering.limits(found)}


def _choose(
    catalogue: Catalogue, exact: Exact, seen: Mapping[int, Seen], given: Mapping[int, Side], n: int, most: int
) -> _Chosen:
    """Entries that are worth a full comparison: equal bytes first, then by the screen; all of a small library."""
    worth = {i: s for i, s in seen.items() if s.score >= WORTH}
    first = {*given, *exact.root}
    wanted = first | exact.tensors.keys() | worth.keys()
    if n <= most:
        entries = {e.id: e for e in catalogue.entries()}
        order = sorted(entries, key=lambda i: (i not in wanted, *_place(i, first, exact, seen)))
        return _Chosen(tuple(entries[i] for i in order), {}, len(worth))
    order = sorted(wanted, key=lambda i: _place(i, first, exact, seen))
    left_out = {i: worth[i] for i in order[most:] if i in worth}
    alike = [f.entry for f in exact.files if not f.weights and f.entry not in wanted]
    ids = [*order[:most], *list(dict.fromkeys(alike))[:CONTEXT]]
    entries = {e.id: e for e in _by_ids(catalogue, ids)}
    return _Chosen(tuple(entries[i] for i in ids if i in entries), left_out, len(worth))


def _place(
    i: int, first: set[int], exact: Exact, seen: Mapping[int, Seen]
) -> tuple[bool, int, bool, float, float, int]:
    s = seen.get(i)
    # Worth is what the score says; among what is worth it, the correlation says who is nearest.
    return (
        i not in first, -exact.tensors.get(i, 0), not (s and s.by_units),
        -(s.rho if s and s.score >= WORTH else 0.0), -(s.score if s else 0.0),
        i,
    )  # fmt: skip


def _by_ids(catalogue: Catalogue, ids: Sequence[int]) -> list[Entry]:
    """Entries of these numbers; rows of a damaged or a stranger's library may name numbers that are nobody's."""
    found = []
    for i in dict.fromkeys(ids):
        with contextlib.suppress(UsageError):
            found.append(catalogue.by_id(i))
    return found


def _counted_again(exact: Exact, judged: Sequence[Judged]) -> tuple[Exact, list[str]]:
    """Equal tensors by the fingerprints that were read, where rows of the catalogue say otherwise."""
    wrong = [j for j in judged if len(j.equal) != exact.tensors.get(j.entry.id, 0)]
    tensors = {**exact.tensors, **{j.entry.id: len(j.equal) for j in wrong}}
    return replace(exact, tensors={i: n for i, n in tensors.items() if n}), [
        f"the catalogue says that {j.entry.name} has {exact.tensors.get(j.entry.id, 0)} tensors of the model, its "
        f"fingerprint {len(j.equal)}: mpk-tui library check tells what else does not fit"
        for j in wrong
    ]


def _forged(side: Side, best: Sequence[Judged]) -> list[str]:
    return [
        f"{j.entry.name} states the tensors of the model with the features of another one: its fingerprint, or that of "
        f"the model, was not made by measuring ({whence(entry_record(j.entry))})"
        for j in best
        if contradicts(side, j)
    ]


def _query(side: Side) -> dict[str, Any]:
    layers = side.fingerprint.config.get("layers")
    known = isinstance(layers, int) and not isinstance(layers, bool) and 0 <= layers < 1 << 31
    facts = side.facts()
    return {
        **facts, **_base(side), "parameters": counted(facts["parameters"]), "layers": layers if known else None,
    }  # fmt: skip


def _base(side: Side) -> dict[str, str]:
    """Name of the base that an adapter was put onto, empty where a fingerprint does not tell it; else nothing."""
    if side.fingerprint.family == "adapter" or not side.fingerprint.config.get("adapter"):
        return {}
    roots = side.weights.checkpoint.roots if side.weights is not None else {}
    names = [place.name for key, place in roots.items() if key.split("/")[-1] == "base"]
    return {"base": spelled(names[0]) if names else ""}


def _numpy() -> str:
    import numpy as np

    return np.__version__
