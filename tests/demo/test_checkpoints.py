"""The checkpoints that come with the package are the ones that its README describes, and read as they should."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

import mpk_tui.demo
from mpk_tui.lineage.compare import compare

FOLDER = Path(mpk_tui.demo.__file__).parent
NAMES = ("base", "fine-tune", "twin")


def test_digests_in_the_readme_are_those_of_the_files() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = {path: digest for digest, path in re.findall(r"^([0-9a-f]{64})  (\S+)$", text, re.MULTILINE)}
    found = {
        p.relative_to(FOLDER).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for name in NAMES
        for p in (FOLDER / name).iterdir()
    }
    assert listed == found


@pytest.mark.parametrize("name", NAMES)
def test_small_enough_to_come_along(name: str) -> None:
    assert sum(p.stat().st_size for p in (FOLDER / name).iterdir()) <= 2_000_000


def test_the_fine_tune_has_a_trained_ancestor_in_common_with_its_base() -> None:
    record = compare(FOLDER / "base", FOLDER / "fine-tune")
    assert record["finding"] == "shared-trained-ancestor"
    tests = {t["name"]: t for t in record["tests"]}
    for name in ("ffn.aligned", "ffn.anchored"):
        assert len(tests[name]["layers"]) == 4
        assert min(layer["z"] for layer in tests[name]["layers"]) > 50
        assert tests[name]["p"] <= 1e-12


@pytest.mark.parametrize("other", ["base", "fine-tune"])
def test_the_twin_corresponds_to_nothing(other: str) -> None:
    record = compare(FOLDER / "twin", FOLDER / other)
    assert record["finding"] == "no-correspondence"
    assert record["proposal"]["mechanisms"] == []
    for test in record["tests"]:
        assert all(abs(layer["z"]) < 6 for layer in test["layers"])
