"""Artifacts held against hash lists when they are taken in: recorded, refused, or accepted with a reason."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mpk_tui import canonical
from mpk_tui.case import open_case
from mpk_tui.case.store import ATTACHMENTS
from mpk_tui.cli import main
from mpk_tui.errors import ExitCode


@pytest.fixture
def case(tmp_path: Path) -> Path:
    root = tmp_path / "case"
    assert main(["case", "new", str(root), "--id", "C", "--title", "T", "--examiner", "E"]) == 0
    return root


@pytest.fixture
def model(tmp_path: Path) -> Path:
    root = tmp_path / "model"
    root.mkdir()
    (root / "a.bin").write_bytes(b"a")
    (root / "b.bin").write_bytes(b"b")
    return root


def sums(path: Path, files: dict[str, bytes], algorithm: str = "sha256") -> Path:
    path.write_text("".join(f"{hashlib.new(algorithm, d).hexdigest()}  {n}\n" for n, d in files.items()))
    return path


def add(case: Path, model: Path, *more: str | Path) -> int:
    return main(["case", "add", str(case), str(model), "--role", "subject", *map(str, more)])


def test_a_match_is_recorded_with_the_artifact(
    case: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    strong = sums(tmp_path / "SHA256SUMS", {"a.bin": b"a", "b.bin": b"b"})
    weak = sums(model / "md5", {"a.bin": b"a", "gone": b"x"}, "md5")
    assert add(case, model, "--hashes", strong, "--hashes", weak) == ExitCode.OK
    assert "2 of 2 lines match" in capsys.readouterr().out
    with open_case(case, read_only=True) as opened:
        (entry,) = [e for e in opened.entries if e.act == "artifact"]
        made = opened.state.artifacts["S1"]
        first, second = entry.result["hash_lists"]
        whole = canonical.decode(opened.kept(ATTACHMENTS, entry.result["record"], entry.result["record"]))
        kept = opened.kept(ATTACHMENTS, first["list_sha256"], first["list_sha256"])
    assert (first["matches"], first["differs"], first["weak"], first["not_listed"]) == (2, 0, 0, 0)
    assert (second["matches"], second["missing"], second["weak"], second["not_listed"]) == (1, 1, 1, 1)
    assert second["missing_lines"][0]["name"] == "gone"
    assert whole["lists"][1]["lines"][0]["sha256"] == hashlib.sha256(b"a").hexdigest()
    assert kept == strong.read_bytes()
    assert made.mismatch == ""
    assert "proves no identity" in made.lists[1]
    assert main(["case", "status", str(case)]) == 0
    assert "hash list SHA256SUMS: 2 of 2" in capsys.readouterr().out


def test_a_contradiction_stops_the_intake(
    case: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = sums(tmp_path / "L", {"a.bin": b"x", "b.bin": b"y"})
    assert add(case, model, "--hashes", listed) == ExitCode.MISMATCH
    told = capsys.readouterr().err
    assert "L, line 1: a.bin" in told
    assert "L, line 2: b.bin" in told
    with open_case(case, read_only=True) as opened:
        assert not opened.state.artifacts
        assert [e.act for e in opened.entries] == ["open"]
    assert add(case, model, "--hashes", listed, "--accept-mismatch", "re-saved by the owner") == ExitCode.OK
    with open_case(case, read_only=True) as opened:
        (entry,) = [e for e in opened.entries if e.act == "artifact"]
        assert entry.result["accepted_mismatch"] == "re-saved by the owner"
        assert [r["path"] for r in entry.result["hash_lists"][0]["differing_lines"]] == ["a.bin", "b.bin"]
        assert opened.state.artifacts["S1"].mismatch == "re-saved by the owner"


def test_every_contradicting_file_is_named_and_a_long_list_fits_the_journal(
    case: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"{n:03d}{'x' * 200}" for n in range(300)]
    for name in names:
        (model / name).write_bytes(b"1")
    gone = "".join(f"{'0' * 64}  {'d/' * 4000}{n}\n" for n in range(1000))
    listed = sums(tmp_path / "L", dict.fromkeys(names, b"2"))
    listed.write_text(listed.read_text() + gone)
    assert add(case, model, "--hashes", listed) == ExitCode.MISMATCH
    told = capsys.readouterr().err
    assert all(name in told for name in names)
    assert add(case, model, "--hashes", listed, "--accept-mismatch", "why") == ExitCode.OK
    with open_case(case, read_only=True) as opened:
        (entry,) = [e for e in opened.entries if e.act == "artifact"]
    (found,) = entry.result["hash_lists"]
    assert (found["differs"], len(found["differing_lines"])) == (300, 200)
    assert (found["missing"], len(found["missing_lines"])) == (1000, 200)
    assert len(entry.raw) < 1 << 20


def test_nothing_to_accept_and_bad_lists(case: Path, model: Path, tmp_path: Path) -> None:
    good = sums(tmp_path / "L", {"a.bin": b"a"})
    assert add(case, model, "--accept-mismatch", "why") == ExitCode.USAGE
    assert add(case, model, "--hashes", good, "--accept-mismatch", "why") == ExitCode.USAGE
    (tmp_path / "bad").write_text("no list\n")
    assert add(case, model, "--hashes", tmp_path / "bad") == ExitCode.MALFORMED
    assert add(case, model, "--hashes", tmp_path / "none") == ExitCode.INTERNAL
    with open_case(case, read_only=True) as opened:
        assert not opened.state.artifacts


def test_links_that_run_in_circles_and_odd_names(case: Path, model: Path, tmp_path: Path) -> None:
    (model / "loop").symlink_to("loop")
    listed = tmp_path / "L"
    listed.write_bytes(hashlib.sha256(b"a").hexdigest().encode() + b"  \xff.bin\n")
    assert add(case, model, "--hashes", listed) == ExitCode.OK
    with open_case(case, read_only=True) as opened:
        (entry,) = [e for e in opened.entries if e.act == "artifact"]
    assert entry.result["hash_lists"][0]["missing_lines"][0]["name"] == "\\xff.bin"
