"""A few models of the zoo, kept in the tree: what the benchmark says of hundreds of pairs must hold of these, always.

Trained by `tests.zoo.train` (seed 1, 400 steps); ``bert-a-1.early`` is a run from bert-a-1's initialisation in another data
order, stopped after 20 steps.  What needs no training is derived here.
"""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import ml_arrays as ml
import numpy as np
import pytest

from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import write
from mpk_tui.lineage.compare import compare

SLIM = Path(__file__).parent / "slim"
LINKED = {"identical", "reformatted", "near-identical", "shared-trained-ancestor", "component-shared"}
ACCUSING = [
    ("llama-a-1", "llama-a-1.seed_near"),
    ("gpt2-a-1", "gpt2-a-1.seed_order"),
    ("gpt2-a-1.cpt", "gpt2-a-1.seed_order"),
    ("bert-a-1", "bert-a-1.seed_near"),
    ("bert-a-1", "bert-a-1.early"),
    ("bert-a-1.cpt", "bert-a-1.early"),
    ("mixtral-a-1", "mixtral-a-1.seed_order"),
    ("mixtral-a-1.ft", "mixtral-a-1.seed_order"),
    # One seed and one width: the same first embeddings under other architectures.
    ("llama-a-1", "mixtral-a-1"),
    ("llama-a-1", "gpt2-a-1"),
    ("gpt2-a-1", "bert-a-1"),
]
DESCENDED = [
    ("llama-a-1", "llama-a-1.vocab", "3.4"),
    ("llama-a-1", "llama-a-1.pruned", "3.6"),
    ("llama-a-1", "llama-a-1.lora", "3.8"),
    ("gpt2-a-1", "gpt2-a-1.cpt", "3.3"),
    ("bert-a-1", "bert-a-1.cpt", "3.3"),
    ("mixtral-a-1", "mixtral-a-1.ft", "3.2"),
]


@cache
def compared(a: str, b: str) -> dict[str, Any]:
    """The comparison of two models of the tree, which several tests look at and none changes."""
    return compare(SLIM / a, SLIM / b)


def retention(record: dict[str, Any]) -> dict[str, Any]:
    return next(t for t in record["tests"] if t["name"] == "retention")


def moved(source: str, target: Path, change: Any) -> Path:
    """A copy of a model with its tensors changed."""
    shutil.copytree(SLIM / source, target)
    tensors = ml.load(target / "model.safetensors")
    ml.save(target / "model.safetensors", change(tensors), "F32")
    return target


def permuted_residual(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """GPT-2's residual dimensions in another order: the same function."""
    width = tensors["transformer.wte.weight"].shape[1]
    order = np.random.default_rng(5).permutation(width)
    out = {}
    for name, x in tensors.items():
        if name.endswith(("wte.weight", "wpe.weight", "c_proj.weight")):
            x = x[:, order]
        elif ".ln_" in name or name.endswith(("c_proj.bias", "c_attn.weight", "c_fc.weight")):
            x = x[order]
        out[name] = np.ascontiguousarray(x)
    return out


@pytest.mark.parametrize(("a", "b"), ACCUSING)
def test_runs_from_one_seed_are_never_linked(a: str, b: str) -> None:
    record = compared(a, b)
    assert record["finding"] not in LINKED, record["sentence"]
    assert not any(c["answer"] == "met" for c in record["proposal"]["conditions"].values())


@pytest.mark.parametrize(("a", "b", "mechanism"), DESCENDED)
def test_descendants_are_found_with_their_mechanism(a: str, b: str, mechanism: str) -> None:
    record = compared(a, b)
    assert record["finding"] == "shared-trained-ancestor", record["sentence"]
    assert record["mechanisms"][0]["number"] == mechanism, record["mechanisms"]


def test_a_permuted_stream_changes_no_reading(tmp_path: Path) -> None:
    # Through embeddings instead of after alignment this sibling read as a descendant.
    sibling = moved("gpt2-a-1.seed_order", tmp_path / "sibling", permuted_residual)
    hidden = compare(SLIM / "gpt2-a-1", sibling)
    plain = compared("gpt2-a-1", "gpt2-a-1.seed_order")
    assert hidden["finding"] == plain["finding"] == "shared-initialisation"
    assert "alignment" in retention(hidden)["basis"]
    for one, other in zip(retention(hidden)["directions"], retention(plain)["directions"], strict=True):
        assert one["ratio"] == pytest.approx(other["ratio"], abs=0.03)
    tuned = moved("gpt2-a-1.cpt", tmp_path / "tuned", permuted_residual)
    assert compare(SLIM / "gpt2-a-1", tuned)["finding"] == "shared-trained-ancestor"


def test_a_hardly_trained_sibling_does_not_count() -> None:
    record = compared("bert-a-1", "bert-a-1.early")
    found = retention(record)
    assert found["gain_spread"][1] < found["parameters"]["gain_spread_from"] < found["gain_spread"][0]
    # All that it holds is in the sibling: without that guard it would speak for a trained ancestor.
    assert found["directions"][1]["ratio"] > 0.96
    assert not found["directions"][1]["counts"]


def test_experts_are_parts(tmp_path: Path) -> None:
    strange = ml.load(SLIM / "mixtral-a-1.seed_order" / "model.safetensors")
    rng = np.random.default_rng(0)

    def one_expert_kept(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        out = {}
        for name, x in tensors.items():
            fresh = (rng.permuted(strange[name], axis=0) if x.ndim == 2 else strange[name]).astype(np.float32)
            out[name] = x if ".experts.2." in name else rng.permuted(fresh, axis=-1) if x.ndim == 2 else fresh
        return out

    other = moved("mixtral-a-1", tmp_path / "other", one_expert_kept)
    record = compare(SLIM / "mixtral-a-1", other)
    assert record["finding"] == "component-shared", record["sentence"]
    experts = [p for p in record["components"] if p["kind"] == "expert" and p["finding"] == "component-shared"]
    assert [p["name"].split(" of ")[0] for p in experts] == ["expert 2"]


def test_fingerprints_alone_tell_descendants_from_siblings(tmp_path: Path) -> None:
    files = {}
    for name in (
        "gpt2-a-1",
        "gpt2-a-1.cpt",
        "gpt2-a-1.seed_order",
        "mixtral-a-1",
        "mixtral-a-1.ft",
        "mixtral-a-1.seed_order",
    ):
        files[name] = tmp_path / f"{name}.mpkf"
        write(files[name], fingerprint(SLIM / name))
        assert files[name].stat().st_size < 8_000_000
    assert compare(files["gpt2-a-1"], files["gpt2-a-1.cpt"])["finding"] == "shared-trained-ancestor"
    assert compare(files["gpt2-a-1"], files["gpt2-a-1.seed_order"])["finding"] == "shared-initialisation"
    assert compare(files["mixtral-a-1"], files["mixtral-a-1.ft"])["finding"] == "shared-trained-ancestor"
    assert compare(files["mixtral-a-1"], files["mixtral-a-1.seed_order"])["finding"] not in LINKED


def test_the_same_record_on_every_run() -> None:
    first, second = compared("bert-a-1", "bert-a-1.cpt"), compare(SLIM / "bert-a-1", SLIM / "bert-a-1.cpt")
    assert json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
