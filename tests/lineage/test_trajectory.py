"""Along A's training, on a way made of arrays: descendants come through its end, siblings left it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from demo_edits import BASE, TWIN, Tensors, made, weights

from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import write
from mpk_tui.lineage.compare import compare
from mpk_tui.lineage.trajectory import LEAST, PAST, THROUGH, WAY, Point, Trajectory, read


def points(way: list[float], with_b: list[float]) -> tuple[Point, ...]:
    return tuple(Point(f"step {k}", "", a, b) for k, (a, b) in enumerate(zip(way, with_b, strict=True)))


def with_excess(excess: float) -> Trajectory:
    """B correlates 0.8 with A; with the second step by so much more than that product allows."""
    way = [0.4, 0.7, 1.0]
    return read(points(way, [0.8 * 0.4 - 0.1, 0.8 * 0.7 + excess, 0.8]))


@pytest.mark.parametrize(
    ("excess", "reading"),
    [
        (-0.2, "descendant"), (0.0, "descendant"), (THROUGH - 1e-6, "descendant"), (THROUGH + 1e-6, "abstains"),
        (PAST - 1e-6, "abstains"), (PAST + 1e-6, "sibling"), (0.3, "sibling"),
    ],
)  # fmt: skip
def test_the_excess_over_the_product_decides(excess: float, reading: str) -> None:
    found = with_excess(excess)
    assert found.reading == reading
    if reading == "sibling":
        assert "'step 1'" in found.reason
    if excess >= 0:
        assert f"{excess:.3f}" in found.reason


@pytest.mark.parametrize(
    ("way", "with_b", "why"),
    [
        ([0.4, 1.0], [0.3, 0.8], "at least two checkpoints"),
        ([1.0], [0.8], "at least two checkpoints"),
        ([0.4, 0.4, 1.0], [0.3, 0.3, 0.8], "at least two checkpoints"),
        ([0.7, 0.4, 1.0], [0.5, 0.3, 0.8], "at least two checkpoints"),
        ([WAY + 0.01, 0.95, 1.0], [0.7, 0.75, 0.8], "at least two checkpoints"),
        ([0.4, 0.7, 1.0], [0.0, 0.0, LEAST - 0.01], "hardly correlates"),
    ],
)
def test_where_there_is_no_way_it_abstains(way: list[float], with_b: list[float], why: str) -> None:
    found = read(points(way, with_b))
    assert found.reading == "abstains"
    assert why in found.reason


def wander(t: Tensors, share: float, seed: int) -> Tensors:
    """Independent changes of so many standard deviations: what a stretch of training adds, made of noise."""
    rng = np.random.default_rng(seed)
    return {n: x if x.ndim == 1 else x + share * x.std() * rng.standard_normal(x.shape) for n, x in t.items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A start, two steps and an end; a descendant of the end, and one run each that left at the start and at step 1."""
    root = tmp_path_factory.mktemp("way")
    made_of: dict[str, Tensors] = {"start": weights(BASE)}
    for seed, (name, source) in enumerate(
        (("one", "start"), ("two", "one"), ("end", "two"), ("late", "end"), ("early", "start"), ("middle", "one"))
    ):
        made_of[name] = wander(made_of[source], 0.45, seed)
    return {name: made(root / name, t) for name, t in made_of.items()}


@pytest.mark.parametrize(
    ("name", "reading"), [("late", "descendant"), ("early", "sibling"), ("middle", "sibling"), ("twin", "abstains")]
)
def test_independent_changes_multiply(run: dict[str, Path], name: str, reading: str) -> None:
    b = TWIN if name == "twin" else run[name]
    way = compare(run["end"], b, along=[run["start"], run["one"], run["two"]])["trajectory"]
    assert way["reading"] == reading, way
    assert [p["label"] for p in way["points"]] == ["start", "one", "two", "end"]
    assert way["points"][-1]["with_a"] == 1.0
    if name == "late":
        end = way["points"][-1]["with_b"]
        for p in way["points"][:-1]:
            assert p["with_b"] == pytest.approx(end * p["with_a"], abs=0.02)
    if name == "early":
        nearest = max(way["points"], key=lambda p: p["with_b"])
        assert nearest["label"] == "start"


def test_the_way_overrules_retention(run: dict[str, Path]) -> None:
    # The start of this way is a trained model, so retention alone speaks for one; the way knows that B left it early.
    alone = compare(run["end"], run["early"])
    assert alone["trajectory"] is None
    assert alone["finding"] == "shared-trained-ancestor"
    record = compare(run["end"], run["early"], along=[run["start"], run["one"], run["two"]])
    assert record["finding"] not in ("shared-trained-ancestor", "component-shared"), record["sentence"]
    assert record["trajectory"]["reason"] in record["sentence"]


def test_fingerprints_and_other_shapes_have_no_way(run: dict[str, Path], tmp_path: Path) -> None:
    sketch = tmp_path / "start.mpkf"
    write(sketch, fingerprint(run["start"]))
    way = compare(run["end"], run["late"], along=[sketch, run["two"]])["trajectory"]
    assert (way["reading"], way["points"]) == ("abstains", [])
    assert "weights" in way["reason"]
    t = {n: x for n, x in weights(BASE).items() if ".layers.3." not in n}
    short = made(tmp_path / "short", t, num_hidden_layers=3)
    way = compare(run["end"], run["late"], along=[short, run["two"]])["trajectory"]
    assert way["reading"] == "abstains"
    assert "'short'" in way["reason"]
