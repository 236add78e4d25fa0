"""A comparison record as tables: the numbers of the record, floors kept, tests that did not run say why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_models import checkpoint, weights

from mpk_tui.lineage.compare import compare
from mpk_tui.tui.arrange import Arrangement, arrange, run
from mpk_tui.tui.tables import number, p_value, tables
from mpk_tui.tui.views import Place, place_of_row, row_lines, views


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
    assert [row[:2] for row in identity.rows] == [("different", name), ("only A", gone)]
    assert identity.rows[0][4:] == ("2,048", "2,048")
    assert 0 < identity.values[0][2] < 10
    assert mechanisms.columns
    for table in tables(record):
        assert len(table.rows) == len(table.values)
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_what_did_not_run_says_why(tmp_path: Path) -> None:
    base = weights(1)
    record = compare(checkpoint(tmp_path / "a", base), checkpoint(tmp_path / "b", base))
    assert tables(record)[0].title == "ffn.aligned: not run, all tensors are equal; nothing is left to test"


def test_values_sort_and_read_apart() -> None:
    record = {
        "tests": [
            {
                "name": "ffn.aligned", "ran": True, "p": 1e-12, "p_is_bound": True, "z": 9.5, "rho": 0.5,
                "layers": [
                    {"a": 10, "b": 9, "expert_a": 2, "expert_b": -1, "z": 3.25, "rho": 0.1, "p": 0.01, "p_is_bound": True, "units": 4096},
                    {"a": -1, "b": -1, "z": -0.5, "rho": 0.0, "p": 1e-300, "p_is_bound": False, "units": 8},
                ],
            },
        ],
    }  # fmt: skip
    units = tables(record)[0]
    assert [tuple(r) for r in units.rows] == [
        ("10.2", "9", "3.2", "0.100", "< 0.01", "4,096"), ("all", "all", "-0.5", "0.000", "< 1e-12", "8"),
    ]  # fmt: skip
    p = units.columns[4]
    assert p.number is not None
    assert [p.number(v[4]) for v in units.values] == [0.01, 1e-300]
    assert units.rows[0:1] == [units.rows[0]]


JUNK = [
    None,
    True,
    -3,
    1e400,
    float("nan"),
    10**400,
    "x\x1b[2J[/]\u202e",
    b"\xff",
    [],
    [1, "[/]"],
    {},
    {"a": 1},
    [[[]]],
]


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_a_record_of_any_shape_is_no_fault(junk: Any, tmp_path: Path) -> None:
    """Every field of a true record, replaced in turn."""

    def spoil(value: Any) -> Iterator[Any]:
        yield junk
        if isinstance(value, dict):
            for key in value:
                for spoilt in spoil(value[key]):
                    yield {**value, key: spoilt}
        elif isinstance(value, list) and value:
            for spoilt in spoil(value[0]):
                yield [spoilt, *value[1:]]

    row = {"a": 0, "b": 0, "z": 1.0, "rho": 0.1, "p": 0.5, "p_is_bound": False, "units": 4}
    record = {
        "finding": "identical", "sentence": "s", "limits": ["l"], "notices": ["n"], "a": {"label": "x"}, "b": {},
        "identity": {
            "pairs": 2, "equal": 1, "converted": 0, "unread": 0, "renamed": 0, "conversions": ["c"], "ignored": ["i"],
            "differing": [{"a": "x", "b": "y", "state": "different", "relative": 0.1, "cosine": 0.9, "changed": 1,
                           "elements": 2, "role": "attn.q", "layer": 0}],
            "only_a": ["u"], "only_b": ["v"],
        },
        "tests": [
            {"name": "ffn.aligned", "ran": True, "p": 0.5, "p_is_bound": False, "z": 1.0, "rho": 0.1, "layers": [row],
             "statement": "s", "assumption": "a"},
            {"name": "retention", "ran": True, "reading": "for", "directions": [{"of": "a", "ratio": 1.0, "counts": True}],
             "layers": [{"a": 0, "b": 0, "role": "attn.q", "a_in_b": 1.0, "b_in_a": 1.0}]},
        ],
        "components": [{"name": "n", "finding": "f", "p": 0.5, "p_is_bound": True, "rho": 0.5, "sentence": "s"}],
        "trajectory": {"reading": "r", "reason": "s", "points": [{"label": "l", "with_a": 1.0, "with_b": 0.5}]},
        "context": [{"name": "n", "value": 1.0, "independent_low": 0.0, "independent_high": 1.0, "reason": "", "sentence": "s"}],
        "mechanisms": [{"number": "3.2", "title": "t", "for": ["x"], "against": []}],
    }  # fmt: skip
    seen = 0
    for spoilt in spoil(record):
        if not isinstance(spoilt, dict):
            continue
        for view in views(spoilt):
            assert all(len(r) == len(view.table.columns) for r in view.table.rows)
            for n, column in enumerate(view.table.columns):
                assert all(isinstance(r[n], str) for r in view.table.rows)
                run(arrange(view.table.values, view.table.columns, Arrangement(n, filter=f"{n} a")))
                assert column.title
            for n in range(min(3, len(view.table.values))):
                place = place_of_row(spoilt, view, n)
                assert place.part
                assert len(place.locator) < 4500
                assert all(isinstance(v, str) for line in row_lines(spoilt, view.table, n) for v in line)
            seen += 1
    assert seen > 100


def test_hostile_names_become_evidence_that_fits() -> None:
    name = "w[/]\x1b[31m\u202e" + "y" * 10_000
    record = {"identity": {"differing": [{"a": name, "b": name, "state": "different"}], "only_a": ["\x1b[2J"]}}
    tensors = next(v for v in views(record) if v.id == "tensors")
    long, short = (place_of_row(record, tensors, n) for n in (0, 1))
    assert len(long.locator) < 4500
    assert "\x1b" not in long.excerpt
    # A name that fits is cited as it is: it must be found again in the record.
    assert short == Place("identity", "\x1b[2J", short.excerpt)
