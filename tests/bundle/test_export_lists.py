"""Hash lists of an artifact as sha256sum, hashdeep and our own reader take them back."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import workshop as w
from test_exports import bench, export, made
from test_recheck import SUBJECT, write_folder

from mpk_tui.checkpoint.hash_check import check
from mpk_tui.checkpoint.hash_lists import parse
from mpk_tui.checkpoint.open import open_checkpoint
from mpk_tui.checkpoint.side_files import list_path
from mpk_tui.fingerprint.hashing import hash_checkpoint

__all__ = ["bench"]  # a fixture

# macOS refuses names that are not UTF-8.
NOT_TEXT = [os.fsdecode(b"caf\xe9")] if sys.platform == "linux" else []
PLAIN = ["-", "a b", "comma,quote'\"", "# hash", "back\\slash", "trailing ", "ünïcode", "sub/deep/x", ".hidden", "-c"]


def listing_rows(folder: Path) -> list[dict[str, Any]]:
    """The file list of a folder as a bundle holds it."""
    rows = []
    for f in hash_checkpoint(open_checkpoint(folder)).files:
        raw = os.fsencode(f.path)
        try:
            name: dict[str, Any] = {"path": raw.decode("utf-8")}
        except UnicodeDecodeError:
            name = {"path_b": raw}
        rows.append(
            {**name, "kind": f.kind, "size": f.size, "sha256": f.sha256, "after": None, "link": f.link,
             "link_class": f.link_class, "mtime_ns": None, "error": None}
        )  # fmt: skip
    return rows


def folder_with(base: Path, names: list[str]) -> Path:
    folder = write_folder(base / "suspect", SUBJECT)
    for n, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content %d" % n)
    return folder


def lists_of(bench: Path, folder: Path) -> tuple[Path, Path]:
    """SHA256SUMS and hashdeep list of a real folder, exported from a bundle that describes it."""
    section = w.checkpoint_section(*listing_rows(folder))
    bundle = w.sealed(w.contents(checkpoint__S1=section, locations__S1=None))
    for format in ("sha256sums", "hashdeep"):
        assert export(bench, bundle, format) == 0
    return bench / "SHA256SUMS", bench / "x.hashdeep"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})


def test_our_own_reader_takes_the_lists_back(bench: Path) -> None:
    folder = folder_with(bench, [*PLAIN, "new\nline", "cr\rname", *NOT_TEXT])
    for path in lists_of(bench, folder):
        root, files = list_path(folder)
        (found,) = check([parse(path.read_bytes(), path.name)], files, root)
        assert not found.differing
        assert not found.missing
        matched = sum(r.status == "matches" for r in found.rows)
        assert matched == len(files) - (2 if path.name == "x.hashdeep" else 0)


def test_sha256sum_accepts_the_list(bench: Path) -> None:
    folder = folder_with(bench, [*PLAIN, "new\nline", *NOT_TEXT])
    sums, _ = lists_of(bench, folder)
    done = run(folder, "sha256sum", "-c", "--strict", str(sums))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(b": OK") == len(PLAIN) + 3 + len(NOT_TEXT)
    (folder / "a b").write_bytes(b"other")
    assert run(folder, "sha256sum", "-c", "--strict", str(sums)).returncode == 1


def test_hashdeep_accepts_the_list(bench: Path) -> None:
    folder = folder_with(bench, [*PLAIN, *NOT_TEXT])
    _, known = lists_of(bench, folder)
    audit = ("hashdeep", "-r", "-l", "-vv", "-a", "-k", str(known), ".")
    done = run(folder, *audit)
    assert b"Audit passed" in done.stdout, done.stdout + done.stderr
    assert b"Files moved: 0" in done.stdout
    assert done.returncode == 0
    (folder / "a b").write_bytes(b"other")
    assert b"Audit failed" in run(folder, *audit).stdout


def test_what_a_list_cannot_say_is_a_comment_and_a_note(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder_with(bench, ["new\nline", "plain", *NOT_TEXT])
    (folder / "inside").symlink_to("plain")
    (folder / "outside").symlink_to("/etc/passwd")
    (folder / "broken").symlink_to("nowhere")
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")
    sums, known = lists_of(bench, folder)
    err = capsys.readouterr().err
    for path in (sums, known):
        lines = path.read_bytes().split(b"\n")
        comments = b"\n".join(x for x in lines if x.startswith(b"#"))
        rows = b"\n".join(x for x in lines if x and not x.startswith((b"#", b"%")))
        for name in (b"inside", b"outside", b"broken", b"empty", b"pipe"):
            assert b"not in the list: " + name in comments
            assert name not in rows
        assert (b"caf\xe9" in rows) == bool(NOT_TEXT)
        assert (b"stands in the list as its bytes: caf\\xe9" in comments) == bool(NOT_TEXT)
    assert b"new\\nline" in sums.read_bytes()
    assert b"cannot hold a line break" in known.read_bytes()
    assert hashlib.sha256(b"content 0").hexdigest().encode() in known.read_bytes()
    for name in ("inside", "outside", "broken", "empty", "pipe"):
        assert f"note: not in the list: {name}" in err
    assert run(folder, "sha256sum", "-c", "--strict", str(sums)).returncode == 0


def test_links_of_a_model_cache_are_listed_with_their_content(bench: Path) -> None:
    real = write_folder(bench / "hub" / "models--x" / "blobs", SUBJECT)
    snapshot = bench / "hub" / "models--x" / "snapshots" / "rev"
    snapshot.mkdir(parents=True)
    for name in ("model.safetensors", "config.json"):
        (snapshot / name).symlink_to(f"../../blobs/{name}")
    sums, known = lists_of(bench, snapshot)
    digest = hashlib.sha256((real / "model.safetensors").read_bytes()).hexdigest()
    assert f"{digest}  model.safetensors\n" in sums.read_text()
    assert (
        "# a symbolic link to ../../blobs/model.safetensors, listed with the digest of its target" in sums.read_text()
    )
    assert f",{digest},./model.safetensors\n" in known.read_text()
    assert run(snapshot, "sha256sum", "-c", "--strict", str(sums)).returncode == 0
    assert run(snapshot, "hashdeep", "-r", "-l", "-a", "-k", str(known), ".").returncode == 0


def test_a_change_during_the_analysis_is_told(bench: Path) -> None:
    section = w.checkpoint_section({**w.file_row("model.safetensors", "s"), "after": w.sha("t")})
    text = made(bench, w.sealed(w.contents(checkpoint__S1=section, locations__S1=None)), "sha256sums")
    assert "# hashed after the analysis with another result" in text
    assert f"{w.sha('s').hex()}  model.safetensors\n" in text


def test_many_notes_are_cut_on_the_screen_and_whole_in_the_list(
    bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**w.file_row(f"f{n}", ""), "kind": "dir", "sha256": None} for n in range(50)]
    bundle = w.sealed(w.contents(checkpoint__S1=w.checkpoint_section(*rows), locations__S1=None))
    text = made(bench, bundle, "sha256sums")
    assert text.count("# not in the list: f") == 50
    err = capsys.readouterr().err
    assert err.count("note: not in the list: f") == 20
    assert "and 30 more, in the list" in err


def test_names_that_leave_the_folder_are_comments(bench: Path) -> None:
    """A bundle's maker must not have an examiner's sha256sum read what lies elsewhere, or a device for ever."""
    names = ("/dev/zero", "../elsewhere", "a/../../b", "", "a//b", ".")
    rows = [w.file_row(name, f"content of {name}") for name in (*names, "plain..txt")]
    bundle = w.sealed(w.contents(checkpoint__S1=w.checkpoint_section(*rows), locations__S1=None))
    for format, path in (("sha256sums", bench / "SHA256SUMS"), ("hashdeep", bench / "x.hashdeep")):
        assert export(bench, bundle, format) == 0
        lines = path.read_bytes().splitlines()
        (row,) = (x for x in lines if x and not x.startswith((b"#", b"%")))
        assert row.endswith(b"plain..txt")
        told = [x for x in lines if b"no path below the folder" in x]
        assert [w.sha(f"content of {name}").hex().encode() in x for name, x in zip(names, told, strict=True)] == [
            True
        ] * len(names)
