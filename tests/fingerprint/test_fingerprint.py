"""Fingerprints: right digests, the same bytes on every run, one sentence for every fault, nothing half-written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import ml_arrays as ml
import numpy as np
import pytest

import mpk_tui.demo
from mpk_tui import canonical
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.checkpoint.reading import Source
from mpk_tui.cli import main
from mpk_tui.errors import CancelledError, LimitError, MalformedError, StorageError, UnstableFileError, UnsupportedError
from mpk_tui.fingerprint import hashing, record
from mpk_tui.fingerprint.build import fingerprint
from mpk_tui.fingerprint.hashing import hash_checkpoint, tensor_root
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.progress import CancelToken, Progress

BASE = Path(mpk_tui.demo.__file__).parent / "base"
RNG = np.random.default_rng(0)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Three shards with tensors of awkward sizes, an index and a README."""
    folder = tmp_path / "model"
    folder.mkdir()
    weight_map = {}
    for n, sizes in enumerate(([1, 7, 100_003], [0, 65_536], [31])):
        tensors = {f"t{n}.{k}": RNG.standard_normal(size).astype(np.float32) for k, size in enumerate(sizes)}
        file = f"model-0000{n + 1}-of-00003.safetensors"
        ml.save(folder / file, tensors, "F32")
        weight_map |= dict.fromkeys(tensors, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (folder / "README.md").write_text("hello")
    (folder / "empty").mkdir()
    (folder / "zero").write_bytes(b"")
    return folder


@pytest.mark.parametrize("chunk", [1 << 22, 4096, 1000])
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_digests_are_those_of_hashlib(shards: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, threads: int) -> None:
    monkeypatch.setattr(hashing, "CHUNK", chunk)
    checkpoint = open_checkpoint(shards)
    hashes = hash_checkpoint(checkpoint, threads=threads)
    by_path = {f.path: f for f in hashes.files}
    assert by_path["empty"].kind == "dir"
    for path, found in by_path.items():
        if found.kind == "file":
            assert found.sha256 == hashlib.sha256((shards / path).read_bytes()).digest(), path
    assert [t.name for t in hashes.tensors] == sorted(checkpoint.tensors)
    for found in hashes.tensors:
        t = checkpoint.tensors[found.name]
        raw = (shards / t.file).read_bytes()[t.offset : t.offset + t.nbytes]
        assert found.sha256 == hashlib.sha256(raw).digest(), found.name


def test_the_root_does_not_know_files(shards: Path, tmp_path: Path) -> None:
    tensors: dict[str, np.ndarray] = {}
    for file in shards.glob("*.safetensors"):
        tensors |= ml.load(file)
    ml.save(tmp_path / "one.safetensors", tensors, "F32")
    roots = [tensor_root(hash_checkpoint(open_checkpoint(p)).tensors) for p in (shards, tmp_path / "one.safetensors")]
    assert roots[0] == roots[1]


def test_the_same_bytes_on_every_run_and_round_trip(tmp_path: Path) -> None:
    first, second = fingerprint(BASE), fingerprint(BASE, threads=1)
    assert first.to_bytes() == second.to_bytes()
    shutil.copytree(BASE, tmp_path / "elsewhere")
    assert fingerprint(tmp_path / "elsewhere").to_bytes() == first.to_bytes()
    again = Fingerprint.from_bytes(first.to_bytes())
    assert again.to_bytes() == first.to_bytes()
    assert again.root == first.root
    assert str(tmp_path).encode() not in first.to_bytes()
    assert len(first.to_bytes()) < 3_000_000


def test_names_and_facts_that_are_no_utf_8_are_spelled_and_refuse_nothing(tmp_path: Path) -> None:
    model = shutil.copytree(BASE, tmp_path / "model")
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "_name_or_path": "half \ud83d"}))
    Path(os.fsdecode(os.fsencode(model) + b"/\xff\x9b31m.bin")).write_bytes(b"x")
    made = fingerprint(model)
    read = Fingerprint.from_bytes(made.to_bytes())
    assert read.to_bytes() == made.to_bytes()
    assert os.fsdecode(b"\xff\x9b31m.bin") in [f.path for f in read.files]
    json.dumps(read.summary()).encode("utf-8")
    assert not any("\ud800" <= c <= "\udfff" for c in "".join(read.notices))


