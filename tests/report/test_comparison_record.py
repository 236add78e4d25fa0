"""Reading comparison records from strangers: what is there is kept, what is wrong ends in a sentence."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import record

from mpk_tui import canonical
from mpk_tui.errors import LimitError, MalformedError, MpkError, UnsupportedError
from mpk_tui.report import comparison, fields
from mpk_tui.report.comparison import from_record, parse


def data(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_json_and_the_canonical_file_of_a_case_say_the_same() -> None:
    value = record("shared-trained-ancestor")
    read = parse(data(value), "r.json")
    assert read == parse(canonical.encode(value), "r.mpkc")
    assert read.finding == "shared-trained-ancestor"
    assert (read.a.label, read.b.label) == ("suspect", "reference")
    assert [(t.name, t.matched, t.layers) for t in read.tests[:2]] == [
        ("ffn.aligned", 16, 16),
        ("ffn.anchored", 16, 16),
    ]
    assert read.tests[-1].reading == "for"
    assert [(t.layers, t.p) for t in read.tests if t.name == "residual.body"] == [(0, 1e-12)]
    assert read.mechanisms[0].number == "3.2"
    assert len(read.tensors.differing) == 146


def test_layers_are_counted_by_the_threshold_of_the_record() -> None:
    value = record("no-correspondence")
    for k, layer in enumerate(value["tests"][0]["layers"]):
        layer["p"] = 10.0 ** -(k % 8)
    assert from_record(value, "r").tests[0].matched == 10
    value["tests"][0]["parameters"]["layer_p"] = 1e-6
    assert from_record(value, "r").tests[0].matched == 4


def test_missing_keys_get_their_empty_value_and_new_ones_pass() -> None:
    value = {"schema": "mpk-tui/compare/1", "finding": "identical", "a": {}, "b": {}, "later": {"x": [1]}}
    read = from_record(value, "r")
    assert (read.a.label, read.families, read.p, read.tests, read.components) == ("", 0, None, (), ())
    assert read.tensors.lossless is True


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"finding": 3}, "'finding'"),
        ({"finding": ""}, "'finding'"),
        ({"finding": None}, "'finding'"),
        ({"a": None}, "'a'"),
        ({"a": []}, "'a'"),
        ({"a": {"label": 3}}, "'a.label'"),
        ({"a": {"parameters": -1}}, "'a.parameters'"),
        ({"a": {"parameters": 1.5}}, "'a.parameters'"),
        ({"a": {"tensors": True}}, "'a.tensors'"),
        ({"a": {"tensors": 1 << 70}}, "'a.tensors'"),
        ({"p": "small"}, "'p'"),
        ({"p": 2}, "'p'"),
        ({"p": -0.5}, "'p'"),
        ({"p": True}, "'p'"),
        ({"p_is_bound": 1}, "'p_is_bound'"),
        ({"tests": {}}, "'tests'"),
        ({"tests": [3]}, "'tests'"),
        ({"tests": [{"layers": [{"p": "x"}]}]}, "'tests[0].layers[0].p'"),
        ({"tests": [{"parameters": []}]}, "'tests[0].parameters'"),
        ({"identity": {"only_a": [3]}}, "'identity.only_a'"),
        ({"identity": {"differing": ["x"]}}, "'identity.differing'"),
        ({"components": [{"name": 1}]}, "'components[0].name'"),
        ({"mechanisms": [{"against": "x"}]}, "'mechanisms[0].against'"),
        ({"tool": "mpk"}, "'tool'"),
    ],
    ids=str,
)
def test_a_field_of_the_wrong_type_is_named(change: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse(data(record("identical") | change), "r.json")
    assert field in caught.value.what
    assert caught.value.where == "r.json"


def test_a_number_that_overflows_is_refused() -> None:
    text = json.dumps(record("identical")).replace('"p": 1.0', '"p": 1e999')
    assert "1e999" in text
    with pytest.raises(MalformedError, match="finite"):
        parse(text.encode(), "r.json")


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", MalformedError),
        (b"{", MalformedError),
        (b"[]", MalformedError),
        (b"null", MalformedError),
        (b'{"schema": "mpk-tui/fingerprint/1"}', MalformedError),
        (b'{"schema": "mpk-tui/compare/2", "finding": "identical"}', UnsupportedError),
        (b'{"schema": "mpk-tui/compare/1", "schema": "mpk-tui/compare/1"}', MalformedError),
        (b"[" * 5000, MalformedError),
        (b"\xff\xfe{", MpkError),
        (b"\x81\xa1a", MpkError),
        (b"\x92\xa5MPKF1\x80", MpkError),
    ],
    ids=str,
)
def test_what_is_no_record_ends_in_a_typed_error(raw: bytes, error: type[MpkError]) -> None:
    with pytest.raises(error):
        parse(raw, "r.json")


def test_sizes_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "MAX_BYTES", 2000)
    with pytest.raises(LimitError, match="2000"):
        parse(data(record("no-correspondence")), "r.json")
    monkeypatch.undo()
    monkeypatch.setattr(fields, "MAX_ITEMS", 20)
    with pytest.raises(LimitError, match=r"identity\.differing"):
        from_record(record("no-correspondence"), "r.json")


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_replacement_anywhere_lets_a_foreign_exception_out(draws: st.DataObject) -> None:
    value: Any = record(draws.draw(st.sampled_from(["component-shared", "near-identical", "no-correspondence"])))
    at = value
    for _ in range(draws.draw(st.integers(1, 4))):
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        key = draws.draw(st.sampled_from(keys))
        if isinstance(at[key], (dict, list)) and at[key] and draws.draw(st.booleans()):
            at = at[key]
        else:
            at[key] = draws.draw(junk)
            break
    with contextlib.suppress(MpkError):
        assert from_record(value, "r").finding
