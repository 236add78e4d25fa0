"""Fingerprints that cost nothing to make: some tensors, some files, one feature that can be screened."""

from __future__ import annotations

import hashlib

import numpy as np

from mpk_tui.fingerprint import features
from mpk_tui.fingerprint.hashing import FileHash, TensorHash
from mpk_tui.fingerprint.record import Feature, Fingerprint

EVIL = "\x1b[2J\u202eeno[/]\x00"


def sha(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def made(name: str, *, shared: int = 0, tensors: int = 4, family: str = "llama") -> Fingerprint:
    """A fingerprint whose first ``shared`` tensors and first file are those of every other one."""
    numbers = np.random.default_rng(sum(name.encode())).normal(size=(1, 8, 4)).astype("<f2")
    return Fingerprint(
        "mpk-tui 0", "safetensors", family, "transformer-lm",
        (
            FileHash("tokenizer.json", "file", 5000, sha("tokenizer") if shared else sha(f"{name} tokenizer"), None, None),
            FileHash("tiny.json", "file", 10, sha("tiny"), None, None),
            FileHash(f"\udcff{name}.safetensors", "file", 9000, sha(f"{name} file"), None, None),
        ),
        (
            *(
                TensorHash(f"{n:03}.weight", "F32", (2, 3), 24, sha(f"{'all' if n < shared else name} {n}"))
                for n in range(tensors)
            ),
            TensorHash("zz.empty", "F32", (0,), 0, hashlib.sha256(b"").digest()),
        ),
        {"layers": 2}, {}, {},
        {"residual.embeddings": Feature("residual.embeddings", features.VERSION, {"columns": "x", "by": "id"}, "<f2",
                                        (1, 8, 4), numbers.tobytes())},
        (name,),
    )  # fmt: skip
