"""L3: features support a checkpoint in another number format, and neither a fine-tune nor a twin; verdicts stay."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import test_rerun
import workshop as w

from mpk_tui.bundle import wording
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.local.featurematch import support, with_features
from mpk_tui.bundle.local.recheck import recheck
from mpk_tui.bundle.outcome import Outcome, Word
from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Part
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.selftest.reading import demo_folder

Floats = np.ndarray


def to_half(x: Floats) -> Floats:
    return x.astype(np.float16)


def rounded(bits: int) -> Callable[[Floats], Floats]:
    """Blocks of 32 on a grid, as quantized files hold them."""

    def there_and_back(x: Floats) -> Floats:
        if x.ndim < 2:
            return x.astype(np.float32)
        blocks = x.reshape(-1, 32)
        step = np.abs(blocks).max(1, keepdims=True) / (2 ** (bits - 1) - 1)
        step[step == 0] = 1
        return (np.round(blocks / step) * step).reshape(x.shape).astype(np.float32)

    return there_and_back


def converted(folder: Path, change: Callable[[Floats], Floats]) -> Path:
    """The demonstration's base with every tensor changed."""
    folder.mkdir()
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(demo_folder("base") / name, folder / name)
    checkpoint = open_checkpoint(demo_folder("base"))
    with WeightReader(checkpoint) as reader:
        tensors = {name: change(np.asarray(reader.whole(Part(name)))) for name in checkpoint.tensors}
    safetensors.numpy.save_file(tensors, str(folder / "model.safetensors"))
    return folder


@pytest.fixture(scope="module")
def what() -> Contents:
    return test_rerun.contents(
        test_rerun.made("fine-tune"), test_rerun.made("base"), test_rerun.compared("fine-tune", "base")
    )


def looked(what: Contents, path: Path) -> Outcome:
    outcome = w.check(w.sealed(what))
    shown = outcome.shown()
    assert shown is not None
    return with_features(recheck(outcome, shown, [path]), shown)


@pytest.mark.parametrize("change", [to_half, rounded(8)])
def test_another_number_format_is_supported_and_still_a_mismatch(
    what: Contents, tmp_path: Path, change: Callable[[Floats], Floats]
) -> None:
    outcome = looked(what, converted(tmp_path / "m", change))
    assert outcome.verdict is Word.MISMATCH
    found = outcome.checkpoint[0]["features"]
    assert (found["artifact"], found["supports"]) == ("R1", True)
    assert len(found["distances"]) >= 3
    text = "\n".join(wording.lines(outcome))
    assert "features support that these are the weights of R1" in text
    assert "the verdict does not rest on it" in text


def test_what_was_changed_more_or_is_another_model_is_not(what: Contents, tmp_path: Path) -> None:
    found = support(what, converted(tmp_path / "q4", rounded(4)))
    assert (found.artifact, found.supports) == ("R1", False)
    found = support(what, demo_folder("twin"))
    assert found.supports is False
    assert min(found.distances.values()) > 1
    alone = {k: v for k, v in what.sections.items() if k != "features.S1"}
    found = support(replace(what, sections=alone), demo_folder("fine-tune"))
    assert (found.artifact, found.supports) == ("R1", False)  # 200 further steps


def test_a_match_by_hash_asks_no_features(what: Contents) -> None:
    outcome = looked(what, demo_folder("base"))
    assert outcome.checkpoint[0]["features"] is None
    assert outcome.verdict is Word.VALID


def test_what_cannot_be_compared_says_so(what: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"\xff" * 20)
    assert "were not compared" in support(what, tmp_path / "x.safetensors").sentence
    none = replace(what, sections={k: v for k, v in what.sections.items() if not k.startswith("features.")})
    assert "holds none that fit" in support(none, demo_folder("base")).sentence
    for change in ("nan", "params", "types", "empty", "flat"):
        bad = test_rerun.contents(
            test_rerun.hostile(test_rerun.made("fine-tune"), change), test_rerun.hostile(test_rerun.made("base"), change),
            test_rerun.compared("fine-tune", "base"),
        )  # fmt: skip
        assert support(bad, demo_folder("base")).supports is False
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert "numpy is not installed" in support(what, demo_folder("base")).sentence
