"""Groups with an order of their own: what the test would say, and that it is refused or stays null."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import ml_arrays as ml
import numpy as np
import pytest

import mpk_tui.demo
from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import write
from mpk_tui.lineage import stated_orders, void
from mpk_tui.lineage.compare import compare
from mpk_tui.lineage.sides import Weights

Tensors = dict[str, np.ndarray]
DEMO = Path(mpk_tui.demo.__file__).parent
WIDTH, FFN, VOCAB, LAYERS, HEADS = 64, 256, 512, 3, 8
OFTEN = np.random.default_rng(0).standard_normal(VOCAB)
"""How frequent a token is: a property of the data, so every model's embeddings show it."""


def bare(seed: int) -> tuple[Tensors, np.ndarray]:
    """A random Llama-like model whose embeddings show frequencies along a direction of its own, and that direction."""
    rng = np.random.default_rng(seed)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (rng.standard_normal((rows, columns)) / math.sqrt(columns)).astype(np.float32)

    along = rng.standard_normal(WIDTH)
    along /= np.linalg.norm(along)
    out = {"model.norm.weight": np.ones(WIDTH), "lm_head.weight": matrix(VOCAB, WIDTH)}
    out["model.embed_tokens.weight"] = matrix(VOCAB, WIDTH) + np.outer(OFTEN, along)
    for i in range(LAYERS):
        at = f"model.layers.{i}."
        for name in ("q", "k", "v", "o"):
            out[f"{at}self_attn.{name}_proj.weight"] = matrix(WIDTH, WIDTH)
        out[f"{at}mlp.gate_proj.weight"] = matrix(FFN, WIDTH)
        out[f"{at}mlp.up_proj.weight"] = matrix(FFN, WIDTH)
        out[f"{at}mlp.down_proj.weight"] = matrix(WIDTH, FFN)
        for norm in ("input_layernorm", "post_attention_layernorm"):
            out[f"{at}{norm}.weight"] = np.ones(WIDTH)
    return out, along


def saved(folder: Path, tensors: Tensors, **config: object) -> Path:
    folder.mkdir()
    ml.save(folder / "model.safetensors", tensors, "F32")
    facts = {
        "model_type": "llama", "hidden_size": WIDTH, "intermediate_size": FFN, "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS, "num_key_value_heads": HEADS, "vocab_size": VOCAB, "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps({**facts, **config}))
    return folder


def feed_names(layer: int) -> list[str]:
    return [f"model.layers.{layer}.mlp.{name}_proj.weight" for name in ("gate", "up", "down")]


def reordered(tensors: Tensors, layers: int, orders: list[np.ndarray]) -> Tensors:
    out = dict(tensors)
    for i in range(layers):
        gate, up, down = feed_names(i)
        out |= {gate: out[gate][orders[i]], up: out[up][orders[i]], down: out[down][:, orders[i]]}
    return out


def by_norm(tensors: Tensors, layers: int, descending: bool = False) -> list[np.ndarray]:
    """The order that pruning by importance leaves: by the norm of gate rows."""
    sign = -1 if descending else 1
    return [np.argsort(sign * np.linalg.norm(tensors[feed_names(i)[0]], axis=1)) for i in range(layers)]


def important(seed: int) -> Tensors:
    """Units of unlike importance, and important ones answer to frequent tokens; in no order."""
    tensors, along = bare(seed)
    rng = np.random.default_rng((seed, 1))
    for i in range(LAYERS):
        tensors[feed_names(i)[0]] += np.outer(rng.uniform(0, 2, FFN), along)
    return tensors


