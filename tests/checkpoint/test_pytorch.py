"""PyTorch files: tensors found without running anything, in both layouts; hostile pickles stay symbols."""

from __future__ import annotations

import collections
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counted import within
from makers import write
from torch_files import Storage, Tensor, dumps, legacy, zipped

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Part
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.errors import MalformedError, MpkError
from mpk_tui.fingerprint.hashing import hash_checkpoint

RNG = np.random.default_rng(0)
A = Storage("0", RNG.standard_normal(24).astype(np.float32))
B = Storage("1", RNG.standard_normal(6).astype(np.float16), "HalfStorage")
STATE = collections.OrderedDict(
    w=Tensor(A, (4, 6)), tied=Tensor(A, (4, 6)), turned=Tensor(Storage("2", A.values.copy()), (4, 6), stride=(1, 4)), half=Tensor(B, (2, 3)),
    part=Tensor(Storage("3", A.values.copy()), (2, 3), offset=5), scalar=Tensor(Storage("4", A.values[:1].copy()), ()),
)  # fmt: skip
STORAGES = [A, B, *(STATE[n].storage for n in ("turned", "part", "scalar"))]
LAYOUTS: list[Callable[..., bytes]] = [legacy, zipped]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "wrap", [lambda s: s, lambda s: {"epoch": 3, "state_dict": s}, lambda s: {"model": dict(s), "x": [1.5, None]}]
)
def test_tensors_are_found_in_both_layouts(
    tmp_path: Path, layout: Callable[..., bytes], wrap: Callable[[Any], Any]
) -> None:
    checkpoint = open_checkpoint(write(tmp_path, "pytorch_model.bin", layout(wrap(STATE), STORAGES)))
    assert checkpoint.format == "pytorch"
    assert set(checkpoint.tensors) == set(STATE)
    assert checkpoint.tensors["turned"].dtype == "F32/T"
    with WeightReader(checkpoint) as reader:
        assert np.array_equal(reader.whole(Part("w")), A.values.reshape(4, 6))
        assert np.array_equal(reader.whole(Part("half")), B.values.reshape(2, 3).astype(np.float32))
        assert np.array_equal(reader.whole(Part("part")), A.values[5:11].reshape(2, 3))
        turned = A.values.reshape(6, 4).T
        assert np.array_equal(reader.whole(Part("turned")), turned)
        assert np.array_equal(reader.select(Part("turned"), np.array([2, 0])), turned[[2, 0]])
        assert np.array_equal(reader.columns(Part("turned"), np.array([5, 1])), turned[:, [5, 1]])
        assert np.array_equal(reader.whole(Part("turned", transposed=True)), turned.T)
    by_name = {t.name: t for t in hash_checkpoint(checkpoint).tensors}
    assert by_name["w"].sha256 == by_name["tied"].sha256 == by_name["turned"].sha256
    assert by_name["w"].item() != by_name["turned"].item()  # the same bytes, other values, another leaf


def test_the_training_arguments_beside_the_weights_are_listed_and_not_opened(tmp_path: Path) -> None:
    write(tmp_path, "pytorch_model.bin", legacy({"w": STATE["w"]}, [A]))
    write(tmp_path, "training_args.bin", b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00idq\x00\x85R.")
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.weights == ("pytorch_model.bin",)
    assert {f.path for f in checkpoint.files} == {"pytorch_model.bin", "training_args.bin"}


def test_shards_with_an_index(tmp_path: Path) -> None:
    write(tmp_path, "a.bin", legacy({"w": STATE["w"]}, [A]))
    write(tmp_path, "b.bin", zipped({"half": STATE["half"]}, [B]))
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": {"w": "a.bin", "half": "b.bin"}}))
    assert set(open_checkpoint(tmp_path).tensors) == {"w", "half"}
    (tmp_path / "b.bin").unlink()
    with pytest.raises(MalformedError, match=r"'b\.bin' is missing"):
        open_checkpoint(tmp_path)


class _Evil:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self._reduce = function, arguments

    def __reduce__(self) -> Any:
        return self._reduce


def _code(marker: str) -> list[tuple[str, bytes]]:
    """Ten ways in which a pickle would create a file, each beside a tensor of its own."""
    command = f"touch {marker}"
    text = command.encode()
    unicode = b"X" + struct.pack("<I", len(text)) + text
    # A dictionary {"w": tensor} is pickled, then an entry is added to it before the final STOP.
    good = dumps({"w": STATE["w"]})[:-1]
    key = b"X\x01\x00\x00\x00e"
    return [
        ("reduce os.system", dumps({"w": STATE["w"], "e": _Evil(os.system, command)})),
        ("reduce eval", dumps({"w": STATE["w"], "e": _Evil(eval, f"open({marker!r}, 'w')")})),
        ("reduce exec", dumps({"w": STATE["w"], "e": _Evil(exec, f"open({marker!r}, 'w')")})),
        ("protocol 4 stack global", dumps({"w": STATE["w"], "e": _Evil(os.system, command)}, 4)),
        ("inst", good + key + b"(" + unicode + b"iposix\nsystem\ns."),
        ("obj", good + key + b"(cposix\nsystem\n" + unicode + b"os."),
        ("newobj", good + key + b"csubprocess\nPopen\n" + unicode + b"\x85\x81s."),
        (
            "getattr chain",
            good + key + b"c__builtin__\ngetattr\ncos\nsystem\nX\x06\x00\x00\x00__call\x86R" + unicode + b"\x85Rs.",
        ),
        (
            "build with a state",
            good + key + b"ccollections\nOrderedDict\n)R}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb" + b"s.",
        ),
        ("import of a module in the folder", good + key + b"cmodeling_evil\nEvil\n)Rs."),
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("way", range(10))
def test_nothing_in_a_pickle_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Callable[..., bytes], way: int
) -> None:
    marker = tmp_path / "ran"
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "modeling_evil.py").write_text(f"open({str(marker)!r}, 'w')")
    what, body = _code(str(marker))[way]
    folder = tmp_path / "model"
    folder.mkdir()
    path = write(folder, "pytorch_model.bin", layout(None, [A], body=body))
    checkpoint = open_checkpoint(path)
    assert list(checkpoint.tensors) == ["w"], what
    assert not marker.exists()
    if way != 8:
        assert any("not imported and not run" in n for n in checkpoint.notices), what


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_cut_anywhere_ends_in_one_sentence(tmp_path: Path, layout: Callable[..., bytes]) -> None:
    whole = layout({"w": STATE["w"]}, [A])
    for cut in range(len(whole) - 1):
        path = write(tmp_path, "m.bin", whole[:cut])
        with pytest.raises(MpkError) as caught:
            open_checkpoint(path)
        assert "m.bin" in caught.value.diagnosis()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_flipped_bits_end_in_a_sentence_or_in_tensors(tmp_path: Path, layout: Callable[..., bytes]) -> None:
    whole = bytearray(layout({"w": STATE["w"], "half": STATE["half"]}, [A, B]))
    rng = np.random.default_rng(1)
    refused = 0
    for at in rng.integers(0, len(whole), 1500):
        bit = 1 << int(rng.integers(0, 8))
        whole[at] ^= bit
        try:
            open_checkpoint(write(tmp_path, "m.bin", bytes(whole)))
        except MpkError:
            refused += 1
        whole[at] ^= bit
    assert refused > 100


