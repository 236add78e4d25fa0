"""Retention of learned structure: what tells a shared trained ancestor from a shared initialisation.

What a matrix A has learned sits in its top singular directions; what is left of its initialisation lies in the bulk.
A descendant keeps its ancestor's top directions at least as well as the bulk; two runs from one initialisation keep
the bulk and lose the top.  Cheap form, without a full decomposition: with the top K triplets (s_k, u_k, v_k) of A,

    r_top  = sum s_k u_k^T B v_k / sum s_k^2
    r_rest = (<A, B> - sum s_k u_k^T B v_k) / (||A||^2 - sum s_k^2)

and the ratio r_top / r_rest.  A direction (A seen from B, or B from A) counts only where top directions stand out:
s_1 at least 1.2 times the top singular value of the same matrix with the signs of its entries flipped at random,
which keeps the profile of variances and destroys what was learned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mpk_tui.fingerprint.spectra import Triplets
from mpk_tui.fingerprint.units import Floats


@dataclass(frozen=True)
class Retention:
    """One direction on one matrix: how B keeps what A has.

    Attributes:
        top: r_top over the K top directions.
        rest: r_rest over everything else.
        ratio: top / rest; None where the rest shows no correlation to compare with.
        standing: Number of directions that stand out; 0 means nothing was measured.
    """

    top: float
    rest: float
    ratio: float | None
    standing: int


def retention(a: Triplets, inner: float, b: Floats) -> Retention:
    """How ``b`` keeps the structure of A.

    Args:
        a: Triplets of A.
        inner: <A, B>.
        b: B, same shape as A.
    """
    if not a.standing:
        return Retention(0.0, 0.0, None, 0)
    # All K are projected on, not only those that stand out: what was learned reaches below the edge, and counting it
    # as bulk would hide the very difference that is asked for.
    s = a.s.astype(np.float64)
    kept = float((s * np.einsum("ik,ik->k", a.u, b @ a.v, dtype=np.float64)).sum())
    energy = float((s * s).sum())
    rest_energy = a.square - energy
    top = kept / energy
    rest = (inner - kept) / rest_energy if rest_energy > 0 else 0.0
    # The bulk of unrelated matrices correlates as 1/sqrt(entries); five times that is no accident.
    floor = 5.0 / math.sqrt(b.size)
    return Retention(top, rest, top / rest if rest > floor else None, a.standing)


def from_sketches(top: Floats, rest: Floats, b: Floats, standing: int) -> Retention:
    """How B keeps the structure of A, from sketches of A's parts and of B (`mpk_tui.fingerprint.learned`).

    Regression of B's sketch on either part of A's: where the two agree, numerator and denominator carry the same
    sketching error, so it cancels.

    Args:
        top: Sketch of the top triplets of A.
        rest: Sketch of the rest of A.
        b: Sketch of B.
        standing: Directions of A that stand out.
    """
    if not standing:
        return Retention(0.0, 0.0, None, 0)
    kept, energy = _inner(top, b), _inner(top, top)
    r_top = kept / energy if energy > 0 else 0.0
    rest_energy = _inner(rest, rest)
    r_rest = _inner(rest, b) / rest_energy if rest_energy > 0 else 0.0
    # Sketches of unrelated matrices of unit norm correlate as 1 / side.
    floor = 5.0 / len(b)
    return Retention(r_top, r_rest, r_top / r_rest if r_rest > floor else None, standing)


def _inner(x: Floats, y: Floats) -> float:
    return float(np.einsum("ij,ij->", x, y, dtype=np.float64))
