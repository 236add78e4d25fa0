"""Progress and cancellation as plain callables: the core knows neither a terminal nor a widget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mpk_tui.errors import CancelledError
from mpk_tui.records import dataclass


@dataclass(frozen=True)
class Progress:
    """One report.  Each replaces the one before it.

    Attributes:
        stage: What is going on, e.g. ``hashing``.
        done: Work done, in ``unit``.
        total: All work, in ``unit``; 0 when unknown.
        unit: ``bytes`` or ``steps``.
        elapsed: Seconds since the stage began.
        item: The file or layer at hand; untrusted text.
    """

    stage: str
    done: int
    total: int
    unit: str
    elapsed: float
    item: str = ""

    @property
    def rate(self) -> float:
        """Units per second, 0.0 before anything can be said."""
        return self.done / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def remaining(self) -> float | None:
        """Estimated seconds to go, or None while unknown."""
        if not self.total or not self.done or self.elapsed <= 0:
            return None
        return max(0.0, (self.total - self.done) / self.rate)


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """A report that tells nobody."""


class CancelToken:
    """Set from any thread; polled between chunks of work."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `CancelledError` if somebody asked to stop."""
        if self._event.is_set():
            raise CancelledError


class Meter:
    """Counts work over several threads and reports at most ten times a second, and always at the end."""

    def __init__(self, report: Report, stage: str, total: int, unit: str = "bytes") -> None:
        self._report, self._stage, self._total, self._unit = report, stage, total, unit
        self._lock = threading.Lock()
        self._done = 0
        self._start = time.monotonic()
        self._last = 0.0

    def add(self, n: int, item: str = "") -> None:
        """Add ``n`` units of finished work; safe from any thread."""
        with self._lock:
            self._done += n
            now = time.monotonic()
            if now - self._last < 0.1 and self._done < self._total:
                return
            self._last = now
            self._report(Progress(self._stage, self._done, self._total, self._unit, now - self._start, item))
