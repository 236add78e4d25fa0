"""Small well-formed inputs to start fuzzing from: python tests/fuzz/make_seeds.py FOLDER."""

from __future__ import annotations

import io
import json
import pickle
import struct
import sys
import tarfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "checkpoint"))

from makers import GOOD, entry, gguf, info, pair, safetensors, string
from torch_files import Storage, Tensor, legacy, zipped


def field(number: int, value: bytes | int) -> bytes:
    """A protobuf field: a number, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    out = bytearray()
    while True:
        out.append(value & 127 | (128 if value > 127 else 0))
        value >>= 7
        if not value:
            return bytes(out)


def network(*, quantized: bool = False) -> bytes:
    """One matrix product of an ONNX model, with a bias that names its module."""

    def tensor(name: str, kind: int, dims: list[int], raw: bytes) -> bytes:
        return field(5, b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name.encode()) + field(9, raw))

    def node(op: str, inputs: list[str], output: str) -> bytes:
        listed = b"".join(field(1, i.encode()) for i in inputs)
        return field(1, listed + field(2, output.encode()) + field(3, b"/a/b/MatMul") + field(4, op.encode()))

    graph = tensor("a.b.bias", 1, [4], bytes(16))
    if quantized:
        graph += tensor("w_quantized", 3, [4, 4], bytes(16)) + tensor("w_scale", 1, [1], bytes(4))
        graph += field(5, field(1, 1) + field(2, 3) + field(5, b"\5") + field(8, b"w_zero_point"))
        graph += node("MatMulInteger", ["x", "w_quantized", "z", "w_zero_point"], "y")
    else:
        graph += tensor("onnx::MatMul_7", 1, [4, 4], bytes(64)) + node("MatMul", ["x", "onnx::MatMul_7"], "y")
    graph += node("Add", ["a.b.bias", "y"], "out")
    return field(1, 8) + field(2, b"seed") + field(7, graph) + field(14, field(1, b"k") + field(2, b"v"))


def arrays() -> bytes:
    """An ``.npz`` of two arrays, one in column order."""
    out = io.BytesIO()
    np.savez(out, a=np.arange(6, dtype=np.float32).reshape(2, 3), b=np.asfortranarray(np.ones((2, 3), np.int8)))
    return out.getvalue()


def variables() -> bytes:
    """A CTranslate2 model of two variables."""

    def text(value: bytes) -> bytes:
        return struct.pack("<H", len(value) + 1) + value + b"\0"

    out = struct.pack("<I", 6) + text(b"Spec") + struct.pack("<II", 1, 2)
    out += text(b"w") + struct.pack("<B2IBI", 2, 2, 2, 1, 4) + bytes(4)
    out += text(b"w_scale") + struct.pack("<BIBI", 1, 2, 0, 8) + bytes(8)
    return out + struct.pack("<I", 1) + text(b"alias") + text(b"w")


def archive(members: dict[str, bytes]) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


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
        "onnx": {"good": network(), "quantized": network(quantized=True)},
        "npz": {"good": arrays()},
        "ctranslate2": {"good": variables()},
        "tar": {"good": archive({"a/model.ckpt": b"x" * 600, "\u00e9" * 120: b"y"})},
        "tokenizer-json": {
            "bpe": json.dumps({"model": {"type": "BPE", "vocab": {"a": 0, "\u0120b": 1}, "merges": ["a b"]},
                               "added_tokens": [{"id": 2, "content": "<s>", "special": True}],
                               "decoder": {"type": "ByteLevel"}}).encode(),
            "unigram": json.dumps({"model": {"type": "Unigram", "vocab": [["a", -1.0], ["b", -2]], "unk_id": 0}}).encode(),
        },
        "sentencepiece": {"good": b"".join(field(1, field(1, p) + b"\x15\0\0\0\0\x18\1") for p in (b"a", b"\xe2\x96\x81b")) + field(2, b"\x18\2")},
        "ranks": {"good": b"YQ== 0\nYg== 1\n"},
        "hash-list": {
            "sums": (b"0" * 64 + b"  a\n") * 2 + b"\\" + b"1" * 64 + b" *b\\n\n",
            "hashdeep": b"%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename\n1," + b"0" * 32 + b"," + b"0" * 64 + b",a\n",
            "bsd": b"SHA256 (a) = " + b"0" * 64 + b"\n",
        },
        "strictjson": {"good": json.dumps({"a": [1, 2.5, None, True, "\u00e9", {"b": {}}]}).encode()},
    }  # fmt: skip


if __name__ == "__main__":
    for reader, files in seeds().items():
        folder = Path(sys.argv[1]) / reader
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
