"""Hostile and damaged checkpoints: each ends in a typed error that names the file and the place, after few steps."""

from __future__ import annotations

import json
import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from counted import within
from makers import GOOD, entry, gguf, info, pair, safetensors, string, write

from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.errors import LimitError, MalformedError, MpkError, StorageError, UnsupportedError, UsageError

S, G = "model.safetensors", "model.gguf"
_DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000

CASES: list[tuple[str, str, bytes, type[MpkError]]] = [
    ("empty", S, b"", MalformedError),
    ("seven bytes", S, b"\0" * 7, MalformedError),
    ("length 2**63", S, safetensors({}, length=1 << 63), LimitError),
    ("length 2**64-1", S, safetensors({}, length=(1 << 64) - 1), LimitError),
    ("length beyond the file", S, safetensors({}, length=5000), MalformedError),
    ("length just over the limit", S, safetensors({}, length=100_000_001), LimitError),
    ("not JSON", S, safetensors(None, raw=b"{nonsense"), MalformedError),
    ("not UTF-8", S, safetensors(None, raw=b'{"\xff":1}'), MalformedError),
    ("a list", S, safetensors([]), MalformedError),
    ("a number", S, safetensors(7), MalformedError),
    ("NaN", S, safetensors(None, raw=b'{"a":NaN}'), MalformedError),
    ("duplicate names", S, safetensors(None, raw=b'{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":{}}', data=b"0" * 4), MalformedError),
    ("duplicate fields", S, safetensors(None, raw=b'{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}', data=b"0" * 4), MalformedError),
    ("deep nesting", S, safetensors(None, raw=_DEEP), MalformedError),
    ("huge number", S, safetensors(None, raw=b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,4]}}'), MalformedError),
    ("no tensors", S, safetensors({}), UnsupportedError),
    ("unknown type", S, safetensors({"a": entry(0, 4, [1], "F99")}, b"0" * 4), UnsupportedError),
    ("type is a number", S, safetensors({"a": {"dtype": 1, "shape": [1], "data_offsets": [0, 4]}}, b"0" * 4), MalformedError),
    ("missing field", S, safetensors({"a": {"dtype": "F32", "shape": [1]}}, b"0" * 4), MalformedError),
    ("extra field", S, safetensors({"a": {**entry(0, 4, [1]), "run": "me"}}, b"0" * 4), MalformedError),
    ("negative dimension", S, safetensors({"a": entry(0, 4, [-1])}, b"0" * 4), MalformedError),
    ("fractional dimension", S, safetensors({"a": entry(0, 4, [1.0])}, b"0" * 4), MalformedError),  # type: ignore[list-item]
    ("boolean dimension", S, safetensors({"a": entry(0, 4, [True])}, b"0" * 4), MalformedError),
    ("17 dimensions", S, safetensors({"a": entry(0, 4, [1] * 17)}, b"0" * 4), MalformedError),
    ("negative offset", S, safetensors({"a": entry(-4, 0, [1])}, b"0" * 4), MalformedError),
    ("offsets turned round", S, safetensors({"a": entry(4, 0, [1])}, b"0" * 4), MalformedError),
    ("outside the file", S, safetensors({"a": entry(0, 400, [100])}, b"0" * 4), MalformedError),
    ("far outside the file", S, safetensors({"a": entry(1 << 62, (1 << 62) + 4, [1])}, b"0" * 4), MalformedError),
    ("shape that wraps 64 bits", S, safetensors({"a": entry(0, 4, [1 << 32, 1 << 32])}, b"0" * 4), MalformedError),
    ("shape against offsets", S, safetensors({"a": entry(0, 4, [2])}, b"0" * 4), MalformedError),
    ("overlap", S, safetensors({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, b"0" * 12), MalformedError),
    ("one inside another", S, safetensors({"a": entry(0, 12, [3]), "b": entry(4, 8, [1])}, b"0" * 12), MalformedError),
    ("metadata with numbers", S, safetensors({"__metadata__": {"a": 1}, "a": entry(0, 4, [1])}, b"0" * 4), MalformedError),
    ("metadata is a list", S, safetensors({"__metadata__": [], "a": entry(0, 4, [1])}, b"0" * 4), MalformedError),
    ("half a surrogate in a name", S, safetensors(None, raw=b'{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', data=b"0" * 4), MalformedError),
    ("half of a byte", S, safetensors({"a": entry(0, 1, [1], "F4")}, b"0"), MalformedError),
    ("GGUF under another name", S, b"GGUF" + bytes(40), UnsupportedError),
    ("empty", G, b"", MalformedError),
    ("other magic", G, b"GGML" + bytes(100), MalformedError),
    ("only the magic", G, b"GGUF", MalformedError),
    ("version 1", G, gguf([], version=1), UnsupportedError),
    ("version 99", G, gguf([], version=99), UnsupportedError),
    ("2**60 tensors", G, gguf([], tensors=1 << 60), LimitError),
    ("2**60 metadata entries", G, gguf([], metadata=1 << 60), LimitError),
    ("more tensors than bytes", G, gguf([], tensors=1 << 19), MalformedError),
    ("string of 2**62 bytes", G, gguf([], [struct.pack("<Q", 1 << 62) + bytes(20)]), LimitError),
    ("string past the end", G, gguf([], [struct.pack("<Q", 9000) + b"x"]), MalformedError),
    ("array of 2**61 items", G, gguf([], [pair("a", 9, struct.pack("<IQ", 4, 1 << 61))]), LimitError),
    ("array that cannot fit", G, gguf([], [pair("a", 9, struct.pack("<IQ", 8, 1 << 20))]), MalformedError),
    ("array in array in array", G, gguf([], [pair("a", 9, struct.pack("<IQ", 9, 1) * 40)]), MalformedError),
    ("metadata type 77", G, gguf([], [pair("a", 77, b"")]), MalformedError),
    ("array of type 77", G, gguf([], [pair("a", 9, struct.pack("<IQ", 77, 1) + bytes(20))]), MalformedError),
    ("metadata twice", G, gguf([], [pair("a", 4, bytes(4))] * 2), MalformedError),
    ("alignment 0", G, gguf([info("t", [4], 0, 0)], [pair("general.alignment", 4, bytes(4))], bytes(64)), MalformedError),
    ("alignment 3", G, gguf([info("t", [4], 0, 0)], [pair("general.alignment", 4, struct.pack("<I", 3))], bytes(64)), MalformedError),
    ("alignment is text", G, gguf([info("t", [4], 0, 0)], [pair("general.alignment", 8, string("32"))], bytes(64)), MalformedError),
    ("nine dimensions", G, gguf([info("t", [1] * 9, 0, 0)], data=bytes(64)), MalformedError),
    ("2**32 dimensions", G, gguf([string("t") + struct.pack("<I", 0xFFFFFFFF)], data=bytes(64)), MalformedError),
    ("type 999", G, gguf([info("t", [4], 999, 0)], data=bytes(64)), UnsupportedError),
    ("rows that fit no block", G, gguf([info("t", [33], 8, 0)], data=bytes(64)), MalformedError),
    ("outside the file", G, gguf([info("t", [4096], 0, 0)], data=bytes(64)), MalformedError),
    ("offset that wraps", G, gguf([info("t", [4], 0, (1 << 64) - 32)], data=bytes(64)), MalformedError),
    ("shape that wraps", G, gguf([info("t", [1 << 33, 1 << 33], 0, 0)], data=bytes(64)), MalformedError),
    ("offset off the alignment", G, gguf([info("t", [4], 0, 7)], data=bytes(64)), MalformedError),
    ("overlap", G, gguf([info("t", [16], 0, 0), info("u", [4], 0, 32)], data=bytes(96)), MalformedError),
    ("a name twice", G, gguf([info("t", [4], 0, 0), info("t", [4], 0, 32)], data=bytes(96)), MalformedError),
    ("no tensors", G, gguf([]), UnsupportedError),
]  # fmt: skip


