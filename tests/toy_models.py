"""Checkpoints of four small tensors, made from a seed: enough for a case, and compared in no time."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

NAMES = ("model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight", "model.norm.weight", "lm_head.weight")


def write_model(folder: Path, seed: str, *, model_type: str = "llama") -> Path:
    """Write ``folder/model.safetensors`` and a configuration; equal seeds give equal files."""
    folder.mkdir(parents=True)
    header: dict[str, object] = {}
    body = b""
    for name in NAMES:
        # Exponents of the digest's bytes are masked, so that every value is finite.
        raw = b"".join(hashlib.sha256(f"{seed} {name} {i}".encode()).digest() for i in range(2))
        data = b"".join(raw[i : i + 2] + bytes([raw[i + 2], 0x3F & raw[i + 3]]) for i in range(0, len(raw), 4))
        header[name] = {"dtype": "F32", "shape": [4, 4], "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    head = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + body)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    return folder
