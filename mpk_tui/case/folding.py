"""The fold over a growing journal: an act costs itself, and an undo what came after the act that it takes back.

States of the past are kept at intervals; records are frozen and share their parts, so that this takes little room.
"""

from __future__ import annotations

from collections.abc import Iterable

from mpk_tui.case.journal import Entry
from mpk_tui.case.state import TURNS, CaseState, step, undone_entries

EVERY = 128
"""Entries between two states that are kept."""


class Folding:
    """Entries and the state after them, always equal to `mpk_tui.case.state.fold` of all of them.

    Attributes:
        entries: All entries so far.
        state: The state after them.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries: list[Entry] = list(entries)
        self._kept: list[tuple[int, CaseState]] = [(0, CaseState())]
        self.state = self._from(self.entries, self._kept)

    def after(self, entry: Entry) -> CaseState:
        """The state after one more entry, which is not taken in yet.

        Raises:
            MalformedError: Its parameters do not fit its act.
        """
        if entry.act not in TURNS:
            return step(self.state, entry, self.entries, False)
        return self._from([*self.entries, entry], [k for k in self._kept if k[0] <= self._since(entry)])

    def take(self, entry: Entry, state: CaseState) -> None:
        """Take in an entry with the state that `after` gave for it."""
        if entry.act in TURNS:
            since = self._since(entry)
            self._kept = [k for k in self._kept if k[0] <= since]
        self.entries.append(entry)
        self.state = state
        if len(self.entries) - self._kept[-1][0] >= EVERY:
            self._kept.append((len(self.entries), state))

    def _since(self, entry: Entry) -> int:
        """Number of the first entry that an undo or redo gives another meaning."""
        target = entry.params.get("seq")
        return target if isinstance(target, int) and 0 <= target < len(self.entries) else len(self.entries)

    @staticmethod
    def _from(entries: list[Entry], kept: list[tuple[int, CaseState]]) -> CaseState:
        """The state after all entries, from the last kept state on; adds to ``kept``."""
        undone = undone_entries(entries)
        done, state = kept[-1]
        for n in range(done, len(entries)):
            state = step(state, entries[n], entries, entries[n].seq in undone)
            if n + 1 - kept[-1][0] >= EVERY:
                kept.append((n + 1, state))
        return state
