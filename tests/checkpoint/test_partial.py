"""Damaged and partial evidence, split files, and folders with several models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from makers import gguf, info, pair, string
from safetensors.numpy import save_file

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.model import Part
from mpk_tui.checkpoint.open import Opening, open_checkpoint
from mpk_tui.errors import MalformedError, UsageError
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.record import Fingerprint

PARTS = Opening(partial=True)


def tensors(seed: int = 0) -> dict[str, np.ndarray]:
    g = np.random.Generator(np.random.PCG64(seed))
    out = {"model.embed_tokens.weight": g.normal(size=(64, 16))}
    for i in range(2):
        for name, shape in (("mlp.gate_proj", (40, 16)), ("mlp.up_proj", (40, 16)), ("mlp.down_proj", (16, 40))):
            out[f"model.layers.{i}.{name}.weight"] = g.normal(size=shape)
    return {k: v.astype(np.float32) for k, v in out.items()}


def sharded(folder: Path, *, index: bool = True) -> Path:
    """Three shards, one for the embedding and one a layer."""
    folder.mkdir()
    all_ = tensors()
    groups = [
        {k: v for k, v in all_.items() if "embed" in k},
        *({k: v for k, v in all_.items() if f"layers.{i}." in k} for i in range(2)),
    ]
    names = [f"model-{n:05}-of-00003.safetensors" for n in (1, 2, 3)]
    for name, group in zip(names, groups, strict=True):
        save_file(group, folder / name)
    if index:
        where = {k: name for name, group in zip(names, groups, strict=True) for k in group}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return folder


@pytest.mark.parametrize("index", [True, False])
def test_a_missing_shard_is_an_error_unless_parts_are_accepted(tmp_path: Path, index: bool) -> None:
    folder = sharded(tmp_path / "m", index=index)
    (folder / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(MalformedError, match=r"is missing.*--partial"):
        open_checkpoint(folder)
    found = open_checkpoint(folder, None, PARTS)
    assert len(found.tensors) == 4
    assert found.missing
    assert "missing" in found.missing[0]
    assert any("layers without tensors: 0" in n for n in found.architecture.notices)
    if index:
        assert "3 of 7 tensors lie in it" in found.missing[0]


def test_a_whole_checkpoint_is_not_partial_because_parts_were_accepted(tmp_path: Path) -> None:
    found = open_checkpoint(sharded(tmp_path / "m"), None, PARTS)
    assert found.missing == ()
    assert fingerprint(found).missing == ()


def test_no_shard_at_all_stays_an_error(tmp_path: Path) -> None:
    folder = sharded(tmp_path / "m")
    for path in folder.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(MalformedError, match="none of the 3 shards"):
        open_checkpoint(folder, None, PARTS)


def test_of_a_file_cut_short_the_tensors_before_the_cut_are_read(tmp_path: Path) -> None:
    save_file(tensors(), tmp_path / "model.safetensors")
    whole = (tmp_path / "model.safetensors").read_bytes()
    cut = tmp_path / "cut"
    cut.mkdir()
    (cut / "model.safetensors").write_bytes(whole[: len(whole) - 3000])
    with pytest.raises(MalformedError, match="cut short"):
        open_checkpoint(cut)
    found = open_checkpoint(cut, None, PARTS)
    full = open_checkpoint(tmp_path / "model.safetensors")
    assert 0 < len(found.tensors) < len(full.tensors)
    (sentence,) = found.missing
    assert f"{len(full.tensors) - len(found.tensors)} of {len(full.tensors)} tensors reach beyond its end" in sentence
    with WeightReader(found) as some, WeightReader(full) as all_:
        for name in found.tensors:
            assert np.array_equal(some.whole(Part(name)), all_.whole(Part(name)))


def test_a_file_cut_within_its_header_stays_an_error(tmp_path: Path) -> None:
    save_file(tensors(), tmp_path / "model.safetensors")
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:100])
    with pytest.raises(MalformedError, match="a header of"):
        open_checkpoint(tmp_path, None, PARTS)


def test_of_a_gguf_file_cut_short_likewise(tmp_path: Path) -> None:
    infos = [info(f"blk.{i}.ffn_up.weight", [32, 4], 0, 512 * i) for i in range(4)]
    data = gguf(infos, [pair("general.architecture", 8, string("llama"))], bytes(range(256)) * 8)
    path = tmp_path / "m.gguf"
    path.write_bytes(data[:-700])
    with pytest.raises(MalformedError, match="cut short"):
        open_checkpoint(path)
    found = open_checkpoint(path, None, PARTS)
    assert list(found.tensors) == ["blk.0.ffn_up.weight", "blk.1.ffn_up.weight"]
    assert "2 of 4 tensors reach beyond its end (blk.2.ffn_up.weight, blk.3.ffn_up.weight)" in found.missing[0]


def test_coverage_stands_in_the_fingerprint_and_survives_its_file(tmp_path: Path) -> None:
    folder = sharded(tmp_path / "m")
    (folder / "model-00003-of-00003.safetensors").unlink()
    made = fingerprint(folder, how=PARTS)
    again = Fingerprint.from_bytes(made.to_bytes())
    assert again.missing == made.missing != ()
    assert again.summary()["config"]["missing"] == list(made.missing)


def split(folder: Path, *, count: int = 3, numbers: tuple[int, ...] = (0, 1, 2), total: int = 3) -> Path:
    """A GGUF split as llama.cpp writes it: metadata in the first file, numbering in all."""
    folder.mkdir()
    for k in numbers:
        pairs = [
            pair("split.no", 2, k.to_bytes(2, "little")), pair("split.count", 2, count.to_bytes(2, "little")),
            pair("split.tensors.count", 5, total.to_bytes(4, "little")),
        ]  # fmt: skip
        if k == 0:
            pairs.append(pair("general.architecture", 8, string("llama")))
        data = gguf([info(f"blk.{k}.ffn_up.weight", [32, 4], 0, 0)], pairs, bytes([k]) * 512)
        (folder / f"m-{k + 1:05}-of-{count:05}.gguf").write_bytes(data)
    return folder


def test_gguf_splits_are_one_model(tmp_path: Path) -> None:
    found = open_checkpoint(split(tmp_path / "m"))
    assert list(found.tensors) == [f"blk.{k}.ffn_up.weight" for k in range(3)]
    assert found.config["general.architecture"] == "llama"
    assert {t.file for t in found.tensors.values()} == set(found.weights)


def test_one_file_of_a_split_is_not_a_model(tmp_path: Path) -> None:
    folder = split(tmp_path / "m")
    with pytest.raises(MalformedError, match="2 of 3 files of the split are missing"):
        open_checkpoint(folder / "m-00002-of-00003.gguf")
    found = open_checkpoint(folder / "m-00002-of-00003.gguf", None, PARTS)
    assert list(found.tensors) == ["blk.1.ffn_up.weight"]
    assert "1 of 3 tensors are here" in found.missing[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"numbers": (0, 1)}, "shard 3 of 3 is missing"),
        ({"total": 9}, "the split has 9 tensors, its files declare 3"),
    ],
)
def test_splits_that_do_not_add_up(tmp_path: Path, change: dict[str, object], says: str) -> None:
    folder = split(tmp_path / "m", **change)  # type: ignore[arg-type]
    with pytest.raises(MalformedError, match=says):
        open_checkpoint(folder)


def test_a_file_of_another_split_is_noticed(tmp_path: Path) -> None:
    folder = split(tmp_path / "m")
    other = split(tmp_path / "o", count=4, numbers=(1,))
    (folder / "m-00002-of-00003.gguf").write_bytes((other / "m-00002-of-00004.gguf").read_bytes())
    with pytest.raises(MalformedError, match="different splits"):
        open_checkpoint(folder)


def test_a_file_that_is_there_twice_is_noticed(tmp_path: Path) -> None:
    folder = split(tmp_path / "m")
    (folder / "m-00003-of-00003.gguf").write_bytes((folder / "m-00002-of-00003.gguf").read_bytes())
    with pytest.raises(MalformedError, match=r"lies in .m-00002-of-00003\.gguf. as well"):
        open_checkpoint(folder)


def test_several_models_are_listed_and_one_is_chosen_by_name(tmp_path: Path) -> None:
    folder = split(tmp_path / "m")
    (folder / "other.gguf").write_bytes(gguf([info("a", [32, 4], 0, 0)], [], bytes(512)))
    save_file(tensors(), folder / "model.safetensors")
    with pytest.raises(UsageError) as error:
        open_checkpoint(folder)
    for word in ("m.gguf (gguf", "other.gguf (gguf", "model.safetensors (safetensors", "--model"):
        assert word in str(error.value)
    assert len(open_checkpoint(folder, None, Opening(model="m.gguf")).tensors) == 3
    assert list(open_checkpoint(folder, None, Opening(model="other.gguf")).tensors) == ["a"]
    assert len(open_checkpoint(folder, None, Opening(model="model.safetensors")).tensors) == 7
    with pytest.raises(UsageError, match=r"holds no model 'x'.*other\.gguf"):
        open_checkpoint(folder, None, Opening(model="x"))


def test_an_index_whose_shards_were_not_copied_does_not_stand_in_the_way(tmp_path: Path) -> None:
    save_file(tensors(), tmp_path / "model.safetensors")
    (tmp_path / "pytorch_model.bin.index.json").write_text('{"weight_map": {"a": "pytorch_model-1.bin"}}')
    assert len(open_checkpoint(tmp_path).tensors) == 7
