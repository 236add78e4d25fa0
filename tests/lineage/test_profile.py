"""The numbers behind the figures: known changes give known numbers, sizes are bounded, and nothing is decided by them."""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import mpk_tui.demo
from mpk_tui import canonical
from mpk_tui.checkpoint.floats import round_to
from mpk_tui.checkpoint.model import Part
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.errors import CancelledError
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.lineage import lowrank
from mpk_tui.lineage.compare import compare, compare_sides
from mpk_tui.lineage.identity import Delta, Identity, Pair
from mpk_tui.lineage.layers import z_matrix
from mpk_tui.lineage.profile import grid, norms, spectrum, tensors
from mpk_tui.lineage.profile.build import profile
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.lineage.units import Fit, Units
from mpk_tui.progress import CancelToken, silent
from mpk_tui.report.comparison import from_record
from mpk_tui.report.figures import figures
from mpk_tui.report.shapes_profile import PROFILE

DEMO = Path(mpk_tui.demo.__file__).parent
SLIM = Path(__file__).parent.parent / "zoo" / "slim"


@cache
def by_fingerprint(a: str, b: str) -> dict[str, Any]:
    one, two = (Side(n, fingerprint(open_checkpoint(DEMO / n)), None) for n in (a, b))
    return compare_sides(one, two)


@cache
def merged_adapter() -> dict[str, Any]:
    return compare(SLIM / "llama-a-1", SLIM / "llama-a-1.lora")


def delta(role: str, layer: int, state: str = "different", **more: Any) -> Delta:
    defaults: dict[str, Any] = {"elements": 100, "changed": 100, "relative": 0.1, "cosine": 0.9}
    name = f"model.layers.{layer}.{role}.weight"
    return Delta(Pair(role, layer, Part(name), Part(name)), state, **{**defaults, **more})


def identity_of(*deltas: Delta) -> Identity:
    return Identity(deltas, (), (), (), 0, False, Counter(d.state for d in deltas))


def weightless(name: str = "base") -> Side:
    return Side(name, fingerprint(open_checkpoint(DEMO / name)), None)


def test_a_merged_adapter_stands_above_the_rounding_edge_by_its_rank() -> None:
    found = merged_adapter()["profile"]["singular"]["matrices"]
    assert len(found) == spectrum.LAYERS * len(spectrum.ROLES)
    for m in found:
        assert m["above"] == 4, m
        values = dict(zip(m["ranks"], m["values"], strict=True))
        assert values[4] > 3 * m["edge"]
        # The fifth is rounding: under the edge, and of its size.
        assert 0.2 * m["edge"] < values[5] <= m["edge"]


def test_a_comparison_carries_a_profile_that_its_schema_and_its_reader_accept() -> None:
    record = merged_adapter()
    jsonschema.validate(record["profile"], PROFILE)
    from_record(record, "record")
    assert all(not f.missing for f in figures(record))
    assert canonical.decode(canonical.encode(record["profile"]), where="profile") == record["profile"]


def test_what_figures_draw_agrees_with_the_record() -> None:
    record = merged_adapter()
    listed = [d["cosine"] for d in record["identity"]["differing"] if d["cosine"] is not None]
    least = [r["least"] for r in record["profile"]["cosine"]["rows"] if r["least"] is not None]
    assert min(least) == pytest.approx(min(listed), abs=1e-6)
    change = record["profile"]["change"]
    assert sum(change["tensors"]) == len(listed)
    assert change["equal"]["tensors"] == record["identity"]["equal"]
    z = record["profile"]["layers"]["z"]
    assert [max(range(len(row)), key=row.__getitem__) for row in z] == list(range(len(z)))
    ratios = next(t for t in record["tests"] if t["name"] == "retention")["layers"]
    for m, row in zip(ratios, record["profile"]["retention"]["matrices"], strict=True):
        if m["a_in_b"] is not None:
            assert row["a_top"] / row["a_rest"] == pytest.approx(m["a_in_b"], rel=1e-3)


def test_the_same_profile_on_every_run() -> None:
    again = compare(SLIM / "llama-a-1", SLIM / "llama-a-1.lora")["profile"]
    assert canonical.encode(again) == canonical.encode(merged_adapter()["profile"])


