"""The bytes that reach a terminal on a tour through hostile text: the sequences of a tour through harmless text, no others.

The tour has one shape for both. A sequence counts by its kind (its final byte and its prefix); text between sequences
must be UTF-8 without any character that steers.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile_case import BENIGN, EVIL, MARK, Texts, build, bundle, shelf
from raw_terminal import RawTerminal
from tui_driver import LONG

SEQUENCE = re.compile(
    rb"\x1b(?:"
    rb"\[(?P<csi>[0-?]*[ -/]*[@-~])"
    rb"|(?P<string>[PX^_\]])(?P<payload>.*?)(?:\x1b\\|\x07|\x9c)"
    rb"|(?P<other>[ -/]*[0-~]))",
    re.DOTALL,
)
STEERING = re.compile(
    "[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
COLOURS = {"COLORTERM": "truecolor"}
POINTER = "string b']' b'22;default'"
"""The one string that Textual sends: the pointer's shape (OSC 22), always of these words."""
ESCAPE, F1, F3, DOWN, RIGHT, SAVE, QUIT = "\x1b", "\x1bOP", "\x1bOR", "\x1b[B", "\x1b[C", "\x13", "\x11"


def kinds(sent: bytes) -> tuple[set[str], str]:
    """Kinds of the sequences in a stream, and the text between them."""
    found, text, at = set(), b"", 0
    for match in SEQUENCE.finditer(sent):
        text += sent[at : match.start()]
        at = match.end()
        if match["csi"] is not None:
            body = match["csi"].decode("ascii")
            private = body[0] if body[0] in "<=>?" else ""
            number = body if private and body[-1] in "hlu" else f"{private}{re.sub(r'[0-9;:<=>?]', '', body)}"
            found.add(f"CSI {number}")
        elif match["string"] is not None:
            found.add(f"string {match['string']!r} {match['payload'][:60]!r}")
        else:
            found.add(f"ESC {match['other']!r}")
    text += sent[at:]
    assert b"\x1b" not in text
    return found, text.decode("utf-8")


def tour(folder: Path, args: list[str], environ: dict[str, str]) -> bytes:
    """Through every screen by keys; what was sent."""
    with RawTerminal(args, folder, environ) as terminal:

        def go(press: str, *texts: str) -> None:
            for _ in range(4):
                terminal.keys(press)
                try:
                    terminal.until(*texts, seconds=20)
                except AssertionError:  # on a busy machine Esc and the key after it arrive as one
                    assert terminal.process.poll() is None
                    rest(ESCAPE, ESCAPE)
                else:
                    return
            raise AssertionError(f"{texts} did not come")

        def rest(*pressed: str) -> None:
            for key in pressed:
                terminal.keys(key)
                terminal.read(0.25 if key == ESCAPE else 0.08)

        terminal.until("1 Case", "Open before a signature", "Quit", seconds=60)
        rest("x", "e")
        rest(ESCAPE, "t", ESCAPE)
        go("g2", "2 Artifacts")
        rest(DOWN, "a", ESCAPE)
        go("g3", "3 Fingerprint")
        rest(DOWN)
        go("g4", "4 Compare")
        terminal.read(1.0)
        rest(*"vvvvvvvvvvvvvvvvvvvv", "t", "\r", ESCAPE, "i", "\x1b[F", "\r", "\r", ESCAPE)
        go("g5", "5 Evidence")
        rest(DOWN, DOWN, "\r", ESCAPE, "q", DOWN, " ", DOWN, ESCAPE, ESCAPE, "e", ESCAPE)
        go("g6", "6 Conditions")
        rest(RIGHT, RIGHT, RIGHT, RIGHT, "h", ESCAPE)
        go("g7", "7 Mechanism")
        rest(RIGHT)
        go("g8", "8 Exclusions")
        go("g9", "9 Review")
        rest("v", *"Somebody", SAVE, RIGHT, RIGHT, RIGHT, ESCAPE)
        go("gh", "History")
        rest("\r", ESCAPE, DOWN, "\r", ESCAPE, "e", ESCAPE)
        go("gl", "Library")
        terminal.read(0.5)
        rest(DOWN, "\r", ESCAPE, DOWN, "\r", ESCAPE)
        go("gj", "Jobs")
        rest(DOWN, DOWN)
        go("gv", "Verify")
        go("o", "Verify a bundle")
        terminal.keys("b.mpkb\t\tanna.pub.pem")
        terminal.read(0.3)
        go(SAVE, "VALID", "parts")
        rest("\r", *"nnnnnnnnnnnnnnnnnnnnnnnn", ESCAPE, F1, ESCAPE, F3, ESCAPE)
        go("g0", "Offline")
        terminal.keys("o")
        terminal.read(0.3)
        terminal.keys("no such \u202efolder\u009b31m[/][bold]\t" + SAVE)
        terminal.read(0.5)
        rest(ESCAPE, ESCAPE)
        terminal.keys(QUIT)
        assert terminal.end() == 0
        return terminal.sent


