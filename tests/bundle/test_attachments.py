"""Attachments: written under their ids into an empty folder, never by the names that a stranger gave them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import workshop as w
from keyfiles import key_files
from workshop import ANNA, BERT, sha

from mpk_tui.bundle.later import attachments
from mpk_tui.bundle.later.attachments import Attachment
from mpk_tui.bundle.outcome import Word
from mpk_tui.bundle.verify import Expected
from mpk_tui.cli import main
from mpk_tui.errors import LimitError, StorageError, UsageError
from mpk_tui.hashtree import sha256

SCHEMAS = Path(__file__).parents[2] / "schemas"
NAMES = [
    "C:\\Windows\\system32",
    "..",
    "../../etc/passwd",
    "CON",
    "x" * 300,
    "/etc/passwd",
    "a\0b",
    "\x1b[2J\u202e",
    ".",
    "",
]


def documents() -> dict[str, Any]:
    rows = [
        {"id": f"doc.{n}", "name": name, "media_type": "application/zip", "sha256": sha(f"text {n}"),
         "size": len(f"text {n}"), "supplied_by": "Anna", "supplied_at": None, "relation": "evidence"}
        for n, name in enumerate(NAMES)
    ]  # fmt: skip
    return {"docs": rows, **{f"doc__{n}": f"text {n}".encode() for n in range(len(NAMES))}}


ONE = w.sealed(w.contents(**documents()))


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    (tmp_path / "good.mpkb").write_bytes(ONE.to_bytes())
    return key_files(tmp_path, anna=ANNA, bert=BERT)


def extract(bench: Path, to: Path, *more: str, bundle: str = "good.mpkb", key: str = "anna.pub.pem") -> int:
    return main(["bundle", "extract", str(bench / bundle), "--to", str(to), "--key", str(bench / key), *more])


def test_137_names_are_never_paths(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = bench / "out"
    assert extract(bench, out) == 0
    assert sorted(os.listdir(out)) == sorted(f"doc.{n}" for n in range(len(NAMES)))
    for n in range(len(NAMES)):
        assert (out / f"doc.{n}").read_bytes() == f"text {n}".encode()
        assert stat.S_IMODE((out / f"doc.{n}").stat().st_mode) == 0o600
    assert stat.S_IMODE(out.stat().st_mode) == 0o700
    said = capsys.readouterr().out
    assert "\\x1b[2J" in said
    assert not {"\x1b", "\u202e", "\0"} & set(said)
    assert sha("text 3").hex() in said
    assert {p.name for p in bench.iterdir()} == {
        "good.mpkb",
        "anna.pem",
        "anna.pub.pem",
        "bert.pem",
        "bert.pub.pem",
        "out",
    }


def test_some_and_as_json(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert extract(bench, bench / "out", "--doc", "doc.2", "--doc", "doc.2", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    jsonschema.validate(told, json.loads((SCHEMAS / "extract-1.json").read_text()))
    assert [(r["id"], r["name"]) for r in told["written"]] == [("doc.2", NAMES[2])]
    assert os.listdir(bench / "out") == ["doc.2"]


@pytest.mark.parametrize("name", ["doc.99", "notes", "../x"])
def test_what_is_no_attachment(name: str, bench: Path) -> None:
    assert extract(bench, bench / "out", "--doc", name) == 2
    assert not (bench / "out").exists()


@pytest.mark.parametrize(
    "kind", ["link", "link to an empty folder", "file", "not empty", "fifo", "no parent", "dangling link"]
)
def test_139_only_a_new_or_empty_folder(kind: str, bench: Path) -> None:
    out, elsewhere = bench / "out", bench / "elsewhere"
    elsewhere.mkdir()
    if kind.startswith("link"):
        if kind == "link":
            (elsewhere / "x").write_text("x")
        out.symlink_to(elsewhere)
    elif kind == "dangling link":
        out.symlink_to(bench / "nowhere")
    elif kind == "file":
        out.write_text("x")
    elif kind == "not empty":
        out.mkdir()
        (out / ".hidden").write_text("x")
    elif kind == "fifo":
        os.mkfifo(out)
    else:
        out = bench / "no" / "parent"
    before = sorted(os.listdir(elsewhere))
    assert extract(bench, out) == 40
    assert sorted(os.listdir(elsewhere)) == before
    assert not (bench / "nowhere").exists()
    if kind == "not empty":
        assert os.listdir(out) == [".hidden"]


def test_an_empty_folder_will_do(bench: Path) -> None:
    (bench / "out").mkdir()
    assert extract(bench, bench / "out", "--doc", "doc.0") == 0


def test_what_may_not_be_shown_is_not_written(bench: Path) -> None:
    assert extract(bench, bench / "out", key="bert.pub.pem") == 11
    assert not (bench / "out").exists()
    (bench / "bad.mpkb").write_bytes(w.with_blob(ONE, "doc.0", data=b"text X").to_bytes())
    assert extract(bench, bench / "out", bundle="bad.mpkb") == 20
    assert not (bench / "out").exists()


def test_nothing_is_left_of_a_failed_writing(tmp_path: Path) -> None:
    rows = [Attachment("doc.0", "", "", b"", 1, b"x"), Attachment("doc.0", "", "", b"", 1, b"y")]
    with pytest.raises(StorageError):
        attachments.extract(rows, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == []


def test_withheld_attachments_cannot_be_written(bench: Path) -> None:
    (bench / "cut.mpkb").write_bytes(w.without_blob(ONE, "doc.3", "docs").to_bytes())
    assert extract(bench, bench / "out", "--doc", "doc.3", bundle="cut.mpkb") == 2
    assert extract(bench, bench / "out", bundle="cut.mpkb") == 0
    assert len(os.listdir(bench / "out")) == len(NAMES) - 1


def test_detached_and_found_again(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    off, folder, key = bench / "off.mpkb", bench / "out", str(bench / "anna.pub.pem")
    assert extract(bench, folder) == 0
    assert main(["bundle", "detach", str(bench / "good.mpkb"), "-o", str(off), "--key", key]) == 0
    assert off.stat().st_size < (bench / "good.mpkb").stat().st_size
    assert main(["verify", str(off), "--key", key]) == 10
    assert "detached or withheld" in capsys.readouterr().out
    for n in range(len(NAMES)):
        (folder / f"doc.{n}").rename(folder / f"{n * 7}.bin")
    deep = folder / "deeper"
    deep.mkdir()
    (folder / "0.bin").rename(deep / "0.bin")
    (folder / "unrelated").write_bytes(b"text X")
    os.mkfifo(folder / "fifo")
    assert main(["verify", str(off), "--key", key, "--attachments", str(folder)]) == 0
    (folder / "7.bin").write_bytes(b"text X")
    assert main(["verify", str(off), "--key", key, "--attachments", str(folder), "--json"]) == 10
    states = {
        s["id"]: s["state"] for s in json.loads(capsys.readouterr().out.partition("VERDICT VALID 0\n")[2])["sections"]
    }
    assert (states["doc.0"], states["doc.1"]) == ("beside", "withheld")
    assert main(["bundle", "detach", str(off), "-o", str(bench / "again.mpkb"), "--key", key]) == 2


def test_links_are_not_followed_to_attachments(bench: Path) -> None:
    off, key = bench / "off.mpkb", str(bench / "anna.pub.pem")
    (bench / "real").mkdir()
    for n in range(len(NAMES)):
        (bench / "real" / str(n)).write_text(f"text {n}")
    assert main(["bundle", "detach", str(bench / "good.mpkb"), "-o", str(off), "--key", key]) == 0
    links = bench / "links"
    links.mkdir()
    (links / "folder").symlink_to(bench / "real")
    for n in range(len(NAMES)):
        (links / str(n)).symlink_to(bench / "real" / str(n))
    assert main(["verify", str(off), "--key", key, "--attachments", str(links)]) == 10
    assert main(["verify", str(off), "--key", key, "--attachments", str(bench / "real")]) == 0
    assert main(["verify", str(off), "--key", key, "--attachments", str(bench / "nowhere")]) == 40


def test_only_attachments_may_travel_beside() -> None:
    notes = w.blob(w.sealed(), "notes")
    beside = frozenset({(sha("text 0"), 6), (w.sha(""), 0), (sha256(notes.data), len(notes.data))})
    made = w.without_blob(ONE, "doc.0", "notes")
    outcome = w.check(made, expected=Expected(beside=beside))
    assert outcome.verdict is Word.PARTIAL
    assert {s.id: s.state for s in outcome.sections if s.state != "intact"} == {"doc.0": "beside", "notes": "withheld"}
    wrong = frozenset({(sha("text 0"), 7)})
    assert w.check(w.without_blob(ONE, "doc.0"), expected=Expected(beside=wrong)).verdict is Word.PARTIAL


def test_a_folder_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "MOST_FILES", 2)
    for n in range(3):
        (tmp_path / str(n)).write_text("x")
    with pytest.raises(LimitError):
        attachments.beside(tmp_path)


def test_what_is_chosen() -> None:
    there, gone = Attachment("doc.0", "", "", b"", 1, b"x"), Attachment("doc.1", "", "", b"", 1, None)
    assert attachments.chosen([there, gone], []) == (there,)
    with pytest.raises(UsageError):
        attachments.chosen([there, gone], ["doc.1"])


@pytest.mark.parametrize("action", ["extract", "verify", "endorse"])
def test_140_a_broken_pipe_is_no_success(action: str, bench: Path) -> None:
    key = str(bench / "anna.pub.pem")
    arguments = {
        "extract": ["bundle", "extract", str(bench / "good.mpkb"), "--to", str(bench / "out"), "--key", key],
        "verify": ["verify", str(bench / "good.mpkb"), "--key", key],
        "endorse": ["bundle", "endorse", str(bench / "good.mpkb"), "--kind", "concur", "--id", "B", "--believe", key,
                    "--key", str(bench / "bert.pem")],
    }[action]  # fmt: skip
    reader, writer = os.pipe()
    os.close(reader)
    before = (bench / "good.mpkb").read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "mpk_tui", *arguments], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.returncode == 40
    assert b"Traceback" not in done.stderr
    # What nobody could read was not endorsed.
    assert (bench / "good.mpkb").read_bytes() == before
