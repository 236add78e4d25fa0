"""A folder of fingerprint files: what is usable is listed, what is not is listed with the reason, nothing is written."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mpk_tui.cli import main
from mpk_tui.errors import CancelledError, StorageError
from mpk_tui.fingerprint.hashing import TensorHash
from mpk_tui.fingerprint.record import Fingerprint, write
from mpk_tui.library import shelf
from mpk_tui.progress import CancelToken, Progress

EVIL = "\x1b[2J\u202eeno[/]"
PLAIN = Fingerprint(
    "mpk-tui 0", "safetensors", "llama", "transformer-lm", (),
    (TensorHash("a.weight", "F32", (2, 3), 24, bytes(32)), TensorHash("b.weight", "F32", (4,), 16, bytes(32))),
    {"layers": 2}, {}, {}, {}, ("odd",),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good files, one of them in a folder, and everything that can be wrong with one."""
    at = tmp_path / "shelf"
    (at / "more").mkdir(parents=True)
    write(at / "one.mpkf", PLAIN)
    write(at / "more" / f"two{EVIL.replace('/', '')}.mpkf", replace(PLAIN, config={"layers": {"no": "number"}}))
    (at / "torn.mpkf").write_bytes(PLAIN.to_bytes()[:-3])
    (at / "link.mpkf").symlink_to(at / "one.mpkf")
    (at / "away").symlink_to(tmp_path)
    os.mkfifo(at / "pipe.mpkf")
    (at / "deep.mpkf").write_bytes(
        replace(PLAIN, tensors=(TensorHash("t", "F32", (3,) * 65, 4, bytes(32)),)).to_bytes()
    )
    (at / "notes.txt").write_text("no fingerprint")
    return at


def test_every_file_is_listed_with_its_facts_or_the_reason(folder: Path) -> None:
    before = {p: p.lstat().st_mtime_ns for p in folder.rglob("*")}
    told: list[Progress] = []
    found = shelf.look(folder, told.append)
    rows = {r.name: r for r in found.rows}
    assert list(rows) == sorted(rows)
    one = rows["one"]
    assert (one.format, one.family, one.parameters, one.layers, one.tensors) == ("safetensors", "llama", 10, 2, 2)
    assert (one.root, one.fingerprint) == (PLAIN.root.hex(), PLAIN.digest.hex())
    assert (one.size, one.notices, one.fault) == (len(PLAIN.to_bytes()), 1, "")
    assert rows[f"more/two{EVIL.replace('/', '')}"].layers is None
    faults = {n: r.fault for n, r in rows.items() if r.fault}
    assert faults.keys() == {"torn", "link", "pipe", "deep"}
    assert all(str(folder / f"{n}.mpkf") in fault for n, fault in faults.items())
    assert "dimensions" in faults["deep"]
    assert told[-1].done == told[-1].total > 0
    assert {p: p.lstat().st_mtime_ns for p in folder.rglob("*")} == before


def test_a_folder_that_is_not_there_is_empty_and_a_file_is_refused(tmp_path: Path) -> None:
    assert shelf.look(tmp_path / "none").rows == ()
    assert shelf.look(tmp_path / "none").notices != ()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="not a folder"):
        shelf.look(tmp_path / "file")


def test_reading_stops_on_request(folder: Path) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(CancelledError):
        shelf.look(folder, cancel=token)


def test_depth_and_number_are_bounded_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path.joinpath(*"abcdef")
    deep.mkdir(parents=True)
    write(deep / "far.mpkf", PLAIN)
    found = shelf.look(tmp_path)
    assert found.rows == ()
    assert any("too deep" in n for n in found.notices)
    monkeypatch.setattr(shelf, "MOST_FILES", 2)
    for n in range(3):
        write(tmp_path / f"{n}.mpkf", PLAIN)
    found = shelf.look(tmp_path)
    assert [r.name for r in found.rows] == ["0", "1"]
    assert any("first 2" in n for n in found.notices)


def test_the_default_folder_is_in_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert shelf.default_folder() == tmp_path / "mpk-tui" / "library"


def listed(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = main(["library", "list", *args])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_command_lists_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = listed(capsys, str(folder))
    assert code == 0
    assert PLAIN.root.hex() in out
    assert "cannot be used" in out
    assert "2 usable, 4 not" in err
    assert not {"\x1b", "\u202e"} & set(out + err)
    code, out, _ = listed(capsys, str(folder), "--json")
    record: dict[str, Any] = json.loads(out)
    assert (record["schema"], record["catalogue"], record["entries"]) == ("mpk-tui/library/2", False, [])
    assert record["files"] == [row.as_record() for row in shelf.look(folder).rows]


def test_the_command_says_how_to_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    code, out, err = listed(capsys)
    assert (code, out) == (0, "")
    assert "mpk-tui library add PATH" in err
    assert not (tmp_path / "mpk-tui").exists()
