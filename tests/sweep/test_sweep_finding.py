"""Which checkpoints lie on a drive, each once, and what was passed over."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
from toy_models import write_model

from mpk_tui.errors import StorageError
from mpk_tui.sweep import finding
from mpk_tui.sweep.finding import find


def names(drive: finding.Drive) -> dict[str, str]:
    """Checkpoints by name, each with the path that is opened, from the drive on, and the model."""
    return {f.name: f"{f.path.name}{f'|{f.model}' if f.model else ''}" for f in drive.found}


def skipped(drive: finding.Drive) -> dict[str, str]:
    return {Path(s.path).name: s.reason for s in drive.skipped}


def weights(seed: str, tmp_path: Path) -> bytes:
    return (write_model(tmp_path / f"made-{seed}", seed) / "model.safetensors").read_bytes()


def test_every_kind_of_checkpoint_is_found_once(tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    drive.mkdir()
    write_model(drive / "plain", "a")
    write_model(drive / ".hidden" / "deep" / "b", "b")
    # Without a configuration every file is one, and shards are one.
    loose = drive / "loose"
    loose.mkdir()
    (loose / "c.safetensors").write_bytes(weights("c", tmp_path))
    (loose / "d.gguf").write_bytes(b"GGUF and nothing")
    for n in (1, 2):
        (loose / f"e-0000{n}-of-00002.safetensors").write_bytes(weights(f"e{n}", tmp_path))
    # A shard alone is opened as a folder, so that its line says which are missing.
    (drive / "part").mkdir()
    (drive / "part" / "m-00001-of-00002.safetensors").write_bytes(weights("p", tmp_path))
    # Several models between which only a person could choose are all of them.
    (drive / "many").mkdir()
    (drive / "many" / "config.json").write_text("{}")
    for name in ("x.gguf", "y.gguf"):
        (drive / "many" / name).write_bytes(b"GGUF" + name.encode())
    # An adapter.
    (drive / "lora").mkdir()
    (drive / "lora" / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    (drive / "lora" / "adapter_model.safetensors").write_bytes(weights("l", tmp_path))
    # Files that do not say what they are; an archive; files that only look like weights by name.
    (drive / "holiday.mp4").write_bytes(weights("m", tmp_path).ljust(5000, b"\0"))
    (drive / "letter.txt").write_bytes(b"x" * 5000)
    (drive / "old.tar").write_bytes(b"x" * 5000)
    (drive / "firmware.bin").write_bytes(b"\1\2" * 100)
    (drive / "evil.pt").write_bytes(b"\x80\x04evil")
    (drive / "empty.gguf").write_bytes(b"")
    found = find([drive])
    assert names(found) == {
        "drive/plain": "plain", "drive/.hidden/deep/b": "b", "drive/loose/c.safetensors": "c.safetensors",
        "drive/loose/d.gguf": "d.gguf", "drive/loose/e.safetensors": "loose|e.safetensors", "drive/part": "part",
        "drive/many/x.gguf": "x.gguf", "drive/many/y.gguf": "y.gguf", "drive/lora": "lora",
        "drive/holiday.mp4": "holiday.mp4", "drive/evil.pt": "evil.pt", "drive/empty.gguf": "empty.gguf",
    }  # fmt: skip
    assert set(skipped(found)) == {"old.tar", "firmware.bin"}
    assert {p.path.name for p in finding.loose(found)} == {"old.tar", "firmware.bin"}
    assert [f.name for f in find([drive]).found] == [f.name for f in found.found]


def test_links_lead_nowhere_but_into_a_hub_cache(tmp_path: Path) -> None:
    drive = tmp_path / "drive"
    outside = write_model(tmp_path / "outside", "o")
    write_model(drive / "own", "a")
    os.link(drive / "own" / "model.safetensors", drive / "a-hard-link.safetensors")
    (drive / "folder").symlink_to(outside)
    (drive / "out.safetensors").symlink_to(outside / "model.safetensors")
    (drive / "round").symlink_to(drive)
    os.mkfifo(drive / "pipe.safetensors")
    hub = drive / "models--org--name"
    made = write_model(tmp_path / "hub", "h")
    (hub / "blobs").mkdir(parents=True)
    for n, name in enumerate(("model.safetensors", "config.json")):
        (hub / "blobs" / f"{n}").write_bytes((made / name).read_bytes())
    for revision in ("r1", "r2"):
        for place, up in (("", "../../"), ("part", "../../../")):
            folder = hub / "snapshots" / revision / place
            folder.mkdir(parents=True, exist_ok=True)
            for n, name in enumerate(("model.safetensors", "config.json")):
                (folder / name).symlink_to(f"{up}blobs/{n}")
    found = find([drive, drive / "own"])
    assert names(found) == {"drive/own": "own", "drive/models--org--name/snapshots/r1": "r1"}
    told = skipped(found)
    assert told["folder"] == told["round"] == "a link to a folder; links are not followed"
    assert told["out.safetensors"] == "a link out of its folder; links are not followed"
    assert told["pipe.safetensors"] == "no regular file"
    assert told["a-hard-link.safetensors"].startswith("the very files of drive/own")
    assert told["r2"].startswith("the very files of drive/models--org--name/snapshots/r1")
    assert finding.loose(found) == []
    # A link that a person names is meant.
    assert [f.path.name for f in find([drive / "folder"]).found] == ["folder"]


def test_a_stamp_changes_with_size_time_and_inode_of_any_file(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m", "a")
    (before,) = find([model]).found
    assert finding.again(before) == before
    os.utime(model / "config.json", ns=(1, 1))
    touched = finding.again(before).stamp
    assert touched != before.stamp
    data = (model / "config.json").read_bytes()
    (tmp_path / "other").write_bytes(data)
    os.utime(tmp_path / "other", ns=(1, 1))
    os.replace(tmp_path / "other", model / "config.json")
    assert finding.again(before).stamp != touched
    (model / "more").mkdir()
    (model / "more" / "note.txt").write_text("x")
    assert finding.again(before).size == before.size + 1


def test_what_cannot_be_looked_into_is_told_or_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        find([tmp_path / "nothing"])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StorageError, match="neither a folder nor a file"):
        find([tmp_path / "pipe"])
    deep = tmp_path / "drive"
    for _ in range(40):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "x.gguf").write_bytes(b"GGUF")
    found = find([tmp_path / "drive"])
    assert not found.found
    assert [s.reason for s in found.skipped] == ["deeper than 32 folders"]
    # An index that leads out of its folder makes a line about that folder, and reads nothing.
    evil = tmp_path / "evil"
    evil.mkdir()
    (evil / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../x.safetensors"}}))
    (evil / "b.safetensors").write_bytes(struct.pack("<Q", 1 << 60))
    assert [f.path for f in find([evil]).found] == [evil, evil / "b.safetensors"]
