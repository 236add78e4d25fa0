"""Archives and forms that are not decoded are listed, hashed and said to be so; never silence, never a finding."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from makers import GOOD, entry, safetensors
from torch_files import Storage, Tensor, zipped

from mpk_tui.checkpoint.arrays import WeightReader
from mpk_tui.checkpoint.containers import look
from mpk_tui.checkpoint.model import Part
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.checkpoint.reading import Source
from mpk_tui.errors import LimitError, MalformedError, MpkError, UsageError
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.lineage.compare import compare


def tar(members: dict[str, bytes], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def torch_file() -> bytes:
    storage = Storage("0", np.arange(12, dtype=np.float32))
    return zipped({"w": Tensor(storage, (3, 4))}, [storage])


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("name", ["./model_weights.ckpt", "a/" * 70 + "model_weights.ckpt"])
def test_weights_that_lie_plain_in_an_archive_are_read_there(tmp_path: Path, form: int, name: str) -> None:
    path = tmp_path / "m.nemo"
    path.write_bytes(tar({"./model_config.yaml": b"a: 1\n", name: torch_file()}, form=form))
    for named in (path, tmp_path):
        checkpoint = open_checkpoint(named)
        assert checkpoint.format == "pytorch"
        assert not checkpoint.undecoded
        with WeightReader(checkpoint) as reader:
            assert np.array_equal(reader.whole(Part("w")), np.arange(12, dtype=np.float32).reshape(3, 4))
    assert any(name in n for n in checkpoint.notices)
    assert fingerprint(path).tensors[0].nbytes == 48


UNDECODED: dict[str, tuple[str, bytes, str]] = {
    "keras": ("tf_model.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "no reader for HDF5"),
    "flax": ("flax_model.msgpack", b"\x81\xa1a\x01" + bytes(100), "no reader for Flax"),
    "lite": ("model.tflite", b"\x1c\0\0\0TFL3" + bytes(100), "flat buffers"),
    "compressed": ("m.nemo", gzip.compress(tar({"a.ckpt": torch_file()})), "compressed as one stream"),
    "pickle": ("model.pkl", b"cos\nsystem\n(S'true'\ntR.", "a program; it is hashed and not run"),
    "several": ("m.tar", tar({"a.safetensors": GOOD, "b.safetensors": GOOD}), "2 files of weights"),
    "none": ("m.tar", tar({"readme": b"x"}), "no file of weights that is known among 1 members"),
    "broken": ("m.tar", tar({"a.ckpt": torch_file()[:-30]}), "not a whole zip archive"),
    "hostile": ("m.tar", tar({"a.safetensors": safetensors({"a": entry(0, 99, [2])}, bytes(8))}), "a.safetensors"),
    "ggml": ("old.bin", b"tjgg" + bytes(100), "given up in 2023"),
    "llamafile": ("m.llamafile", b"MZqFpD" + bytes(100), "not run and not taken apart"),
}


@pytest.mark.parametrize("case", UNDECODED)
def test_what_is_not_decoded_is_hashed_and_says_why(tmp_path: Path, case: str) -> None:
    name, data, why = UNDECODED[case]
    (tmp_path / name).write_bytes(data)
    made = fingerprint(tmp_path)
    assert why in made.undecoded
    assert name in made.undecoded
    assert made.tensors == ()
    assert made.files[0].sha256 is not None
    assert any(why in n for n in made.notices)


def test_a_zip_archive_is_listed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../etc/passwd", "x" * 5000)
    checkpoint = open_checkpoint(tmp_path)
    assert "unpack it" in checkpoint.undecoded
    assert checkpoint.metadata["a.zip"]["member.00001"] == "../../etc/passwd, 5000 bytes"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.zip"]


def test_equal_files_that_nobody_looked_into_are_no_finding(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tf_model.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(9000))
    record = compare(tmp_path / "a", tmp_path / "b")
    assert record["finding"] == "not-comparable"
    assert "Equal byte for byte all the same: tf_model.h5" in record["sentence"]
    assert not [c for c in record["proposal"]["conditions"].values() if c["answer"] == "met"]


def test_slices_of_a_model_are_not_taken_for_models(tmp_path: Path) -> None:
    for i in range(2):
        (tmp_path / f"consolidated.0{i}.pth").write_bytes(torch_file())
    checkpoint = open_checkpoint(tmp_path)
    assert "slices of every matrix" in checkpoint.undecoded
    assert len(checkpoint.weights) == 2


def meta(folder: Path, seed: int) -> dict[str, np.ndarray]:
    """A small model under the names of Meta's releases, in ``consolidated.00.pth``, and its matrices of queries."""
    g = np.random.Generator(np.random.PCG64(seed))
    shapes = {"tok_embeddings.weight": (50, 16), "norm.weight": (16,), "output.weight": (50, 16)}
    for i in range(2):
        at = f"layers.{i}."
        shapes |= {at + f"attention.{w}.weight": (16 if w in ("wq", "wo") else 8, 16) for w in ("wq", "wk", "wv", "wo")}
        shapes |= {at + "feed_forward.w1.weight": (24, 16), at + "feed_forward.w2.weight": (16, 24)}
        shapes |= {at + "feed_forward.w3.weight": (24, 16), at + "attention_norm.weight": (16,)}
        shapes |= {at + "ffn_norm.weight": (16,)}
    values = {n: g.normal(size=s).astype(np.float32) for n, s in shapes.items()}
    storages = {n: Storage(str(i), v.reshape(-1)) for i, (n, v) in enumerate(values.items())}
    folder.mkdir()
    data = zipped({n: Tensor(storages[n], shapes[n]) for n in values}, list(storages.values()))
    (folder / "consolidated.00.pth").write_bytes(data)
    (folder / "params.json").write_text('{"dim": 16, "n_layers": 2, "n_heads": 4, "n_kv_heads": 2, "vocab_size": 50}')
    return values


