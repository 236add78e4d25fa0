"""Colours: enough contrast, told apart by people who see no red or no green, and never the only sign of anything."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from rich.segment import Segment
from textual.color import Color
from textual.pilot import Pilot
from tui_driver import LONG, NARROW, WIDE, drive, keys, picture

from mpk_tui.case import artifacts, create_case
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.settings import THEMES, Looks
from mpk_tui.tui.themes import BLUE_ORANGE, CONTRAST

Rgb = tuple[float, float, float]


def linear(colour: tuple[int, int, int]) -> Rgb:
    """sRGB of 0 to 255 to linear light (IEC 61966-2-1, as WCAG 2.2 states it)."""
    r, g, b = ((c / 255) / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour)
    return r, g, b


def luminance(colour: tuple[int, int, int]) -> float:
    """Relative luminance, WCAG 2.2."""
    r, g, b = linear(colour)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def ratio(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """Contrast ratio, WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_ratio_is_the_standards() -> None:
    assert ratio((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert ratio((0x77, 0x77, 0x77), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


# Full loss of the red- or green-sensitive cones in linear RGB: Machado, Oliveira, Fernandes, IEEE TVCG 15 (2009), severity 1.
SIMULATED: dict[str, tuple[Rgb, Rgb, Rgb]] = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881),
    ),
}  # fmt: skip


