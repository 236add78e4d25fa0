"""The long measurements of a case, in a process of their own: what a workbench runs as jobs.

Requests and answers are canonical records; the fingerprint comes back as the bytes of its file, the comparison as the
bytes of its record, so what the other process made is what is kept and signed, byte for byte.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from mpk_tui import canonical
from mpk_tui.apart import run_apart
from mpk_tui.case.artifacts import find_artifact, opening_of, side_label
from mpk_tui.case.comparing import split_pair
from mpk_tui.case.resuming import Measured, Plan, measure_resumable
from mpk_tui.case.state import Artifact
from mpk_tui.case.store import Case
from mpk_tui.fingerprint.kept import Resumed
from mpk_tui.fingerprint.record import Fingerprint
from mpk_tui.progress import CancelToken, Report


def fingerprint_apart(artifact: Artifact, how: Plan | None, report: Report, cancel: CancelToken) -> Measured:
    """`mpk_tui.case.resuming.measure_resumable` in a process of its own, headers in yet another.

    Args:
        artifact: Of the case.
        how: Where finished hashes are kept, or None.
        report: Progress.
        cancel: Stops and pauses the process.

    Raises:
        MpkError: What the measurement raised, or that its process ended.
    """
    request = {"artifact": _plain(artifact), "plan": None if how is None else [bytes(how.path), how.bound, how.afresh]}
    answer = _read(run_apart(f"{__name__}:fingerprint_task", canonical.encode(request), report, cancel))
    data, resumed, notices = answer
    kept = None if resumed is None else Resumed(*resumed)
    return Measured(Fingerprint.from_bytes(data), data, kept, tuple(notices))


def fingerprint_task(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    """What the other process does for `fingerprint_apart`."""
    asked = canonical.decode(request)
    plan = None if asked["plan"] is None else Plan(Path(os.fsdecode(asked["plan"][0])), *asked["plan"][1:])
    made = measure_resumable(_artifact(asked["artifact"]), plan, report, cancel, isolate=True)
    r = made.resumed
    resumed = None if r is None else [r.files, r.of, r.nbytes, r.all_bytes, r.began]
    return canonical.encode([made.data, resumed, list(made.notices)])


@dataclass(frozen=True)
class Compared:
    """A comparison that is not recorded yet.

    Attributes:
        record: It.
        data: Its canonical bytes.
    """

    record: dict[str, Any]
    data: bytes


def compare_apart(case: Case, pair: str, report: Report, cancel: CancelToken) -> Compared:
    """`mpk_tui.case.comparing.measure_comparison` in a process of its own, headers in yet others.

    Args:
        case: The case; only its artifacts are looked at.
        pair: Of the case.
        report: Progress.
        cancel: Stops and pauses the process.

    Raises:
        MpkError: What the comparison raised, or that its process ended.
    """
    _, a, b = split_pair(case, pair)
    request = canonical.encode([_plain(find_artifact(case, a)), _plain(find_artifact(case, b))])
    data = run_apart(f"{__name__}:compare_task", request, report, cancel)
    return Compared(_read(data), data)


def compare_task(request: bytes, report: Report, cancel: CancelToken) -> bytes:
    """What the other process does for `compare_apart`."""
    from mpk_tui.lineage.compare import compare

    left, right = (_artifact(a) for a in canonical.decode(request))
    ways = opening_of(left, isolate=True), opening_of(right, isolate=True)
    named = side_label(left), side_label(right)
    return canonical.encode(compare(Path(left.path), Path(right.path), report, cancel, how=ways, labels=named))


def _plain(artifact: Artifact) -> list[Any]:
    """Where an artifact lies, how it is opened and what it is called."""
    return [
        artifact.id, os.fsencode(artifact.path), os.fsencode(artifact.base), artifact.model, artifact.partial,
        artifact.label,
    ]  # fmt: skip


def _artifact(plain: list[Any]) -> Artifact:
    id, path, base, model, partial, label = plain
    where, onto = os.fsdecode(path), os.fsdecode(base)
    return Artifact(id=id, role="", label=label, path=where, note="", model=model, partial=partial, base=onto)


def _read(data: bytes) -> Any:
    """What our own other half has just written; it passed `canonical.encode`, which reads all that it writes."""
    return msgpack.unpackb(data, raw=False, strict_map_key=True, max_bin_len=len(data), max_str_len=len(data))