def made(folder: Path, texts: Texts) -> Path:
    folder.mkdir()
    shelf(folder / "data", texts, build(folder, texts))
    bundle(folder, texts)
    return folder


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What is sent on a tour through harmless text and on one through hostile text, taken at the same time."""
    folders = {name: tmp_path_factory.mktemp("tour") / name for name in ("plain", "evil")}
    made(folders["plain"], BENIGN)
    made(folders["evil"], EVIL)
    with ThreadPoolExecutor(len(folders)) as pool:
        tours = {name: pool.submit(tour, folder, ["c1"], COLOURS) for name, folder in folders.items()}
        return {name: taken.result() for name, taken in tours.items()}


@pytest.fixture(scope="module")
def harmless(sent: dict[str, bytes]) -> set[str]:
    """Kinds of the sequences of a tour through harmless text."""
    found, said = kinds(sent["plain"])
    assert STEERING.search(said) is None
    assert MARK not in said
    assert {kind for kind in found if kind.startswith("string")} <= {POINTER}
    assert {"CSI H", "CSI m", "CSI ?1049h", "CSI ?1049l"} <= found
    return found


@pytest.mark.parametrize("look", ["unicode", pytest.param("ascii-without-colour", marks=LONG)])
def test_hostile_text_sends_what_harmless_text_sends(
    look: str, sent: dict[str, bytes], harmless: set[str], tmp_path: Path
) -> None:
    bare = look != "unicode"
    found, shown = kinds(
        tour(made(tmp_path / "evil", EVIL), ["c1", "--ascii"], {"NO_COLOR": "1"}) if bare else sent["evil"]
    )
    assert found <= harmless, found - harmless
    steering = STEERING.search(shown)
    assert steering is None, shown[max(0, steering.start() - 100) : steering.end() + 100]
    assert MARK in shown  # the payloads were shown, as text
    assert r"\x1b[2J" in shown
    assert shown.isascii() if bare else "漢字" in shown


def test_input_that_is_no_text_does_not_end_it(tmp_path: Path) -> None:
    """Bytes that are no UTF-8, controls and sequences nobody knows, typed into a field."""
    with RawTerminal([], tmp_path, COLOURS) as terminal:
        terminal.until("Offline", seconds=60)
        terminal.keys("o")
        terminal.until("Open a case")
        for raw in (
            b"a\xff\xfeb",
            b"\x00c",
            b"\x1b[200~\x00p\x1b[2J\xe2\x80\xae\x1b[201~",
            b"\x1b]0;x\x07",
            b"\x1b[999z",
        ):
            os.write(terminal._master, raw)
            terminal.read(0.3)
        assert terminal.process.poll() is None
        begun = len(terminal.sent)
        terminal.keys(SAVE)
        terminal.until("! ")
        _, shown = kinds(terminal.sent[begun:])
        assert STEERING.search(shown) is None
        terminal.keys(QUIT)
        assert terminal.end() == 0
