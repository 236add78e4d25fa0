"""Grids that floats lie on: every scheme is recognised with its width and groups, plain and pruned weights never."""

from __future__ import annotations

import numpy as np
import pytest

from mpk_tui.lineage import grids
from mpk_tui.lineage.grids import find_grid, residual, significant_bits
from mpk_tui.lineage.identity import round_to

NF4 = np.array(
    [-1.0, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.09105004, 0.0, 0.0795803, 0.1609302,
     0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1.0]
)  # fmt: skip
"""Levels of the NormalFloat data type (Dettmers et al., "QLoRA", 2023, appendix E)."""


def weights(kind: str = "normal", rows: int = 64, columns: int = 512, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng([seed, rows, columns])
    values = rng.standard_normal((rows, columns)) if kind == "normal" else rng.standard_t(5, (rows, columns))
    return (0.02 * values).astype(np.float32)


def quantized(x: np.ndarray, scheme: str, bits: int, group: int) -> np.ndarray:
    """Rounded to a grid by group (0: row, -1: matrix) and decoded again."""
    v = x.reshape(-1, {0: x.shape[1], -1: x.size}.get(group, group)).astype(np.float64)
    if scheme == "symmetric":
        step = np.abs(v).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
        q = np.round(v / step) * step
    elif scheme == "offset":
        low = v.min(axis=1, keepdims=True)
        step = (v.max(axis=1, keepdims=True) - low) / (2**bits - 1)
        q = np.round((v - low) / step) * step + low
    elif scheme == "zero point":
        low = v.min(axis=1, keepdims=True)
        step = (v.max(axis=1, keepdims=True) - low) / (2**bits - 1)
        zero = np.round(-low / step)
        q = (np.clip(np.round(v / step) + zero, 0, 2**bits - 1) - zero) * step
    else:
        scale = np.abs(v).max(axis=1, keepdims=True)
        q = NF4[np.abs((v / scale)[..., None] - NF4).argmin(axis=-1)] * scale
    return q.reshape(x.shape).astype(np.float32)


@pytest.mark.parametrize("stored", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("group", [32, 64, 128, 0, -1])
@pytest.mark.parametrize(("scheme", "bits"), [("symmetric", 4), ("offset", 4), ("zero point", 3), ("symmetric", 8)])
def test_an_even_grid_is_found_with_its_width_and_groups(stored: str, group: int, scheme: str, bits: int) -> None:
    x = weights()
    q = round_to(quantized(x, scheme, bits, group), stored)
    found = find_grid(q)
    assert found is not None
    assert (found.kind, found.bits, found.group) == ("even", bits, group)
    moved = residual(q, x, found)
    assert moved is not None
    assert moved.within > 0.99
    # A bell over few steps is steeper on the outer side of each: the residual leans inwards the more, the fewer steps.
    assert abs(moved.correlation) < (0.1 if bits == 8 else 0.35)


@pytest.mark.parametrize("bits", [2, 5, 6])
def test_other_widths(bits: int) -> None:
    found = find_grid(round_to(quantized(weights(columns=384), "offset", bits, 64), "BF16"))
    assert found is not None
    assert (found.bits, found.group) == (bits, 64)


@pytest.mark.parametrize("stored", ["F32", "BF16"])
@pytest.mark.parametrize("group", [64, 128])
def test_a_codebook_is_no_even_grid(stored: str, group: int) -> None:
    found = find_grid(round_to(quantized(weights(), "nf4", 4, group), stored))
    assert found is not None
    assert (found.kind, found.bits, found.group) == ("codebook", 4, group)
    assert residual(weights(), weights(), found) is None


@pytest.mark.parametrize("stored", ["F32", "F16", "BF16"])
@pytest.mark.parametrize("kind", ["normal", "heavy tails"])
def test_plain_and_pruned_weights_lie_on_none(stored: str, kind: str) -> None:
    for seed in range(3):
        x = round_to(weights(kind, seed=seed), stored)
        assert find_grid(x) is None
        pairs = x.reshape(-1, 4).copy()
        np.put_along_axis(pairs, np.argsort(np.abs(pairs), axis=1)[:, :2], 0, axis=1)
        assert find_grid(pairs.reshape(x.shape)) is None
        assert find_grid(np.where(np.abs(x) < np.quantile(np.abs(x), 0.7), 0, x).astype(np.float32)) is None


def test_weights_changed_after_rounding_are_not_within_half_a_step() -> None:
    x = weights()
    q = quantized(x, "symmetric", 4, 32)
    found = find_grid(q)
    assert found is not None
    moved = residual(q, x + weights(seed=9), found)
    assert moved is not None
    assert moved.within < 0.6


def test_values_that_cannot_lie_on_a_grid() -> None:
    x = weights()
    x[0, 0] = np.inf
    assert find_grid(x) is None
    assert find_grid(np.zeros((4, 64), np.float32)) is None
    assert find_grid(np.ones((4, 8), np.float32)) is None


def test_bits_in_use_are_read_from_the_values() -> None:
    x = weights()
    assert [significant_bits(round_to(x, d)) for d in ("BF16", "F16", "F32")] == [8, 11, 24]
    assert grids.PRECISION[8] == 2.0**-9
