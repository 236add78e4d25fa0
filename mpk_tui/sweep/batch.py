"""A sweep: every checkpoint of a drive measured once, a line for each, going on where an interrupted run stopped.

What is done about a checkpoint is decided from its last line and from size, modification time and inode of its files
(`mpk_tui.sweep.finding.Found.stamp`).  Every checkpoint is worked on elsewhere (`mpk_tui.sweep.local.Hands`); whatever
happens to it there becomes its line, and the sweep goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui import __version__, hashtree
from mpk_tui.checkpoint.folder import list_folder
from mpk_tui.errors import CancelledError, LimitError, MalformedError, MpkError, StorageError, UnstableFileError
from mpk_tui.files import write_file
from mpk_tui.fingerprint import record
from mpk_tui.fingerprint.record import SUFFIX, Fingerprint
from mpk_tui.progress import CancelToken, Progress, Report, silent
from mpk_tui.sweep import finding, lines, working
from mpk_tui.sweep.finding import Drive, Found
from mpk_tui.sweep.lines import Line, Writer
from mpk_tui.sweep.local import Hands, HandsGoneError, allowed
from mpk_tui.sweep.relatives import NOTHING, fault_of
from mpk_tui.sweep.working import Answer, Order

INCOMING = "incoming"
"""Folder in that of the fingerprints for what came back and was not checked yet."""
_SHOWN = 10
"""Notices of a checkpoint that its line keeps."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How a sweep goes about it.

    Attributes:
        library: Library to scan, or None.
        keep: Folder in which fingerprints are kept, or None.
        partial: Accept missing shards and files that were cut short.
        memory: Bytes that a checkpoint's process may take, 0 for no limit.
        again: Do everything again.
        retry: Do again what ended in an error.
        rescan: Scan again what was scanned already.
        shared: Whoever works leaves fingerprints in ``keep``, which it sees, too, instead of sending them.
    """

    library: Path | None = None
    keep: Path | None = None
    partial: bool = False
    memory: int = 0
    again: bool = False
    retry: bool = False
    rescan: bool = False
    shared: bool = False


@dataclass(frozen=True)
class Swept:
    """What a sweep came to.

    Attributes:
        lines: The last line of every checkpoint that was found, in the drive's order.
        made: Lines that this run wrote.
        notices: What a person must know of how they came about.
    """

    lines: tuple[Line, ...]
    made: int
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """One checkpoint that is to be done, and its fingerprint where that need not be made again."""

    found: Found
    known: Path | None = None


def sweep(
    drive: Drive,
    writer: Writer,
    plan: Plan,
    hands: Hands,
    say: Say = lambda _: None,
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> Swept:
    """Measure every checkpoint of a drive that needs it.

    Args:
        drive: What was found.
        writer: Open on the sweep's file.
        plan: How.
        hands: Who works.
        say: Told a line about each checkpoint that is done; holds untrusted text.
        report: Progress in bytes of checkpoints.
        cancel: Polled all the time; what runs then is ended and written down nowhere.

    Raises:
        CancelledError: Stopped on request; every line that was written stands.
        StorageError: A line or a fingerprint cannot be written.
    """
    cancel = cancel or CancelToken()
    incoming = _prepare(plan, writer.path)
    before = lines.latest(writer.sheet.lines)
    work, notices = due(drive, before, plan)
    if writer.repaired:
        notices = [f"a line that a crash had cut short was taken off ({writer.repaired} bytes)", *notices]
    made = dict(before)
    meter = Gauge(report, sum(w.found.size for w in work))
    done = 0
    try:
        for w, line in _each(work, plan, incoming, hands, meter, cancel):
            writer.append(line)
            made[w.found.key] = line
            done += 1
            say(f"{done} of {len(work)}  {told(line)}")
    finally:
        _clear(incoming)
    return Swept(tuple(made[f.key] for f in drive.found if f.key in made), done, tuple(notices))


def due(drive: Drive, before: Mapping[tuple[str, str], Line], plan: Plan) -> tuple[list[Work], list[str]]:
    """What is to be done, and what is to be said about the rest.

    Args:
        drive: What was found.
        before: The last line of each checkpoint.
        plan: How.
    """
    work: list[Work] = []
    changed = failed = scans = 0
    other: set[str] = set()
    for found in drive.found:
        line = before.get(found.key)
        if line is None or plan.again:
            work.append(Work(found))
        elif line["stamp"] != found.stamp:
            changed += 1
            work.append(Work(found))
        elif line["state"] == "error":
            failed += 1
            if plan.retry:
                work.append(Work(found, _kept(plan.keep, line)))
        elif plan.library is not None and (line["scan"] is None or plan.rescan):
            scans += 1
            work.append(Work(found, _kept(plan.keep, line)))
        elif line["scan"] is not None:
            other.add(str(line["scan"].get("library", {}).get("digest", "")))
    notices = []
    stand = len(drive.found) - len(work)
    if stand:
        notices.append(f"{stand} of {len(drive.found)} were done before and did not change; --again does them again")
    if changed:
        notices.append(f"{changed} changed since their line was written and are done again")
    if failed:
        notices.append(f"{failed} ended in an error before" + ("" if plan.retry else "; --retry tries them again"))
    if scans:
        notices.append(f"{scans} were measured before and are scanned now")
    if len(other) > 1:
        notices.append(
            f"their lines were scanned against {len(other)} states of the library; --rescan scans all of them again"
        )
    return work, notices


def _each(
    work: list[Work], plan: Plan, incoming: Path | None, hands: Hands, meter: Gauge, cancel: CancelToken
) -> Iterator[tuple[Work, Line]]:
    """Lines in the order in which they are done; so many orders at a time as the hands can use."""
    waiting = iter(work)
    running: dict[Future[bytes], tuple[Work, Order, float]] = {}
    try:
        while True:
            cancel.check()
            for w in _some(waiting, hands.most - len(running)):
                order = _order(w, plan, incoming)
                given = hands.give(
                    working.TASK, order.to_bytes(), allowed(w.found.size), meter.of(w.found.name, w.found.size)
                )
                running[given] = w, order, time.monotonic()
            if not running:
                return
            for given in wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done:
                w, order, began = running.pop(given)
                line = _line_of(w, order, given, plan, time.monotonic() - began, cancel)
                meter.finish(w.found.name, w.found.size)
                yield w, line
    except BaseException:
        hands.stop()
        raise


def _some(source: Iterator[Work], count: int) -> Iterable[Work]:
    for _ in range(count):
        taken = next(source, None)
        if taken is None:
            return
        yield taken


def _order(w: Work, plan: Plan, incoming: Path | None) -> Order:
    leave = None if incoming is None else incoming / f"{os.urandom(16).hex()}{SUFFIX}"
    return Order(
        w.found.path, w.found.model, plan.partial, None if plan.library is None else plan.library.absolute(), leave,
        plan.memory, w.known,
    )  # fmt: skip


def _line_of(w: Work, order: Order, given: Future[bytes], plan: Plan, seconds: float, cancel: CancelToken) -> Line:
    """What became of one checkpoint, whatever it was."""
    made: Fingerprint | None = None
    answer = Answer(b"", None)
    fault: dict[str, Any] | None = None
    try:
        answer = Answer.from_bytes(given.result())
        made = received(w.found, order, answer)
        fault = answer.fault
    except HandsGoneError:
        raise
    except CancelledError:
        cancel.check()
        fault = fault_of(LimitError("was stopped before it was done", where=str(w.found.path)))
    except MpkError as error:
        fault = fault_of(error)
    finally:
        if order.leave is not None:
            with contextlib.suppress(OSError):
                order.leave.unlink()
    if plan.keep is not None and made is not None:
        _keep(plan.keep, made)  # where its disk is full, every further checkpoint would only fail, too
    return line(w.found, made, answer.scan, fault, seconds)


def received(found: Found, order: Order, answer: Answer) -> Fingerprint:
    """The fingerprint that came back, read and held against what lies here; its digest is computed from its bytes.

    Raises:
        MalformedError: It is none, or it is of other files than those that are here.
        UnstableFileError: The checkpoint changed meanwhile.
        MpkError: It cannot be read.
    """
    if order.leave is not None:
        made = record.read(order.leave)
    else:
        made = Fingerprint.from_bytes(answer.fingerprint, where="what came back")
    try:
        now = finding.again(found)
    except OSError as error:
        raise UnstableFileError(f"is gone ({error.strerror})", where=str(found.path)) from None
    if now.stamp != found.stamp:
        raise UnstableFileError(
            "changed while it was swept", where=str(found.path), hint="Nothing was recorded of it; sweep it again"
        )
    if found.path.is_dir():
        here = {(e.path, e.size) for e in list_folder(found.path) if e.kind != "dir"}
    else:
        here = {(found.path.name, found.size)}
    if {(f.path, f.size) for f in made.files if f.kind != "dir"} != here:
        raise MalformedError("the fingerprint that came back is of other files", where=str(found.path))
    return made


def line(
    found: Found, made: Fingerprint | None, scan: dict[str, Any] | None, fault: dict[str, Any] | None, seconds: float
) -> Line:
    """One line (schema ``mpk-tui/batch/1``)."""
    measured = None
    notices: list[str] = []
    if made is not None:
        layers = made.config.get("layers")
        adapter = made.config.get("adapter")
        notices = [n[:1000] for n in made.notices[:_SHOWN]]
        measured = {
            "fingerprint": made.digest.hex(), "root": made.root.hex(), "format": made.format, "family": made.family,
            "scope": made.scope, "parameters": made.parameters, "tensors": len(made.tensors),
            "layers": layers if type(layers) is int else None, "missing": list(made.missing)[:_SHOWN],
            "adapter": isinstance(adapter, Mapping),
        }  # fmt: skip
    return {
        "schema": lines.SCHEMA, "name": found.name, "path": str(found.path), "model": found.model,
        "state": "error" if fault is not None or made is None else "done", "stamp": found.stamp, "size": found.size,
        "at": time.time_ns() // 1_000_000, "seconds": round(seconds, 3), "tool": f"mpk-tui {__version__}",
        "measured": measured, "scan": scan, "error": fault, "notices": notices,
    }  # fmt: skip


def told(line: Line) -> str:
    """A line in a few words; holds untrusted text."""
    if line["error"] is not None:
        return f"{line['name']}: {line['error'].get('diagnosis', '')}"
    scan = line["scan"]
    if scan is None:
        return f"{line['name']}: fingerprinted"
    best = scan["relatives"][0] if scan["relatives"] else None
    return f"{line['name']}: " + (NOTHING if best is None else f"{best['finding']}, {best['name']}")


class Gauge:
    """Bytes of checkpoints that are done, and of those that are being hashed."""

    def __init__(self, report: Report, total: int) -> None:
        self._report, self._total = report, total
        self._start = time.monotonic()
        self._done = 0
        self._under: dict[str, int] = {}

    def of(self, name: str, size: int) -> Report:
        """A report for one checkpoint's own progress; called from any thread."""

        def report(p: Progress) -> None:
            if p.unit == "bytes" and p.stage == "hashing":
                self._under[name] = min(p.done, size)
                self._tell(name)

        return report

    def finish(self, name: str, size: int) -> None:
        """It is done, whatever came of it."""
        self._under.pop(name, None)
        self._done += size
        self._tell(name)

    def _tell(self, name: str) -> None:
        # What is hashed still waits for its features and its scan: the end is reached when the last one is done.
        most = self._total if self._done >= self._total else max(0, self._total - 1)
        done = min(most, self._done + sum(list(self._under.values())))
        self._report(Progress("sweeping", done, self._total, "bytes", time.monotonic() - self._start, name))


