"""The case: what is recorded survives, what is torn is told, what is altered is refused, and one writer at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mpk_tui import canonical, hashtree
from mpk_tui.case import Case, actions, artifacts, create_case, open_case, review
from mpk_tui.case.journal import read_journal
from mpk_tui.case.state import fold
from mpk_tui.errors import MalformedError, StorageError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "case"


@pytest.fixture
def case(folder: Path) -> Case:
    made = create_case(folder, id="C-1", title="A drive", examiner="E. Xaminer", exhibit="X1")
    yield made  # type: ignore[misc]
    made.close()


def add_pair(case: Case, tmp_path: Path) -> str:
    for role in ("subject", "reference"):
        path = tmp_path / f"{role}.safetensors"
        path.write_bytes(b"")
        artifacts.add_artifact(case, path, role=role)
    return case.state.pairs[0]


def test_what_was_recorded_is_there_again(case: Case, folder: Path, tmp_path: Path) -> None:
    pair = add_pair(case, tmp_path)
    item = actions.add_evidence(case, pair, kind="a", supports=("c1",), source="release notes", excerpt="from base")
    actions.answer(case, "C1", "met", reason="documented", evidence=(item.id,))
    actions.set_rationale(case, pair, "the notes name the parent")
    actions.custody(case, "transfer", "handed over by B. Other at 10:00Z")
    before = case.state
    case.close()
    with open_case(folder) as again:
        assert again.state == before
        assert again.state.answers[pair]["c1"].evidence == ("E1",)
        assert review.verdict(again).label == "linked"


def test_the_journal_is_the_bundles_log_format(case: Case, folder: Path) -> None:
    actions.note(case, "seen")
    journal = read_journal(folder / "journal.mpkj")
    digests = [hashtree.sha256(e.raw) for e in journal.entries]
    assert hashtree.chain_head(digests) == journal.head
    entry = canonical.decode(journal.entries[0].raw)
    assert set(entry) == {
        "seq", "at", "clock", "who", "role", "act", "obj", "tool", "params", "result", "note", "salt"
    }  # fmt: skip
    assert entry["clock"]["trusted"] is False


@pytest.mark.parametrize("cut", [1, 7, 31, 40])
def test_a_torn_tail_is_set_aside_and_told(case: Case, folder: Path, cut: int) -> None:
    actions.note(case, "first")
    actions.note(case, "second")
    case.close()
    path = folder / "journal.mpkj"
    data = path.read_bytes()
    path.write_bytes(data[:-cut])
    with open_case(folder) as again:
        assert [n for _, n in again.state.notes] == ["first"]
        assert "set aside" in again.notices[0]
        actions.note(again, "third")
    with open_case(folder) as again:
        assert [n for _, n in again.state.notes] == ["first", "third"]
        assert not again.notices
    assert len(list(folder.glob("journal.torn-*"))) == 1


def test_every_altered_byte_before_the_last_entry_is_found(case: Case, folder: Path) -> None:
    actions.note(case, "one")
    actions.note(case, "two")
    case.close()
    path = folder / "journal.mpkj"
    data = bytearray(path.read_bytes())
    whole = len(read_journal(path).entries)
    last = len(data) - len(read_journal(path).entries[-1].raw) - 36
    for at in range(0, last, 11):
        altered = bytearray(data)
        altered[at] ^= 1
        path.write_bytes(altered)
        with contextlib.suppress(MalformedError):
            # A length that now reaches beyond the end reads as a torn tail, and is told.
            assert len(read_journal(path).entries) < whole


def test_undo_and_redo_are_records(case: Case, tmp_path: Path) -> None:
    pair = add_pair(case, tmp_path)
    actions.answer(case, "c1", "not-met", reason="other corpus")
    actions.answer(case, "c1", "undetermined")
    actions.undo(case)
    assert case.state.answers[pair]["c1"].answer == "not-met"
    actions.undo(case)
    assert "c1" not in case.state.answers.get(pair, {})
    actions.redo(case)
    actions.redo(case)
    assert case.state.answers[pair]["c1"].answer == "undetermined"
    with pytest.raises(UsageError, match="nothing to redo"):
        actions.redo(case)
    assert [e.act for e in case.entries].count("undo") == 2


def test_a_new_judgement_ends_redo(case: Case) -> None:
    actions.note(case, "one")
    actions.undo(case)
    actions.note(case, "two")
    with pytest.raises(UsageError, match="nothing to redo"):
        actions.redo(case)


def test_custody_cannot_be_taken_back(case: Case) -> None:
    actions.custody(case, "intake", "received sealed")
    with pytest.raises(UsageError, match="nothing to undo"):
        actions.undo(case)


def test_a_second_opening_is_for_reading_only(case: Case, folder: Path) -> None:
    with open_case(folder) as second:
        assert second.read_only
        assert str(os.getpid()) in second.notices[0]
        with pytest.raises(StorageError, match="reading only"):
            actions.note(second, "x")
    actions.note(case, "the first goes on")


def test_kill_9_loses_no_confirmed_act(folder: Path) -> None:
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom mpk_tui.case import create_case, actions\n"
        "case = create_case(Path(sys.argv[1]), id='K', title='t', examiner='e')\n"
        "n = 0\nwhile True:\n    actions.note(case, f'note {n}')\n    print(n, flush=True)\n    n += 1\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        confirmed = -1
        for _ in range(40):
            confirmed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        confirmed = max([confirmed, *map(int, rest)])
    with open_case(folder) as case:
        notes = [text for _, text in case.state.notes]
        assert not case.read_only
        assert notes[: confirmed + 1] == [f"note {n}" for n in range(confirmed + 1)]


def test_a_full_disk_keeps_everything_before(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    actions.note(case, "before")
    real = os.pwrite
    calls = []

    def full(fd: int, data: bytes, at: int) -> int:
        calls.append(at)
        if len(calls) == 1:
            return real(fd, data[: len(data) // 2], at)  # half of the frame fits
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageError, match="No space left"):
        actions.note(case, "lost")
    monkeypatch.setattr(os, "pwrite", real)
    assert [n for _, n in case.state.notes] == ["before"]
    actions.note(case, "after")
    case.close()
    with open_case(folder) as again:
        assert [n for _, n in again.state.notes] == ["before", "after"]
        assert not again.notices


def test_a_folder_that_holds_something_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(StorageError, match="not empty"):
        create_case(tmp_path, id="C", title="t", examiner="e")
    with pytest.raises(StorageError, match="holds no case"):
        open_case(tmp_path)


@pytest.mark.parametrize("id", ["", "../x", "a b", "x" * 64, "é"])
def test_case_ids_are_plain(tmp_path: Path, id: str) -> None:
    with pytest.raises(UsageError):
        create_case(tmp_path / "c", id=id, title="t", examiner="e")


def test_bad_acts_are_refused_and_leave_no_trace(case: Case, tmp_path: Path) -> None:
    pair = add_pair(case, tmp_path)
    count = len(case.entries)
    for act in (
        lambda: actions.answer(case, "c9", "met", reason="x"),
        lambda: actions.answer(case, "c1", "yes"),
        lambda: actions.answer(case, "c1", "met"),
        lambda: actions.answer(case, "c1", "met", reason="x", evidence=("E9",)),
        lambda: actions.answer(case, "c1", "met", reason="x", basis="chain"),
        lambda: actions.add_evidence(case, pair, kind="z", source="x"),
        lambda: actions.add_evidence(case, pair, kind="a"),
        lambda: actions.add_evidence(case, pair, kind="b", source="x"),
        lambda: actions.evidence_from_comparison(case, pair),
        lambda: artifacts.add_artifact(case, tmp_path / "nothing", role="subject"),
        lambda: artifacts.add_artifact(case, tmp_path, role="friend"),
        lambda: actions.note(case, " "),
        lambda: actions.custody(case, "steal", "x"),
    ):
        with pytest.raises((UsageError, StorageError)):
            act()
    assert len(case.entries) == count


def test_attachments_are_kept_under_their_digest(case: Case, folder: Path, tmp_path: Path) -> None:
    pair = add_pair(case, tmp_path)
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(b"%PDF from the vendor")
    item = actions.add_evidence(case, pair, kind="c", supports=("c1",), source="a journal", file=paper)
    assert (folder / "attachments" / item.digest).read_bytes() == paper.read_bytes()


def test_a_changed_file_of_the_case_is_noticed(case: Case) -> None:
    path = case.keep("comparisons", "x", b"data")
    path.write_bytes(b"other")
    with pytest.raises(MalformedError, match="SHA-256 differs"):
        case.kept("comparisons", "x", hashtree.sha256(b"data").hex())


def test_the_state_is_a_fold_and_paths_stay_out_of_the_journal(case: Case, folder: Path, tmp_path: Path) -> None:
    add_pair(case, tmp_path)
    actions.note(case, "x")
    folded = fold(case.entries)
    assert folded.answers == case.state.answers
    assert folded.notes == case.state.notes
    assert set(folded.artifacts) == set(case.state.artifacts)
    assert case.state.artifacts["S1"].path == str(tmp_path / "subject.safetensors")
    assert folded.artifacts["S1"].path == ""
    assert str(tmp_path).encode() not in (folder / "journal.mpkj").read_bytes()


def test_status_names_the_step_of_each_gap(case: Case, tmp_path: Path) -> None:
    assert {g.step for g in review.status(case) if g.blocking} == {2}
    add_pair(case, tmp_path)
    steps = {g.step for g in review.status(case) if g.blocking}
    assert steps == {3, 4, 6, 9}
    assert not review.ready(case)
