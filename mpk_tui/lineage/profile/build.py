"""One profile: every part of it, or why it is missing.

Size: at most 5 x 256 rows of cosines, a grid of 64 x 64, 20 bins, 12 spectra of 29 values, 64 matrices and 27 rows of
norms, whatever the model; under 260 kB in a record, and about 10 kB for 12 layers.
"""

from __future__ import annotations

from typing import Any

from mpk_tui.lineage.discriminator import RetentionTest
from mpk_tui.lineage.identity import Identity
from mpk_tui.lineage.profile import grid, norms, spectrum, tensors
from mpk_tui.lineage.retention import Retention
from mpk_tui.lineage.sampling import spread
from mpk_tui.lineage.sides import Side
from mpk_tui.lineage.units import Units
from mpk_tui.progress import CancelToken, Report, silent

VERSION = 1
MATRICES = 64
"""Greatest number of matrices whose retention is listed."""


def profile(
    a: Side,
    b: Side,
    identity: Identity,
    units: Units,
    retention: RetentionTest | None,
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> dict[str, Any]:
    """What the figures of a comparison draw; it describes and decides nothing.

    Args:
        a: One side.
        b: The other.
        identity: Every tensor accounted for.
        units: What feed-forward units said.
        retention: The discriminator, or None where it was not run.
        report: Progress in matrices.
        cancel: Polled between matrices and runs of rows.

    Returns:
        ``cosine``, ``layers``, ``change``, ``singular``, ``retention`` and ``embeddings``, each with a reason in
        ``missing`` or an empty string; canonical-msgpack-able and the same on every run.
    """
    cancel = cancel or CancelToken()
    weights = a.weights is not None and b.weights is not None
    equal = "all tensors are equal; nothing is left to test" if identity.all_equal else ""
    unfit = equal or "; ".join(dict.fromkeys(t.reason for t in units.tests if t.reason))
    return {
        "v": VERSION,
        "cosine": tensors.cosines(a, b, identity, units.pairs),
        "layers": grid.layers(units.fit, unfit),
        "change": tensors.changes(identity, weights),
        "singular": (
            {"missing": equal, "matrices": []} if equal else spectrum.singular(a, b, units.layer_map, report, cancel)
        ),
        "retention": _retention(retention, equal or "not needed: no shared origin was established"),
        "embeddings": norms.embeddings(a, b, cancel),
    }


def _retention(test: RetentionTest | None, reason: str) -> dict[str, Any]:
    if test is None or not test.matrices:
        return {"missing": reason if test is None else test.reason or "no matrices", "matrices": []}
    chosen = [test.matrices[k] for k in spread(len(test.matrices), MATRICES)]
    return {
        "missing": "",
        "basis": test.basis,
        "matrices": [
            {"role": m.role, "a": m.a, "b": m.b, **_shares("a", m.forward), **_shares("b", m.backward)} for m in chosen
        ],
    }


def _shares(side: str, r: Retention) -> dict[str, float | None]:
    """Top and bulk of one direction; None where the projecting side does not stand out, so that none was measured."""
    return {
        f"{side}_top": float(f"{r.top:.5g}") + 0.0 if r.standing else None,
        f"{side}_rest": float(f"{r.rest:.5g}") + 0.0 if r.standing else None,
    }
