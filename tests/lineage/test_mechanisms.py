"""Each mechanism is proposed first for an edit of a trained model that is exactly that mechanism."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_arrays as ml
import numpy as np
import pytest

import mpk_tui.demo
from mpk_tui import canonical
from mpk_tui.lineage import findings
from mpk_tui.lineage.findings import Finding
from mpk_tui.lineage.identity import compare_tensors
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.mechanisms import TITLES, propose
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.progress import CancelToken, silent

DEMO = Path(mpk_tui.demo.__file__).parent
BASE, TUNED = DEMO / "base", DEMO / "fine-tune"
State = dict[str, np.ndarray]
BODY = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def rows(a: Path, b: Path, name: str = findings.TRAINED_ANCESTOR, weights: bool = True) -> list[dict[str, Any]]:
    cancel = CancelToken()
    with open_side(a, silent, cancel) as left, open_side(b, silent, cancel) as right:
        identity = compare_tensors(left, right, silent, cancel)
        assert left.weights is not None
        layers = LayerMap(tuple((i, i) for i in range(left.weights.arch.layers)), 1, "same index")
        sides = [s if weights else Side(s.label, s.fingerprint, None) for s in (left, right)]
        found = propose(Finding(name, "", 0.0, 1), sides[0], sides[1], identity, layers)
    canonical.encode(found)
    return found


def edited(tmp_path: Path, edit: Callable[[str, np.ndarray], np.ndarray], dtype: str = "BF16") -> Path:
    folder = tmp_path / "edited"
    folder.mkdir()
    for file in ("config.json", "tokenizer.json"):
        shutil.copy(BASE / file, folder / file)
    state = ml.load(BASE / "model.safetensors")
    ml.save(folder / "model.safetensors", {n: edit(n, x) for n, x in state.items()}, dtype=dtype)
    return folder


def body(edit: Callable[[str, np.ndarray], np.ndarray]) -> Callable[[str, np.ndarray], np.ndarray]:
    return lambda n, x: edit(n, x).astype(np.float32) if any(k in n for k in BODY) and x.ndim == 2 else x


def grid(_: str, x: np.ndarray) -> np.ndarray:
    v = x.reshape(-1, 32)
    step = np.abs(v).max(axis=1, keepdims=True) / 7
    return (np.round(v / step) * step).reshape(x.shape)


def two_of_four(_: str, x: np.ndarray) -> np.ndarray:
    v = x.copy().reshape(-1, 4)
    np.put_along_axis(v, np.argsort(np.abs(v), axis=1)[:, :2], 0, axis=1)
    return v.reshape(x.shape)


def adapter(n: str, x: np.ndarray) -> np.ndarray:
    if "q_proj" not in n and "v_proj" not in n:
        return x
    rng = np.random.default_rng([len(n), x.shape[0]])
    return x + 0.2 * x.std() * rng.standard_normal((x.shape[0], 4)) @ rng.standard_normal((4, x.shape[1]))


def noise(n: str, x: np.ndarray) -> np.ndarray:
    return x + 0.4 * x.std() * np.random.default_rng([len(n), x.shape[0]]).standard_normal(x.shape)


def test_a_fine_tune() -> None:
    found = rows(BASE, TUNED)
    assert [r["number"] for r in found] == ["3.2", "3.3", "3.9"]
    assert found[0]["numbers"]["relative"] < 0.25
    assert found[-1]["for"] == []  # with two models nothing speaks for a merge
    assert all(r["direction"] == "" for r in found)


def test_a_grid_stored_as_floats(tmp_path: Path) -> None:
    first = rows(BASE, edited(tmp_path, body(grid)))[0]
    assert first["number"] == "3.7"
    assert (first["numbers"]["bits"], first["numbers"]["group"], first["numbers"]["side"]) == (4, 32, "B")
    assert first["numbers"]["within_half_step"] > 0.99
    assert "likelier" in first["direction"]


def test_a_mask_is_sparsity_and_no_grid(tmp_path: Path) -> None:
    found = rows(BASE, edited(tmp_path, body(two_of_four)))
    assert found[0]["number"] == "3.6"
    assert found[0]["numbers"]["pattern"] == "2:4"
    assert found[0]["numbers"]["share_of_zeros"] == pytest.approx(0.5)
    assert "3.7" not in [r["number"] for r in found]


def test_an_adapter_with_its_rank_and_roles(tmp_path: Path) -> None:
    first = rows(BASE, edited(tmp_path, body(adapter)))[0]
    assert first["number"] == "3.8"
    assert first["numbers"]["rank"] == 4
    assert first["numbers"]["touched_roles"] == "attn.q, attn.v"


def test_a_large_change_of_full_rank_is_training(tmp_path: Path) -> None:
    changed = edited(tmp_path, lambda n, x: noise(n, x).astype(np.float32))
    assert rows(BASE, changed)[0]["number"] == "3.3"


def test_rescaled_units_that_cancel_are_the_same_model(tmp_path: Path) -> None:
    def scale(n: str, x: np.ndarray) -> np.ndarray:
        width = max(x.shape)
        c = np.exp(0.5 * np.random.default_rng(7).standard_normal(width))
        return x * c[:, None] if "up_proj" in n else x / c[None, :] if "down_proj" in n else x

    first = rows(BASE, edited(tmp_path, body(scale)))[0]
    assert first["number"] == "3.1"
    assert first["numbers"]["product_median"] == pytest.approx(1.0, abs=0.02)


def test_permuted_units_are_a_concealed_copy(tmp_path: Path) -> None:
    def shuffle(n: str, x: np.ndarray) -> np.ndarray:
        order = np.random.default_rng([5, int(n.split(".")[2])]).permutation(max(x.shape))
        return x[:, order] if "down_proj" in n else x[order] if "gate_proj" in n or "up_proj" in n else x

    first = rows(BASE, edited(tmp_path, body(shuffle)))[0]
    assert first["number"] == "3.1"
    assert first["numbers"]["units_found"] > 0.99
    assert first["numbers"]["units_in_place"] < 0.1


def test_layers_of_a_stranger_are_a_passthrough_merge(tmp_path: Path) -> None:
    def swap(n: str, x: np.ndarray) -> np.ndarray:
        if ".layers.1." not in n:
            return x
        return x.std() * np.random.default_rng(len(n)).standard_normal(x.shape)

    first = rows(BASE, edited(tmp_path, body(swap)))[0]
    assert first["number"] == "3.9"
    assert first["numbers"]["layers_strange"] == 1


def test_fingerprints_alone_do_not_tell_the_kind_of_training() -> None:
    assert all(r["number"] not in ("3.7", "3.8") for r in rows(BASE, TUNED, weights=False))


def test_findings_that_license_none() -> None:
    for name in (findings.SHARED_INIT, findings.UNRESOLVED, findings.NONE_FOUND, findings.NOT_COMPARABLE):
        assert rows(BASE, TUNED, name) == []


def test_rows_have_one_form() -> None:
    for row in rows(BASE, TUNED) + rows(BASE, BASE, findings.IDENTICAL):
        assert list(row) == ["number", "title", "for", "against", "numbers", "direction"]
        assert row["title"] == TITLES[row["number"]]
        assert all(isinstance(v, (int, float, str)) for v in row["numbers"].values())
