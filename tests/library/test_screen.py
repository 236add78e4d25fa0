"""The screen keeps correlations, is blind between unrelated models, and takes nothing for granted."""

from __future__ import annotations

import numpy as np
import pytest

from mpk_tui.fingerprint import features
from mpk_tui.fingerprint.record import Feature, Fingerprint
from mpk_tui.fingerprint.units import feature_map
from mpk_tui.library.screen import CELLS, LEAST, MOST, Screen, cells_of, folded, inverse_lengths, screens_of, sketch
from mpk_tui.library.search import WORTH, look

PARAMS = {"of": 512, "units": 64, "columns": 64, "inputs": ["ffn.gate", "ffn.up"], "width": 128}


def fingerprint(*arrays: np.ndarray, **params: object) -> Fingerprint:
    """One with an aligned feature of these layers."""
    data = np.stack(arrays).astype("<f2")
    made = Feature("ffn.aligned", features.VERSION, {**PARAMS, **params}, "<f2", data.shape, data.tobytes())
    return Fingerprint("t", "safetensors", "llama", "transformer-lm", (), (), {}, {}, {}, {"ffn.aligned": made}, ())


def layers(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Rows with a common mean and outlying columns, as real units have."""
    scale = np.exp(rng.standard_normal(64))
    return [rng.standard_normal((64, 64)) * scale + 3 for _ in range(count)]


def seen_of(a: Fingerprint, b: Fingerprint) -> tuple[float, float]:
    rows = [(7, s.key, s.layers, s.data) for s in screens_of(b)]
    seen = look(screens_of(a), rows)[7]
    return seen.score, seen.rho


def rho_of(a: list[np.ndarray], b: list[np.ndarray]) -> float:
    pairs = [(feature_map(x.astype(np.float32)), feature_map(y.astype(np.float32))) for x, y in zip(a, b, strict=True)]
    return float(np.mean([(x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()) for x, y in pairs]))


@pytest.mark.parametrize(("count", "kept"), [(1, 0.2), (4, 0.2), (40, 0.2), (4, 0.9)])
def test_a_correlation_is_kept_and_found(count: int, kept: float) -> None:
    rng = np.random.default_rng(count)
    a = layers(rng, count)
    noise = [rng.standard_normal(x.shape) * x.std(axis=0) * np.sqrt(1 / kept**2 - 1) for x in a]
    b = [x + n for x, n in zip(a, noise, strict=True)]
    score, rho = seen_of(fingerprint(*a), fingerprint(*b))
    error = 1 / np.sqrt(cells_of(count) * count)
    assert abs(rho - rho_of(a, b)) < 4 * error
    assert score > WORTH


def test_dropped_and_repeated_layers_are_found_in_any_place() -> None:
    a = layers(np.random.default_rng(1), 40)
    for order in ([0, 1, 3], [5, 6, 6, 7, 7, 8], [39]):
        score, rho = seen_of(fingerprint(*a), fingerprint(*(a[i] for i in order)))
        assert min(score - WORTH, rho - 0.9) > 0, order


def test_one_layer_of_many_is_found_as_a_part() -> None:
    rng = np.random.default_rng(3)
    a, b = layers(rng, 40), layers(rng, 40)
    b[31] = a[2]
    rows = [(7, s.key, s.layers, s.data) for s in screens_of(fingerprint(*b))]
    seen = look(screens_of(fingerprint(*a)), rows)[7]
    assert seen.part
    assert seen.score > WORTH
    assert seen.rho > 0.9


def test_relabelled_units_are_nobodys() -> None:
    """The same units under other numbers are exactly what the null says; 300 of them, and none is worth a look."""
    rng = np.random.default_rng(4)
    a = layers(rng, 4)
    others = [fingerprint(*(x[rng.permutation(len(x))] for x in a)) for _ in range(300)]
    rows = [(n, s.key, s.layers, s.data) for n, other in enumerate(others) for s in screens_of(other)]
    scores = np.array([s.score for s in look(screens_of(fingerprint(*a)), rows).values()])
    assert len(scores) == 300
    assert scores.max() < WORTH
    assert 0.4 < scores.std() < 1.6


@pytest.mark.parametrize("other", [{"of": 513}, {"width": 129}, {"inputs": ["ffn.up"]}])
def test_what_a_comparison_would_not_lay_beside_each_other_meets_nowhere(other: dict[str, object]) -> None:
    a = layers(np.random.default_rng(5), 2)
    rows = [(1, s.key, s.layers, s.data) for s in screens_of(fingerprint(*a, **other))]
    assert rows
    assert not look(screens_of(fingerprint(*a)), rows)


def test_a_sketch_folds_into_the_narrower_one() -> None:
    x = np.random.default_rng(6).standard_normal((64, 64)).astype(np.float32)
    wide, narrow = sketch(x, MOST), sketch(x, LEAST)
    a, b = folded(wide[None], LEAST), folded(narrow[None], LEAST)
    cosine = ((a * inverse_lengths(a)[:, None]) @ (b * inverse_lengths(b)[:, None]).T).item()
    assert cosine > 0.999


def test_cells_are_powers_of_two_within_bounds() -> None:
    for n in (1, 2, 3, 7, 31, 32, 33, 126, 4096):
        cells = cells_of(n)
        assert LEAST <= cells <= MOST
        assert cells & (cells - 1) == 0
        assert n * cells <= max(CELLS, n * LEAST)


def test_hostile_features_and_rows_are_left_out() -> None:
    rng = np.random.default_rng(7)
    flat, nan = np.ones((64, 64)), np.full((64, 64), np.nan)
    odd = screens_of(fingerprint(flat, nan, np.full((64, 64), 6e4)))
    assert [set(s.data) for s in odd] == [{0}]
    key = odd[0].key
    good = Screen(key, 1, sketch(rng.standard_normal((64, 64)).astype(np.float32), MOST).tobytes())
    rows = [(1, key, 1, b""), (2, key, 0, b""), (3, key, -1, b"x"), (4, key, 1, b"x" * 7), (5, "?", 1, good.data),
            (6, key, 1, bytes(MOST)), (7, key, 1, good.data)]  # fmt: skip
    seen = look([good], rows)
    assert sorted(seen) == [6, 7]
    assert seen[6].score < WORTH < seen[7].score
    empty = Feature("ffn.aligned", features.VERSION, PARAMS, "<f2", (0, 64, 64), b"")
    old = Feature("ffn.anchored", 1, PARAMS, "<f2", (1, 2, 2), b"\0" * 8)
    none = Fingerprint("t", "f", "x", "y", (), (), {}, {}, {}, {"ffn.aligned": empty, "ffn.anchored": old}, ())
    assert screens_of(none) == []
    evil = fingerprint(flat, inputs=["a|b=c\n\x1b", "d"])
    assert "\n" not in screens_of(evil)[0].key
    assert screens_of(evil)[0].key.count("|") == odd[0].key.count("|")
