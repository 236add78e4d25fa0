"""Adapters leave a change of sharp low rank; full training, however small, does not; rescalings are told apart."""

from __future__ import annotations

import numpy as np
import pytest

from mpk_tui.lineage.identity import round_to
from mpk_tui.lineage.lowrank import block_of, change, rescaled_update, rounding, scaling


def base(m: int, n: int, dtype: str, seed: int = 1) -> np.ndarray:
    return round_to((0.02 * np.random.default_rng([seed, m, n]).standard_normal((m, n))).astype(np.float32), dtype)


def update(m: int, n: int, rank: int, size: float, seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng([seed, m, n, rank])
    return 0.02 * size * rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n)) / np.sqrt(rank)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
@pytest.mark.parametrize(("shape", "rank"), [((128, 128), 4), ((344, 128), 8), ((128, 344), 16), ((700, 900), 64)])
def test_a_merged_adapter_shows_its_rank(dtype: str, shape: tuple[int, int], rank: int) -> None:
    x = base(*shape, dtype)
    y = round_to((x + update(*shape, rank, 0.2)).astype(np.float32), dtype)
    found = change(block_of(x), block_of(y), min(shape))
    assert found.rank == rank
    assert found.small
    assert found.energy > 0.99


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
@pytest.mark.parametrize("size", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("decay", [0.3, 1.0])
def test_a_decaying_change_of_full_rank_is_no_adapter(dtype: str, size: float, decay: float) -> None:
    x = base(128, 128, dtype)
    u, _, v = np.linalg.svd(np.random.default_rng(5).standard_normal((128, 128)))
    d = (u * np.arange(1, 129) ** -decay) @ v
    y = round_to((x + d * size * np.linalg.norm(x) / np.linalg.norm(d)).astype(np.float32), dtype)
    assert not change(x, y, 128).small


def test_rounding_alone_has_no_rank() -> None:
    x = base(256, 256, "F32")
    assert change(x, round_to(x, "BF16"), 256).rank == 0


def test_rounding_error_is_read_from_the_values() -> None:
    wide = base(200, 300, "F32")
    for dtype in ("BF16", "F16"):
        narrow = round_to(wide, dtype)
        seen = float(np.sqrt(np.mean(np.square(narrow - wide, dtype=np.float64))))
        assert rounding(narrow) == pytest.approx(seen, rel=0.05)


def test_noise_of_a_grid_raises_the_edge() -> None:
    x = base(256, 256, "F32")
    step = 0.004
    y = (np.round((x + update(256, 256, 4, 0.6)) / step) * step).astype(np.float32)
    assert not change(x, y, 256).small
    assert change(x, y, 256, noise=step / np.sqrt(12)).rank == 4


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
@pytest.mark.parametrize("which", ["rows", "columns", "both"])
def test_a_pure_rescaling_is_found_with_its_factors(dtype: str, which: str) -> None:
    rng = np.random.default_rng(3)
    x = base(96, 160, dtype)
    r = np.exp(0.4 * rng.standard_normal(96)) if which != "columns" else np.ones(96)
    c = np.exp(0.4 * rng.standard_normal(160)) if which != "rows" else np.ones(160)
    found = scaling(x, round_to((x * r[:, None] * c[None, :]).astype(np.float32), dtype))
    assert found is not None
    assert found.exact
    assert (found.by_rows, found.by_columns) == (which != "columns", which != "rows")
    assert np.allclose(found.rows[:, None] * found.columns, r[:, None] * c, rtol=0.01)


def test_training_is_no_rescaling() -> None:
    x = base(96, 160, "BF16")
    y = round_to((x + 0.05 * base(96, 160, "F32", seed=8)).astype(np.float32), "BF16")
    found = scaling(x, y)
    assert found is not None
    assert not found.exact


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
@pytest.mark.parametrize("rank", [4, 16])
def test_rows_rescaled_after_an_update_of_low_rank(dtype: str, rank: int) -> None:
    x = base(160, 128, dtype)
    factors = 1 + 0.02 * np.random.default_rng(4).standard_normal(160)
    y = round_to((factors[:, None] * (x + update(160, 128, rank, 0.3))).astype(np.float32), dtype)
    assert not change(x, y, 128).small
    found = rescaled_update(x, y, 128)
    assert found is not None
    assert found.low_rank is not None
    assert found.low_rank.rank == rank
    assert np.abs(found.rows - factors).max() < 0.005


def test_full_training_is_no_rescaled_update() -> None:
    x = base(128, 128, "BF16")
    y = round_to((x + 0.1 * base(128, 128, "F32", seed=6)).astype(np.float32), "BF16")
    assert rescaled_update(x, y, 128) is None
