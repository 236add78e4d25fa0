"""The state of a case: a pure fold over its entries.  Undo is an entry like any other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mpk_tui.case.custody import ACTS, Statement
from mpk_tui.case.journal import Entry
from mpk_tui.constitution.answers import Answer, Evidence
from mpk_tui.errors import MalformedError

ROLES = ("subject", "reference", "adapter", "tokenizer")
FACTS = ("title", "examiner", "exhibit", "root_exhibit", "authority", "purpose")
CUSTODY = tuple(ACTS)


@dataclass(frozen=True)
class Artifact:
    """A model under examination.

    Attributes:
        id: Short name within the case.
        role: ``subject``, ``reference``, ``adapter`` or ``tokenizer``.
        label: What people call it.
        path: As given on this machine.  It is kept beside the journal, not in it, and never leaves the machine.
        name: Last component of the path, as journalled.
        note: On intake: where it came from, how it was copied.
        fingerprint: SHA-256 of its fingerprint file, hex, or empty.
        root: Tensor root, hex, or empty.
        scope: As the fingerprint says, or empty.
        partial: Examined although parts are missing.
        model: Which of several models of a folder, or empty.
        base: For an adapter that is examined together with its base: path of the base on this machine.
        complete: Nothing was missing when it was fingerprinted.
        lists: What each acquisition hash list said at intake, one sentence a list.
        mismatch: Why files that contradict a list were taken in all the same, or empty.
    """

    id: str
    role: str
    label: str
    path: str = ""
    name: str = ""
    note: str = ""
    fingerprint: str = ""
    root: str = ""
    scope: str = ""
    partial: bool = False
    model: str = ""
    base: str = ""
    complete: bool = True
    lists: tuple[str, ...] = ()
    mismatch: str = ""


@dataclass(frozen=True)
class Comparison:
    """A comparison that was made: digest of its canonical record, and its finding."""

    digest: str
    finding: str
    sentence: str
    fingerprints: tuple[str, str]


@dataclass(frozen=True)
class Review:
    """What a second person said after reading.

    Attributes:
        seq: Number of its entry.
        at: When, milliseconds since the Unix epoch.
        who: Who read.
        outcome: ``read``, ``agrees`` or ``dissents``.
        pair: The pair that was read, or empty for the whole case.
        text: Their words.
        verdict: The verdicts at that moment, pair by pair.
        stale: Something that was read has changed since.
    """

    seq: int
    at: int
    who: str
    outcome: str
    pair: str
    text: str
    verdict: str = ""
    stale: bool = False


@dataclass(frozen=True)
class CaseState:
    """Everything that the journal says so far."""

    id: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    answers: Mapping[str, Mapping[str, Answer]] = field(default_factory=dict)
    evidence: Mapping[str, Mapping[str, Evidence]] = field(default_factory=dict)
    rationale: Mapping[str, str] = field(default_factory=dict)
    known_gaps: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[tuple[int, str], ...] = ()
    custody: tuple[Statement, ...] = ()
    reviews: tuple[Review, ...] = ()
    norm: str = "1.0.0"
    exported: int = 0

    @property
    def pairs(self) -> tuple[str, ...]:
        """``subject:reference`` for every subject and every reference, in order of adding."""
        subjects = [a.id for a in self.artifacts.values() if a.role == "subject"]
        references = [a.id for a in self.artifacts.values() if a.role == "reference"]
        return tuple(f"{s}:{r}" for s in subjects for r in references)

    @property
    def title(self) -> str:
        """Title of the case."""
        return self.facts.get("title", "")

    @property
    def examiner(self) -> str:
        """Name of the examiner."""
        return self.facts.get("examiner", "")


def fold(entries: Iterable[Entry]) -> CaseState:
    """The state after all entries, undone ones left out.

    Raises:
        MalformedError: An entry whose parameters do not fit its act.
    """
    listed = list(entries)
    undone = undone_entries(listed)
    state = CaseState()
    for entry in listed:
        state = step(state, entry, listed, entry.seq in undone)
    return state


def step(state: CaseState, entry: Entry, entries: Sequence[Entry], undone: bool) -> CaseState:
    """The state after one entry.

    Args:
        state: The state before it.
        entry: The entry.
        entries: All entries before it, at least.
        undone: It was taken back, and says nothing.

    Raises:
        MalformedError: Its parameters do not fit its act.
    """
    handler = _HANDLERS.get(entry.act)
    try:
        if handler is not None and not undone:
            state = handler(state, entry)
        return _read_before(state, entry, entries)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise MalformedError(
            f"the parameters of {entry.act!r} do not fit ({error})", where=f"journal, entry {entry.seq}"
        ) from None


def _read_before(state: CaseState, entry: Entry, entries: Sequence[Entry]) -> CaseState:
    """Reviews before an entry that changes what they read are stale from it on, even if it is taken back."""
    changed = entry
    if entry.act in TURNS:
        target = entry.params.get("seq")
        if not isinstance(target, int) or not 0 <= target < entry.seq:
            return state
        changed = entries[target]
    if changed.act not in CHANGES or all(r.stale for r in state.reviews):
        return state
    pair = str(changed.params.get("pair", ""))
    return replace(
        state,
        reviews=tuple(
            r if r.stale or (pair and r.pair and pair != r.pair) else replace(r, stale=True) for r in state.reviews
        ),
    )


def undone_entries(entries: Iterable[Entry]) -> frozenset[int]:
    """Numbers of entries that an undo took back and no redo restored; what cannot be taken back is never among them."""
    undone: set[int] = set()
    acts: list[str] = []
    for entry in entries:
        target = entry.params.get("seq") if entry.act in TURNS else None
        if isinstance(target, int) and 0 <= target < len(acts) and acts[target] in UNDOABLE:
            (undone.add if entry.act == "undo" else undone.discard)(target)
        acts.append(entry.act)
    return frozenset(undone)


UNDOABLE = frozenset(
    {"facts", "artifact", "artifact_removed", "evidence", "evidence_removed", "answer", "rationale", "note",
     "known_gaps"}
)  # fmt: skip
"""Acts of judgement can be taken back; measurements, custody and reviews cannot."""
CHANGES = (UNDOABLE - {"note"}) | {"hash_before", "analyse"}
"""Acts after which a review is one of an earlier state."""
TURNS = ("undo", "redo")
"""Acts that change what entries before them mean."""


def _open(s: CaseState, e: Entry) -> CaseState:
    return replace(s, id=str(e.params["id"]), norm=str(e.params["norm"]), facts=_strings(e.params["facts"]))


def _facts(s: CaseState, e: Entry) -> CaseState:
    return replace(s, facts={**s.facts, **_strings(e.params)})


def _artifact(s: CaseState, e: Entry) -> CaseState:
    p = _strings(e.params)
    made = Artifact(
        p["id"], p["role"], p["label"], name=p["name"], note=p["note"], partial=p.get("partial") == "yes",
        model=p.get("model", ""), base=p.get("base", ""), **_intake(e.result),
    )  # fmt: skip
    return replace(s, artifacts={**s.artifacts, made.id: made})


def _intake(result: Any) -> dict[str, Any]:
    """What the entry's result says of hash lists; entries of artifacts that were held against none have no result."""
    if not isinstance(result, Mapping) or "hash_lists" not in result:
        return {}
    said = tuple(f"{found['list']}: {found['sentence']}" for found in result["hash_lists"])
    return {"lists": said, "mismatch": str(result.get("accepted_mismatch", ""))}


