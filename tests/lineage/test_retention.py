"""Retention: descendants keep what was learned, siblings of a seed lose it; where nothing stands out it abstains."""

from __future__ import annotations

import numpy as np
import pytest

from mpk_tui.fingerprint.spectra import top_triplets
from mpk_tui.lineage.discriminator import RESIDUAL, Direction, MatrixRetention, both_directions, read
from mpk_tui.lineage.retention import Retention

N, M = 192, 256


def _spikes(rng: np.random.Generator, strength: float, rank: int = 12) -> np.ndarray:
    u, _ = np.linalg.qr(rng.standard_normal((N, rank)))
    v, _ = np.linalg.qr(rng.standard_normal((M, rank)))
    return (u * strength * np.linspace(1.5, 1.0, rank)) @ v.T


def _both(a: np.ndarray, b: np.ndarray, n: int) -> MatrixRetention:
    return both_directions("x", n, n, a.astype(np.float32), b.astype(np.float32), n)


def _world(kind: str, strength: float = 60.0, count: int = 8) -> list[MatrixRetention]:
    out = []
    for n in range(count):
        rng = np.random.default_rng([n, 17])
        start = rng.standard_normal((N, M))
        a = start + _spikes(rng, strength)
        if kind == "descendant":
            b = a + 0.2 * rng.standard_normal((N, M)) + _spikes(rng, strength / 4)
        elif kind == "siblings of a seed":
            b = start + _spikes(rng, strength)
        elif kind == "unrelated":
            b = rng.standard_normal((N, M)) + _spikes(rng, strength)
        elif kind == "one side untrained":
            b = start + 0.05 * rng.standard_normal((N, M))
        else:
            raise AssertionError(kind)
        out.append(_both(a, b, n))
    return out


def test_a_descendant_speaks_for_a_trained_ancestor() -> None:
    test = read(RESIDUAL, tuple(_world("descendant")), "")
    assert test.reading == "for"
    assert test.forward.ratio == pytest.approx(1.0, abs=0.05)


def test_siblings_of_a_seed_show_the_seed_pattern() -> None:
    test = read(RESIDUAL, tuple(_world("siblings of a seed")), "")
    assert test.reading == "seed"
    assert test.forward.rest > 0.5  # the bulk agrees, and that is the point


def test_unrelated_matrices_have_no_ratio() -> None:
    test = read(RESIDUAL, tuple(_world("unrelated")), "")
    assert test.reading == "abstains"
    assert test.forward.ratio is None


def test_nothing_learned_means_nothing_said() -> None:
    test = read(RESIDUAL, tuple(_world("siblings of a seed", strength=0.0)), "")
    assert test.reading == "abstains"
    assert not test.forward.counts


def test_an_untrained_side_never_speaks_for() -> None:
    # A was trained from B's initialisation: B's own directions mean nothing, A's are missing in B.
    test = read(RESIDUAL, tuple(_world("one side untrained")), "")
    assert test.reading in ("against", "seed")
    assert not test.backward.counts


def test_a_direction_that_loses_nothing_outweighs_the_other() -> None:
    # A descendant that learned much of its own: all of A is in B, part of B is not in A.
    good = Retention(1.0, 1.0, 1.0, 5)
    bad = Retention(0.8, 1.0, 0.8, 5)
    rows = tuple(MatrixRetention("x", i, i, good, bad) for i in range(6))
    assert read(RESIDUAL, rows, "").reading == "for"
    # The least loss, and the other direction speaks.
    less = tuple(MatrixRetention("x", i, i, Retention(0.95, 1.0, 0.95, 5), bad) for i in range(6))
    assert read(RESIDUAL, less, "").reading == "against"


def test_matched_units_need_more_than_units_in_order() -> None:
    rows = tuple(MatrixRetention("x", i, i, *[Retention(0.97, 1.0, 0.97, 5)] * 2) for i in range(6))
    assert read(RESIDUAL, rows, "").reading == "for"
    assert read(RESIDUAL, rows, "", aligned=True).reading == "abstains"


