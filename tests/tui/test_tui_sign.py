"""Signing and verifying in the interface: gated, gives nothing away, and the bundle is one that anybody can verify."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static, TextArea
from tiny_models import checkpoint, weights
from tui_driver import NARROW, SMALL, drive, keys, paste, picture, settled, until

from mpk_tui.bundle import from_case
from mpk_tui.bundle.dsse import bundle_id
from mpk_tui.bundle.envelope import parse
from mpk_tui.bundle.toolfacts import tool_facts
from mpk_tui.bundle.trust import single_key
from mpk_tui.bundle.verify import verify
from mpk_tui.case import actions, artifacts, create_case, open_case
from mpk_tui.errors import UsageError
from mpk_tui.keys import private, public
from mpk_tui.keys.passphrase import Passphrase
from mpk_tui.text import hex_groups
from mpk_tui.tui.app import Workbench

SECRET = "correct horse battery"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case that is ready to be signed."""
    base = checkpoint(tmp_path / "base", weights(1))
    copy = checkpoint(tmp_path / "copy", weights(1))
    with create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim") as c:
        artifacts.add_artifact(c, copy, role="subject", label="suspect[/]\x1b[2J")
        artifacts.add_artifact(c, base, role="reference")
        for artifact in ("S1", "R1"):
            artifacts.fingerprint_artifact(c, artifact)
        actions.compare_pair(c)
        actions.accept_proposals(c)
        for question in ("c1", "c2", "c3", "c5"):
            actions.answer(c, question, "undetermined", reason="nothing bears on it")
        actions.set_rationale(c, "S1:R1", "equal")
    return tmp_path / "case"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A signing key."""
    private.create(tmp_path / "kim.pem", Passphrase(SECRET.encode()))
    return tmp_path / "kim.pem"


def test_signs_and_verifies(case: Path, key: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mpkb"
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "9")
        assert "Nothing blocks a signature" in picture(app)
        await keys(pilot, "s")
        shown = picture(app)
        assert "S1:R1: linked" in shown
        await paste(pilot, str(key))
        app.screen.query_one("#f-out", Input).value = str(out)
        app.screen.query_one("#f-passphrase", Input).focus()
        await paste(pilot, "wrong")
        await keys(pilot, "enter")
        await settled(pilot)
        assert "! " in picture(app)
        assert not out.exists()
        assert app.screen.query_one("#f-passphrase", Input).value == ""  # what was typed in secret does not stay
        await paste(pilot, SECRET)
        assert SECRET not in picture(app)
        await keys(pilot, "enter")
        await settled(pilot)
        await until(pilot, lambda: not app.jobs.live)
        await pilot.pause()
        shown = picture(app)
        assert "Bundle id" in shown
        assert "mpk-tui verify out.mpkb --key KEY.pub.pem" in shown
        await keys(pilot, "escape")
        assert "Nothing blocks a signature: s signs the next bundle; bundle 0 exists" in picture(app)
        told = str(app.screen.query_one("#verdict-text", Static).content)
        signed_id = hex_groups(bundle_id(parse(out.read_bytes()).payload))
        assert f"UTC; written to {out}; id {signed_id}" in told
        await keys(pilot, "s")
        assert "Sign bundle 1 of case T-1 Test" in picture(app)
        await keys(pilot, "escape", "g", "1")
        assert "Bundle 0    signed 2" in picture(app)

    drive(app, script, SMALL)
    again = Workbench(case)

    async def look(pilot: Pilot[Any]) -> None:
        facts = str(again.screen.query_one("#facts-text", Static).content)
        assert "UTC; the journal keeps no path; id " in facts  # where it went is in no journal

    drive(again, look, SMALL)
    outcome = verify(
        out.read_bytes(), single_key(public.read_public(private.public_path(key))), time.time_ns() // 10**6
    )
    assert outcome.verdict == "VALID"
    assert outcome.pairs[0].agrees
    for file in case.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes()


def test_open_gaps_keep_the_key_closed(case: Path) -> None:
    with open_case(case) as c:
        actions.answer(c, "c1", "not-met", reason="")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "9", "s")
        assert "Not yet: 1 to close first" in picture(app)
        await keys(pilot, "enter")
        shown = picture(app)
        assert "6 Conditions" in shown

    drive(app, script, SMALL)


def test_verify_of_altered_and_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "junk.mpkb").write_bytes(b"\x96\xa5MPKB1junk\x1b[2J")
    app = Workbench()

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "v", "o", "ctrl+s")
        assert "type the path of a bundle" in picture(app)
        await keys(pilot, "escape")
        for name, word in (("junk.mpkb", "MALFORMED: "), ("nowhere", "there is nothing at this path")):
            await keys(pilot, "g", "v", "o")
            await paste(pilot, str(tmp_path / name))
            await keys(pilot, "ctrl+s")
            await until(pilot, lambda: not app.jobs.live)
            await pilot.pause()
            assert "".join(word.split()) in "".join(picture(app).replace("│", " ").split())

    drive(app, script, NARROW)


def test_a_declared_signer_signs_later(case: Path, key: Path, tmp_path: Path) -> None:
    private.create(tmp_path / "bo.pem", Passphrase(SECRET.encode()))
    out = tmp_path / "out.mpkb"
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "9", "s")
        await paste(pilot, str(key))
        app.screen.query_one("#f-out", Input).value = str(out)
        others = app.screen.query_one("#f-others", TextArea)
        others.load_text("Bo Lind:reviewer")
        app.screen.query_one("#f-passphrase", Input).focus()
        await paste(pilot, SECRET)
        await keys(pilot, "enter")
        await settled(pilot)
        assert "is not written ID:ROLE:PUB.pem" in picture(app).replace("\n", " ")
        assert not out.exists()
        others.load_text(f"Bo Lind:reviewer:{tmp_path / 'bo.pub.pem'}")
        app.screen.query_one("#f-passphrase", Input).focus()
        await paste(pilot, SECRET)
        await keys(pilot, "enter")
        await settled(pilot)
        await until(pilot, lambda: not app.jobs.live, 60)
        await pilot.pause()
        assert "Waits for  Bo Lind, reviewer, Ed25519 key" in picture(app)
        await keys(pilot, "escape", "c")
        await paste(pilot, str(out))
        await keys(pilot, "enter")
        await settled(pilot)
        await until(pilot, lambda: bool(app.screen.query("#f-key")))
        await paste(pilot, str(key))
        app.screen.query_one("#f-passphrase", Input).focus()
        await paste(pilot, SECRET)
        await keys(pilot, "enter")
        await settled(pilot)
        assert "has signed already" in picture(app)
        app.screen.query_one("#f-key", Input).value = str(tmp_path / "bo.pem")
        await paste(pilot, SECRET)
        await keys(pilot, "enter")
        await settled(pilot)
        await until(pilot, lambda: "Signed by  Bo Lind" in picture(app), 60)

    drive(app, script, NARROW)
    store = single_key(public.read_public(tmp_path / "bo.pub.pem"))
    outcome = verify(out.read_bytes(), store, time.time_ns() // 10**6)
    assert outcome.verdict == "VALID"


def test_a_case_that_changes_while_it_is_packed_is_not_signed(case: Path) -> None:
    with open_case(case) as c:
        gathered = from_case.gather(c)
        actions.note(c, "meanwhile")
        before = len(c.entries)
        with pytest.raises(UsageError, match="changed while it was packed"):
            from_case.export(c, tool_facts(), {}, gathered)
        assert len(c.entries) == before