@pytest.mark.parametrize(("what", "name", "data", "error"), CASES, ids=[f"{n}: {w}" for w, n, _, _ in CASES])
def test_each_hostile_file_ends_in_one_sentence(
    tmp_path: Path, what: str, name: str, data: bytes, error: type[MpkError]
) -> None:
    path = write(tmp_path, name, data)
    tracemalloc.start()
    with pytest.raises(error) as caught:
        within(500_000, lambda: open_checkpoint(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert name in caught.value.diagnosis()
    assert "\n" not in caught.value.diagnosis()
    assert peak < 100 << 20


@pytest.mark.parametrize("cut", range(len(GOOD) - 1))
def test_a_safetensors_file_cut_anywhere(tmp_path: Path, cut: int) -> None:
    with pytest.raises((MalformedError, UnsupportedError)):
        open_checkpoint(write(tmp_path, S, GOOD[:cut]))


def test_a_gguf_file_cut_anywhere(tmp_path: Path) -> None:
    good = gguf([info("t", [4], 0, 0)], [pair("general.architecture", 8, string("llama"))], bytes(16))
    assert open_checkpoint(write(tmp_path, G, good)).tensors["t"].nbytes == 16
    for cut in range(len(good)):
        with pytest.raises(MalformedError):
            open_checkpoint(write(tmp_path, G, good[:cut]))


def _index(folder: Path, weight_map: object) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def _missing_shard(folder: Path) -> None:
    write(folder, "one.safetensors", GOOD)
    _index(folder, {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"})


def _index_outside(folder: Path) -> None:
    write(folder.parent, "secret.safetensors", GOOD)
    _index(folder, {"a": "../secret.safetensors"})


def _index_contradicts(folder: Path) -> None:
    write(folder, "one.safetensors", GOOD)
    _index(folder, {"a": "one.safetensors", "zz": "one.safetensors"})


def _index_nonsense(folder: Path) -> None:
    _index(folder, ["a"])


def _link_out(folder: Path) -> None:
    write(folder.parent, "secret.safetensors", GOOD)
    (folder / "model.safetensors").symlink_to(folder.parent / "secret.safetensors")


def _broken_link(folder: Path) -> None:
    (folder / "model.safetensors").symlink_to("nowhere")


def _fifo(folder: Path) -> None:
    os.mkfifo(folder / "model.safetensors")


def _several(folder: Path) -> None:
    write(folder, "x.gguf", b"")
    write(folder, "y.gguf", b"")


def _two_formats(folder: Path) -> None:
    write(folder, "x.gguf", b"")
    write(folder, "model.safetensors", GOOD)


def _nothing(folder: Path) -> None:
    write(folder, "README.md", b"hello")


def _pickle(folder: Path) -> None:
    write(folder, "pytorch_model.bin", b"\x80\x02cos\nsystem\n")


def _duplicate_across_shards(folder: Path) -> None:
    for n in (1, 2):
        write(folder, f"model-0000{n}-of-00002.safetensors", GOOD)


def _shard_gap(folder: Path) -> None:
    write(folder, "model-00001-of-00003.safetensors", GOOD)
    write(folder, "model-00003-of-00003.safetensors", safetensors({"c": entry(0, 4, [1])}, b"0000"))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (_missing_shard, MalformedError, "'two.safetensors' is missing"),
        (_index_outside, MalformedError, "outside this folder"),
        (_index_contradicts, MalformedError, "'zz'"),
        (_index_nonsense, MalformedError, "weight_map"),
        (_link_out, StorageError, "not followed"),
        (_broken_link, StorageError, "not followed"),
        (_fifo, StorageError, "not a regular file"),
        (_several, UsageError, "several models: x.gguf"),
        (_two_formats, UsageError, "several models"),
        (_nothing, UnsupportedError, "no weights here"),
        (_pickle, MalformedError, "pytorch_model.bin"),
        (_duplicate_across_shards, MalformedError, "lies in"),
        (_shard_gap, MalformedError, "shard 2 of 3 is missing"),
    ],
)
def test_hostile_folders(tmp_path: Path, make: Callable[[Path], None], error: type[MpkError], words: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    make(folder)
    with pytest.raises(error, match=words.replace("(", r"\(")):
        open_checkpoint(folder)


def test_devices_and_fifos_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.gguf")
    for path in (tmp_path / "model.gguf", Path("/dev/zero")):
        with pytest.raises(StorageError, match="not a regular file"):
            open_checkpoint(path)
    with pytest.raises(StorageError, match="No such file"):
        open_checkpoint(tmp_path / "nowhere")


def test_a_cycle_of_links_is_listed_and_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "model.safetensors", GOOD)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    kinds = {e.path: (e.kind, e.link_class) for e in open_checkpoint(tmp_path).files}
    assert kinds["loop"] == ("symlink", "inside")
    assert kinds["a"] == ("symlink", "broken")


def test_a_sparse_terabyte_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", 1 << 39))
        f.truncate(1 << 40)
    tracemalloc.start()
    with pytest.raises(LimitError):
        open_checkpoint(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20


def test_damaged_config_and_tokenizer_are_notices(tmp_path: Path) -> None:
    write(tmp_path, "model.safetensors", GOOD)
    write(tmp_path, "config.json", b'{"a":1,"a":2}')
    write(tmp_path, "tokenizer.json", b"{}")
    notices = " ".join(open_checkpoint(tmp_path).notices)
    assert "config.json was not read" in notices
    assert "tokenizer was not read" in notices
