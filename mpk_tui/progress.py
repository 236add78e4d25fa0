"""Progress and cancellation as plain callables: the core knows neither a terminal nor a widget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mpk_tui.errors import CancelledError
from mpk_tui.records import dataclass, replace


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
    """Set from any thread; polled between chunks of work.

    It also pauses: while it is paused, `check` waits, so the work stands still at its next check, holding what it
    holds, and reads nothing.  Being asked to stop ends a pause.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._go = threading.Event()
        self._go.set()
        self._lock = threading.Lock()
        self._pauses: list[tuple[float, float]] = []
        self._since: float | None = None

    def cancel(self) -> None:
        """Ask the work to stop at its next check, paused or not."""
        self._event.set()
        self.resume()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return self._event.is_set()

    def pause(self) -> None:
        """Let the work wait at its next check; nothing happens to work that was asked to stop."""
        with self._lock:
            if self._since is None and not self._event.is_set():
                self._since = time.monotonic()
                self._go.clear()

    def resume(self) -> None:
        """Let it go on."""
        with self._lock:
            if self._since is not None:
                self._pauses.append((self._since, time.monotonic()))
                self._since = None
            self._go.set()

    @property
    def paused(self) -> bool:
        """Whether work waits at its checks."""
        return not self._go.is_set()

    def paused_since(self, start: float) -> float:
        """Seconds spent paused since a moment of `time.monotonic`: what a rate must not count."""
        with self._lock:
            spans = [*self._pauses, *([(self._since, time.monotonic())] if self._since is not None else [])]
        return sum(max(0.0, end - max(start, begin)) for begin, end in spans)

    def check(self) -> None:
        """Wait while paused, then raise `CancelledError` if somebody asked to stop."""
        if not self._go.is_set():
            self._go.wait()
        if self._event.is_set():
            raise CancelledError


def without_pauses(report: Report, cancel: CancelToken) -> Report:
    """A report whose elapsed time leaves out what the token spent paused, so that rates and estimates hold.

    Args:
        report: Gets the corrected progress.
        cancel: The token that the work polls.
    """

    def corrected(p: Progress) -> None:
        lost = cancel.paused_since(time.monotonic() - p.elapsed)
        report(replace(p, elapsed=max(0.0, p.elapsed - lost)) if lost else p)

    return corrected


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
