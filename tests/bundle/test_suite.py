"""``bundles/``: frozen files with the answer that every verifier must give."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from make_suite import KEPT, write
from suite_vectors import vectors

from mpk_tui.bundle.outcome import CODES, Word
from mpk_tui.cli import main

ROOT = Path(__file__).parents[2] / "bundles"
FOLDERS = sorted(str(p.parent.relative_to(ROOT)) for p in ROOT.rglob("expect.json"))


def frozen(root: Path) -> dict[Path, bytes]:
    return {
        p.relative_to(root): p.read_bytes()
        for p in root.rglob("*")
        if p.is_file() and p.parent != root and p.relative_to(root).parts[0] not in KEPT
    }


def test_the_suite_is_what_the_script_writes(tmp_path: Path) -> None:
    write(tmp_path / "again", ROOT)
    ours, again = frozen(ROOT), frozen(tmp_path / "again")
    assert ours.keys() == again.keys()
    assert [str(k) for k in ours if ours[k] != again[k]] == []
    assert (ROOT / "trusted.pub.pem").read_bytes() == (tmp_path / "again" / "trusted.pub.pem").read_bytes()


def test_names_are_unique_and_every_word_occurs() -> None:
    made = list(vectors())
    names = [v.name for v in made]
    assert len(names) == len(set(names))
    assert {v.answer for v in made} == set(Word)
    assert {CODES[v.answer] for v in made} == {CODES[word] for word in Word}


def checkpoint(case: Path, name: str, work: Path) -> Path:
    """The folder to compare with: what lies in the suite and what version control cannot carry."""
    folder = work / name
    shutil.copytree(case / name, folder)
    # Links of the checkpoint may lead to what lies beside it in the suite.
    shutil.copy(case / "bundle.mpkb", work / "bundle.mpkb")
    more = case / f"{name}.json"
    said: dict[str, Any] = json.loads(more.read_text()) if more.exists() else {}
    for path, data in said.get("files", {}).items():
        raw = bytes.fromhex(path[4:]) if path.startswith("hex:") else path.encode()
        target = os.path.join(os.fsencode(folder), raw)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as f:
            f.write(bytes.fromhex(data))
    for path in said.get("folders", ()):
        (folder / path).mkdir(parents=True)
    for path, target in said.get("links", {}).items():
        (folder / path).symlink_to(target)
    for path, target in said.get("hard_links", {}).items():
        (folder / path).hardlink_to(folder / target)
    return folder


def arguments(case: Path, expected: dict[str, Any], work: Path) -> list[str]:
    """The command line that the expectation stands for."""
    trust = case / expected["trust"]
    given = expected.get("file", "bundle.mpkb")
    command = ["verify"] if given.endswith(".mpkb") else ["bundle", "check-proof"]
    args = [*command, str(case / given), "--trust" if trust.suffix == ".mpkt" else "--key", str(trust)]
    for name in ("expect_case", "expect_bundle", "match"):
        if name in expected:
            args += [f"--{name.replace('_', '-')}", expected[name]]
    for name in expected.get("earlier", ()):
        args += ["--earlier", str(case / name)]
    if "attachments" in expected:
        args += ["--attachments", str(case / expected["attachments"])]
    if "checkpoint" in expected:
        args += ["--checkpoint", str(checkpoint(case, expected["checkpoint"], work))]
    return args


@pytest.mark.parametrize("name", FOLDERS)
def test_the_command_answers_as_required(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = json.loads((ROOT / name / "expect.json").read_text())
    code = main(arguments(ROOT / name, expected, tmp_path))
    printed = capsys.readouterr().out
    last = printed.strip().splitlines()[-1]
    assert (code, last) == (expected["exit_code"], f"VERDICT {expected['verdict']} {expected['exit_code']}"), printed
    assert name.endswith("_fail") == (expected["verdict"] not in ("VALID", "PARTIAL"))
    assert "\x1b" not in printed
    assert "‮" not in printed
