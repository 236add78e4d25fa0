"""Quantized tensors of big-endian GGUF files: turned round by the gguf package's own converter, read back by us."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gguf import GGMLQuantizationType
from gguf.scripts.gguf_convert_endian import byteswap_tensors
from makers import gguf, info

from mpk_tui.checkpoint.arrays import _HALVES, WeightReader
from mpk_tui.checkpoint.gguf import TYPES
from mpk_tui.checkpoint.model import Part
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.errors import UnsupportedError
from mpk_tui.lineage.compare import compare

BY_LABEL = {label: (number, block, width) for number, (label, block, width) in TYPES.items()}


def written(path: Path, label: str, data: bytes, order: str) -> Path:
    number, block, width = BY_LABEL[label]
    elements = len(data) // 2 // width * block
    path.write_bytes(gguf([info("a", [elements, 2], number, 0, order)], [], data + bytes(-len(data) % 32), order=order))
    return path


def blocks(label: str) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(1)).integers(1, 60, 2 * 4 * BY_LABEL[label][2]).astype(np.uint8)


def values(path: Path) -> np.ndarray:
    with WeightReader(open_checkpoint(path)) as reader:
        return reader.whole(Part("a"))


@pytest.mark.parametrize("label", [k.name for k in byteswap_tensors])
def test_blocks_that_the_converter_turned_round(tmp_path: Path, label: str) -> None:
    data = blocks(label)
    little = values(written(tmp_path / "le.gguf", label, data.tobytes(), "<"))
    turned = data.copy()
    for at in range(0, len(data), BY_LABEL[label][2]):
        byteswap_tensors[GGMLQuantizationType[label]](SimpleNamespace(data=turned), at)
    path = written(tmp_path / "be.gguf", label, turned.tobytes(), ">")
    assert np.isfinite(little).all()
    assert np.array_equal(values(path), little)
    record = compare(tmp_path / "le.gguf", path)
    assert record["finding"] == ("reformatted" if _HALVES[label] else "identical")


@pytest.mark.parametrize("label", sorted(_HALVES))
def test_every_two_byte_field_lies_within_its_block(label: str) -> None:
    width = BY_LABEL[label][2]
    assert all(0 <= at <= width - 2 for at in _HALVES[label])
    assert len({b for at in _HALVES[label] for b in (at, at + 1)}) == 2 * len(_HALVES[label])


def test_a_type_whose_fields_are_not_told_apart_is_hashed_only(tmp_path: Path) -> None:
    path = written(tmp_path / "m.gguf", "IQ1_M", blocks("IQ1_M").tobytes(), ">")
    with pytest.raises(UnsupportedError, match="big-endian"):
        values(path)
