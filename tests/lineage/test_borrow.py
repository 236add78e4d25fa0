"""Roles for a model whose names nobody knows: which tensor gets which role, what the choice costs, when there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from demo_edits import BASE, LAYERS, TUNED, TWIN, Tensors, form, made, noisy, weights

from mpk_tui.lineage.borrow import _match, borrow
from mpk_tui.lineage.compare import compare
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.progress import CancelToken, silent


def renamed(t: Tensors, seed: int = 1) -> tuple[Tensors, dict[str, str]]:
    """Numbers for names, in an order that tells nothing; and the number of every name."""
    order = np.random.default_rng(seed).permutation(len(t))
    names = {n: f"p{order[k]:03d}" for k, n in enumerate(sorted(t))}
    return {names[n]: x for n, x in t.items()}, names


@contextmanager
def borrowed(a: Path, b: Path) -> Iterator[tuple[Side, Side]]:
    cancel = CancelToken()
    with open_side(a, silent, cancel) as left, open_side(b, silent, cancel) as right:
        yield borrow(left, right)


@pytest.mark.parametrize("unknown_first", [False, True])
def test_every_matrix_gets_its_own_role(tmp_path: Path, unknown_first: bool) -> None:
    tensors, names = renamed(weights(TUNED))
    other = made(tmp_path / "x", tensors)
    pair = (other, BASE) if unknown_first else (BASE, other)
    with borrowed(*pair) as sides:
        own, known = sides if unknown_first else sides[::-1]
        assert own.weights is not None
        assert known.weights is not None
        roles, theirs = own.weights.arch.roles, known.weights.arch.roles
        matrices = {key for key, part in theirs.items() if len(known.weights.reader.shape(part)) == 2}
        assert matrices <= roles.keys()
        for key in matrices:
            assert roles[key].tensor == names[theirs[key].tensor], key
        assert own.weights.arch.layers == LAYERS
        assert own.fingerprint.config["width"] == 128
        # gate and up of four layers have one shape, so a matrix was one of eight; three matrices make a unit.
        assert own.weights.choices == 8**3
        assert known.weights.choices == 1


def test_vectors_that_moved_little_get_their_role_and_no_tensor_two(tmp_path: Path) -> None:
    tensors, names = renamed(weights(TUNED))
    with borrowed(BASE, made(tmp_path / "x", tensors)) as (known, own):
        assert own.weights is not None
        assert known.weights is not None
        taken = [part.tensor for part in own.weights.arch.roles.values()]
        assert len(taken) == len(set(taken))
        vectors = [k for k, part in own.weights.arch.roles.items() if len(own.weights.reader.shape(part)) == 1]
        assert vectors
        for key in vectors:
            assert own.weights.arch.roles[key].tensor == names[known.weights.arch.roles[key].tensor], key


def test_the_choice_is_multiplied_into_p(tmp_path: Path) -> None:
    tensors, _ = renamed(weights(TUNED))
    record = compare(BASE, made(tmp_path / "x", tensors))
    assert record["finding"] == "shared-trained-ancestor", record["sentence"]
    for name in ("ffn.aligned", "ffn.anchored"):
        assert form(record, name)["parameters"]["candidates"] == 8**3


@pytest.mark.parametrize(("known", "stranger"), [(BASE, TWIN), (TUNED, TWIN), (TWIN, BASE)])
def test_a_renamed_stranger_gets_no_roles(tmp_path: Path, known: Path, stranger: Path) -> None:
    other = made(tmp_path / "x", renamed(weights(stranger))[0])
    cancel = CancelToken()
    with open_side(known, silent, cancel) as left, open_side(other, silent, cancel) as right:
        assert left.weights is not None
        assert right.weights is not None
        # Not one matrix, rather than not enough of them.
        found, choices = _match(right.weights, left.weights)
        assert [key for key, part in found.items() if len(right.weights.reader.shape(part)) > 1] == []
        assert choices == 1
        assert borrow(left, right) == (left, right)


def test_with_a_renamed_stranger_nothing_can_be_compared(tmp_path: Path) -> None:
    record = compare(BASE, made(tmp_path / "x", renamed(weights(TWIN))[0]))
    assert record["finding"] == "not-comparable", record["sentence"]
    assert not any("taken from the other" in n for n in record["notices"])


def test_layers_that_are_alike_share_no_tensor(tmp_path: Path) -> None:
    t = weights(BASE)
    alike = {n: t[n.replace(".layers.2.", ".layers.1.")] for n in t}
    known = made(tmp_path / "known", alike)
    with borrowed(known, made(tmp_path / "x", renamed(alike)[0])) as (_, own):
        assert own.weights is not None
        taken = [part.tensor for part in own.weights.arch.roles.values()]
        assert len(taken) == len(set(taken)) == len(t)


def test_two_unknown_models_stay_unknown(tmp_path: Path) -> None:
    first, second = renamed(weights(BASE), 2)[0], renamed(noisy(weights(BASE), 0.05, 3), 4)[0]
    a, b = made(tmp_path / "a", first), made(tmp_path / "b", second)
    cancel = CancelToken()
    with open_side(a, silent, cancel) as left, open_side(b, silent, cancel) as right:
        assert borrow(left, right) == (left, right)


def test_two_known_models_are_left_alone() -> None:
    cancel = CancelToken()
    with open_side(BASE, silent, cancel) as left, open_side(TUNED, silent, cancel) as right:
        assert borrow(left, right) == (left, right)


def test_other_shapes_offer_no_candidates(tmp_path: Path) -> None:
    tensors, _ = renamed({n: x[: len(x) // 2] for n, x in weights(BASE).items()})
    record = compare(BASE, made(tmp_path / "x", tensors))
    assert record["finding"] == "not-comparable"
