"""Long work in threads: the thread touches no widget, it posts messages that carry the job's number.

Every job has a cancel token which the core polls between chunks.  The last progress is always sent, and every job
ends with exactly one `JobEnded`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from textual.app import App
from textual.message import Message

from mpk_tui.errors import CancelledError, MpkError
from mpk_tui.progress import CancelToken, Progress, Report
from mpk_tui.text import size

QUEUED, RUNNING, DONE, FAILED, STOPPED = "queued", "running", "done", "failed", "stopped"


@dataclass
class Job:
    """Work under way or finished.

    Attributes:
        number: Unique in this run of the program.
        what: ``fingerprint`` or ``compare``.
        subject: The artifact or pair it is for.
        title: For people; untrusted text.
        work: Runs in a thread.
        finish: Runs on the interface's thread with the result; journals it.
        root: Folder of the case it belongs to, or empty; a result is never journalled into another case.
    """

    number: int
    what: str
    subject: str
    title: str
    work: Callable[[Report, CancelToken], Any]
    finish: Callable[[Any], None]
    root: str = ""
    token: CancelToken = field(default_factory=CancelToken)
    state: str = QUEUED
    progress: Progress | None = None
    error: str = ""
    started: float = 0.0

    @property
    def live(self) -> bool:
        """Whether it may still produce something."""
        return self.state in (QUEUED, RUNNING)

    def line(self) -> str:
        """One line for people: amount, rate and what is left."""
        if self.state == QUEUED:
            return "waiting for its turn"
        if self.state == FAILED:
            return f"failed: {self.error}"
        if self.state == STOPPED:
            return "stopped on request; nothing was kept"
        p = self.progress
        if self.state == DONE:
            return "done"
        if p is None:
            return "reading headers…"
        return amount(p) + (" · stopping…" if self.token.cancelled else "")


def amount(p: Progress) -> str:
    """Progress in words: bytes, rate and estimate, or steps."""
    share = f"{p.done * 100 // p.total:3d} % " if p.total else ""
    if p.unit == "bytes":
        text = f"{p.stage} {share}{size(p.done)} of {size(p.total)}, {size(int(p.rate))}/s"
    else:
        text = f"{p.stage} {share}{p.done} of {p.total}"
    left = p.remaining
    return f"{text}, {left:.0f} s left" if left is not None and p.done < p.total else text


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
    """One job at a time, the rest in line: two readers on one disk only slow each other down."""

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
    ) -> Job:
        """Put work in line and start it when its turn comes; the same work is not queued twice."""
        running = self.find(what, subject)
        if running is not None and running.live and not running.token.cancelled:
            return running
        self._numbers += 1
        job = Job(self._numbers, what, subject, title, work, finish, root)
        self.all[job.number] = job
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
        job.token.cancel()
        if job.state == QUEUED:
            job.state = STOPPED

    def cancel_all(self) -> None:
        """Ask everything to stop, before leaving."""
        for job in self.live:
            self.cancel(job)

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
        if any(j.state == RUNNING for j in self.all.values()):
            return
        for job in self.all.values():
            if job.state == QUEUED:
                job.state, job.started = RUNNING, time.monotonic()
                self._app.run_worker(lambda job=job: self._run(job), thread=True, exit_on_error=False, group="jobs")
                return

    def _run(self, job: Job) -> None:
        """In the thread."""

        def report(p: Progress) -> None:
            self._app.post_message(JobProgress(job.number, p))

        try:
            result = job.work(report, job.token)
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
            # A fault of ours must end the job with a sentence, not the session with the examiner's work open.
            end = JobEnded(job.number, FAILED, error=f"internal fault ({type(error).__name__}: {error}); please report")
        self._app.post_message(end)
