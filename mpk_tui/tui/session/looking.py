"""What a comparison is looked at with: its record and both fingerprints, read from the case's folder by a thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mpk_tui.case import actions, artifacts
from mpk_tui.case.store import COMPARISONS
from mpk_tui.errors import MpkError
from mpk_tui.tui.session.showing import Showing

if TYPE_CHECKING:
    from mpk_tui.fingerprint.hashing import TensorHash

AT_ONCE = 256 << 10
"""Bytes of a record that are read between two keys; a longer one is read by a thread."""

_FOLLOWS = "The fingerprints are being read; equal tensors follow."

Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Measured:
    """A comparison with the tensors of its two fingerprints.

    Attributes:
        key: The pair and the digests of the three files.
        record: The comparison record; None where there is none or its file is not sound.
        tensors: Tensors of A's and of B's fingerprint; None while they are not at hand.
        notes: Why they are not, as sentences.
        whole: All that can be read was read.
        fault: Why the record cannot be read.
    """

    key: Key
    record: dict[str, Any] | None
    tensors: tuple[tuple[TensorHash, ...], tuple[TensorHash, ...]] | None = None
    notes: tuple[str, ...] = ()
    whole: bool = False
    fault: str = ""


class Looking(Showing):
    """Comparisons to look at."""

    _measured: Measured | None = None

    @property
    def looks(self) -> dict[str, Any]:
        """How each pair's comparison was looked at, for the screen that shows it."""
        found: dict[str, Any] = self.__dict__.setdefault("_looks", {})
        return found

    def measured(self) -> Measured | None:
        """What is at hand of the pair that is looked at; None where it was not compared, or nothing was read yet."""
        key = self._key()
        if key is None:
            return None
        if self._measured is not None and self._measured.key == key:
            return self._measured
        if key[1] not in self._comparisons and not self._small():
            return None
        record = self.comparison
        if record is None:
            return Measured(key, None, whole=True, fault=self.faults.get(key[0], ""))
        self._measured = Measured(key, record, notes=(_FOLLOWS,))
        return self._measured

    def reading(self) -> tuple[Key, Callable[[], Measured]] | None:
        """Work for a thread that reads what is not at hand yet: the record, then, asked again, the fingerprints.

        Returns:
            The key of what it is for and the work; None where nothing is left to read.
        """
        key = self._key()
        if key is None or (self._measured is not None and self._measured.key == key and self._measured.whole):
            return None
        pair, record = key[0], self._comparisons.get(key[1])
        known = [self._fingerprints.get(digest) for digest in key[2:]]

        def work() -> Measured:
            if record is None:
                try:
                    return Measured(key, actions.stored_comparison(self.case, pair), notes=(_FOLLOWS,))
                except MpkError as error:
                    return Measured(key, None, whole=True, fault=error.diagnosis())
            sides, notes = [], []
            for name, side, at_hand in zip(pair.split(":"), ("a", "b"), known, strict=True):
                try:
                    read = at_hand or artifacts.stored_fingerprint(self.case, name)
                except MpkError as error:
                    notes.append(f"Fingerprint of {name}: {error.what}.")
                    continue
                if read.root.hex() != record[side]["root"]:
                    notes.append(f"Fingerprint of {name}: it is of other weights than were compared.")
                    continue
                sides.append(read)
            if len(sides) < 2:
                return Measured(key, record, None, (*notes, "Equal tensors have no row below."), whole=True)
            return Measured(key, record, (sides[0].tensors, sides[1].tensors), whole=True)

        return key, work

    def take_measured(self, found: Measured) -> None:
        """Keep what a thread read, if the case still says the same."""
        if found.key != self._key():
            return
        self._measured = found
        if found.record is not None:
            self._comparisons[found.key[1]] = found.record
        if found.fault:
            self.faults[found.key[0]] = found.fault

    def _key(self) -> Key | None:
        pair = self.pair
        made = self.case.state.comparisons.get(pair or "")
        if pair is None or made is None:
            return None
        a, b = (self.case.state.artifacts[name].fingerprint for name in pair.split(":"))
        return pair, made.digest, a, b

    def _small(self) -> bool:
        path = self.case.root / COMPARISONS / f"{(self.pair or '').replace(':', '-')}.mpkc"
        try:
            return path.stat().st_size <= AT_ONCE
        except OSError:
            return True  # reading it says what is wrong

    # -- evidence ---------------------------------------------------------------------------------------------------

    def place_as_evidence(self, part: str, locator: str, excerpt: str) -> str:
        """A row, tensor or figure of the recorded comparison becomes an item; says what it carries."""
        have = {e.id for e in self.evidence}
        made = actions.evidence_from_row(self.case, self.pair or "", part=part, locator=locator, excerpt=excerpt)
        if made.id in have:
            return f"{made.locator} is {made.id} already."
        if made.kind == "b":
            return f"{made.id}, kind (b), supports {', '.join(made.supports)}: {made.locator}"
        return f"{made.id} is context, it carries no label: {made.locator}"
