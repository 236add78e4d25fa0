"""The demo's trained models as dictionaries of arrays, and checkpoints made of edited ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import ml_arrays as ml
import numpy as np

import mpk_tui.demo

DEMO = Path(mpk_tui.demo.__file__).parent
BASE, TUNED, TWIN = DEMO / "base", DEMO / "fine-tune", DEMO / "twin"
D, H, HEADS, KV, DIM, LAYERS = 128, 320, 4, 2, 32, 4
Tensors = dict[str, np.ndarray]


def weights(folder: Path) -> Tensors:
    """All tensors as float32."""
    return ml.load(folder / "model.safetensors")


def made(folder: Path, tensors: Tensors, like: Path = BASE, dtype: str = "F32", **config: Any) -> Path:
    """A checkpoint with the vocabulary of another, and its configuration with some entries changed."""
    folder.mkdir()
    shutil.copy(like / "tokenizer.json", folder / "tokenizer.json")
    (folder / "config.json").write_text(json.dumps({**json.loads((like / "config.json").read_text()), **config}))
    ml.save(folder / "model.safetensors", tensors, dtype)
    return folder


def noisy(t: Tensors, share: float, seed: int) -> Tensors:
    """Every matrix with noise of so many of its standard deviations added."""
    rng = np.random.default_rng(seed)
    return {
        n: (x + share * x.std() * rng.standard_normal(x.shape)).astype(np.float32) if x.ndim == 2 else x
        for n, x in t.items()
    }


def strangers(t: Tensors, seed: int) -> Tensors:
    """Fresh random matrices of the same shapes and spreads: another initialisation that never trained."""
    rng = np.random.default_rng(seed)
    return {n: (x.std() * rng.standard_normal(x.shape)).astype(np.float32) if x.ndim == 2 else x for n, x in t.items()}


def form(record: dict[str, Any], name: str) -> dict[str, Any]:
    """One test of a comparison record."""
    return next(t for t in record["tests"] if t["name"] == name)
