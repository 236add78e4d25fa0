"""Artifacts of a case: taken in, fingerprinted, hashed again, taken out."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpk_tui import hashtree
from mpk_tui.case.journal import Entry
from mpk_tui.case.lengths import within
from mpk_tui.case.state import ROLES, Artifact
from mpk_tui.case.store import BASE, FINGERPRINTS, PATHS, SLUG, Case
from mpk_tui.checkpoint.opening import PLAIN, Opening
from mpk_tui.errors import StorageError, UsageError
from mpk_tui.fingerprint.kept import Resumed
from mpk_tui.fingerprint.record import Fingerprint, looks_like_fingerprint
from mpk_tui.fingerprint.record import read as read_fingerprint
from mpk_tui.progress import CancelToken, Report, silent

if TYPE_CHECKING:
    from mpk_tui.case.intake import Intake

MAX_CHANGED = 1000
"""Changed files whose second digests a journal entry holds; more of them say no more."""


def add_artifact(
    case: Case,
    path: Path,
    *,
    role: str,
    id: str = "",
    label: str = "",
    note: str = "",
    how: Opening = PLAIN,
    intake: Intake | None = None,
) -> Artifact:
    """Put a checkpoint or a fingerprint file under examination; nothing is read, except by `measure_intake` before.

    Args:
        case: The case.
        path: Where it lies.
        role: One of `ROLES`.
        id: Short name; the next free one of its role by default.
        label: What people call it.
        note: Where it came from, how it was copied.
        how: Whether parts may be missing, which of several models is meant, and the base of an adapter.
        intake: The artifact held against acquisition hash lists, from `mpk_tui.case.intake.measure_intake`.

    Raises:
        UsageError: The role or id cannot be used.
        StorageError: There is nothing at the path.
    """
    name = check_free(case, role, id)
    if not path.exists():
        raise StorageError("there is nothing at this path", where=str(path))
    absolute = str(Path(os.path.abspath(path)))
    try:
        absolute.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(
            "a path that is not UTF-8 cannot be journalled", where=repr(absolute), hint="Rename it"
        ) from None
    last = Path(absolute).name or "root"
    within("the label", label)
    case.keep(PATHS, name, absolute.encode())
    facts = {"id": name, "role": role, "label": label or last, "name": last, "note": note}
    if how.partial:
        facts["partial"] = "yes"
    if how.model:
        facts["model"] = how.model
    if how.base is not None:
        if not how.base.exists():
            raise StorageError("there is nothing at this path", where=str(how.base))
        base = Path(os.path.abspath(how.base))
        case.keep(PATHS, f"{name}{BASE}", os.fsencode(base))
        facts["base"] = base.name or "root"
    result = None
    if intake is not None:
        from mpk_tui.case.intake import keep_intake  # not before: hash lists need readers that a case does not

        result = keep_intake(case, intake)
    case.append("artifact", facts, result=result)
    return case.state.artifacts[name]


def check_free(case: Case, role: str, id: str = "") -> str:
    """The id that an artifact of this role would get, given or the next free one.

    Raises:
        UsageError: The role or id cannot be used.
    """
    if role not in ROLES:
        raise UsageError(f"role {role!r}; known are {', '.join(ROLES)}")
    name = id or _free_id(case, role)
    if not SLUG.match(name) or ":" in name:
        raise UsageError("an artifact id has letters, digits and _ . - only", where=repr(name[:80]))
    if name in case.state.artifacts:
        raise UsageError(f"the id {name!r} is taken", hint="Give another with --id")
    return name


def _free_id(case: Case, role: str) -> str:
    stem = {"subject": "S", "reference": "R", "adapter": "A", "tokenizer": "T"}[role]
    n = 1
    while f"{stem}{n}" in case.state.artifacts:
        n += 1
    return f"{stem}{n}"


def remove_artifact(case: Case, id: str) -> Entry:
    """Take an artifact out of the examination, with all that was said about it; the journal keeps it."""
    find_artifact(case, id)
    return case.append("artifact_removed", {"id": id})


def record_fingerprint(
    case: Case, id: str, fingerprint: Fingerprint, *, data: bytes = b"", resumed: Resumed | None = None
) -> Entry:
    """Keep a fingerprint in the case and journal its digests (``hash_before``).

    Args:
        case: Open for writing.
        id: Of the artifact.
        fingerprint: What was measured.
        data: Its file, if that was made already.
        resumed: Which hashes were taken from an interrupted run; journalled.
    """
    find_artifact(case, id)
    data = data or fingerprint.to_bytes()
    case.keep(FINGERPRINTS, f"{id}.mpkf", data)
    facts = {
        "id": id,
        "fingerprint": hashtree.sha256(data).hex(),
        "root": fingerprint.root.hex(),
        "scope": fingerprint.scope,
        **({} if not fingerprint.missing else {"complete": "no"}),
        **_observed_mount(Path(case.state.artifacts[id].path)),
        **({"resumed": resumed.sentence()} if resumed is not None else {}),
    }
    numbers = None if resumed is None else {"resumed": resumed.record()}
    return case.append("hash_before", facts, obj=fingerprint.root, result=numbers)


def _observed_mount(path: Path) -> dict[str, str]:
    """Whether the file system that holds an artifact is mounted read-only, as the system says it."""
    try:
        flags = os.statvfs(path).f_flag
    except OSError:
        return {}
    return {"mount": "read-only" if flags & os.ST_RDONLY else "writable"}


def fingerprint_artifact(
    case: Case, id: str, report: Report = silent, cancel: CancelToken | None = None, *, isolate: bool = False
) -> Fingerprint:
    """Fingerprint one artifact and record it."""
    made = measure_fingerprint(find_artifact(case, id), report, cancel, isolate=isolate)
    record_fingerprint(case, id, made)
    return made


def rehash_artifact(case: Case, id: str, report: Report = silent, cancel: CancelToken | None = None) -> bool:
    """Hash an artifact again after the analysis and journal whether it is unchanged (``hash_after``)."""
    artifact = find_artifact(case, id)
    if not artifact.fingerprint:
        raise UsageError(f"{id} has no fingerprint yet", hint="mpk-tui case fingerprint makes it")
    made = measure_fingerprint(artifact, report, cancel)
    return record_rehash(case, id, stored_fingerprint(case, id), made)


def record_rehash(case: Case, id: str, before: Fingerprint, made: Fingerprint) -> bool:
    """Journal an artifact that was hashed again: what is recorded of it, and what was found now (``hash_after``).

    Raises:
        UsageError: It was fingerprinted anew since ``before`` was read.
    """
    if find_artifact(case, id).fingerprint != before.digest.hex():
        raise UsageError(f"{id} was fingerprinted anew meanwhile", hint="Hash it again")
    same = (made.root, made.files) == (before.root, before.files)
    facts: dict[str, Any] = {"id": id, "root": made.root.hex()}
    if not same:
        earlier = {f.path: f for f in before.files}
        other = [f for f in made.files if earlier.get(f.path) != f and f.sha256 is not None]
        facts["files"] = [[shown(f.path), (f.sha256 or b"").hex()] for f in other[:MAX_CHANGED]]
    case.append("hash_after", facts, obj=made.root, result="same" if same else "changed")
    return same


def shown(path: str) -> str:
    """A path as the journal can hold it: bytes that are not UTF-8 are spelled out."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def measure_fingerprint(
    artifact: Artifact, report: Report = silent, cancel: CancelToken | None = None, *, isolate: bool = False
) -> Fingerprint:
    """The fingerprint of an artifact, not recorded: what a thread may do while the case goes on.

    Args:
        artifact: Of the case.
        report: Progress.
        cancel: Polled between chunks.
        isolate: Read headers in another process.
    """
    from mpk_tui.fingerprint.build import fingerprint

    path = Path(artifact.path)
    if looks_like_fingerprint(path):
        return read_fingerprint(path)
    return fingerprint(path, report, cancel, how=opening_of(artifact, isolate=isolate))


