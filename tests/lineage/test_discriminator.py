"""Retention from the sketches in fingerprints beside retention from weights; parts, experts and models that hardly trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from demo_edits import BASE, LAYERS, TUNED, TWIN, made, strangers, weights

from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.gauge import ROLES
from mpk_tui.fingerprint.record import write
from mpk_tui.lineage.compare import compare
from mpk_tui.lineage.components import block_pairs
from mpk_tui.lineage.discriminator import RESIDUAL, SKETCHED, Basis, RetentionTest, run_retention
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.progress import CancelToken, silent

CANCEL = CancelToken()
PAIRS = block_pairs((i, i) for i in range(LAYERS))
SIBLING = Path(__file__).parent / "same-seed"


@contextmanager
def sides(a: Path, b: Path) -> Iterator[tuple[Side, Side]]:
    with open_side(a, silent, CANCEL) as left, open_side(b, silent, CANCEL) as right:
        yield left, right


def retained(a: Path, b: Path, basis: Basis | None = None, roles: tuple[str, ...] = ROLES) -> RetentionTest:
    with sides(a, b) as (left, right):
        return run_retention(left, right, PAIRS, silent, CANCEL, basis or Basis(), roles=roles)


def sketched(folder: Path, *models: Path) -> list[Path]:
    out = []
    for k, model in enumerate(models):
        out.append(folder / f"m{k}.mpkf")
        write(out[-1], fingerprint(model))
    return out


def test_sketches_say_what_weights_say_of_a_fine_tune(tmp_path: Path) -> None:
    whole = retained(BASE, TUNED)
    small = retained(*sketched(tmp_path, BASE, TUNED))
    assert (whole.basis, small.basis) == (RESIDUAL, SKETCHED)
    assert whole.reading == small.reading == "for"
    assert len(whole.matrices) == len(small.matrices) == LAYERS * len(ROLES)
    for of_whole, of_small in ((whole.forward, small.forward), (whole.backward, small.backward)):
        assert of_small.ratio == pytest.approx(of_whole.ratio, abs=0.02)
        assert of_small.low == pytest.approx(of_whole.low, abs=0.03)
    assert small.kept == pytest.approx(whole.kept, abs=0.02)
    assert small.spreads == pytest.approx(whole.spreads, rel=1e-5)
    # What stands out was counted on the whole matrices of these small models, so both count alike.
    for m, s in zip(whole.matrices, small.matrices, strict=True):
        assert (m.role, m.a) == (s.role, s.a)
        assert abs(m.forward.standing - s.forward.standing) <= 1


@pytest.mark.parametrize("other", [BASE, TUNED], ids=["base", "fine-tune"])
def test_a_sibling_of_the_seed_is_never_spoken_for(tmp_path: Path, other: Path) -> None:
    for found in (retained(other, SIBLING), retained(SIBLING, other), retained(*sketched(tmp_path, other, SIBLING))):
        assert found.matrices
        assert found.reading != "for", found.basis
    record = compare(*sketched(tmp_path, other, SIBLING))
    assert record["finding"] in ("shared-initialisation", "common-origin-unresolved"), record["sentence"]


def test_one_fingerprint_is_enough_to_need_sketches(tmp_path: Path) -> None:
    (file,) = sketched(tmp_path, TUNED)
    mixed = retained(BASE, file)
    assert mixed.basis == SKETCHED
    assert mixed.reading == "for"


def test_strangers_have_no_ratio(tmp_path: Path) -> None:
    for found in (retained(BASE, TWIN), retained(*sketched(tmp_path, BASE, TWIN))):
        assert found.reading == "abstains"
        assert found.reason
        assert not found.forward.counts
        assert found.kept < 0.2


def test_both_directions_swap_with_the_sides() -> None:
    there, back = retained(BASE, TUNED), retained(TUNED, BASE)
    assert there.forward.ratio == pytest.approx(back.backward.ratio, abs=1e-3)
    assert there.kept == pytest.approx(back.kept, abs=1e-3)
    assert there.spreads == back.spreads[::-1]


def test_only_the_roles_asked_for_are_looked_at() -> None:
    found = retained(BASE, TUNED, roles=("attn.v", "attn.o"))
    assert {m.role for m in found.matrices} == {"attn.v", "attn.o"}


def test_units_in_another_order_are_put_beside_each_other_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    t = weights(TUNED)
    for i in range(LAYERS):
        stem = f"model.layers.{i}.mlp."
        order = rng.permutation(320)
        t[stem + "gate_proj.weight"] = t[stem + "gate_proj.weight"][order]
        t[stem + "up_proj.weight"] = t[stem + "up_proj.weight"][order]
        t[stem + "down_proj.weight"] = t[stem + "down_proj.weight"][:, order]
    other = made(tmp_path / "x", t)
    feed = ("ffn.gate", "ffn.up", "ffn.down")
    straight, matched, plain = (
        retained(BASE, other, roles=feed), retained(BASE, other, Basis(reordered=True), feed), retained(BASE, TUNED, roles=feed)
    )  # fmt: skip
    assert straight.forward.ratio is None
    assert matched.reading == "for"
    assert matched.forward.ratio == pytest.approx(plain.forward.ratio, abs=0.02)


def test_models_that_hardly_trained_do_not_count(tmp_path: Path) -> None:
    # An initialisation: random matrices, gains at one constant with the trace of a few steps on them.
    rng = np.random.default_rng(2)
    start = strangers(weights(BASE), 3)
    gains = {n: (1 + 0.004 * rng.standard_normal(len(x))).astype(np.float32) for n, x in start.items() if x.ndim == 1}
    spike = {
        n: x
        + 8 * x.std() * np.outer(np.sign(rng.standard_normal(len(x))), np.sign(rng.standard_normal(x.shape[1]))) / 4
        for n, x in start.items()
        if x.ndim == 2
    }
    a = made(tmp_path / "a", start | gains | spike)
    found = retained(a, a)
    assert found.reading == "abstains"
    assert found.reason == "both models are hardly trained: siblings of one seed look like descendants then"
    assert found.spreads[0] == pytest.approx(0.004, rel=0.2)
    # The same matrices under gains that moved count: it is the gains alone that hold it back.
    moved = {n: (1 + 0.05 * rng.standard_normal(len(x))).astype(np.float32) for n, x in gains.items()}
    b = made(tmp_path / "b", start | moved | spike)
    assert retained(b, b).reading == "for"
