"""Orders carried out on this machine, each in a process of its own, so many at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from mpk_tui.apart import run_apart
from mpk_tui.errors import CancelledError, LimitError, StorageError
from mpk_tui.progress import CancelToken, Report

LEAST_SECONDS = 600.0
"""Seconds that any checkpoint may take."""
BYTES_A_SECOND = 2_000_000
"""A checkpoint may take a further second for so many of its bytes: a slow drive over USB 2 gives twenty times that."""


class HandsGoneError(StorageError):
    """Whoever carries out orders cannot be reached any more: the sweep ends, and goes on with the next run."""


def allowed(size: int) -> float:
    """Seconds that a checkpoint of so many bytes may take."""
    return LEAST_SECONDS + size / BYTES_A_SECOND


class Hands(Protocol):
    """Whoever carries out orders."""

    @property
    def most(self) -> int:
        """Orders that are worth giving at a time."""

    def give(self, task: str, request: bytes, seconds: float, report: Report) -> Future[bytes]:
        """Have a task of ours run on a request; its result, or the `MpkError` that it raised.

        Args:
            task: ``module:function`` as `mpk_tui.apart.run_apart` takes it.
            request: Its argument.
            seconds: After which it is ended, and counts as failed.
            report: Progress, as far as there is any from where it runs.
        """

    def stop(self) -> None:
        """End whatever runs, and give nothing more."""


class Here:
    """This machine's processes."""

    def __init__(self, jobs: int, cancel: CancelToken) -> None:
        self.most = jobs
        self._cancel = cancel
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="sweep")

    def give(self, task: str, request: bytes, seconds: float, report: Report) -> Future[bytes]:
        """See `Hands.give`."""
        return self._pool.submit(timed, task, request, seconds, report, self._cancel)

    def stop(self) -> None:
        """See `Hands.stop`."""
        self._cancel.cancel()
        self._pool.shutdown(wait=True, cancel_futures=True)


def timed(
    task: str,
    request: bytes,
    seconds: float,
    report: Report,
    cancel: CancelToken,
    run: Callable[[str, bytes, Report, CancelToken], bytes] = run_apart,
) -> bytes:
    """Run a task in a process of its own, and end it when its time is over.

    Raises:
        LimitError: Its time is over.
        MpkError: What it raised.
    """
    watch = _Until(cancel, seconds)
    try:
        return run(task, request, report, watch)
    except CancelledError:
        if cancel.cancelled or not watch.over:
            raise
        raise LimitError(
            f"was stopped after {seconds:.0f} s", hint="It may be made to keep readers busy; look at it by itself"
        ) from None


class _Until(CancelToken):
    """A token that also asks to stop when a time has passed."""

    def __init__(self, outer: CancelToken, seconds: float) -> None:
        super().__init__()
        self._outer = outer
        self._end = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """Whether the time has passed."""
        return time.monotonic() >= self._end

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop, or the time has passed."""
        return self._outer.cancelled or self.over

    def check(self) -> None:
        """Raise if either holds."""
        if self.cancelled:
            raise CancelledError
