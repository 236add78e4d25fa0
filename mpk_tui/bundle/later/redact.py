"""Leaving something out of a bundle without breaking its signatures: sections as a whole, or single items.

The manifest commits to every section by a digest, so a section's blob can leave (its salt leaves with it), and an item
of the log or of a tensor list can be replaced by its hash.  Signatures and endorsements stay good: they cover the
manifest.  What is left out shows, and who left it out should: as a signed redaction record
(`mpk_tui.bundle.later.endorse`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mpk_tui import canonical, hashtree
from mpk_tui.bundle import limits
from mpk_tui.bundle.commitments import Withheld
from mpk_tui.bundle.contents import Contents
from mpk_tui.bundle.envelope import Blob, Envelope
from mpk_tui.bundle.manifest import Manifest, SectionEntry
from mpk_tui.errors import UsageError
from mpk_tui.records import dataclass, replace

REPEATED: Mapping[str, frozenset[str]] = {
    "answers": frozenset({"answer"}),
    "evidence": frozenset({"evidence"}),
    "verdict": frozenset({"answer", "rationale", "known_gaps"}),
    "notes": frozenset({"note"}),
    "docs": frozenset({"attach"}),
    "findings": frozenset({"analyse"}),
}
"""Acts of the log whose entries repeat what a section of this family says."""
_ELSEWHERE: Mapping[str, str] = {
    "answers": "the verdict still names the conditions, mechanisms and exclusions that the answers decided",
    "evidence": "answers still cite the ids of the evidence, and documents (doc.*) may be what it consists of",
    "verdict": "verify recomputes the verdict from answers and evidence while both are here",
    "findings": "evidence may quote the finding, and the log names each comparison by its digest",
    "tensors": "findings name tensors that differ; locations and the tree's root and count stay",
    "log": "sections repeat what the log's entries set down",
}


@dataclass(frozen=True)
class Selection:
    """What is to be left out.

    Attributes:
        sections: Ids of whole sections.
        items: Section id and index of single items.
    """

    sections: tuple[str, ...] = ()
    items: tuple[tuple[str, int], ...] = ()

    def data(self, reason: str, authority: str) -> dict[str, Any]:
        """``data`` of the redaction record."""
        out: dict[str, Any] = {"ids": list(self.sections), "reason": reason, "authority": authority}
        if self.items:
            out["items"] = [[s, i] for s, i in self.items]
        return out


def select(
    body: Manifest,
    contents: Contents,
    sections: Iterable[str] = (),
    entries: Iterable[int] = (),
    tensors: Iterable[tuple[str, str]] = (),
) -> Selection:
    """Find what a person names in a bundle that was verified.

    Args:
        body: Its manifest.
        contents: What it says.
        sections: Ids of sections to leave out.
        entries: Numbers of log entries.
        tensors: Artifact id and name of tensors.

    Raises:
        UsageError: Something that is not there, is withheld already, or may not be withheld.
    """
    whole = tuple(sorted(set(sections)))
    for name in whole:
        _may_leave(body, name)
        if name not in contents.sections:
            raise UsageError(f"section {name!r} is not in the file; it was withheld before")
    wanted = {("log", n) for n in entries}
    for artifact, tensor in dict.fromkeys(tensors):
        name = f"tensors.{artifact}"
        _may_leave(body, name)
        found = [
            n
            for n, row in enumerate(contents.sections.get(name, ()))
            if not isinstance(row, Withheld) and row[0] == tensor
        ]
        if not found:
            raise UsageError(f"artifact {artifact!r} lists no tensor {tensor!r} that is still disclosed")
        wanted.add((name, found[0]))
    for name, index in sorted(wanted):
        _may_leave(body, name)
        rows = contents.sections.get(name, ())
        if name in whole:
            raise UsageError(f"{name} is left out as a whole; name either the section or its items")
        if not 0 <= index < len(rows):
            raise UsageError(f"{name} has no item {index}", hint=f"It has {len(rows)}, counted from 0")
        if isinstance(rows[index], Withheld):
            raise UsageError(f"item {index} of {name} is withheld already")
    if not whole and not wanted:
        raise UsageError("nothing was named that is to be left out", hint="Name a --section, --log or --tensor")
    return Selection(whole, tuple(sorted(wanted)))


def _may_leave(body: Manifest, name: str) -> SectionEntry:
    entry = body.section(name)
    if entry is None:
        raise UsageError(f"the bundle has no section {name!r}", hint="mpk-tui verify --json lists them")
    if not entry.redactable:
        raise UsageError(f"section {name!r} is required and may not be withheld")
    return entry


def repeating_entries(contents: Contents, selection: Selection) -> tuple[int, ...]:
    """Numbers of disclosed log entries that repeat what the selection leaves out, and are not in it."""
    acts = frozenset[str]().union(*(REPEATED.get(s.partition(".")[0], frozenset()) for s in selection.sections))
    if any(s.startswith("doc.") for s in selection.sections):
        acts |= REPEATED["docs"]
    if "log" in selection.sections or not acts:
        return ()
    return tuple(
        n
        for n, entry in enumerate(contents.sections.get("log", ()))
        if not isinstance(entry, Withheld) and entry["act"] in acts and ("log", n) not in selection.items
    )


def leaks(contents: Contents, selection: Selection) -> tuple[str, ...]:
    """Sentences about what still shows of the things that are left out."""
    out = ["ids, types, sizes and counts of all sections, the case block and the tool block stay readable"]
    families = dict.fromkeys(s.partition(".")[0] for s in (*selection.sections, *(s for s, _ in selection.items)))
    out += [f"{f}: {_ELSEWHERE[f]}" for f in families if f in _ELSEWHERE]
    repeated = repeating_entries(contents, selection)
    if repeated:
        listed = ", ".join(map(str, repeated[:20])) + (" …" if len(repeated) > 20 else "")
        out.append(f"log: {len(repeated)} entries repeat what is left out ({listed}); --with-log leaves them out too")
    return tuple(out)


def withhold(envelope: Envelope, selection: Selection) -> Envelope:
    """The bundle without what was selected.

    Args:
        envelope: A bundle that was verified.
        selection: From `select`, for this bundle.
    """
    by_section: dict[str, list[int]] = {}
    for name, index in selection.items:
        by_section.setdefault(name, []).append(index)
    kept = (b for b in envelope.blobs if b.id not in selection.sections)
    blobs = tuple(_without(b, by_section[b.id]) if b.id in by_section else b for b in kept)
    return replace(envelope, blobs=blobs)


def _without(blob: Blob, indices: Sequence[int]) -> Blob:
    rows = canonical.decode(blob.data, limits.SECTION, where=blob.id)
    for n in indices:
        packed = canonical.encode(rows[n], limits.SECTION)
        # The log is a chain over digests of entries, every other list a tree over leaf hashes.
        rows[n] = [hashtree.sha256(packed) if blob.id == "log" else hashtree.leaf_hash(packed)]
    return replace(blob, data=canonical.encode(rows, limits.SECTION))
