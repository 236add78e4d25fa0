"""Artifacts that are not one whole plain model: several in a folder, parts missing, an adapter's base, hash lists."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input
from tiny_models import checkpoint, weights
from tui_driver import SMALL, WIDE, drive, keys, paste, picture, settled, until

from mpk_tui.case import create_case, open_case
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.widgets.choice import Choice

FIELDS = ("path", "label", "note", "parts", "model", "base", "lists", "reason")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim").close()
    return tmp_path / "case"


async def fill(pilot: Pilot[Any], **values: str) -> None:
    """Open the form at a new artifact, type, and accept."""
    await keys(pilot, "g", "2", "a")
    for name in FIELDS:
        await keys(pilot, "tab")
        if name in values:
            await paste(pilot, values[name])
    await keys(pilot, "ctrl+s")
    await settled(pilot)


def shown(app: Workbench) -> str:
    return " ".join(picture(app).replace("│", " ").split())


@pytest.mark.parametrize("size", [SMALL, WIDE])
def test_of_several_models_one_is_named(case: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    folder = checkpoint(tmp_path / "m", weights(1))
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    (folder / "two.safetensors").write_bytes((folder / "one.safetensors").read_bytes())
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await fill(pilot, path=str(folder))
        said = shown(app)
        assert "holds several models: one.safetensors (safetensors," in said
        assert "Type the name of the one that is meant under Model" in said
        app.screen.query_one("#f-model", Input).value = "two.safetensors"  # the form stayed open, with what was typed
        await keys(pilot, "ctrl+s")
        await settled(pilot)
        assert app.session is not None
        assert [a.model for a in app.session.artifacts] == ["two.safetensors"]
        assert "Model: two.safetensors, one of several in the folder" in shown(app)

    drive(app, script, size)


def test_partial_evidence_is_accepted_on_request_and_marked(case: Path, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", weights(1))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await fill(pilot, path=str(folder))
        assert "shard 2 of 2 is missing" in shown(app)
        app.screen.query_one("#f-parts", Choice).value = "partial"
        await keys(pilot, "ctrl+s")
        await settled(pilot)
        assert "partial: m" in shown(app)
        assert "PARTIAL: parts may be missing; no exclusion can be established" in shown(app)
        await keys(pilot, "g", "3", "f")
        await until(pilot, lambda: not app.jobs.live)
        await pilot.pause()
        assert "done" in shown(app)
        assert app.session is not None
        assert app.session.fingerprint("S1").missing  # type: ignore[union-attr]

    drive(app, script, WIDE)


def sums(folder: Path, *, lie: bool = False) -> str:
    lines = []
    for path in sorted(folder.iterdir()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{'0' * 64 if lie and path.suffix == '.safetensors' else digest}  {path.name}")
    return "\n".join(lines) + "\n"


def test_a_folder_that_its_list_confirms(case: Path, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", weights(1))
    (tmp_path / "SHA256SUMS").write_text(sums(folder))
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await fill(pilot, path=str(folder), lists=str(tmp_path / "SHA256SUMS"))
        await until(pilot, lambda: not app.jobs.live)
        await pilot.pause()
        assert "S1 was taken in." in shown(app)
        assert "Hash list:" in shown(app)
        with open_case(case, read_only=True) as c:
            assert len(c.state.artifacts["S1"].lists) == 1

    drive(app, script, WIDE)


def test_a_contradicted_folder_is_refused_and_taken_in_with_a_reason(case: Path, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", weights(1))
    (folder / "evil\x1b[2J.txt").write_text("x")
    (tmp_path / "SHA256SUMS").write_text(sums(folder, lie=True).replace("\x1b", "\\x1b"))
    (tmp_path / "second").write_text("d41d8cd98f00b204e9800998ecf8427e  config.json\n")
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await fill(pilot, path=str(folder), lists=f"{tmp_path / 'SHA256SUMS'} ; {tmp_path / 'second'}")
        await until(pilot, lambda: not app.jobs.live)
        await pilot.pause()
        said = shown(app)
        assert "contradict the files" in said
        assert "model.safetensors" in said
        assert "\x1b" not in picture(app)
        assert not app.session.artifacts  # type: ignore[union-attr]
        await fill(pilot, reason="copied again, see note 3")  # path and lists stand there as they were typed
        await until(pilot, lambda: not app.jobs.live)
        await pilot.pause()
        (artifact,) = app.session.artifacts  # type: ignore[union-attr]
        assert artifact.mismatch == "copied again, see note 3"
        assert "Taken in although a list contradicts it: copied again" in shown(app)

    drive(app, script, WIDE)


def test_a_reason_without_a_list_says_nothing(case: Path, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "m", weights(1))
    app = Workbench(case)

    async def script(pilot: Pilot[Any]) -> None:
        await fill(pilot, path=str(folder), reason="because")
        assert "says nothing without a list" in shown(app)
        assert not app.session.artifacts  # type: ignore[union-attr]

    drive(app, script, WIDE)
