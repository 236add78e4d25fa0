"""Readings for training and merging: mechanisms that leave no exact trace in two models, only a size and a spread."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpk_tui.lineage.evidence import TURNED, Evidence
from mpk_tui.lineage.identity import Identity
from mpk_tui.lineage.readings import COPIED, Reading

SMALL_CHANGE = 0.25
"""Median relative change up to which fine-tuning is named before continued pretraining.  A rule of thumb: fine-tunes of
small models were seen at 0.01 to 0.19 and a strong real one at 0.22, continued pretraining (half as long as the
pretraining) at 0.29 to 0.43.  A short or gentle continuation reads as fine-tuning, and the other way round."""
EVEN_MIX = 0.02
"""Greatest spread (between quartiles) of the share of A that is left in B, for one mixing weight to be read from it."""
RELATED, STRANGE = 0.60, 0.10
"""Least median cosine of a layer's matrices that have an origin in common, and the greatest of those that have none.
A rule of thumb: it chooses the words of a proposal, after a test has found an origin."""


def trained(e: Evidence, identity: Identity, explained: bool) -> list[Reading | None]:
    """3.2 and 3.3 by size and spread of the change."""
    relative = e.median("relative")
    if relative is None:
        body = [d for d in identity.differing if d.state == "different" and d.elements >= 4096 and d.relative > 0]
        if not body:
            return []
        relative = float(np.median([d.relative for d in body]))
    low, high = e.quartiles("relative")
    where = "of body matrices"
    u = e.units
    placed = [r.measure.relative for r in e.touched if r.measure is not None and r.measure.relative < TURNED]
    if u is not None and u.in_place < 0.5 <= u.found and len(placed) >= 0.25 * len(e.touched):
        relative, low, high = (float(np.quantile(placed, q)) for q in (0.5, 0.25, 0.75))
        where = "of body matrices whose rows are in place"
    elif relative >= TURNED and u is not None and u.found >= 0.5 and u.widths[0] == u.widths[1]:
        if u.relative <= COPIED:
            return []
        relative = low = high = u.relative
        where = "of units, order and basis set aside,"
    elif relative >= 2 * TURNED:
        return []
    untouched = 1 - len(e.touched) / len(e.measured) if e.measured else 0.0
    small = relative <= SMALL_CHANGE
    numbers: dict[str, Any] = {
        "relative": relative, "relative_lower_quartile": low, "relative_upper_quartile": high,
        "untouched_share": untouched, "embedding_rows_changed": e.embedding, "kept": e.median("kept"),
    }  # fmt: skip
    text = f"median relative change {where} {relative:.3f} (quartiles {low:.3f} and {high:.3f})"
    for_tuned, for_continued = ([text], []) if small else ([], [text])
    not_tuned = [] if small else [f"{text}: more than light fine-tuning makes"]
    not_continued = [f"{text}: less than continued pretraining usually makes"] if small else []
    tuned, continued = (1.2, 0.6) if small else (0.8, 1.0)
    if untouched > 0:
        for_tuned.append(f"{untouched:.0%} of the matrices looked at are untouched")
        not_continued.append("some matrices are untouched")
        tuned += 0.3
    if e.embedding is not None and e.embedding <= 0.7:
        for_tuned.append(f"only {e.embedding:.0%} of the embedding rows changed: few tokens were seen")
        not_continued.append(f"only {e.embedding:.0%} of the embedding rows changed")
        tuned += 0.3
    heads = _replaced(identity)
    if heads:
        for_tuned.append(f"outputs were replaced: {heads}")
        tuned += 0.3
    if explained:
        tuned, continued = tuned / 4, continued / 4
        other = "the change is explained otherwise, down to the rounding of the values"
        not_tuned.append(other)
        not_continued.append(other)
    out: list[Reading | None] = [Reading(tuned, "3.2", for_tuned, not_tuned, numbers)]
    if untouched < 0.5:
        out.append(Reading(continued, "3.3", for_continued, not_continued, dict(numbers)))
    return out


def _replaced(identity: Identity) -> str:
    """Names of outputs that only one side has, where both sides have some of their own."""
    if not identity.only_a or not identity.only_b or len(identity.only_a) + len(identity.only_b) > 16:
        return ""
    return f"{', '.join(identity.only_a[:3])} against {', '.join(identity.only_b[:3])}"


def mixture(e: Evidence) -> Reading | None:
    """3.9 from two models: one share of A is left in every matrix of B, beside something of A's own size."""
    kept = e.median("kept")
    rest = e.median("rest")
    if kept is None or rest is None or len(e.touched) < 6 or len(e.touched) < len(e.measured):
        return None
    low, high = e.quartiles("kept")
    if not 0.05 < kept < 0.95 or high - low > EVEN_MIX:
        return None
    # With a second parent of like norms that has nothing to do with A: y = k A + (1 - k) X, or the arc of a slerp.
    linear, arc = abs(rest - (1 - kept)), abs(rest - (1 - kept * kept) ** 0.5)
    if min(linear, arc) > 0.1:
        return None
    numbers = {"kept": kept, "kept_lower_quartile": low, "kept_upper_quartile": high, "rest": rest}
    text = (
        f"every matrix keeps the same share of the other side ({kept:.3f}, quartiles {low:.3f} and {high:.3f}) and "
        f"adds {rest:.3f} of its norm: a mixture with a model that is not here"
    )
    return Reading(1.8, "3.9", [text], ["give the other sources with --with to find their coefficients"], numbers)


