"""Long work in threads: the thread touches no widget, it posts messages that carry the job's number.

Every job has a token by which it is paused and stopped; the core polls it between chunks.  What holds the interpreter
for long runs in a process of its own below the thread (`mpk_tui.case.measuring`).  The last progress is always sent,
and every job ends with exactly one `JobEnded`.  Which jobs run side by side is decided in `mpk_tui.tui.lanes`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.app import App
from textual.message import Message

from mpk_tui.apart import places
from mpk_tui.errors import CancelledError, MpkError
from mpk_tui.progress import CancelToken, Progress, Report, without_pauses
from mpk_tui.records import replace
from mpk_tui.text import size
from mpk_tui.tui.lanes import devices_of, waits_for

QUEUED, RUNNING, PAUSED, DONE, FAILED, STOPPED = "queued", "running", "paused", "done", "failed", "stopped"
WORDS = {QUEUED: "waiting"}
CASELESS = frozenset({"verify", "endorse", "report", "library", "scan"})
"""Jobs that belong to no case: their result counts whichever is open."""
RESUMABLE = frozenset({"fingerprint"})
SETTLED = 2.0
"""Seconds of a stage before what is left of it is estimated."""
MOST_KEPT = 200
"""Ended jobs that the list remembers."""


@dataclass
class Job:
    """Work under way or finished.

    Attributes:
        number: Unique in this run of the program.
        what: ``fingerprint``, ``compare``, ``verify`` and so on.
        subject: The artifact, pair or file it is for.
        title: For people; untrusted text.
        work: Runs in a thread.
        finish: Runs on the interface's thread with the result; journals it.
        root: Folder of the case it belongs to, or empty; a result is never journalled into another case.
        devices: Drives that it reads at length, by device number; none for a light job.
        begun: Its thread was started.
        waiting: Why it waits, in a few words.
    """

    number: int
    what: str
    subject: str
    title: str
    work: Callable[[Report, CancelToken], Any]
    finish: Callable[[Any], None]
    root: str = ""
    devices: frozenset[int] = frozenset()
    token: CancelToken = field(default_factory=CancelToken)
    state: str = QUEUED
    progress: Progress | None = None
    error: str = ""
    started: float = 0.0
    begun: bool = False
    waiting: str = ""

    @property
    def live(self) -> bool:
        """Whether it may still produce something."""
        return self.state in (QUEUED, RUNNING, PAUSED)

    @property
    def word(self) -> str:
        """Its state in a word."""
        return "stopping" if self.live and self.token.cancelled else WORDS.get(self.state, self.state)

    def line(self) -> str:
        """One line for people: amount, rate and what is left, or why there is none."""
        if self.state == FAILED:
            return f"failed: {self.error}"
        if self.state == STOPPED:
            kept = "; hashes of finished files are kept" if self.what in RESUMABLE and self.begun else ""
            return f"stopped on request; nothing was recorded{kept}"
        if self.state == DONE:
            return "done"
        if self.token.cancelled:
            return "stopping…"
        if self.state == QUEUED:
            return self.waiting or "waiting for its turn"
        p = self.progress
        if self.state == PAUSED:
            return f"paused{f' at {share(p)}' if p is not None else ''}"
        if p is None:
            return "reading headers…"
        again = self.what == "rehash" and "hash" not in p.stage  # a fingerprint is made whole, its features too
        return amount(replace(p, stage=f"recomputing {p.stage}") if again else p)


def share(p: Progress) -> str:
    """How much is done, without a rate."""
    return f"{size(p.done)} of {size(p.total)}" if p.unit == "bytes" else f"{p.done} of {p.total}"


def lasting(seconds: float) -> str:
    """A span of time in words, as exact as an estimate can be."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def remaining(p: Progress) -> str:
    """What is left, in words; empty while nothing is left, and before there is enough to estimate by."""
    left = p.remaining
    return lasting(left) if left is not None and p.done < p.total and p.elapsed >= SETTLED else ""


def amount(p: Progress) -> str:
    """Progress in words: bytes, rate and estimate, or steps."""
    percent = f"{p.done * 100 // p.total:3d} % " if p.total else ""
    text = f"{p.stage} {percent}{share(p)}"
    if p.unit == "bytes":
        text += f", {size(int(p.rate))}/s"
    left = remaining(p)
    return f"{text}, {left} left" if left else text


def told_of(stopped: Sequence[Job]) -> str:
    """Titles of jobs that were stopped, and what of them is not lost."""
    kept = any(j.what in RESUMABLE for j in stopped)
    titles = ", ".join(j.title for j in stopped)
    return f"{titles}.{' Files that were hashed to their end need not be hashed again.' if kept else ''}"


class JobProgress(Message):
    """A job got further."""

    def __init__(self, number: int, progress: Progress) -> None:
        super().__init__()
        self.number, self.progress = number, progress


class JobEnded(Message):
    """A job is over: with a result, an error sentence, or neither if it was stopped."""

    def __init__(self, number: int, state: str, result: Any = None, error: str = "") -> None:
        super().__init__()
        self.number, self.state, self.result, self.error = number, state, result, error


