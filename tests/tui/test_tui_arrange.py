"""Filters and orders of long tables: what they mean, what is wrong with a bad one, and that work comes in slices."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mpk_tui.errors import UsageError
from mpk_tui.tui.arrange import SLICE, Arrangement, arrange, predicates, run, sound
from mpk_tui.tui.tables import measured, number, words
from mpk_tui.tui.widgets.table import Column

COLUMNS = (
    Column("state", 9, show=words),
    Column("tensor", name=True, show=words),
    Column("change", 7, right=True, show=number, number=measured),
    Column("layer A", 7, right=True, number=measured),
    Column("layer B", 7, right=True, number=measured),
)
ROWS: list[tuple[Any, ...]] = [
    ("different", "model.layers.10.mlp.up", 0.25, 10, 10),
    ("equal", "model.layers.2.mlp.up", None, 2, 2),
    ("different", "model.layers.2.attn.q[/]=x", 0.05, 2, 3),
    ("only A", "Lm_Head", None, None, None),
    ("different", "model.norm", 1.5, None, None),
]


def shown(filter: str = "", column: int = -1, *, falling: bool = False) -> list[int]:
    return run(arrange(ROWS, COLUMNS, Arrangement(column, falling, filter)))


@pytest.mark.parametrize(
    ("filter", "rows"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("mlp", [0, 1]),
        ("MLP equal", [1]),
        ("lm_head", [3]),
        ("state=different", [0, 2, 4]),
        ("state!=different", [1, 3]),
        ('state="only a"', [3]),
        ("tensor~norm", [4]),
        ('"q[/]=x"', [2]),
        ("change>0.1", [0, 4]),
        ("change>=25%", [0, 4]),
        ("change<=0.05", [2]),
        ("change=0.25", [0]),
        ("change!=0.25", [2, 4]),
        ("change=none", [1, 3]),
        ("change!=none", [0, 2, 4]),
        ("change~0.2", [0]),
        ("chan>0.1 layers", [0]),
        ("layera=2", [1, 2]),
        ("layerB=3 state=different", [2]),
    ],
)
def test_a_filter_keeps(filter: str, rows: list[int]) -> None:
    assert shown(filter) == rows


@pytest.mark.parametrize(
    ("filter", "said"),
    [
        ("chnge>0.1", "no column 'chnge' here; columns: state, tensor, change, layera, layerb"),
        ("change>x", "'change' holds numbers, and 'x' is none"),
        ("change>nan", "is none"),
        ("change>none", "goes with = and != only"),
        ("state>3", "'state' holds words: use =, != or ~ with it, not >"),
        ("layer=3", "'layer' may be layera or layerb"),
        (">3", "a column's name must stand before >"),
        ("change>", "nothing stands after change>"),
        ("\x1b[2J=1", "no column '\\\\x1b[2J'"),
    ],
)
def test_a_bad_filter_says_what_is_wrong(filter: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        predicates(filter, COLUMNS)
    assert said in caught.value.what
    # What can be understood beside it stays in force.
    assert sound(f"mlp {filter}", COLUMNS) == ("mlp", caught.value.what)
    assert sound("mlp  equal", COLUMNS) == ("mlp  equal", "")


def test_numbers_sort_as_numbers_and_layers_as_people_count() -> None:
    assert shown(column=2) == [2, 0, 4, 1, 3]
    assert shown(column=2, falling=True) == [4, 0, 2, 1, 3]
    assert [ROWS[i][1] for i in shown(column=1)] == [
        "Lm_Head", "model.layers.2.attn.q[/]=x", "model.layers.2.mlp.up", "model.layers.10.mlp.up", "model.norm",
    ]  # fmt: skip
    assert shown(falling=True) == [4, 3, 2, 1, 0]
    assert shown("mlp", 2, falling=True) == [0, 1]


def test_a_name_of_digits_alone_is_no_fault() -> None:
    rows = [("x", "9" * 10_000), ("x", "1")]
    assert run(arrange(rows, COLUMNS[:2], Arrangement(1))) == [1, 0]


def test_a_hundred_thousand_rows_come_in_slices_and_in_order() -> None:
    count = 100_000
    draw = random.Random(7)
    rows = [("x", f"layer.{draw.randrange(count)}", draw.random() if i % 5 else None) for i in range(count)]
    steps = arrange(rows, COLUMNS[:3], Arrangement(2, filter="x change<0.9"))
    slices = 0
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            order = stop.value
            break
        slices += 1
    assert slices > 2 * count / SLICE
    assert order == sorted((i for i in range(count) if (rows[i][2] or 1.0) < 0.9), key=lambda i: rows[i][2])
    assert run(arrange(rows, COLUMNS[:3], Arrangement(2)))[-1] == max(i for i in range(count) if i % 5 == 0)
