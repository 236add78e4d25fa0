"""A drive held against a watch list: a line for everything that there is to tell, and one that says it was looked at.

Lines (schema ``mpk-tui/watch/1``) are of these kinds: ``alert``, ``notice`` (a near miss, a gap), ``error`` (a
checkpoint that could not be opened, a listed model that it could not be held against) and ``checked``, the last line of
each checkpoint.  A file of lines is the sweep's memory as in `mpk_tui.sweep.batch`: what is checked against this very
list and did not change since is not read again, and its lines are told again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui import __version__
from mpk_tui.errors import CancelledError, LimitError, MalformedError, MpkError
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.progress import CancelToken, Report, silent
from mpk_tui.sweep import watching
from mpk_tui.sweep.batch import Gauge, received
from mpk_tui.sweep.finding import Drive, Found, loose
from mpk_tui.sweep.lines import WATCH, Line, Writer
from mpk_tui.sweep.local import Hands, HandsGoneError, allowed
from mpk_tui.sweep.relatives import fault_of
from mpk_tui.sweep.unattended import Alerted
from mpk_tui.sweep.watching import LEVELS, Held, Mark, Seen
from mpk_tui.sweep.watchlist import WatchList
from mpk_tui.sweep.working import Answer, Order

ALERT, NOTICE, ERROR, CHECKED = "alert", "notice", "error", "checked"
KINDS = (ALERT, NOTICE, ERROR, CHECKED)
_UNOPENED = "unopened"
_STRINGS = ("kind", "name", "path", "model", "stamp", "list", "run", "tool")

Tell = Callable[[Line], None]
Seal = Callable[[Alerted], Path]


@dataclass(frozen=True)
class Watchful:
    """How a watch goes about it.

    Attributes:
        partial: Accept missing shards and files that were cut short.
        memory: Bytes that a checkpoint's process may take, 0 for no limit.
        again: Look at everything again.
        seal: Makes the bundle of an alert, or None.
    """

    partial: bool = False
    memory: int = 0
    again: bool = False
    seal: Seal | None = None


@dataclass(frozen=True)
class Watched:
    """What a watch came to.

    Attributes:
        checkpoints: Number of checkpoints that were found.
        looked: Of them, how many were read in this run.
        alerts: Number of alerts, told before or now.
        notices: Of notices.
        errors: Of errors.
        unopened: Checkpoints that could not be opened.
    """

    checkpoints: int
    looked: int
    alerts: int
    notices: int
    errors: int
    unopened: int


def checked(line: Line, where: str) -> None:
    """Hold one line against the shape of a watch's line.

    Raises:
        MalformedError: It is none.
    """
    if line.get("schema") != WATCH:
        raise MalformedError(f"is no line of a watch ({WATCH})", where=where, hint="Name another file with --out")
    if not all(isinstance(line.get(n), str) for n in _STRINGS) or line["kind"] not in KINDS:
        raise MalformedError("a field is missing or of the wrong kind", where=where)
    if line["kind"] == ALERT and line.get("level") not in LEVELS:
        raise MalformedError(f"field 'level' is {line.get('level')!r}", where=where)


def watch(
    drive: Drive,
    listed: WatchList,
    how: Watchful,
    hands: Hands,
    tell: Tell,
    writer: Writer | None = None,
    report: Report = silent,
    cancel: CancelToken | None = None,
) -> Watched:
    """Hold every checkpoint of a drive against a list.

    Args:
        drive: What was found.
        listed: The list.
        how: How.
        hands: Who works.
        tell: Given every alert, notice and error as it comes, those of an earlier run included.
        writer: Open on the watch's file with `checked`, or None.
        report: Progress in bytes of checkpoints.
        cancel: Polled all the time.

    Raises:
        CancelledError: Stopped on request; every line that was written stands.
    """
    cancel = cancel or CancelToken()
    only_hashed = loose(drive) if any(m.files for m in listed.models) else []
    targets = [*drive.found, *only_hashed]
    unknown = {f.key for f in only_hashed}
    earlier = {} if writer is None or how.again else _finished(writer.sheet.lines, listed)
    counts = dict.fromkeys((*KINDS, _UNOPENED), 0)

    def give(line: Line) -> None:
        counts[line["kind"]] += 1
        counts[_UNOPENED] += line["kind"] == ERROR and line["listed"] is None
        if line["kind"] != CHECKED:
            tell(line)

    todo = []
    for found in targets:
        known = earlier.get(found.key)
        if known is not None and known[-1]["stamp"] == found.stamp:
            for line in known[:-1]:
                give(line)
        else:
            todo.append(found)
    meter = Gauge(report, sum(f.size for f in todo))
    for made in _each(todo, len(targets), listed, how, hands, meter, cancel):
        for line in made:
            if (line["path"], line["model"]) in unknown and line["kind"] in (NOTICE, ERROR):
                continue  # it need be no checkpoint at all; what counts is whether the list names the file
            if writer is not None:
                writer.append(line)
            give(line)
    return Watched(len(targets), len(todo), counts[ALERT], counts[NOTICE], counts[ERROR], counts[_UNOPENED])


def _finished(told: tuple[Line, ...], listed: WatchList) -> dict[tuple[str, str], list[Line]]:
    """The last complete set of lines of each checkpoint that was checked against this list."""
    open_: dict[tuple[str, str], list[Line]] = {}
    done: dict[tuple[str, str], list[Line]] = {}
    for line in told:
        key = line["path"], line["model"]
        if line["list"] != listed.digest.hex():
            open_.pop(key, None)
            continue
        open_.setdefault(key, []).append(line)
        if line["kind"] == CHECKED:
            done[key] = _of_one_run(open_.pop(key))
    return done


def _of_one_run(told: list[Line]) -> list[Line]:
    """Lines of the run that the last of them belongs to; a run that was broken off leaves some without an end."""
    return [line for line in told if line["run"] == told[-1]["run"]]


def _each(
    todo: list[Found],
    checkpoints: int,
    listed: WatchList,
    how: Watchful,
    hands: Hands,
    meter: Gauge,
    cancel: CancelToken,
) -> Iterator[list[Line]]:
    marks = [
        Mark(n, m.named.name, m.root, m.files, m.path, m.fingerprint) for n, m in enumerate(listed.models)
    ]  # fmt: skip
    comparisons = max(1, sum(m.path is not None for m in marks) * checkpoints)
    waiting = iter(todo)
    running: dict[Future[bytes], tuple[Found, Order]] = {}
    try:
        while True:
            cancel.check()
            while len(running) < hands.most and (found := next(waiting, None)) is not None:
                order = Order(found.path, found.model, how.partial, None, None, how.memory)
                given = hands.give(
                    watching.TASK, watching.request(order, marks, comparisons), allowed(found.size),
                    meter.of(found.name, found.size),
                )  # fmt: skip
                running[given] = found, order
            if not running:
                return
            for given in wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done:
                found, order = running.pop(given)
                meter.finish(found.name, found.size)
                yield _lines_of(found, order, given, listed, how, cancel)
    except BaseException:
        hands.stop()
        raise


def _lines_of(
    found: Found, order: Order, given: Future[bytes], listed: WatchList, how: Watchful, cancel: CancelToken
) -> list[Line]:
    run = os.urandom(8).hex()
    held: Held | None = None
    out: list[Line] = []
    fault: dict[str, Any] | None = None
    measured: Fingerprint | None = None
    try:
        held = Held.from_bytes(given.result())
        fault = held.fault
        if fault is None:
            measured = received(found, order, Answer(held.fingerprint, None))
    except HandsGoneError:
        raise
    except CancelledError:
        cancel.check()
        fault = fault_of(LimitError("was stopped before it was done", where=str(found.path)))
    except MpkError as error:
        fault = fault_of(error)

    def line(kind: str, **fields: Any) -> Line:
        return {
            "schema": WATCH, "kind": kind, "name": found.name, "path": str(found.path), "model": found.model,
            "stamp": found.stamp, "list": listed.digest.hex(), "run": run, "at": time.time_ns() // 1_000_000,
            "tool": f"mpk-tui {__version__}",
            "fingerprint": None if measured is None else measured.digest.hex(),
            "root": None if measured is None else measured.root.hex(), **fields,
        }  # fmt: skip

    if fault is not None:
        out.append(line(ERROR, listed=None, error=fault))
    for seen in held.seen if held is not None else ():
        kind = ALERT if seen.level else NOTICE
        made = line(kind, listed=listed.models[seen.number].said(), **_found(seen))
        if kind == ALERT and how.seal is not None:
            made |= _sealed(made, found, order, seen, held, listed, how.seal)
        out.append(made)
    for number, wrong in held.faults if held is not None else ():
        out.append(line(ERROR, listed=listed.models[number].said(), error=wrong))
    if held is not None and held.gap:
        said = f"Only files could be held against the list: {held.gap}"
        out.append(line(NOTICE, listed=None, level=None, finding=None, sentence=said))
    out.append(line(CHECKED, alerts=sum(x["kind"] == ALERT for x in out), models=len(listed.models)))
    return out


def _found(seen: Seen) -> dict[str, Any]:
    return {
        "level": seen.level or None, "finding": seen.finding or None, "sentence": seen.sentence, **dict(seen.numbers)
    }  # fmt: skip


def _sealed(
    line: Line, found: Found, order: Order, seen: Seen, held: Held | None, listed: WatchList, seal: Seal
) -> Mapping[str, Any]:
    """The bundle of an alert, or why there is none."""
    model = listed.models[seen.number]
    if model.path is None or not seen.comparison or held is None:
        return {"bundle": None, "bundle_reason": "the list gives no fingerprint of that model to compare with"}
    alerted = Alerted(
        found.path, found.model, order.partial, held.fingerprint, model.path, model.named.name, seen.comparison, line,
        (listed.name, listed.digest.hex()),
    )  # fmt: skip
    try:
        return {"bundle": str(seal(alerted)), "bundle_reason": None}
    except CancelledError:
        raise
    except MpkError as error:
        return {"bundle": None, "bundle_reason": error.diagnosis()[:2000]}


def text_of(line: Line) -> str:
    """A line in a few words, for people; holds untrusted text."""
    listed = line["listed"]
    about = f" {listed['name']} ({', '.join(listed['advisories'][:5])})" if listed else ""
    if line["kind"] == ERROR:
        return f"error: {line['name']}{about}: {line['error']['diagnosis']}"
    if line["kind"] == ALERT:
        named = f", differing: {', '.join(line['differing'][:5])}" if line["level"] == watching.NEAR else ""
        none = f"; no bundle: {line['bundle_reason']}" if line.get("bundle_reason") else ""
        return f"ALERT {line['level']}: {line['name']}{about}{named}{none}"
    return f"notice: {line['name']}{about}: {line['finding'] or line['sentence']}"