def test_a_nest_of_shared_tuples_costs_nothing(tmp_path: Path) -> None:
    bomb = b"\x80\x02)q\x00"
    for n in range(60):
        bomb += b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1])
    body = bomb + b"(h\x3cR."  # calls it, too
    path = write(tmp_path, "m.bin", legacy(None, [], body=body))
    assert within(500_000, lambda: open_checkpoint(path)).undecoded


def _outside(kind: str) -> Any:
    if kind == "shape":
        return {"w": Tensor(A, (1000, 1000))}
    if kind == "offset":
        return {"w": Tensor(A, (2, 2), offset=1 << 40)}
    if kind == "huge":
        return {"w": Tensor(A, (1 << 40, 1 << 40))}
    if kind == "stride":
        return {"w": Tensor(A, (2, 2), stride=(7, 3))}
    return {"w": Tensor(A, (2, 6)), "v": Tensor(A, (2, 6), offset=6)}  # overlap in part


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("shape", MalformedError),
        ("offset", MalformedError),
        ("huge", MalformedError),
    ],
)
def test_views_outside_their_storage(
    tmp_path: Path, layout: Callable[..., bytes], kind: str, error: type[MpkError]
) -> None:
    with pytest.raises(error, match=r"m\.bin, tensor"):
        open_checkpoint(write(tmp_path, "m.bin", layout(_outside(kind), [A])))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("kind", "says"), [("stride", "strides"), ("overlap", "shares part of its bytes")])
def test_views_that_are_not_read_are_told_and_the_file_is_hashed(
    tmp_path: Path, layout: Callable[..., bytes], kind: str, says: str
) -> None:
    found = open_checkpoint(write(tmp_path, "m.bin", layout(_outside(kind), [A])))
    assert says in found.undecoded
    assert "m.bin, tensor" in found.undecoded
    assert not found.tensors
    assert hash_checkpoint(found).files[0].sha256


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (zipped({"w": STATE["w"]}, [A], method=zipfile.ZIP_DEFLATED), "compressed or encrypted"),
        (legacy({"a": 1}, []), "no dictionary of tensors"),
    ],
)
def test_files_without_tensors_to_read_are_told(tmp_path: Path, data: bytes, says: str) -> None:
    assert says in open_checkpoint(write(tmp_path, "m.bin", data)).undecoded


@pytest.mark.parametrize(
    ("what", "data", "error"),
    [
        ("missing storage", zipped({"w": STATE["w"]}, []), MalformedError),
        ("unused storage", legacy({"w": STATE["w"]}, [A, B]), MalformedError),
        ("other magic", pickle.dumps(7, 2) * 5, MalformedError),
        ("no end", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"(" * 1000, MalformedError),
        ("stack underflow", legacy(None, [], body=b"\x80\x02R."), MalformedError),
        ("unknown memo", legacy(None, [], body=b"\x80\x02h\x07."), MalformedError),
        ("extension registry", legacy(None, [], body=b"\x80\x02\x82\x01."), MalformedError),
    ],
)
def test_hostile_files(tmp_path: Path, what: str, data: bytes, error: type[MpkError]) -> None:
    with pytest.raises(error, match=r"m\.bin"):
        open_checkpoint(write(tmp_path, "m.bin", data))
