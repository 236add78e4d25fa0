"""A case opened on a line of a sweep: the checkpoint as subject, its nearest relatives as references.

What is believed of the line: that a kept fingerprint is of the checkpoint whose path, sizes, times and inodes it names,
as long as none of these changed.  The bytes are not read again here; a note in the journal says so, and a rehash
(`mpk_tui.case.artifacts.rehash_artifact`) reads them.  Everything else of the line is attached as context, which counts
for nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from mpk_tui.case import Case, actions, artifacts
from mpk_tui.case.evidence import keep_file, record_attached
from mpk_tui.checkpoint.opening import Opening
from mpk_tui.errors import MpkError, UsageError
from mpk_tui.fingerprint import record
from mpk_tui.library.catalogue import open_library
from mpk_tui.sweep import batch, finding, lines
from mpk_tui.sweep.lines import Line
from mpk_tui.sweep.working import readable

REFERENCES = 3
"""Relatives that become references unless a person says otherwise."""


@dataclass(frozen=True)
class Picked:
    """A line of a sweep's file.

    Attributes:
        file: The file.
        number: Of the line, from 1 on.
        line: It.
    """

    file: Path
    number: int
    line: Line


def pick(file: Path, number: int | None = None, path: str = "") -> Picked:
    """One line of a sweep's file, by its number or by the checkpoint that it is about.

    Args:
        file: The file.
        number: From 1 on.
        path: Path or name of the checkpoint, as the line has it; its last line counts.

    Raises:
        UsageError: There is no such line, or it is of a checkpoint that could not be opened.
        MpkError: The file cannot be read or is none of a sweep.
    """
    listed = lines.read(file, whole=True).lines
    if number is not None:
        if not 1 <= number <= len(listed):
            raise UsageError(f"has no line {number}", where=str(file), hint=f"It has {len(listed)}")
        chosen = number
    else:
        fitting = [n for n, x in enumerate(listed, 1) if path in (x["path"], x["name"]) or _same(path, x["path"])]
        several = {(listed[n - 1]["path"], listed[n - 1]["model"]) for n in fitting}
        if len(several) > 1:
            raise UsageError(
                f"{len(several)} checkpoints fit {path!r}", where=str(file),
                hint=f"Name the line: {', '.join(str(n) for n in fitting[:10])}",
            )  # fmt: skip
        if not fitting:
            raise UsageError(f"has no line about {path!r}", where=str(file))
        chosen = fitting[-1]
    line = listed[chosen - 1]
    if line["measured"] is None:
        told = (line["error"] or {}).get("diagnosis", "")
        raise UsageError(f"nothing was measured of it: {told}", where=f"{file}, line {chosen}")
    return Picked(file, chosen, line)


def fill(
    case: Case, picked: Picked, *, library: Path | None = None, keep: Path | None = None, most: int = REFERENCES
) -> list[str]:
    """Put the checkpoint and its relatives into a new case.

    Args:
        case: New, open for writing.
        picked: The line.
        library: Where the relatives' fingerprints lie; None: where the sweep's scan found them.
        keep: Where the sweep kept its fingerprints, or None.
        most: Relatives that become references.

    Returns:
        What was done and what is trusted, in sentences.

    Raises:
        MpkError: The checkpoint is gone, or the case cannot be written.
    """
    line = picked.line
    told: list[str] = []
    subject = artifacts.add_artifact(
        case, Path(line["path"]), role="subject", label=readable(Path(line["path"]).name),
        how=Opening(line["model"], bool(line["measured"].get("missing"))),
        note=f"found by a sweep, line {picked.number} of {readable(picked.file.name)}",
    )  # fmt: skip
    told.append(_fingerprinted(case, subject.id, picked, keep))
    actions.note(case, told[-1], id=subject.id)
    references = _references(case, line, library, most, told)
    if not references:
        told.append("No reference was taken: the line names no relative that is at hand. Add one: mpk-tui case add")
    if references:
        told.append(
            f"The references were chosen among {line['scan']['comparisons']} models; a comparison in this case states "
            "the significance of one named pair, so hold that number beside it."
        )
        actions.note(case, told[-1])
    digest = _attached(case, picked)
    for reference in references:
        actions.add_evidence(
            case, f"{subject.id}:{reference}", kind="context", attached=digest,
            source=f"mpk-tui batch, line {picked.number} of {readable(picked.file.name)}",
            excerpt=readable(batch.told(line))[:2000],
        )  # fmt: skip
    return told


def _same(path: str, known: str) -> bool:
    return os.path.abspath(path) == known


def _fingerprinted(case: Case, subject: str, picked: Picked, keep: Path | None) -> str:
    """Record the kept fingerprint if nothing changed since; say what was done."""
    line = picked.line
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(min(line["at"] // 1000, 253_402_300_799)))
    again = "It has no fingerprint in this case yet: mpk-tui case fingerprint makes it."
    if finding.stamped(Path(line["path"]))[1] != line["stamp"]:
        return f"The checkpoint changed since the sweep of {when} (size, time or inode of a file). {again}"
    kept = batch.kept(keep, line["measured"]["fingerprint"])
    if kept is None:
        return f"The checkpoint did not change since the sweep of {when}, but its fingerprint was not kept. {again}"
    artifacts.record_fingerprint(case, subject, record.read(kept))
    return (
        f"The fingerprint is the one that the sweep of {when} measured: size, modification time and inode of all files "
        "are what they were then. The bytes were not read again; mpk-tui case rehash reads them."
    )


def _references(case: Case, line: Line, library: Path | None, most: int, told: list[str]) -> list[str]:
    scan = line["scan"]
    relatives = scan["relatives"][: max(0, most)] if scan else []
    if not relatives:
        return []
    folder = library if library is not None else Path(str(scan["library"]["folder"]))
    out = []
    try:
        with open_library(folder) as catalogue:
            for r in relatives:
                entry = catalogue.known(_digest(r))
                if entry is None or entry.revoked:
                    why = "was revoked" if entry is not None else f"is not in {folder} any more"
                    told.append(f"{r['name']} is no reference: it {why}")
                    continue
                made = artifacts.add_artifact(
                    case, catalogue.path(entry), role="reference", label=readable(entry.name),
                    note=f"entry {entry.id} of the library; the sweep found: {r['finding']}",
                )  # fmt: skip
                artifacts.record_fingerprint(case, made.id, catalogue.fingerprint(entry))
                told.append(f"{made.id} is {entry.name}: {r['finding']}")
                out.append(made.id)
    except MpkError as error:
        told.append(f"The library could not be used: {error.diagnosis()}")
    return out


def _digest(relative: Line) -> bytes:
    try:
        return bytes.fromhex(relative["fingerprint"])
    except (KeyError, TypeError, ValueError):
        raise UsageError("the line names a relative without a fingerprint") from None


def _attached(case: Case, picked: Picked) -> str:
    """The line as a file of the case; its SHA-256, hex."""
    text = json.dumps(picked.line, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, f"sweep-line-{picked.number}.json")
        place.write_text(text, encoding="ascii")
        return record_attached(case, keep_file(case, place))
