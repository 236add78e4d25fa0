"""The file of a sweep: appended whole, repaired at its end, and nobody else's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mpk_tui.errors import MalformedError, MpkError, StorageError
from mpk_tui.sweep import lines


def line(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "schema": lines.SCHEMA, "name": name, "path": f"/d/{name}", "model": "", "state": "error", "stamp": "0" * 64,
        "size": 1, "at": 1, "tool": "t", "measured": None, "scan": None, "error": {"diagnosis": "x"}, **fields,
    }  # fmt: skip


def test_lines_are_kept_and_the_last_about_a_checkpoint_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with lines.Writer(path) as writer:
        assert writer.sheet.lines == ()
        for made in (line("a"), line("lat\udce9in"), line("a", size=2)):
            writer.append(made)
        with pytest.raises(StorageError, match="another sweep writes this file"):
            lines.Writer(path)
    assert path.read_bytes().isascii()
    latest = lines.latest(lines.read(path).lines)
    assert [(x["name"], x["size"]) for x in latest.values()] == [("a", 2), ("lat\udce9in", 1)]


@pytest.mark.parametrize("cut", [1, 10, 40, 200])
def test_a_line_that_was_cut_short_is_taken_off_and_told(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.jsonl"
    whole = lines.encode(line("a"))
    path.write_bytes(whole + lines.encode(line("b"))[:cut])
    with pytest.raises(MalformedError, match="cut short"):
        lines.read(path, whole=True)
    with lines.Writer(path) as writer:
        assert (writer.repaired, len(writer.sheet.lines)) == (cut, 1)
        writer.append(line("c"))
    assert [x["name"] for x in lines.read(path, whole=True).lines] == ["a", "c"]


@pytest.mark.parametrize(
    "data",
    [b"hello", b"hello\n", b"[]\n", b"{}\n", b"\0" * 10, lines.encode(line("a"))[1:], b"[" * 100_000 + b"\n",
     *(json.dumps({**line("a"), **wrong}).encode() + b"\n" for wrong in (
         {"schema": "x"}, {"name": 1}, {"size": -1}, {"size": True}, {"state": "?"}, {"state": "done"},
         {"scan": []}, {"error": "x"}, {"state": "done", "measured": {"fingerprint": "zz", "root": "zz"}}))],
)  # fmt: skip
def test_a_file_of_somebody_else_is_left_as_it_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "theirs"
    path.write_bytes(data)
    with pytest.raises(MalformedError):
        lines.Writer(path)
    assert path.read_bytes() == data


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(MpkError):
            lines.Writer(tmp_path / name)
    assert not (tmp_path / "target").exists()
