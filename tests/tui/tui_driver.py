"""Running the workbench, or one widget, under Pilot inside plain tests, and reading its picture as text."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from textual import events
from textual.app import App
from textual.pilot import Pilot
from textual.strip import Strip

SMALL, NARROW, WIDE = (80, 24), (100, 30), (150, 45)
LONG = pytest.mark.skipif("MPK_LONG_TESTS" not in os.environ, reason="half a minute; MPK_LONG_TESTS=1 runs it")
"""A tour that another test takes in a smaller form: run by hand before a release."""


def picture(app: App[Any], strips: Sequence[Strip] | None = None) -> str:
    """What stands on the screen, after the app's own line filters, one line a row.

    Args:
        app: The application.
        strips: What its widgets drew, where that is at hand.
    """
    width, height = app.size
    console = app.console
    console.size = (width, height)
    lines = []
    for strip in app.screen._compositor.render_strips() if strips is None else strips:
        for line_filter in app.get_line_filters():
            strip = strip.apply_filter(line_filter, app.screen.background_colors[0])
        lines.append("".join(segment.text for segment in strip).rstrip())
    return "\n".join(lines)


def drive(app: App[Any], script: Callable[[Pilot[Any]], Awaitable[None]], size: tuple[int, int] = SMALL) -> None:
    """Run an app without a terminal and let a script press its keys; toasts are drawn too."""

    async def go() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause()
            await script(pilot)
            if not app._exit:
                picture(app)  # the last frame, too, can be drawn

    asyncio.run(go())


async def until(pilot: Pilot[Any], true: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for something that a thread brings about."""
    for _ in range(int(seconds / 0.02)):
        await pilot.pause(0.02)
        if true():
            return
    raise AssertionError(f"did not happen within {seconds} s")


async def paste(pilot: Pilot[Any], text: str) -> None:
    """Paste text into the field that has the focus, as a terminal does."""
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()


async def keys(pilot: Pilot[Any], *pressed: str) -> None:
    """Press keys and wait for what they bring about."""
    await pilot.press(*pressed)
    await pilot.pause()


async def settled(pilot: Pilot[Any]) -> None:
    """Wait until a form whose answer takes a thread has closed or said why not."""
    await pilot.pause()
    await until(pilot, lambda: getattr(pilot.app.screen, "_under_way", None) is None, 120)
    await pilot.pause()
