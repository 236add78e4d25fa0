"""Body matrices in one gauge, how far a model has trained, and sketches of what it learned."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import ml_arrays as ml
import numpy as np
import pytest

import mpk_tui.demo
from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Block
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.gauge import ROLES, body_matrix, gain_spread
from mpk_tui.fingerprint.learned import SIDE, chosen_blocks, split
from mpk_tui.fingerprint.spectra import top_triplets
from mpk_tui.lineage.compare import compare
from mpk_tui.lineage.findings import FINDINGS

BASE = Path(mpk_tui.demo.__file__).parent / "base"
HEADS, KV, DIM, H = 4, 2, 32, 320


@pytest.fixture
def rescaled(tmp_path: Path) -> Path:
    """The base with scale moved from up to down and from V to O: the same function."""
    rng = np.random.default_rng(2)
    shutil.copytree(BASE, tmp_path / "rescaled")
    t = ml.load(BASE / "model.safetensors")
    for i in range(4):
        stem = f"model.layers.{i}."
        units, channels = np.exp(rng.standard_normal(H)), np.exp(rng.standard_normal(KV * DIM))
        t[stem + "mlp.up_proj.weight"] *= units[:, None]
        t[stem + "mlp.down_proj.weight"] /= units
        read = channels.reshape(KV, DIM).repeat(HEADS // KV, axis=0).ravel()
        t[stem + "self_attn.v_proj.weight"] *= channels[:, None]
        t[stem + "self_attn.o_proj.weight"] /= read
    ml.save(tmp_path / "rescaled" / "model.safetensors", t, "F32")
    return tmp_path / "rescaled"


def test_moving_scale_between_matrices_changes_nothing(rescaled: Path) -> None:
    a, b = open_checkpoint(BASE), open_checkpoint(rescaled)
    with WeightReader(a) as ra, WeightReader(b) as rb:
        for role in ROLES:
            x = body_matrix(ra, a.architecture, role, Block(1), 4096)
            y = body_matrix(rb, b.architecture, role, Block(1), 4096)
            assert x is not None
            assert y is not None
            assert np.allclose(x, y, rtol=1e-3, atol=1e-5), role
        # The plain values do differ.
        part = a.architecture.roles["ffn.up", 1]
        assert not np.allclose(ra.whole(part), rb.whole(part), rtol=0.1)


def test_units_may_be_taken_in_any_order() -> None:
    c = open_checkpoint(BASE)
    ids = np.array([7, 3, 200])
    ids = np.concatenate((ids, np.arange(10, 80)))
    with WeightReader(c) as reader:
        for role, axis in (("ffn.up", 0), ("ffn.down", 1)):
            whole = body_matrix(reader, c.architecture, role, Block(0), 4096)
            some = body_matrix(reader, c.architecture, role, Block(0), 4096, ids)
            assert whole is not None
            assert some is not None
            assert np.allclose(some, whole.take(ids, axis=axis), rtol=1e-4, atol=1e-6)


def test_a_missing_role_is_none() -> None:
    c = open_checkpoint(BASE)
    with WeightReader(c) as reader:
        assert body_matrix(reader, c.architecture, "ffn.up", Block(9), 4096) is None


def test_gains_tell_how_far_a_model_has_trained(tmp_path: Path) -> None:
    c = open_checkpoint(BASE)
    with WeightReader(c) as reader:
        assert 0.03 < (gain_spread(reader, c.architecture) or 0) < 0.1
    shutil.copytree(BASE, tmp_path / "folded")
    t = ml.load(BASE / "model.safetensors")
    ml.save(tmp_path / "folded" / "model.safetensors", {n: np.ones_like(x) if x.ndim == 1 else x for n, x in t.items()})
    folded = open_checkpoint(tmp_path / "folded")
    with WeightReader(folded) as reader:
        assert gain_spread(reader, folded.architecture) is None


def test_sketches_keep_inner_products() -> None:
    rng = np.random.default_rng(4)
    u, v = (np.linalg.qr(rng.standard_normal((n, 6)))[0] for n in (300, 260))
    a = (rng.standard_normal((300, 260)) + 60 * u @ v.T).astype(np.float32)
    b = (0.6 * a + 0.8 * rng.standard_normal(a.shape)).astype(np.float32)
    (top_a, rest_a, standing), (top_b, rest_b, _) = split(a, 0), split(b, 1)
    assert standing >= 6
    whole_a, whole_b = top_a + rest_a, top_b + rest_b
    assert whole_a.shape == (SIDE, SIDE)
    exact = float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))
    assert float((whole_a * whole_b).mean()) == pytest.approx(exact, abs=0.15)
    found = top_triplets(a, seed=(9,))
    share = float((found.s.astype(float) ** 2).sum() / found.square)
    assert float((top_a * top_a).mean()) == pytest.approx(share, rel=0.35)


def test_chosen_layers_are_spread_over_the_model() -> None:
    arch = open_checkpoint(BASE).architecture
    assert [b.layer for b in chosen_blocks(arch)] == [0, 1, 2, 3]


@pytest.mark.parametrize("value", [1e38, float("inf"), float("nan")])
def test_values_that_no_model_holds_break_nothing(tmp_path: Path, value: float) -> None:
    shutil.copytree(BASE, tmp_path / "hostile")
    t = ml.load(BASE / "model.safetensors")
    for name, x in t.items():
        if x.ndim == 2:
            x[:20, ::3] = value
            t[name] = x
    ml.save(tmp_path / "hostile" / "model.safetensors", t, "F32")
    made = fingerprint(tmp_path / "hostile")
    assert np.isfinite(np.frombuffer(made.features["retention"].data, "<f2").astype(np.float32)).all()
    record = compare(BASE, tmp_path / "hostile")
    assert record["finding"] in FINDINGS
    json.dumps(record, allow_nan=False)