def test_a_side_that_hardly_trained_counts_for_nothing() -> None:
    # Stopped after some steps, siblings of a seed hold nothing but what all runs learn first: ratio 1, and no descent.
    rows = tuple(MatrixRetention("x", i, i, *[Retention(1.0, 1.0, 1.0, 5)] * 2) for i in range(6))
    assert read(RESIDUAL, rows, "", spreads=(0.03, 0.03)).reading == "for"
    early = read(RESIDUAL, rows, "", spreads=(0.008, 0.008))
    assert early.reading == "abstains"
    assert "hardly trained" in early.reason
    lost = tuple(MatrixRetention("x", i, i, Retention(1.0, 1.0, 1.0, 5), Retention(0.4, 1.0, 0.4, 5)) for i in range(6))
    assert read(RESIDUAL, lost, "", spreads=(0.008, 0.03)).reading == "against"


def test_without_gains_more_must_stand_out() -> None:
    rows = tuple(MatrixRetention("x", i, i, *[Retention(1.0, 1.0, 1.0, 1)] * 2) for i in range(6))
    assert read(RESIDUAL, rows, "").reading == "abstains"


def test_a_small_even_part_is_a_linear_part() -> None:
    # 0.3 of an unrelated parent in a mixture: the same fraction of learned and initial, in all matrices.
    part, other = Retention(0.3, 0.3, 1.0, 5), Retention(0.35, 0.7, 0.5, 5)
    rows = tuple(MatrixRetention("x", i, i, part, other) for i in range(6))
    assert read(RESIDUAL, rows, "").reading == "for"
    uneven = [Retention(r, r, 1.0, 5) for r in (0.2, 0.25, 0.3, 0.3, 0.35, 0.4)]
    rows = tuple(MatrixRetention("x", i, i, r, other) for i, r in enumerate(uneven))
    assert read(RESIDUAL, rows, "").reading == "against"


def test_between_the_ranges_it_abstains() -> None:
    middle = Retention(0.93, 1.0, 0.93, 5)
    test = read(RESIDUAL, tuple(MatrixRetention("x", i, i, middle, middle) for i in range(6)), "")
    assert test.reading == "abstains"
    assert "between" in test.reason


def test_a_good_median_with_a_bad_quarter_speaks_against() -> None:
    # Seen on siblings of a seed that trained far from it: medians 1.02 and 1.06, lower quartiles 0.6 and 0.8.
    good, bad = Retention(0.2, 0.2, 1.05, 5), Retention(0.1, 0.2, 0.5, 5)
    rows = [good] * 6 + [bad] * 4
    test = read(RESIDUAL, tuple(MatrixRetention("x", i, i, r, r) for i, r in enumerate(rows)), "")
    assert test.forward.ratio == 1.05
    assert test.reading == "against"


def test_what_is_hardly_kept_at_all_never_speaks_for() -> None:
    # Far from a shared start the bulk is lost as well, and what two runs learn alike can outweigh the rest of it.
    faint = Retention(0.25, 0.22, 1.14, 5)
    test = read(RESIDUAL, tuple(MatrixRetention("x", i, i, faint, faint) for i in range(6)), "")
    assert test.reading == "abstains"
    assert "too little" in test.reason


def test_scale_does_not_decide() -> None:
    small, large = Retention(0.35, 0.33, 1.06, 5), Retention(1.5, 1.4, 1.07, 5)
    test = read(RESIDUAL, tuple(MatrixRetention("x", i, i, small, large) for i in range(6)), "")
    assert test.reading == "for"
    assert test.kept == pytest.approx(0.725, abs=0.01)


def test_no_matrices_is_a_reason() -> None:
    test = read(RESIDUAL, (), "no body matrices of equal shape at matched layers")
    assert test.reading == "abstains"
    assert test.reason.startswith("no body matrices")
    assert test.forward == Direction(False, None, None, None, 0.0, 0.0, 0.0, 0)


def test_triplets_are_singular_triplets() -> None:
    a = (_spikes(np.random.default_rng(0), 50.0) + np.random.default_rng(1).standard_normal((N, M))).astype(np.float32)
    t = top_triplets(a, seed=(0,))
    full = np.linalg.svd(a, compute_uv=False)
    assert np.allclose(t.s[:12], full[:12], rtol=1e-3)
    assert t.edge < full[0]
    assert np.allclose(t.u.T @ t.u, np.eye(len(t.s)), atol=1e-4)