def kept(keep: Path | None, digest: str) -> Path | None:
    """The file of a kept fingerprint, if it is there and holds what its name says."""
    if keep is None:
        return None
    path = keep.absolute() / f"{digest}{SUFFIX}"
    try:
        return path if hashtree.sha256(path.read_bytes()).hex() == digest else None
    except OSError:
        return None


def _kept(keep: Path | None, line: Line) -> Path | None:
    return None if line["measured"] is None else kept(keep, line["measured"]["fingerprint"])


def _keep(folder: Path, made: Fingerprint) -> None:
    path = folder / f"{made.digest.hex()}{SUFFIX}"
    if kept(folder, made.digest.hex()) is None:
        write_file(path, made.to_bytes())


def _prepare(plan: Plan, out: Path) -> Path | None:
    """Make the folders for fingerprints; that for incoming ones belongs to the sweep's file, which one writer holds."""
    if plan.keep is None:
        return None
    name = hashtree.sha256(os.fsencode(out.absolute())).hex()[:16]
    incoming = plan.keep.absolute() / INCOMING / name if plan.shared else None
    try:
        plan.keep.mkdir(parents=True, exist_ok=True)
        if incoming is not None:
            _clear(incoming)
            incoming.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot be written ({error.strerror})", where=str(plan.keep), hint="Name another folder for fingerprints"
        ) from None
    return incoming


def _clear(incoming: Path | None) -> None:
    """Take away what came back and was not looked at."""
    if incoming is None:
        return
    with contextlib.suppress(OSError):
        for path in incoming.iterdir():
            path.unlink()
        incoming.rmdir()
        incoming.parent.rmdir()
