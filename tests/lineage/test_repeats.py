"""Layers that repeat: told on record, mapped, and never counted twice where both models repeat them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from demo_edits import BASE, LAYERS, TWIN, Tensors, form, made, noisy, weights

from mpk_tui.fingerprint.units import feature_map
from mpk_tui.lineage.compare import compare
from mpk_tui.lineage.results import LayerResult, combine
from mpk_tui.lineage.rowtest import row_test


def stacked(t: Tensors, layers: list[int]) -> Tensors:
    """A model whose layers are those of another, in the order given."""
    out = {n: x for n, x in t.items() if ".layers." not in n}
    for at, source in enumerate(layers):
        stem = f"model.layers.{source}."
        out |= {f"model.layers.{at}.{n.removeprefix(stem)}": x for n, x in t.items() if n.startswith(stem)}
    return out


def test_a_repeated_layer_is_on_record_and_mapped(tmp_path: Path) -> None:
    deeper = noisy(stacked(weights(BASE), [0, 1, 2, 2, 3]), 0.02, 1)
    record = compare(BASE, made(tmp_path / "deeper", deeper, num_hidden_layers=5))
    assert record["repeats"] == {"a": [], "b": [[3, 2]]}
    assert [r["a"] for r in form(record, "ffn.aligned")["layers"]] == [0, 1, 2, 3]
    assert {r["b"] for r in form(record, "ffn.aligned")["layers"]} >= {0, 1, 4}
    # B's two copies stand beside one layer of A: nothing is repeated on both sides.
    assert form(record, "ffn.aligned")["parameters"]["left_out_as_repeated"] == 0
    assert record["finding"] == "shared-trained-ancestor", record["sentence"]


def test_layers_that_both_repeat_count_once(tmp_path: Path) -> None:
    base, twin = (stacked(weights(m), [0, 0, 0, 0, 0, 0]) for m in (BASE, TWIN))
    a = made(tmp_path / "a", base, num_hidden_layers=6)
    b = made(tmp_path / "b", twin, num_hidden_layers=6)
    record = compare(a, b)
    found = form(record, "ffn.aligned")
    assert record["repeats"]["a"] == record["repeats"]["b"] == [[k, 0] for k in range(1, 6)]
    assert found["parameters"]["left_out_as_repeated"] == 5
    # Six layers are shown, the first alone is counted: p is that of the one layer, not of six.
    assert len(found["layers"]) == 6
    assert found["p"] == pytest.approx(found["layers"][0]["p"])
    assert record["finding"] == "no-correspondence", record["sentence"]


def test_a_copy_is_found_though_only_one_layer_of_it_counts(tmp_path: Path) -> None:
    base = stacked(weights(BASE), [1] * LAYERS)
    record = compare(made(tmp_path / "a", base), made(tmp_path / "b", noisy(base, 0.05, 2)))
    assert form(record, "ffn.aligned")["parameters"]["left_out_as_repeated"] == LAYERS - 1
    assert record["p"] == 1e-12
    assert record["finding"] != "no-correspondence"


def test_p_stays_uniform_where_independent_models_repeat_layers() -> None:
    # Four layers, three of them copies of the first in both models: their p-values are one p-value, four times.
    twice = frozenset({(1, 1), (2, 2), (3, 3)})
    honest, inflated = [], []
    for n in range(120):
        rng = np.random.default_rng([31, n])
        x, y = (feature_map(rng.standard_normal((48, 40)).astype(np.float32)) for _ in range(2))
        results = []
        for i in range(4):
            test = row_test(x, y, seed=(n, i), draws=499)
            results.append(LayerResult(i, i, test, test.log_p))
        honest.append(math.exp(combine(results, twice)))
        inflated.append(math.exp(combine(results)))
    ps = np.sort(honest)
    distance = max(float(np.max(np.arange(1, 121) / 120 - ps)), float(np.max(ps - np.arange(120) / 120)))
    # Kolmogorov: 1.95 / sqrt(n) is passed once in a thousand samples.
    assert distance < 1.95 / math.sqrt(120)
    # What the rule prevents: far more small values than chance allows.
    assert sum(p <= 0.05 for p in inflated) > 1.5 * 6
    assert sum(p <= 0.05 for p in honest) <= 14
