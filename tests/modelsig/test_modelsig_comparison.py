"""A folder against a statement: five lists, links never followed out, and everything else that is there is named."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from modelsig.signer import resources_of, shards_of, statement_of

from mpk_tui.errors import UsageError
from mpk_tui.modelsig.comparison import Compared, compare_with
from mpk_tui.modelsig.statement import Statement, read_statement

FILES = ("config.json", "sub/weights.bin", "zero")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    root = tmp_path / "m"
    (root / "sub").mkdir(parents=True)
    (root / "config.json").write_text("{}")
    (root / "sub" / "weights.bin").write_bytes(bytes(range(250)) * 4)
    (root / "zero").touch()
    return root


def read(statement: Any) -> Statement:
    return read_statement(json.dumps(statement).encode(), "model.sig")


def signed(model: Path, *names: str, **how: Any) -> Statement:
    return read(statement_of(resources_of(model, names or FILES), **how))


def whys(found: Compared) -> dict[str, str]:
    return {e.path: e.why for e in found.extra}


def test_all_the_same(model: Path) -> None:
    found = compare_with(signed(model), model)
    assert (found.same, found.covered, found.extra) == (FILES, 3, ())
    assert dict(found.sha256)["config.json"] == hashlib.sha256(b"{}").hexdigest()


def test_blake2b(model: Path) -> None:
    statement = read(statement_of(resources_of(model, FILES, "blake2b"), hash_type="blake2b"))
    assert compare_with(statement, model).same == FILES
    (model / "config.json").write_text("[]")
    assert [n.path for n in compare_with(statement, model).changed] == ["config.json"]


def test_blake3_is_named_and_not_compared(model: Path) -> None:
    resources = [{**r, "algorithm": "blake3"} for r in resources_of(model, FILES)]
    found = compare_with(read(statement_of(resources, hash_type="blake3")), model)
    assert [n.path for n in found.not_comparable] == list(FILES)
    assert found.same == ()


def test_changed_and_missing(model: Path) -> None:
    statement = signed(model)
    (model / "config.json").write_text("[]")
    (model / "sub" / "weights.bin").unlink()
    found = compare_with(statement, model)
    assert [n.path for n in found.changed] == ["config.json"]
    assert [n.path for n in found.missing] == ["sub/weights.bin"]
    assert (found.same, found.covered) == (("zero",), 3)


def test_a_name_in_another_case_or_unicode_form(model: Path) -> None:
    (model / "Zürich").write_text("x")
    statement = signed(model, "config.json", "Zürich")
    (model / "config.json").rename(model / "Config.json")
    os.rename(model / "Zürich", model / "Zu\u0308rich")
    found = compare_with(statement, model)
    assert [n.path for n in found.missing] == ["Zürich", "config.json"]
    assert all("case or Unicode form" in n.note for n in found.missing)
    assert {"Config.json", "Zu\u0308rich"} <= {e.path for e in found.unsigned}


def test_a_folder_in_the_place_of_a_file(model: Path) -> None:
    statement = signed(model)
    (model / "zero").unlink()
    (model / "zero").mkdir()
    assert [n.note for n in compare_with(statement, model).missing] == ["a folder has this name"]
    (model / "zero" / "x").touch()
    found = compare_with(statement, model)
    assert [n.note for n in found.missing] == ["a folder has this name"]
    assert whys(found) == {"zero/x": "unsigned"}


def test_everything_that_is_there_and_not_covered_is_listed(model: Path) -> None:
    statement = signed(model, ignore_paths=[".git", "code", "./run.py", "/etc", "../x"])
    (model / ".git" / "hooks").mkdir(parents=True)
    (model / ".git" / "hooks" / "x.py").write_text("evil")
    (model / ".gitattributes").write_text("* filter=evil")
    (model / "sub" / ".gitattributes").write_text("* filter=evil")
    (model / "code").mkdir()
    (model / "code" / "modeling.py").write_text("evil")
    (model / "codec.py").write_text("evil")
    (model / "run.py").write_text("evil")
    (model / "empty").mkdir()
    (model / "link").symlink_to("/etc/passwd")
    os.mkfifo(model / "pipe")
    found = compare_with(statement, model)
    assert whys(found) == {
        ".git/hooks/x.py": "ignore-paths", ".gitattributes": "by-default", "sub/.gitattributes": "unsigned",
        "code/modeling.py": "ignore-paths", "codec.py": "unsigned", "run.py": "ignore-paths", "empty": "empty-folder",
        "link": "unsigned", "pipe": "unsigned",
    }  # fmt: skip
    assert "/etc/passwd" in next(e.note for e in found.extra if e.path == "link")
    assert any("/etc, ../x" in n for n in found.notices)


def test_ignoring_the_whole_folder_is_told(model: Path) -> None:
    statement = signed(model, ignore_paths=["."])
    (model / "x.py").write_text("evil")
    found = compare_with(statement, model)
    assert whys(found) == {"x.py": "ignore-paths"}
    assert any("whole folder" in n for n in found.notices)


def test_a_name_that_is_not_utf8_is_listed(model: Path) -> None:
    statement = signed(model)
    with open(os.fsencode(model) + b"/\xff", "wb") as f:
        f.write(b"x")
    assert whys(compare_with(statement, model)) == {"\udcff": "unsigned"}


@pytest.mark.parametrize("target", ["../outside", "config.json", "nowhere", "/dev/zero"])
def test_a_signed_file_that_became_a_link_is_not_followed(model: Path, target: str) -> None:
    statement = signed(model)
    data = (model / "sub" / "weights.bin").read_bytes()
    (model.parent / "outside").write_bytes(data)
    (model / "sub" / "weights.bin").unlink()
    (model / "sub" / "weights.bin").symlink_to(f"../{target}" if target[0] != "/" else target)
    found = compare_with(statement, model)
    assert [n.path for n in found.not_comparable] == ["sub/weights.bin"]
    assert "not followed" in found.not_comparable[0].note


def test_a_signed_file_that_became_a_pipe_is_not_opened(model: Path) -> None:
    statement = signed(model)
    (model / "zero").unlink()
    os.mkfifo(model / "zero")
    assert "not opened" in compare_with(statement, model).not_comparable[0].note


def test_a_cache_snapshot_is_read_through_its_links(model: Path, tmp_path: Path) -> None:
    statement = signed(model)
    snapshot = tmp_path / "models--x--y" / "snapshots" / "rev"
    blobs = tmp_path / "models--x--y" / "blobs"
    (snapshot / "sub").mkdir(parents=True)
    blobs.mkdir()
    for n, name in enumerate((*FILES, "model.sig")):
        (blobs / str(n)).write_bytes(b"" if name == "model.sig" else (model / name).read_bytes())
        (snapshot / name).symlink_to(os.path.relpath(blobs / str(n), (snapshot / name).parent))
    found = compare_with(statement, snapshot, snapshot / "model.sig")
    assert (found.same, found.extra) == (FILES, ())
    assert any("3 signed files are links" in n for n in found.notices)


def test_the_signature_file_itself_is_not_counted(model: Path) -> None:
    statement = signed(model)
    (model / "model.sig").write_text("x")
    (model / "other.sig").write_text("x")
    found = compare_with(statement, model, model / "model.sig")
    assert whys(found) == {"other.sig": "unsigned"}
    assert any("lies in the folder" in n for n in found.notices)
    assert whys(compare_with(statement, model, model.parent / "elsewhere.sig")) == {
        "model.sig": "unsigned", "other.sig": "unsigned",
    }  # fmt: skip


# Shards ---------------------------------------------------------------------------------------------------------------


def sharded(model: Path, size: int = 300) -> Statement:
    return read(statement_of(shards_of(model, FILES, size), method="shards", shard_size=size))


@pytest.mark.parametrize("size", [1, 7, 250, 999, 1000, 5000])
def test_shards(model: Path, size: int) -> None:
    found = compare_with(sharded(model, size), model, whole=True)
    assert found.same == ("config.json", "sub/weights.bin")
    assert whys(found) == {"zero": "empty-file"}  # no shard covers an empty file
    assert dict(found.sha256)["sub/weights.bin"] == hashlib.sha256(bytes(range(250)) * 4).hexdigest()
    assert compare_with(sharded(model, size), model).sha256 == ()


@pytest.mark.parametrize(
    ("at", "words"), [(0, "bytes 0 to 300"), (299, "0 to 300"), (300, "300 to 600"), (999, "900 to 1000")]
)
def test_a_byte_of_a_shard(model: Path, at: int, words: str) -> None:
    statement = sharded(model)
    data = bytearray((model / "sub" / "weights.bin").read_bytes())
    data[at] ^= 1
    (model / "sub" / "weights.bin").write_bytes(data)
    (changed,) = compare_with(statement, model).changed
    assert changed.path == "sub/weights.bin"
    assert "1 of 4 shards" in changed.note
    assert words in changed.note


@pytest.mark.parametrize("length", [0, 900, 999, 1001, 1300])
def test_the_size_of_a_sharded_file_counts(model: Path, length: int) -> None:
    statement = sharded(model)
    data = (model / "sub" / "weights.bin").read_bytes()
    (model / "sub" / "weights.bin").write_bytes((data * 2)[:length])
    (changed,) = compare_with(statement, model).changed
    assert f"has {length} bytes, 1000 were signed" in changed.note


# One file -------------------------------------------------------------------------------------------------------------


def test_one_file_signed_without_its_name(model: Path) -> None:
    resource = {**resources_of(model, ["config.json"])[0], "name": "."}
    statement = read(statement_of([resource]))
    assert compare_with(statement, model / "config.json").same == ("config.json",)
    assert [n.path for n in compare_with(statement, model / "zero").changed] == ["zero"]
    with pytest.raises(UsageError, match="one file without naming it"):
        compare_with(statement, model)
    (model / "link").symlink_to("config.json")
    assert compare_with(statement, model / "link").same == ("link",)


def test_one_file_out_of_a_signed_folder(model: Path) -> None:
    found = compare_with(signed(model), model / "config.json")
    assert (found.same, [n.path for n in found.missing]) == (("config.json",), ["sub/weights.bin", "zero"])
