"""A fault of any kind while a passphrase stands in a form: a terminal gets nothing of it, neither before nor after.

`test_tui_broken_off` breaks a form's own code; here break the widget that holds the secret, its drawing, the thread
that works for the form, and the thread that reads the keys.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from raw_terminal import RawTerminal
from test_tui_broken_off import with_startup

SECRET = "xyzzy-correct-horse"
ASKS = '''
from mpk_tui.tui.screens.home import Home
from mpk_tui.tui.widgets.form import Field, Form, Later

class Held(dict):
    """What the fault has at hand says itself when it is asked for its text."""
    def __repr__(self):
        return f"Held({super().__repr__()})"

def late(values):
    held = Held(values)
    def work(token):
        secret = held["secret"]
        raise ValueError(f"cannot use {secret!r} of {held!r}")
    return Later("Opening...", work, lambda result: None)

def ask(self):
    self.bench.push_screen(Form("Passphrase", [Field("secret", "Passphrase", "secret")], late))

Home.action_new = ask
'''
IN_THE_FIELD = """
from textual.widgets import Input
plain = Input._on_key

async def broken(self, event):
    secret = self.value
    if event.key == "f8":
        raise KeyError(f"{secret} in {event!r}")
    await plain(self, event)

Input._on_key = broken
"""
IN_THE_DRAWING = """
from textual.widgets import Input
drawn = Input.render_line

def render_line(self, y):
    secret = self.value
    if len(secret) > 18:
        raise RuntimeError(secret)
    return drawn(self, y)

Input.render_line = render_line
"""
IN_THE_KEYS = """
from textual.drivers import linux_driver
plain = linux_driver.XTermParser.feed
typed = []

def feed(self, data):
    typed.append(data)
    secret = "".join(typed)
    if "\\x1b[19~" in data:
        raise OverflowError(secret)
    return plain(self, data)

linux_driver.XTermParser.feed = feed
"""
F8, SAVE, QUIT = "\x1b[19~", "\x13", "\x11"


@pytest.mark.parametrize(
    ("breaks", "press", "kind"),
    [
        (IN_THE_FIELD, F8, "KeyError"), (IN_THE_DRAWING, "", "RuntimeError"), (IN_THE_KEYS, F8, "OverflowError"),
        ("", SAVE, ""),
    ],
    ids=["field", "drawing", "keys", "thread"],
)  # fmt: skip
def test_nothing_of_a_secret_is_sent(breaks: str, press: str, kind: str, tmp_path: Path) -> None:
    with RawTerminal(["tui"], tmp_path, with_startup(tmp_path, ASKS + breaks)) as terminal:
        terminal.until("New case")
        terminal.keys("n")
        terminal.until("Passphrase")
        terminal.keys(SECRET)
        terminal.read(0.5)
        terminal.keys(press)
        if kind:
            assert terminal.end() == 40
        else:  # a thread's fault becomes a sentence, and the session goes on
            terminal.until("internal fault (ValueError)")
            terminal.keys(QUIT)
            assert terminal.end() == 0
        sent = terminal.sent
    for part in (SECRET, SECRET[:12], SECRET[6:]):
        assert part.encode() not in sent
    assert (b"mpk-tui ended on a fault of its own: " + kind.encode() in sent) == bool(kind)
    assert sent.rindex(b"\x1b[?1049l") > sent.rindex(b"\x1b[?1049h")
    for file in tmp_path.rglob("*"):
        if file.is_file() and file.name != "sitecustomize.py":
            assert SECRET.encode() not in file.read_bytes()
