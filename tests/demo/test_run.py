"""The demo's case, end to end up to the signature, through the functions that everybody uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from mpk_tui.case import open_case, review
from mpk_tui.demo import run
from mpk_tui.errors import StorageError


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, run.CaseResult, list[str]]:
    out = tmp_path_factory.mktemp("demo") / "out"
    lines: list[str] = []
    run.prepare(out)
    return out, run.run_case(out, lines.append), lines


def test_the_fine_tune_is_linked_to_its_base(done: tuple[Path, run.CaseResult, list[str]]) -> None:
    verdict = done[1].verdicts[run.LINKED_PAIR]
    assert verdict.label == "linked"
    assert verdict.conditions == ("c1", "c5")
    assert verdict.mechanisms == ("3.2",)
    assert verdict.conflicts == ()


def test_the_twin_is_independent(done: tuple[Path, run.CaseResult, list[str]]) -> None:
    verdict = done[1].verdicts[run.TWIN_PAIR]
    assert verdict.label == "independent"
    assert verdict.exclusions == ("4.1",)
    assert done[1].findings[run.TWIN_PAIR] == "no-correspondence"


def test_the_case_on_disk_is_ready_to_sign_and_says_the_same(done: tuple[Path, run.CaseResult, list[str]]) -> None:
    out, result, _ = done
    with open_case(out / run.CASE, read_only=True) as case:
        assert review.ready(case)
        assert {p: review.verdict(case, p) for p in case.state.pairs} == dict(result.verdicts)


def test_it_says_what_it_does_and_why(done: tuple[Path, run.CaseResult, list[str]]) -> None:
    text = "\n".join(done[2])
    for step in ("1 Case", "2 Artifacts", "3 Fingerprint", "4 Compare", "5 Evidence", "6-8 Conditions", "9 Review"):
        assert step in text
    assert "on the comparison alone: linked, C5" in text
    assert "on the comparison alone: independent, provenance not established (default)" in text
    assert "z " in text
    assert "missing" not in text


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
