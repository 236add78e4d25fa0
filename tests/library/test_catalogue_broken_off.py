"""Kills, full disks, several processes, media that is only read: nothing confirmed is lost, nothing half is seen."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from breaking import FULL, POINTS
from models import made

from mpk_tui.errors import ExitCode, LimitError, StorageError
from mpk_tui.library import opening, stored
from mpk_tui.library.catalogue import open_library
from mpk_tui.library.checking import check
from mpk_tui.library.entry import Facts

AFTER = {"committed", "confirmed"}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A library for each way to be broken off, as the dead process left it, and what it said."""
    top = tmp_path_factory.mktemp("broken")
    script = Path(__file__).with_name("breaking.py")
    done = subprocess.run([sys.executable, script, top], capture_output=True, timeout=120, check=True)
    return top, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("point", "times"), POINTS)
def test_a_kill_loses_nothing_confirmed_and_the_next_change_clears_up(
    broken: tuple[Path, list[dict[str, Any]]], point: str, times: int
) -> None:
    top, said = broken
    folder = top / f"{point}-{times}"
    assert {"case": folder.name, "status": -signal.SIGKILL} in said
    with open_library(folder) as library:
        names = [e.name for e in library.entries()]
        assert names == (["old", "new", "newer"] if point in AFTER else ["old", "gone"])
        found = check(library)
        assert found.code == ExitCode.OK, found.faults
        assert {f.kind for f in found.faults} <= {"left-over"}
        assert (found.faults == ()) == (point in ("begun", "confirmed"))
    with open_library(folder, write=True) as library:
        library.add([(made("next"), Facts("next"))], who="me", at=5)
        assert check(library).faults == ()
        assert len(list((folder / stored.FOLDER).glob("*/*"))) == len(names) + 1


@pytest.mark.parametrize("most", [most for most, _ in FULL])
def test_a_full_disk_is_a_sentence_and_leaves_nothing(broken: tuple[Path, list[dict[str, Any]]], most: int) -> None:
    top, said = broken
    folder = top / str(most)
    (spoken,) = [s["said"] for s in said if s["case"] == str(most) and "said" in s]
    assert {"case": str(most), "status": 7} in said
    assert "cannot be written" in spoken or "refused to read or write" in spoken
    with open_library(folder, write=True) as library:
        assert [e.name for e in library.entries()] == ["old", "gone"]
        library.add([(made("next"), Facts("next"))], who="me", at=5)
        assert check(library).faults == ()


def test_readers_see_all_of_an_add_or_nothing_and_a_second_writer_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "WAIT", 0.05)
    with open_library(tmp_path, write=True, create=True) as writer:
        writer.add([(made("old"), Facts("old"))], who="me", at=1)
        seen: list[int] = []

        def reached(_: str) -> None:
            with open_library(tmp_path) as a, open_library(tmp_path) as b:
                seen.extend([a.count(), b.count(), len(list(b.screens()))])
            with open_library(tmp_path, write=True) as second, pytest.raises(LimitError, match="another process"):
                second.add([(made("second"), Facts("second"))], who="me", at=2)

        writer.reached = lambda name: reached(name) if name != "confirmed" and name != "committed" else None
        with open_library(tmp_path) as long, long.moment():
            assert long.count() == 1
            writer.add([(made(n), Facts(n)) for n in ("new", "newer")], who="me", at=2)
            assert long.count() == 1, "one moment is one moment"
        assert len(seen) == 3 * 6
        assert set(seen) == {1}
        with open_library(tmp_path) as reader:
            assert reader.count() == 3
        assert not (tmp_path / stored.FOLDER / stored.PENDING).exists()


def test_media_that_is_only_read(tmp_path: Path) -> None:
    folder = tmp_path / "lib"
    with open_library(folder, write=True, create=True) as library:
        library.add([(made("old"), Facts("old"))], who="me", at=1)
        # As a machine that was switched off leaves it: changes wait in the -wal file.
        assert (folder / f"{opening.NAME}-wal").stat().st_size
        shutil.copytree(folder, tmp_path / "hot")
    with open_library(folder, immutable=True) as library:
        assert check(library).faults == ()
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            library._connection.execute("DELETE FROM entries")
    with pytest.raises(StorageError, match=r"was not closed .* Copy the folder"):
        open_library(tmp_path / "hot", immutable=True)
    with open_library(tmp_path / "hot") as library:
        assert [e.name for e in library.entries()] == ["old"]
    with open_library(tmp_path / "hot", immutable=True) as library:
        assert library.count() == 1, "whoever may write puts it right by opening it"


def test_no_library_can_be_made_where_nothing_may_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="no library can be made here"):
        open_library(tmp_path / "file" / "lib", write=True, create=True)
    with pytest.raises(StorageError, match="no library here yet"):
        open_library(tmp_path)