def _artifact_removed(s: CaseState, e: Entry) -> CaseState:
    gone = str(e.params["id"])

    def keep(table: Mapping[str, Any]) -> dict[str, Any]:
        return {pair: v for pair, v in table.items() if gone not in pair.split(":")}

    return replace(
        s,
        artifacts={k: v for k, v in s.artifacts.items() if k != gone},
        comparisons=keep(s.comparisons),
        answers=keep(s.answers),
        evidence=keep(s.evidence),
        rationale=keep(s.rationale),
    )


def _fingerprint(s: CaseState, e: Entry) -> CaseState:
    p = _strings(e.params)
    if p["id"] not in s.artifacts:
        return s
    found = replace(
        s.artifacts[p["id"]],
        fingerprint=p["fingerprint"],
        root=p["root"],
        scope=p["scope"],
        complete=p.get("complete", "yes") == "yes",
    )
    return replace(s, artifacts={**s.artifacts, p["id"]: found})


def _comparison(s: CaseState, e: Entry) -> CaseState:
    p = _strings(e.params)
    made = Comparison(p["record"], p["finding"], p["sentence"], (p["fingerprint_a"], p["fingerprint_b"]))
    return replace(s, comparisons={**s.comparisons, p["pair"]: made})


def _evidence(s: CaseState, e: Entry) -> CaseState:
    pair, item = str(e.params["pair"]), Evidence.from_record(e.params["item"], f"journal, entry {e.seq}")
    return replace(s, evidence={**s.evidence, pair: {**s.evidence.get(pair, {}), item.id: item}})


