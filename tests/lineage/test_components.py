"""Which parts are looked at, from the tests alone; and parts of one model under another, end to end."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from demo_edits import BASE, TWIN, Tensors, made, weights

from mpk_tui.checkpoint.model import Block
from mpk_tui.fingerprint.gauge import ROLES
from mpk_tui.lineage.compare import compare
from mpk_tui.lineage.components import block_pairs, embeddings, parts
from mpk_tui.lineage.results import LayerResult, UnitTest, combine, not_run
from mpk_tui.lineage.rowtest import RowTest
from mpk_tui.lineage.units import BlockPair

PAIRS = block_pairs((i, i) for i in range(6))
ANGLES = np.arange(300)[:, None] / 10_000 ** (np.arange(64) / 64)
SINES = np.concatenate((np.sin(ANGLES), np.cos(ANGLES)), axis=1)
SURE, SOME, NONE = -200.0, math.log(5e-4), math.log(0.4)


def result(form: str, log_ps: list[float], experts: list[tuple[int, int]] | None = None) -> UnitTest:
    """A test whose layer i has the i-th p-value."""
    at = experts or [(-1, -1)] * len(log_ps)
    layers = tuple(
        LayerResult(i, i, RowTest(9.0, 0.5 if p < -5 else 0.0, p, False, 64), p, *at[i]) for i, p in enumerate(log_ps)
    )
    return UnitTest(form, layers, combine(list(layers)), "", "weights", {})


def names(tests: list[UnitTest], pairs: tuple[BlockPair, ...] = PAIRS) -> list[str]:
    return [p.name for p in parts(tests, pairs)]


def test_layers_where_both_match_are_layers() -> None:
    half = [SURE, SURE, NONE, SURE, NONE, NONE]
    (part,) = parts([result("ffn.aligned", half), result("attn.channels", half)], PAIRS)
    assert (part.name, part.kind, part.roles) == ("layers 0-1, 3", "layers", ROLES)
    assert [p.a.layer for p in part.pairs] == [0, 1, 3]
    assert part.rho == 0.5


def test_attention_without_feed_forward_and_the_other_way_round() -> None:
    low, high = [SURE] * 3 + [NONE] * 3, [NONE] * 3 + [SURE] * 3
    found = parts([result("ffn.aligned", low), result("attn.channels", high)], PAIRS)
    assert [(p.kind, p.name) for p in found] == [
        ("feed-forward", "feed-forward of layers 0-2"),
        ("attention", "attention of layers 3-5"),
    ]
    assert {r.split(".")[0] for r in found[0].roles} == {"ffn"}
    assert {r.split(".")[0] for r in found[1].roles} == {"attn"}


def test_what_was_not_tested_does_not_speak_against() -> None:
    assert names([result("ffn.aligned", [SURE] * 6), not_run("attn.channels", "no roles")]) == ["layers 0-5"]
    # A form that only leans towards it is no objection, either.
    assert names([result("ffn.aligned", [SURE] * 6), result("attn.channels", [SOME] * 6)]) == ["layers 0-5"]


def test_the_search_over_forms_and_blocks_is_paid_for() -> None:
    # 1e-6 alone would do; two forms and six blocks were looked at.
    bare = math.log(0.9e-6)
    tests = [result("ffn.aligned", [bare] + [NONE] * 5), result("ffn.anchored", [NONE] * 6)]
    assert names(tests) == []
    paid = [result("ffn.aligned", [bare - math.log(12)] + [NONE] * 5), result("ffn.anchored", [NONE] * 6)]
    (part,) = parts(paid, PAIRS)
    assert part.log_p == pytest.approx(bare)


def test_nothing_matches_and_there_is_no_part() -> None:
    assert names([result("ffn.aligned", [NONE] * 6), result("attn.channels", [NONE] * 6)]) == []
    assert names([]) == []


def test_a_weak_layer_does_not_ride_on_strong_ones() -> None:
    assert names([result("ffn.aligned", [SURE] * 5 + [NONE]), result("attn.channels", [SURE] * 5 + [NONE])]) == [
        "layers 0-4"
    ]


def test_layers_of_other_numbers_are_named_on_both_sides() -> None:
    shifted = tuple(BlockPair(Block(i), Block(i + 2)) for i in range(3))
    layers = tuple(LayerResult(i, i + 2, RowTest(9.0, 0.5, SURE, False, 64), SURE) for i in range(3))
    test = UnitTest("ffn.aligned", layers, combine(list(layers)), "", "weights", {})
    assert names([test], shifted) == ["layers 0-2 of A and layers 2-4 of B"]


def test_experts_are_parts_of_their_own() -> None:
    pairs = tuple(BlockPair(Block(i), Block(i, e)) for i in range(2) for e in range(2))
    layers = tuple(
        LayerResult(i, i, RowTest(9.0, 0.5, p, False, 64), p, -1, e)
        for i in range(2) for e, p in ((0, NONE), (1, SURE))
    )  # fmt: skip
    test = UnitTest("ffn.aligned", layers, combine(list(layers)), "", "weights", {})
    assert names([test], pairs) == ["dense block of A and expert 1 of B in layers 0-1"]
    attention = result("attn.channels", [SURE, NONE])
    assert names([test, attention], pairs)[1:] == ["attention of layer 0"]


@pytest.mark.parametrize(("log_p", "there"), [(math.log(0.9e-6), True), (math.log(1.1e-6), False)])
def test_embeddings_are_a_part_from_the_strict_level_on(log_p: float, there: bool) -> None:
    layer = LayerResult(-1, -1, RowTest(9.0, 0.5, log_p, False, 64), log_p)
    test = UnitTest("residual.embeddings", (layer,), log_p, "", "weights", {})
    assert (embeddings([test]) is not None) is there
    assert embeddings([not_run("residual.embeddings", "no tokens")]) is None


def spliced(pick: tuple[str, ...], share: float = 0.01) -> Tensors:
    """The twin with those of the base's matrices, none of them byte for byte."""
    base, twin = weights(BASE), weights(TWIN)
    rng = np.random.default_rng(7)
    return {
        n: base[n] * (1 + share * rng.standard_normal(base[n].shape)) if any(p in n for p in pick) else twin[n]
        for n in twin
    }


