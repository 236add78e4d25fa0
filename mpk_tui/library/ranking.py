"""Relatives in order: by what was found, then by tensors that are equal, then by a correlation.

The order of findings is that of what they say.  Within one finding an entry that holds more of the model's tensors byte
for byte stands first, whatever else is measured; then the one whose matrices point the same way (`closeness`).  An
order says who is nearest in numbers, never who came first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mpk_tui.library.entry import Entry
from mpk_tui.library.judging import Judged
from mpk_tui.lineage import findings, record
from mpk_tui.lineage.discriminator import sketches_of
from mpk_tui.lineage.sides import Side

ORDER = (
    findings.IDENTICAL, findings.REFORMATTED, findings.NEAR_IDENTICAL, findings.TRAINED_ANCESTOR, findings.COMPONENT,
    findings.UNRESOLVED, findings.SHARED_INIT,
)  # fmt: skip
"""What was found, most first.  An origin that is not resolved may be a trained ancestor; a shared initialisation is
known not to be one, so it comes last."""


def ranked(query: Side, judged: Iterable[Judged]) -> list[Judged]:
    """Entries that share at least an origin with the model, best first; the same order on every run."""
    found = [j for j in judged if j.related]
    return sorted(
        found,
        key=lambda j: (
            ORDER.index(j.finding.name), -len(j.equal), -closeness(query, j), -j.rho, j.entry.fingerprint,
        ),
    )  # fmt: skip


def closeness(query: Side, judged: Judged) -> float:
    """How nearly the matrices of two models point the same way, from 0 to 1; correlation of units where there is none.

    Cosines of the sketched matrices (`mpk_tui.fingerprint.learned`), in all matrices that stand at the same place with
    the same shape.  Models of one ancestor agree to three digits and more, where correlations of units, which look at
    256 units through 64 columns, no longer tell them apart.
    """
    found = matrix_cosine(query, judged.side)
    # A residual stream in another order or basis leaves no cosine: there the units speak.
    return judged.rho if found is None or found < judged.rho / 2 else found


def matrix_cosine(a: Side, b: Side) -> float | None:
    """Mean cosine of the matrices that both fingerprints sketch, or None where there are none in common."""
    x, y = sketches_of(a), sketches_of(b)
    if not x or not y:
        return None
    with np.errstate(all="ignore"):
        return _mean_cosine(x, y)


def _mean_cosine(x: Mapping[Any, Any], y: Mapping[Any, Any]) -> float | None:
    cosines = []
    for key in x.keys() & y.keys():
        if x[key].shape != y[key].shape:
            continue
        u, v = (x[key].top + x[key].rest).ravel(), (y[key].top + y[key].rest).ravel()
        size = math.sqrt(float(u @ u) * float(v @ v))
        if math.isfinite(size) and size > 0:
            cosines.append(float(u @ v) / size)
    return float(np.mean(cosines)) if cosines else None


def counted(number: int) -> int:
    """A number as canonical records hold it: tensors of absurd shapes have more elements than 63 bits count."""
    return min(number, (1 << 63) - 1)


def entry_record(entry: Entry) -> dict[str, Any]:
    """What a scan says of an entry; texts are a stranger's."""
    return {
        "id": entry.id, "name": entry.name, "aliases": list(entry.facts.aliases),
        "fingerprint": entry.fingerprint.hex(), "root": entry.root.hex(), "source": entry.facts.source,
        "licence": entry.facts.licence, "location": entry.facts.location, "origin": entry.origin.as_record(),
        "added_by": entry.added_by,
        "format": entry.format, "family": entry.family, "scope": entry.scope, "parameters": counted(entry.parameters),
        "layers": entry.layers,
    }  # fmt: skip


def relative(rank: int, query: Side, judged: Judged, telling: int) -> dict[str, Any]:
    """One row of ``relatives``.

    Args:
        rank: From 1 on.
        query: The model that is asked about.
        judged: The entry.
        telling: Number of telling tensors of the model.
    """
    finding, best = judged.finding, judged.best
    exact = finding.name in ORDER[:3]
    return {
        "rank": rank,
        "entry": entry_record(judged.entry),
        "finding": finding.name,
        "sentence": finding.sentence + ".",
        "p": record.p_value(finding.log_p),
        "p_is_bound": finding.log_p < math.log(findings.P_FLOOR),
        "rho": None if best is None else record.rounded(best.rho),
        "form": "" if best is None else best.form,
        "closeness": record.rounded(closeness(query, judged)) if best is not None else None,
        "equal": len(judged.equal),
        "of": telling,
        "stage": "exact" if exact else "lineage",
        "scope": "whole" if judged.whole else "part",
        "components": [record.part_record(p) for p in judged.measured.parts],
        "weights": judged.side.weights is not None and query.weights is not None,
        "group": None,
        "would_resolve": would_resolve(query, judged),
    }


def would_resolve(query: Side, judged: Judged) -> str:
    """Which file's weights would say more, as a sentence; empty where the question is answered."""
    if judged.finding.name not in (findings.UNRESOLVED, findings.NOT_COMPARABLE, findings.NONE_FOUND):
        return ""
    wanted = []
    if judged.side.weights is None:
        name, where = judged.entry.name, judged.entry.facts.location
        wanted.append(f"the weights of {name} ({where})" if where else f"the weights of {name} (no location is given)")
    if query.weights is None:
        wanted.append(f"the weights of {query.label}")
    if not wanted:
        return "" if judged.finding.name != findings.UNRESOLVED else (
            f"checkpoints from the training of {judged.entry.name} (compare --along)"
        )  # fmt: skip
    return " and ".join(wanted)
