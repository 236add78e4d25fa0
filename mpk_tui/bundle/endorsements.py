"""Statements that others put beside a bundle later: concur, dissent, witness, redaction, receipt, timestamp.

An endorsement names the bundle (``target``) and its signatures array (``sigs``), so it cannot be moved to another
bundle or to a copy that somebody else signed.  It has a payload type of its own: an endorsement is never a bundle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mpk_tui import canonical
from mpk_tui.bundle import limits
from mpk_tui.bundle.dsse import ENDORSEMENT_TYPE, pae
from mpk_tui.bundle.envelope import SealedEndorsement, Signature
from mpk_tui.bundle.manifest import SIGNER, Signer, read_signer
from mpk_tui.bundle.schema import Reading, choice, digest, integer, listing, mapping, moment, record, row, text
from mpk_tui.errors import UnsupportedError

VERSION = (1, 0)
KINDS = ("concur", "dissent", "witness", "redaction", "receipt", "timestamp")

_FIELDS = {
    "v": row(integer(), integer()), "kind": choice(*KINDS), "target": digest, "sigs": digest, "at": moment,
    "signer": SIGNER, "statement": text(1 << 16), "data": mapping,
}  # fmt: skip
_BODY = record(_FIELDS)
_REDACTION = record(
    {"ids": listing(text(128, least=1), limits.SECTIONS, 1), "reason": text(1024), "authority": text(1024)}
)


@dataclass(frozen=True)
class Endorsement:
    """One endorsement, decoded and not yet believed."""

    kind: str
    target: bytes
    sigs: bytes
    at: int
    signer: Signer
    statement: str
    data: dict[str, Any]
    message: bytes
    signatures: tuple[Signature, ...]

    @property
    def removed(self) -> tuple[str, ...]:
        """Sections that a redaction says it took out."""
        return tuple(self.data["ids"]) if self.kind == "redaction" else ()


def parse(sealed: SealedEndorsement, suite: str, where: str) -> Endorsement:
    """Decode an endorsement.

    Args:
        sealed: As it travels.
        suite: The bundle's suite; an endorser's keys must fit it too.
        where: For messages.

    Raises:
        MalformedError: Not canonical or not of this shape.
        UnsupportedError: Of a newer major version.
    """
    value = canonical.decode(sealed.body, limits.MANIFEST, where=where)
    if isinstance(value, dict) and "v" in value:
        _FIELDS["v"](value["v"], f"{where}.v", Reading())
        if value["v"][0] != VERSION[0]:
            raise UnsupportedError(f"endorsement version {value['v'][0]}", where=where, hint="Use a newer mpk-tui")
        newer = value["v"][1] > VERSION[1]
    else:
        newer = False
    _BODY(value, where, Reading(newer=newer))
    if value["kind"] == "redaction":
        _REDACTION(value["data"], f"{where}.data", Reading(newer=newer))
    return Endorsement(
        value["kind"], value["target"], value["sigs"], value["at"], read_signer(value["signer"], suite, where),
        value["statement"], value["data"], pae(ENDORSEMENT_TYPE, sealed.body), sealed.signatures,
    )  # fmt: skip


def body(kind: str, target: bytes, sigs: bytes, at: int, signer: Signer, statement: str, data: dict[str, Any]) -> bytes:
    """Canonical body of a new endorsement: what its signer signs (as `ENDORSEMENT_TYPE`)."""
    return canonical.encode(
        {
            "v": list(VERSION), "kind": kind, "target": target, "sigs": sigs, "at": at,
            "signer": {"id": signer.id, "role": signer.role,
                       "keys": [{"alg": k.alg, "pub": k.raw} for k in signer.keys]},
            "statement": statement, "data": data,
        },
        limits.MANIFEST,
    )  # fmt: skip