def test_feed_forward_blocks_of_another_model_are_a_part(tmp_path: Path) -> None:
    record = compare(BASE, made(tmp_path / "x", spliced((".mlp.", "post_attention_layernorm", "embed"))))
    found = [p for p in record["components"] if p["kind"] == "feed-forward"]
    assert [p["name"] for p in found] == ["feed-forward of layers 0-3"]
    assert record["finding"] == "component-shared", record["sentence"]
    assert "feed-forward of layers 0-3" in record["proposal"]["sentence"]


def test_attention_of_another_model_is_named(tmp_path: Path) -> None:
    record = compare(BASE, made(tmp_path / "x", spliced(("self_attn", "input_layernorm", "embed"))))
    (part,) = [p for p in record["components"] if p["kind"] == "attention"]
    assert part["name"] == "attention of layers 0-3"
    assert part["finding"] == "component-shared"
    assert record["finding"] == "component-shared", record["sentence"]
    assert record["proposal"]["conditions"]["c5"]["answer"] == "met"
    assert "attention of layers 0-3" in record["proposal"]["sentence"]


def test_one_layer_is_a_part_whichever_side_comes_first(tmp_path: Path) -> None:
    folder = made(tmp_path / "x", spliced((".layers.1.", "embed")))
    for record in (compare(BASE, folder), compare(folder, BASE)):
        body = [p["name"] for p in record["components"] if p["kind"] == "layers"]
        assert body == ["layer 1"]
        assert record["finding"] == "component-shared", record["sentence"]
        assert record["components"][0]["sentence"].startswith("Layer 1 corresponds (p < 1e-12")


def test_equal_untrained_tables_are_no_part(tmp_path: Path) -> None:
    # What never trained could be equal because both drew it from one seed.
    rng = np.random.default_rng(8)
    table = (0.02 * rng.standard_normal((768, 128))).astype(np.float32)
    a = made(tmp_path / "a", weights(BASE) | {"model.embed_tokens.weight": table})
    b = made(tmp_path / "b", weights(TWIN) | {"model.embed_tokens.weight": table})
    record = compare(a, b)
    assert not any(p["equal"] for p in record["components"])
    assert record["finding"] == "common-origin-unresolved", record["sentence"]
    assert not any(c["answer"] == "met" for c in record["proposal"]["conditions"].values())


CONVENTIONS = {
    "lm_head.weight": np.full((768, 128), 0.5),
    "model.mask": np.tril(np.ones((96, 96))),
    "model.layers.0.attn.bias": np.tril(np.ones((96, 96)))[None, None],
    "model.layers.0.attn.masked_bias": np.random.default_rng(9).standard_normal((96, 96)),
    "model.positions": SINES,
    "model.rotary_emb.cos_cached": np.cos(ANGLES),
    "model.late": np.concatenate((np.zeros((900, 96)), np.ones((1, 96)))),
}


def test_what_is_equal_by_convention_tells_nothing(tmp_path: Path) -> None:
    # One value everywhere, a triangle of ones, sines: each has a direction that stands out, and none was learned.
    tables = {name: values.astype(np.float32) for name, values in CONVENTIONS.items()}
    record = compare(made(tmp_path / "a", weights(BASE) | tables), made(tmp_path / "b", weights(TWIN) | tables))
    assert record["identity"]["equal"] == len(tables)
    assert record["components"] == []
    assert record["finding"] == "no-correspondence", record["sentence"]


def test_three_values_tell(tmp_path: Path) -> None:
    # Ternary weights are weights.
    table = {"lm_head.weight": np.sign(np.round(weights(BASE)["lm_head.weight"] * 20)).astype(np.float32)}
    record = compare(made(tmp_path / "a", weights(BASE) | table), made(tmp_path / "b", weights(TWIN) | table))
    assert record["finding"] == "component-shared", record["sentence"]
    # Whatever the finding rests on is among the parts.
    assert [p["equal"] for p in record["components"]] == [["lm_head.weight"]]
    assert not any(c["answer"] == "met" for c in record["proposal"]["conditions"].values())
