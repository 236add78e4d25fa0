"""Residual dimensions: what is left to test where units and value channels were both re-ordered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from demo_edits import BASE, DIM, HEADS, KV, LAYERS, TUNED, TWIN, D, H, Tensors, form, made, weights

from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import write
from mpk_tui.lineage import residual
from mpk_tui.lineage.compare import compare
from mpk_tui.lineage.components import block_pairs
from mpk_tui.lineage.results import UnitTest
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.progress import CancelToken, silent

CANCEL = CancelToken()
PAIRS = block_pairs((i, i) for i in range(LAYERS))


@contextmanager
def sides(a: Path, b: Path) -> Iterator[tuple[Side, Side]]:
    with open_side(a, silent, CANCEL) as left, open_side(b, silent, CANCEL) as right:
        yield left, right


def both(a: Path, b: Path) -> tuple[UnitTest, UnitTest]:
    """Embeddings and body."""
    with sides(a, b) as (left, right):
        assert left.weights is not None
        assert right.weights is not None
        body = residual.run_body(left.weights, right.weights, PAIRS, silent, CANCEL)
        return residual.run_embeddings(left, right), body


def shuffled(t: Tensors, seed: int) -> Tensors:
    """Units of every layer, and channels of every value head, in another order: the same function."""
    rng = np.random.default_rng(seed)
    out = dict(t)
    for i in range(LAYERS):
        mlp, attn = f"model.layers.{i}.mlp.", f"model.layers.{i}.self_attn."
        order = rng.permutation(H)
        for name in ("gate_proj", "up_proj"):
            out[mlp + name + ".weight"] = t[mlp + name + ".weight"][order]
        out[mlp + "down_proj.weight"] = t[mlp + "down_proj.weight"][:, order]
        inner = [rng.permutation(DIM) for _ in range(KV)]
        values = np.concatenate([h * DIM + inner[h] for h in range(KV)])
        read = np.concatenate([h * DIM + inner[h // (HEADS // KV)] for h in range(HEADS)])
        out[attn + "v_proj.weight"] = t[attn + "v_proj.weight"][values]
        out[attn + "o_proj.weight"] = t[attn + "o_proj.weight"][:, read]
    return out


def test_both_forms_see_a_copy_whose_units_and_channels_were_re_ordered(tmp_path: Path) -> None:
    copy = made(tmp_path / "copy", shuffled(weights(TUNED), 1))
    record = compare(BASE, copy)
    for blind in ("ffn.aligned", "ffn.anchored", "attn.channels"):
        assert max(abs(layer["z"]) for layer in form(record, blind)["layers"]) < 6, blind
    for sees in (residual.EMBEDDINGS, residual.BODY):
        test = form(record, sees)
        assert (test["p"], test["p_is_bound"]) == (1e-12, True), sees
        assert test["layers"][0]["a"] == -1
        assert test["layers"][0]["units"] == D
    # Nearly all units were found again, through tokens alone.
    assert form(record, residual.BODY)["parameters"]["matched_units"] > 0.9 * residual.UNITS * LAYERS


def test_the_order_of_units_changes_nothing(tmp_path: Path) -> None:
    plain = both(BASE, made(tmp_path / "plain", weights(TUNED)))[1]
    other = both(BASE, made(tmp_path / "other", shuffled(weights(TUNED), 2)))[1]
    assert other.rho == pytest.approx(plain.rho, abs=1e-5)
    assert other.params["matched_units"] == plain.params["matched_units"]


def test_units_are_found_by_the_gate_which_is_not_looked_at_again(tmp_path: Path) -> None:
    t, twin = weights(TUNED), weights(TWIN)
    gates = {n: twin[n] for n in t if "gate_proj" in n}
    rest = {n: twin[n] for n in t if ".mlp." in n and n not in gates}
    # A gate that chose units leaves nothing of itself in the statistic: the rest is a stranger's, and p is no less.
    shared_gate = both(BASE, made(tmp_path / "gate", t | rest | {n: twin[n] for n in t if "norm" in n}))[1]
    assert np.exp(shared_gate.log_p) > 1e-4
    # Without the gate units are not found, though up and down would tell them.
    other_gate = both(BASE, made(tmp_path / "rest", t | gates))[1]
    plain = both(BASE, TUNED)[1]
    assert other_gate.params["matched_units"] < 0.6 * plain.params["matched_units"]
    assert other_gate.rho < 0.2 < 0.9 < plain.rho


def test_independent_models_are_not_linked(tmp_path: Path) -> None:
    for other in (TWIN, made(tmp_path / "twin", shuffled(weights(TWIN), 3), TWIN)):
        embeddings, body = both(BASE, other)
        assert np.exp(embeddings.log_p) > 0.001
        assert np.exp(body.log_p) > 0.001
        assert abs(body.z) < 5


def permuted_stream(t: Tensors, order: np.ndarray) -> Tensors:
    out = {}
    for n, x in t.items():
        writes = n.endswith(("o_proj.weight", "down_proj.weight"))
        out[n] = x[order] if writes or x.ndim == 1 else x[:, order]
    return out


def test_a_permuted_stream_is_invisible_here(tmp_path: Path) -> None:
    order = np.random.default_rng(4).permutation(D)
    copy = made(tmp_path / "copy", permuted_stream(weights(BASE), order))
    embeddings, body = both(BASE, copy)
    assert np.exp(embeddings.log_p) > 1e-4
    assert np.exp(body.log_p) > 1e-4
    # Relabelled together on both sides, the statistic is the same: the null is a relabelling of the whole stream.
    again = both(made(tmp_path / "base", permuted_stream(weights(BASE), order)), copy)
    assert again[0].rho == pytest.approx(1.0, abs=1e-5)
    assert again[1].rho == pytest.approx(1.0, abs=1e-5)


def test_p_is_uniform_over_relabellings_of_one_side(tmp_path: Path) -> None:
    # Exactness as defined: a random relabelling of B's stream, and p is uniform, whatever the two models share.
    rng = np.random.default_rng(5)
    tuned = weights(TUNED)
    ps = []
    with open_side(BASE, silent, CANCEL) as a:
        for n in range(24):
            embed = permuted_stream(tuned, rng.permutation(D))["model.embed_tokens.weight"]
            other = made(tmp_path / f"b{n}", {**tuned, "model.embed_tokens.weight": embed})
            with open_side(other, silent, CANCEL) as b:
                ps.append(float(np.exp(residual.run_embeddings(a, b).log_p)))
    assert sum(p <= 0.05 for p in ps) <= 6  # 1.2 expected
    assert 0.3 < float(np.mean(ps)) < 0.7


def test_fingerprints_carry_the_embeddings_and_not_the_body(tmp_path: Path) -> None:
    files = []
    for name, path in (("base", BASE), ("tuned", TUNED)):
        files.append(tmp_path / f"{name}.mpkf")
        write(files[-1], fingerprint(path))
    record = compare(*files)
    assert form(record, residual.EMBEDDINGS)["p"] <= 1e-6
    assert form(record, residual.EMBEDDINGS)["source"] == "fingerprints"
    assert not form(record, residual.BODY)["ran"]
    assert "weights of both" in form(record, residual.BODY)["reason"]


def test_other_widths_are_told(tmp_path: Path) -> None:
    t = weights(BASE)
    keep = np.arange(96)
    cut = {}
    for n, x in t.items():
        writes = n.endswith(("o_proj.weight", "down_proj.weight"))
        cut[n] = np.ascontiguousarray(x[keep] if writes or x.ndim == 1 else x[:, keep])
    embeddings, body = both(BASE, made(tmp_path / "cut", cut, hidden_size=96))
    assert not embeddings.ran
    assert embeddings.reason == "embeddings of width 128 and 96"
    assert not body.ran
    assert body.reason == "residual widths differ (128 and 96)"
