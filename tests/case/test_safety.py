"""What the machine does to a case: unplugged, renamed, restored, written by others, full, read-only, killed, misdated."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mpk_tui.case import Case, actions, artifacts, create_case, lock, open_case
from mpk_tui.constitution.answers import Hop
from mpk_tui.errors import LimitError, StorageError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "case"


@pytest.fixture
def case(folder: Path) -> Iterator[Case]:
    with create_case(folder, id="C-1", title="A drive", examiner="E") as made:
        actions.note(made, "before")
        yield made


def notes(folder: Path) -> list[str]:
    with open_case(folder, read_only=True) as case:
        return [text for _, text in case.state.notes]


def gone(case: Case, folder: Path) -> None:
    shutil.rmtree(folder)


def renamed(case: Case, folder: Path) -> None:
    folder.rename(folder.with_name("moved"))


def unlinked(case: Case, folder: Path) -> None:
    (folder / "journal.mpkj").unlink()


def restored(case: Case, folder: Path) -> None:
    """A backup put in its place: the same bytes in another file."""
    shutil.copy(folder / "journal.mpkj", folder / "copy")
    os.replace(folder / "copy", folder / "journal.mpkj")


def linked(case: Case, folder: Path) -> None:
    (folder / "journal.mpkj").rename(folder / "there")
    (folder / "journal.mpkj").symlink_to("there")


def grown(case: Case, folder: Path) -> None:
    with open(folder / "journal.mpkj", "ab") as f:
        f.write(b"x")


def cut(case: Case, folder: Path) -> None:
    os.truncate(folder / "journal.mpkj", 10)


@pytest.mark.parametrize(
    ("happens", "message"),
    [
        (gone, "no longer there"), (renamed, "no longer there"), (unlinked, "no longer there"),
        (restored, "another file"), (linked, "another file"), (grown, "changed by somebody else"),
        (cut, "changed by somebody else"),
    ],
)  # fmt: skip
def test_nothing_is_written_into_a_journal_that_is_not_there(
    case: Case, folder: Path, tmp_path: Path, happens: Any, message: str
) -> None:
    count = len(case.entries)
    happens(case, folder)
    there = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(StorageError, match=message):
        actions.note(case, "lost")
    (tmp_path / "letter").write_text("x")
    with pytest.raises(StorageError, match=message):
        actions.attach(case, tmp_path / "letter")
    (tmp_path / "letter").unlink()
    assert len(case.entries) == count
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == there


def test_what_was_moved_goes_on_where_it_is_now(case: Case, folder: Path) -> None:
    renamed(case, folder)
    with pytest.raises(StorageError):
        actions.note(case, "lost")
    with open_case(folder.with_name("moved")) as second:
        assert second.read_only, "the first opening still holds the lock"
    case.close()
    with open_case(folder.with_name("moved")) as again:
        actions.note(again, "after")
        assert [t for _, t in again.state.notes] == ["before", "after"]


def test_the_torn_rest_of_a_failed_act_is_cut_before_the_next(
    case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, real_cut = os.pwrite, os.ftruncate

    def half(fd: int, data: bytes, at: int) -> int:
        real(fd, data[:9], at)
        raise OSError(errno.EIO, "Input/output error")

    def refuse(fd: int, length: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", half)
    monkeypatch.setattr(os, "ftruncate", refuse)
    with pytest.raises(StorageError, match="Input/output"):
        actions.note(case, "lost")
    monkeypatch.setattr(os, "pwrite", real)
    with pytest.raises(StorageError, match="Input/output"):
        actions.note(case, "lost too")
    monkeypatch.setattr(os, "ftruncate", real_cut)
    actions.note(case, "after")
    assert notes(folder) == ["before", "after"]


FULL = """
import resource, sys
from pathlib import Path
from mpk_tui.case import actions, open_case
from mpk_tui.errors import StorageError
root = Path(sys.argv[1])
most = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
with open_case(root) as case:
    print(case.read_only, *case.notices, sep="|")
    try:
        while True:
            actions.note(case, "x" * 300)
    except StorageError as error:
        print(error)
    print(len(case.state.notes))
