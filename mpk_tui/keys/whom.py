"""Whom a verifier believes, as a person says it: a store of people, or one public key."""

from __future__ import annotations

from pathlib import Path

from mpk_tui.bundle.trust import TrustStore, single_key
from mpk_tui.records import dataclass


@dataclass(frozen=True)
class Whom:
    """What was named.

    Attributes:
        trust: Trust store, a folder or a signed store; None is the one in the user's data folder.
        key: One public key in PEM form, believed in any role, in the place of a store.
        allow_stale: Go on with a signed store that has expired.
    """

    trust: Path | None = None
    key: Path | None = None
    allow_stale: bool = False

    def store(self) -> TrustStore:
        """Open it.

        Raises:
            MpkError: The store or the key cannot be read or used.
        """
        from mpk_tui.keys.public import read_halves
        from mpk_tui.keys.signed_store import believed

        if self.key is not None:
            return single_key(*read_halves(self.key))
        return believed(self.trust, allow_stale=self.allow_stale)
