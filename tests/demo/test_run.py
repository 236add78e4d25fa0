"""The demo, end to end, as a person gets it; and what it does to folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from demo_run import Ran

from mpk_tui.case import open_case, review
from mpk_tui.cli import main
from mpk_tui.demo import run
from mpk_tui.errors import ExitCode, StorageError


def test_it_ends_well(ran: Ran) -> None:
    assert ran.code == ExitCode.OK
    assert {p.name for p in ran.out.iterdir()} == {
        run.MARKER, run.CASE, run.COPIES, run.KEYS, run.BUNDLE, run.VERIFICATION,
    }  # fmt: skip


def test_the_fine_tune_is_linked_to_its_base(ran: Ran) -> None:
    with open_case(ran.out / run.CASE, read_only=True) as case:
        verdict = review.verdict(case, run.LINKED_PAIR)
    assert verdict.label == "linked"
    assert verdict.conditions == ("c1", "c5")
    assert verdict.mechanisms == ("3.2",)
    assert verdict.conflicts == ()


def test_the_twin_is_independent(ran: Ran) -> None:
    with open_case(ran.out / run.CASE, read_only=True) as case:
        verdict = review.verdict(case, run.TWIN_PAIR)
        assert case.state.comparisons[run.TWIN_PAIR].finding == "no-correspondence"
    assert verdict.label == "independent"
    assert verdict.exclusions == ("4.1",)


def test_the_case_can_be_taken_further(ran: Ran) -> None:
    with open_case(ran.out / run.CASE, read_only=True) as case:
        assert review.ready(case)


def test_it_says_what_it_does_and_why(ran: Ran) -> None:
    for step in ("1 Case", "2 Artifacts", "3 Fingerprint", "4 Compare", "5 Evidence", "6-8 Conditions", "9 Review"):
        assert step in ran.text
    assert "on the comparison alone: linked, C5" in ran.text
    assert "on the comparison alone: independent, provenance not established (default)" in ran.text
    assert "VERDICT S1:R1 (fine-tune, base): linked" in ran.text
    assert "VERDICT S1:R2 (fine-tune, twin): independent" in ran.text
    assert "missing, step" not in ran.text


def test_it_ends_with_the_command_that_opens_the_case(ran: Ran) -> None:
    assert ran.text.splitlines()[-1] == f"Open the same case:  mpk-tui '{ran.out / run.CASE}'"


def test_the_command_leaves_a_strange_folder_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("mine")
    assert main(["demo", "--out", str(tmp_path)]) == ExitCode.INTERNAL
    out, err = capsys.readouterr()
    assert out == ""
    assert "no demo made" in err


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "precious").write_text("mine")
    with pytest.raises(StorageError, match="no demo made"):
        run.prepare(tmp_path)
    assert (tmp_path / "case" / "precious").read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["case"]


def test_only_what_the_demo_made_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run.prepare(out)
    (out / "my notes.txt").write_text("mine")
    (out / run.CASE).mkdir()
    (out / run.CASE / "journal.mpkj").write_bytes(b"old")
    run.prepare(out)
    assert (out / "my notes.txt").read_text() == "mine"
    assert not (out / run.CASE).exists()
    assert (out / run.COPIES / "twin" / "model.safetensors").is_file()


def test_a_link_or_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(StorageError, match="not a folder"):
            run.prepare(tmp_path / name)


def test_a_link_inside_a_demo_folder_is_removed_and_not_followed(tmp_path: Path) -> None:
    out, victim = tmp_path / "out", tmp_path / "victim"
    run.prepare(out)
    victim.mkdir()
    (victim / "precious").write_text("mine")
    (out / run.CASE).symlink_to(victim)
    run.prepare(out)
    assert (victim / "precious").read_text() == "mine"
    assert not (out / run.CASE).exists()
