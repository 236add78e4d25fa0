"""An open case and the pair that is looked at; everything else of a session stands on this."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpk_tui.case.state import Artifact
from mpk_tui.case.store import Case
from mpk_tui.constitution import norm
from mpk_tui.errors import StorageError
from mpk_tui.text import clean
from mpk_tui.tui.drafts import Drafts

if TYPE_CHECKING:
    from mpk_tui.fingerprint.record import Fingerprint


class Desk:
    """One open case.

    Attributes:
        case: The case itself.
        drafts: Text that was typed and not entered.
        at: Where each screen was left.
        faults: Kept files that are missing or altered, by artifact or pair, as sentences.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.drafts = Drafts(None if case.read_only else case.root)
        self.at: dict[str, int] = {}
        self.faults: dict[str, str] = {}
        self._pair = 0
        self._written: dict[int, Path] = {}
        self._fingerprints: dict[str, Fingerprint] = {}
        self._comparisons: dict[str, dict[str, Any]] = {}
        self._numbers: dict[tuple[str, str], list[str]] = {}

    def close(self) -> None:
        """Release the lock."""
        self.case.close()

    @property
    def notices(self) -> tuple[str, ...]:
        """What the opening had to say."""
        return self.case.notices

    @property
    def read_only(self) -> bool:
        """Nothing can be changed through this opening."""
        return self.case.read_only

    @property
    def name(self) -> str:
        """Number and title, escaped."""
        return clean(f"{self.case.state.id} {self.case.state.title}", 120)

    @property
    def norm(self) -> norm.Norm:
        """The version that the case was begun with."""
        return norm.load(self.case.state.norm)

    def must_write(self) -> None:
        """Refuse early where nothing can be recorded.

        Raises:
            StorageError: The case is open read-only.
        """
        if self.read_only:
            raise StorageError("the case is open for reading only; nothing can be recorded", where=str(self.case.root))

    @property
    def artifacts(self) -> list[Artifact]:
        """In order of adding."""
        return list(self.case.state.artifacts.values())

    # -- pairs ------------------------------------------------------------------------------------------------------

    @property
    def pairs(self) -> tuple[str, ...]:
        """Every subject with every reference."""
        return self.case.state.pairs

    @property
    def pair(self) -> str | None:
        """The pair that is looked at."""
        return self.pairs[self._pair % len(self.pairs)] if self.pairs else None

    @property
    def pair_name(self) -> str:
        """The pair for people."""
        if self.pair is None:
            return ""
        count = f" {self.pairs.index(self.pair) + 1}/{len(self.pairs)}" if len(self.pairs) > 1 else ""
        return f"{self.named(self.pair)}{count}"

    def named(self, pair: str) -> str:
        """A pair with the labels of its two models."""
        labels = self.case.state.artifacts
        return " ~ ".join(f"{i} {labels[i].label}" for i in pair.split(":"))

    def turn_pair(self, by: int) -> bool:
        """Look at another pair; False if there is no other."""
        if len(self.pairs) < 2:
            return False
        self._pair = (self._pair + by) % len(self.pairs)
        return True

    def look_at(self, pair: str) -> None:
        """Look at a pair by its id."""
        if pair in self.pairs:
            self._pair = self.pairs.index(pair)
