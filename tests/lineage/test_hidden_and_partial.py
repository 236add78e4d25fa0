"""Copies that were re-ordered, turned, renamed or taken in part; and where on A's way B stands."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import ml_arrays as ml
import numpy as np
import pytest

import mpk_tui.demo
from mpk_tui.lineage.alignment import residual_turn
from mpk_tui.lineage.borrow import borrow
from mpk_tui.lineage.compare import compare
from mpk_tui.lineage.sides import open_side
from mpk_tui.lineage.trajectory import Point, read
from mpk_tui.progress import CancelToken, silent

DEMO = Path(mpk_tui.demo.__file__).parent
BASE, TUNED, TWIN = DEMO / "base", DEMO / "fine-tune", DEMO / "twin"
D, H, HEADS, KV, DIM, LAYERS = 128, 320, 4, 2, 32, 4
Tensors = dict[str, np.ndarray]


def made(folder: Path, tensors: Tensors, like: Path = BASE) -> Path:
    """A checkpoint with the configuration and vocabulary of another."""
    folder.mkdir()
    for file in ("config.json", "tokenizer.json"):
        shutil.copy(like / file, folder / file)
    ml.save(folder / "model.safetensors", tensors, "F32")
    return folder


def weights(folder: Path) -> Tensors:
    return ml.load(folder / "model.safetensors")


def shuffled_units_and_channels(t: Tensors, seed: int = 1) -> Tensors:
    """Feed-forward units, and value channels within heads, in another order: the same function."""
    rng = np.random.default_rng(seed)
    out = dict(t)
    for i in range(LAYERS):
        stem = f"model.layers.{i}."
        order = rng.permutation(H)
        for name in ("gate", "up"):
            out[f"{stem}mlp.{name}_proj.weight"] = t[f"{stem}mlp.{name}_proj.weight"][order]
        out[f"{stem}mlp.down_proj.weight"] = t[f"{stem}mlp.down_proj.weight"][:, order]
        inner = [rng.permutation(DIM) for _ in range(KV)]
        of_v = np.concatenate([h * DIM + inner[h] for h in range(KV)])
        of_o = np.concatenate([h * DIM + inner[h // (HEADS // KV)] for h in range(HEADS)])
        out[f"{stem}self_attn.v_proj.weight"] = t[f"{stem}self_attn.v_proj.weight"][of_v]
        out[f"{stem}self_attn.o_proj.weight"] = t[f"{stem}self_attn.o_proj.weight"][:, of_o]
    return out


def turned(t: Tensors, matrix: np.ndarray) -> Tensors:
    """The residual stream of a Llama-like model times a matrix, gains folded in."""
    out = {}
    for name, x in t.items():
        stem = name.rsplit(".", 3)[0]
        if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight")):
            x = (x * t[stem + ".input_layernorm.weight"]) @ matrix
        elif name.endswith(("gate_proj.weight", "up_proj.weight")):
            x = (x * t[stem + ".post_attention_layernorm.weight"]) @ matrix
        elif name.endswith(("o_proj.weight", "down_proj.weight")):
            x = matrix.T @ x
        elif name == "model.embed_tokens.weight":
            x = x @ matrix
        elif name == "lm_head.weight":
            x = (x * t["model.norm.weight"]) @ matrix
        else:
            x = np.ones(matrix.shape[1], np.float32)
        out[name] = np.ascontiguousarray(x, np.float32)
    return out


def test_units_and_channels_re_ordered_together_are_seen_by_residual_dimensions(tmp_path: Path) -> None:
    record = compare(BASE, made(tmp_path / "copy", shuffled_units_and_channels(weights(TUNED))))
    tests = {t["name"]: t for t in record["tests"]}
    for blind in ("ffn.aligned", "ffn.anchored", "attn.channels"):
        assert tests[blind]["p"] > 1e-4, blind
    assert tests["residual.body"]["p"] <= 1e-6
    assert tests["residual.body"]["rho"] > 0.9
    assert record["finding"] == "shared-trained-ancestor", record["sentence"]


def test_the_twin_stays_a_stranger_however_it_is_shuffled(tmp_path: Path) -> None:
    record = compare(BASE, made(tmp_path / "twin", shuffled_units_and_channels(weights(TWIN)), TWIN))
    assert record["finding"] == "no-correspondence", record["sentence"]


@pytest.mark.parametrize("kind", ["permuted", "turned", "cut"])
def test_the_turn_of_a_stream_is_found(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(3)
    if kind == "permuted":
        matrix = np.eye(D)[:, rng.permutation(D)] * rng.choice([-1.0, 1.0], D)
    elif kind == "turned":
        matrix = np.linalg.qr(rng.standard_normal((D, D)))[0]
    else:
        matrix = np.eye(D)[:, np.sort(rng.permutation(D)[:96])]
    other = made(tmp_path / "other", turned(weights(BASE), matrix))
    if kind == "cut":
        text = (other / "config.json").read_text(encoding="utf-8")
        (other / "config.json").write_text(text.replace('"hidden_size": 128', '"hidden_size": 96'), encoding="utf-8")
    cancel = CancelToken()
    with open_side(BASE, silent, cancel) as a, open_side(other, silent, cancel) as b:
        assert a.weights is not None
        assert b.weights is not None
        found = residual_turn(a.weights, b.weights)
    assert not isinstance(found, str)
    assert found.kind == ("turned" if kind == "turned" else "permuted")
    assert found.matrix.shape == matrix.shape
    assert np.abs(found.matrix - matrix).max() < 1e-3
    assert found.fit == pytest.approx(1.0, abs=1e-4)
    record = compare(BASE, other)
    assert record["finding"] == "shared-trained-ancestor", record["sentence"]
    assert "alignment" in next(t for t in record["tests"] if t["name"] == "retention")["basis"]


def nobodys_names(t: Tensors) -> Tensors:
    return {f"p{k:03d}": x for k, (_, x) in enumerate(sorted(t.items()))}


def test_roles_are_borrowed_where_values_agree(tmp_path: Path) -> None:
    record = compare(BASE, made(tmp_path / "renamed", nobodys_names(weights(TUNED))))
    assert record["finding"] == "shared-trained-ancestor", record["sentence"]
    assert any("taken from the other model" in n for n in record["notices"])
    aligned = record["tests"][0]
    # Eight tensors of one shape at least: the choice among them is paid for.
    assert aligned["parameters"]["candidates"] >= LAYERS**3


def test_nothing_is_borrowed_from_a_stranger(tmp_path: Path) -> None:
    other = made(tmp_path / "renamed", nobodys_names(weights(TWIN)))
    cancel = CancelToken()
    with open_side(BASE, silent, cancel) as a, open_side(other, silent, cancel) as b:
        assert borrow(a, b) == (a, b)
    assert compare(BASE, other)["finding"] == "not-comparable"


def spliced(part: Callable[[str], bool]) -> Tensors:
    """The twin with some of the base's tensors."""
    base, twin = weights(BASE), weights(TWIN)
    rng = np.random.default_rng(7)
    # Not byte for byte: the parts must be found by their units.
    return {n: base[n] * (1 + 0.01 * rng.standard_normal(base[n].shape)) if part(n) else twin[n] for n in twin}


