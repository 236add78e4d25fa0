"""What really reaches a terminal: no colour under NO_COLOR, no byte above 0x7f in ASCII, no mouse where it is unwanted."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from raw_terminal import CONTROL, RawTerminal

from mpk_tui.case import artifacts, create_case
from mpk_tui.tui import glyphs

MOUSE = re.compile(rb"\x1b\[\?(9|1000|1001|1002|1003|1005|1006|1015|1016)h")
STRANGE = "模型-ρ-naïve"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a case whose names are beyond ASCII."""
    for model in (STRANGE, "two"):
        (tmp_path / model).mkdir()
    with create_case(tmp_path / "c1", id="T-1", title=f"Fall {STRANGE} – „A“ …", examiner="Ödön") as c:
        artifacts.add_artifact(c, tmp_path / STRANGE, role="subject")
        artifacts.add_artifact(c, tmp_path / "two", role="reference")
    return tmp_path


def walk(terminal: RawTerminal) -> None:
    """Through screens, dialogs, Help, the palette, and out by the Go overlay."""
    terminal.until("1 Case", "Open before a signature", "Quit")
    terminal.keys("g2")
    terminal.until("2 Artifacts")
    terminal.keys("a")
    terminal.until("Esc")
    terminal.keys("\x1b")
    terminal.until("2 Artifacts")
    terminal.keys("g6")
    terminal.until("6 Conditions")
    terminal.keys("n")
    terminal.until("(o) not met")
    terminal.keys("g9")
    terminal.until("9 Review")
    terminal.keys("gh")
    terminal.until("History")
    terminal.keys("\x1bOP")  # F1
    terminal.until("Help: History")
    terminal.keys("\x1b")
    terminal.until("History")
    terminal.keys("\x1bOR")  # F3
    terminal.until("Search for commands")
    terminal.keys("\x1b")
    terminal.until("History")
    terminal.keys("g")
    terminal.until("Go to")
    terminal.keys("q")
    assert terminal.end() == 0


def test_no_color_means_no_colour(folder: Path) -> None:
    with RawTerminal(["c1"], folder, {"NO_COLOR": "1", "COLORTERM": "truecolor"}) as terminal:
        walk(terminal)
        assert terminal.colours() == set()
        assert b"\xe2\x80\xa6" in terminal.sent  # it was drawn in Unicode


def test_there_are_colours_otherwise(folder: Path) -> None:
    with RawTerminal(["c1"], folder, {"COLORTERM": "truecolor"}) as terminal:
        walk(terminal)
        assert b"38" in terminal.colours()
        assert MOUSE.search(terminal.sent)


@pytest.mark.parametrize(
    ("args", "environ"),
    [
        (["c1", "--ascii"], {}),
        (["c1"], {"LC_ALL": "C"}),
        (["c1"], {"LANG": "de_DE.ISO-8859-1"}),
        (["c1"], {"LANG": "", "TERM": "linux"}),
    ],
)
def test_ascii_sends_no_byte_beyond_ascii(folder: Path, args: list[str], environ: dict[str, str]) -> None:
    with RawTerminal(args, folder, environ) as terminal:
        walk(terminal)
        beyond = [byte for byte in terminal.sent if byte >= 0x80]
        assert beyond == []
        assert rb"\u6a21" in CONTROL.sub(b"", terminal.sent)


def test_the_linux_console_gets_sixteen_colours_and_its_own_characters(folder: Path) -> None:
    with RawTerminal(["c1"], folder, {"TERM": "linux"}) as terminal:
        walk(terminal)
        assert terminal.colours() & {b"38", b"48"} == set()
        glyphs.set_charset(glyphs.CONSOLE)
        try:
            text = CONTROL.sub(b"", terminal.sent).decode("utf-8")
            assert glyphs.fit(text) == text
            assert not text.isascii()
        finally:
            glyphs.set_charset(glyphs.UNICODE)


@pytest.mark.parametrize("how", ["option", "file"])
def test_the_mouse_is_left_alone(folder: Path, how: str) -> None:
    if how == "file":
        (folder / "config" / "mpk-tui").mkdir(parents=True)
        (folder / "config" / "mpk-tui" / "settings.toml").write_text("mouse = false\n")
    with RawTerminal(["c1", *(["--no-mouse"] if how == "option" else [])], folder) as terminal:
        walk(terminal)
        assert MOUSE.findall(terminal.sent) == []


def test_a_dumb_terminal_is_refused_with_the_other_way(folder: Path) -> None:
    with RawTerminal(["c1"], folder, {"TERM": "dumb"}) as terminal:
        assert terminal.end() == 2
        assert b"cannot draw a full screen" in terminal.sent
        assert b"--plain" in terminal.sent
        assert b"\x1b" not in terminal.sent


def test_a_key_map_that_was_named_and_cannot_be_used_ends_it(folder: Path) -> None:
    (folder / "mine.toml").write_text('[home]\nopen = "n"\n')
    with RawTerminal(["c1", "--keys", "mine.toml"], folder) as terminal:
        assert terminal.end() == 30
        said = terminal.sent.decode()
        assert "mine.toml, line 2, section [home]" in said
        assert "n would be both" in said
        assert b"\x1b" not in terminal.sent


def test_ones_own_key_map_that_cannot_be_used_is_told_on_the_first_screen(folder: Path) -> None:
    (folder / "config" / "mpk-tui").mkdir(parents=True)
    (folder / "config" / "mpk-tui" / "keys.toml").write_text('[home]\nopen = "n"\n')
    with RawTerminal([], folder) as terminal:
        terminal.until("would", "Built-in", "o Open case")
        terminal.keys("gq")
        assert terminal.end() == 0


def test_options_may_stand_without_a_case(folder: Path) -> None:
    (folder / "mine.toml").write_text('[home]\nopen = "O"\n')
    with RawTerminal(["--keys", "mine.toml", "--theme", "contrast", "--ascii"], folder) as terminal:
        terminal.until("O Open case", "Offline: it opens no connection")
        terminal.keys("\x1b[21~")  # F10
        assert terminal.end() == 0
    with RawTerminal(["--theme", "mauve"], folder) as terminal:
        assert terminal.end() == 2
        assert b"there is no theme 'mauve'" in terminal.sent


def test_control_keys_arrive_on_a_line_with_flow_control_of_its_own(folder: Path) -> None:
    """The terminal's own XON/XOFF is switched off while the workbench runs, so ^s and ^q are keys."""
    with RawTerminal([], folder) as terminal:
        terminal.until("o Open case")
        terminal.keys("n")
        terminal.until("A new case")
        terminal.keys("\x13")  # ^s
        terminal.until("Give the folder.")
        terminal.keys("\x1b")
        terminal.until("Offline: it opens no connection")
        terminal.keys("\x11")  # ^q
        assert terminal.end() == 0


def test_no_process_is_left(folder: Path) -> None:
    with RawTerminal(["c1"], folder) as terminal:
        terminal.until("1 Case")
        pid = terminal.process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_plain_lines_can_be_ascii_too(folder: Path) -> None:
    with RawTerminal(["--plain", "--ascii", "c1"], folder) as terminal:
        terminal.read(3)
        terminal.keys("\x04")  # end of input
        terminal.end()
        assert terminal.sent
        assert [byte for byte in terminal.sent if byte >= 0x80] == []
        assert b"\x1b[" not in terminal.sent