def test_a_release_of_meta_has_roles_and_its_rows_of_queries_lie_as_transformers_has_them(tmp_path: Path) -> None:
    values = meta(tmp_path / "m", 3)
    checkpoint = open_checkpoint(tmp_path / "m")
    assert (checkpoint.architecture.family, checkpoint.architecture.layers) == ("llama", 2)
    assert checkpoint.architecture.unassigned == ()
    with WeightReader(checkpoint) as reader:
        found = reader.whole(checkpoint.architecture.roles["attn.q", 1])
    # transformers, convert_llama_weights_to_hf.py: view(heads, head_dim // 2, 2, width), the middle axes exchanged.
    expected = values["layers.1.attention.wq.weight"].reshape(4, 2, 2, 16).swapaxes(1, 2).reshape(16, 16)
    assert np.array_equal(found, expected)


def headers() -> dict[str, tuple[bytes, type[MpkError], str]]:
    good = bytearray(tar({"a.ckpt": torch_file()}, form=tarfile.USTAR_FORMAT))

    def changed(at: int, value: bytes, *, fix: bool = True) -> bytes:
        out = bytearray(good)
        out[at : at + len(value)] = value
        if fix:
            out[148:156] = b" " * 8
            out[148:156] = f"{sum(out[:512]):06o}\0 ".encode()
        return bytes(out)

    return {
        "checksum": (changed(0, b"z", fix=False), MalformedError, "checksum of a tar header is wrong"),
        "size beyond the file": (changed(124, b"77777777777\0"), MalformedError, "in a file of"),
        "size in base 256": (changed(124, b"\xff" * 12), MalformedError, "a size of"),
        "size no number": (changed(124, b"99999999999\0"), MalformedError, "no octal number"),
    }


@pytest.mark.parametrize("case", ["checksum", "size beyond the file", "size in base 256", "size no number"])
def test_broken_headers_are_refused_at_their_place(tmp_path: Path, case: str) -> None:
    data, kind, says = headers()[case]
    path = tmp_path / "m.tar"
    path.write_bytes(data)
    with pytest.raises(kind, match=says) as caught:
        open_checkpoint(path)
    assert "byte 0" in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"9999 path=x\n", b"x path=1\n", b"3 p", b"12 path=abcde", b"0 path=x\n", b"1 path=x\n"]
)
def test_extended_headers_that_lie(tmp_path: Path, body: bytes) -> None:
    data = bytearray(tar({"x" * 10: body}, form=tarfile.USTAR_FORMAT))
    data[156:157] = b"x"
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    path = tmp_path / "m.tar"
    path.write_bytes(bytes(data))
    with pytest.raises(MalformedError, match="extended header"):
        open_checkpoint(path)


def test_an_archive_of_very_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mpk_tui.checkpoint.containers.MAX_MEMBERS", 20)
    path = tmp_path / "m.tar"
    path.write_bytes(tar({f"f{i}": b"" for i in range(25)}))
    with pytest.raises(LimitError, match="more than 20 members"):
        open_checkpoint(path)


