"""Every screen as plain text beside this file; to renew them: MPK_TUI_GOLDEN=write pytest tests/tui/test_tui_golden.py.

Read the difference before you keep it: these files are what an examiner sees.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from golden_case import GOLDEN, STANDS_FOR, Place, build, slow_clock, somewhere
from golden_scenes import SCENES, Scene, press
from rich.segment import Segment
from textual.pilot import Pilot
from textual.screen import ModalScreen
from tui_driver import NARROW, SMALL, WIDE, drive, picture

from mpk_tui.tui.app import Workbench

SIZES = (SMALL, NARROW, WIDE)
WRITE = os.environ.get("MPK_TUI_GOLDEN") == "write"
BANNED = ("stolen", "infring", "proves", "certified", "compliant", "cleared", "unrelated", "child", "confidence")
"""Words that generated text never says.  Files are copied, and the norm's questions speak of a parent."""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """The case, made once for all scenes; none of them changes it."""
    with somewhere() as made, slow_clock(pytest.MonkeyPatch()):
        build(made)
        (made.root / "nothing-here").mkdir()
        yield made


@pytest.fixture(autouse=True)
def _at_home(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder and a working folder of the scenes' own; the case was opened before, whichever scene comes first."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(place.root))
    monkeypatch.chdir(place.root / "nothing-here")
    lately = place.root / "mpk-tui" / "recent.json"
    lately.parent.mkdir(exist_ok=True)
    lately.write_text(json.dumps({"cases": [str(place.case)]}))


def golden(scene: Scene, size: tuple[int, int]) -> str:
    """Name of the file of a scene in one size."""
    return f"{scene.name}_{size[0]}x{size[1]}.txt"


def run(scene: Scene, place: Place, sizes: tuple[tuple[int, int], ...], look: Callable[[Workbench, Any], None]) -> None:
    """Bring a scene about and look at it in each size, one after the other."""
    app = Workbench(place.case if scene.case else None, looks=scene.looks)

    async def script(pilot: Pilot[Any]) -> None:
        if scene.before is not None:
            done = scene.before(pilot, app, place)
            if inspect.isawaitable(done):
                await done
        await press(pilot, scene.pressed)
        for size in sizes:
            if size != (app.size.width, app.size.height):
                await pilot.resize_terminal(*size)
                await press(pilot, ())
            look(app, size)

    drive(app, script, sizes[0])


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_screen(scene: Scene, place: Place) -> None:
    wrong: list[str] = []

    def look(app: Workbench, size: tuple[int, int]) -> None:
        shown = place.told(picture(app)) + "\n"
        assert str(place.root) not in shown
        assert [word for word in BANNED if word in shown.lower()] == []
        file = GOLDEN / golden(scene, size)
        if WRITE:
            file.write_text(shown, "utf-8")
        elif not file.exists() or shown != file.read_text("utf-8"):
            wrong.append(f"{file.name} is now:\n{shown}")

    run(scene, place, SIZES, look)
    assert not wrong, "\n".join(wrong)


def painted(app: Workbench) -> Iterator[Segment]:
    """What would be painted."""
    for strip in app.screen._compositor.render_strips():
        for line_filter in app.get_line_filters():
            strip = strip.apply_filter(line_filter, app.screen.background_colors[0])
        yield from strip


LIKE_OTHERS = ("ascii_", "scan_", "figure_change", "figure_singular", "figure_rho", "compare_", "case_", "home_")
"""Scenes whose colours are those of another scene."""


@pytest.mark.parametrize(
    "scene", [s for s in SCENES if not s.name.startswith(LIKE_OTHERS)], ids=lambda scene: scene.name
)
def test_the_same_without_colour(scene: Scene, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    def look(app: Workbench, size: tuple[int, int]) -> None:
        for segment in painted(app):
            for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                assert colour is None or colour.is_default, segment
        shown, kept = place.told(picture(app)) + "\n", (GOLDEN / golden(scene, size)).read_text("utf-8")
        if scene.name == "palette":  # which theme is in use differs
            assert "Theme: ansi\n" in shown
        elif isinstance(app.screen, ModalScreen):  # without colours nothing is seen through the edge of a dialog
            lines = shown.split("\n"), kept.split("\n")
            assert len(lines[0]) == len(lines[1])
            for line, beside in zip(*lines, strict=True):
                assert all(c in (" ", b) for c, b in zip(line, beside.ljust(len(line)), strict=False))
            assert sum(map(len, shown.split())) > 200
        else:
            assert shown == kept

    run(scene, place, (SMALL,), look)


@pytest.mark.parametrize("name", ["compare", "conditions_met", "verify", "evidence_form"])
def test_a_resized_window_shows_what_one_of_that_size_shows(name: str, place: Place) -> None:
    scene = next(s for s in SCENES if s.name == name)

    def look(app: Workbench, size: tuple[int, int]) -> None:
        assert place.told(picture(app)) + "\n" == (GOLDEN / golden(scene, size)).read_text("utf-8")

    run(scene, place, (WIDE,), look)


def test_no_file_is_left_of_a_scene_that_is_gone() -> None:
    kept = {golden(scene, size) for scene in SCENES for size in SIZES}
    assert {f.name for f in GOLDEN.glob("*.txt")} == kept
    assert len({scene.name for scene in SCENES}) == len(SCENES)
    assert len(STANDS_FOR) > len("/tmp/golden-")
