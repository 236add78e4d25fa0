"""Narration on a terminal and in a pipe."""

from __future__ import annotations

import fcntl
import os
import struct
import termios

import pytest

from mpk_tui.cli.output import narrate

PATH = "/shelf/" + "a-long-folder/" * 6 + "model.safetensors"
LINE = (
    f"note: every word of this sentence stays whole wherever the line ends: {PATH} is not broken either, at any hyphen"
)


def on_terminal(monkeypatch: pytest.MonkeyPatch, line: str, columns: int) -> list[str]:
    """Lines that a terminal of so many columns gets."""
    here, there = os.openpty()
    try:
        fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        with os.fdopen(there, "w", encoding="utf-8") as stream, monkeypatch.context() as patched:
            patched.setattr("sys.stderr", stream)
            narrate(line)
            return os.read(here, 65536).decode().splitlines()
    finally:
        os.close(here)


def test_a_terminal_gets_lines_broken_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    made = on_terminal(monkeypatch, LINE, 80)
    assert " ".join(part.strip() for part in made) == LINE
    assert [part for part in made if len(part) > 79] == [f"  {PATH}"]
    assert all(part.startswith("  ") for part in made[1:]), "no part of it begins as a line of ours"
    assert on_terminal(monkeypatch, "", 80) == [""]
    assert on_terminal(monkeypatch, LINE, 0) == [LINE], "a terminal that does not know its width"


def test_a_pipe_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    narrate(LINE)
    assert capsys.readouterr().err == LINE + "\n"