def test_facts_and_features_are_there() -> None:
    made = fingerprint(BASE)
    assert (made.family, made.scope, made.config["layers"], made.tokenizer["kind"]) == (
        "llama",
        "transformer-lm",
        4,
        "bpe",
    )
    assert set(made.features) == {"ffn.aligned", "ffn.anchored", "residual.embeddings", "retention"}
    assert made.features["ffn.aligned"].shape == (4, 256, 64)
    assert made.parameters == 885_888


def test_progress_ends_at_the_total_and_cancelling_stops(shards: Path) -> None:
    seen: list[Progress] = []
    hash_checkpoint(open_checkpoint(shards), seen.append)
    assert seen[-1].done == seen[-1].total == sum(p.stat().st_size for p in shards.iterdir() if p.is_file())
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        fingerprint(shards, cancel=token)


def test_a_file_that_grows_between_listing_and_reading(shards: Path) -> None:
    checkpoint = open_checkpoint(shards)
    with open(shards / "README.md", "a") as f:
        f.write("more")
    with pytest.raises(UnstableFileError, match=r"README\.md"):
        hash_checkpoint(checkpoint)


@pytest.mark.parametrize("how", ["truncate", "rewrite"])
def test_a_file_that_changes_while_it_is_hashed(shards: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(hashing, "CHUNK", 4096)
    target = shards / "model-00001-of-00003.safetensors"
    real = Source.read_into
    done = []

    def meddle(self: Source, view: memoryview, at: int) -> None:
        real(self, view, at)
        if self.where == target.name and at > 50_000 and not done:
            done.append(at)
            if how == "truncate":
                os.truncate(target, 60_000)
            else:
                with open(target, "r+b") as f:
                    f.seek(9)
                    f.write(b" ")

    checkpoint = open_checkpoint(shards)
    monkeypatch.setattr(Source, "read_into", meddle)
    with pytest.raises(UnstableFileError, match="model-00001-of-00003"):
        hash_checkpoint(checkpoint)
    assert done


def _edited(change: object) -> bytes:
    value = canonical.decode(fingerprint(BASE).to_bytes())
    change(value)  # type: ignore[operator]
    return canonical.encode(value)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda v: v.__setitem__(0, "MPKF9"), UnsupportedError),
        (lambda v: v.__setitem__(0, "HELLO"), MalformedError),
        (lambda v: v[1].__setitem__("v", [2, 0]), UnsupportedError),
        (lambda v: v[1].pop("tensors"), MalformedError),
        (lambda v: v[1].__setitem__("tensors", {}), MalformedError),
        (lambda v: v[1]["tensors"][0].__setitem__(4, b"short"), MalformedError),
        (lambda v: v[1]["tensors"][0].__setitem__(3, True), MalformedError),
        (lambda v: v[1]["tensors"][0].__setitem__(0, "renamed"), MalformedError),
        (lambda v: v[1]["tensors"].pop(), MalformedError),
        (lambda v: v[1].__setitem__("root", bytes(32)), MalformedError),
        (lambda v: v[1]["features"][0].__setitem__("shape", [4, 256, 65]), MalformedError),
        (lambda v: v[1]["features"][0].__setitem__("shape", [2**62] * 65), LimitError),
        (lambda v: v[1]["features"][0].__setitem__("dtype", "O"), MalformedError),
        (lambda v: v[1]["features"][0].pop("data"), MalformedError),
        (lambda v: v[1].__setitem__("metadata", [["f", [["k"]]]]), MalformedError),
        (lambda v: v.append(1), MalformedError),
    ],
)
def test_hostile_fingerprint_files(change: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        Fingerprint.from_bytes(_edited(change))


def test_a_fingerprint_file_cut_or_flipped_is_never_taken_for_another_model(tmp_path: Path) -> None:
    good = fingerprint(BASE).to_bytes()
    for at in range(0, 3000, 97):
        with pytest.raises(MalformedError):
            Fingerprint.from_bytes(good[:at])
    (tmp_path / "x.mpkf").write_bytes(b"")
    with pytest.raises(MalformedError):
        record.read(tmp_path / "x.mpkf")
    with pytest.raises(StorageError):
        record.read(tmp_path)


def test_a_huge_fingerprint_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "x.mpkf"
    path.write_bytes(b"\x92\xa5MPKF1")
    os.truncate(path, 1 << 40)
    with pytest.raises(LimitError):
        record.read(path)


def test_the_command_prints_json_and_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "base.mpkf"
    assert main(["fingerprint", str(BASE), "-o", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["schema"] == "mpk-tui/fingerprint/1"
    assert len(printed["tensors"]) == printed["tensor_count"] == 39
    assert hashlib.sha256(out.read_bytes()).hexdigest() == printed["fingerprint"]
    assert main(["fingerprint", str(BASE), "--json", "--brief"]) == 0
    assert "tensors" not in json.loads(capsys.readouterr().out)


def test_a_target_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    for target in (
        Path("/proc/x.mpkf"),
        Path("/proc/nothing/x.mpkf"),
        tmp_path / "missing" / "x.mpkf",
        tmp_path / "link",
    ):
        assert main(["fingerprint", str(BASE), "-o", str(target)]) == 40
        assert str(target) in capsys.readouterr().err
    assert not (tmp_path / "victim").exists()


def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.mpkf"
    out.write_bytes(b"what was there before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["fingerprint", str(BASE), "-o", str(out)]) == 40
    assert "No space left" in capsys.readouterr().err
    assert out.read_bytes() == b"what was there before"
    assert [p.name for p in tmp_path.iterdir()] == ["x.mpkf"]


def test_names_with_escape_sequences_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202egnp"
    ml.save(tmp_path / "m.safetensors", {evil: RNG.standard_normal((4, 4)).astype(np.float32)}, "F32")
    ml.save(tmp_path / "n.safetensors", {evil: RNG.standard_normal((4, 4)).astype(np.float32)}, "F32")
    for args in (
        ["fingerprint", "m.safetensors"],
        ["compare", "m.safetensors", "n.safetensors"],
        ["fingerprint", "m.safetensors", "--json"],
    ):
        assert main([args[0], *(str(tmp_path / a) if not a.startswith("-") else a for a in args[1:])]) == 0
        captured = capsys.readouterr()
        assert "\x1b" not in captured.out + captured.err
        assert "\u202e" not in captured.out + captured.err


def test_memory_does_not_grow_with_the_checkpoint(tmp_path: Path) -> None:
    """Peak resident memory over a sparse 1 GB file stays near that over a small one."""
    path = tmp_path / "big.safetensors"
    size = 1 << 30
    header = json.dumps(
        {
            f"t{i}": {"dtype": "U8", "shape": [size // 8], "data_offsets": [i * size // 8, (i + 1) * size // 8]}
            for i in range(8)
        }
    ).encode()
    with open(path, "wb") as f:
        f.write(len(header).to_bytes(8, "little") + header)
        f.truncate(8 + len(header) + size)
    # Not ru_maxrss: Linux hands the peak of the process that started it on to a new program.
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom mpk_tui.cli import main\n"
        "code = main(['fingerprint', sys.argv[1], '--json', '--brief'])\n"
        "status = Path('/proc/self/status')\n"
        "peak = int(status.read_text().split('VmHWM:')[1].split()[0]) // 1024 if status.exists() else "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\n"
        "print(peak, file=sys.stderr)\nsys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stderr.split()[-1]) < 400