def _evidence_removed(s: CaseState, e: Entry) -> CaseState:
    pair, gone = str(e.params["pair"]), str(e.params["id"])
    rest = {k: v for k, v in s.evidence.get(pair, {}).items() if k != gone}
    return replace(s, evidence={**s.evidence, pair: rest})


def _answer(s: CaseState, e: Entry) -> CaseState:
    pair, answer = str(e.params["pair"]), Answer.from_record(e.params["answer"], f"journal, entry {e.seq}")
    return replace(s, answers={**s.answers, pair: {**s.answers.get(pair, {}), answer.question: answer}})


def _rationale(s: CaseState, e: Entry) -> CaseState:
    return replace(s, rationale={**s.rationale, str(e.params["pair"]): str(e.params["text"])})


def _known_gaps(s: CaseState, e: Entry) -> CaseState:
    gaps = tuple(str(g) for g in e.params["gaps"])
    return replace(s, known_gaps={**s.known_gaps, str(e.params["pair"]): gaps})


def _note(s: CaseState, e: Entry) -> CaseState:
    return replace(s, notes=(*s.notes, (e.seq, e.note)))


def _custody(s: CaseState, e: Entry) -> CaseState:
    p = {name: value for name, value in e.params.items() if isinstance(value, str)}
    fields = {f.name: p[f.name] for f in ACTS[e.act].fields if p.get(f.name)}
    made = Statement(e.seq, e.at, e.who, e.act, p.get("id", ""), fields, e.note)
    return replace(s, custody=(*s.custody, made))


def _review(s: CaseState, e: Entry) -> CaseState:
    p = _strings(e.params)
    made = Review(e.seq, e.at, e.who, p["outcome"], p.get("pair", ""), e.note, p.get("verdict", ""))
    return replace(s, reviews=(*s.reviews, made))


def _export(s: CaseState, e: Entry) -> CaseState:
    return replace(s, exported=s.exported + 1)


def _strings(params: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(v, str) for v in params.values()):
        raise TypeError("a parameter is not a string")
    return dict(params)


_HANDLERS: dict[str, Callable[[CaseState, Entry], CaseState]] = {
    "open": _open, "facts": _facts, "artifact": _artifact, "artifact_removed": _artifact_removed,
    "hash_before": _fingerprint, "hash_after": lambda s, e: s, "analyse": _comparison, "evidence": _evidence,
    "evidence_removed": _evidence_removed, "answer": _answer, "rationale": _rationale, "known_gaps": _known_gaps,
    "note": _note, "review": _review, **dict.fromkeys(ACTS, _custody), "export": _export,
}  # fmt: skip