def test_fingerprints_give_what_they_can_and_say_the_rest_is_missing() -> None:
    record = by_fingerprint("base", "fine-tune")
    jsonschema.validate(record["profile"], PROFILE)
    p = record["profile"]
    assert p["cosine"]["source"] == "fingerprints"
    cosines = [r["cosine"] for r in p["cosine"]["rows"] if r["cosine"] is not None]
    assert len(cosines) == 8
    assert min(cosines) > 0.95
    assert all(r["relative"] is None for r in p["cosine"]["rows"])
    assert p["layers"]["source"] == "fingerprints"
    assert p["retention"]["missing"] == ""
    for part in ("change", "singular", "embeddings"):
        assert "weights of both models" in p[part]["missing"]
    shown = {f.id: f.missing for f in figures(record)}
    assert [name for name, missing in shown.items() if missing] == ["change", "singular", "embeddings"]


def test_independent_models_show_nothing_in_the_grid() -> None:
    p = by_fingerprint("base", "twin")["profile"]
    assert max(abs(v) for row in p["layers"]["z"] for v in row) < 5
    attention = [r for r in p["cosine"]["rows"] if r["kind"] == "attention"]
    assert max(abs(r["cosine"]) for r in attention) < 0.05
    assert p["retention"]["missing"].startswith("not needed")


def test_a_model_with_itself() -> None:
    p = by_fingerprint("base", "base")["profile"]
    assert {r["cosine"] for r in p["cosine"]["rows"]} == {1.0}
    assert {r["layer"] for r in p["cosine"]["rows"]} == {-1, 0, 1, 2, 3}
    assert sum(p["change"]["tensors"]) == 0
    assert p["change"]["equal"]["tensors"] == 39
    assert "all tensors are equal" in p["layers"]["missing"]
    assert "all tensors are equal" in p["singular"]["missing"]


@pytest.mark.parametrize(
    ("name", "layer", "kind"),
    [
        ("model.layers.11.self_attn.q_proj.weight", 11, "attention"),
        ("model.layers.3.mlp.down_proj.weight", 3, "ffn"),
        ("model.layers.3.post_attention_layernorm.weight", 3, "norm"),
        ("blk.7.ffn_up.weight", 7, "ffn"),
        ("blk.7.attn_norm.weight", 7, "norm"),
        ("h.2.ln_1.weight", 2, "norm"),
        ("transformer.h.2.mlp.c_fc.weight", 2, "ffn"),
        ("bert.encoder.layer.5.intermediate.dense.bias", 5, "ffn"),
        ("wte.weight", -1, "embedding"),
        ("token_embd.weight", -1, "embedding"),
        ("output.weight", -1, "embedding"),
        ("lm_head.weight", -1, "embedding"),
        ("something", -1, "other"),
        ("layers.99999999999999.x", -1, "other"),
        ("", -1, "other"),
    ],
)
def test_places_by_name(name: str, layer: int, kind: str) -> None:
    assert tensors.by_name(name) == tensors.Place(layer, kind)


def test_cosines_are_weighted_by_elements_and_name_their_lowest() -> None:
    identity = identity_of(
        delta("attn.q", 0, cosine=0.5, elements=300),
        delta("attn.k", 0, cosine=0.9, elements=100),
        delta("attn.v", 0, "bytes", elements=400),
        delta("attn.norm", 0, cosine=0.1),
        delta("ffn.up@7", 0, cosine=0.7),
        delta("ffn.down", 0, "reshaped"),
        delta("head.bias", -1, cosine=0.0, relative=1.0),
    )
    side = weightless()
    rows = {(r["layer"], r["kind"]): r for r in tensors.cosines(side, side, identity, ())["rows"]}
    # Sketches of the fingerprint come on top of the layers that it knows; of A with itself they are 1.
    attention = rows[0, "attention"]
    assert (attention["tensors"], attention["equal"], attention["least"]) == (3, 1, 0.5)
    assert rows[0, "norm"]["cosine"] == 0.1
    assert rows[0, "ffn"]["least"] == 0.7
    assert rows[-1, "embedding"]["cosine"] is None, "a side that is zero has no direction"
    assert rows[-1, "embedding"]["relative"] == 1.0


