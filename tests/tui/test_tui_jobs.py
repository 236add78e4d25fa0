"""Jobs: side by side where they do not hinder each other, paused and stopped, and never a thread's exception shown."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from tiny_models import checkpoint, weights
from tui_driver import drive, keys, picture, until

from mpk_tui.case import artifacts, create_case, resuming
from mpk_tui.errors import MalformedError
from mpk_tui.progress import CancelToken, Meter, Progress, Report
from mpk_tui.tui.app import Workbench
from mpk_tui.tui.jobs import amount, lasting
from mpk_tui.tui.lanes import UNKNOWN, devices_of, waits_for


def test_amount_names_bytes_rate_and_estimate() -> None:
    p = Progress("hashing", 1_000_000_000, 4_000_000_000, "bytes", 2.0, "a.safetensors")
    assert amount(p) == "hashing  25 % 1.0 GB of 4.0 GB, 500.0 MB/s, 6 s left"
    assert amount(Progress("layers", 3, 12, "steps", 4.0)) == "layers  25 % 3 of 12, 12 s left"
    assert amount(Progress("layers", 3, 100, "steps", 0.01)) == "layers   3 % 3 of 100"  # too early to tell


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
        assert other.error.startswith("internal fault (RuntimeError in ")

    drive(app, script, (150, 24))


def test_quitting_names_what_runs_and_stops_it_only_when_told_again() -> None:
    app = Workbench()
    begun, ended = threading.Event(), threading.Event()

    def slow(report: Report, cancel: CancelToken) -> None:
        begun.set()
        try:
            while True:
                cancel.check()
                time.sleep(0.01)
        finally:
            ended.set()

    async def script(pilot: Pilot[Any]) -> None:
        app.start_job("compare", "p", "compare p", slow, lambda _: None)
        await until(pilot, begun.is_set)
        await keys(pilot, "ctrl+q")
        assert "Under way: compare p. ^q again stops that and closes." in picture(app)
        assert not ended.is_set()
        assert app.is_running
        await pilot.press("ctrl+q")

    drive(app, script)
    assert ended.wait(10)


@dataclass
class Reads:
    """A job as the lanes see it."""

    number: int
    devices: frozenset[int]


def reads(number: int, *devices: int) -> Reads:
    return Reads(number, frozenset(devices))


@pytest.mark.parametrize(
    ("job", "running", "numbers", "why"),
    [
        (reads(9, 1), [], (), ""),
        (reads(9, 1), [reads(1, 1)], (1,), "same drive"),
        (reads(9, 1), [reads(1, 2)], (), ""),
        (reads(9, 1, 3), [reads(1, 2, 3)], (1,), "same drive"),
        (reads(9, 1), [reads(1, 2), reads(2, 3)], (1, 2), "two measure already"),
        (reads(9, 1), [reads(1), reads(2)], (), ""),
        (reads(9), [reads(1, 1), reads(2, 2)], (), ""),
        (reads(9), [reads(n) for n in range(4)], (0, 1, 2, 3), "several run already"),
        (reads(9, UNKNOWN), [reads(1, 5)], (1,), "same drive"),
        (reads(9, 5), [reads(1, UNKNOWN)], (1,), "same drive"),
    ],
)
def test_who_waits_for_whom(job: Reads, running: list[Reads], numbers: tuple[int, ...], why: str) -> None:
    assert waits_for(job, running) == (numbers, why)


def test_drives_are_told_apart_by_their_number(tmp_path: Path) -> None:
    assert devices_of("compare", [tmp_path, tmp_path]) == {tmp_path.stat().st_dev}
    assert devices_of("compare", [tmp_path / "nothing"]) == {UNKNOWN}
    assert devices_of("compare", []) == {UNKNOWN}
    assert devices_of("verify", []) == frozenset()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (99, "99 s"), (150, "2 min"), (3600, "60 min"), (8000, "2 h 13 min")]
)
def test_estimates_are_as_exact_as_they_can_be(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


class Counting:
    """Work that counts until it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()

    def __call__(self, report: Report, cancel: CancelToken) -> str:
        self.begun.set()
        meter = Meter(report, "hashing", 10_000_000)
        while not self.let_go.is_set():
            cancel.check()
            meter.add(1000, "a[/]\x1b[2J.safetensors")
            time.sleep(0.005)
        return "done"


