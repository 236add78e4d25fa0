"""What training left alone: single values that are equal beyond chance, and embedding rows that no text ever used.

Both are reported beside the discriminator and decide nothing.

* **Equal values.**  Two matrices in one 16-bit type, of correlation rho, share P(equal) = E sqrt((1 + rho) / (1 - rho))
  of their values for Gaussian weights and floating-point bins, where E is what chance leaves under relabelling.  A
  share of twice that says that values were left literally untouched: by a fine-tune that changes few of them, and just
  so by two runs from one initialisation that trained few of them.
* **Rows that were never trained** (an input table of its own, reserved or unused ids): runs of one seed and one
  schedule hold them bit for bit; a descendant that trained on under weight decay holds the same direction at another
  scale, the same for all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mpk_tui.checkpoint.model import Part
from mpk_tui.fingerprint.gauge import ROLES, part_of
from mpk_tui.fingerprint.units import Floats, sample_units
from mpk_tui.lineage.sides import Weights
from mpk_tui.lineage.units import BlockPair

TWICE = 2.0
"""From this ratio of seen to expected on, equal values are more than correlation explains."""
FEW = 8
"""Least rows that tell anything."""
DIRECTION = 0.9995
"""Least cosine of two rows of one direction: what rounding to 16 bits leaves."""
ONE_SCALE = 0.01
"""Greatest distance of the quartiles of their scales over the median."""
_MATRICES, _ROWS = 14, 256
_SIXTEEN = ("BF16", "F16")


@dataclass(frozen=True)
class Untouched:
    """What was left alone.

    Attributes:
        matrices: Matrices in one 16-bit type that were looked at.
        equal: Median share of equal values.
        expected: Median share that chance and correlation explain.
        ratio: Median of equal over expected.
        rows: Embedding rows that were compared, 0 where the table is tied, missing or of another size.
        rows_equal: Rows that are equal bit for bit.
        rows_scaled: Rows of one direction and another scale.
        scale: Median scale of B's over A's among those.
        one_scale: Whether that scale is the same for all of them.
        sentence: In plain words.
    """

    matrices: int
    equal: float
    expected: float
    ratio: float
    rows: int
    rows_equal: int
    rows_scaled: int
    scale: float
    one_scale: bool
    sentence: str


def look(a: Weights, b: Weights, pairs: tuple[BlockPair, ...]) -> Untouched:
    """Count equal values of matched matrices and look at every row of the token embeddings.

    Args:
        a: Weights of one side.
        b: Weights of the other.
        pairs: Blocks that stand beside each other.
    """
    seen, wanted = _values(a, b, pairs)
    ratios = [s / w for s, w in zip(seen, wanted, strict=True)]
    rows, same, scaled, scale, one = _rows(a, b)
    ratio = float(np.median(ratios)) if ratios else 0.0
    said = []
    if ratio >= TWICE:
        said.append(
            f"{np.median(seen):.1%} of the values of body matrices are equal, {ratio:.0f} times what chance and "
            "correlation explain: they were left untouched, by light training of one or by both since their start"
        )
    if FEW <= same < rows / 2:
        said.append(
            f"{same} of {rows} embedding rows are equal bit for bit and the others are not: ids that neither run "
            "trained, as runs of one seed and schedule leave them, or a training that left them alone"
        )
    if FEW <= scaled < rows / 2 and one:
        said.append(
            f"{scaled} of {rows} embedding rows have one direction at {scale:.4f} of the scale: never trained, and "
            "decayed further on one side"
        )
    return Untouched(
        len(seen), float(np.median(seen)) if seen else 0.0, float(np.median(wanted)) if wanted else 0.0, ratio,
        rows, same, scaled, scale, one, "; ".join(said) or "nothing that training left alone was seen",
    )  # fmt: skip


def _values(a: Weights, b: Weights, pairs: tuple[BlockPair, ...]) -> tuple[list[float], list[float]]:
    """Shares of equal values, seen and expected, of some matrices."""
    todo: list[tuple[Part, Part]] = []
    for pair in pairs:
        for role in ROLES:
            x, y = part_of(a.arch, role, pair.a), part_of(b.arch, role, pair.b)
            if x is None or y is None or len(a.reader.shape(x)) != 2 or a.reader.shape(x) != b.reader.shape(y):
                continue
            if a.dtype(x) == b.dtype(y) and a.dtype(x) in _SIXTEEN:
                todo.append((x, y))
    if len(todo) > _MATRICES:
        todo = [todo[round(k * (len(todo) - 1) / (_MATRICES - 1))] for k in range(_MATRICES)]
    seen, wanted = [], []
    for x, y in todo:
        ids = np.sort(sample_units(a.reader.shape(x)[0], _ROWS, seed=18))
        u, v = a.reader.select(x, ids).ravel(), b.reader.select(y, ids).ravel()
        chance = chance_equal(u, v)
        if chance > 0:
            seen.append(float(np.mean((u == v) & (u != 0))))
            wanted.append(chance)
    return seen, wanted


def chance_equal(u: Floats, v: Floats) -> float:
    """Share of equal values that chance and correlation explain."""
    (values_u, count_u), (values_v, count_v) = (np.unique(w[w != 0], return_counts=True) for w in (u, v))
    both, at_u, at_v = np.intersect1d(values_u, values_v, return_indices=True)
    if not len(both):
        return 0.0
    by_chance = float((count_u[at_u] / len(u)) @ (count_v[at_v] / len(v)))
    rho = float(np.corrcoef(u, v)[0, 1])
    rho = min(0.999999, max(-0.999999, rho if math.isfinite(rho) else 0.0))
    return min(1.0, by_chance * math.sqrt((1 + rho) / (1 - rho)))


def _rows(a: Weights, b: Weights) -> tuple[int, int, int, float, bool]:
    """Rows, equal ones, scaled ones, their median scale, and whether it is one scale."""
    x, y = a.arch.roles.get(("embed.tokens", -1)), b.arch.roles.get(("embed.tokens", -1))
    if x is None or y is None or a.arch.tied or b.arch.tied or a.reader.shape(x) != b.reader.shape(y):
        return 0, 0, 0, 0.0, False
    rows = a.reader.shape(x)[0]
    same = 0
    scales: list[npt.NDArray[np.float64]] = []
    for start in range(0, rows, 4096):
        u = np.nan_to_num(a.reader.rows(x, start, min(rows, start + 4096))).astype(np.float64)
        v = np.nan_to_num(b.reader.rows(y, start, min(rows, start + 4096))).astype(np.float64)
        equal = (u == v).all(axis=1)
        same += int(equal.sum())
        size_u, size_v = np.linalg.norm(u, axis=1), np.linalg.norm(v, axis=1)
        known = (size_u > 0) & (size_v > 0) & ~equal
        cosine = np.einsum("ij,ij->i", u, v) / np.where(known, size_u * size_v, 1.0)
        chosen = known & (cosine >= DIRECTION)
        scales.append(size_v[chosen] / size_u[chosen])
    found = np.concatenate(scales)
    if not len(found):
        return rows, same, 0, 0.0, False
    low, middle, high = np.quantile(found, (0.25, 0.5, 0.75))
    return rows, same, len(found), float(middle), bool((high - low) <= ONE_SCALE * middle)


def to_record(found: Untouched) -> dict[str, Any]:
    """Plain form for the comparison record."""
    return {
        "matrices": found.matrices,
        "equal": float(f"{found.equal:.6g}"),
        "expected": float(f"{found.expected:.6g}"),
        "ratio": float(f"{found.ratio:.6g}"),
        "rows": found.rows,
        "rows_equal": found.rows_equal,
        "rows_scaled": found.rows_scaled,
        "scale": float(f"{found.scale:.6g}"),
        "one_scale": found.one_scale,
        "sentence": found.sentence,
    }
