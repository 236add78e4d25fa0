"""Evidence about the pair that is looked at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpk_tui.case import actions
from mpk_tui.case.evidence import KeptFile, keep_file, record_attached
from mpk_tui.case.revising import revise_evidence
from mpk_tui.case.store import ATTACHMENTS
from mpk_tui.constitution.answers import Evidence
from mpk_tui.tui.session.measuring import Measuring

if TYPE_CHECKING:
    from mpk_tui.progress import CancelToken


class Showing(Measuring):
    """Items of evidence and the files that they rest on."""

    @property
    def evidence(self) -> list[Evidence]:
        """Items about the pair that is looked at, by number: one that is said anew keeps its place."""
        return sorted(self.case.state.evidence.get(self.pair or "", {}).values(), key=lambda e: (len(e.id), e.id))

    def add_evidence(self, **fields: Any) -> Evidence:
        """Add one."""
        return actions.add_evidence(self.case, self.pair or "", **fields)

    def keeping(self, file: Path) -> Callable[[CancelToken], KeptFile]:
        """Work for a thread: copy a file into the case."""
        return lambda _: keep_file(self.case, file)

    def record_attached(self, kept: KeptFile) -> str:
        """Journal it; its SHA-256."""
        return record_attached(self.case, kept)

    def revise_evidence(self, item: str, **fields: Any) -> Evidence:
        """Take one out and enter it again as it should read."""
        return revise_evidence(self.case, item, pair=self.pair or "", **fields)

    def remove_evidence(self, item: str) -> None:
        """Take one back."""
        actions.remove_evidence(self.case, self.pair or "", item)

    def cited_by(self, item: str) -> list[str]:
        """Questions whose answers cite an item."""
        return [q for q, a in self.case.state.answers.get(self.pair or "", {}).items() if item in a.evidence]

    def checking_file(self, item: Evidence) -> Callable[[CancelToken], int]:
        """Work for a thread: read the file of an item again and hold it against its digest; its size in bytes.

        It raises `StorageError` where the file is gone and `MalformedError` where it is another.
        """
        return lambda _: len(self.case.kept(ATTACHMENTS, item.digest, item.digest))

    def file_name(self, item: Evidence) -> str:
        """The name under which an item's file was attached; untrusted text."""
        for entry in reversed(self.case.entries):
            if entry.act == "attach" and entry.obj is not None and entry.obj.hex() == item.digest:
                return str(entry.params.get("name", ""))
        return ""

    def comparison_as_evidence(self) -> str:
        """The recorded comparison becomes an item; says what it carries."""
        have = {e.id for e in self.evidence}
        made = actions.evidence_from_comparison(self.case, self.pair or "")
        if made.id in have:
            return f"This comparison is {made.id} already."
        if made.kind == "b":
            return f"{made.id}, kind (b), supports {', '.join(made.supports)}."
        return f"{made.id} is context: its finding ({made.finding}) carries no label."
