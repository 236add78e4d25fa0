"""A model signature in a case: what it may carry, and that whatever it may not is refused with its reason."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from modelsig.signer import (
    bundle_of,
    new_key,
    resources_of,
    shards_of,
    statement_of,
    write_bundle,
    write_public,
)
from tui.tiny_models import checkpoint, weights

from mpk_tui.case import open_case, review
from mpk_tui.case.state import CaseState
from mpk_tui.cli import main
from mpk_tui.constitution.answers import Evidence
from mpk_tui.errors import ExitCode

KEY, OTHER = new_key(), new_key()
NAMES = ("config.json", "model.safetensors")
SAME, UNLIKE = "S1:R1", "S1:R2"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """S1 and R1 are the same files, R2 is another model; the signature is the publisher's of R1."""
    base = checkpoint(tmp_path / "base", weights(1))
    shutil.copytree(base, tmp_path / "copy")
    checkpoint(tmp_path / "other", weights(2))
    folder = tmp_path / "c"
    for arguments in (
        ["case", "new", folder, "--id", "C", "--title", "T", "--examiner", "E"],
        ["case", "add", folder, tmp_path / "copy", "--role", "subject"],
        ["case", "add", folder, base, "--role", "reference"],
        ["case", "add", folder, tmp_path / "other", "--role", "reference"],
        ["case", "fingerprint", folder],
    ):
        assert main([str(a) for a in arguments]) == 0
    sign(tmp_path, tmp_path / "model.sig")
    write_public(KEY, tmp_path / "key.pem")
    write_public(OTHER, tmp_path / "wrong.pem")
    return folder


def sign(tmp_path: Path, to: Path, names: tuple[str, ...] = NAMES, **how: Any) -> None:
    write_bundle(bundle_of(statement_of(resources_of(tmp_path / "base", names), **how), KEY), to)


def add(case: Path, *args: str, pair: str = SAME, artifact: str = "S1", key: str = "key.pem") -> int:
    place = case.parent
    return main(
        ["case", "evidence", str(case), "--pair", pair, "--model-sig", str(place / "model.sig"), "--artifact", artifact,
         "--key", str(place / key), *args]
    )  # fmt: skip


def state(case: Path) -> CaseState:
    with open_case(case, read_only=True) as opened:
        return opened.state


def items(case: Path, pair: str = SAME) -> list[Evidence]:
    return list(state(case).evidence.get(pair, {}).values())


def test_who_signed_one_side(case: Path) -> None:
    (case.parent / "copy" / ".gitattributes").write_text("x")
    assert add(case, "--source", "Ada Roth") == 0
    (item,) = items(case)
    assert (item.kind, item.supports, item.finding) == ("b", (), "")
    assert item.digest == hashlib.sha256((case.parent / "model.sig").read_bytes()).hexdigest()
    assert (case / "attachments" / item.digest).is_file()
    assert item.source.startswith("Ada Roth: OpenSSF Model Signing, key ")
    assert "2 of 3 files covered and equal" in item.locator
    assert ".gitattributes (left out by the format)" in item.excerpt


def test_identity_where_both_sides_are_the_signed_files(case: Path) -> None:
    assert add(case, "--supports", "C4", "--supports", "3.1") == 0
    (item,) = items(case)
    assert item.supports == ("c4", "3.1")
    arguments = ["case", "answer", str(case), "c4", "met", "--pair", SAME, "--evidence", item.id, "--reason", "signed"]
    assert main(arguments) == 0
    with open_case(case, read_only=True) as opened:
        assert review.verdict(opened, SAME).conditions == ("c4",)


