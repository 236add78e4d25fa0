"""The turn between two residual streams: found exactly, or refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from demo_edits import BASE, TWIN, D, Tensors, made, weights

from mpk_tui.lineage import alignment
from mpk_tui.lineage.alignment import Turn, residual_turn
from mpk_tui.lineage.sides import open_side
from mpk_tui.progress import CancelToken, silent

EMBED = "model.embed_tokens.weight"


def turn(a: Path, b: Path) -> Turn | str:
    cancel = CancelToken()
    with open_side(a, silent, cancel) as left, open_side(b, silent, cancel) as right:
        assert left.weights is not None
        assert right.weights is not None
        return residual_turn(left.weights, right.weights)


def embedded(t: Tensors, matrix: np.ndarray) -> Tensors:
    return t | {EMBED: np.ascontiguousarray(t[EMBED] @ matrix, np.float32)}


def signed(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.eye(D)[:, rng.permutation(D)] * rng.choice([-1.0, 1.0], D)


def test_a_signed_permutation_is_found_exactly_under_noise(tmp_path: Path) -> None:
    t = weights(BASE)
    rng = np.random.default_rng(1)
    moved = {**t, EMBED: t[EMBED] + 0.3 * t[EMBED].std() * rng.standard_normal(t[EMBED].shape)}
    matrix = signed(2)
    found = turn(BASE, made(tmp_path / "x", embedded(moved, matrix)))
    assert isinstance(found, Turn)
    assert found.kind == "permuted"
    assert np.array_equal(found.matrix, matrix.astype(np.float32))
    assert 0.9 < found.fit < 0.99


def test_a_rotation_is_found_and_undone_from_the_other_side(tmp_path: Path) -> None:
    matrix = np.linalg.qr(np.random.default_rng(3).standard_normal((D, D)))[0]
    other = made(tmp_path / "x", embedded(weights(BASE), matrix))
    there, back = turn(BASE, other), turn(other, BASE)
    assert isinstance(there, Turn)
    assert isinstance(back, Turn)
    assert (there.kind, back.kind) == ("turned", "turned")
    assert np.abs(there.matrix - matrix).max() < 1e-4
    assert np.abs(there.matrix @ back.matrix - np.eye(D)).max() < 1e-4
    assert there.fit == pytest.approx(1.0, abs=1e-6)


def cut(t: Tensors, keep: np.ndarray) -> Tensors:
    out = {}
    for n, x in t.items():
        writes = n.endswith(("o_proj.weight", "down_proj.weight"))
        out[n] = np.ascontiguousarray(x[keep] if writes or x.ndim == 1 else x[:, keep])
    return out


def test_a_narrower_stream_is_placed_in_the_wider(tmp_path: Path) -> None:
    keep = np.sort(np.random.default_rng(4).permutation(D)[:80])
    other = made(tmp_path / "x", cut(weights(BASE), keep), hidden_size=80)
    there, back = turn(BASE, other), turn(other, BASE)
    assert isinstance(there, Turn)
    assert isinstance(back, Turn)
    assert there.matrix.shape == (D, 80)
    assert np.array_equal(there.matrix, np.eye(D, dtype=np.float32)[:, keep])
    assert np.array_equal(back.matrix, there.matrix.T)
    assert there.kind == "permuted"


def test_strangers_are_turned_without_fit() -> None:
    found = turn(BASE, TWIN)
    assert isinstance(found, Turn)
    # A turn always exists; that it fits is another matter.
    assert found.kind == "turned"
    assert np.abs(found.matrix.T @ found.matrix - np.eye(D)).max() < 1e-4
    copy = turn(BASE, BASE)
    assert isinstance(copy, Turn)
    assert found.fit < copy.fit - 0.2
    assert copy.kind == "permuted"


def test_too_few_tokens_are_told(tmp_path: Path) -> None:
    t = weights(BASE)
    short = {n: x[:200] if n in (EMBED, "lm_head.weight") else x for n, x in t.items()}
    found = turn(BASE, made(tmp_path / "x", short, vocab_size=200))
    assert isinstance(found, str)
    assert found.endswith("shared tokens are too few to align residual streams of width 128")


def test_too_wide_streams_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "WIDEST", 64)
    assert turn(BASE, TWIN) == "residual streams of width 128 and 128 are not aligned (at most 64)"


def test_without_an_embedding_there_is_nothing_to_align_by(tmp_path: Path) -> None:
    t = {n: x for n, x in weights(BASE).items() if n != EMBED}
    assert turn(made(tmp_path / "x", t), BASE) == "one model has no token embedding"