@pytest.mark.parametrize(("depth", "every"), [(200, 1), (256, 1), (257, 2), (5000, 20)])
def test_rows_are_bounded_whatever_the_depth(depth: int, every: int) -> None:
    deltas = [delta(role, i) for i in range(depth) for role in ("attn.q", "attn.k", "ffn.up", "attn.norm")]
    side = weightless()
    rows = tensors.cosines(side, side, identity_of(*deltas), ())["rows"]
    assert len(rows) <= 3 * tensors.LAYERS
    assert rows[0]["to"] - rows[0]["layer"] == every - 1
    assert rows[-1]["to"] == depth - 1
    assert sum(r["tensors"] for r in rows) == 4 * depth


@pytest.mark.parametrize(
    ("relative", "expected"),
    [(0.0, 0), (1e-30, 0), (1.1e-8, 0), (3.2e-8, 1), (0.99, 15), (1.01, 16), (1.414, 16), (1e9, 19), (math.inf, 19),
     (math.nan, 0)],
)  # fmt: skip
def test_bins_of_relative_change(relative: float, expected: int) -> None:
    assert tensors.bin_of(relative) == expected


def test_every_pair_is_counted_once() -> None:
    identity = identity_of(
        delta("attn.q", 0), delta("attn.k", 0, "bytes"), delta("attn.v", 0, "converted", relative=0.0, cosine=0.0),
        delta("attn.o", 0, "converted", lossless=False, relative=1e-3, cosine=0.9999995), delta("ffn.up", 0, "reshaped"),
        delta("ffn.down", 0, "unread"), delta("ffn.gate", 0, "different", changed=0),
    )  # fmt: skip
    found = tensors.changes(identity, True)
    assert sum(found["tensors"]) == 2
    assert [found[s]["tensors"] for s in ("equal", "converted", "reshaped", "unread")] == [1, 1, 1, 2]
    assert found["tensors"][tensors.bin_of(1e-3)] == 1


def test_a_rounding_cast_keeps_its_cosine_and_change(tmp_path: Path) -> None:
    record = by_cast(tmp_path)
    rows = record["profile"]["cosine"]["rows"]
    body = [r for r in rows if r["kind"] == "ffn"]
    assert all(0.99999 < r["cosine"] < 1 for r in body)
    assert all(1e-4 < r["relative"] < 5e-3 for r in body)
    assert sum(record["profile"]["change"]["tensors"]) > 0


def by_cast(tmp_path: Path) -> dict[str, Any]:
    """A float32 model with the same rounded to BF16."""
    import json
    import shutil

    import ml_arrays as ml

    loaded = ml.load(DEMO / "base" / "model.safetensors")
    rng = np.random.default_rng(3)
    wide = {n: (x * (1 + 0.003 * rng.standard_normal(x.shape))).astype(np.float32) for n, x in loaded.items()}
    for name, dtype in (("wide", "F32"), ("narrow", "BF16")):
        (tmp_path / name).mkdir()
        for file in ("config.json", "tokenizer.json"):
            shutil.copy(DEMO / "base" / file, tmp_path / name / file)
        ml.save(tmp_path / name / "model.safetensors", wide, dtype=dtype)
    assert json.loads((tmp_path / "wide" / "config.json").read_text())
    record = compare(tmp_path / "wide", tmp_path / "narrow")
    assert record["finding"] == "reformatted"
    return record


