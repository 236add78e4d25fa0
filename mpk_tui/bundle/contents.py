"""What a bundle says, apart from who signed it: the writer's input and the reader's result."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from mpk_tui.bundle.manifest import CaseFacts, ToolFacts
from mpk_tui.records import dataclass


@dataclass(frozen=True)
class Contents:
    """Case, tool and sections.

    Attributes:
        case: Case block.
        seq: Number of the bundle within the case.
        prev: Id of the bundle before it.
        created: Milliseconds since 1970, UTC.
        tool: What made it.
        sections: Content by section id, as docs/format.md describes it: plain values for blobs, bytes for attachments,
            a tuple of items for ``tensors.<id>`` and ``log`` with `Withheld` where one is not disclosed.  A reader
            finds no entry for a section that was withheld.
    """

    case: CaseFacts
    seq: int
    prev: bytes | None
    created: int
    tool: ToolFacts
    sections: Mapping[str, Any]

    @property
    def artifacts(self) -> tuple[Mapping[str, Any], ...]:
        """Rows of the ``artifacts`` section."""
        return tuple(self.sections.get("artifacts", ()))

    def artifact(self, artifact_id: str) -> Mapping[str, Any] | None:
        """One row of the ``artifacts`` section."""
        return self._by_artifact.get(artifact_id)

    @cached_property
    def _by_artifact(self) -> Mapping[str, Mapping[str, Any]]:
        return {a["id"]: a for a in self.artifacts}

    def rows(self, section: str, pair: str) -> tuple[Mapping[str, Any], ...]:
        """Rows of ``findings``, ``evidence`` or ``answers`` that belong to a pair."""
        return self._by_pair.get((section, pair), ())

    @cached_property
    def _by_pair(self) -> Mapping[tuple[str, str], tuple[Mapping[str, Any], ...]]:
        # There may be as many pairs as subjects times references: nobody walks through all rows for each of them.
        found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
        for section in ("findings", "evidence", "answers"):
            for row in self.sections.get(section, ()):
                found.setdefault((section, row["pair"]), []).append(row)
        return {key: tuple(rows) for key, rows in found.items()}

    @property
    def verdicts(self) -> tuple[Mapping[str, Any], ...]:
        """Signed verdicts by pair, empty if the section was withheld."""
        section = self.sections.get("verdict")
        return tuple(section["pairs"]) if section else ()
