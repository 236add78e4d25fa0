"""The workbench in a real terminal: killed, hung up, opened again, and nothing that was answered is gone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_models import checkpoint, weights

from mpk_tui.case import artifacts, create_case, open_case

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Terminal:
    """A tmux server of its own with one window."""

    def __init__(self, folder: Path) -> None:
        self._socket = str(folder / "tmux.sock")
        shell = ["env", "PS1=$ ", "TERM=screen-256color", "sh"]
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", str(folder), *shell)

    def tmux(self, *args: str) -> str:
        """Run one tmux command."""
        done = subprocess.run(["tmux", "-S", self._socket, *args], capture_output=True, text=True, check=True)
        return done.stdout

    def keys(self, *keys: str) -> None:
        """Press keys by their tmux names."""
        self.tmux("send-keys", *keys)

    def text(self, text: str) -> None:
        """Type text."""
        self.tmux("send-keys", "-l", text)

    def picture(self) -> str:
        """What stands in the window."""
        return self.tmux("capture-pane", "-p")

    def state(self) -> str:
        """Whether the alternate screen and the mouse are on."""
        return self.tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag}").strip()

    def shows(self, *texts: str, seconds: float = 120) -> str:
        """Wait until all texts stand in the window."""
        wait(lambda: all(t in self.picture() for t in texts), seconds, lambda: f"{texts} not in\n{self.picture()}")
        return self.picture()


def wait(true: Callable[[], bool], seconds: float, why: Callable[[], str] = lambda: "") -> None:
    """Poll until something holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, why()
        time.sleep(0.05)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A terminal that is gone afterwards, with all that ran in it."""
    made = Terminal(tmp_path)
    yield made
    made.tmux("kill-server")


def test_kill_and_hang_up_lose_nothing(tmp_path: Path, terminal: Terminal) -> None:
    case = tmp_path / "c1"
    with create_case(case, id="T-1", title="Test", examiner="Kim") as c:
        for name, role, seed in (("s", "subject", 1), ("r", "reference", 2)):
            artifacts.add_artifact(c, checkpoint(tmp_path / name, weights(seed)), role=role)
    command = f"{sys.executable} -m mpk_tui {case.name}; echo ended with $?"

    def pid() -> int:
        return int((case / "lock").read_text().split()[0])

    terminal.text(command)
    terminal.keys("Enter")
    terminal.shows("1 Case", "Open before a signature")
    terminal.keys("g", "6")
    terminal.shows("C4 Identity")
    terminal.keys("n")
    terminal.shows("(o) not met")
    terminal.keys("r")
    terminal.shows("Reason, typing")
    terminal.text("hashes differ")
    wait(lambda: (case / "drafts.json").exists() and "hashes differ" in (case / "drafts.json").read_text(), 120)
    os.kill(pid(), signal.SIGKILL)
    terminal.shows("ended with 137")

    terminal.keys("C-l")
    terminal.tmux("respawn-pane", "-k", "env", "PS1=$ ", "TERM=screen-256color", "sh")
    terminal.text(command)
    terminal.keys("Enter")
    terminal.shows("1 Case", "Open before a signature")
    terminal.keys("g", "6")
    terminal.shows("(o) not met", "hashes differ")
    terminal.keys("r")
    terminal.shows("Reason, typing")
    terminal.text("! ")
    terminal.shows("hashes differ!")
    terminal.tmux("resize-window", "-x", "150", "-y", "45")
    terminal.shows("Verdict as things stand")
    assert terminal.state().startswith("1")
    os.kill(pid(), signal.SIGHUP)
    terminal.shows("ended with 130")
    assert terminal.state() == "0 0"

    with open_case(case) as c:
        given = c.state.answers["S1:R1"]["c4"]
        assert (given.answer, given.reason.strip()) == ("not-met", "hashes differ!")
        assert not c.read_only


def test_a_dead_terminal_ends_the_process(tmp_path: Path, terminal: Terminal) -> None:
    case = tmp_path / "c1"
    create_case(case, id="T-1", title="Test", examiner="Kim").close()
    terminal.text(f"exec {sys.executable} -m mpk_tui {case.name}")
    terminal.keys("Enter")
    terminal.shows("1 Case")
    process = int((case / "lock").read_text().split()[0])
    terminal.tmux("new-session", "-d", "-s", "other", "sleep 60")  # keeps the server when the window goes
    terminal.tmux("kill-session", "-t", "0")

    def gone() -> bool:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{process}/stat").exists() and ") Z " in Path(f"/proc/{process}/stat").read_text()

    wait(gone, 120)
    with open_case(case) as c:
        assert not c.read_only
