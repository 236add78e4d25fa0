"""Figures of a comparison record: eight of them, whatever the record holds; strangers' records end in a sentence."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from records import record

from mpk_tui.errors import LimitError, MalformedError
from mpk_tui.report.comparison import from_record
from mpk_tui.report.figures import figures
from mpk_tui.report.figures_text import lines_of

IDS = ["cosine", "layers", "change", "singular", "retention", "embeddings", "rho", "z"]
BANNED = re.compile(
    r"\b(copied|stolen|infring\w*|prove[sn]?|certif\w*|complian\w*|cleared|original\w*|unrelated|parents?|child(ren)?"
    r"|confiden\w*)\b",
    re.IGNORECASE,
)


def kept(tensors: int) -> dict[str, int]:
    return {"tensors": tensors, "parameters": 10 * tensors}


def profile() -> dict[str, Any]:
    return {
        "v": 1,
        "cosine": {
            "missing": "", "source": "weights",
            "rows": [
                {"layer": i, "to": i, "kind": kind, "tensors": 4, "equal": 0, "measured": 4, "cosine": 0.99,
                 "least": 0.98, "relative": 0.1}
                for i, kind in ((-1, "embedding"), (0, "attention"), (0, "ffn"), (1, "attention"), (1, "ffn"))
            ],
        },
        "layers": {
            "missing": "", "form": "ffn.aligned", "source": "weights", "matched_from": 8.0, "experts": False,
            "joined": True, "rows": [[0, 0], [1, 3]], "columns": [[0, 0], [1, 1], [2, 3]],
            "z": [[100.0, 1.0, -2.0], [0.5, 3.0, 90.0]],
        },
        "change": {
            "missing": "", "low": -8.0, "step": 0.5, "tensors": [0] * 14 + [5, 1] + [0] * 4,
            "parameters": [0] * 14 + [50, 10] + [0] * 4, "equal": kept(4), "converted": kept(0), "reshaped": kept(1),
            "unread": kept(0),
        },
        "singular": {
            "missing": "",
            "matrices": [
                {"role": role, "a": i, "b": i, "rows": 4, "columns": 4, "full": 4, "ranks": [1, 2, 3, 4],
                 "values": [10.0, 5.0, 0.01, 0.0], "edge": 0.02, "above": 2}
                for i in (0, 1, 2) for role in ("attn.q", "ffn.up")
            ],
        },
        "retention": {
            "missing": "", "basis": "residual coordinates",
            "matrices": [
                {"role": "attn.q", "a": 0, "b": 0, "a_top": 0.9, "a_rest": 0.95, "b_top": 1.0, "b_rest": 1.01},
                {"role": "attn.v", "a": 0, "b": 0, "a_top": None, "a_rest": None, "b_top": 1.0, "b_rest": 1.01},
            ],
        },
        "embeddings": {
            "missing": "", "rows_a": 10, "rows_b": 12, "sampled_a": 10, "sampled_b": 12, "quantiles": [0.0, 0.5, 1.0],
            "a": [0.5, 1.0, 2.0], "b": [0.6, 1.1, 1.9], "shared": 8, "shared_missing": "",
            "bins": [{"tokens": 8, "a": 1.0, "b": 1.1, "b_low": 1.0, "b_high": 1.2}],
        },
    }  # fmt: skip


def with_profile(**more: Any) -> dict[str, Any]:
    return record("shared-trained-ancestor", profile={**profile(), **more})


def drawn(r: dict[str, Any], name: str) -> Any:
    return next(f for f in figures(r) if f.id == name)


@pytest.mark.parametrize(
    "finding", ["identical", "shared-trained-ancestor", "component-shared", "no-correspondence", "not-comparable"]
)
def test_all_eight_in_order_with_and_without_a_profile(finding: str) -> None:
    for r in (record(finding), record(finding, profile=profile()), record(finding, profile={})):
        found = figures(r)
        assert [f.id for f in found] == IDS
        for f in found:
            assert all((f.title, f.about, f.x, f.y))
            assert bool(f.missing) != bool(f.series or f.grid)
            assert all(len(row) == len(f.columns) for row in f.rows)
            assert all(len(s.xs) == len(s.ys) for s in f.series)
            assert not BANNED.search("\n".join(lines_of(f)))


def test_without_a_profile_it_says_so() -> None:
    found = {f.id: f for f in figures(record("shared-trained-ancestor"))}
    assert "no profile" in found["cosine"].missing
    assert found["rho"].series
    assert found["z"].series
    assert found["retention"].series, "the ratios are in the test itself"


def test_a_reason_takes_the_place_of_a_picture() -> None:
    f = drawn(with_profile(singular={"missing": "needs the weights of both models", "matrices": []}), "singular")
    assert f.missing == "needs the weights of both models"
    assert not f.series
    assert not f.rows
    assert "Nothing to draw: needs the weights of both models." in " ".join(lines_of(f))


def test_numbers_of_each_figure() -> None:
    r = with_profile()
    assert [s.name for s in drawn(r, "cosine").series] == ["attention", "ffn", "embedding"]
    grid = drawn(r, "layers").grid
    assert grid.rows == ("0", "1-3")
    assert grid.high == 100.0
    assert drawn(r, "layers").rows[1] == ("1-3", "2-3", "90", "1", "3", "-")
    change = drawn(r, "change")
    assert sum(y for y in change.series[0].ys) == pytest.approx(60.0), "four of ten tensors are equal"
    assert ("equal byte for byte", "4", "40") in change.rows
    assert ("0.1 to 0.32", "5", "50") in change.rows
    singular = drawn(r, "singular")
    assert [s.name for s in singular.series] == ["attn.q 1", "ffn.up 1"], "one of each kind"
    assert singular.series[0].ys == (500.0, 250.0, 0.5, None)
    assert singular.edges[0].at == 1.0
    assert len(singular.rows) == 6
    assert [s.ys[1] for s in drawn(r, "retention").series] == [None, None, 1.0, 1.01]
    assert drawn(r, "embeddings").series[0].ys == (0.6, 1.1, 1.9)


def test_bins_are_named_by_their_ends() -> None:
    rows = drawn(with_profile(), "change").rows
    assert rows[0][0] == "0.1 to 0.32"
    low = {**profile()["change"], "tensors": [1] + [0] * 18 + [1], "parameters": [1] + [0] * 18 + [1]}
    assert [row[0] for row in drawn(with_profile(change=low), "change").rows[:2]] == ["below 3.2e-08", "from 32"]


def test_p_is_never_below_its_floor() -> None:
    r = record("shared-trained-ancestor")
    for t in r["tests"]:
        for layer in t["layers"]:
            layer["p"] = 1e-300
    ps = {row[-1] for f in figures(r) if f.id in ("rho", "z") for row in f.rows}
    assert ps == {"< 1e-12"}


def test_the_null_of_z_is_mean_0_and_standard_deviation_1() -> None:
    r = record("no-correspondence")
    for layer in r["tests"][0]["layers"]:
        layer["z"], layer["rho"] = 2.0, 0.02
    z, rho = drawn(r, "z"), drawn(r, "rho")
    assert (z.bands[0].low, z.bands[0].high) == (-3.0, 3.0)
    assert rho.bands[0].high == pytest.approx(0.03)
    assert "exactly" in z.about
    assert "never turned into a tail" in z.about


def test_experts_are_drawn_by_their_median() -> None:
    r = record("shared-trained-ancestor")
    r["tests"] = r["tests"][:1]
    r["tests"][0]["layers"] = [
        {"a": 0, "b": 0, "expert_a": e, "expert_b": e, "z": z, "rho": 0.1, "p": 0.5, "p_is_bound": False, "units": 9}
        for e, z in enumerate((1.0, 5.0, 90.0))
    ]
    f = drawn(r, "z")
    assert f.series[0].ys == (5.0,)
    assert "With experts" in f.about


def test_a_chosen_path_is_told() -> None:
    r = record("no-correspondence")
    assert "best path" not in drawn(r, "z").about
    r["tests"][0]["parameters"]["layer_map"] = "best monotone path"
    assert "best path" in drawn(r, "z").about


def edit(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(r: dict[str, Any]) -> None:
        *steps, last = [int(s) if s.isdigit() else s for s in path.split(".")]
        at: Any = r["profile"]
        for step in steps:
            at = at[step]
        at[last] = value

    return apply


HOSTILE = {
    "a list where a map belongs": edit("cosine", []),
    "text where a list belongs": edit("cosine.rows", "rows"),
    "a row that is no map": edit("cosine.rows.0", 7),
    "no number": edit("cosine.rows.0.cosine", math.nan),
    "a cosine of 2": edit("cosine.rows.0.cosine", 2.0),
    "true for a number": edit("cosine.rows.0.cosine", True),
    "an unknown kind": edit("cosine.rows.0.kind", "\x1b[31m"),
    "too many rows": edit("cosine.rows", [profile()["cosine"]["rows"][0]] * 1281),
    "a grid that is too high": edit("layers.rows", [[i, i] for i in range(65)]),
    "a grid with a row missing": edit("layers.z", [[1.0, 2.0, 3.0]]),
    "a grid with a short row": edit("layers.z", [[1.0, 2.0, 3.0], [1.0]]),
    "infinity in the grid": edit("layers.z.0.0", math.inf),
    "no rows in the grid": edit("layers.rows", []),
    "a grid with a huge row": edit("layers.z.0", [0.0] * 100_001),
    "bins of two lengths": edit("change.parameters", [1]),
    "a count below 0": edit("change.tensors.3", -1),
    "no width of a bin": edit("change.step", 0.0),
    "a start beyond all powers": edit("change.low", 1e9),
    "a count that is text": edit("change.equal.tensors", "4"),
    "values of another length": edit("singular.matrices.0.values", [1.0]),
    "a singular value below 0": edit("singular.matrices.0.values.0", -1.0),
    "rank 0": edit("singular.matrices.0.ranks.0", 0),
    "too many singular values": edit("singular.matrices.0.values", [1.0] * 33),
    "too many matrices": edit("singular.matrices", [profile()["singular"]["matrices"][0]] * 65),
    "a long role": edit("singular.matrices.0.role", "x" * 10_000),
    "a share beyond all numbers": edit("retention.matrices.0.a_top", 1e300),
    "a whole number beyond float": edit("retention.matrices.0.a_top", 10**400),
    "quantiles of two lengths": edit("embeddings.a", [1.0]),
    "a quantile of 2": edit("embeddings.quantiles.0", 2.0),
    "a norm below 0": edit("embeddings.b.0", -1.0),
    "a norm that is text": edit("embeddings.bins.0.a", "1"),
    "bytes for text": edit("embeddings.missing", b"x"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_profile_is_refused_with_a_sentence(name: str) -> None:
    r = copy.deepcopy(with_profile())
    from_record(r, "r.json")
    HOSTILE[name](r)
    with pytest.raises((MalformedError, LimitError)) as caught:
        from_record(r, "r.json")
    assert "field 'profile." in caught.value.diagnosis() or "of field 'profile." in caught.value.diagnosis()
    # The doors draw what is left, and say what is wrong with the rest.
    found = figures(r)
    assert [f.id for f in found] == IDS
    assert sum(f.missing.startswith("the record is malformed") for f in found) == 1
    for f in found:
        lines_of(f)


@pytest.mark.parametrize("value", [7, "x", [], True])
def test_a_profile_that_is_no_map(value: Any) -> None:
    r = record("identical", profile=value)
    with pytest.raises(MalformedError, match="profile"):
        from_record(r, "r.json")
    assert [f.id for f in figures(r)] == IDS


@pytest.mark.parametrize("r", [{}, {"tests": 5}, {"tests": [{"name": "ffn.aligned", "ran": True, "layers": [1]}]}])
def test_records_of_any_shape_give_eight_figures(r: dict[str, Any]) -> None:
    assert [f.id for f in figures(r)] == IDS
    assert all(f.missing for f in figures(r))


def test_lines_of_prose_fit_a_terminal_and_columns_stand_below_each_other() -> None:
    for f in figures(with_profile()):
        lines = lines_of(f)
        prose = lines[: len(lines) - len(f.rows) - 1]
        assert all(len(line) <= 78 for line in prose)
        assert lines[len(prose)].split()[0] == f.columns[0].split()[0]
