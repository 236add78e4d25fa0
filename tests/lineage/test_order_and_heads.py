"""Matched units, their order, and heads: exact tails held against enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from mpk_tui.lineage.heads import head_test
from mpk_tui.lineage.layers import repeats, z_matrix
from mpk_tui.lineage.matching import log_order_p, longest_increasing, mutual_nearest
from mpk_tui.lineage.results import LayerResult, combine
from mpk_tui.lineage.rowtest import RowTest


def _rows(seed: int, m: int, n: int = 96) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((m, n)).astype(np.float32)


def test_units_of_a_permuted_copy_are_all_found() -> None:
    x = _rows(1, 200)
    order = np.random.default_rng(2).permutation(200)
    noise = 0.3 * _rows(3, 200)
    found = mutual_nearest(x, (x + noise)[order])
    assert len(found) == 200
    assert np.array_equal(order[found.b], found.a)
    assert float(found.cosine.min()) > 0.8


def test_units_that_were_pruned_leave_the_others_in_order() -> None:
    x = _rows(4, 240)
    kept = np.sort(np.random.default_rng(5).permutation(240)[:160])
    found = mutual_nearest(x, x[kept])
    assert longest_increasing(found.b) == len(found) == 160
    assert log_order_p(160, 160) < -600


def test_unrelated_units_have_no_order() -> None:
    found = mutual_nearest(_rows(6, 240), _rows(7, 240))
    assert log_order_p(len(found), longest_increasing(found.b)) > math.log(0.05)


def test_the_longest_increasing_run_is_the_longest() -> None:
    rng = np.random.default_rng(8)
    for _ in range(50):
        values = rng.permutation(8)
        longest = max(
            len(c) for k in range(1, 9) for c in itertools.combinations(values.tolist(), k) if list(c) == sorted(c)
        )
        assert longest_increasing(values) == longest


@pytest.mark.parametrize("n", [3, 5, 7])
def test_the_bound_never_lies_below_the_exact_tail(n: int) -> None:
    lengths = [longest_increasing(np.array(p)) for p in itertools.permutations(range(n))]
    for k in range(1, n + 1):
        tail = sum(length >= k for length in lengths) / len(lengths)
        assert math.exp(log_order_p(n, k)) >= tail - 1e-12
    # At full length there is one order, and the bound is exact.
    assert math.exp(log_order_p(n, n)) == pytest.approx(1 / math.factorial(n))


def test_few_heads_are_enumerated_by_the_draws() -> None:
    # Two key/value heads of two query heads each: 2! (2!)^2 = 8 relabellings; a copy is best in one of them.
    q, k = _rows(9, 4, 400), _rows(10, 2, 400)
    same = head_test((q, k), (q + 0.1 * _rows(11, 4, 400), k), seed=(1,))
    assert math.exp(same.log_p) == pytest.approx(1 / 8, abs=0.01)
    assert same.rho > 0.98


def test_many_heads_have_power() -> None:
    q, k = _rows(12, 16, 400), _rows(13, 8, 400)
    same = head_test((q, k), (q + _rows(14, 16, 400), k + _rows(15, 8, 400)), seed=(2,))
    assert same.log_p <= math.log(1.01e-4)
    assert same.bound


def test_heads_of_unrelated_models_are_calibrated() -> None:
    ps = []
    for n in range(60):
        x = _rows(100 + n, 8, 50), _rows(200 + n, 8, 50)
        y = _rows(300 + n, 8, 50), _rows(400 + n, 8, 50)
        ps.append(math.exp(head_test(x, y, seed=(n,), draws=999).log_p))
    assert sum(p <= 0.05 for p in ps) <= 9  # 3 expected; more than 9 happens once in two thousand
    assert 0.35 < float(np.mean(ps)) < 0.65


def test_layers_that_repeat_are_seen_within_one_model() -> None:
    layers = [_rows(20 + n, 128, 64) for n in range(4)]
    again = [layers[0], layers[1], layers[1] + 0.2 * _rows(30, 128, 64), layers[2], layers[3]]
    assert repeats(z_matrix(again, again)) == ((2, 1),)
    assert repeats(z_matrix(layers, layers)) == ()


def _result(a: int, b: int, log_p: float, expert: int = -1) -> LayerResult:
    return LayerResult(a, b, RowTest(0.0, 0.0, log_p, False, 1), log_p, expert, expert)


def test_what_is_repeated_on_both_sides_counts_once() -> None:
    results = [_result(i, i, math.log(0.01)) for i in range(3)]
    assert combine(results, frozenset({(1, 1), (2, 2)})) == pytest.approx(math.log(0.01))
    assert combine(results) < combine(results, frozenset({(2, 2)})) < math.log(0.01)


def test_experts_are_joined_by_bonferroni() -> None:
    # Copies of one dense layer share their luck: eight of them must not multiply it.
    results = [_result(0, 0, math.log(0.01), expert) for expert in range(8)]
    assert combine(results) == pytest.approx(math.log(0.08))
