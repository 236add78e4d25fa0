"""``mpk-tui report`` for people: which options there are, what leaves under which verdict, and the same bytes every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bundle"))
sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

import workshop as w
from cases import CASES

from mpk_tui.bundle.envelope import Envelope
from mpk_tui.cli import main
from mpk_tui.keys.public import pem

FILES = ("x.html", "x.txt", "x.report.json")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    (tmp_path / "anna.pub.pem").write_bytes(pem(w.ANNA.public))
    return tmp_path


def report(bench: Path, made: Envelope, file: str, *options: str) -> int:
    (bench / "b.mpkb").write_bytes(made.to_bytes())
    return main(
        ["report", str(bench / "b.mpkb"), "-o", str(bench / file), "--key", str(bench / "anna.pub.pem"), *options]
    )


@pytest.mark.parametrize("file", FILES)
def test_options_are_in_the_report(file: str, bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--classification", "RESTRICTED", "--made", "2026-11-26T15:05+01:00", "--pair", "S1:R1")
    assert report(bench, CASES["linked"](), file, *options) == 0
    text = " ".join((bench / file).read_text(encoding="utf-8").split())
    assert "RESTRICTED" in text
    assert "made 2026-11-26 14:05:00 UTC, as stated" in text
    assert capsys.readouterr().err.splitlines()[-1] == "VERDICT VALID 0"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--made", "yesterday"), "'yesterday' is not a time"),
        (("--made", "1969-12-31"), "lies before 1970"),
        (("--made", "9" * 50), "is not a time"),
        (("--made", "0001-01-01T00:00+14:00"), "lies before 1970"),
        (("--pair", "S1:R9"), "no pair 'S1:R9'"),
        (("--classification", "x" * 71), "71 columns"),
        (("--classification", "\x1b" * 30), "120 columns"),
        (("--artifact", "S1"), "has no meaning for the format"),
    ],
)
def test_options_that_cannot_be(
    options: tuple[str, ...], said: str, bench: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(bench, CASES["linked"](), "x.html", *options) == 2
    assert said in capsys.readouterr().err
    assert not (bench / "x.html").exists()


@pytest.mark.parametrize("option", ["--classification", "--made", "--pair"])
def test_exports_have_no_such_options(option: str, bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(bench, CASES["linked"](), "x.cdx.json", option, "2026-01-01") == 2
    assert f"{option} has no meaning for the format cyclonedx" in capsys.readouterr().err


@pytest.mark.parametrize("file", FILES)
def test_never_of_an_altered_bundle_and_of_a_stranger_s_on_request_only(file: str, bench: Path) -> None:
    altered = w.with_blob(w.sealed(), "notes", data=b"\x90")
    assert report(bench, altered, file, "--show-untrusted") == 20
    assert not (bench / file).exists()
    stranger = w.sealed(None, w.STRANGER)
    assert report(bench, stranger, file) == 11
    assert not (bench / file).exists()
    assert report(bench, stranger, file, "--show-untrusted") == 11
    assert "UNTRUSTED: what follows is not to be relied on." in (bench / file).read_text(encoding="utf-8")


def test_the_same_bundle_and_options_give_the_same_bytes_in_another_process(bench: Path) -> None:
    report(bench, CASES["disputed"](), "x.html", "--classification", "A")
    arguments = ["report", str(bench / "b.mpkb"), "--key", str(bench / "anna.pub.pem"), "--classification", "A"]
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "mpk_tui", *arguments, "-o", str(bench / f"{seed}.html")], check=True, capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
        )  # fmt: skip
        assert (bench / f"{seed}.html").read_bytes() == (bench / "x.html").read_bytes()


def test_what_a_report_leaves_out_is_told(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(bench, w.without_blob(w.sealed(), "notes"), "x.report.json") == 10
    assert "note: section notes is withheld" in capsys.readouterr().err
    assert json.loads((bench / "x.report.json").read_text())["verdict"] == "PARTIAL"