class Jobs:
    """All jobs of this run, in order of their start."""

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._numbers = 0
        self.all: dict[int, Job] = {}

    def start(
        self,
        what: str,
        subject: str,
        title: str,
        work: Callable[[Report, CancelToken], Any],
        finish: Callable[[Any], None],
        root: str = "",
        paths: Iterable[Path] = (),
    ) -> Job:
        """Put work in line and start it when its turn comes; the same work is not queued twice.

        Args:
            what: Kind of job.
            subject: What it is for; with ``what`` it tells jobs apart.
            title: For people.
            work: For the thread.
            finish: For the interface, with the result.
            root: Folder of the case.
            paths: What it reads at length; a job that names nothing is light.
        """
        running = self.find(what, subject)
        if running is not None and running.live and not running.token.cancelled:
            return running
        self._numbers += 1
        where = "" if what in CASELESS else root
        job = Job(self._numbers, what, subject, title, work, finish, where, devices_of(what, paths))
        self.all[job.number] = job
        self._forget()
        self._next()
        return job

    def find(self, what: str, subject: str) -> Job | None:
        """The newest job for something."""
        for job in reversed(self.all.values()):
            if (job.what, job.subject) == (what, subject):
                return job
        return None

    @property
    def live(self) -> list[Job]:
        """Jobs that may still produce something, in order."""
        return [j for j in self.all.values() if j.live]

    def cancel(self, job: Job) -> None:
        """Ask a job to stop; a waiting one never starts."""
        if not job.live:
            return
        job.token.cancel()
        if not job.begun:
            job.state = STOPPED
            self._next()

    def cancel_all(self) -> list[Job]:
        """Ask everything to stop; what was asked."""
        asked = [j for j in self.live if not j.token.cancelled]
        for job in asked:
            self.cancel(job)
        return asked

    def cancel_case(self, root: str) -> list[Job]:
        """Ask the jobs of a case to stop; which."""
        asked = [j for j in self.live if j.root == root and root and not j.token.cancelled]
        for job in asked:
            self.cancel(job)
        return asked

    def pause(self, job: Job) -> None:
        """Let a job stand still; another may have its place meanwhile."""
        if job.state in (QUEUED, RUNNING) and not job.token.cancelled:
            job.state = PAUSED
            job.token.pause()
            self._next()

    def resume(self, job: Job) -> None:
        """Let it go on, when its turn comes."""
        if job.state == PAUSED:
            job.state = QUEUED
            self._next()

    def turn(self, job: Job) -> None:
        """Pause what runs or waits, resume what is paused."""
        self.resume(job) if job.state == PAUSED else self.pause(job)

    def turn_all(self) -> bool:
        """Pause all, or resume all if all are paused; whether they are paused now."""
        live = self.live
        pausing = any(j.state != PAUSED for j in live)
        for job in live if pausing else [j for j in live if j.state == PAUSED]:
            self.pause(job) if pausing else self.resume(job)
        return pausing

    def clear(self) -> int:
        """Forget the jobs that are over; how many."""
        over = [n for n, j in self.all.items() if not j.live]
        for number in over:
            del self.all[number]
        return len(over)

    def progressed(self, message: JobProgress) -> Job | None:
        """Take a progress message; None if the job is over already."""
        job = self.all.get(message.number)
        if job is None or not job.live:
            return None
        job.progress = message.progress
        return job

    def ended(self, message: JobEnded) -> Job | None:
        """Take the end of a job and start the next one."""
        job = self.all.get(message.number)
        if job is None or not job.live:
            return None
        job.state, job.error = message.state, message.error
        self._next()
        return job

    def _next(self) -> None:
        """Start or resume what may run now, first come first served, and say of the rest what it waits for."""
        for job in [j for j in self.all.values() if j.state == QUEUED]:
            running = [j for j in self.all.values() if j.state == RUNNING]
            blocking, why = waits_for(job, running)
            if blocking:
                several = "s" if len(blocking) > 1 else ""
                job.waiting = f"waits for job{several} {', '.join(map(str, blocking))}: {why}"
                continue
            job.state, job.waiting = RUNNING, ""
            if job.begun:
                job.token.resume()
                continue
            job.begun, job.started = True, time.monotonic()
            job.token.resume()  # it may have been paused before its turn came
            # A daemon: a library's call that cannot be interrupted must not hold the process when it is left.
            threading.Thread(target=self._run, args=(job,), name=f"job-{job.number}", daemon=True).start()

    def _forget(self) -> None:
        over = [n for n, j in self.all.items() if not j.live]
        for number in over[: max(0, len(over) - MOST_KEPT)]:
            del self.all[number]

    def _post(self, message: Message) -> None:
        with suppress(RuntimeError):  # the app is gone, and its loop with it
            self._app.post_message(message)

    def _run(self, job: Job) -> None:
        """In the thread."""

        def report(p: Progress) -> None:
            self._post(JobProgress(job.number, p))

        try:
            result = job.work(without_pauses(report, job.token), job.token)
            end = JobEnded(job.number, DONE, result)
        except CancelledError:
            end = JobEnded(job.number, STOPPED)
        except MpkError as error:
            end = JobEnded(job.number, FAILED, error=error.diagnosis())
        except MemoryError:
            end = JobEnded(job.number, FAILED, error="out of memory; nothing was kept")
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            end = JobEnded(job.number, FAILED, error=f"{place}{error.strerror or error}")
        except Exception as error:
            # A fault of ours must end the job with a sentence, not the session with the examiner's work open; places
            # only, for the message of a foreign exception may quote what was typed.
            end = JobEnded(job.number, FAILED, error=f"internal fault ({places(error)}); please report")
        self._post(end)