def opening_of(artifact: Artifact, *, isolate: bool = False) -> Opening:
    """How an artifact's path is opened, as was said when it was taken in."""
    return Opening(artifact.model, artifact.partial, Path(artifact.base) if artifact.base else None, isolate)


def side_label(artifact: Artifact) -> str:
    """What a comparison calls an artifact: its label where its file is named by a digest alone, as a library's are.

    Empty otherwise: then the name of the file or folder, which anybody can look up, stands in the record.
    """
    return artifact.label if _BY_DIGEST.fullmatch(Path(artifact.path).name) else ""


_BY_DIGEST = re.compile(r"[0-9a-f]{64}\.mpkf")


def stored_fingerprint(case: Case, id: str) -> Fingerprint:
    """The recorded fingerprint of an artifact.

    Raises:
        UsageError: It has none yet.
    """
    artifact = find_artifact(case, id)
    if not artifact.fingerprint:
        raise UsageError(f"{id} has no fingerprint yet", hint="mpk-tui case fingerprint makes it")
    return Fingerprint.from_bytes(case.kept(FINGERPRINTS, f"{id}.mpkf", artifact.fingerprint), where=f"{id}.mpkf")


def find_artifact(case: Case, id: str) -> Artifact:
    """An artifact by its id.

    Raises:
        UsageError: The case has none of it.
    """
    found = case.state.artifacts.get(id)
    if found is None:
        raise UsageError(f"no artifact {id!r}", hint=f"Known: {', '.join(case.state.artifacts) or 'none'}")
    return found