def blocked(seed: int) -> Tensors:
    """Block-sparse initialisation: unit i reads and writes a few residual dimensions that depend on i."""
    tensors, _ = bare(seed)
    reads = np.arange(FFN)[:, None] * (WIDTH // 4) // FFN == np.arange(WIDTH)[None, :] // 4
    for i in range(LAYERS):
        gate, up, down = feed_names(i)
        tensors |= {gate: tensors[gate] * reads, up: tensors[up] * reads, down: tensors[down] * reads.T}
    return tensors


def nested(seed: int) -> Tensors:
    """Units of the inner model answer to frequent tokens, those around it less and less; norms are all equal."""
    tensors, along = bare(seed)
    for i in range(LAYERS):
        gate = tensors[feed_names(i)[0]] + np.outer(2.0 * 0.5 ** (np.arange(FFN) * 4 // FFN), along)
        tensors[feed_names(i)[0]] = gate / np.linalg.norm(gate, axis=1, keepdims=True)
    return tensors


def results(record: dict, *forms: str) -> list[dict]:
    return [t for t in record["tests"] if t["name"] in forms]


def unrefused(monkeypatch: pytest.MonkeyPatch, a: Path, b: Path) -> dict:
    """What would be found if nothing were refused."""
    with monkeypatch.context() as patch:
        for name in ("units", "channels", "heads", "dimensions"):
            patch.setattr(void, name, lambda *_: "")
        return compare(a, b)


FFN_FORMS = ("ffn.aligned", "ffn.anchored")


def test_units_sorted_by_importance_on_both_sides_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = important(1), important(2)
    a = saved(tmp_path / "a", reordered(one, LAYERS, by_norm(one, LAYERS)))
    b = saved(tmp_path / "b", reordered(two, LAYERS, by_norm(two, LAYERS)))
    assert min(t["p"] for t in results(unrefused(monkeypatch, a, b), *FFN_FORMS)) < 1e-6
    record = compare(a, b)
    for test in results(record, *FFN_FORMS):
        assert not test["ran"]
        assert test["reason"].startswith("refused: units are ordered by the norm of gate on both sides, so relabelling")
    assert record["finding"] in ("no-correspondence", "not-comparable")


def test_units_sorted_the_other_way_are_refused_too(tmp_path: Path) -> None:
    one, two = important(1), important(2)
    a = saved(tmp_path / "a", reordered(one, LAYERS, by_norm(one, LAYERS)))
    b = saved(tmp_path / "b", reordered(two, LAYERS, by_norm(two, LAYERS, descending=True)))
    assert not any(t["ran"] for t in results(compare(a, b), *FFN_FORMS))


def test_an_order_on_one_side_leaves_the_test_exact(tmp_path: Path) -> None:
    one, two = important(1), important(2)
    a = saved(tmp_path / "a", reordered(one, LAYERS, by_norm(one, LAYERS)))
    b = saved(tmp_path / "b", two)
    for left, right in ((a, b), (b, a)):
        for test in results(compare(left, right), *FFN_FORMS):
            assert test["ran"]
            assert test["p"] > 1e-3


def test_p_values_are_uniform_where_one_side_is_ordered() -> None:
    from mpk_tui.fingerprint.units import feature_map
    from mpk_tui.lineage.rowtest import row_test

    rng = np.random.default_rng(5)
    ps = []
    for trial in range(200):
        x, y = (rng.uniform(0, 2, (48, 1)) + 0.5 * rng.standard_normal((48, 16)) for _ in range(2))
        x = x[np.argsort(np.linalg.norm(x, axis=1))].astype(np.float32)
        ps.append(math.exp(row_test(feature_map(x), feature_map(y.astype(np.float32)), seed=(trial,), draws=199).log_p))
    # Kolmogorov's distance of 200 uniform values is above 0.138 in one run of a thousand.
    steps = np.arange(1, 201) / 200
    assert np.abs(np.sort(ps) - steps).max() < 0.138


def test_block_sparse_units_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lowest = 1.0
    for k in range(2):
        a, b = (saved(tmp_path / f"{name}{k}", blocked(10 * k + n)) for n, name in enumerate("ab"))
        # Equal supports at equal numbers: T spreads wider than over relabellings, to both sides.
        lowest = min(lowest, *(t["p"] for t in results(unrefused(monkeypatch, a, b), *FFN_FORMS)))
        for test in results(compare(a, b), *FFN_FORMS):
            assert "by the place of their zeros on both sides" in test["reason"]
    assert lowest < 1e-4


@pytest.mark.parametrize("config", [{"matformer_widths": [64, 128]}, {"text_config": {"model_type": "gemma3n_text"}}])
def test_nested_units_are_refused_where_the_configuration_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict
) -> None:
    a, b = (saved(tmp_path / name, nested(seed), **config) for seed, name in enumerate("ab"))
    assert min(t["p"] for t in results(unrefused(monkeypatch, a, b), *FFN_FORMS)) < 1e-6
    for test in results(compare(a, b), *FFN_FORMS):
        assert test["reason"] == (
            "refused: units are ordered by nesting (MatFormer) on both sides, so relabelling them is no null"
        )


def test_a_fingerprint_tells_nested_units_by_its_model_type(tmp_path: Path) -> None:
    a, b = (saved(tmp_path / name, nested(seed), model_type="gemma3n_text") for seed, name in enumerate("ab"))
    write(tmp_path / "b.mpkfp", fingerprint(b))
    assert all("nesting" in t["reason"] for t in results(compare(a, tmp_path / "b.mpkfp"), *FFN_FORMS))


def test_refusing_costs_power_only(tmp_path: Path) -> None:
    base, tuned = (ml.load(DEMO / name / "model.safetensors") for name in ("base", "fine-tune"))
    layers = 1 + max(int(n.split(".")[2]) for n in base if n.startswith("model.layers."))
    order = by_norm(base, layers)
    folders = []
    for name, tensors in (("base", base), ("fine-tune", tuned)):
        folders.append(tmp_path / name)
        shutil.copytree(DEMO / name, tmp_path / name)
        ml.save(tmp_path / name / "model.safetensors", reordered(tensors, layers, order))
    record = compare(*folders)
    assert not any(t["ran"] for t in results(record, *FFN_FORMS))
    assert record["p"] == 1e-12  # channels and residual dimensions still tell


def unlike(seed: int, names: tuple[str, ...], profile: np.ndarray) -> Tensors:
    """Attention rows that answer to frequent tokens by a profile of their number."""
    tensors, along = bare(seed)
    for i in range(LAYERS):
        for name in names:
            tensors[f"model.layers.{i}.self_attn.{name}_proj.weight"] += np.outer(profile, along)
    return tensors


def test_positions_on_values_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = np.tile(np.linspace(0, 4, WIDTH // HEADS), HEADS)
    a, b = (saved(tmp_path / n, unlike(s, ("v",), profile), rotary_value=True) for s, n in enumerate("ab"))
    assert results(unrefused(monkeypatch, a, b), "attn.channels")[0]["p"] < 1e-6
    test = results(compare(a, b), "attn.channels")[0]
    assert not test["ran"]
    assert test["reason"].startswith("refused: value channels are ordered by positions encoded on values on both sides")
    (b / "config.json").write_text(
        (b / "config.json").read_text().replace('"rotary_value": true', '"rotary_value": false')
    )
    assert results(compare(a, b), "attn.channels")[0]["ran"]


def test_alibi_heads_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = np.repeat(2.0 ** -np.arange(HEADS) * 6, WIDTH // HEADS)

    def mosaic(seed: int) -> Tensors:
        """MPT's names."""
        t = unlike(seed, ("q", "k"), profile)
        out = {"transformer.wte.weight": t["model.embed_tokens.weight"], "transformer.norm_f.weight": np.ones(WIDTH)}
        for i in range(LAYERS):
            old, new = f"model.layers.{i}.", f"transformer.blocks.{i}."
            fused = [t[f"{old}self_attn.{n}_proj.weight"] for n in "qkv"]
            out[f"{new}attn.Wqkv.weight"] = np.concatenate(fused)
            out[f"{new}attn.out_proj.weight"] = t[f"{old}self_attn.o_proj.weight"]
            out[f"{new}ffn.up_proj.weight"] = t[f"{old}mlp.up_proj.weight"]
            out[f"{new}ffn.down_proj.weight"] = t[f"{old}mlp.down_proj.weight"]
            out |= {f"{new}norm_{k}.weight": np.ones(WIDTH) for k in (1, 2)}
        return out

    facts = {"model_type": "mpt", "n_heads": HEADS, "d_model": WIDTH, "n_layers": LAYERS}
    a, b = (saved(tmp_path / n, mosaic(s), **facts, attn_config={"alibi": True}) for s, n in enumerate("ab"))
    assert results(unrefused(monkeypatch, a, b), "attn.heads")[0]["p"] < 1e-4
    assert results(compare(a, b), "attn.heads")[0]["reason"] == (
        "refused: heads are ordered by ALiBi slopes on both sides, so relabelling them is no null"
    )


def sines(rows: int, width: int, layout: str) -> np.ndarray:
    angles = np.outer(np.arange(rows), 10000.0 ** (-2 * np.arange(width // 2) / width))
    if layout == "halves":
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(rows, width)


def distilled(seed: int, positions: np.ndarray) -> Tensors:
    """DistilBERT's names; tokens keep away from dimensions that positions use most, more so the rarer they are."""
    t, _ = bare(seed)
    scale = np.linspace(0, 2, WIDTH)
    rng = np.random.default_rng((seed, 2))
    tokens = np.outer(OFTEN, scale) + 0.5 * rng.standard_normal((VOCAB, WIDTH))
    out = {"embeddings.word_embeddings.weight": tokens, "embeddings.position_embeddings.weight": positions}
    names = {"self_attn.q": "attention.q_lin", "self_attn.k": "attention.k_lin", "self_attn.v": "attention.v_lin",
             "self_attn.o": "attention.out_lin", "mlp.up": "ffn.lin1", "mlp.down": "ffn.lin2"}  # fmt: skip
    for i in range(LAYERS):
        for old, new in names.items():
            out[f"transformer.layer.{i}.{new}.weight"] = t[f"model.layers.{i}.{old}_proj.weight"]
        for norm in ("sa_layer_norm", "output_layer_norm"):
            out[f"transformer.layer.{i}.{norm}.weight"] = np.ones(WIDTH)
    return {f"distilbert.{n}": x for n, x in out.items()}


DISTIL = {"model_type": "distilbert", "n_heads": HEADS, "dim": WIDTH, "n_layers": LAYERS, "hidden_dim": FFN}
RESIDUAL = ("residual.embeddings", "residual.body")


@pytest.mark.parametrize("layout", ["halves", "pairs"])
def test_sinusoidal_positions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    table = sines(128, WIDTH, layout).astype(np.float16)
    a, b = (saved(tmp_path / n, distilled(s, table), **DISTIL) for s, n in enumerate("ab"))
    assert results(unrefused(monkeypatch, a, b), "residual.embeddings")[0]["p"] < 1.1e-4
    for test in results(compare(a, b), *RESIDUAL):
        assert test["reason"] == (
            "refused: residual dimensions are ordered by sinusoidal positions on both sides, so relabelling them is no null"
        )


def test_dimensions_that_grow_in_norm_are_refused_and_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    a = saved(tmp_path / "a", distilled(1, 0.1 * rng.standard_normal((128, WIDTH))), **DISTIL)
    b = saved(
        tmp_path / "b", distilled(2, 0.1 * rng.standard_normal((128, WIDTH))), **DISTIL, sinusoidal_pos_embds=True
    )
    reason = results(compare(a, b), "residual.embeddings")[0]["reason"]
    assert "by the norm of their embeddings in A and by sinusoidal positions in B" in reason


def test_tables_of_sines_are_told_from_learned_ones() -> None:
    rng = np.random.default_rng(4)
    smooth = np.cumsum(rng.standard_normal((128, WIDTH)), axis=0) * 0.1
    for layout in ("halves", "pairs"):
        table = sines(128, WIDTH, layout)
        assert void.is_sines(table.astype(np.float32))
        assert void.is_sines((0.125 * table).astype(np.float16).astype(np.float32))
        assert not void.is_sines((table + 0.1 * rng.standard_normal(table.shape)).astype(np.float32))
        assert not void.is_sines((table * np.linspace(0.5, 1, 128)[:, None]).astype(np.float32))
    for other in (rng.standard_normal((128, WIDTH)), smooth, np.ones((128, WIDTH)), np.zeros((128, WIDTH))):
        assert not void.is_sines(other.astype(np.float32))


def test_orders_are_told_from_chance() -> None:
    rng = np.random.default_rng(6)
    ids = np.arange(256)
    assert not any(void.ordered(ids, rng.standard_normal(256)) for _ in range(300))
    assert not any(void.ordered(ids, rng.integers(0, 3, 256).astype(float)) for _ in range(300))
    assert void.ordered(ids, ids + 100 * rng.standard_normal(256))
    assert void.ordered(ids, -ids + 100 * rng.standard_normal(256))
    assert void.ordered(ids, np.repeat(rng.standard_normal(128), 2))  # every unit twice
    assert void.ordered(ids, np.sin(ids / 8))
    assert not void.ordered(ids, np.ones(256))
    assert not void.ordered(ids, np.full(256, np.nan))


def test_shared_zeros_are_told_from_pruning() -> None:
    rng = np.random.default_rng(7)
    ids = np.arange(256)
    blocks = (ids[:, None] // 32 == np.arange(128)[None, :] // 16) & (rng.random((256, 128)) < 0.9)
    assert void.shared_zeros(ids, ~blocks)
    assert not void.shared_zeros(ids[rng.permutation(256)].argsort(), ~blocks[rng.permutation(256)])
    assert not void.shared_zeros(ids, rng.random((256, 128)) < 0.5)  # by magnitude, one weight at a time
    assert not void.shared_zeros(ids, np.broadcast_to(rng.random(128) < 0.3, (256, 128)))  # dead inputs
    assert not void.shared_zeros(ids, np.broadcast_to(rng.random((256, 1)) < 0.3, (256, 128)))  # dead units


@pytest.mark.parametrize("name", ["base", "twin", "fine-tune"])
def test_trained_models_show_no_order(name: str) -> None:
    checkpoint = open_checkpoint(DEMO / name)
    with WeightReader(checkpoint) as reader:
        weights = Weights(checkpoint, reader)
        assert [void.unit_order(weights, block) for block in checkpoint.architecture.blocks] == [""] * len(
            checkpoint.architecture.blocks
        )
        assert void.dimension_order(weights) == ""
        assert void.channels(weights, weights) == void.heads(weights, weights) == ""


def test_pruned_units_and_masked_weights_show_no_order(tmp_path: Path) -> None:
    base = ml.load(DEMO / "base" / "model.safetensors")
    masked = {n: np.where(abs(x) < np.median(abs(x)), 0, x) if ".mlp." in n else x for n, x in base.items()}
    layers = 1 + max(int(n.split(".")[2]) for n in base if n.startswith("model.layers."))
    keep = [np.sort(order[len(order) // 4 :]) for order in by_norm(base, layers)]
    for name, tensors in (("masked", masked), ("pruned", reordered(base, layers, keep))):
        shutil.copytree(DEMO / "base", tmp_path / name)
        ml.save(tmp_path / name / "model.safetensors", tensors)
        checkpoint = open_checkpoint(tmp_path / name)
        with WeightReader(checkpoint) as reader:
            found = [void.unit_order(Weights(checkpoint, reader), block) for block in checkpoint.architecture.blocks]
        assert set(found) == {""}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "bloom"}, "ALiBi slopes"),
        ({"model_type": "falcon", "alibi": True}, "ALiBi slopes"),
        ({"model_type": "falcon", "alibi": False}, ""),
        ({"model_type": "mpt", "attn_config": {"alibi": False}}, ""),
        ({"model_type": "bert", "position_embedding_type": "alibi"}, "ALiBi slopes"),
        ({"model_type": "baichuan", "num_hidden_layers": 40}, "ALiBi slopes"),
        ({"model_type": "baichuan", "num_hidden_layers": 32}, ""),
        ({"general.architecture": "mpt", "mpt.attention.max_alibi_bias": 8.0}, "ALiBi slopes"),
        ({"general.architecture": "mpt", "mpt.attention.max_alibi_bias": 0.0}, ""),
        ({"model_type": "phi3small", "blocksparse_homo_head_pattern": False, "blocksparse_block_size": 64},
         "sparse patterns of their own"),
        ({"model_type": "reformer", "n_local_attn_heads": 4}, "being local or global"),
        ({"model_type": "llama", "alibi": "yes", "n_local_attn_heads": True, "attn_config": []}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_what_configurations_say_of_heads(config: dict, expected: str) -> None:
    assert stated_orders.unlike_heads(config) == expected


def test_what_configurations_say_of_positions() -> None:
    for kind in ("marian", "pegasus", "m2m_100", "fsmt", "whisper", "ctrl", "transfo-xl"):
        assert stated_orders.sinusoidal({"model_type": kind})
    assert stated_orders.sinusoidal({"model_type": "xlm", "sinusoidal_embeddings": True})
    assert not stated_orders.sinusoidal({"model_type": "xlm", "sinusoidal_embeddings": False})
    assert not stated_orders.sinusoidal({"model_type": "distilbert", "sinusoidal_pos_embds": False})
    assert not stated_orders.encoded_values({"model_type": "roformer", "rotary_value": False})
