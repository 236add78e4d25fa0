"""When the certificates of a chain were valid: today, and at the time of signing, told apart.

A signature of this format carries no time of its own.  The reference tool sets its clock to the first moment of the
signer's certificate, so that an expired one passes for ever; the specification (section 8.2) asks that the
certificate be within its validity.  Here today's clock decides, and the other readings are reported beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mpk_tui.modelsig.chain import Certificate

WITHIN, EXPIRED, EARLY, UNKNOWN = "within", "expired", "not-yet-valid", "unknown"


@dataclass(frozen=True)
class Validity:
    """Validity of a whole chain.

    Attributes:
        now: Today's clock, UTC.
        today: `WITHIN`, `EXPIRED` or `EARLY`, at ``now``.
        signed_at: Time that the file claims, unchecked, or None.
        at_signing: The same words for ``signed_at``; `UNKNOWN` without one.
        first_moment: First moment of the signer's certificate.
        at_first_moment: The same words for it: all that the reference tool looks at.
    """

    now: datetime
    today: str
    signed_at: datetime | None
    at_signing: str
    first_moment: datetime
    at_first_moment: str

    def as_record(self) -> dict[str, Any]:
        """Plain form."""
        return {
            "now": stamp(self.now), "today": self.today, "signed_at": stamp(self.signed_at) if self.signed_at else None,
            "at_signing": self.at_signing, "first_moment": stamp(self.first_moment),
            "at_first_moment": self.at_first_moment,
        }  # fmt: skip

    def sentences(self) -> tuple[str, ...]:
        """What a person should read."""
        if self.signed_at is None:
            then = "not known: the file states no time of signing"
        else:
            then = f"{stamp(self.signed_at)} as a log entry claims that was not checked: {_WORDS[self.at_signing]}"
        return (
            f"validity today ({stamp(self.now)}): {_WORDS[self.today]}",
            f"validity at the time of signing: {then}",
            f"validity at the first moment of the signer's certificate ({stamp(self.first_moment)}), which is all that "
            f"the reference tool checks: {_WORDS[self.at_first_moment]}",
        )


_WORDS = {
    WITHIN: "every certificate of the chain is within its period",
    EXPIRED: "a certificate of the chain has expired",
    EARLY: "a certificate of the chain is not valid yet",
}


def validity_of(chain: Sequence[Certificate], now: datetime, claimed: int | None) -> Validity:
    """Judge a chain.

    Args:
        chain: From the signer's certificate to the CA's; not empty.
        now: Today, with a time zone.
        claimed: Seconds since 1970 that a log entry claims, or None.
    """
    signed_at = None if claimed is None else datetime.fromtimestamp(claimed, UTC)
    first = chain[0].not_before
    return Validity(
        now, _at(chain, now), signed_at, UNKNOWN if signed_at is None else _at(chain, signed_at), first,
        _at(chain, first),
    )  # fmt: skip


def stamp(moment: datetime) -> str:
    """A time as ``2026-11-26T10:00:00Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _at(chain: Sequence[Certificate], moment: datetime) -> str:
    if any(c.not_after < moment for c in chain):
        return EXPIRED
    return EARLY if any(moment < c.not_before for c in chain) else WITHIN
