"""Custody, intake and second readings as a bundle's log tells them: claims, not checked against anything.

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
TITLES: Mapping[str, str] = {
    "intake": "Intake", "transfer": "Transfer", "seal_check": "Seal check", "mount": "Mount",
}  # fmt: skip
"""Acts of custody as people call them."""
ASKED = 2_000
"""Statements that are held against each other; a stranger's log may have a hundred thousand."""
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
        return self._line(self.fields)

    @property
    def event(self) -> str:
        """When it happened, as stated; empty if nobody says."""
        return self.fields.get("when", "")

    @property
    def beside(self) -> str:
        """Fields and text on one line without the time of the event; a stranger's words."""
        return self._line({name: value for name, value in self.fields.items() if name != "when"})

    def _line(self, fields: Mapping[str, str]) -> str:
        said = [f"{name.replace('_', ' ')} {value}" for name, value in fields.items()]
        return "; ".join([*said, *([self.text] * bool(self.text))])


@dataclass(frozen=True)
class Taken:
    """What was said and found as a model was taken in.

    Attributes:
        seq: Number of its log entry.
        at: When it was written down, milliseconds.
        who: Who took it in.
        artifact: Id of the model.
        text: Their note.
        lists: One sentence for each acquisition hash list that the files were held against, as the tool recorded it.
        accepted: Why files that contradict a list were taken in all the same, or empty.
        gone: The entry was taken back, or the model removed again.
    """

    seq: int
    at: int
    who: str
    artifact: str
    text: str
    lists: tuple[str, ...]
    accepted: str
    gone: bool

    @property
    def sentence(self) -> str:
        """All of it on one line; a stranger's words."""
        said = [*(f"hash list {text}" for text in self.lists)]
        said += [f"contradictions accepted: “{self.accepted}”"] * bool(self.accepted)
        said += [f"note: “{self.text}”"] * bool(self.text)
        return "; ".join([*(["taken back later"] * self.gone), *said])


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


def taken(entries: Iterable[Any]) -> tuple[Taken, ...]:
    """Models as they were taken in, in order, where anything was said or found of it.

    Args:
        entries: Rows of a verified bundle's ``log`` section; withheld ones are passed over.
    """
    rows = [e for e in entries if not isinstance(e, Withheld)]
    undone: set[int] = set()
    for e in rows:
        target = e["params"].get("seq")
        if e["act"] in ("undo", "redo") and isinstance(target, int):
            (undone.add if e["act"] == "undo" else undone.discard)(target)
    removed = {
        _text(e["params"], "id"): e["seq"] for e in rows if e["act"] == "artifact_removed" and e["seq"] not in undone
    }
    out = []
    for e in rows:
        if e["act"] != "artifact":
            continue
        name, note = (_text(e["params"], n) for n in ("id", "note"))
        lists, accepted = _held_against(e["result"])
        gone = e["seq"] in undone or removed.get(name, -1) > e["seq"]
        if note or lists or accepted:
            out.append(Taken(e["seq"], e["at"], e["who"], name, note, lists, accepted, gone))
    return tuple(out)


def asks(entries: Iterable[Any]) -> tuple[str, ...]:
    """What in the chain of custody gives cause to ask, by the rule of a case (`mpk_tui.case.custody.notices`).

    Found from what was stated and nothing else; the sentences hold names that strangers chose.

    Args:
        entries: Rows of a verified bundle's ``log`` section; withheld ones are passed over.
    """
    told = [r for r in chronicle(entries) if isinstance(r, Custody)]
    if not told:
        return ()
    # Not before: a case reaches more of the standard library than a verification needs.
    from mpk_tui.case.custody import Statement, notices

    said = [Statement(c.seq, c.at, c.who, c.act, c.artifact, c.fields, c.text) for c in told[:ASKED]]
    left = len(told) - len(said)
    return (*notices(said), *([f"{left:,} further statements were not looked at"] if left else ()))


def _held_against(result: Any) -> tuple[tuple[str, ...], str]:
    """Sentences on hash lists and the reason for an accepted mismatch; a stranger's result may have any shape."""
    if not isinstance(result, Mapping):
        return (), ""
    found = result.get("hash_lists")
    rows = [r for r in found if isinstance(r, Mapping)] if isinstance(found, list | tuple) else []
    said = [": ".join(t for t in (_text(r, "list"), _text(r, "sentence")) if t) for r in rows]
    return tuple(s for s in said if s), _text(result, "accepted_mismatch")


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
