"""Small well-formed inputs to start fuzzing from: python tests/fuzz/make_seeds.py FOLDER."""

from __future__ import annotations

import json
import pickle
import struct
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "checkpoint"))

from makers import GOOD, entry, gguf, info, pair, safetensors, string
from torch_files import Storage, Tensor, legacy, zipped


def seeds() -> dict[str, dict[str, bytes]]:
    """By reader and name."""
    two = {"w": entry(0, 8, [4], "BF16"), "v": entry(8, 10, [4], "F4"), "__metadata__": {"format": "pt"}}
    pairs = [
        pair("general.architecture", 8, string("llama")), pair("general.alignment", 4, struct.pack("<I", 32)),
        pair("a.f", 6, struct.pack("<f", 0.5)), pair("a.b", 7, b"\1"),
        pair("t.l", 9, struct.pack("<IQ", 8, 2) + string("a") + string("b")),
        pair("t.n", 9, struct.pack("<IQ", 4, 3) + struct.pack("<3I", 1, 2, 3)),
    ]  # fmt: skip
    storage = Storage("0", np.arange(24, dtype=np.float32))
    state = {"w": Tensor(storage, (4, 6)), "turned": Tensor(storage, (4, 6), stride=(1, 4))}
    infos = [info("token_embd.weight", [32, 2], 0, 0), info("blk.0.ffn_up.weight", [256, 2], 12, 256)]
    return {
        "safetensors": {"good": GOOD, "two": safetensors(two, bytes(10)), "empty": safetensors({})},
        "gguf": {
            "good": gguf(infos, pairs, bytes(1024)),
            "big": gguf([info("a", [32], 0, 0, ">")], [], bytes(128), order=">"),
        },
        "pytorch": {"zip": zipped(state, [storage]), "legacy": legacy(state, [storage])},
        "pickle": {
            f"p{k}": pickle.dumps({"a": [1, 2.5, None, True, b"x", "y" * 300], "b": (1 << 70, {1, 2})}, k)
            for k in range(2, 6)
        },
        "strictjson": {"good": json.dumps({"a": [1, 2.5, None, True, "\u00e9", {"b": {}}]}).encode()},
    }  # fmt: skip


if __name__ == "__main__":
    for reader, files in seeds().items():
        folder = Path(sys.argv[1]) / reader
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
