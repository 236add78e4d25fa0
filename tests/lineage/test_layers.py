"""Which layers stand beside each other: same depth, dropped, repeated, unrelated."""

from __future__ import annotations

import numpy as np

from mpk_tui.lineage.layers import choose_map, monotone_path, repeats, z_matrix


def _layers(n: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((128, 64)).astype(np.float32) for _ in range(n)]


def test_equal_depth_pairs_by_index() -> None:
    a = _layers(6, 0)
    found = choose_map(6, 6, z_matrix(a, a))
    assert found is not None
    assert found.pairs == tuple((i, i) for i in range(6))
    assert found.candidates == 1


def test_unrelated_layers_pair_by_index_without_penalty() -> None:
    found = choose_map(6, 6, z_matrix(_layers(6, 0), _layers(6, 1)))
    assert found is not None
    assert found.how == "same index"


def test_dropped_layers_are_found_from_either_side() -> None:
    a = _layers(8, 2)
    b = [a[i] for i in (0, 1, 4, 7)]
    forward, backward = choose_map(8, 4, z_matrix(a, b)), choose_map(4, 8, z_matrix(b, a))
    assert forward is not None
    assert backward is not None
    assert forward.pairs == ((0, 0), (1, 1), (4, 2), (7, 3))
    assert backward.pairs == ((0, 0), (1, 1), (2, 4), (3, 7))
    assert forward.candidates == backward.candidates == 8


def test_repeated_layers_at_equal_depth_leave_the_diagonal() -> None:
    a = _layers(6, 3)
    b = [a[i] for i in (0, 1, 2, 2, 3, 4)]
    found = choose_map(6, 6, z_matrix(a, b))
    assert found is not None
    assert found.how == "best monotone path"
    assert dict(found.pairs)[3] == 4
    assert dict(found.pairs)[4] == 5


def test_depths_without_sketches_cannot_be_mapped() -> None:
    assert choose_map(6, 4, None) is None
    same = choose_map(4, 4, None)
    assert same is not None
    assert same.pairs == ((0, 0), (1, 1), (2, 2), (3, 3))


def test_path_is_monotone_and_optimal_on_random_input() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        z = rng.standard_normal((4, 5))
        path = monotone_path(z)
        assert path == sorted(path)
        best = max(
            z[0, i] + z[1, j] + z[2, k] + z[3, m]
            for i in range(5) for j in range(i, 5) for k in range(j, 5) for m in range(k, 5)
        )  # fmt: skip
        assert abs(sum(z[r, c] for r, c in enumerate(path)) - best) < 1e-12


def test_layers_that_repeat_are_named_with_the_earlier_one() -> None:
    a = _layers(4, 5)
    rng = np.random.default_rng(6)
    near = [x + 0.3 * rng.standard_normal(x.shape).astype(np.float32) for x in a]
    stack = [a[0], a[1], near[0], a[2], near[2], near[1]]
    assert repeats(z_matrix(stack, stack)) == ((2, 0), (4, 3), (5, 1))
    # Three of a kind: every later one names one before it, the best.
    assert repeats(z_matrix([a[0], near[0], a[0]], [a[0], near[0], a[0]])) == ((1, 0), (2, 0))


def test_own_layers_of_a_model_do_not_repeat() -> None:
    for seed in range(20):
        a = _layers(6, 100 + seed)
        assert repeats(z_matrix(a, a)) == ()
    assert repeats(np.zeros((0, 0))) == ()
    assert repeats(np.full((1, 1), 99.0)) == ()
