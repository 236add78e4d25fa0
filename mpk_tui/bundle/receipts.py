"""What a verifier writes down of every verification, and what that tells it later: pure; the file is read elsewhere.

A receipt is one line of JSON.  Each names the SHA-256 of the line before it, so that a line which is dropped or edited
shows, unless it is the last.  Receipts are this machine's memory, not evidence for others: whoever can write the file
can write it anew.

Two answers come from them.  When a bundle was first seen: independent of its signers' clocks.  And which number of a
case was the last: an older bundle than one already seen is a replay.  The second could be used to make good bundles
look old, so a receipt speaks against a bundle only if *everybody whom the verifier trusts among the bundle's signers*
signed the later one too, was believed then, and has a key that is not known to be compromised today.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mpk_tui.bundle.outcome import CODES, ON_REQUEST, SHOWN, Outcome, Word
from mpk_tui.bundle.trust import TrustedKey, TrustStore
from mpk_tui.hashtree import sha256
from mpk_tui.records import dataclass, field

LINE_BYTES = 8192
"""A longer line is no receipt."""
GENESIS = bytes(32)
"""What the first line of a log names as the line before it."""


@dataclass(frozen=True)
class Receipt:
    """One verification.

    Attributes:
        number: Counts lines of the log, from 0.
        at: Milliseconds since 1970, UTC, by this machine's clock.
        verifier: Name and version of the program.
        verdict: The word.
        file: SHA-256 of the file.
        bundle: Id of the bundle; None where it could not be read that far.
        case: Id of the case; None where the content was not to be read (`Outcome.manifest`).
        seq: Number of the bundle within the case, likewise.
        signers: Ids of the keys of declared signers whom the verifier trusted.
        prev: SHA-256 of the line before.
    """

    number: int
    at: int
    verifier: str
    verdict: Word
    file: bytes
    bundle: bytes | None
    case: str | None
    seq: int | None
    signers: tuple[bytes, ...]
    prev: bytes

    def line(self) -> bytes:
        """The line, ASCII, with its end."""
        record = {
            "n": self.number, "at": self.at, "verifier": self.verifier, "verdict": self.verdict.value,
            "code": int(CODES[self.verdict]), "file": self.file.hex(),
            "bundle": self.bundle.hex() if self.bundle else None, "case": self.case, "seq": self.seq,
            "signers": [k.hex() for k in self.signers], "prev": self.prev.hex(),
        }  # fmt: skip
        return json.dumps(record, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def receipt_of(outcome: Outcome, file: bytes, at: int, verifier: str, number: int, prev: bytes) -> Receipt:
    """The receipt of one verification.

    Args:
        outcome: What it found.
        file: SHA-256 of the bytes that were verified.
        at: The verifier's clock, milliseconds.
        verifier: Name and version of the program.
        number: Of the line.
        prev: SHA-256 of the line before, without its end.
    """
    m = outcome.manifest
    trusted = tuple(k for s in outcome.signers if s.state == "trusted" for k in s.keyids)
    return Receipt(
        number, at, verifier, outcome.verdict, file, outcome.bundle_id, m.case.id if m else None,
        m.seq if m else None, trusted if m else (), prev,
    )  # fmt: skip


@dataclass(frozen=True)
class History:
    """Receipts of earlier verifications.

    Attributes:
        lines: The log's lines in order, without their ends; only those that matter are taken apart.
        notices: What is odd about the log.
    """

    lines: Sequence[bytes] = field(default=(), repr=False)
    notices: tuple[str, ...] = ()

    def _naming(self, text: str) -> Iterator[Receipt]:
        wanted = json.dumps(text, ensure_ascii=True).encode("ascii")
        found = (parse(line) for line in self.lines if wanted in line)
        return (one for one in found if one is not None)

    def first_seen(self, bundle: bytes) -> int | None:
        """When this bundle was first seen with good signatures (milliseconds), or None.

        A bundle that was seen before it was signed, or altered, proves nothing about its signatures.
        """
        found = self._naming(bundle.hex())
        return next((r.at for r in found if r.bundle == bundle and r.verdict in SHOWN | ON_REQUEST), None)

    def last_seq(self, case: str, people: frozenset[str], store: TrustStore) -> int | None:
        """The greatest number of a case that all these people signed and that was believed, or None.

        Args:
            case: Id of the case.
            people: Trusted signers of the bundle at hand, by person id; without any nothing speaks against it.
            store: Whom the verifier believes today.
        """
        if not people:
            return None
        seen = (
            r.seq
            for r in self._naming(case)
            if r.case == case and r.seq is not None and r.verdict in SHOWN and people <= self.people(store, r.signers)
        )
        return max(seen, default=None)

    @staticmethod
    def people(store: TrustStore, keyids: Iterable[bytes]) -> frozenset[str]:
        """Ids of the people behind keys that are in the store and not known to be compromised."""
        found = (store.find(k) for k in keyids)
        return frozenset(f[0].id for f in found if f is not None and not _compromised(f[1]))


def _compromised(key: TrustedKey) -> bool:
    return key.revoked is not None and key.revoked.reason == "compromised"


def read(lines: Sequence[bytes], start: bytes | None = None) -> History:
    """The lines of a log, held against their chain.

    Args:
        lines: In order, without their ends.
        start: What the first of them must name as the line before it; None where that is not known.
    """
    odd = broken = 0
    prev = start
    for line in lines:
        if not (line.startswith(b'{"n":') and line.endswith(b'"}')):
            odd += 1
        elif prev is not None and line[-66:-2] != prev.hex().encode("ascii"):
            broken += 1
        prev = sha256(line)
    notices = []
    if odd:
        notices.append(f"lines of the receipt log that are no receipts: {odd}")
    if broken:
        notices.append(f"lines of the receipt log were dropped or changed, in {broken} places")
    return History(lines, tuple(notices))


_NAMES = ("n", "at", "verifier", "verdict", "code", "file", "bundle", "case", "seq", "signers", "prev")


def parse(line: bytes) -> Receipt | None:
    """One line as a receipt, or None if it is not one."""
    if len(line) > LINE_BYTES:
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or tuple(value) != _NAMES:
        return None
    try:
        return _receipt(value)
    except (KeyError, TypeError, ValueError):
        return None


def _receipt(v: Mapping[str, Any]) -> Receipt:
    whole = [v["n"], v["at"], *([] if v["seq"] is None else [v["seq"]])]
    if any(type(n) is not int or not 0 <= n < 1 << 53 for n in whole):
        raise ValueError
    texts = [v["verifier"], *([] if v["case"] is None else [v["case"]])]
    if any(not isinstance(t, str) for t in texts) or not isinstance(v["signers"], list) or len(v["signers"]) > 64:
        raise TypeError
    return Receipt(
        v["n"], v["at"], v["verifier"], Word(v["verdict"]), _digest(v["file"]),
        None if v["bundle"] is None else _digest(v["bundle"]), v["case"], v["seq"],
        tuple(_digest(k) for k in v["signers"]), _digest(v["prev"]),
    )  # fmt: skip


def _digest(text: Any) -> bytes:
    if not isinstance(text, str) or len(text) != 64:
        raise TypeError
    return bytes.fromhex(text)
