"""Lets the tests of this folder import their driver by name."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pilot naps 20 ms at a time, twice for every key, until the process is idle; a fifth of that finds the same."""
    from textual import _wait

    monkeypatch.setattr(_wait, "SLEEP_GRANULARITY", 1 / 250, raising=False)
    monkeypatch.setattr(_wait, "SLEEP_IDLE", 1 / 5000, raising=False)


@pytest.fixture(scope="session", autouse=True)
def _painted_when_looked_at() -> Iterator[None]:
    """Frames that nobody reads are not drawn: without a terminal Textual draws each and throws it away.

    That is half the time of these tests.  What a test looks at (`tui_driver.picture`), and the last frame of each, is
    drawn as ever; real terminals have every frame, and so has MPK_LONG_TESTS=1.
    """
    from textual._compositor import Compositor

    def render_update(self: Compositor, *_: object, **__: object) -> None:
        self._dirty_regions.clear()

    with pytest.MonkeyPatch.context() as patch:
        if "MPK_LONG_TESTS" not in os.environ:
            patch.setattr(Compositor, "render_update", render_update)
        yield


@pytest.fixture(autouse=True)
def _own_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Cases opened by tests are remembered in a folder of theirs."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
