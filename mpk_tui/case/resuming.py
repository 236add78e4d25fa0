"""Fingerprints that go on where an interrupted run stopped, and say so.

While an artifact is hashed, the hashes of finished files are kept in the case's folder ``progress`` (format, and what
is believed of it: `mpk_tui.fingerprint.kept`).  They are bound to the case and to the entry that took the artifact in,
so another case's are not believed.  Once the fingerprint is recorded they are thrown away; its journal entry holds,
under ``resumed``, how many hashes were taken from which run.  Features are computed anew: they come from a bounded
sample of the weights, while hashing reads all of them.  A rehash never looks at kept hashes.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from mpk_tui import hashtree
from mpk_tui.case.artifacts import find_artifact, opening_of, record_fingerprint
from mpk_tui.case.state import Artifact
from mpk_tui.case.store import Case
from mpk_tui.fingerprint.kept import SUFFIX, KeptHashes, Resumed, binding
from mpk_tui.fingerprint.record import Fingerprint, looks_like_fingerprint
from mpk_tui.fingerprint.record import read as read_fingerprint
from mpk_tui.progress import CancelToken, Report, silent

PROGRESS = "progress"


@dataclass(frozen=True)
class Plan:
    """Where hashes are kept and what they are bound to.

    Attributes:
        path: The file.
        bound: Digest of case, artifact and the way to open it.
        afresh: Believe nothing of an earlier run.
    """

    path: Path
    bound: bytes
    afresh: bool = False


@dataclass(frozen=True)
class Measured:
    """A fingerprint that is not recorded yet.

    Attributes:
        fingerprint: It.
        data: Its file.
        resumed: What was taken from an interrupted run, or None.
        notices: What was not believed or could not be kept.
    """

    fingerprint: Fingerprint
    data: bytes
    resumed: Resumed | None = None
    notices: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """What a person must know of how it came about."""
        return [*([self.resumed.sentence()] if self.resumed else []), *self.notices]


def plan(case: Case, id: str, *, afresh: bool = False) -> Plan | None:
    """Where the hashes of an artifact are kept; None where nothing may be written.

    Raises:
        UsageError: The case has no such artifact.
    """
    artifact = find_artifact(case, id)
    if case.read_only:
        return None
    taken_in = [e for e in case.entries if e.act == "artifact" and e.params.get("id") == id]
    bound = binding(
        {
            "case": hashtree.sha256(case.entries[0].raw),  # entries hold 16 random bytes: no two are alike
            "artifact": hashtree.sha256(taken_in[-1].raw) if taken_in else b"",
            "path": os.fsencode(artifact.path),
            "base": os.fsencode(artifact.base),
            "model": artifact.model,
            "partial": artifact.partial,
        }
    )
    return Plan(case.root.absolute() / PROGRESS / f"{id}{SUFFIX}", bound, afresh)


def measure_resumable(
    artifact: Artifact,
    how: Plan | None,
    report: Report = silent,
    cancel: CancelToken | None = None,
    *,
    isolate: bool = False,
) -> Measured:
    """The fingerprint of an artifact, not recorded, with hashes of an interrupted run where they may be taken.

    Args:
        artifact: Of the case.
        how: From `plan`; None keeps nothing and takes nothing.
        report: Progress.
        cancel: Polled between chunks.
        isolate: Read headers in another process.
    """
    from mpk_tui.fingerprint.build import fingerprint

    path = Path(artifact.path)
    if looks_like_fingerprint(path):
        made = read_fingerprint(path)
        return Measured(made, made.to_bytes())
    keeping = nullcontext(None) if how is None else KeptHashes(how.path, how.bound, afresh=how.afresh)
    with keeping as kept:
        made = fingerprint(path, report, cancel, how=opening_of(artifact, isolate=isolate), kept=kept)
        if kept is None:
            return Measured(made, made.to_bytes())
        return Measured(made, made.to_bytes(), kept.resumed, tuple(kept.notices))


def record_measured(case: Case, id: str, made: Measured) -> None:
    """Record a fingerprint, with what was taken from an interrupted run, and forget what was kept for it."""
    record_fingerprint(case, id, made.fingerprint, data=made.data, resumed=made.resumed)
    KeptHashes((case.root / PROGRESS / f"{id}{SUFFIX}"), b"").discard()


def fingerprint_resumably(
    case: Case,
    id: str,
    report: Report = silent,
    cancel: CancelToken | None = None,
    *,
    isolate: bool = False,
    afresh: bool = False,
) -> Measured:
    """Fingerprint one artifact, going on where an interrupted run stopped, and record it.

    Args:
        case: Open for writing.
        id: Of the artifact.
        report: Progress.
        cancel: Polled between chunks.
        isolate: Read headers in another process.
        afresh: Read every file, whatever was kept.
    """
    made = measure_resumable(find_artifact(case, id), plan(case, id, afresh=afresh), report, cancel, isolate=isolate)
    record_measured(case, id, made)
    return made
