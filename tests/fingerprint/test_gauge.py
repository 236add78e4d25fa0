"""Folded gains, samples of long sides and models without gates in the common gauge."""

from __future__ import annotations

import shutil
from pathlib import Path

import ml_arrays as ml
import numpy as np
import pytest

import mpk_tui.demo
from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Block
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.fingerprint import learned
from mpk_tui.fingerprint.features import array
from mpk_tui.fingerprint.gauge import ROLES, body_matrix, gain_spread
from mpk_tui.progress import CancelToken, silent

BASE = Path(mpk_tui.demo.__file__).parent / "base"


def edited(folder: Path, change: dict[str, np.ndarray]) -> Path:
    shutil.copytree(BASE, folder)
    ml.save(folder / "model.safetensors", ml.load(BASE / "model.safetensors") | change, "F32")
    return folder


def test_folding_a_gain_is_what_folding_it_into_the_weights_gives(tmp_path: Path) -> None:
    t = ml.load(BASE / "model.safetensors")
    rng = np.random.default_rng(1)
    gains, plain = {}, {}
    for i in range(4):
        stem = f"model.layers.{i}."
        for norm, readers in (
            ("input_layernorm", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
            ("post_attention_layernorm", ("mlp.gate_proj", "mlp.up_proj")),
        ):
            gain = np.exp(0.5 * rng.standard_normal(128)).astype(np.float32)
            gains[f"{stem}{norm}.weight"] = gain
            plain[f"{stem}{norm}.weight"] = np.ones(128, np.float32)
            for name in readers:
                plain[f"{stem}{name}.weight"] = t[f"{stem}{name}.weight"] * gain
    a, b = open_checkpoint(edited(tmp_path / "gains", gains)), open_checkpoint(edited(tmp_path / "plain", plain))
    with WeightReader(a) as ra, WeightReader(b) as rb:
        for role in ("attn.q", "attn.k", "ffn.gate"):
            x = body_matrix(ra, a.architecture, role, Block(2), 4096, folded=True)
            y = body_matrix(rb, b.architecture, role, Block(2), 4096)
            assert x is not None
            assert y is not None
            assert np.allclose(x, y, rtol=1e-5, atol=1e-7), role
            bare = body_matrix(ra, a.architecture, role, Block(2), 4096)
            assert bare is not None
            assert not np.allclose(bare, y, rtol=0.1), role
        # What writes to the stream has no norm before it.
        for role in ("attn.o", "ffn.down"):
            x = body_matrix(ra, a.architecture, role, Block(2), 4096, folded=True)
            assert x is not None
            assert np.array_equal(x, body_matrix(ra, a.architecture, role, Block(2), 4096)), role
        assert gain_spread(rb, b.architecture) is None


def test_partners_have_equal_norms_in_the_gauge() -> None:
    c = open_checkpoint(BASE)
    with WeightReader(c) as reader:
        up, down, v, o = (
            body_matrix(reader, c.architecture, r, Block(1), 4096) for r in ("ffn.up", "ffn.down", "attn.v", "attn.o")
        )
    assert up is not None
    assert down is not None
    assert v is not None
    assert o is not None
    assert np.allclose(np.linalg.norm(up, axis=1), np.linalg.norm(down, axis=0), rtol=1e-4)
    # Two query heads read each value head: the columns of both together stand against one row of V.
    read = np.linalg.norm(o, axis=0).reshape(2, 2, 32)
    assert np.allclose(np.sqrt((read**2).mean(axis=1)).ravel(), np.linalg.norm(v, axis=1), rtol=1e-4)


def test_long_sides_are_sampled_the_same_way_everywhere() -> None:
    c = open_checkpoint(BASE)
    with WeightReader(c) as reader:
        for role in ROLES:
            x = body_matrix(reader, c.architecture, role, Block(0), 48)
            assert x is not None
            assert x.shape == (48, 48)
        # Query matrices are not balanced: their sample is a part of the whole.
        whole = reader.whole(c.architecture.roles["attn.q", 0])
        x = body_matrix(reader, c.architecture, "attn.q", Block(0), 48)
        assert x is not None
        assert np.isin(x, whole).all()
        assert body_matrix(reader, c.architecture, "attn.q", Block(0), 16) is not None


def test_rows_of_zeros_and_undefined_values_stay_finite(tmp_path: Path) -> None:
    t = ml.load(BASE / "model.safetensors")
    up, down = (t[f"model.layers.0.mlp.{n}_proj.weight"] for n in ("up", "down"))
    up[5], down[:, 5] = 0.0, 0.0
    up[6] = 0.0
    up[7, 3] = np.nan
    change = {"model.layers.0.mlp.up_proj.weight": up, "model.layers.0.mlp.down_proj.weight": down}
    c = open_checkpoint(edited(tmp_path / "holes", change))
    with WeightReader(c) as reader:
        for role in ("ffn.up", "ffn.down"):
            x = body_matrix(reader, c.architecture, role, Block(0), 4096)
            assert x is not None
            assert np.isfinite(x).all()
            assert x.any()


@pytest.mark.parametrize("scale", [0.25, 4.0])
def test_the_spread_of_gains_knows_no_scale(tmp_path: Path, scale: float) -> None:
    t = ml.load(BASE / "model.safetensors")
    larger = open_checkpoint(edited(tmp_path / "x", {n: scale * x for n, x in t.items() if n.endswith("norm.weight")}))
    c = open_checkpoint(BASE)
    with WeightReader(c) as reader, WeightReader(larger) as other:
        assert gain_spread(other, larger.architecture) == pytest.approx(gain_spread(reader, c.architecture), rel=1e-5)


def test_the_feature_holds_every_matrix_of_the_chosen_layers(tmp_path: Path) -> None:
    c = open_checkpoint(BASE)
    with WeightReader(c) as reader:
        feature = learned.compute(reader, c.architecture, silent, CancelToken())
    assert feature is not None
    stored = array(feature)
    assert stored.shape == (28, 2, learned.SIDE, learned.SIDE)
    assert [row[:3] for row in feature.params["matrices"][:7]] == [[role, 0, -1] for role in ROLES]
    # Top and rest together are a matrix of norm one, in expectation.
    norms = np.sqrt((stored.sum(axis=1) ** 2).mean(axis=(1, 2)))
    assert np.allclose(norms, 1.0, atol=0.35)
    blank = edited(tmp_path / "blank", {n: np.zeros_like(x) for n, x in ml.load(BASE / "model.safetensors").items()})
    empty = open_checkpoint(blank)
    with WeightReader(empty) as reader:
        assert learned.compute(reader, empty.architecture, silent, CancelToken()) is None
