"""The core test: are unit i of A and unit i of B the same unit?  (RIPZ: row identity under permutation.)

Null hypothesis H0-ind: A and B come from independent random initialisations.  Training treats the hidden units of a
feed-forward layer alike, so under H0-ind every relabelling of B's units is as likely as the one we see (exchangeable
units), whatever the two models share in data, data order, tokenizer, hyperparameters or architecture.  The test is
exact in finite samples and distribution-free.  Source of the idea: S. Zhu, A. Ahmed, R. Kuditipudi, P. Liang,
"Independence Tests for Language Models", ICML 2025; the statistic here is ours.

With feature maps A_c, B_c of shape (m units, columns), centred over units:  M = A_c B_c^T,  T = tr M.  Over uniform
permutations pi of the units,  T_pi = sum_i M[i, pi(i)]  has mean 0 and variance exactly ||M||_F^2 / (m - 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpk_tui.fingerprint.units import Floats

UNITS = 1024
"""Units compared per layer when weights are at hand."""
DRAWS = 9999
"""Monte-Carlo relabellings per layer."""
Z_QUOTED = 6.0
"""A Gaussian tail is never quoted beyond this z."""


@dataclass(frozen=True)
class RowTest:
    """Result for one pair of layers.

    Attributes:
        z: T in its exact standard deviations under the null; an effect size, not a tail.
        rho: T / sqrt(||A_c||^2 ||B_c||^2), in [-1, 1].
        log_p: Natural logarithm of the p-value, one-sided.
        bound: The p-value is an upper bound (concentration inequality, or the floor of the draws), not an estimate.
        units: m.
    """

    z: float
    rho: float
    log_p: float
    bound: bool
    units: int


def row_test(a: Floats, b: Floats, *, seed: tuple[int, ...], draws: int = DRAWS, enough: int = 0) -> RowTest:
    """Test two feature maps whose rows are the same unit ids in both models.

    Args:
        a: (m, columns) from `feature_map`.
        b: Same shape.
        seed: Seeds the relabellings; different for every pair of layers, so that layers stay independent.
        draws: Monte-Carlo relabellings B; p = (1 + #{T_pi >= T}) / (B + 1).
        enough: Draw no further once so many have reached T (see `monte_carlo`); 0 draws all.

    Returns:
        The result.  Where a concentration inequality already bounds the tail below the Monte-Carlo floor, that
        bound is the p-value and nothing is drawn.
    """
    m = len(a)
    cross = (a @ b.T).astype(np.float64)
    total = float(np.trace(cross))
    spread = math.sqrt(float(np.einsum("ij,ij->", cross, cross)) / (m - 1)) if m > 1 else 0.0
    size = math.sqrt(
        float(np.einsum("ij,ij->", a, a, dtype=np.float64)) * float(np.einsum("ij,ij->", b, b, dtype=np.float64))
    )
    if spread <= 0.0 or size <= 0.0:
        return RowTest(0.0, 0.0, 0.0, False, m)
    z, rho = total / spread, total / size
    log_bound = log_tail_bound(cross, total)
    if log_bound < -math.log(draws + 1):
        return RowTest(z, rho, log_bound, True, m)
    p = monte_carlo(cross, total, seed=seed, draws=draws, enough=enough)
    # Where no relabelling reached T, the floor of the draws is a bound, too: "at most".
    return RowTest(z, rho, math.log(p), p * (draws + 1) < 1.5, m)


def monte_carlo(
    cross: npt.NDArray[np.float64], total: float, *, seed: tuple[int, ...], draws: int, enough: int = 0
) -> float:
    """Exact Monte-Carlo p-value of ``total`` among relabellings of the columns of ``cross``.

    Args:
        cross: (m, m).
        total: Its trace.
        seed: Seeds the relabellings.
        draws: Their number.
        enough: Stop at the draw, number l, with which so many, h, have reached ``total``; p = h / l then, which is
            exact as well (J. Besag, P. Clifford, "Sequential Monte Carlo p-values", Biometrika 78, 1991).  Where
            nothing is to be found that saves nearly all draws.  0 draws all.
    """
    rng = np.random.Generator(np.random.PCG64(list(seed)))
    m = len(cross)
    flat = cross.ravel()
    base = np.arange(m) * m
    # Draws in blocks: a block of permutations at once costs less than one by one, and memory stays bounded.
    most = max(1, (1 << 21) // m)
    block = min(most, 8 * enough) if enough else most
    reached = done = 0
    while done < draws:
        n = min(block, draws - done)
        order = rng.permuted(np.broadcast_to(np.arange(m), (n, m)), axis=1)
        sums = flat[base + order].sum(axis=1)
        # Rounding must never count against the null: what is equal up to 1e-9 counts as reached.
        hits = sums >= total - 1e-9 * max(1.0, abs(total))
        if enough and reached + int(hits.sum()) >= enough:
            return enough / (done + 1 + int(np.flatnonzero(hits)[enough - reached - 1]))
        reached += int(hits.sum())
        done += n
        block = min(most, 4 * block)
    return (1 + reached) / (draws + 1)


def log_tail_bound(cross: npt.NDArray[np.float64], total: float) -> float:
    """Logarithm of a rigorous upper bound on P(T_pi >= total).

    S. Chatterjee, "Stein's method for concentration inequalities", Probab. Theory Relat. Fields 138 (2007),
    Proposition 1.1: for c_ij in [0, 1] and X = sum_i c_{i pi(i)},  P(|X - EX| >= t) <= 2 exp(-t^2 / (4 EX + 2 t)).
    Here c = (M - row minimum) / range.  Shifting rows moves X and EX alike, so any shift keeps the bound valid.
    """
    low = cross.min(axis=1, keepdims=True)
    shifted = cross - low
    scale = float(shifted.max())
    if scale <= 0.0:
        return 0.0
    mean = float(shifted.mean(axis=1).sum()) / scale
    t = total / scale + float(-low.sum()) / scale - mean
    if t <= 0.0:
        return 0.0
    return min(0.0, math.log(2.0) - t * t / (4.0 * mean + 2.0 * t))


def log_fisher(log_ps: list[float]) -> float:
    """Fisher's combination of independent p-values, as a logarithm.

    X = -2 sum ln p_i is chi-squared with 2k degrees of freedom; for even degrees the survival function is
    exp(-x/2) sum_{j<k} (x/2)^j / j!, summed here in logarithms.
    """
    if not log_ps:
        return 0.0
    half = -sum(log_ps)
    if half <= 0.0:
        return 0.0
    terms = [j * math.log(half) - math.lgamma(j + 1) for j in range(len(log_ps))]
    top = max(terms)
    return min(0.0, top - half + math.log(sum(math.exp(v - top) for v in terms)))
