"""The sections of a bundle under verification: digests, what is withheld, shapes, and references between them."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from mpk_tui import canonical
from mpk_tui.bundle import commitments, logbook, sections
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.envelope import Blob, Envelope
from mpk_tui.bundle.limits import DEFAULT, Bounds
from mpk_tui.bundle.manifest import Manifest, SectionEntry
from mpk_tui.bundle.outcome import SectionReport, Word
from mpk_tui.bundle.run import Run
from mpk_tui.bundle.schema import Reading
from mpk_tui.errors import MalformedError
from mpk_tui.records import replace

Beside = Set[tuple[bytes, int]]
"""Files that lie beside a bundle: SHA-256 and size of each."""


def read_sections(
    run: Run,
    sealed: Envelope,
    body: Manifest,
    unknown: tuple[str, ...],
    beside: Beside = frozenset(),
    bounds: Bounds = DEFAULT,
) -> None:
    """Hold every blob against the manifest; what is intact goes to ``run.content``, anything else to ``run.found``.

    Args:
        run: Added to.
        sealed: The file, taken apart.
        body: The signed manifest.
        unknown: Ids of sections of a newer minor version.
        beside: Files at hand that may be attachments which travel beside the bundle.
        bounds: What is accepted.

    Raises:
        MalformedError: Content that is as signed and not of its schema.
        LimitError: More items than are accepted.
    """
    blobs = {b.id: b for b in sealed.blobs}
    listed = {s.id for s in body.sections}
    for name in blobs:
        if name not in listed:
            run.found.append((Word.ALTERED, f"section {name} is not among the signed ones"))
    reading = Reading(newer=body.newer, bounds=bounds)
    left = bounds.total_nodes
    for entry in body.sections:
        blob = blobs.get(entry.id)
        if blob is None:
            _missing(run, entry, beside)
            continue
        # Thousands of sections may each hold what one may hold; together they may not.
        allowed = bounds if left >= bounds.nodes else replace(bounds, nodes=left)
        state, withheld, value = _read_section(entry, blob, allowed)
        left -= value.nodes if isinstance(value, commitments.Items) else 0
        if state:
            run.found.append((Word.ALTERED, f"section {entry.id}: {state}"))
            run.sections.append(SectionReport(entry.id, entry.kind, entry.size, entry.count, "altered", reason=state))
            continue
        if entry.id in unknown:
            run.notices.append(f"not understood (written by a newer version): section {entry.id}")
            run.sections.append(SectionReport(entry.id, entry.kind, entry.size, entry.count, "not understood"))
            continue
        if entry.kind == "blob" and sections.FAMILIES[entry.family].check is not None:
            value, nodes = canonical.counted(blob.data, allowed.section, where=entry.id)
            left -= nodes
        sections.check_content(entry, value, reading)
        run.content[entry.id] = value.values if isinstance(value, commitments.Items) else value
        if withheld:
            run.found.append((Word.PARTIAL, f"section {entry.id}: {len(withheld)} of {entry.count} items are withheld"))
        run.sections.append(
            SectionReport(
                entry.id, entry.kind, entry.size, entry.count, "partly withheld" if withheld else "intact",
                len(withheld), items=withheld,
            )
        )  # fmt: skip
    run.notices += [f"not understood (written by a newer version): {place}" for place in reading.passed_over]


def _missing(run: Run, entry: SectionEntry, beside: Beside) -> None:
    if entry.family == "doc" and (entry.digest, entry.size) in beside:
        # The digest of an attachment is the plain one of its bytes, so the file at hand is the one that was signed.
        run.sections.append(SectionReport(entry.id, entry.kind, entry.size, entry.count, "beside"))
    elif entry.redactable:
        run.found.append((Word.PARTIAL, f"section {entry.id} is withheld"))
        run.sections.append(SectionReport(entry.id, entry.kind, entry.size, entry.count, "withheld", entry.count))
    else:
        run.found.append((Word.ALTERED, f"section {entry.id} is missing and may not be withheld"))
        run.sections.append(SectionReport(entry.id, entry.kind, entry.size, entry.count, "altered", reason="missing"))


def _read_section(entry: SectionEntry, blob: Blob, bounds: Bounds) -> tuple[str, tuple[int, ...], Any]:
    """What is wrong (or nothing), the numbers of withheld items, and the content: bytes or `Items`."""
    if bool(blob.salt) != entry.salted:
        return ("a salt was added" if blob.salt else "its salt was removed"), (), None
    if entry.kind == "blob":
        if len(blob.data) != entry.size:
            return f"{len(blob.data)} bytes, {entry.size} were signed", (), None
        if commitments.blob_digest(entry.id, blob.salt, blob.data) != entry.digest:
            return "its bytes are not those that were signed", (), None
        return "", (), blob.data
    items = commitments.read_items(entry.kind, blob.data, entry.id, bounds)
    if len(items.values) != entry.count:
        return f"{len(items.values)} items, {entry.count} were signed", (), items
    hidden = items.hidden
    if hidden and not entry.redactable:
        return "items are withheld that may not be", (), items
    if not hidden and len(blob.data) != entry.size:
        return f"{len(blob.data)} bytes, {entry.size} were signed", (), items
    if items.digest != entry.digest:
        return "its items are not those that were signed", (), items
    return "", hidden, items


def check_references(contents: Contents, body: Manifest) -> None:
    """Sections must name artifacts and documents that exist, and every artifact must have what it needs.

    Raises:
        MalformedError: They do not.
    """
    ids = {a["id"] for a in contents.artifacts}
    for entry in body.sections:
        family = sections.FAMILIES.get(entry.family)
        if family is not None and family.per == "artifact" and entry.suffix not in ids:
            raise MalformedError("belongs to no artifact of this bundle", where=entry.id)
    for artifact in sorted(ids):
        for name in (f for f, family in sections.FAMILIES.items() if family.per == "artifact" and family.required):
            if body.section(f"{name}.{artifact}") is None:
                raise MalformedError(
                    f"artifact {artifact!r} has no section {name}.{artifact}", where="manifest.sections"
                )
        located = contents.sections.get(f"locations.{artifact}")
        if located is not None:
            tensors = body.section(f"tensors.{artifact}")
            files = len(contents.sections[f"checkpoint.{artifact}"]["files"])
            if tensors is None or len(located["rows"]) != tensors.count:
                raise MalformedError("does not have one row for each tensor", where=f"locations.{artifact}")
            if any(file >= files for file, _ in located["rows"]):
                raise MalformedError("names a file that is not listed", where=f"locations.{artifact}")
    indexed = {d["id"]: d for d in contents.sections.get("docs", ())}
    if body.section("docs") is None or "docs" in contents.sections:
        for entry in body.sections:
            if entry.family == "doc" and entry.id not in indexed:
                raise MalformedError("is not in the index of documents", where=entry.id)
    for name, row in indexed.items():
        listed = body.section(name)
        if listed is None or listed.family != "doc" or (listed.digest, listed.size) != (row["sha256"], row["size"]):
            raise MalformedError(f"the index names {name!r}, which is not that document", where="docs")


def check_log(run: Run, contents: Contents, body: Manifest) -> None:
    """Hold the log against its rules; what is odd becomes a notice.

    Raises:
        MalformedError: Numbers with a gap, or no export at the end.
    """
    values = contents.sections.get("log")
    if values is not None:
        run.notices += logbook.check(commitments.Items(values, b""), body.seq)
