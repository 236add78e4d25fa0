"""Leaving: faults of ours show no secret, and a terminal that cannot draw is refused with a sentence."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from textual.pilot import Pilot
from tui_driver import drive

from mpk_tui.tui.app import Workbench, fault_report
from mpk_tui.tui.terminal import refuse_reason


def break_with_secret() -> None:
    passphrase = "correct horse"
    raise ValueError(f"cannot use {passphrase!r}")


def test_fault_report_has_places_and_no_values() -> None:
    try:
        break_with_secret()
    except ValueError as error:
        text = fault_report(error)
    assert "ValueError" in text
    assert "in break_with_secret" in text
    assert "correct horse" not in text


def test_crash_prints_no_local_variable(capsys: pytest.CaptureFixture[str]) -> None:
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        app.call_later(break_with_secret)
        await pilot.pause(0.2)

    with pytest.raises(ValueError):
        drive(app, script)
    out = capsys.readouterr()
    assert "mpk-tui ended on a fault of its own: ValueError" in out.err
    assert "correct horse" not in out.out + out.err
    assert app.return_code == 1


@pytest.mark.parametrize(
    ("term", "keys", "picture", "words"),
    [
        ("dumb", True, True, "TERM='dumb'"),
        ("", True, True, "TERM=''"),
        ("xterm", False, True, "needs a terminal"),
        ("xterm", True, False, "needs a terminal"),
    ],
)
def test_refuses_where_it_cannot_draw(term: str, keys: bool, picture: bool, words: str) -> None:
    assert words in (refuse_reason({"TERM": term}, keys, picture) or "")


def test_accepts_a_terminal() -> None:
    assert refuse_reason({"TERM": "linux"}, True, True) is None


def test_dumb_terminal_names_the_wizard(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from mpk_tui.cli import main

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert main(["tui"]) == 2
    assert "mpk-tui --plain CASE" in capsys.readouterr().err


def test_no_color_means_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        app.say("a toast", bad=True)
        await pilot.pause()
        for strip in app.screen._compositor.render_strips():
            for line_filter in app.get_line_filters():
                strip = strip.apply_filter(line_filter, app.screen.background_colors[0])
            for segment in strip:
                for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                    assert colour is None or colour.is_default, segment

    drive(app, script)
