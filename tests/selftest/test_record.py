"""The record for bundles: complete, kept once, and believed only if it is of this very installation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mpk_tui import canonical
from mpk_tui.bundle import sections
from mpk_tui.bundle.schema import Reading
from mpk_tui.bundle.toolfacts import code_digest
from mpk_tui.selftest import record
from mpk_tui.selftest.check import Check, Question, answered

GOOD = (Check("one", "1", "1", True), Check("two", "2", "not run (no two)", None))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """How often the test was run; its cache is a folder of its own."""
    counted: list[int] = []

    def counting(_: Any) -> tuple[Check, ...]:
        counted.append(1)
        return GOOD

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(record, "selftest", counting)
    return counted


def quiet(_: str) -> None:
    """Tell nobody."""


def kept(tmp_path: Path) -> Path:
    (found,) = tmp_path.rglob("selftest-*.mpks")
    return found


def test_the_record_is_what_a_bundle_carries() -> None:
    made = record.as_record(GOOD, at=5)
    sections.SELFTEST(canonical.decode(canonical.encode(made)), "selftest", Reading(newer=False))
    assert made["code_sha256"] == code_digest()
    assert (made["at"], made["passed"]) == (5, True)
    bad = record.as_record((*GOOD, Check("three", "3", "4", False)))
    assert bad["passed"] is False


def test_it_is_run_once_and_then_kept(runs: list[int], tmp_path: Path) -> None:
    first = record.current(quiet)
    assert record.current(quiet) == first
    assert len(runs) == 1
    assert kept(tmp_path).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "change",
    [
        {"code_sha256": bytes(32)}, {"python": "3.99"}, {"tool": "mpk-tui 99"}, {"libs": {}}, {"passed": False},
        {"v": 2}, {"more": 1}, {"checks": [{"name": "x", "expected": "1", "found": "2", "passed": False}]},
        {"checks": []}, {"checks": [{"name": "x", "expected": "", "found": "", "passed": None}]},
        {"at": 253_402_300_799_999},
    ],
)  # fmt: skip
def test_a_kept_record_of_something_else_is_run_again(runs: list[int], tmp_path: Path, change: dict[str, Any]) -> None:
    made = record.current(quiet)
    kept(tmp_path).write_bytes(canonical.encode({**made, **change}))
    again = record.current(quiet)
    assert len(runs) == 2
    assert {**again, "at": 0} == {**made, "at": 0}


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\xc0", b"nonsense" * 1000])
def test_an_unreadable_one_is_run_again(runs: list[int], tmp_path: Path, data: bytes) -> None:
    record.current(quiet)
    kept(tmp_path).write_bytes(data)
    assert record.current(quiet)["passed"] is True
    assert len(runs) == 2


def test_one_that_others_can_write_is_run_again(runs: list[int], tmp_path: Path) -> None:
    record.current(quiet)
    kept(tmp_path).chmod(0o620)
    record.current(quiet)
    assert len(runs) == 2


def test_a_link_or_a_folder_in_its_place_is_not_followed(runs: list[int], tmp_path: Path) -> None:
    record.current(quiet)
    place = kept(tmp_path)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    record.current(quiet)
    assert len(runs) == 2
    place.unlink()
    place.mkdir()
    record.current(quiet)
    assert len(runs) == 3


def test_without_a_folder_to_keep_it_in_it_is_run_each_time(
    runs: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    record.current(quiet)
    record.current(quiet)
    assert len(runs) == 2


def test_a_failed_one_is_returned_and_never_kept(
    runs: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "selftest", lambda _: (Check("one", "1", "2", False),))
    made = record.current(quiet)
    assert made["passed"] is False
    assert list(tmp_path.rglob("selftest-*")) == []


def test_answers_that_no_text_can_hold_are_spelled_out() -> None:
    def odd() -> str:
        raise ValueError("\udcff\x1b[31m" + "x" * 5000)

    made = record.as_record((answered(Question("q", "a", odd)),))
    canonical.encode(made)
    assert made["checks"][0]["passed"] is False
