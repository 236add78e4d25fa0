"""A library in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpk_tui.kit import telling
from mpk_tui.library import opening
from mpk_tui.library.reading import Reader

SCHEMA = "mpk-tui/library-stats/1"
LOG = "mpk-tui/library-log/1"


@dataclass(frozen=True)
class Stats:
    """Numbers of a library.

    Attributes:
        folder: It.
        entries: Entries, revoked ones included.
        revoked: Those that were revoked.
        families: Entries by row of the architecture table.
        origins: Entries by the pack they came with; the empty name are those that were added here.
        with_parents: Entries with at least one parent.
        documented: Parents with evidence of a kind that counts.
        claimed: Parents without.
        rows: Rows of each derived table.
        bytes: Bytes of the catalogue and of the fingerprint files.
        packs: Packs that were taken in.
        leads: Assets of an imported database of another tool; they are no entries.
    """

    folder: Path
    entries: int
    revoked: int
    families: dict[str, int]
    origins: dict[str, int]
    with_parents: int
    documented: int
    claimed: int
    rows: dict[str, int]
    bytes: dict[str, int]
    packs: int
    leads: int

    def as_record(self) -> dict[str, Any]:
        """The object of ``mpk-tui library stats --json``."""
        return {
            "schema": SCHEMA, "folder": str(self.folder), "entries": self.entries, "revoked": self.revoked,
            "families": self.families, "origins": self.origins, "with_parents": self.with_parents,
            "documented_parents": self.documented, "claimed_parents": self.claimed, "rows": self.rows,
            "bytes": self.bytes, "packs": self.packs, "leads": self.leads,
        }  # fmt: skip


def count(library: Reader) -> Stats:
    """Count what is in a library."""
    with library.moment():
        every = list(library.entries(revoked=True))
        rows = library.row_counts()
        packs = len(library.packs())
    parents = [p for e in every for p in e.facts.parents]
    documented = sum(p.documented for p in parents)
    return Stats(
        library.folder, len(every), sum(bool(e.revoked) for e in every),
        _by_count(Counter(e.family for e in every)), _by_count(Counter(e.origin.pack_name for e in every)),
        sum(bool(e.facts.parents) for e in every), documented, len(parents) - documented, rows,
        {"catalogue": (library.folder / opening.NAME).stat().st_size, "fingerprints": sum(e.size for e in every)},
        packs, telling.count(library.folder),
    )  # fmt: skip


def _by_count(found: Counter[str]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
