"""The context measures: their formulas, their ranges, and that a score beside its range is told honestly."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import ml_arrays as ml
import numpy as np
import pytest

import mpk_tui.demo
from mpk_tui import canonical
from mpk_tui.errors import CancelledError
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import write
from mpk_tui.lineage import context as panel
from mpk_tui.lineage import similarity
from mpk_tui.lineage.layers import LayerMap
from mpk_tui.lineage.sides import open_side
from mpk_tui.progress import CancelToken, silent

DEMO = Path(mpk_tui.demo.__file__).parent
BASE, TUNED, TWIN = DEMO / "base", DEMO / "fine-tune", DEMO / "twin"
SIBLING = Path(__file__).parent / "same-seed"
NAMES = [m.name for m in panel.MEASURES]


def rows(a: Path, b: Path, layer_map: LayerMap | None = None) -> dict[str, dict[str, Any]]:
    cancel = CancelToken()
    with open_side(a, silent, cancel) as left, open_side(b, silent, cancel) as right:
        return {r["name"]: r for r in panel.context(left, right, layer_map, silent, cancel)}


def variant(tmp_path: Path, name: str = "variant") -> Path:
    shutil.copytree(BASE, tmp_path / name)
    return tmp_path / name


def test_every_measure_has_a_row_in_a_fixed_order_and_the_same_bytes_each_time() -> None:
    first, second = rows(BASE, TUNED), rows(BASE, TUNED)
    assert list(first) == NAMES
    assert canonical.encode(list(first.values())) == canonical.encode(list(second.values()))
    assert all(r["value"] is not None and r["sentence"] and r["independent_source"] for r in first.values())


def test_a_copy_scores_one_everywhere(tmp_path: Path) -> None:
    for name, row in rows(BASE, variant(tmp_path)).items():
        if name.endswith("-z"):
            assert row["value"] > 100
        else:
            assert row["value"] == pytest.approx(1.0, abs=1e-6), name


def test_the_twin_scores_what_independent_models_score() -> None:
    found = rows(BASE, TWIN)
    assert all(r["sentence"].endswith("it lies among them and says nothing.") for r in found.values())
    # The point of the panel: high scores, and nothing behind them.
    assert found["norm-gain-cosine"]["value"] > 0.99
    assert found["log-spectra-correlation"]["value"] > 0.99
    assert found["embedding-norm-correlation"]["value"] > 0.9
    assert found["output-head-z"]["value"] > 10
    assert found["vocabulary-overlap"]["value"] == found["configuration-agreement"]["value"] == 1.0


def test_a_shared_initialisation_is_named_where_only_it_reaches_a_score() -> None:
    row = rows(BASE, SIBLING)["matrix-cosine"]
    assert row["value"] > row["independent_high"]
    assert row["same_seed_low"] <= row["value"] <= row["same_seed_high"]
    assert "share only their initialisation" in row["sentence"]
    assert row["sentence"].endswith("it decides nothing.")


def test_scores_do_not_depend_on_the_order_of_the_two() -> None:
    one, other = rows(BASE, TUNED), rows(TUNED, BASE)
    for name in NAMES:
        assert one[name]["value"] == pytest.approx(other[name]["value"], rel=1e-5)


def test_fingerprint_files_say_what_they_lack(tmp_path: Path) -> None:
    write(tmp_path / "base.mpkf", fingerprint(BASE))
    found = rows(tmp_path / "base.mpkf", TUNED)
    assert found["configuration-agreement"]["value"] == found["vocabulary-overlap"]["value"] == 1.0
    for name in NAMES:
        if name not in ("configuration-agreement", "vocabulary-overlap"):
            assert found[name]["value"] is None
            assert "weights of both" in found[name]["reason"]
            assert found[name]["sentence"] == f"Not computed: {found[name]['reason']}."


def test_a_vocabulary_is_counted_by_strings(tmp_path: Path) -> None:
    folder = variant(tmp_path)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocab: dict[str, int] = tokenizer["model"]["vocab"]
    renamed = sorted(vocab, key=vocab.__getitem__)[-100:]
    special = {t["content"] for t in tokenizer.get("added_tokens", [])}
    assert not special & set(renamed)
    tokenizer["model"]["vocab"] = {(f"{t}quux{i}" if t in renamed else t): i for t, i in vocab.items()}
    gone = set(renamed)
    tokenizer["model"]["merges"] = [
        m for m in tokenizer["model"]["merges"] if "".join(m if isinstance(m, list) else m.split(" ")) not in gone
    ]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    n = len(vocab)
    assert rows(BASE, folder)["vocabulary-overlap"]["value"] == pytest.approx((n - 100) / (n + 100), abs=1e-5)


def test_a_configuration_field_that_differs_is_counted(tmp_path: Path) -> None:
    folder = variant(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["SomethingElse"]}))
    value = rows(BASE, folder)["configuration-agreement"]["value"]
    fields = round(1 / (1 - value))
    assert value == pytest.approx((fields - 1) / fields, abs=1e-5)
    assert fields >= 8


def test_widths_that_differ_leave_reasons_and_scores_that_need_no_common_width(tmp_path: Path) -> None:
    folder = variant(tmp_path)
    rng = np.random.default_rng(0)
    tensors = {}
    for name, x in ml.load(BASE / "model.safetensors").items():
        width = ml.load(BASE / "model.safetensors")["model.norm.weight"].size
        shape = tuple(d // 2 if d == width else d for d in x.shape)
        tensors[name] = rng.standard_normal(shape).astype(np.float32)
    ml.save(folder / "model.safetensors", tensors)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "hidden_size": config["hidden_size"] // 2}))
    found = rows(BASE, folder)
    assert "equal width" in found["norm-gain-cosine"]["reason"]
    assert "widths differ" in found["output-head-cosine"]["reason"]
    assert abs(found["anchor-self-similarity"]["value"]) < 0.1
    assert found["log-spectra-correlation"]["value"] > 0.5


def test_values_that_are_not_finite_end_in_a_reason_or_a_number(tmp_path: Path) -> None:
    folder = variant(tmp_path)
    tensors = ml.load(BASE / "model.safetensors")
    for x in tensors.values():
        x[...] = np.nan
    ml.save(folder / "model.safetensors", tensors)
    found = rows(BASE, folder)
    assert found["norm-gain-cosine"]["reason"] == "the values have no spread to compare"
    canonical.encode(list(found.values()))


def test_a_layer_map_is_followed() -> None:
    crossed = LayerMap(((0, 3), (1, 2)), 4, "best monotone path")
    straight = LayerMap(((0, 0), (1, 1)), 1, "same index")
    assert rows(BASE, TUNED, straight)["matrix-cosine"]["value"] > 0.9
    assert abs(rows(BASE, TUNED, crossed)["matrix-cosine"]["value"]) < 0.1


def test_it_can_be_stopped() -> None:
    cancel = CancelToken()
    with open_side(BASE, silent, cancel) as left, open_side(TWIN, silent, cancel) as right:
        cancel.cancel()
        with pytest.raises(CancelledError):
            panel.context(left, right, None, silent, cancel)


def test_formulas_against_their_definitions() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 40, 30)).astype(np.float32)
    assert similarity.correlation(x, y) == pytest.approx(float(np.corrcoef(x.ravel(), y.ravel())[0, 1]), abs=1e-9)
    assert similarity.cosine(x, x + 1) == pytest.approx(
        float((x * (x + 1)).sum() / np.linalg.norm(x) / np.linalg.norm(x + 1)), abs=1e-6
    )
    assert math.isnan(similarity.cosine(x, np.zeros_like(x)))
    assert math.isnan(similarity.correlation(x, np.ones_like(x)))
    spectrum = similarity.log_spectrum(np.diag([8.0, 4.0, 2.0]).astype(np.float32), 3)
    assert np.exp(spectrum) == pytest.approx([8, 4, 2])
    assert np.exp(similarity.log_spectrum(np.diag([8.0, 2.0]).astype(np.float32), 3)) == pytest.approx([8, 4, 2])


def test_a_common_direction_alone_makes_a_naive_z_large() -> None:
    """Why entries are not independent: two tables that share nothing but a mean row."""
    rng = np.random.default_rng(2)
    mean = rng.standard_normal(64).astype(np.float32)
    x, y = (rng.standard_normal((2, 1000, 64)) + 0.3 * mean).astype(np.float32)
    assert similarity.cosine(x, y) * math.sqrt(x.size) > 10


def test_the_ranges_are_there_for_every_measure_and_hold_together() -> None:
    data = panel.ranges()
    assert data["schema"] == "mpk-tui/context-ranges/1"
    assert len(data["measured"]) == 10
    assert sorted(data["measures"]) == sorted(NAMES)
    for name, by_truth in data["measures"].items():
        assert by_truth["independent"], name
        for by_kind in by_truth.values():
            for kind, r in by_kind.items():
                assert kind in data["kinds"]
                assert r["pairs"] >= 1
                assert r["low"] <= r["median"] <= r["high"]


def test_sentences_for_every_place_in_a_range() -> None:
    seen, seed = panel.Range(0.1, 0.5, 20), panel.Range(0.6, 0.8, 3)
    assert panel.sentence("no weights", seen) == "Not computed: no weights."
    assert "was not measured" in panel.sentence(0.2, None)
    assert "among them and says nothing" in panel.sentence(0.5, seen, seed)
    assert "above them, but runs" in panel.sentence(0.7, seen, seed)
    assert panel.sentence(0.9, seen, seed).endswith("above them; it decides nothing.")
    assert panel.sentence(0.0, seen).endswith("below them; it decides nothing.")
    assert "20 pairs" in panel.sentence(0.9, seen)
