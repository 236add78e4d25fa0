"""A comparison record as tables: the numbers of the record, floors kept, tests that did not run say why."""

from __future__ import annotations

from pathlib import Path

from tiny_models import checkpoint, weights

from mpk_tui.lineage.compare import compare
from mpk_tui.tui.tables import number, p_value, tables


def test_p_values_are_never_quoted_below_the_floor() -> None:
    assert p_value(1e-12, True) == "< 1e-12"
    assert p_value(1e-300, False) == "< 1e-12"
    assert p_value(2.6e-07, True) == "< 2.6e-07"
    assert p_value(0.21, False) == "0.21"
    assert p_value(None, False) == "–"
    assert number(None) == "–"
    assert number(True) == "–"


def test_one_changed_tensor_is_a_row(tmp_path: Path) -> None:
    base, edited = weights(1), dict(weights(1))
    name = "model.layers.1.mlp.up_proj.weight"
    edited[name] = edited[name] + 1
    del edited["model.layers.0.self_attn.q_proj.weight"]
    record = compare(checkpoint(tmp_path / "a", base), checkpoint(tmp_path / "b", edited))
    by_name = {t.title.split(":")[0]: t for t in tables(record)}
    units, anchored, retention = by_name["ffn.aligned"], by_name["ffn.anchored"], by_name["retention"]
    identity, mechanisms = tables(record)[-2:]
    assert [len(t.rows) for t in (units, anchored)] == [2, 2]
    assert units.title.startswith("ffn.aligned: p ")
    assert "independent random initialisations" in units.about
    assert retention.title.startswith("retention: ")
    gone = "model.layers.0.self_attn.q_proj.weight"
    assert [row[:2] for row in identity.rows] == [("different", name), ("only in A", gone)]
    assert identity.rows[0][4] == "2048/2048"
    assert mechanisms.columns
    for table in tables(record):
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_what_did_not_run_says_why(tmp_path: Path) -> None:
    base = weights(1)
    record = compare(checkpoint(tmp_path / "a", base), checkpoint(tmp_path / "b", base))
    assert tables(record)[0].title == "ffn.aligned: not run, all tensors are equal; nothing is left to test"