def test_identity_is_refused_where_the_other_side_is_made_of_other_files(
    case: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(case, "--supports", "c4", pair=UNLIKE) == ExitCode.USAGE
    assert "R2 is made of other ones" in capsys.readouterr().err
    assert items(case, UNLIKE) == []
    assert add(case, pair=UNLIKE) == 0


def test_equal_tensors_in_another_file_are_not_the_signed_file(case: Path) -> None:
    # The header gets another blank: the same tensors, and bytes that nobody signed.
    whole = (case.parent / "base" / "model.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    padded = (length + 8).to_bytes(8, "little") + whole[8 : 8 + length] + b" " * 8 + whole[8 + length :]
    folder = case.parent / "padded"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(padded)
    shutil.copy(case.parent / "base" / "config.json", folder)
    assert main(["case", "add", str(case), str(folder), "--role", "reference"]) == 0
    assert main(["case", "fingerprint", str(case)]) == 0
    artifacts = state(case).artifacts
    assert artifacts["R3"].root == artifacts["S1"].root
    assert add(case, "--supports", "c4", pair="S1:R3") == ExitCode.USAGE


def test_it_speaks_for_nothing_else(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for question in ("c1", "c2", "c3", "c5", "3.2", "3.7", "4.1"):
        assert add(case, "--supports", "c4", "--supports", question) == ExitCode.USAGE
        assert f"cannot support {question}" in capsys.readouterr().err
    assert items(case) == []


def test_options_that_do_not_go_together(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in (
        ("opposes", "4.1"), ("kind", "a"), ("locator", "x"), ("excerpt", "x"), ("file", "x"), ("artifact", "R2"),
        ("artifact", ""), ("artifact", "S9"),
    ):  # fmt: skip
        assert add(case, f"--{name}", value) == ExitCode.USAGE
        assert capsys.readouterr().err
    assert items(case) == []
    assert main(["case", "evidence", str(case), "--pair", SAME, "--artifact", "S1"]) == ExitCode.USAGE
    assert main(["case", "evidence", str(case), "--pair", SAME, "--ca", "x"]) == ExitCode.USAGE


def test_a_signature_that_does_not_fit_is_not_recorded(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(case, key="wrong.pem") == ExitCode.ALTERED
    assert "nothing was recorded" in capsys.readouterr().err
    base = ["case", "evidence", str(case), "--pair", SAME, "--artifact", "S1"]
    assert main([*base, "--model-sig", str(case.parent / "model.sig")]) == ExitCode.UNTRUSTED
    assert items(case) == []
    assert not any(e.name == "attach" for e in case.glob("attachments/*"))


def test_files_that_are_not_the_signed_ones_are_not_recorded(case: Path) -> None:
    assert add(case, pair=UNLIKE, artifact="R2") == ExitCode.MISMATCH
    (case.parent / "copy" / "added.py").write_text("x")
    assert add(case) == ExitCode.MISMATCH
    assert items(case) == []


def test_a_signature_beside_the_weights_is_not_recorded(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sign(case.parent, case.parent / "model.sig", ("config.json",), ignore_paths=["model.safetensors"])
    assert add(case) == ExitCode.USAGE
    assert "does not cover the weights of S1 (model.safetensors)" in capsys.readouterr().err
    assert items(case) == []


def test_an_artifact_that_changed_since_its_fingerprint(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("base", "copy"):
        (case.parent / name / "config.json").write_text((case.parent / name / "config.json").read_text() + "\n")
    sign(case.parent, case.parent / "model.sig")
    assert add(case) == ExitCode.USAGE
    assert "config.json is not what it was" in capsys.readouterr().err
    assert items(case) == []


def test_shards_are_held_against_the_fingerprint_too(case: Path) -> None:
    statement = statement_of(shards_of(case.parent / "base", NAMES, 4096), method="shards", shard_size=4096)
    write_bundle(bundle_of(statement, KEY), case.parent / "model.sig")
    assert add(case, "--supports", "c4") == 0
    assert items(case)[0].supports == ("c4",)


def test_an_artifact_without_a_fingerprint(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["case", "add", str(case), str(case.parent / "base"), "--role", "reference", "--id", "R9"]) == 0
    assert add(case, pair="S1:R9", artifact="R9") == ExitCode.USAGE
    assert add(case, "--supports", "c4", pair="S1:R9") == ExitCode.USAGE
    assert capsys.readouterr().err.count("R9 has no fingerprint yet") == 2
