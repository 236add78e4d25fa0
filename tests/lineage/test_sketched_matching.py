"""A checkpoint whose feed-forward units were pruned, held against the fingerprint of another model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from demo_edits import BASE, LAYERS, TWIN, Tensors, form, made, noisy, weights

from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.lineage.compare import compare_sides
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.progress import CancelToken, silent

KEPT = 240


def pruned(folder: Path, *, sort: bool = False) -> Path:
    """Three of four units of the demo's base are kept, in their order or by the norm of their gate rows."""
    out: Tensors = {}
    for name, x in noisy(weights(BASE), 0.1, 4).items():
        layer = name.split(".")[2] if ".mlp." in name else ""
        if layer:
            gate = weights(BASE)[f"model.layers.{layer}.mlp.gate_proj.weight"]
            order = np.argsort(-(gate**2).sum(axis=1))[:KEPT]
            keep = order if sort else np.sort(np.random.default_rng(int(layer)).permutation(len(gate))[:KEPT])
            x = x[:, keep] if "down_proj" in name else x[keep]
        out[name] = np.ascontiguousarray(x)
    return made(folder, out, intermediate_size=KEPT)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pruned(tmp_path_factory.mktemp("pruned") / "copy")


@pytest.fixture(scope="module")
def base() -> Fingerprint:
    return fingerprint(BASE)


def held(path: Path, kept: Fingerprint, *, turned: bool = False) -> dict:
    with open_side(path, silent, CancelToken()) as side:
        other = Side("kept", kept, None)
        return compare_sides(other, side) if turned else compare_sides(side, other)


@pytest.mark.parametrize("turned", [False, True])
def test_a_pruned_copy_is_found_from_a_fingerprint(copy: Path, base: Fingerprint, turned: bool) -> None:
    record = held(copy, base, turned=turned)
    test = form(record, "ffn.order")
    assert record["finding"] == "shared-trained-ancestor"
    assert test["source"] == "fingerprints"
    assert len(test["layers"]) == LAYERS
    # Of 256 kept units three in four were left: next to all of them are found, and a few meet by chance.
    assert all(175 <= layer["units"] <= 225 for layer in test["layers"])
    assert test["rho"] > 0.8


def test_another_model_leaves_no_order(copy: Path) -> None:
    record = held(copy, fingerprint(TWIN))
    assert record["finding"] == "no-correspondence"
    assert form(record, "ffn.order")["p"] > 1e-3


def test_units_in_an_order_of_their_own_are_not_tested(tmp_path: Path, base: Fingerprint) -> None:
    test = form(held(pruned(tmp_path / "sorted", sort=True), base), "ffn.order")
    assert test["reason"].startswith("refused: units are ordered by the norm of")


def test_two_fingerprints_keep_other_units(copy: Path, base: Fingerprint) -> None:
    record = compare_sides(Side("a", fingerprint(copy), None), Side("b", base, None))
    assert not any(t["name"] == "ffn.order" for t in record["tests"])


@pytest.mark.parametrize(
    "params", [{"of": 1 << 40}, {"of": True}, {"of": 200}, {"of": "320"}, {"inputs": ["x"], "by": "y"}]
)
def test_what_a_stranger_states_of_its_units_is_not_believed(copy: Path, base: Fingerprint, params: dict) -> None:
    forged = {
        n: replace(f, params={**f.params, **params}) if n.startswith("ffn.") else f for n, f in base.features.items()
    }
    record = held(copy, replace(base, features=forged))
    assert record["finding"] in ("no-correspondence", "common-origin-unresolved", "not-comparable")
