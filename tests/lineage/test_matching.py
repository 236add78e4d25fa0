"""The order of matched units and relabelled heads, held against enumeration and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mpk_tui.lineage.heads import head_test
from mpk_tui.lineage.matching import log_order_p, longest_increasing, mutual_nearest


def _rows(seed: int, m: int, n: int = 96) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((m, n)).astype(np.float32)


def test_the_bound_holds_for_sixty_values_in_random_order() -> None:
    rng = np.random.default_rng(1)
    lengths = np.array([longest_increasing(rng.permutation(60)) for _ in range(4000)])
    for k in range(1, 61):
        assert float(np.mean(lengths >= k)) <= math.exp(log_order_p(60, k)) + 1e-12, k
    # It is of use, too: a length that hardly ever happens is called rare.
    assert math.exp(log_order_p(60, 24)) < 1e-5
    assert lengths.max() < 24


@pytest.mark.parametrize(("n", "k"), [(0, 0), (0, 3), (5, 0), (60, 1)])
def test_what_always_happens_has_p_one(n: int, k: int) -> None:
    assert log_order_p(n, k) == 0.0


@pytest.mark.parametrize(
    ("values", "length"),
    [([], 0), ([3], 1), ([3, 2, 1], 1), ([1, 2, 3], 3), ([2, 2, 2], 1), ([0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13], 5)],
)
def test_longest_increasing_runs_by_hand(values: list[int], length: int) -> None:
    assert longest_increasing(np.array(values, dtype=np.int64)) == length


def test_matching_is_symmetric_and_one_to_one() -> None:
    x = _rows(2, 150)
    y = np.concatenate((x[30:110] + 0.4 * _rows(3, 80), _rows(4, 60)))
    there, back = mutual_nearest(x, y), mutual_nearest(y, x)
    pairs = set(zip(there.a.tolist(), there.b.tolist(), strict=True))
    assert pairs == {(a, b) for b, a in zip(back.a.tolist(), back.b.tolist(), strict=True)}
    assert len(set(there.b.tolist())) == len(there)
    assert sum(a - 30 == b for a, b in pairs) == 80


def test_rows_beyond_one_block_are_compared_like_the_first() -> None:
    x = _rows(5, 60, 24)
    y = np.concatenate((_rows(6, 2100, 24), x))
    found = mutual_nearest(x, y)
    assert found.a.tolist() == list(range(60))
    assert found.b.tolist() == list(range(2100, 2160))


def test_scale_of_columns_and_rows_does_not_matter() -> None:
    x = _rows(7, 120)
    order = np.random.default_rng(8).permutation(120)
    y = x * np.exp(np.random.default_rng(9).standard_normal(96)).astype(np.float32)
    # One common direction and one outlier column would make every row the neighbour of every other.
    y = y + 50.0
    y[:, 3] *= 1e4
    found = mutual_nearest(x, y[order])
    assert np.array_equal(order[found.b], found.a)
    assert len(found) == 120


def _exact(x: tuple[np.ndarray, np.ndarray], y: tuple[np.ndarray, np.ndarray]) -> float:
    """Share of all relabellings (key/value heads, query heads within their groups) that reach the labels given."""

    def unit(rows: np.ndarray) -> np.ndarray:
        rows = rows - rows.mean(axis=0)
        norm = np.linalg.norm(rows, axis=1, keepdims=True)
        return rows / np.where(norm > 0, norm, 1.0)  # one head alone is its own mean

    (heads, kv), group = (len(x[0]), len(x[1])), len(x[0]) // len(x[1])
    query, key = unit(x[0]) @ unit(y[0]).T, unit(x[1]) @ unit(y[1]).T
    sums = []
    for order in itertools.permutations(range(kv)):
        for inner in itertools.product(itertools.permutations(range(group)), repeat=kv):
            of_query = [order[h // group] * group + inner[h // group][h % group] for h in range(heads)]
            sums.append(sum(query[h, of_query[h]] for h in range(heads)) + sum(key[g, order[g]] for g in range(kv)))
    total = np.trace(query) + np.trace(key)
    return float(np.mean(np.array(sums) >= total - 1e-6))


@pytest.mark.parametrize(("heads", "kv"), [(4, 2), (6, 3), (4, 4), (6, 2), (3, 1)])
def test_relabellings_of_heads_are_drawn_from_the_group_and_evenly(heads: int, kv: int) -> None:
    for n in range(4):
        x = _rows(100 + n, heads, 30), _rows(200 + n, kv, 30)
        y = 0.2 * x[0] + _rows(300 + n, heads, 30), 0.2 * x[1] + _rows(400 + n, kv, 30)
        exact = _exact(x, y)
        found = math.exp(head_test(x, y, seed=(n,), draws=9999).log_p)
        assert found == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / 9999) + 2e-4)


def test_heads_of_a_copy_correlate_fully_however_they_are_scaled() -> None:
    x = _rows(10, 8, 60), _rows(11, 4, 60)
    same = head_test(x, (3 * x[0], 0.5 * x[1]), seed=(1,))
    assert same.rho == pytest.approx(1.0, abs=1e-5)
    assert same.units == 8


def test_heads_that_swap_groups_are_no_relabelling() -> None:
    # Query head 0 and query head 2 serve other key/value heads: no draw may undo that swap.
    x = _rows(12, 4, 200), _rows(13, 2, 200)
    swapped = x[0][[2, 1, 0, 3]], x[1]
    assert math.exp(head_test(x, swapped, seed=(2,)).log_p) == pytest.approx(_exact(x, swapped), abs=0.02)
    assert head_test(x, swapped, seed=(2,)).rho < 0.7
