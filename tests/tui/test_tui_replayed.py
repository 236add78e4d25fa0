"""A case made in the workbench and made again by the commands of its journal: both bundles say the same."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from same_payload import assert_same, payload
from textual.pilot import Pilot
from tiny_models import checkpoint, weights
from tui_driver import SMALL, drive, keys, paste, picture, settled, until

from mpk_tui.case import open_case
from mpk_tui.case.replay import replay
from mpk_tui.cli import main
from mpk_tui.keys import private
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.tui.app import Workbench

SECRET = "correct horse battery"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reference, a suspect that differs from it by a little everywhere, a letter, and a key."""
    base, rng = weights(1), np.random.default_rng(7)
    changed = {n: (t + 0.02 * t.std() * rng.standard_normal(t.shape)).astype("<f4") for n, t in base.items()}
    checkpoint(tmp_path / "base", base)
    checkpoint(tmp_path / "suspect", changed)
    (tmp_path / "letter.txt").write_text("Dear Kim,\nwe began from your base\nand trained on.\n")
    private.create(tmp_path / "kim.pem", Passphrase(SECRET.encode()))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_journal_of_the_workbench_as_commands(folder: Path) -> None:
    app = Workbench()
    drive(app, make, SMALL)
    with open_case(folder / "case", read_only=True) as made:
        acts = {e.act for e in made.entries}
        commands = replay(made, folder / "again")
        left_out = len(made.entries) - len(commands)
    assert acts >= {
        "open", "intake", "note", "facts", "artifact", "hash_before", "analyse", "evidence", "evidence_removed",
        "attach", "answer", "undo", "redo", "known_gaps", "rationale", "review", "hash_after", "export", "bundle",
    }, acts  # fmt: skip
    assert left_out == 2, "the export and the bundle, which need a key"
    for argv in commands:
        assert main(argv) == 0, argv
    read, write = os.pipe()
    os.write(write, SECRET.encode())
    os.close(write)
    build = ["bundle", "build", "again", "-o", "again.mpkb", "--key", "kim.pem", "--passphrase-fd", str(read)]
    assert main(build) == 0
    public = folder / "kim.pub.pem"
    assert_same(payload(folder / "case" / "T-1-0.mpkb", public), payload(folder / "again.mpkb", public))


async def make(pilot: Pilot[Any]) -> None:
    """Every kind of act that the screens offer for one pair, some of them taken back."""

    async def fill(*texts: str, end: str = "ctrl+s") -> None:
        for text in texts:
            await paste(pilot, text)
            await keys(pilot, "tab")
        await keys(pilot, end)
        await settled(pilot)

    async def idle() -> None:
        await until(pilot, lambda: not pilot.app.jobs.live, 120)  # type: ignore[attr-defined]
        await pilot.pause()

    await keys(pilot, "n")
    await fill("case", "T-1", "Suspect & base", "Kim", "EX-1", "", "provenance")
    await keys(pilot, "e")
    await fill("Suspect -- base, “quoted”")
    await keys(pilot, "c", "i")
    await fill("Unit 7", "Kim", "2026-11-20")
    await keys(pilot, "t")
    await fill("--says nothing\n$HOME `x`")
    await keys(pilot, "g", "2", "a", "tab")
    await fill("suspect", "the suspect", "cloned")
    await keys(pilot, "a", "tab")
    await fill("base")
    await keys(pilot, "g", "3", "A")
    await idle()
    await keys(pilot, "g", "4", "c")
    await idle()
    await keys(pilot, "b", "t", "e", "i", "end", "enter", "right", "e")
    await keys(pilot, "g", "5", "a")
    await paste(pilot, "letter of the makers")
    await keys(pilot, "tab", "down", "space", "tab", "tab", "tab")
    await fill("letter.txt")
    assert "E4 was added" in picture(pilot.app)
    await keys(pilot, "q")
    await until(pilot, lambda: "Dear Kim" in picture(pilot.app))
    await keys(pilot, "down", "space", "down", "enter")
    await until(pilot, lambda: "Where: lines 2" in picture(pilot.app))
    await keys(pilot, "x")
    await fill("a rumour")
    await keys(pilot, "D", "z", "y", "z")  # the rumour is taken out, back, out, and stays

    await keys(pilot, "g", "6", "n")
    await paste(pilot, "no tensor is equal")
    await keys(pilot, "escape", "right", "e", "down", "down", "down", "space", "escape", "m")
    await paste(pilot, "the letter says so")
    await keys(pilot, "escape", "d", "right", "u", "right", "t", "right", "t")
    await keys(pilot, "g", "7", "right", "r")
    await paste(pilot, "they trained on")
    await keys(pilot, "escape", "e", "space", "escape", "m")
    await keys(pilot, "g", "8", "n", "right", "u", "z")
    await keys(pilot, "g", "9", "k", "space", "ctrl+s", "r")
    await fill("letter and weights agree")
    await keys(pilot, "h")
    await idle()
    await keys(pilot, "v")
    await fill("Bo")
    reading: Any = pilot.app.screen
    await keys(pilot, *("n" for _ in reading._pages), "o", "right", "tab")
    await fill("as I see it")
    assert "Nothing blocks a signature" in picture(pilot.app), picture(pilot.app)
    await keys(pilot, "s")
    await paste(pilot, "kim.pem")
    await keys(pilot, *("tab" for _ in range(7)))
    await paste(pilot, SECRET)
    await keys(pilot, "enter")
    await settled(pilot)
    await idle()
    assert "Bundle id" in picture(pilot.app), picture(pilot.app)