def test_layers_of_another_model_are_a_part(tmp_path: Path) -> None:
    record = compare(
        BASE, made(tmp_path / "x", spliced(lambda n: ".layers.0." in n or ".layers.1." in n or "embed" in n))
    )
    assert record["finding"] == "component-shared", record["sentence"]
    (part,) = [p for p in record["components"] if p["finding"] == "component-shared"]
    assert (part["kind"], part["name"]) == ("layers", "layers 0-1")
    assert record["proposal"]["conditions"]["c5"]["answer"] == "met"
    assert "layers 0-1" in record["proposal"]["sentence"]


def test_attention_of_another_model_is_a_part(tmp_path: Path) -> None:
    record = compare(BASE, made(tmp_path / "x", spliced(lambda n: "self_attn" in n or "embed" in n or "lm_head" in n)))
    found = [p["name"] for p in record["components"] if p["kind"] == "attention"]
    assert found == ["attention of layers 0-3"]
    assert record["finding"] in ("component-shared", "common-origin-unresolved")


def test_embeddings_alone_never_link(tmp_path: Path) -> None:
    record = compare(BASE, made(tmp_path / "x", spliced(lambda n: "embed" in n)))
    assert record["finding"] == "common-origin-unresolved", record["sentence"]
    assert "embeddings" in record["sentence"]
    assert not any(c["answer"] == "met" for c in record["proposal"]["conditions"].values())


