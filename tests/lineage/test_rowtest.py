"""The core test: exactness, calibration on hostile nulls, power, and the analytic bound."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mpk_tui.fingerprint.units import feature_map, sample_units
from mpk_tui.lineage.rowtest import log_fisher, log_tail_bound, monte_carlo, row_test


def exact_tail(cross: np.ndarray, total: float) -> float:
    m = len(cross)
    sums = [sum(cross[i, p[i]] for i in range(m)) for p in itertools.permutations(range(m))]
    return sum(s >= total - 1e-12 for s in sums) / len(sums)


@pytest.mark.parametrize("seed", range(8))
def test_monte_carlo_agrees_with_enumeration(seed: int) -> None:
    cross = np.random.default_rng(seed).standard_normal((6, 6))
    total = float(np.trace(cross))
    exact = exact_tail(cross, total)
    estimate = monte_carlo(cross, total, seed=(seed,), draws=9999)
    assert abs(estimate - exact) < 4 * math.sqrt(exact * (1 - exact) / 9999) + 2e-4


@pytest.mark.parametrize("seed", range(8))
def test_the_bound_is_never_below_the_exact_tail(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cross = rng.standard_normal((7, 7)) + np.diag(rng.uniform(0, 6, 7))
    total = float(np.trace(cross))
    assert math.exp(log_tail_bound(cross, total)) >= exact_tail(cross, total)


def test_variance_of_the_statistic_is_exact() -> None:
    rng = np.random.default_rng(5)
    a, b = (
        feature_map(rng.standard_normal((5, 9), dtype=np.float32)),
        feature_map(rng.standard_normal((5, 9), dtype=np.float32)),
    )
    cross = (a @ b.T).astype(np.float64)
    sums = [sum(cross[i, p[i]] for i in range(5)) for p in itertools.permutations(range(5))]
    assert np.mean(sums) == pytest.approx(0.0, abs=1e-6)
    assert np.var(sums) == pytest.approx(np.square(cross).sum() / 4, rel=1e-4)


def _hostile_null(rng: np.random.Generator, m: int = 128, d: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Two models that share everything but their initialisation: mean, outlier columns, low-rank spikes."""
    mean = rng.standard_normal(d) * 3
    columns = np.ones(d)
    columns[rng.integers(0, d, 4)] = 40.0
    spikes = rng.standard_normal((3, d))
    out = []
    for _ in range(2):
        x = rng.standard_normal((m, d)) + rng.standard_normal((m, 3)) @ spikes * 2
        out.append(((x + mean) * columns).astype(np.float32))
    return out[0], out[1]


def test_p_values_are_uniform_on_nulls_that_share_all_but_the_initialisation() -> None:
    rng = np.random.default_rng(11)
    results = []
    for n in range(300):
        a, b = _hostile_null(rng)
        results.append(row_test(feature_map(a), feature_map(b), seed=(n,), draws=399))
    z = np.array([r.z for r in results])
    p = np.sort([math.exp(r.log_p) for r in results])
    assert abs(z.mean()) < 0.2
    assert 0.88 < z.std() < 1.12
    assert np.abs(z).max() < 4.5
    # Kolmogorov–Smirnov distance against the uniform law; 1.63/sqrt(n) is the 1 % point.
    grid = np.arange(1, len(p) + 1) / len(p)
    assert np.abs(p - grid).max() < 1.63 / math.sqrt(len(p))


def test_a_naive_cosine_would_have_accused() -> None:
    a, b = _hostile_null(np.random.default_rng(3))
    naive = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
    assert np.diag(naive).mean() > 0.2  # looks alike, and is not
    assert row_test(feature_map(a), feature_map(b), seed=(0,)).log_p > math.log(1e-3)


def test_power_at_small_correlation_and_large() -> None:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((512, 384), dtype=np.float32)
    noise = rng.standard_normal((512, 384), dtype=np.float32)
    for rho in (0.05, 0.5, 0.99):
        y = (rho * x + math.sqrt(1 - rho * rho) * noise).astype(np.float32)
        test = row_test(feature_map(x), feature_map(y), seed=(1,))
        assert test.rho == pytest.approx(rho, abs=0.02)
        assert test.log_p <= math.log(1e-3)
    assert test.bound
    assert test.log_p < math.log(1e-12)


def test_relabelling_one_side_destroys_the_correspondence() -> None:
    rng = np.random.default_rng(8)
    x = rng.standard_normal((256, 100), dtype=np.float32)
    shuffled = x[rng.permutation(256)]
    assert row_test(feature_map(x), feature_map(shuffled), seed=(1,)).log_p > math.log(1e-3)


def test_degenerate_input_abstains() -> None:
    zero = np.zeros((16, 8), dtype=np.float32)
    test = row_test(feature_map(zero), feature_map(zero), seed=(0,))
    assert (test.z, test.rho, test.log_p) == (0.0, 0.0, 0.0)


def test_infinite_and_nan_weights_carry_nothing() -> None:
    x = np.random.default_rng(0).standard_normal((32, 8)).astype(np.float32)
    x[3, 2], x[4, 5] = np.nan, np.inf
    mapped = feature_map(x)
    assert np.isfinite(mapped).all()
    assert not mapped[:, [2, 5]].any()


def test_fisher_matches_the_closed_form_and_known_points() -> None:
    assert math.exp(log_fisher([math.log(0.05)])) == pytest.approx(0.05)
    # chi-squared survival with 4 degrees of freedom: exp(-x/2) (1 + x/2)
    half = -math.log(0.01 * 0.2)
    assert math.exp(log_fisher([math.log(0.01), math.log(0.2)])) == pytest.approx(math.exp(-half) * (1 + half))
    assert log_fisher([]) == 0.0
    assert log_fisher([-1000.0] * 80) < -70_000


def test_a_smaller_sample_is_a_prefix_of_a_larger_one() -> None:
    assert sample_units(5000, 1024)[:256].tolist() == sample_units(5000, 256).tolist()
    assert sorted(sample_units(100, 1024)) == list(range(100))