def lab(light: Rgb) -> Rgb:
    """Linear RGB to CIE L*a*b* under D65."""
    r, g, b = (min(max(c, 0.0), 1.0) for c in light)
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    x, y, z = (t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29 for t in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def seen_as(colour: tuple[int, int, int], sight: str) -> Rgb:
    """Where a colour lies in L*a*b* for somebody."""
    light = linear(colour)
    if sight in SIMULATED:
        rows = SIMULATED[sight]
        light = tuple(sum(m * c for m, c in zip(row, light, strict=True)) for row in rows)  # type: ignore[assignment]
    return lab(light)


def distance(one: tuple[int, int, int], other: tuple[int, int, int], sight: str) -> float:
    """Distance of two colours (CIE 1976); 2.3 is just noticeable side by side."""
    return sum((a - b) ** 2 for a, b in zip(seen_as(one, sight), seen_as(other, sight), strict=True)) ** 0.5


def rgb(colour: str | None) -> tuple[int, int, int]:
    """A theme's colour."""
    assert colour is not None
    return Color.parse(colour).rgb


def test_red_and_green_would_not_pass() -> None:
    red, green = (0xBA, 0x3C, 0x3C), (0x5A, 0x7A, 0x20)
    assert distance(red, green, "all") > 60
    assert distance(red, green, "deuteranopia") < 25


@pytest.mark.parametrize("sight", ["all", "protanopia", "deuteranopia"])
def test_colours_that_mean_something_are_told_apart(sight: str) -> None:
    t = BLUE_ORANGE
    # What says that something went well, needs care, or went wrong; the text; and the two that mark a place.
    meaning = {"success": t.success, "warning": t.warning, "error": t.error, "foreground": t.foreground}
    for (_, one), (_, other) in combinations(meaning.items(), 2):
        assert distance(rgb(one), rgb(other), sight) > 25
    for colour in (*meaning.values(), t.primary, t.accent):
        for behind in (t.background, t.surface, t.panel):
            assert distance(rgb(colour), rgb(behind), sight) > 40
            assert ratio(rgb(colour), rgb(behind)) > 4.5


def painted(app: Workbench) -> list[Segment]:
    """Everything on the screen as it is painted."""
    out = []
    for strip in app.screen._compositor.render_strips():
        for line_filter in app.get_line_filters():
            strip = strip.apply_filter(line_filter, app.screen.background_colors[0])
        out += list(strip)
    return out


def too_faint(app: Workbench, least: float) -> set[tuple[str, float]]:
    """Texts on the screen with less contrast than that; frames and scroll bars are no text."""
    found = set()
    for text, style, _ in painted(app):
        if style is None or not any(c.isalnum() for c in text):
            continue
        assert style.color is not None
        assert style.bgcolor is not None
        front, back = style.color.get_truecolor(), style.bgcolor.get_truecolor(foreground=False)
        if style.reverse:
            front, back = back, front
        measured = ratio(tuple(front), tuple(back))
        if measured < least or style.dim:
            found.add((text.strip(), round(measured, 2)))
    return found


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case with a pair, nothing measured."""
    for model in ("one", "two"):
        (tmp_path / model).mkdir()
    with create_case(tmp_path / "case", id="T-1", title="Test", examiner="Kim") as c:
        artifacts.add_artifact(c, tmp_path / "one", role="subject")
        artifacts.add_artifact(c, tmp_path / "two", role="reference")
    return tmp_path / "case"


EVERYWHERE: tuple[tuple[str, ...], ...] = (
    ("g", "1"), ("g", "2"), ("g", "3"), ("g", "4"), ("g", "5"), ("a",), ("escape", "g", "6"), ("m",), ("g", "7"),
    ("g", "8"), ("g", "9"), ("s",), ("escape", "g", "h"), ("g", "j"), ("g", "v"), ("o",), ("escape", "g", "0"), ("f1",),
    ("escape", "ctrl+p"), ("t", "h", "e"), ("escape", "g"),
)  # fmt: skip


@pytest.mark.parametrize("size", [NARROW, pytest.param(WIDE, marks=LONG)])
def test_the_contrast_theme_keeps_seven_to_one_on_every_screen(case: Path, size: tuple[int, int]) -> None:
    app = Workbench(case, looks=Looks("contrast"))
    faint: dict[str, set[tuple[str, float]]] = {}

    async def script(pilot: Pilot[Any]) -> None:
        for pressed in EVERYWHERE:
            await keys(pilot, *pressed)
            found = too_faint(app, 7.0)
            if found:
                faint["".join(pressed)] = found

    drive(app, script, size)
    assert faint == {}


def test_the_contrast_themes_own_colours() -> None:
    for front in (CONTRAST.foreground, CONTRAST.primary, CONTRAST.error, CONTRAST.success, CONTRAST.warning):
        for back in (CONTRAST.background, CONTRAST.surface, CONTRAST.panel, CONTRAST.boost):
            assert ratio(rgb(front), rgb(back)) >= 7


def test_every_theme_shows_the_same_words(case: Path) -> None:
    shown: dict[tuple[str, ...], set[str]] = {}
    for theme in THEMES:
        app = Workbench(case, looks=Looks(theme))

        async def script(pilot: Pilot[Any], app: Workbench = app) -> None:
            for pressed in (("g", "1"), ("g", "6"), ("g", "9"), ("f1",)):
                await keys(pilot, *pressed)
                shown.setdefault(pressed, set()).add(picture(app))

        drive(app, script)
    assert {pressed: len(pictures) for pressed, pictures in shown.items()} == dict.fromkeys(shown, 1)
    assert len(shown) == 4


def test_the_palette_changes_theme_and_characters_and_keeps_them(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    app = Workbench(case)

    async def choose(pilot: Pilot[Any], text: str) -> None:
        await keys(pilot, "ctrl+p", *text)
        await pilot.pause(0.4)
        await keys(pilot, "down", "enter")
        await pilot.pause(0.2)

    async def script(pilot: Pilot[Any]) -> None:
        await choose(pilot, "contrast")
        assert app.theme == "contrast"
        await choose(pilot, "ascii")
        assert "Drawn in ascii" in picture(app)
        await keys(pilot, "g", "6")
        assert picture(app).isascii()
        await choose(pilot, "keep")
        kept = list(tmp_path.rglob("settings.toml"))
        assert 'theme = "contrast"\nascii = true\n' in kept[0].read_text()

    drive(app, script)