def test_archives_with_random_damage_are_refused_or_listed(tmp_path: Path) -> None:
    data = tar({"a/b": b"x" * 600, "w.ckpt": torch_file(), "é" * 120: b"y"})
    g = np.random.Generator(np.random.PCG64(0))
    path = tmp_path / "m.tar"
    refused = 0
    for _ in range(300):
        broken = bytearray(data[: int(g.integers(1, len(data)))] if g.random() < 0.3 else data)
        for at in g.integers(0, len(broken), 4):
            broken[at] = g.integers(0, 256)
        path.write_bytes(bytes(broken))
        try:
            with Source(path) as source:
                look(source, "m.tar")
        except MpkError:
            refused += 1
    assert refused > 20


def twins(folder: Path, change: Callable[[dict[str, np.ndarray]], None] | None = None, dtype: str = "F32") -> Path:
    """A folder with safetensors and a ``.bin`` whose matrices lie column by column, as PyTorch saves turned views."""
    folder.mkdir()
    g = np.random.Generator(np.random.PCG64(1))
    values = {n: g.normal(size=(8, 6)).astype(np.float32) for n in ("a", "b", "c")}
    kinds = {"F32": np.float32, "F16": np.float16}
    header, data, at = {}, b"", 0
    for name, value in values.items():
        raw = value.astype(kinds[dtype]).tobytes()
        header[name] = entry(at, at + len(raw), [8, 6], dtype)
        data, at = data + raw, at + len(raw)
    (folder / "model.safetensors").write_bytes(safetensors(header, data))
    if change is not None:
        change(values)
    storages = {n: Storage(str(i), np.ascontiguousarray(v.T).reshape(-1)) for i, (n, v) in enumerate(values.items())}
    state = {n: Tensor(storages[n], (8, 6), stride=(1, 8)) for n in values}
    (folder / "pytorch_model.bin").write_bytes(zipped(state, list(storages.values())))
    return folder


@pytest.mark.parametrize("dtype", ["F32", "F16"])
def test_a_second_copy_that_agrees(tmp_path: Path, dtype: str) -> None:
    made = fingerprint(twins(tmp_path / "m", dtype=dtype))
    (twin,) = made.config["twins"]
    assert (twin["agrees"], twin["converted"], twin["differ"]) == (True, 3, 0)
    assert any("pytorch_model.bin agrees with the weights that were read" in n for n in made.notices)
    assert len(made.tensors) == 3


def change_one(values: dict[str, np.ndarray]) -> None:
    values["b"][3, 2] += 1


def leave_one_out(values: dict[str, np.ndarray]) -> None:
    del values["c"]


def add_one(values: dict[str, np.ndarray]) -> None:
    values["hidden"] = np.ones((8, 6), np.float32)


@pytest.mark.parametrize(
    ("change", "agrees", "said"),
    [(change_one, False, "1 differ (b)"), (leave_one_out, True, "1 not there (c)"), (add_one, False, "1 only there (hidden)")],
)  # fmt: skip
def test_a_second_copy_that_is_none(
    tmp_path: Path, change: Callable[[dict[str, np.ndarray]], None], agrees: bool, said: str
) -> None:
    made = fingerprint(twins(tmp_path / "m", change))
    (twin,) = made.config["twins"]
    assert twin["agrees"] is agrees
    assert any(said in n for n in made.notices)
    assert any("is NOT a copy" in n for n in made.notices) is not agrees


def test_a_second_copy_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder = twins(tmp_path / "m")
    (folder / "pytorch_model.bin").write_bytes(b"not a checkpoint at all")
    made = fingerprint(folder)
    assert "twins" not in made.config
    assert any("pytorch_model.bin was not held against the model" in n for n in made.notices)


def test_a_lone_archive_beside_others_is_chosen_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.nemo").write_bytes(tar({"w.ckpt": torch_file()}))
    (tmp_path / "b.nemo").write_bytes(tar({"w.ckpt": torch_file()}))
    with pytest.raises(UsageError, match=r"several models: a\.nemo"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("prefix", ["inner.", "module.", "_orig_mod.model."])
def test_names_from_within_another_module_are_read_without_its_name(tmp_path: Path, prefix: str) -> None:
    meta(tmp_path / "m", 4)
    plain = open_checkpoint(tmp_path / "m")
    with WeightReader(plain) as reader:
        values = {n: reader.whole(Part(n)) for n in plain.tensors}
    header, data = {}, b""
    for name, value in values.items():
        header[prefix + name] = entry(len(data), len(data) + value.nbytes, list(value.shape))
        data += value.tobytes()
    (tmp_path / "model.safetensors").write_bytes(safetensors(header, data))
    wrapped = open_checkpoint(tmp_path / "model.safetensors").architecture
    assert wrapped.family == "llama"
    assert {k: p.tensor for k, p in wrapped.roles.items()} == {
        k: prefix + p.tensor for k, p in plain.architecture.roles.items()
    }
