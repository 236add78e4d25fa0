"""What breaks work off: a fault with a secret at hand, kill -9 while hashing, ^Z, a drive that goes, a full disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from raw_terminal import RawTerminal
from test_tui_tmux import Terminal, wait
from textual.pilot import Pilot
from tiny_models import checkpoint, weights
from tui_driver import drive, keys, picture, until

from mpk_tui.case import artifacts, create_case, open_case
from mpk_tui.checkpoint.reading import Source
from mpk_tui.tui.app import Workbench

MB = 1 << 20
BREAKS = '''
"""A fault in a form's own code, at the moment when a passphrase was typed."""
from mpk_tui.tui.screens.home import Home
from mpk_tui.tui.widgets.form import Field, Form

def break_down(values):
    passphrase = values["secret"]
    raise ValueError(f"cannot use {passphrase!r}")

def ask(self):
    self.bench.push_screen(Form("Passphrase", [Field("secret", "Passphrase", "secret")], break_down))

Home.action_new = ask
'''
HANGS = """
import time
from mpk_tui.tui.screens.home import Home

def hang(self):
    self.run_worker(lambda: time.sleep(600), thread=True)
    self.bench.say("It hangs.")

Home.action_new = hang
"""
FULL = """
import resource
from pathlib import Path
most = Path("c1/journal.mpkj").stat().st_size + 20
resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
"""


def with_startup(folder: Path, code: str) -> dict[str, str]:
    """Variables under which Python runs some code before ours."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(code)
    repository = Path(__file__).resolve().parents[2]
    # No byte code: under a limit on files Python would leave a cut-off one beside our modules.
    path = os.pathsep.join([str(folder / "site"), str(repository)])
    return {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def case_of(folder: Path, *models: Path) -> Path:
    with create_case(folder / "c1", id="T-1", title="Test", examiner="Kim") as c:
        for n, model in enumerate(models):
            artifacts.add_artifact(c, model, role="reference" if n else "subject")
    return folder / "c1"


def test_a_fault_beside_a_passphrase_shows_neither_it_nor_a_broken_terminal(tmp_path: Path) -> None:
    secret = "xyzzy-correct-horse"
    with RawTerminal(["tui"], tmp_path, with_startup(tmp_path, BREAKS)) as terminal:
        terminal.until("New case")
        terminal.keys("n")
        terminal.until("Passphrase")
        terminal.keys(secret)
        terminal.read(0.5)
        terminal.keys("\x13")  # ^s
        assert terminal.end() == 40
        sent = terminal.sent
    assert secret.encode() not in sent
    report = sent[sent.rindex(b"mpk-tui ended on a fault of its own: ValueError") :]
    assert b"in break_down" in report
    assert sent.rindex(b"\x1b[?1049l") > sent.rindex(b"\x1b[?1049h")  # out of the alternate screen
    assert sent.rindex(b"\x1b[?1003l") > sent.rindex(b"\x1b[?1003h")  # and the mouse is off
    assert sent.rindex(b"\x1b[?25h") > sent.rindex(b"\x1b[?25l")  # and the cursor is back
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.name != "sitecustomize.py":
            assert secret.encode() not in file.read_bytes()


def test_a_thread_that_hangs_does_not_hold_the_process(tmp_path: Path) -> None:
    with RawTerminal(["tui"], tmp_path, with_startup(tmp_path, HANGS)) as terminal:
        terminal.until("New case")
        terminal.keys("n")
        terminal.until("It hangs.")
        terminal.keys("\x11")
        assert terminal.end() == 0


def test_a_full_disk_is_told_and_what_was_recorded_stays(tmp_path: Path) -> None:
    case = case_of(tmp_path, *(checkpoint(tmp_path / n, weights(s)) for n, s in (("s", 1), ("r", 2))))
    count = len(read_entries(case))
    with RawTerminal(["c1"], tmp_path, with_startup(tmp_path, FULL)) as terminal:
        terminal.until("Open before a signature")
        terminal.keys("g6")
        terminal.until("C4")
        terminal.keys("n")
        terminal.until("journal.mpkj: cannot be written", "File too large")
        terminal.keys("\x11")
        assert terminal.end() == 0
    assert len(read_entries(case)) == count
    with open_case(case) as c:
        assert not c.notices


def read_entries(case: Path) -> tuple[Any, ...]:
    with open_case(case, read_only=True) as c:
        return c.entries


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal_and_ends_its_jobs(tmp_path: Path, number: signal.Signals) -> None:
    case = case_of(tmp_path, sparse_model(tmp_path / "model", 4000, 1))
    with RawTerminal(["c1"], tmp_path) as terminal:
        terminal.until("Open before a signature")
        terminal.keys("g3")
        terminal.until("fingerprints the artifact")
        terminal.keys("f")
        terminal.until("hashing")
        below = children(terminal.process.pid)
        assert below
        os.kill(terminal.process.pid, number)
        assert terminal.end() == 130
        sent = terminal.sent
    assert sent.rindex(b"\x1b[?1049l") > sent.rindex(b"\x1b[?1049h")
    wait(lambda: all(gone(p) for p in below), 20)
    with open_case(case) as c:
        assert not c.read_only
        assert c.entries[-1].act == "artifact"  # nothing half-made was recorded


# -- tmux -----------------------------------------------------------------------------------------------------------

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    made.tmux("kill-server")


def sparse_model(folder: Path, *megabytes: int) -> Path:
    """Shards of zeros that take no room on the disk and as long to hash as any."""
    folder.mkdir()
    for n, size in enumerate(megabytes):
        header = {f"t{n}": {"dtype": "U8", "shape": [size * MB], "data_offsets": [0, size * MB]}}
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with (folder / f"model-{n + 1:05d}-of-{len(megabytes):05d}.safetensors").open("wb") as f:
            f.write(struct.pack("<Q", len(text)) + text)
            f.truncate(8 + len(text) + size * MB)
    return folder


def children(pid: int) -> list[int]:
    """Processes below one."""
    out: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        below = [int(p) for p in task.read_text().split()]
        out += [*below, *(q for p in below for q in children(p))]
    return out


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and ") Z " in stat.read_text()


@needs_tmux
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_kill_9_while_hashing_costs_one_file(tmp_path: Path, terminal: Terminal) -> None:
    case = case_of(tmp_path, sparse_model(tmp_path / "model", 600, 599))
    time.sleep(2.2)  # so that the times of the files tell
    command = f"{sys.executable} -m mpk_tui c1; echo ended with $?"
    terminal.text(command)
    terminal.keys("Enter")
    terminal.shows("1 Case", "Open before a signature")
    terminal.keys("g", "3")
    terminal.shows("fingerprints the artifact")
    terminal.keys("f")
    file = case / "progress" / "S1.mpkp"
    wait(lambda: file.exists() and file.stat().st_size > 250, 60, terminal.picture)
    process = int((case / "lock").read_text().split()[0])
    below = children(process)
    os.kill(process, signal.SIGKILL)
    terminal.shows("ended with 137")
    wait(lambda: all(gone(p) for p in below), 20)  # nothing hashes on for nobody
    assert file.exists()

    terminal.keys("C-l")
    terminal.tmux("respawn-pane", "-k", "env", "PS1=$ ", "TERM=screen-256color", "sh")
    terminal.text(command)
    terminal.keys("Enter")
    terminal.shows("1 Case", "Open before a signature")
    terminal.keys("g", "3")
    terminal.shows("fingerprints the artifact")
    terminal.keys("f")
    terminal.shows("Notice: hashes of 1 of 2 files")
    with open_case(case, read_only=True) as c:
        assert "hashes of 1 of 2 files" in c.entries[-1].params["resumed"]
    assert not file.exists()
    terminal.keys("C-q")
    terminal.shows("ended with 0")


@needs_tmux
def test_suspended_and_back(tmp_path: Path, terminal: Terminal) -> None:
    case_of(tmp_path)
    terminal.text(f"{sys.executable} -m mpk_tui c1")
    terminal.keys("Enter")
    terminal.shows("1 Case")
    terminal.keys("t")
    terminal.shows("^s")
    terminal.text("half a sen")
    terminal.shows("half a sen")
    os.kill(int((tmp_path / "c1" / "lock").read_text().split()[0]), signal.SIGTSTP)
    wait(lambda: terminal.state() == "0 0", 20, terminal.picture)
    terminal.keys("f", "g", "Enter")
    terminal.shows("half a sen")
    terminal.text("tence")
    terminal.shows("half a sentence")
    terminal.keys("Escape")
    terminal.shows("Esc again")
    terminal.keys("Escape")
    wait(lambda: "Esc again" not in terminal.picture(), 20, terminal.picture)
    terminal.keys("C-z")
    wait(lambda: terminal.state() == "0 0", 20, terminal.picture)
    terminal.keys("f", "g", "Enter")
    terminal.shows("1 Case", "Open before a signature")


# -- drives ---------------------------------------------------------------------------------------------------------


def fails(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, go: Any) -> str:
    """What a fingerprint says of which the drive goes away when its first chunk is read."""
    app = Workbench(case_of(tmp_path, model))
    read, done = Source.read_into, []

    def reading(source: Source, view: memoryview, at: int) -> None:
        if len(view) >= MB and not done:
            done.append(at)
            read(source, view, at)
            go()
            return
        read(source, view, at)

    monkeypatch.setattr(Source, "read_into", reading)
    said: list[str] = []

    async def script(pilot: Pilot[Any]) -> None:
        from mpk_tui.case import resuming

        assert app.session is not None
        artifact = app.session.case.state.artifacts["S1"]
        plan = resuming.plan(app.session.case, "S1")
        # In a thread of this process, so that the drive can be made to go at a place that is known.
        job = app.start_job(
            "fingerprint", "S1", "fingerprint S1",
            lambda report, cancel: resuming.measure_resumable(artifact, plan, report, cancel),
            lambda made: said.append("recorded"), [model],
        )  # fmt: skip
        await until(pilot, lambda: not job.live, 30)
        await pilot.pause()
        assert job.state == "failed"
        said.append(job.error)
        assert "! fingerprint S1" in picture(app)
        await keys(pilot, "g", "3")
        assert "failed: " in picture(app)

    drive(app, script, (150, 30))
    assert len(read_entries(tmp_path / "c1")) == 2
    assert done
    return said[0]


def test_a_file_cut_short_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sparse_model(tmp_path / "model", 9)
    file = model / "model-00001-of-00001.safetensors"
    said = fails(tmp_path, model, monkeypatch, lambda: os.truncate(file, 5 * MB))
    assert said.startswith(f"{file.name}: ends at byte {5 * MB}, where more was expected")


def test_a_drive_that_answers_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sparse_model(tmp_path / "model", 9)

    def unplug() -> None:
        def refused(*_: object) -> int:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "preadv", refused)

    said = fails(tmp_path, model, monkeypatch, unplug)
    assert said == (
        f"model-00001-of-00001.safetensors: cannot be read at byte {4 * MB} (Input/output error). "
        "Is the drive still there?"
    )


def test_a_folder_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sparse_model(tmp_path / "model", 9, 8)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    said = fails(tmp_path, model, monkeypatch, lambda: shutil.rmtree(model))
    assert said.startswith("model-00002-of-00002.safetensors: cannot be opened (No such file or directory)")


def test_a_model_that_is_gone_before_its_turn(tmp_path: Path) -> None:
    model = checkpoint(tmp_path / "s", weights(1))
    app = Workbench(case_of(tmp_path, model))
    shutil.rmtree(model)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "3", "f")
        job = app.jobs.find("fingerprint", "S1")
        assert job is not None
        await until(pilot, lambda: not job.live, 60)
        assert job.state == "failed"
        assert str(model) in job.error

    drive(app, script)
