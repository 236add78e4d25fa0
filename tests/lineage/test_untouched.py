"""Values and rows that training left alone: what is equal beyond chance, and what only decayed."""

from __future__ import annotations

from pathlib import Path

import ml_arrays as ml
import numpy as np
import pytest

from mpk_tui.lineage.compare import compare
from mpk_tui.lineage.identity import round_to
from mpk_tui.lineage.untouched import chance_equal

SLIM = Path(__file__).parent.parent / "zoo" / "slim"
SEED = Path(__file__).parent / "same-seed"
BASE = Path(__file__).parent.parent.parent / "mpk_tui" / "demo" / "base"


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 0.99])
def test_gaussian_values_are_as_often_equal_as_expected(rho: float) -> None:
    rng = np.random.default_rng(int(100 * rho))
    u = rng.standard_normal(1_000_000)
    v = rho * u + np.sqrt(1 - rho * rho) * rng.standard_normal(len(u))
    x, y = (round_to((0.02 * w).astype(np.float32), "BF16") for w in (u, v))
    assert float(np.mean(x == y)) / chance_equal(x, y) == pytest.approx(1.0, abs=0.12)


def test_values_that_were_not_touched_are_more_than_correlation_explains() -> None:
    rng = np.random.default_rng(3)
    u = rng.standard_normal(200_000)
    v = np.where(rng.random(len(u)) < 0.5, u, rng.standard_normal(len(u)))
    x, y = (round_to((0.02 * w).astype(np.float32), "BF16") for w in (u, v))
    assert float(np.mean(x == y)) / chance_equal(x, y) > 20


def test_no_common_value_means_nothing_expected() -> None:
    assert chance_equal(np.array([1.0, 2.0], np.float32), np.array([3.0, 4.0], np.float32)) == 0.0


def test_siblings_hold_unused_rows_bit_for_bit() -> None:
    found = compare(SLIM / "llama-a-1", SLIM / "llama-a-1.seed_near")["untouched"]
    assert found["rows"] == 800
    assert 100 < found["rows_equal"] < 400
    assert "neither run trained" in found["sentence"]
    assert found["ratio"] == pytest.approx(1.0, abs=0.3)


def test_descendants_hold_them_at_another_scale(tmp_path: Path) -> None:
    record = compare(SLIM / "mixtral-a-1", SLIM / "mixtral-a-1.ft")
    found = record["untouched"]
    assert found["rows_equal"] == 0
    assert 100 < found["rows_scaled"] < 400
    assert found["one_scale"]
    assert 0.99 < found["scale"] < 1.0


def test_a_sparse_change_leaves_the_rest_untouched(tmp_path: Path) -> None:
    tensors = ml.load(BASE / "model.safetensors")
    rng = np.random.default_rng(5)
    for name, x in tensors.items():
        if "layers" in name and x.ndim == 2:
            tensors[name] = np.where(rng.random(x.shape) < 0.1, x + 0.3 * x.std() * rng.standard_normal(x.shape), x)
    folder = tmp_path / "sparse"
    folder.mkdir()
    for extra in ("config.json", "tokenizer.json"):
        (folder / extra).write_bytes((BASE / extra).read_bytes())
    ml.save(folder / "model.safetensors", {n: x.astype(np.float32) for n, x in tensors.items()}, "BF16")
    found = compare(BASE, folder)["untouched"]
    assert found["equal"] > 0.85
    assert found["ratio"] > 2
    assert "left untouched" in found["sentence"]


def test_it_is_not_looked_for_without_an_origin() -> None:
    assert compare(SLIM / "llama-a-1", SLIM / "bert-a-1")["untouched"] is None
