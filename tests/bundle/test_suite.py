"""``bundles/``: frozen files with the answer that every verifier must give."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from make_suite import suite, write

from mpk_tui.cli import main

ROOT = Path(__file__).parents[2] / "bundles"
FOLDERS = sorted(p.name for p in ROOT.iterdir() if p.is_dir())


def test_the_suite_is_what_the_script_writes(tmp_path: Path) -> None:
    write(tmp_path / "again")
    frozen = {p.relative_to(ROOT): p.read_bytes() for p in ROOT.rglob("*") if p.is_file() and p.parent != ROOT}
    again = {
        p.relative_to(tmp_path / "again"): p.read_bytes()
        for p in (tmp_path / "again").rglob("*")
        if p.is_file() and p.parent != tmp_path / "again"
    }
    assert frozen.keys() == again.keys()
    assert [str(k) for k in frozen if frozen[k] != again[k]] == []
    assert (ROOT / "trusted.pub.pem").read_bytes() == (tmp_path / "again" / "trusted.pub.pem").read_bytes()


def test_names_are_unique_and_every_answer_occurs() -> None:
    names = [name for name, *_ in suite()]
    assert len(names) == len(set(names)) == len(FOLDERS)
    assert {word.value for *_, word in suite()} >= {
        "VALID", "PARTIAL", "UNTRUSTED", "REPLAY", "ALTERED", "MALFORMED", "LIMIT", "UNSUPPORTED"
    }  # fmt: skip


@pytest.mark.parametrize("name", FOLDERS)
def test_the_command_answers_as_required(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected = json.loads((ROOT / name / "expect.json").read_text())
    code = main(["verify", str(ROOT / name / "bundle.mpkb"), "--key", str(ROOT / "trusted.pub.pem")])
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert (code, last) == (expected["exit_code"], f"VERDICT {expected['verdict']} {expected['exit_code']}")
    assert name.endswith("_fail") == (expected["verdict"] not in ("VALID", "PARTIAL"))
