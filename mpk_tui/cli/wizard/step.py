"""One step of the wizard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """Some questions that are recorded together.

    Attributes:
        key: Its name within the plan, the same as long as it is about the same thing.
        run: Asks and records; returns True to be run once more.
        done: Nothing is open here: passed over on the way forward, but not on the way back.
    """

    key: str
    run: Callable[[], bool | None]
    done: bool = False
