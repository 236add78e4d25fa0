"""The workbench on a pseudo-terminal of its own, and every byte that it sends there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

CONTROL = re.compile(rb"\x1b\[[0-9;:?<=>$ ]*[@-~]|\x1b[PX^_\]].*?(?:\x1b\\|\x07)|\x1b[()][0-9A-B]|\x1b[=>78cMDE]")
SGR = re.compile(rb"\x1b\[([0-9;:]*)m")


class RawTerminal:
    """A process in a pseudo-terminal.

    Args:
        args: Arguments of mpk-tui.
        folder: Working folder, and home of the person.
        environ: Variables; the locale is UTF-8 and TERM xterm-256color unless they say otherwise.
    """

    def __init__(self, args: Sequence[str], folder: Path, environ: dict[str, str] | None = None) -> None:
        self.sent = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        env = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "TERM": "xterm-256color",
            "XDG_CONFIG_HOME": str(folder / "config"), "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CACHE_HOME": str(folder / "cache"), "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
            **(environ or {}),
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mpk_tui", *args],
            stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=env, start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def __enter__(self) -> RawTerminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.read(0.1)
        os.close(self._master)

    def read(self, seconds: float) -> None:
        """Collect what is sent until nothing has come for a while."""
        while select.select([self._master], [], [], seconds)[0]:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the other end is closed
                return
            if not data:
                return
            self.sent += data

    def keys(self, text: str) -> None:
        """Type."""
        os.write(self._master, text.encode())

    def until(self, *texts: str, seconds: float = 120) -> int:
        """Wait until all texts were sent since the last such wait; returns how many bytes had been sent before."""
        begun = getattr(self, "_seen", 0)
        end = time.monotonic() + seconds
        while True:
            self.read(0.05)
            shown = CONTROL.sub(b"", self.sent[begun:]).decode("utf-8", "replace")
            if all(text in shown for text in texts):
                self._seen = len(self.sent)
                return begun
            assert time.monotonic() < end, f"{texts} not in {shown[-3000:]!r}"
            assert self.process.poll() is None or texts == (), (
                f"ended with {self.process.returncode}: {shown[-3000:]!r}"
            )

    def end(self) -> int:
        """Wait for the process to end by itself."""
        self.read(0.2)
        code = self.process.wait(120)
        self.read(0.1)
        return code

    def colours(self) -> set[bytes]:
        """Colour parameters of all SGR sequences that were sent: 30-49, 90-107 but for the defaults 39 and 49."""
        out = set()
        for found in SGR.finditer(self.sent):
            for part in found[1].replace(b":", b";").split(b";"):
                if part.isdigit() and (30 <= int(part) <= 48 or 90 <= int(part) <= 107) and part != b"39":
                    out.add(part)
        return out
