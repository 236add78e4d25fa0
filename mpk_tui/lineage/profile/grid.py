"""How every layer of A fits every layer of B, small enough to be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from mpk_tui.lineage.layers import MATCHED_Z
from mpk_tui.lineage.units import Fit

SIDE = 64
"""Greatest number of rows and of columns: neighbouring layers of deeper models share one."""


def layers(fit: Fit | None, reason: str) -> dict[str, Any]:
    """The grid of z, and what it rests on.

    z is T / s of the row test (docs/lineage.md) for the same sampled units of either layer: under H0-ind, with the
    units of one model relabelled, every cell has mean 0 and standard deviation 1 exactly.  A cell of several layers or
    experts holds the greatest of their z and lies higher.

    Args:
        fit: From the unit tests.
        reason: Why there is none.
    """
    if fit is None or not fit.z.size:
        return {"missing": reason or "there are no sketches of units that could be compared"}
    rows, columns = _groups(fit.z.shape[0]), _groups(fit.z.shape[1])
    z = np.nan_to_num(fit.z, nan=0.0, posinf=0.0, neginf=0.0)
    cells = [[float(z[i : k + 1, j : m + 1].max()) for j, m in columns] for i, k in rows]
    return {
        "missing": "",
        "form": fit.form,
        "source": fit.source,
        "matched_from": MATCHED_Z,
        "experts": fit.experts,
        "joined": len(rows) < z.shape[0] or len(columns) < z.shape[1],
        "rows": [list(r) for r in rows],
        "columns": [list(c) for c in columns],
        "z": [[float(f"{v:.4g}") + 0.0 for v in row] for row in cells],
    }


def _groups(depth: int) -> list[tuple[int, int]]:
    every = -(-depth // SIDE)
    return [(i, min(depth, i + every) - 1) for i in range(0, depth, every)]
