"""ONNX, CTranslate2 and ``.npz``: weights under their modules' names, with the values that the network had
(``make_graph_vectors.py``)."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Part
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.errors import MalformedError, MpkError

VECTORS = Path(__file__).parent / "graph_vectors"


def values(path: Path) -> dict[str, np.ndarray]:
    checkpoint = open_checkpoint(path)
    with WeightReader(checkpoint) as reader:
        return {name: reader.whole(Part(name)) for name in checkpoint.logical}


@pytest.fixture(scope="module")
def network() -> dict[str, np.ndarray]:
    return values(VECTORS / "expected.safetensors")


@pytest.mark.parametrize("name", ["scripted.onnx", "newer.onnx", "external"])
def test_exported_weights_are_found_under_their_modules(name: str, network: dict[str, np.ndarray]) -> None:
    found = values(VECTORS / name)
    lost = network.keys() - found.keys()
    # Exporters share equal vectors between modules: the second norm of this network starts as the first.
    assert all(network[n].ndim == 1 for n in lost), lost
    for key, value in found.items():
        assert np.array_equal(value, network[key]), key


@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_weights_quantized_by_onnxruntime(name: str, network: dict[str, np.ndarray]) -> None:
    found, expected = values(VECTORS / f"{name}.onnx"), values(VECTORS / f"{name}.expected.safetensors")
    checkpoint = open_checkpoint(VECTORS / f"{name}.onnx")
    assert {k for k, v in network.items() if v.ndim == 2} == set(checkpoint.derived)
    for key in checkpoint.derived:
        assert np.abs(found[key] - network[key]).max() < 0.02
        if key in expected:
            assert np.array_equal(found[key], expected[key]), key


def test_weights_in_blocks_of_four_bits(network: dict[str, np.ndarray]) -> None:
    checkpoint = open_checkpoint(VECTORS / "nbits.onnx")
    assert len(checkpoint.derived) == 6
    found = values(VECTORS / "nbits.onnx")
    for key in checkpoint.derived:
        step = np.ptp(network[key]) / 15
        assert np.abs(found[key] - network[key]).max() <= step


def test_arrays_of_numpy_in_either_order(network: dict[str, np.ndarray]) -> None:
    found = values(VECTORS / "arrays.npz")
    assert np.array_equal(found.pop("turned"), network["layers.0.up.weight"])
    assert found.keys() == network.keys()
    assert all(np.array_equal(found[k], network[k]) for k in network)


def test_what_an_archive_holds_beside_plain_arrays_is_named() -> None:
    assert "compressed; save it again" in open_checkpoint(VECTORS / "compressed.npz").undecoded
    checkpoint = open_checkpoint(VECTORS / "objects.npz")
    assert list(checkpoint.tensors) == ["w"]
    assert any("objects, which are a pickle" in n for n in checkpoint.notices)


@pytest.mark.parametrize("name", ["scripted.onnx", "int8.onnx", "nbits.onnx", "arrays.npz"])
def test_files_cut_or_meddled_with_are_refused_or_read(tmp_path: Path, name: str) -> None:
    data = (VECTORS / name).read_bytes()
    g = np.random.Generator(np.random.PCG64(5))
    path = tmp_path / name
    for cut in g.integers(0, len(data), 60):
        path.write_bytes(data[:cut])
        with pytest.raises(MpkError):
            open_checkpoint(path)
    for _ in range(150):
        broken = bytearray(data)
        for at in g.integers(0, len(data), 3):
            broken[at] = g.integers(0, 256)
        path.write_bytes(bytes(broken))
        said = ""
        try:
            open_checkpoint(path)
        except MpkError as error:
            said = str(error)
        assert not said or name in said


def test_external_data_stays_in_the_folder(tmp_path: Path) -> None:
    data = (VECTORS / "external" / "model.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(MalformedError, match="which is not here"):
        open_checkpoint(tmp_path)
    escaped = data.replace(b"model.onnx.data", b"../../x.onnx.da")
    (tmp_path / "model.onnx").write_bytes(escaped)
    with pytest.raises(MalformedError, match="outside this folder"):
        open_checkpoint(tmp_path)
    (tmp_path / "model.onnx").write_bytes(data)
    (tmp_path / "model.onnx.data").write_bytes(b"short")
    with pytest.raises(MalformedError, match="do not belong together, or one is cut short"):
        open_checkpoint(tmp_path)


def ct2(variables: list[tuple[str, np.ndarray]], *, version: int = 6) -> bytes:
    """A CTranslate2 model by its published layout."""

    def string(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    kinds = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
    out = struct.pack("<I", version) + string("SmallSpec") + struct.pack("<II", 1, len(variables))
    for name, value in variables:
        out += string(name) + struct.pack("<B", value.ndim) + struct.pack(f"<{value.ndim}I", *value.shape)
        out += struct.pack("<BI", kinds[str(value.dtype)], value.nbytes) + value.tobytes()
    return out + struct.pack("<I", 1) + string("alias") + string(variables[0][0])


def test_ctranslate2_variables_and_their_scales(tmp_path: Path) -> None:
    g = np.random.Generator(np.random.PCG64(1))
    codes = g.integers(-127, 128, (6, 4)).astype(np.int8)
    scale = g.uniform(100, 200, 6).astype(np.float32)
    plain = g.normal(size=(3, 4)).astype(np.float16)
    path = tmp_path / "model.bin"
    path.write_bytes(ct2([("enc/weight", codes), ("enc/weight_scale", scale), ("emb/weight", plain)]))
    found = values(path)
    assert np.array_equal(found["enc/weight.dequantized"], codes.astype(np.float32) / scale[:, None])
    assert np.array_equal(found["emb/weight"], plain.astype(np.float32))
    data = path.read_bytes()
    for cut in range(7, len(data), 7):
        path.write_bytes(data[:-cut])
        with pytest.raises(MpkError):
            open_checkpoint(path)