def test_equal_learned_tables_are_a_part_and_propose_nothing(tmp_path: Path) -> None:
    base, twin = weights(BASE), weights(TWIN)
    mixed = {n: base[n] if "embed" in n else x for n, x in twin.items()}
    folder = made(tmp_path / "x", mixed)
    ml.save(folder / "model.safetensors", mixed, "BF16")
    record = compare(BASE, folder)
    assert record["finding"] == "component-shared", record["sentence"]
    assert "model.embed_tokens.weight" in record["sentence"]
    assert "Independent by default" in record["proposal"]["sentence"]
    assert record["proposal"]["mechanisms"] == []


def way(*pairs: tuple[float, float]) -> tuple[Point, ...]:
    return tuple(Point(f"step {k}", "", a, b) for k, (a, b) in enumerate(pairs))


def test_what_comes_through_a_descends() -> None:
    assert read(way((0.47, 0.43), (0.8, 0.73), (0.94, 0.86), (1.0, 0.92))).reading == "descendant"


def test_what_left_early_is_a_sibling() -> None:
    found = read(way((0.47, 0.46), (0.8, 0.41), (0.94, 0.37), (1.0, 0.35)))
    assert found.reading == "sibling"
    assert "'step 0'" in found.reason


@pytest.mark.parametrize(
    "points",
    [
        way((0.5, 0.4), (1.0, 0.9)),
        way((0.5, 0.4), (0.4, 0.4), (1.0, 0.9)),
        way((0.95, 0.9), (0.97, 0.9), (1.0, 0.9)),
        way((0.3, 0.0), (0.7, 0.01), (1.0, 0.02)),
        way((0.5, 0.49), (0.8, 0.7), (1.0, 0.9)),
    ],
    ids=["one step", "not nearer", "no way", "no likeness", "between"],
)
def test_otherwise_the_way_says_nothing(points: tuple[Point, ...]) -> None:
    found = read(points)
    assert found.reading == "abstains"
    assert found.reason


def test_a_way_speaks_against_what_retention_would_allow(tmp_path: Path) -> None:
    base = weights(BASE)
    rng = np.random.default_rng(11)
    start = {n: x if x.ndim == 1 else (0.5 * x + 0.5 * x.std() * rng.standard_normal(x.shape)) for n, x in base.items()}
    steps = []
    for k, share in enumerate((0.0, 0.5)):
        mixed = {n: (1 - share) * start[n] + share * base[n] for n in base}
        steps.append(made(tmp_path / f"step{k}", mixed))
    late = {n: x + 0.2 * x.std() * rng.standard_normal(x.shape) for n, x in base.items()}
    record = compare(BASE, made(tmp_path / "late", late), along=steps)
    assert record["trajectory"]["reading"] == "descendant"
    assert record["finding"] == "shared-trained-ancestor"
    early = {n: x + 0.2 * x.std() * rng.standard_normal(x.shape) for n, x in start.items()}
    record = compare(BASE, made(tmp_path / "early", early), along=steps)
    assert record["trajectory"]["reading"] == "sibling"
    assert record["finding"] not in ("shared-trained-ancestor", "component-shared")
