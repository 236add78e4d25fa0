"""A fingerprint that was cut off goes on: finished files are not read again, and the case says which and why."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mpk_tui.case import Case, artifacts, create_case, open_case, resuming
from mpk_tui.case.actions import accept_proposals, compare_pair, set_rationale
from mpk_tui.checkpoint.reading import Source
from mpk_tui.cli import main
from mpk_tui.fingerprint import kept
from mpk_tui.progress import CancelToken, Progress

MB = 1 << 20
SIZES = (5, 4, 3, 2)
"""Megabytes of the shards; the largest is hashed first where one file is hashed at a time."""


def shard(path: Path, megabytes: int, seed: int) -> None:
    header = {
        f"t{seed}.{n}": {"dtype": "U8", "shape": [MB], "data_offsets": [n * MB, (n + 1) * MB]} for n in range(megabytes)
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes([seed]) * (megabytes * MB))


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case with one checkpoint of four shards, whose files have come to rest."""
    folder = tmp_path / "model"
    folder.mkdir()
    for n, megabytes in enumerate(SIZES):
        shard(folder / f"model-{n + 1:05d}-of-{len(SIZES):05d}.safetensors", megabytes, n + 1)
    (folder / "config.json").write_text("{}")
    with create_case(tmp_path / "c1", id="C-1", title="Resume", examiner="Kim") as made:
        artifacts.add_artifact(made, folder, role="subject")
    return tmp_path / "c1"


KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
from pathlib import Path
from mpk_tui.case import open_case, resuming
from mpk_tui.checkpoint.reading import Source
from mpk_tui.fingerprint import kept
kept.SETTLED = 0.0
done = []
keep, read = kept.KeptHashes.keep, Source.read_into

def keeping(self, path, *rest):
    keep(self, path, *rest)
    done.append(path)

def reading(self, view, at):
    if len([d for d in done if d.endswith(".safetensors")]) == {after} and len(view) >= 1 << 20:
        os.kill(os.getpid(), signal.SIGKILL)  # in the middle of the next file
    read(self, view, at)

kept.KeptHashes.keep, Source.read_into = keeping, reading
os.cpu_count = lambda: 1
with open_case(Path({case!r})) as case:
    resuming.fingerprint_resumably(case, "S1")
"""


def cut_off(case: Path, after: int) -> Path:
    """Kill -9 while the file after ``after`` finished ones is being read; where the hashes are kept."""
    script = KILLED.format(path=[p for p in sys.path if p], case=str(case), after=after)
    done = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return case / "progress" / "S1.mpkp"


@pytest.fixture(autouse=True)
def _at_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of these tests are made a moment before; one test gives the rule back."""
    monkeypatch.setattr(kept, "SETTLED", 0.0)


