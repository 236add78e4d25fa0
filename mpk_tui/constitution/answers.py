"""Answers and evidence as records, and their plain form for journals and bundles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mpk_tui.errors import MalformedError
from mpk_tui.records import dataclass

MET, NOT_MET, UNDETERMINED = "met", "not-met", "undetermined"
ANSWERS = (MET, NOT_MET, UNDETERMINED)
KINDS = ("a", "b", "c", "context", "denial")
COMMON_ANCESTOR, CHAIN = "common-trained-ancestor", "chain"
BASES = ("", COMMON_ANCESTOR, CHAIN)


@dataclass(frozen=True)
class Hop:
    """One link of a chain: two models and the condition between them."""

    a: str
    b: str
    condition: str


@dataclass(frozen=True)
class Answer:
    """An analyst's answer to one question about one pair.

    Attributes:
        question: Id of a condition, mechanism or exclusion.
        answer: ``met``, ``not-met`` or ``undetermined``.
        reason: In the analyst's words.
        evidence: Ids of evidence items it rests on.
        proposed: What the tool proposed, or empty.
        basis: For c5: ``common-trained-ancestor`` or ``chain``.
        hops: For c5 by chain.
        direction_documented: Kind (a) evidence establishes which came first.
        resolution: Written resolution of a conflict that this answer takes part in.
    """

    question: str
    answer: str
    reason: str = ""
    evidence: tuple[str, ...] = ()
    proposed: str = ""
    basis: str = ""
    hops: tuple[Hop, ...] = ()
    direction_documented: bool = False
    resolution: str = ""

    def as_record(self) -> dict[str, Any]:
        """Plain form."""
        return {
            "question": self.question, "answer": self.answer, "reason": self.reason, "evidence": list(self.evidence),
            "proposed": self.proposed, "basis": self.basis, "hops": [[h.a, h.b, h.condition] for h in self.hops],
            "direction_documented": self.direction_documented, "resolution": self.resolution,
        }  # fmt: skip

    @staticmethod
    def from_record(record: Any, where: str = "answer") -> Answer:
        """Read the plain form back.

        Raises:
            MalformedError: A field is missing, unknown or of the wrong type.
        """
        fields = _fields(
            record, where, question=str, answer=str, reason=str, evidence=list, proposed=str, basis=str, hops=list,
            direction_documented=bool, resolution=str,
        )  # fmt: skip
        if fields["answer"] not in ANSWERS or fields["proposed"] not in ("", *ANSWERS) or fields["basis"] not in BASES:
            raise MalformedError("an answer, proposal or basis outside the known ones", where=where)
        hops = []
        for hop in fields["hops"]:
            if not isinstance(hop, list) or len(hop) != 3 or not all(isinstance(x, str) for x in hop):
                raise MalformedError("a hop is three strings: model, model, condition", where=where)
            hops.append(Hop(*hop))
        return Answer(
            fields["question"], fields["answer"], fields["reason"], _strings(fields["evidence"], where),
            fields["proposed"], fields["basis"], tuple(hops), fields["direction_documented"], fields["resolution"],
        )  # fmt: skip


@dataclass(frozen=True)
class Evidence:
    """One item of evidence about one pair.

    Attributes:
        id: Within the pair.
        kind: ``a``, ``b``, ``c``, ``context`` or ``denial``.
        supports: Questions that it speaks for.
        opposes: Questions that it speaks against.
        source: Who says so, where it came from.
        digest: SHA-256 of the file or record, hex, or empty.
        locator: Page, section, tensor or URL within the source.
        excerpt: Quoted words or numbers.
        finding: For kind b that cites a comparison: its finding.
        record: For kind b that cites a comparison: SHA-256 of its canonical record, hex.
    """

    id: str
    kind: str
    supports: tuple[str, ...] = ()
    opposes: tuple[str, ...] = ()
    source: str = ""
    digest: str = ""
    locator: str = ""
    excerpt: str = ""
    finding: str = ""
    record: str = ""

    def as_record(self) -> dict[str, Any]:
        """Plain form."""
        return {
            "id": self.id, "kind": self.kind, "supports": list(self.supports), "opposes": list(self.opposes),
            "source": self.source, "digest": self.digest, "locator": self.locator, "excerpt": self.excerpt,
            "finding": self.finding, "record": self.record,
        }  # fmt: skip

    @staticmethod
    def from_record(record: Any, where: str = "evidence") -> Evidence:
        """Read the plain form back.

        Raises:
            MalformedError: A field is missing, unknown or of the wrong type.
        """
        f = _fields(
            record, where, id=str, kind=str, supports=list, opposes=list, source=str, digest=str, locator=str,
            excerpt=str, finding=str, record=str,
        )  # fmt: skip
        if f["kind"] not in KINDS:
            raise MalformedError(f"evidence kind {f['kind'][:40]!r}", where=where)
        return Evidence(
            f["id"], f["kind"], _strings(f["supports"], where), _strings(f["opposes"], where), f["source"], f["digest"],
            f["locator"], f["excerpt"], f["finding"], f["record"],
        )  # fmt: skip


def _fields(value: Any, where: str, /, **kinds: type) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.keys() != kinds.keys():
        raise MalformedError(f"expected exactly the fields {', '.join(kinds)}", where=where)
    for name, kind in kinds.items():
        if not isinstance(value[name], kind):
            raise MalformedError(f"field {name!r} is not a {kind.__name__}", where=where)
    return value


def _strings(items: list[Any], where: str) -> tuple[str, ...]:
    if not all(isinstance(i, str) for i in items):
        raise MalformedError("a list of strings was expected", where=where)
    return tuple(items)