def test_unlike_layers_of_one_null_have_spread_one() -> None:
    """The cell's null: over random relabellings of the units its mean is 0 and its standard deviation 1."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((256, 64)).astype(np.float32)
    y = (x + rng.standard_normal((256, 64))).astype(np.float32)
    assert z_matrix([x], [y])[0, 0] > 50
    drawn = np.array([z_matrix([x], [y[rng.permutation(256)]])[0, 0] for _ in range(600)])
    assert abs(drawn.mean()) < 0.15
    assert 0.9 < drawn.std() < 1.1


def test_the_grid_joins_neighbours_of_deep_models_and_keeps_the_greatest() -> None:
    z = np.zeros((200, 130))
    z[199, 129], z[3, 5], z[0, 0] = 99.0, 42.123456, np.nan
    found = grid.layers(Fit("ffn.aligned", "weights", z, False), "")
    assert found["joined"]
    assert (len(found["rows"]), len(found["columns"])) == (50, 44)
    assert found["rows"][-1] == [196, 199]
    assert found["columns"][-1] == [129, 129]
    assert found["z"][-1][-1] == 99.0
    assert found["z"][0][1] == 42.12
    assert max(len(found["rows"]), len(found["columns"])) <= grid.SIDE
    assert grid.layers(None, "because")["missing"] == "because"


@pytest.mark.parametrize(("dtype", "shape"), [("BF16", (256, 256)), ("F16", (100, 256)), ("BF16", (64, 192))])
def test_rounding_alone_reaches_its_edge_and_hardly_passes_it(dtype: str, shape: tuple[int, int]) -> None:
    """Entries of one magnitude: what both roundings leave has its greatest singular value at the edge."""
    rng = np.random.default_rng(6)
    exact = rng.uniform(0.5, 1.0, shape) * rng.choice([-1.0, 1.0], shape)
    x = round_to(exact.astype(np.float32), dtype)
    y = round_to((exact + rng.uniform(-1, 1, shape) * 0.004).astype(np.float32), dtype)
    noise = math.hypot(lowrank.rounding(x), lowrank.rounding(y))
    errors = (x - exact) + rng.permutation((x - exact).ravel()).reshape(shape)
    greatest = float(np.linalg.svd(errors, compute_uv=False)[0])
    assert greatest == pytest.approx(spectrum.rounding_edge(shape, noise), rel=0.06)


def test_a_spectrum_reaches_down_to_the_edge_of_float32() -> None:
    rng = np.random.default_rng(7)
    x = (rng.uniform(0.5, 1.0, (256, 256))).astype(np.float32)
    low = 5.0 * rng.choice([-1.0, 1.0], (256, 1)) @ rng.choice([-1.0, 1.0], (1, 256))
    y = (x + low).astype(np.float32)
    found = spectrum.of_change(x, y, lowrank.rounding(x), lowrank.rounding(y))
    assert found["above"] == 1
    assert found["values"][1] == pytest.approx(found["edge"], rel=0.2)


def test_without_a_known_rounding_there_is_no_edge() -> None:
    x = np.ones((32, 32), dtype=np.float32)
    found = spectrum.of_change(x, 2 * x, None, 0.1)
    assert found["edge"] is None
    assert found["above"] == 0
    assert found["values"][0] == pytest.approx(32)


def test_norms_of_shared_tokens_are_binned_by_the_norm_in_a() -> None:
    x = np.arange(1.0, 121.0)
    bins = norms.binned(x[::-1].copy(), 2 * x[::-1])
    assert len(bins) == norms.BINS
    assert sum(b["tokens"] for b in bins) == 120
    assert all(b["b"] == pytest.approx(2 * b["a"]) for b in bins)
    assert bins[0]["a"] < bins[-1]["a"]
    assert norms.binned(x[:0], x[:0]) == []
    assert len(norms.binned(x[:3], x[:3])) == 3


def test_a_profile_stops_when_asked() -> None:
    cancel = CancelToken()
    with open_side(DEMO / "base", silent, cancel) as a, open_side(DEMO / "twin", silent, cancel) as b:
        cancel.cancel()
        with pytest.raises(CancelledError):
            profile(a, b, identity_of(delta("attn.q", 0)), Units([], None), None, silent, cancel)


def test_the_greatest_profile_is_small() -> None:
    """Every bound reached at once."""
    kinds = ("attn.q", "ffn.up", "attn.norm", "embed.tokens", "x")
    deltas = [delta(role, i, cosine=0.123456789, relative=0.123456789) for i in range(1000) for role in kinds]
    z = np.random.default_rng(8).standard_normal((1000, 1000)) * 100
    units = Units([], None, fit=Fit("ffn.anchored", "weights", z, True))
    side = weightless()
    found = profile(side, side, identity_of(*deltas), units, None)
    values = [1.2345e-5] * 29
    found["singular"] = {
        "missing": "", "matrices": 12 * [{"role": "ffn.down", "a": 1, "b": 1, "rows": 256, "columns": 256, "full": 256,
        "ranks": list(range(29)), "values": values, "edge": 1e-7, "above": 256}],
    }  # fmt: skip
    found["retention"] = {"missing": "", "basis": "", "matrices": 64 * [
        {"role": "ffn.down", "a": 1, "b": 1, "a_top": 0.1, "a_rest": 0.1, "b_top": 0.1, "b_rest": 0.1}]}  # fmt: skip
    assert len(canonical.encode(found)) < 260_000