def test_a_light_job_does_not_wait_and_a_heavy_one_says_for_what(tmp_path: Path) -> None:
    app, first, second, light = Workbench(), Counting(), Counting(), Counting()

    async def script(pilot: Pilot[Any]) -> None:
        app.start_job("fingerprint", "S1", "fingerprint S1", first, lambda _: None, [tmp_path])
        waiting = app.start_job("compare", "p", "compare p", second, lambda _: None, [tmp_path])
        app.start_job("verify", "b", "verify b.mpkb", light, lambda _: None)
        await until(pilot, lambda: first.begun.is_set() and light.begun.is_set())
        assert not second.begun.is_set()
        await keys(pilot, "j")
        assert "waits for job 1: same drive" in waiting.line()
        shown = picture(app)
        assert "fingerprint S1" in shown
        assert "compare p" in shown
        assert "waiting" in shown
        light.let_go.set()
        first.let_go.set()
        await until(pilot, second.begun.is_set)
        second.let_go.set()
        await until(pilot, lambda: not app.jobs.live)
        await keys(pilot, "d")
        assert "No job was started." in picture(app)
        await keys(pilot, "escape")
        assert "n New case" in picture(app)

    drive(app, script)


def test_pause_lends_the_place_and_resume_waits_for_it(tmp_path: Path) -> None:
    app, first, second = Workbench(), Counting(), Counting()

    async def script(pilot: Pilot[Any]) -> None:
        a = app.start_job("fingerprint", "S1", "fingerprint S1", first, lambda _: None, [tmp_path])
        b = app.start_job("fingerprint", "R1", "fingerprint R1", second, lambda _: None, [tmp_path])
        await until(pilot, lambda: a.progress is not None)
        await keys(pilot, "j", "p")
        assert (a.state, b.state) == ("paused", "running")
        assert a.line().startswith("paused at ")
        assert "paused" in picture(app)
        await until(pilot, lambda: b.progress is not None)
        done = a.progress.done if a.progress else 0
        await keys(pilot, "p")
        assert (a.state, a.line()) == ("queued", "waits for job 2: same drive")
        assert a.token.paused
        assert a.progress is not None
        assert a.progress.done == done
        second.let_go.set()
        await until(pilot, lambda: a.state == "running" and a.progress is not None and a.progress.done > done)
        await keys(pilot, "P")
        assert a.state == "paused"
        await keys(pilot, "P")
        assert a.state == "running"
        await keys(pilot, "p", "x")  # what is paused can be stopped
        await until(pilot, lambda: not app.jobs.live)
        assert a.state == "stopped"
        await until(pilot, lambda: "nothing was recorded" in picture(app))
        await keys(pilot, "p", "x")
        assert "nothing to stop" in picture(app)

    drive(app, script)


def test_all_are_stopped_by_one_key(tmp_path: Path) -> None:
    app, works = Workbench(), [Counting() for _ in range(3)]

    async def script(pilot: Pilot[Any]) -> None:
        jobs = [
            app.start_job("fingerprint", f"S{n}", f"fingerprint S{n}", w, lambda _: None, [tmp_path])
            for n, w in enumerate(works)
        ]
        await until(pilot, works[0].begun.is_set)
        await keys(pilot, "j", "X")
        assert "3 jobs are being stopped." in picture(app)
        await until(pilot, lambda: not app.jobs.live)
        assert [j.state for j in jobs] == ["stopped"] * 3
        assert not works[1].begun.is_set()

    drive(app, script)


