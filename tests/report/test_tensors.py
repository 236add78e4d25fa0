"""Every tensor of two models accounted for by name, from fingerprints and record; a record from a stranger is no fault."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.report.tensors import (
    ASIDE,
    CONVERTED,
    DIFFERENT,
    EITHER,
    EQUAL,
    ONLY_A,
    ONLY_B,
    STATES,
    UNNAMED,
    UNREAD,
    account,
    listed,
)


def tensor(name: str, content: str, dtype: str = "F32") -> TensorHash:
    return TensorHash(name, dtype, (4, 8), 128, hashlib.sha256(content.encode()).digest())


def record(**identity: Any) -> dict[str, Any]:
    return {"identity": {"pairs": 0, "equal": 0, "converted": 0, "unread": 0, "differing": [], **identity}}


def found(rows: Any) -> dict[str, str]:
    return {r.name: r.state for r in rows}


def test_every_tensor_has_one_row_and_a_state() -> None:
    a = [tensor(n, n) for n in ("equal", "moved-a", "gone", "changed", "ballast")]
    b = [tensor("equal", "equal"), tensor("moved-b", "moved-a"), tensor("new", "new"), tensor("changed", "other")]
    row = {"a": "changed", "b": "changed", "state": "different", "relative": 0.5}
    rows = account(record(differing=[row], only_a=["gone"], only_b=["new"], ignored=["ballast"]), a, b)
    assert found(rows) == {
        "equal": EQUAL, "moved-a / moved-b": EQUAL, "gone": ONLY_A, "changed": DIFFERENT, "ballast": ASIDE, "new": ONLY_B,
    }  # fmt: skip
    assert {r.state for r in rows} <= STATES.keys()
    changed = next(r for r in rows if r.name == "changed")
    assert changed.found == row
    assert changed.a is not None
    assert changed.b is not None
    assert changed.a.sha256 != changed.b.sha256


@pytest.mark.parametrize(
    ("converted", "unread", "state"), [(1, 0, CONVERTED), (0, 1, UNREAD), (1, 1, EITHER), (0, 0, UNNAMED)]
)
def test_other_bytes_that_the_record_does_not_list_are_what_it_counts(converted: int, unread: int, state: str) -> None:
    rows = account(record(converted=converted, unread=unread), [tensor("x", "1")], [tensor("x", "2", "BF16")])
    assert found(rows) == {"x": state}


def test_names_of_computed_weights_have_rows_without_a_fingerprint() -> None:
    row = {"a": "q.weight", "b": "q.weight", "state": "different"}
    rows = account(record(differing=[row], only_a=["r.weight"]), [tensor("q.qweight", "1")], [tensor("q.weight", "2")])
    assert found(rows) == {"q.qweight": UNNAMED, "q.weight": DIFFERENT, "r.weight": ONLY_A}
    assert rows[1].a is None
    assert rows[1].b is not None


def test_a_tensor_that_holds_several_weights_has_a_row_for_each() -> None:
    views = [{"a": "qkv", "b": f"{x}_proj", "state": "different"} for x in "qkv"]
    rows = account(record(differing=views), [tensor("qkv", "1")], [tensor(f"{x}_proj", x) for x in "qkv"])
    assert [r.name for r in rows] == ["qkv / q_proj", "qkv / k_proj", "qkv / v_proj"]


def test_equal_name_and_bytes_under_another_type_are_not_equal() -> None:
    assert found(account(record(), [tensor("x", "1", "F16")], [tensor("x", "1", "BF16")])) == {"x": UNNAMED}


def test_without_fingerprints_only_what_the_record_names() -> None:
    rows = listed(record(differing=[{"a": "x", "b": "y", "state": "reshaped"}], only_b=["z"], equal=7))
    assert found(rows) == {"x / y": "reshaped", "z": ONLY_B}


@pytest.mark.parametrize(
    "identity",
    [None, [], 7, {"differing": 7, "only_a": {"x": 1}}, {"differing": [3, {}, {"a": 1, "b": [], "state": {}}], "only_b": [1]},
     {"only_a": "x", "ignored": [None]}],
)  # fmt: skip
def test_a_record_of_any_shape_is_no_fault(identity: Any) -> None:
    rows = account({"identity": identity}, [tensor("x", "1")], [tensor("x", "1")])
    assert found(rows)["x"] == EQUAL