class Reads:
    """Bytes read of each file in chunks, as hashing reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: dict[str, int] = {}
        read = Source.read_into

        def counted(source: Source, view: memoryview, at: int) -> None:
            read(source, view, at)
            if len(view) >= MB:
                self.files[source.where] = self.files.get(source.where, 0) + len(view)

        monkeypatch.setattr(Source, "read_into", counted)


def again(case: Path, **how: bool) -> tuple[resuming.Measured, list[Progress], Case]:
    seen: list[Progress] = []
    with open_case(case) as opened:
        return resuming.fingerprint_resumably(opened, "S1", seen.append, **how), seen, opened


def fresh(case: Path) -> bytes:
    """The fingerprint of the files as they are, from reading all."""
    with open_case(case, read_only=True) as opened:
        return artifacts.measure_fingerprint(opened.state.artifacts["S1"]).to_bytes()


def test_after_kill_9_finished_files_are_not_read_again(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = cut_off(case, 2)
    assert file.stat().st_mode & 0o777 == 0o600
    reads = Reads(monkeypatch)
    made, seen, opened = again(case)
    assert sorted(reads.files) == ["model-00003-of-00004.safetensors", "model-00004-of-00004.safetensors"]
    assert made.data == fresh(case)
    resumed = made.resumed
    assert resumed is not None
    assert (resumed.files, resumed.of) == (2, 5)
    # What was taken is no work: it counts in no rate.
    assert seen[0].stage.startswith("hashing (2 of 5 files kept from 20")
    assert seen[0].total < 6 * MB
    entry = opened.entries[-1]
    assert entry.act == "hash_before"
    said = entry.params["resumed"]
    assert said == resumed.sentence()
    assert "hashes of 2 of 5 files" in said
    assert "UTC, not read again; unchanged by device, inode, size, modification and change time" in said
    assert entry.result["resumed"]["files"] == 2
    assert not file.exists()  # recorded: nothing is kept any more


def typed(secret: bytes) -> str:
    """A descriptor that holds the passphrase."""
    read, write = os.pipe()
    os.write(write, secret + b"\n")
    os.close(write)
    return str(read)


def test_a_bundle_carries_what_was_believed(case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(case, 2)
    made, _, _ = again(case)
    assert made.resumed is not None
    folder = tmp_path / "model"
    with open_case(case) as opened:
        artifacts.add_artifact(opened, folder, role="reference")
        resuming.fingerprint_resumably(opened, "R1")
        compare_pair(opened)
        accept_proposals(opened)
        set_rationale(opened, "S1:R1", "The same files.")
    key = tmp_path / "ada.pem"
    assert main(["keys", "new", "-o", str(key), "--passphrase-fd", typed(b"correct horse")]) == 0
    signed = ["--key", str(key), "--passphrase-fd", typed(b"correct horse")]
    assert main(["bundle", "build", str(case), "-o", str(tmp_path / "c.mpkb"), *signed]) == 0
    capsys.readouterr()
    public = tmp_path / "ada.pub.pem"
    assert main(["report", str(tmp_path / "c.mpkb"), "--key", str(public), "-o", str(tmp_path / "c.txt")]) == 0
    text = " ".join((tmp_path / "c.txt").read_text().split())
    assert "hashes of 2 of 5 files" in text


def test_nothing_is_said_where_nothing_was_taken(case: Path) -> None:
    made, seen, opened = again(case)
    assert made.sentences() == []
    assert seen[0].stage == "hashing"
    assert "resumed" not in opened.entries[-1].params
    assert opened.entries[-1].result is None


def test_a_file_that_changed_meanwhile_is_read_again(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(case, 2)
    changed = case.parent / "model" / "model-00001-of-00004.safetensors"
    before = changed.stat()
    with changed.open("r+b") as f:
        f.seek(-1, os.SEEK_END)
        f.write(b"\xff")
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))  # the change time cannot be set back
    assert changed.stat().st_mtime_ns == before.st_mtime_ns
    reads = Reads(monkeypatch)
    made, _, _ = again(case)
    assert changed.name in reads.files
    assert made.resumed is not None
    assert made.resumed.files == 1
    assert made.data == fresh(case)


def test_a_file_that_was_put_in_its_place_is_read_again(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(case, 1)
    other = case.parent / "model" / "model-00001-of-00004.safetensors"
    shutil.copy2(other, other.with_suffix(".new"))
    other.with_suffix(".new").replace(other)
    reads = Reads(monkeypatch)
    made, _, _ = again(case)
    assert made.resumed is None
    assert other.name in reads.files


def test_afresh_reads_everything(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(case, 2)
    reads = Reads(monkeypatch)
    made, _, opened = again(case, afresh=True)
    assert made.resumed is None
    assert len(reads.files) == 4
    assert "resumed" not in opened.entries[-1].params


def test_a_rehash_reads_everything(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again(case)
    cut_off(case, 2)
    reads = Reads(monkeypatch)
    with open_case(case) as opened:
        assert artifacts.rehash_artifact(opened, "S1")
    assert len(reads.files) == 4


def test_a_torn_end_costs_one_file(case: Path) -> None:
    file = cut_off(case, 2)
    data = file.read_bytes()
    for cut in (1, 40, len(data) // 3):
        file.write_bytes(data[:-cut])
        with kept.KeptHashes(file, bound_of(case)) as hashes:
            assert hashes.notices == []
            assert len(hashes._files) == (1 if cut < 100 else len(hashes._files))
            assert len(hashes._files) < 2
    made, _, _ = again(case)
    assert made.data == fresh(case)


def bound_of(case: Path) -> bytes:
    with open_case(case) as opened:
        plan = resuming.plan(opened, "S1")
    assert plan is not None
    return plan.bound


def test_a_tampered_file_is_not_believed_and_that_is_said(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = cut_off(case, 2)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    reads = Reads(monkeypatch)
    made, _, _ = again(case)
    assert made.resumed is None
    assert len(reads.files) == 4
    assert "kept hashes are not believed" in made.sentences()[0]
    assert made.data == fresh(case)


@pytest.mark.parametrize("foreign", [b"", b"\x00" * 400, b"\xff" * 40, b"\x92\xa5MPKF1 and so on"])
def test_what_is_no_such_file_is_set_right(case: Path, foreign: bytes) -> None:
    (case / "progress").mkdir()
    (case / "progress" / "S1.mpkp").write_bytes(foreign)
    made, _, _ = again(case)
    assert made.resumed is None
    assert made.data == fresh(case)


def test_another_case_is_not_believed(case: Path, tmp_path: Path) -> None:
    file = cut_off(case, 2)
    with create_case(tmp_path / "c2", id="C-1", title="Resume", examiner="Kim") as made:
        artifacts.add_artifact(made, tmp_path / "model", role="subject")
    (tmp_path / "c2" / "progress").mkdir()
    shutil.copy2(file, tmp_path / "c2" / "progress" / "S1.mpkp")
    measured, _, _ = again(tmp_path / "c2")
    assert measured.resumed is None
    assert "made for another case, another artifact" in measured.sentences()[0]


def test_another_way_to_open_it_is_another_matter(case: Path) -> None:
    cut_off(case, 2)
    with open_case(case) as opened:
        artifacts.remove_artifact(opened, "S1")
        artifacts.add_artifact(opened, case.parent / "model", role="subject", id="S1")
    made, _, _ = again(case)
    assert made.resumed is None


def test_a_link_is_not_written_through(case: Path, tmp_path: Path) -> None:
    (case / "progress").mkdir()
    target = tmp_path / "precious"
    target.write_bytes(b"as it was")
    (case / "progress" / "S1.mpkp").symlink_to(target)
    made, _, _ = again(case)
    assert "no hashes are kept for a later run" in made.sentences()[0]
    assert target.read_bytes() == b"as it was"


def test_a_file_that_is_still_warm_is_not_kept(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "SETTLED", 1e6)
    token = CancelToken()
    with open_case(case) as opened:
        plan = resuming.plan(opened, "S1")
        resuming.measure_resumable(opened.state.artifacts["S1"], plan, cancel=token)
        assert plan is not None
        with kept.KeptHashes(plan.path, plan.bound) as hashes:
            assert hashes._files == {}


def test_two_at_once_do_not_mix(case: Path) -> None:
    with open_case(case) as opened:
        plan = resuming.plan(opened, "S1")
    assert plan is not None
    with kept.KeptHashes(plan.path, plan.bound), kept.KeptHashes(plan.path, plan.bound) as second:
        assert "another process hashes this artifact" in second.notices[0]


def test_a_full_disk_stops_the_keeping_and_not_the_hashing(case: Path) -> None:
    script = KILLED.format(path=[p for p in sys.path if p], case=str(case), after=99).replace(
        'resuming.fingerprint_resumably(case, "S1")',
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (900, 900));"
        'made = resuming.measure_resumable(case.state.artifacts["S1"], resuming.plan(case, "S1"));'
        "print(made.fingerprint.root.hex(), made.sentences())",
    )
    done = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    root, _, said = done.stdout.partition(" ")
    assert "no more hashes are kept for a later run" in said
    made, _, _ = again(case)
    assert made.fingerprint.root.hex() == root


def test_the_command_says_what_it_takes(case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut_off(case, 2)
    assert main(["case", "fingerprint", str(case)]) == 0
    out = capsys.readouterr()
    assert "S1: hashes of 2 of 5 files" in out.err
    assert "tensor root" in out.out
    cut_off(case, 2)
    assert main(["case", "fingerprint", str(case), "S1", "--afresh"]) == 0
    assert "taken from" not in capsys.readouterr().err


def test_a_read_only_case_keeps_nothing(case: Path) -> None:
    with open_case(case, read_only=True) as opened:
        assert resuming.plan(opened, "S1") is None


def test_what_was_taken_reads_well() -> None:
    r = kept.Resumed(3, 4, 3 * 10**9, 4 * 10**9, int(time.mktime((2026, 11, 26, 12, 0, 0, 0, 0, 0)) * 1000))
    assert r.sentence().startswith(
        "hashes of 3 of 4 files (3.0 GB of 4.0 GB) were taken from an interrupted run begun 2026-11-26"
    )
    assert kept.Resumed(1, 1, 1, 1, (1 << 63) - 1).stage()
