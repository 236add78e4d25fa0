"""Jobs: one at a time, cancellable, with a last word, and never a thread's exception in the interface."""

from __future__ import annotations

import threading
import time
from typing import Any

from textual.pilot import Pilot
from tui_driver import drive, picture, until

from mpk_tui.errors import MalformedError
from mpk_tui.progress import CancelToken, Meter, Progress, Report
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.jobs import amount


def test_amount_names_bytes_rate_and_estimate() -> None:
    p = Progress("hashing", 1_000_000_000, 4_000_000_000, "bytes", 2.0, "a.safetensors")
    assert amount(p) == "hashing  25 % 1.0 GB of 4.0 GB, 500.0 MB/s, 6 s left"
    assert amount(Progress("layers", 3, 12, "steps", 1.0)) == "layers  25 % 3 of 12, 3 s left"


def test_a_job_is_cancelled_and_the_next_one_starts() -> None:
    app = Workbench()
    begun, order = threading.Event(), []

    def slow(report: Report, cancel: CancelToken) -> str:
        meter = Meter(report, "hashing", 10_000_000)
        begun.set()
        while True:
            cancel.check()
            meter.add(1000)
            time.sleep(0.01)

    def quick(report: Report, cancel: CancelToken) -> str:
        order.append("quick ran")
        return "done"

    async def script(pilot: Pilot[Any]) -> None:
        first = app.start_job("fingerprint", "a1", "fingerprint a1", slow, order.append)
        second = app.start_job("fingerprint", "a2", "fingerprint a2", quick, order.append)
        assert app.start_job("fingerprint", "a1", "again", slow, order.append) is first
        await until(pilot, begun.is_set)
        await until(pilot, lambda: first.progress is not None)
        assert "fingerprint a1: hashing" in picture(app)
        assert second.state == "queued"
        app.jobs.cancel(first)
        await until(pilot, lambda: not app.jobs.live)
        assert (first.state, second.state) == ("stopped", "done")
        assert order == ["quick ran", "done"]  # what was stopped is never finished

    drive(app, script)


def test_errors_become_sentences() -> None:
    app = Workbench()

    def refuse(report: Report, cancel: CancelToken) -> None:
        raise MalformedError("the header is cut short", where="bad[/]\x1b[2J.safetensors")

    def break_down(report: Report, cancel: CancelToken) -> None:
        raise RuntimeError("a fault of ours")

    async def script(pilot: Pilot[Any]) -> None:
        job = app.start_job("compare", "p", "compare p", refuse, lambda _: None)
        await until(pilot, lambda: not job.live)
        await pilot.pause()
        assert job.state == "failed"
        assert "bad[/]\\x1b[2J.safetensors: the header is cut short" in picture(app).replace("\n", "")
        other = app.start_job("compare", "q", "compare q", break_down, lambda _: None)
        await until(pilot, lambda: not other.live)
        assert other.error.startswith("internal fault (RuntimeError")

    drive(app, script, (150, 24))


def test_quitting_stops_jobs_first() -> None:
    app = Workbench()
    ended = threading.Event()

    def slow(report: Report, cancel: CancelToken) -> None:
        try:
            while True:
                cancel.check()
                time.sleep(0.01)
        finally:
            ended.set()

    async def script(pilot: Pilot[Any]) -> None:
        app.start_job("compare", "p", "compare p", slow, lambda _: None)
        await pilot.pause(0.05)
        await pilot.press("ctrl+q")
        await until(pilot, ended.is_set)
        await until(pilot, lambda: not app.jobs.live)
        assert app.is_running
        await pilot.press("ctrl+q")

    drive(app, script)
