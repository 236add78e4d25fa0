"""What a case says of itself: its facts, custody, notes, reviews, and the journal with undo and redo."""

from __future__ import annotations

from pathlib import Path

from mpk_tui.bundle.logbook import SEALED
from mpk_tui.case import actions
from mpk_tui.case.custody import Statement, notices
from mpk_tui.case.journal import Entry
from mpk_tui.case.state import undone_entries
from mpk_tui.text import hex_groups
from mpk_tui.tui import wording
from mpk_tui.tui.session.desk import Desk


class Keeping(Desk):
    """Facts, statements and the journal."""

    def facts(self) -> list[tuple[str, str]]:
        """What the case says of itself."""
        state = self.case.state
        rows = [("Case", state.id), *((label, state.facts.get(n, "") or "–") for n, label in wording.FACTS)]
        rows.append(("Folder", str(self.case.root.absolute())))
        rows.append(("Norm", f"Model Provenance Constitution {state.norm}"))
        return rows

    def wrote(self, seq: int, path: Path) -> None:
        """Remember where a bundle was written: paths are in no journal, so only this run of the program knows it."""
        self._written[seq] = path

    def bundles(self) -> list[tuple[str, str]]:
        """What was signed: number of each bundle, then its id, when, and where it lies as far as that is known."""
        out = []
        for e in self.case.entries:
            if e.act != SEALED or e.obj is None:
                continue
            seq = e.params.get("seq")
            usual = self.case.root / f"{self.case.state.id}-{seq}.mpkb"
            path = self._written.get(seq if isinstance(seq, int) else -1)
            if path is not None:
                place = f"written to {path}"
            else:
                place = f"{usual.name} lies in the case's folder" if usual.is_file() else "the journal keeps no path"
            out.append((f"Bundle {seq}", f"signed {wording.utc(e.at)} UTC; {place}; id {hex_groups(e.obj)}"))
        return out

    def notes(self) -> list[Entry]:
        """Entries of the notes that stand."""
        return [self.case.entries[seq] for seq, _ in self.case.state.notes]

    def editable(self) -> list[tuple[str, str, str]]:
        """Fields of the case that can be changed: name, label, value."""
        return [(n, label, self.case.state.facts.get(n, "")) for n, label in wording.FACTS]

    def edit(self, values: dict[str, str]) -> None:
        """Change what differs."""
        changed = {n: v.strip() for n, v in values.items() if v.strip() != self.case.state.facts.get(n, "")}
        if changed:
            actions.set_facts(self.case, **changed)

    def note(self, text: str) -> None:
        """Write a note."""
        actions.note(self.case, text)

    def custody(self, act: str, text: str, *, artifact: str = "", **fields: str) -> None:
        """Record a custody statement."""
        actions.custody(self.case, act, text, id=artifact, **fields)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Statements of custody, as they were made."""
        return self.case.state.custody

    def custody_notices(self) -> list[str]:
        """What in the chain of custody gives cause to ask."""
        return notices(self.statements)

    # -- the journal ------------------------------------------------------------------------------------------------

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The journal."""
        return self.case.entries

    @property
    def undone(self) -> frozenset[int]:
        """Entries that were taken back."""
        return undone_entries(list(self.case.entries))

    def undo(self) -> str:
        """Take the last act of judgement back; says which."""
        return self._named(actions.undo(self.case))

    def redo(self) -> str:
        """Restore it; says which."""
        return self._named(actions.redo(self.case))

    def could_undo(self) -> str:
        """What an undo would take back, or empty."""
        return self._said(actions.next_undo(self.case))

    def could_redo(self) -> str:
        """What a redo would restore, or empty."""
        return self._said(actions.next_redo(self.case))

    def _named(self, entry: Entry) -> str:
        return self._said(self.case.entries[int(entry.params["seq"])])

    def _said(self, entry: Entry | None) -> str:
        return "" if entry is None else f"entry {entry.seq}, {entry.act}, {wording.entry_line(entry, frozenset())}"
