"""The checkpoints of a drive against each other: who belongs together although no library knows any of them.

Checkpoints with equal tensors are one.  The rest goes through the screen of the library (`mpk_tui.library.search`); of
what passes, and of what shares tensors, the kept fingerprints are compared, with the significance divided by the number
of all pairs.  A line each, in a file of its own, which goes on where an interrupted run stopped.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui import __version__, canonical
from mpk_tui.errors import CancelledError, LimitError, MalformedError, MpkError
from mpk_tui.fingerprint import record
from mpk_tui.lineage.findings import FINDINGS
from mpk_tui.progress import CancelToken, Meter, Report, silent
from mpk_tui.sweep import batch, lines
from mpk_tui.sweep.batch import Say
from mpk_tui.sweep.lines import Line, Writer
from mpk_tui.sweep.local import Hands, HandsGoneError
from mpk_tui.sweep.relatives import fault_of
from mpk_tui.sweep.working import confine

TASK = f"{__name__}:pair_task"
SECONDS = 900.0
"""That one pair may take; two fingerprints need about half a second."""
TELLING = 4096
"""Bytes from which a tensor that two models share says that they should be compared."""
MOST_HOLDERS = 32
"""Models that share a tensor, above which it says nothing of any pair: a mask, a table of angles, zeros."""
_STRINGS = ("a", "b", "a_name", "b_name", "tool")


@dataclass(frozen=True)
class Model:
    """One of the drive's models: checkpoints with equal tensors count once.

    Attributes:
        name: Of the first checkpoint; untrusted text.
        root: Tensor root, hex.
        path: Its kept fingerprint.
        fingerprint: Digest of that, hex.
    """

    name: str
    root: str
    path: Path
    fingerprint: str


@dataclass(frozen=True)
class Pairs:
    """What came of all pairs.

    Attributes:
        models: Different models.
        total: Number of pairs.
        lines: One for each pair that was compared, in order.
        notices: What a person must know.
    """

    models: tuple[Model, ...]
    total: int
    lines: tuple[Line, ...]
    notices: tuple[str, ...]


def checked(line: Line, where: str) -> None:
    """Hold one line against the shape of a pair's line.

    Raises:
        MalformedError: It is none.
    """
    if line.get("schema") != lines.PAIR:
        raise MalformedError(f"is no line about a pair ({lines.PAIR})", where=where, hint="Name another --among")
    if not all(isinstance(line.get(n), str) for n in _STRINGS) or type(line.get("comparisons")) is not int:
        raise MalformedError("a field is missing or of the wrong kind", where=where)
    if line.get("finding") not in (*FINDINGS, None) or not isinstance(line.get("error"), dict | None):
        raise MalformedError("a field is missing or of the wrong kind", where=where)


def among(
    swept: Iterable[Line],
    keep: Path,
    writer: Writer,
    hands: Hands,
    say: Say = lambda _: None,
    report: Report = silent,
    cancel: CancelToken | None = None,
    *,
    memory: int = 0,
    again: bool = False,
) -> Pairs:
    """Compare the checkpoints of a sweep with each other.

    Args:
        swept: Their lines.
        keep: Where their fingerprints are kept.
        writer: Open on the file of pairs, with `checked`.
        hands: Who works.
        say: Told a line about each pair; holds untrusted text.
        report: Progress in pairs.
        cancel: Polled all the time.
        memory: Bytes that a pair's process may take, 0 for no limit.
        again: Compare what was compared already.

    Raises:
        CancelledError: Stopped on request; every line that was written stands.
    """
    cancel = cancel or CancelToken()
    models, notices = distinct(swept, keep)
    total = len(models) * (len(models) - 1) // 2
    known = {(p["a"], p["b"]): p for p in writer.sheet.lines if p["comparisons"] == total and p["error"] is None}
    chosen = list(worth_comparing(models, report, cancel))
    todo = [(a, b) for a, b in chosen if again or (a.fingerprint, b.fingerprint) not in known]
    meter = Meter(report, "comparing", len(todo), "steps")
    for line in _each(todo, total, hands, memory, cancel):
        writer.append(line)
        known[line["a"], line["b"]] = line
        meter.add(1, line["a_name"])
        if line["error"] is None:
            say(f"{line['a_name']} and {line['b_name']}: {line['finding']}")
        else:
            say(f"{line['a_name']} and {line['b_name']}: {line['error']['diagnosis']}")
    pairs = tuple(known[a.fingerprint, b.fingerprint] for a, b in chosen)
    return Pairs(tuple(models), total, pairs, tuple(notices))


def distinct(swept: Iterable[Line], keep: Path) -> tuple[list[Model], list[str]]:
    """Models by their tensors, the first checkpoint of each; and how many have no kept fingerprint."""
    models: dict[str, Model] = {}
    lost = 0
    for line in swept:
        measured = line["measured"]
        if measured is None or not measured.get("tensors") or measured["root"] in models:
            continue
        path = batch.kept(keep, measured["fingerprint"])
        if path is None:
            lost += 1
            continue
        models[measured["root"]] = Model(line["name"], measured["root"], path, measured["fingerprint"])
    notices = [f"{lost} have no kept fingerprint and were compared with nothing; --again makes it"] if lost else []
    return list(models.values()), notices


def worth_comparing(
    models: list[Model], report: Report = silent, cancel: CancelToken | None = None
) -> Iterator[tuple[Model, Model]]:
    """Pairs that pass the screen or share a tensor of at least `TELLING` bytes, each once, in order."""
    from mpk_tui.library.screen import screens_of
    from mpk_tui.library.search import WORTH, look

    cancel = cancel or CancelToken()
    meter = Meter(report, "screening", 2 * len(models), "steps")
    sketches, holders = [], dict[bytes, list[int]]()
    for n, model in enumerate(models):
        cancel.check()
        made = record.read(model.path)
        sketches.append(screens_of(made))
        for digest in {t.sha256 for t in made.tensors if t.nbytes >= TELLING}:
            holders.setdefault(digest, []).append(n)
        meter.add(1, model.name)
    few = [held for held in holders.values() if 1 < len(held) <= MOST_HOLDERS]
    shared = {(i, j) for held in few for i in held for j in held if i < j}
    rows = deque((n, s.key, s.layers, s.data) for n, listed in enumerate(sketches) for s in listed)
    for i, query in enumerate(sketches):
        cancel.check()
        while rows and rows[0][0] <= i:
            rows.popleft()
        seen = look(query, rows, cancel)
        passed = {j for j, s in seen.items() if s.score >= WORTH} | {j for k, j in shared if k == i}
        yield from ((models[i], models[j]) for j in sorted(passed))
        meter.add(1, models[i].name)


def pair_task(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    """What the other process does: two fingerprint files in, what a line says of them out."""
    from mpk_tui.lineage.compare import compare_sides
    from mpk_tui.lineage.sides import Side

    asked = canonical.decode(request, where="order")
    confine(asked["memory"])
    sides = []
    for name in ("a", "b"):
        made = record.read(Path(os.fsdecode(asked[name])))
        if made.digest != asked[f"{name}_digest"]:
            raise MalformedError("is not the fingerprint that was meant", where=os.fsdecode(asked[name]))
        sides.append(Side(name.upper(), made, None))
    found = compare_sides(sides[0], sides[1], report, cancel, comparisons=asked["comparisons"])
    ran = [t for t in found["tests"] if t["ran"] and t["rho"] is not None]
    best = max(ran, key=lambda t: t["rho"], default=None)
    return json.dumps(
        {
            "finding": found["finding"], "sentence": found["sentence"], "p": found["p"],
            "p_is_bound": found["p_is_bound"], "rho": None if best is None else best["rho"],
            "equal": found["identity"]["equal"], "differing": len(found["identity"]["differing"]),
        }
    ).encode("ascii")  # fmt: skip


def _each(
    todo: list[tuple[Model, Model]], total: int, hands: Hands, memory: int, cancel: CancelToken
) -> Iterator[Line]:
    waiting = iter(todo)
    running: dict[Future[bytes], tuple[Model, Model]] = {}
    try:
        while True:
            cancel.check()
            while len(running) < hands.most and (pair := next(waiting, None)) is not None:
                a, b = pair
                order = canonical.encode(
                    {
                        "a": os.fsencode(a.path), "b": os.fsencode(b.path), "a_digest": bytes.fromhex(a.fingerprint),
                        "b_digest": bytes.fromhex(b.fingerprint), "comparisons": total, "memory": memory,
                    }
                )  # fmt: skip
                running[hands.give(TASK, order, SECONDS, silent)] = pair
            if not running:
                return
            for given in wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done:
                yield _line(*running.pop(given), given, total, cancel)
    except BaseException:
        hands.stop()
        raise


def _line(a: Model, b: Model, given: Future[bytes], total: int, cancel: CancelToken) -> Line:
    said: dict[str, Any] = {}
    fault = None
    try:
        said = _said(given.result())
    except HandsGoneError:
        raise
    except CancelledError:
        cancel.check()
        fault = fault_of(LimitError("was stopped before it was done"))
    except MpkError as error:
        fault = fault_of(error)
    return {
        "schema": lines.PAIR, "a": a.fingerprint, "b": b.fingerprint, "a_name": a.name, "b_name": b.name,
        "finding": said.get("finding"), "sentence": said.get("sentence", ""), "p": said.get("p"),
        "p_is_bound": said.get("p_is_bound", False), "rho": said.get("rho"), "equal": said.get("equal", 0),
        "differing": said.get("differing", 0), "comparisons": total, "at": time.time_ns() // 1_000_000,
        "tool": f"mpk-tui {__version__}", "error": fault,
    }  # fmt: skip


def _said(data: bytes) -> dict[str, Any]:
    """What came back about a pair, held against the shape that it must have."""
    try:
        said = json.loads(data)
        fits = said["finding"] in FINDINGS and isinstance(said["sentence"], str) and type(said["p_is_bound"]) is bool
        fits = fits and all(said[n] is None or type(said[n]) in (int, float) for n in ("p", "rho"))
        fits = fits and all(type(said[n]) is int for n in ("equal", "differing"))
    except (ValueError, TypeError, KeyError, RecursionError):
        fits = False
    if not fits:
        raise MalformedError("whoever compared them answered something else")
    return {**said, "sentence": said["sentence"][:2000]}