"""


def limited(folder: Path, most: int) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-B", "-c", FULL, str(folder), str(most)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_file_that_cannot_grow_keeps_every_act_that_was_confirmed(case: Case, folder: Path) -> None:
    case.close()
    first, message, count = limited(folder, 8000)
    assert first == "False"
    assert "File too large" in message
    assert "The last act was not recorded, everything before it was" in message
    with open_case(folder) as again:
        assert not again.notices, "the torn rest was cut off"
        assert len(again.state.notes) == int(count)
        assert int(count) > 3
        actions.note(again, "after")


def test_a_case_can_be_read_where_a_torn_tail_cannot_be_set_aside(case: Case, folder: Path) -> None:
    case.close()
    with open(folder / "journal.mpkj", "ab") as f:
        f.write(b"\0\0\0\x50torn")
    before = (folder / "journal.mpkj").read_bytes()
    first, message, count = limited(folder, 0)
    assert first.startswith("True|The journal ends in 8 bytes")
    assert "could not be set aside" in first
    assert "reading only" in message
    assert count == "1"
    assert (folder / "journal.mpkj").read_bytes() == before
    with open_case(folder) as again:
        assert "set aside in journal.torn-" in again.notices[0]


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_where_the_lock_cannot_be_written_the_case_is_read(
    case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    case.close()
    real = os.open

    def refuse(path: Any, flags: int, *rest: Any) -> int:
        if str(path).endswith("lock"):
            raise OSError(code, os.strerror(code))
        return real(path, flags, *rest)

    monkeypatch.setattr(lock.os, "open", refuse)
    with open_case(folder) as again:
        assert again.read_only
        assert "reading only" in again.notices[0]
    with pytest.raises(StorageError, match=r"cannot be written|cannot be used"):
        create_case(folder.with_name("new"), id="N", title="t", examiner="e")


def test_a_journal_that_cannot_be_written_is_read(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case.close()
    real = os.open

    def refuse(path: Any, flags: int, *rest: Any) -> int:
        if str(path).endswith("journal.mpkj") and flags & os.O_WRONLY:
            raise OSError(errno.EACCES, "Permission denied")
        return real(path, flags, *rest)

    monkeypatch.setattr(os, "open", refuse)
    with open_case(folder) as again:
        assert again.read_only
        assert "Permission denied" in again.notices[0]
    monkeypatch.undo()
    with open_case(folder) as again:
        assert not again.read_only, "the lock was given back"


def test_without_locks_two_writers_are_found_out(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case.close()

    def none(fd: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with open_case(folder) as first, open_case(folder) as second:
        assert not first.read_only
        assert "offers no locks" in first.notices[0]
        actions.note(first, "mine")
        with pytest.raises(StorageError, match="changed by somebody else"):
            actions.note(second, "theirs")
        actions.note(first, "mine too")
    assert notes(folder) == ["before", "mine", "mine too"]


def test_who_holds_the_lock_is_named_with_the_machine(case: Case, folder: Path) -> None:
    with open_case(folder) as second:
        assert f"process {os.getpid()})" in second.notices[0]
    (folder / "lock").write_text("77 elsewhere\n")
    with open_case(folder) as second:
        assert "process 77 on elsewhere" in second.notices[0]
    (folder / "lock").write_bytes(b"\xff\x1b[2J")
    with open_case(folder) as second:
        assert "another process" in second.notices[0]


def test_a_clock_that_was_set_back_dates_no_act_before_the_last(
    case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = case.entries[-1].at
    real_ns, real = time.time_ns, time.time
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() - 3_600_000_000_000)
    monkeypatch.setattr(time, "time", lambda: real() - 3600)
    assert actions.note(case, "an hour ago").at == last
    case.close()
    with open_case(folder) as again:
        assert "later than this machine's clock" in again.notices[0]
        assert actions.note(again, "still").at == last
    monkeypatch.undo()
    with open_case(folder) as again:
        assert again.notices == ()


def test_a_year_that_no_calendar_has_is_told_too(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 10**21)
    actions.note(case, "far")
    case.close()
    monkeypatch.undo()
    with open_case(folder) as again:
        assert f"{10**15} ms" in again.notices[0]


KILLED = """
import os, signal, sys
from pathlib import Path
from mpk_tui.case import Case, actions, open_case
case = open_case(Path(sys.argv[1]))
real = Case.append
def append(self, act, *rest, **more):
    if act == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, act, *rest, **more)
Case.append = append
actions.add_evidence(case, "S:R", kind="a", source="s", file=Path(sys.argv[2]))
"""


@pytest.mark.parametrize("act", ["attach", "evidence"])
def test_kill_9_between_a_file_and_its_entry_leaves_a_case_that_goes_on(
    case: Case, folder: Path, tmp_path: Path, act: str
) -> None:
    for role in ("subject", "reference"):
        case.append("artifact", {"id": role[0].upper(), "role": role, "label": "m", "name": "m", "note": ""})
    case.close()
    (tmp_path / "letter").write_text("from the vendor")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(tmp_path / "letter"), act], timeout=60, check=False
    )
    assert done.returncode == -9
    (folder / "attachments" / ".0a1b.k_3vxy9z").write_bytes(b"half of a file")
    with open_case(folder) as again:
        assert not again.read_only
        assert not again.state.evidence
        made = actions.add_evidence(again, "S:R", kind="a", source="s", file=tmp_path / "letter")
        assert made.id == "E1"
        assert (folder / "attachments" / made.digest).read_text() == "from the vendor"
    assert [p.name for p in (folder / "attachments").iterdir()] == [made.digest], "half a file was swept out"


def test_what_a_bundle_could_not_hold_is_refused_when_it_is_entered(case: Case, tmp_path: Path) -> None:
    long = "ü" * 513
    with pytest.raises(UsageError, match="1026 bytes"):
        create_case(tmp_path / "n", id="N", title=long, examiner="e")
    with pytest.raises(UsageError, match="purpose has 1026 bytes"):
        actions.set_facts(case, purpose=long)
    for role in ("subject", "reference"):
        with pytest.raises(UsageError, match="label has 1026"):
            artifacts.add_artifact(case, tmp_path, role=role, label=long)
        artifacts.add_artifact(case, tmp_path, role=role)
    with pytest.raises(UsageError, match="id has 129"):
        actions.add_evidence(case, "", kind="a", source="s", id="x" * 129)
    with pytest.raises(UsageError, match="1026 bytes"):
        actions.answer(case, "c5", "undetermined", hops=(Hop("a", long, "c1"),))
    with pytest.raises(UsageError, match="65 hops"):
        actions.answer(case, "c5", "undetermined", hops=(Hop("a", "b", "c1"),) * 65)
    assert [e.act for e in case.entries] == ["open", "note", "artifact", "artifact"]


def test_a_full_journal_is_refused_before_it_cannot_be_read(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    from mpk_tui.case import journal

    monkeypatch.setattr(journal, "MAX_ENTRIES", 3)
    actions.note(case, "third")
    with pytest.raises(LimitError, match="holds 3 entries"):
        actions.note(case, "fourth")
