"""Mixtures are taken apart into their parents; siblings that are no merges are not called one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import ml_arrays as ml
import numpy as np
import pytest

import mpk_tui.demo
from mpk_tui import canonical
from mpk_tui.lineage.merge import SIBLING_GAIN, decompose, solve
from mpk_tui.lineage.sides import Side, open_side
from mpk_tui.progress import CancelToken, silent

DEMO = Path(mpk_tui.demo.__file__).parent
State = dict[str, np.ndarray]
Make = Callable[[str, State], Side]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Opens a model with the demo's configuration and other values."""
    with ExitStack() as stack:

        def one(name: str, state: State) -> Side:
            folder = tmp_path / name
            folder.mkdir()
            for file in ("config.json", "tokenizer.json"):
                (folder / file).write_bytes((DEMO / "base" / file).read_bytes())
            ml.save(folder / "model.safetensors", state, dtype="F32")
            return stack.enter_context(open_side(folder, silent, CancelToken()))

        yield one


def base() -> State:
    return ml.load(DEMO / "base" / "model.safetensors")


def tuned(seed: int, size: float = 0.05) -> State:
    """The base with a change of its own: as far as a mixture goes, a fine-tune."""
    rng = np.random.default_rng([seed, 3])
    return {
        n: (x + size * x.std() * rng.standard_normal(x.shape)).astype(np.float32) if x.ndim == 2 else x
        for n, x in base().items()
    }


def slerp(x: np.ndarray, y: np.ndarray, t: float) -> np.ndarray:
    """Spherical interpolation (Shoemake 1985)."""
    cosine = float((x * y).sum(dtype=np.float64) / np.linalg.norm(x) / np.linalg.norm(y))
    angle = np.arccos(min(1.0, cosine))
    if angle < 1e-6:
        return x
    return ((np.sin((1 - t) * angle) * x + np.sin(t * angle) * y) / np.sin(angle)).astype(np.float32)


def test_a_weighted_mean_gives_its_weights_back(make: Make) -> None:
    x, y = tuned(1), tuned(2)
    child = make("child", {n: (0.7 * x[n] + 0.3 * y[n]).astype(np.float32) for n in x})
    found = decompose(child, [make("x", x), make("y", y)])
    canonical.encode(found)
    assert found["reading"] == "merge"
    assert found["coefficients"] == pytest.approx([0.7, 0.3], abs=1e-3)
    assert found["gain"] > 0.99
    assert found["residual_in_rounding_errors"] < 2
    assert {r["role"] for r in found["roles"]} >= {"attn.q", "ffn.down", "embed.tokens"}


def test_spherical_interpolation_sums_to_more_than_one(make: Make) -> None:
    x, y = tuned(1), tuned(2)
    child = make("child", {n: slerp(x[n], y[n], 0.4) for n in x})
    found = decompose(child, [make("x", x), make("y", y)])
    assert found["reading"] == "merge"
    assert found["coefficients"] == pytest.approx([0.6, 0.4], abs=1e-3)
    assert found["sum_without_constraint"] > 1.0001


def test_task_vectors_with_the_base_among_the_parents(make: Make) -> None:
    b, x, y = base(), tuned(1), tuned(2)
    child = make("child", {n: (b[n] + 0.8 * (x[n] - b[n]) + 0.8 * (y[n] - b[n])).astype(np.float32) for n in b})
    found = decompose(child, [make("b", b), make("x", x), make("y", y)])
    assert found["reading"] == "merge"
    assert found["coefficients"] == pytest.approx([-0.6, 0.8, 0.8], abs=1e-3)


def test_a_missing_parent_is_told(make: Make) -> None:
    b, x, y = base(), tuned(1), tuned(2)
    child = make("child", {n: (0.5 * x[n] + 0.5 * y[n]).astype(np.float32) for n in b})
    found = decompose(child, [make("b", b), make("x", x)])
    assert found["reading"] == "partial"
    assert "missing" in found["sentence"]
    assert found["against"]


def test_siblings_are_no_merge(make: Make) -> None:
    found = decompose(make("child", tuned(1)), [make("x", tuned(2)), make("y", tuned(3))])
    assert found["reading"] == "no-merge"
    # The mean of two siblings is nearer to the base than either: a quarter is gained without any merge.
    assert found["gain"] == pytest.approx(0.25, abs=0.05)
    assert found["gain"] <= SIBLING_GAIN


def test_a_copy_of_one_parent_is_no_merge(make: Make) -> None:
    found = decompose(make("child", tuned(1)), [make("x", tuned(1)), make("y", tuned(2))])
    assert found["reading"] == "no-merge"
    assert "equals x" in found["sentence"]


def test_layers_of_two_parents_are_traced(make: Make) -> None:
    x, y = tuned(1, 0.4), tuned(2, 0.4)
    child = make("child", {n: y[n] if ".layers.1." in n else x[n] for n in x})
    found = decompose(child, [make("x", x), make("y", y)])
    assert found["reading"] == "passthrough"
    assert "layer 1 from y" in found["sentence"]
    assert "layer 0 from x" in found["sentence"]


def test_equal_parents_are_refused(make: Make) -> None:
    found = decompose(make("child", tuned(1)), [make("x", tuned(2)), make("y", tuned(2))])
    assert found["reading"] == "refused"
    assert "equals" in found["sentence"]


def test_fingerprints_and_single_parents_are_refused(make: Make) -> None:
    x = make("x", tuned(1))
    alone = Side("f", x.fingerprint, None)
    assert decompose(x, [alone, x])["reading"] == "refused"
    assert decompose(x, [x])["reading"] == "refused"


def test_collinear_parents_are_refused() -> None:
    rng = np.random.default_rng(0)
    x, d = rng.standard_normal((64, 64)).astype(np.float32), rng.standard_normal((64, 64)).astype(np.float32)
    y = (x + 0.3 * d + 0.01 * rng.standard_normal((64, 64))).astype(np.float32)
    fit = solve(y, [x, (x + 0.5 * d).astype(np.float32), (x + d).astype(np.float32)])
    assert "collinear" in fit.refused