def passthrough(e: Evidence) -> Reading | None:
    """3.9 from two models: some layers are the other's, and others are no relation of theirs."""
    layers: dict[tuple[int, int], list[float]] = {}
    for r in e.measured:
        if r.measure is not None:
            layers.setdefault((r.a, r.b), []).append(r.measure.cosine)
    medians = {pair: float(np.median(c)) for pair, c in layers.items()}
    theirs = [p for p, c in medians.items() if c >= RELATED]
    strange = [p for p, c in medians.items() if abs(c) <= STRANGE]
    if not theirs or not strange or len(theirs) + len(strange) < 0.8 * len(medians):
        return None
    shown = ", ".join(f"{i}~{j}" for i, j in theirs[:32])
    others = ", ".join(f"{i}~{j}" for i, j in strange[:32])
    numbers = {
        "layers_related": len(theirs), "layers_strange": len(strange),
        "cosine_related": float(np.median([medians[p] for p in theirs])),
        "cosine_strange": float(np.median([medians[p] for p in strange])),
    }  # fmt: skip
    text = f"layers {shown} correspond and layers {others} do not at all: layers of two models, one after the other"
    return Reading(3.5, "3.9", [text], ["give the other sources with --with to find them"], numbers)


def merge_of_two(e: Evidence, explained: bool) -> Reading | None:
    """3.9 where nothing speaks for it: two models do not tell a merge from training."""
    relative = e.median("relative")
    if relative is None or relative >= 2 * TURNED or explained:
        return None
    low, high = e.quartiles("relative")
    text = "nothing distinguishes it from training (3.2) with two models; give the other sources with --with"
    return Reading(0.3, "3.9", [], [text], {"relative_lower_quartile": low, "relative_upper_quartile": high})


def merged(merge: dict[str, Any] | None) -> Reading | None:
    """3.9 from a decomposition over several parents."""
    if merge is None or merge.get("reading") not in ("merge", "partial"):
        return None
    whole = merge["reading"] == "merge"
    numbers: dict[str, Any] = {k: merge[k] for k in ("gain", "residual_in_rounding_errors", "matrices") if k in merge}
    return Reading(4.3 if whole else 1.4, "3.9", [merge["sentence"]], list(merge.get("against", ())), numbers)
