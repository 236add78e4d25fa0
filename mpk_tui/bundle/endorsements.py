"""Statements that others put beside a bundle later: concur, dissent, witness, redaction, receipt, timestamp.

An endorsement names the bundle (``target``) and its signatures array (``sigs``), so it cannot be moved to another
bundle or to a copy that somebody else signed.  It has a payload type of its own: an endorsement is never a bundle.
What ``data`` holds depends on the kind; docs/format.md lists it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mpk_tui import canonical
from mpk_tui.bundle import limits
from mpk_tui.bundle.dsse import ENDORSEMENT_TYPE, pae
from mpk_tui.bundle.envelope import SealedEndorsement, Signature
from mpk_tui.bundle.limits import DEFAULT, Bounds
from mpk_tui.bundle.manifest import SIGNER, Signer, read_signer
from mpk_tui.bundle.outcome import CODES, Word
from mpk_tui.bundle.schema import (
    Check,
    Reading,
    binary,
    choice,
    digest,
    integer,
    listing,
    mapping,
    moment,
    record,
    row,
    text,
)
from mpk_tui.errors import MalformedError, UnsupportedError
from mpk_tui.records import dataclass

VERSION = (1, 0)
KINDS = ("concur", "dissent", "witness", "redaction", "receipt", "timestamp")
TOKEN_BYTES = 1 << 16
"""A time stamp token (RFC 3161, DER) with its certificates takes some kilobytes."""

_FIELDS = {
    "v": row(integer(), integer()), "kind": choice(*KINDS), "target": digest, "sigs": digest, "at": moment,
    "signer": SIGNER, "statement": text(1 << 16), "data": mapping,
}  # fmt: skip
BODY = record(_FIELDS)
_IDS = listing(text(128, least=1), limits.SECTIONS)
_REVIEW = record({"reviewed": _IDS}, optional=("reviewed",))
DATA: Mapping[str, Check] = {
    "concur": _REVIEW,
    "dissent": _REVIEW,
    "witness": _REVIEW,
    "redaction": record(
        {"ids": _IDS, "items": listing(row(text(128, least=1), integer(0, limits.TENSORS)), limits.SECTIONS),
         "reason": text(1024), "authority": text(1024)},
        optional=("items",),
    ),
    "receipt": record(
        {"verdict": choice(*Word), "code": integer(0, 255), "file_sha256": digest, "at": moment,
         "verifier": text(128, least=1)}
    ),
    "timestamp": record({"token": binary(1, TOKEN_BYTES)}),
}  # fmt: skip
"""Shape of ``data`` by kind."""


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

    @property
    def removed_items(self) -> tuple[tuple[str, int], ...]:
        """Single items, by section and index, that a redaction says it replaced by their hashes."""
        return tuple((s, i) for s, i in self.data.get("items", ())) if self.kind == "redaction" else ()

    @property
    def reviewed(self) -> tuple[str, ...]:
        """Sections to which the endorser limits the statement; empty if it is about all of the bundle."""
        return tuple(self.data.get("reviewed", ())) if self.kind in ("concur", "dissent", "witness") else ()

    def detail(self) -> str:
        """What ``data`` says, in words; empty if it says nothing."""
        d = self.data
        if self.kind == "redaction":
            what = [*self.removed, *_runs(self.removed_items)]
            more = f" and {len(what) - 20} more" if len(what) > 20 else ""
            return f"withheld {', '.join(what[:20])}{more}; reason: {d['reason']}; authority: {d['authority']}"
        if self.kind == "receipt":
            return f"{d['verifier']} said {d['verdict']} {d['code']} of the file {d['file_sha256'].hex()}"
        if self.kind == "timestamp":
            return f"a time stamp token of {len(d['token'])} bytes, not evaluated"
        return f"about {', '.join(self.reviewed)} only" if self.reviewed else ""


def _runs(items: Iterable[tuple[str, int]]) -> list[str]:
    """Items in words, neighbours together: ``item 3 of log``, ``items 5 to 9 of log``."""
    runs: list[list[Any]] = []
    for section, index in sorted(set(items)):
        if runs and runs[-1][0] == section and runs[-1][2] == index - 1:
            runs[-1][2] = index
        else:
            runs.append([section, index, index])
    return [f"item {a} of {s}" if a == b else f"items {a} to {b} of {s}" for s, a, b in runs]


def parse(sealed: SealedEndorsement, suite: str, where: str, bounds: Bounds = DEFAULT) -> Endorsement:
    """Decode an endorsement.

    Args:
        sealed: As it travels.
        suite: The bundle's suite; an endorser's keys must fit it too.
        where: For messages.
        bounds: What is accepted.

    Raises:
        MalformedError: Not canonical or not of this shape.
        UnsupportedError: Of a newer major version.
    """
    value = canonical.decode(sealed.body, bounds.manifest, where=where)
    if isinstance(value, dict) and "v" in value:
        _FIELDS["v"](value["v"], f"{where}.v", Reading())
        if value["v"][0] != VERSION[0]:
            raise UnsupportedError(f"endorsement version {value['v'][0]}", where=where, hint="Use a newer mpk-tui")
        newer = value["v"][1] > VERSION[1]
    else:
        newer = False
    BODY(value, where, Reading(newer=newer, bounds=bounds))
    check_data(value["kind"], value["data"], f"{where}.data", Reading(newer=newer, bounds=bounds))
    return Endorsement(
        value["kind"], value["target"], value["sigs"], value["at"], read_signer(value["signer"], suite, where),
        value["statement"], value["data"], pae(ENDORSEMENT_TYPE, sealed.body), sealed.signatures,
    )  # fmt: skip


def check_data(kind: str, data: Any, where: str, reading: Reading) -> None:
    """Hold ``data`` against the shape of its kind.

    Raises:
        MalformedError: It does not fit.
        LimitError: It names more than is accepted.
    """
    DATA[kind](data, where, reading)
    if kind == "redaction" and not (data["ids"] or data.get("items")):
        raise MalformedError("names nothing that was withheld", where=where)
    if kind == "receipt" and data["code"] != CODES[Word(data["verdict"])]:
        raise MalformedError(f"the code {data['code']} is not that of {data['verdict']}", where=where)


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
