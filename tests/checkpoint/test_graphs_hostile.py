"""ONNX, ``.npz``, CTranslate2 and tar files made to break readers: one sentence, few steps, little memory."""

from __future__ import annotations

import io
import struct
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "fuzz"))

from counted import within
from make_seeds import field, network, variables, varint

from mpk_tui.checkpoint import protobuf
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.errors import LimitError, MpkError


def model(graph: bytes) -> bytes:
    return field(1, 8) + field(7, graph)


def tensor(name: bytes, kind: int, dims: list[int], raw: bytes, more: bytes = b"") -> bytes:
    return field(5, b"".join(field(1, d) for d in dims) + field(2, kind) + field(8, name) + field(9, raw) + more)


def external(location: bytes, **entries: bytes) -> bytes:
    pairs = {b"location": location, **{k.encode(): v for k, v in entries.items()}}
    body = b"".join(field(13, field(1, k) + field(2, v)) for k, v in pairs.items()) + field(14, 1)
    return model(field(5, field(1, 2) + field(1, 2) + field(2, 1) + field(8, b"w") + body))


def npz(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def npy(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    text = header.encode("latin-1")
    return b"\x93NUMPY" + version + struct.pack("<H" if version == b"\1\0" else "<I", len(text)) + text + data


def dict_of(descr: str, shape: str) -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


def nested(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = field(6, field(1, field(5, body)))  # a graph in an attribute of a node of a graph
    return model(field(1, field(5, body)))


def chain(length: int) -> bytes:
    """Casts of casts of casts, in a ring."""
    nodes = b"".join(
        field(1, field(1, b"v%d" % i) + field(2, b"v%d" % ((i + 1) % length)) + field(4, b"Cast"))
        for i in range(length)
    )
    uses = b"".join(field(1, field(1, b"x") + field(1, b"v%d" % i) + field(4, b"MatMul")) for i in range(length))
    return model(nodes + uses)


HUGE = b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f"
FILES: dict[str, Callable[[], bytes]] = {
    "m.onnx: length beyond the file": lambda: b"\x08\x08" + varint(7 << 3 | 2) + HUGE,
    "m.onnx: overlong number": lambda: b"\x08" + b"\x80" * 12 + b"\x01" + network(),
    "m.onnx: field number 0": lambda: b"\x08\x08\x02\x00" + network(),
    "m.onnx: group": lambda: b"\x08\x08\x0b\x0c" + network(),
    "m.onnx: wire type 7": lambda: b"\x08\x08\x0f" + network(),
    "m.onnx: two graphs": lambda: network() + field(7, b""),
    "m.onnx: no graph": lambda: b"\x08\x08" + bytes([0x10]) * 2,
    "m.onnx: member longer than its message": lambda: model(varint(5 << 3 | 2) + varint(4) + b"\x4a\x7fab"),
    "m.onnx: dimensions that wrap": lambda: model(tensor(b"w", 1, [1 << 32, 1 << 32], b"")),
    "m.onnx: dimensions that wrap to the size": lambda: model(tensor(b"w", 1, [1 << 62, 4, 1], bytes(16))),
    "m.onnx: negative dimension": lambda: model(tensor(b"w", 1, [(1 << 64) - 4, 4], bytes(64))),
    "m.onnx: 10,000 dimensions": lambda: model(tensor(b"w", 1, [1] * 10000, bytes(4))),
    "m.onnx: fewer bytes than elements": lambda: model(tensor(b"w", 1, [4, 4], bytes(60))),
    "m.onnx: name twice": lambda: model(tensor(b"w", 1, [2, 2], bytes(16)) * 2),
    "m.onnx: name that is no text": lambda: model(tensor(b"\xff\xfe", 1, [2, 2], bytes(16))),
    "m.onnx: unknown element type": lambda: model(tensor(b"w", 999, [2, 2], bytes(16))),
    "m.onnx: nothing but strings": lambda: model(tensor(b"w", 8, [2], b"")),
    "m.onnx: values outside the folder": lambda: external(b"../../../etc/passwd"),
    "m.onnx: values at an absolute path": lambda: external(b"/etc/passwd"),
    "m.onnx: values on another drive": lambda: external(b"C:\\windows\\x"),
    "m.onnx: values in the model itself, beyond its end": lambda: external(b"m.onnx", offset=b"999999999"),
    "m.onnx: negative offset": lambda: external(b"m.onnx", offset=b"-5"),
    "m.onnx: offset of a thousand digits": lambda: external(b"m.onnx", offset=b"9" * 1000),
    "m.onnx: offset that is no number": lambda: external(b"m.onnx", offset=b"0x10"),
    "m.onnx: graphs within graphs": lambda: nested(400),
    "m.onnx: a ring of casts": lambda: chain(300),
    "m.onnx: 50,000 empty nodes": lambda: model(field(1, b"") * 50000),
    "m.onnx: 50,000 unknown fields": lambda: model(b"\x50\x00" * 50000),
    "m.npz: no zip": lambda: b"PK\x03\x04" + bytes(100),
    "m.npz: name twice": lambda: npz({"a.npy": npy(dict_of("'<f4'", "(1,)"), bytes(4))}).replace(b"a.npy", b"a.npy"),
    "m.npz: shape that wraps": lambda: npz({"a.npy": npy(dict_of("'<f4'", "(4294967296, 4294967296)"))}),
    "m.npz: shape of a million digits": lambda: npz({"a.npy": npy(dict_of("'<f4'", f"({'9' * 30000},)"))}),
    "m.npz: header beyond the member": lambda: npz({"a.npy": b"\x93NUMPY\2\0\xff\xff\xff\xff"}),
    "m.npz: header that would run": lambda: npz({"a.npy": npy("__import__('os').system('true')")}),
    "m.npz: objects": lambda: npz({"a.npy": npy(dict_of("'|O'", "(1,)"), b"cos\nsystem\n(S'true'\ntR.")}),
    "m.npz: structured type": lambda: npz({"a.npy": npy(dict_of("[('a', '<f4')]", "(1,)"), bytes(4))}),
    "m.npz: less than the shape": lambda: npz({"a.npy": npy(dict_of("'<f4'", "(100, 100)"), bytes(4))}),
    "m.npz: bomb": lambda: npz({"a.npy": npy(dict_of("'<f4'", "(1000000,)"), bytes(4000000))}, zipfile.ZIP_DEFLATED),
    "m.npz: empty": lambda: npz({}),
    "m.bin: CTranslate2, count beyond the file": lambda: variables().replace(struct.pack("<II", 1, 2), b"\1\0\0\0" + b"\xff" * 4),
    "m.bin: CTranslate2, rank 255": lambda: variables().replace(struct.pack("<B2I", 2, 2, 2), struct.pack("<B2I", 255, 2, 2)),
    "m.bin: CTranslate2, dimensions that wrap": lambda: variables().replace(
        struct.pack("<B2I", 2, 2, 2), struct.pack("<B2I", 2, 1 << 31, 1 << 31)
    ),
    "m.bin: CTranslate2, bytes beyond the file": lambda: variables().replace(struct.pack("<BI", 1, 4), struct.pack("<BI", 1, 1 << 31)),
    "m.bin: CTranslate2, unknown type": lambda: variables().replace(struct.pack("<BI", 1, 4), struct.pack("<BI", 77, 4)),
    "m.bin: CTranslate2, a name without an end": lambda: variables().replace(b"\2\0w\0", b"\2\0ww", 1),
    "m.bin: CTranslate2, cut": lambda: variables()[:40],
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_each_ends_in_a_sentence_or_is_not_decoded(tmp_path: Path, case: str) -> None:
    path = tmp_path / case.partition(":")[0]
    path.write_bytes(FILES[case]())
    said = within(4_000_000, lambda: opened(path))
    tracemalloc.start()
    try:
        opened(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"{case}: {said} ({peak >> 20} MB)")
    assert path.name in said or case in READ
    assert peak < 24 << 20


def opened(path: Path) -> str:
    """What is said of a file."""
    try:
        found = open_checkpoint(path)
    except MpkError as error:
        return str(error)
    assert found.undecoded or all(t.offset + t.nbytes <= path.stat().st_size for t in found.tensors.values())
    return found.undecoded


def test_fields_are_counted_over_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million are accepted, which takes seconds; here a thousand."""
    assert protobuf.MAX_FIELDS == 1 << 20
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 1000)
    path = tmp_path / "m.onnx"
    path.write_bytes(model(b"\x50\x00" * 50000))
    with pytest.raises(LimitError, match="more than 1000 fields"):
        within(100_000, lambda: open_checkpoint(path))


READ = ("m.npz: name twice", "m.onnx: name that is no text")
"""Odd and read nonetheless; their tensors lie within the file."""


def test_values_in_the_graph_are_the_ones_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(network())
    assert open_checkpoint(path).tensors["a.b.weight"].shape == (4, 4)
    assert np.frombuffer(path.read_bytes()[-4:], np.uint8).size == 4
