"""Mixtures of experts: upcycled from a dense model, one expert taken from it, experts in another order, strangers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from demo_edits import BASE, LAYERS, TUNED, TWIN, D, Tensors, form, made, noisy, strangers, weights

from mpk_tui.lineage.compare import compare

EXPERTS = 3
NAMES = {"w1": "gate_proj", "w3": "up_proj", "w2": "down_proj"}


def mixture(rest: Tensors, experts: list[Tensors]) -> Tensors:
    """Tensors under Mixtral's names: feed-forward blocks of ``experts``, everything else of ``rest``."""
    out = {n: x for n, x in rest.items() if ".mlp." not in n}
    rng = np.random.default_rng(0)
    for i in range(LAYERS):
        stem = f"model.layers.{i}.block_sparse_moe."
        out[stem + "gate.weight"] = (0.02 * rng.standard_normal((len(experts), D))).astype(np.float32)
        for e, t in enumerate(experts):
            for own, dense in NAMES.items():
                out[f"{stem}experts.{e}.{own}.weight"] = t[f"model.layers.{i}.mlp.{dense}.weight"]
    return out


def checkpoint(folder: Path, rest: Tensors, experts: list[Tensors]) -> Path:
    return made(
        folder, mixture(rest, experts), model_type="mixtral", architectures=["MixtralForCausalLM"],
        num_local_experts=len(experts), num_experts_per_tok=2,
    )  # fmt: skip


def by_expert(record: dict, name: str) -> dict[tuple[int, int], list[float]]:
    out: dict[tuple[int, int], list[float]] = {}
    for layer in form(record, name)["layers"]:
        out.setdefault((layer.get("expert_a", -1), layer.get("expert_b", -1)), []).append(layer["p"])
    return out


def test_an_upcycled_model_is_found_expert_by_expert(tmp_path: Path) -> None:
    tuned = weights(TUNED)
    moe = checkpoint(tmp_path / "moe", tuned, [noisy(tuned, 0.05, e) for e in range(EXPERTS)])
    record = compare(BASE, moe)
    for name in ("ffn.aligned", "ffn.anchored"):
        found = by_expert(record, name)
        assert found.keys() == {(-1, e) for e in range(EXPERTS)}
        assert all(len(ps) == LAYERS and max(ps) <= 1e-3 for ps in found.values())
    assert record["finding"] == "shared-trained-ancestor", record["sentence"]


@pytest.mark.parametrize("moe_first", [False, True])
def test_one_expert_taken_from_another_model_is_a_part(tmp_path: Path, moe_first: bool) -> None:
    base, twin = weights(BASE), weights(TWIN)
    experts = [twin, noisy(base, 0.02, 2)]
    moe = checkpoint(tmp_path / "moe", twin, experts)
    record = compare(moe, BASE) if moe_first else compare(BASE, moe)
    assert record["finding"] == "component-shared", record["sentence"]
    (part,) = [p for p in record["components"] if p["finding"] == "component-shared"]
    assert part["kind"] == "expert"
    names = ("expert 1 of A", "dense block of B") if moe_first else ("dense block of A", "expert 1 of B")
    assert part["name"] == f"{names[0]} and {names[1]} in layers 0-3"
    assert record["proposal"]["conditions"]["c5"]["answer"] == "met"
    # The others are on record, too, and do not match.
    assert all(p["kind"] == "expert" for p in record["components"])


def test_experts_in_another_order_are_found_and_paid_for(tmp_path: Path) -> None:
    base, tuned, twin = weights(BASE), weights(TUNED), weights(TWIN)
    own = [base, twin, strangers(base, 3)]
    a = checkpoint(tmp_path / "a", base, own)
    b = checkpoint(tmp_path / "b", tuned, [noisy(own[e], 0.05, 10 + e) for e in (2, 0, 1)])
    record = compare(a, b)
    for name in ("ffn.aligned", "ffn.anchored"):
        found = by_expert(record, name)
        assert found.keys() == {(0, 1), (1, 2), (2, 0)}
        assert max(max(ps) for ps in found.values()) <= 1e-3
        assert form(record, name)["parameters"]["candidates"] == EXPERTS
    assert record["p"] == 1e-12


def test_mixtures_of_strangers_are_not_linked(tmp_path: Path) -> None:
    base, twin = weights(BASE), weights(TWIN)
    # Two banks of copies: the experts of a bank share their luck.
    a = checkpoint(tmp_path / "a", base, [noisy(base, 0.05, e) for e in range(2)])
    b = checkpoint(tmp_path / "b", twin, [noisy(twin, 0.05, 10 + e) for e in range(2)])
    for left, right in ((BASE, b), (a, b)):
        record = compare(left, right)
        assert record["finding"] == "no-correspondence", record["sentence"]
        assert record["components"] == []