def case_with_models(folder: Path) -> Path:
    with create_case(folder / "c1", id="T-1", title="Test", examiner="Kim") as c:
        for name, role, seed in (("s", "subject", 1), ("r", "reference", 2)):
            artifacts.add_artifact(c, checkpoint(folder / name, weights(seed)), role=role)
    return folder / "c1"


def test_jobs_of_a_case_end_with_it_and_that_is_said(tmp_path: Path) -> None:
    case = case_with_models(tmp_path)
    create_case(tmp_path / "c2", id="T-2", title="Other", examiner="Kim").close()
    app, work, other = Workbench(case), Counting(), Counting()
    finished: list[Any] = []

    async def script(pilot: Pilot[Any]) -> None:
        job = app.start_job("fingerprint", "S1", "fingerprint S1", work, finished.append, [tmp_path])
        free = app.start_job("verify", "b", "verify b.mpkb", other, finished.append)
        await until(pilot, work.begun.is_set)
        app.open_case(tmp_path / "c2")
        app.go("case")
        await until(pilot, lambda: not job.live)
        await pilot.pause()
        assert job.state == "stopped"
        assert "Stopped with their case: fingerprint S1." in picture(app)
        assert free.live
        other.let_go.set()
        await until(pilot, lambda: not free.live)
        assert finished == ["done"]  # a bundle belongs to no case

    drive(app, script)


def test_a_fingerprint_is_made_apart_and_says_what_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_with_models(tmp_path)
    app = Workbench(case)
    took = resuming.Resumed(1, 2, 10, 20, 0)
    record = resuming.record_measured

    def recorded(c: Any, id: str, made: resuming.Measured) -> None:
        record(c, id, resuming.Measured(made.fingerprint, made.data, took, made.notices))

    async def script(pilot: Pilot[Any]) -> None:
        await keys(pilot, "g", "3", "F")
        job = app.jobs.find("fingerprint", "S1")
        assert job is not None
        assert job.title == "fingerprint S1 afresh"
        await until(pilot, lambda: not job.live, 60)
        assert job.state == "done", job.error
        assert app.session is not None
        made = app.session.at_hand("S1")
        assert made is not None
        await pilot.pause()
        assert made.root.hex()[:48] in picture(app).replace(" ", "")
        # The same bytes as when it is made here.
        assert made.to_bytes() == artifacts.measure_fingerprint(app.session.case.state.artifacts["S1"]).to_bytes()
        monkeypatch.setattr(resuming, "record_measured", recorded)
        await keys(pilot, "f")
        again = app.jobs.find("fingerprint", "S1")
        assert again is not None
        await until(pilot, lambda: not again.live, 60)
        await pilot.pause()
        assert app.session.entries[-1].params["resumed"] == took.sentence()
        assert "Notice: hashes of 1 of 2 files" in picture(app)

    drive(app, script, (100, 40))


def test_a_fault_in_a_job_shows_no_secret() -> None:
    app = Workbench()

    def break_down(report: Report, cancel: CancelToken) -> None:
        passphrase = "correct horse"
        raise RuntimeError(f"cannot use {passphrase}")

    async def script(pilot: Pilot[Any]) -> None:
        job = app.start_job("sign", "q", "sign q", break_down, lambda _: None)
        await until(pilot, lambda: not job.live)
        await pilot.pause()
        assert job.error.startswith("internal fault (RuntimeError in ")
        assert "correct horse" not in picture(app) + job.error

    drive(app, script)


def test_work_that_does_not_listen_does_not_hold_the_process() -> None:
    app = Workbench()
    begun, release = threading.Event(), threading.Event()

    def deaf(report: Report, cancel: CancelToken) -> None:
        begun.set()
        release.wait(60)

    async def script(pilot: Pilot[Any]) -> None:
        app.start_job("compare", "p", "compare p", deaf, lambda _: None)
        await until(pilot, begun.is_set)
        await pilot.press("ctrl+q", "ctrl+q")

    drive(app, script)
    assert not release.is_set()  # the app ended while the work had not
    release.set()
