"""Custody and second readings as a bundle's log tells them: claims of the journal, not checked against anything.

Pure; standard library only.  The acts, and what makes a reading stale, are those of a case's journal
(`mpk_tui.case.custody`, `mpk_tui.case.reviewing`); tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mpk_tui.bundle.commitments import Withheld
from mpk_tui.records import dataclass

CUSTODY: Mapping[str, tuple[str, ...]] = {
    "intake": ("from", "to", "when", "how", "seal", "condition", "place"),
    "transfer": ("from", "to", "when", "how", "seal", "place"),
    "seal_check": ("seal", "intact", "when", "by"),
    "mount": ("device", "read_only", "with", "when", "by"),
}
"""Acts of custody, with their fields in the order in which they are shown."""
REVIEW = "review"
OUTCOMES: Mapping[str, str] = {
    "read": "read the case through", "agrees": "read the case and agrees", "dissents": "read the case and dissents",
}  # fmt: skip
"""What a second person said, in words."""
CHANGES = frozenset(
    {"facts", "artifact", "artifact_removed", "hash_before", "analyse", "evidence", "evidence_removed", "answer",
     "rationale", "known_gaps"}
)  # fmt: skip
"""Acts after which a reading is one of an earlier state."""


@dataclass(frozen=True)
class Custody:
    """One statement of custody.

    Attributes:
        seq: Number of its log entry.
        at: When it was written down, milliseconds.
        who: Who states it.
        act: ``intake``, ``transfer``, ``seal_check`` or ``mount``.
        artifact: Id of the artifact concerned, or empty for all.
        fields: Named fields, in order of showing.
        text: Free text.
    """

    seq: int
    at: int
    who: str
    act: str
    artifact: str
    fields: Mapping[str, str]
    text: str

    @property
    def sentence(self) -> str:
        """Fields and text on one line; a stranger's words."""
        said = [f"{name.replace('_', ' ')} {value}" for name, value in self.fields.items()]
        return "; ".join([*said, *([self.text] * bool(self.text))])


@dataclass(frozen=True)
class Reviewed:
    """One reading by a second person.

    Attributes:
        seq: Number of its log entry.
        at: When it was written down, milliseconds.
        who: Who read.
        outcome: ``read``, ``agrees`` or ``dissents``.
        pair: The pair that was read, or empty for the whole case.
        text: Their words.
        verdict: What the verdict was at that moment, as the journal says.
        stale: Something was judged or measured after it.
    """

    seq: int
    at: int
    who: str
    outcome: str
    pair: str
    text: str
    verdict: str
    stale: bool

    @property
    def sentence(self) -> str:
        """What they said, on one line."""
        of = f" ({self.pair})" if self.pair else ""
        late = "; the case was changed after it" if self.stale else ""
        return f"{OUTCOMES.get(self.outcome, self.outcome)}{of}{late}" + (f": “{self.text}”" if self.text else "")


def chronicle(entries: Iterable[Any]) -> tuple[Custody | Reviewed, ...]:
    """Custody and readings, in order.

    Args:
        entries: Rows of a verified bundle's ``log`` section; withheld ones are passed over.
    """
    rows = [e for e in entries if not isinstance(e, Withheld)]
    last = _last_changes(rows)
    everything, latest = last.get("", -1), max(last.values(), default=-1)
    out: list[Custody | Reviewed] = []
    for e in rows:
        if e["act"] in CUSTODY:
            out.append(_custody(e))
        elif e["act"] == REVIEW:
            outcome, pair, verdict = (_text(e["params"], n) for n in ("outcome", "pair", "verdict"))
            changed = max(everything, last.get(pair, -1)) if pair else latest
            out.append(Reviewed(e["seq"], e["at"], e["who"], outcome, pair, e["note"], verdict, changed > e["seq"]))
    return tuple(out)


def _last_changes(rows: Iterable[Any]) -> dict[str, int]:
    """Number of the last entry that changed what a reading rests on, by pair; those of no single pair under ``""``."""
    acts: dict[int, tuple[str, str]] = {}
    last: dict[str, int] = {}
    for e in rows:
        acts[e["seq"]] = e["act"], _text(e["params"], "pair")
        target = e["params"].get("seq") if e["act"] in ("undo", "redo") else e["seq"]
        act, pair = acts.get(target, ("", "")) if isinstance(target, int) else ("", "")
        if act in CHANGES:
            last[pair] = e["seq"]
    return last


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name, "")
    return value if isinstance(value, str) else ""


def _custody(e: Any) -> Custody:
    p = e["params"]
    fields = {n: said for n in CUSTODY[e["act"]] if (said := _text(p, n))}
    return Custody(e["seq"], e["at"], e["who"], e["act"], _text(p, "id"), fields, e["note"])
